//! Queues between tasks: from many who put to many who get.
//!
//! | queue | what `get` gives |
//! | --- | --- |
//! | [`Queue`] | what was put first |
//! | [`PriorityQueue`] | the lowest; of equals, what was put first |
//! | [`LifoQueue`] | what was put last |
//!
//! They are used by reference, and shared by an `Rc`. Each is *bounded*, so that `put` waits for a place
//! while the queue is full, or *unbounded*. Who waits is served first come, first served: an item is handed
//! to who waits longest, before it runs, and so is a place; if that one is dropped meanwhile, the next gets
//! it. So no item is ever lost by a `get` that is dropped.
//!
//! # Done
//!
//! A queue counts the items that were put and are not *done*. [`join`](Queue::join) waits until all are.
//! Whoever gets an item says so by [`task_done`](Queue::task_done), or takes an [`Item`] by
//! [`get_item`](Queue::get_item), which says so when it is dropped, however the work on it ended.
//!
//! # Closing
//!
//! [`close`](Queue::close) refuses new items; who gets is given what is left, then an error.
//! [`close_now`](Queue::close_now) takes what is left out as well.
//!
//! # With a limit of time
//!
//! Any of it goes into a [`timeout`](crate::time::timeout): `timeout(limit, queue.get())` loses nothing.
//!
//! # Examples
//!
//! ```
//! use std::rc::Rc;
//! use monoloop::sync::queue::Queue;
//!
//! # monoloop::run(async {
//! let queue = Rc::new(Queue::bounded(2));
//! for _ in 0..3 {
//!     let queue = Rc::clone(&queue);
//!     monoloop::spawn(async move {
//!         while let Ok(page) = queue.get_item().await {
//!             println!("working on page {}", *page);
//!         }
//!     })
//!     .detach();
//! }
//! for page in 0..10 {
//!     queue.put(page).await.expect("the queue is open");
//! }
//! queue.join().await;
//! queue.close();
//! # });
//! ```

mod core;
mod error;
mod faces;
mod item;
mod items;
mod place;
mod prioritized;
mod store;
mod unfinished;

pub use error::{GetError, PutError, ReserveError, TryGetError, TryPutError};
pub use faces::{LifoQueue, PriorityQueue, Queue};
pub use item::Item;
pub use items::Items;
pub use place::Place;
pub use prioritized::Prioritized;
