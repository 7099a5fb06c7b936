//! Locks, signals, queues and channels, for the tasks of one thread.

pub mod broadcast;
mod error;
mod lone_waiter;
pub mod mpsc;
pub mod oneshot;
mod places;
pub mod queue;
pub mod remote;
mod wait_list;
mod waiting;
pub mod watch;
