//! The attribute macros of [monoloop](https://docs.rs/monoloop): [`macro@main`] and [`macro@test`].
//!
//! Use them through the runtime, as `#[monoloop::main]` and `#[monoloop::test]`.
//!
//! # How it is made
//!
//! No dependencies and as little parsing as will do: whoever builds the runtime waits for this crate.
//! All that has to be understood is where a function's body begins, so the tokens of the standard
//! `proc_macro` crate are enough. `config` reads the arguments, `function` takes the item apart,
//! `expand` puts the pieces together again, and `error` points at what the user got wrong.

#![forbid(unsafe_code)]
#![warn(missing_docs, unreachable_pub)]

use std::fmt;

use proc_macro::TokenStream;

mod config;
mod error;
mod expand;
mod function;
mod literal;
mod tokens;

/// Turns an `async fn` into a plain one that runs it on a new event loop.
///
/// The loop is set up when the function is called, runs until the body is done, and is then shut
/// down: tasks that are still alive are dropped. What the body returns, the function returns; so
/// `main` may return whatever a `main` may return, such as a `Result`. Attributes, visibility and
/// return type stay.
///
/// Despite its name the macro goes on any free function that is `async`, has a body and takes neither
/// parameters nor generics.
///
/// # Arguments
///
/// | argument | meaning |
/// | --- | --- |
/// | `virtual_time`, `virtual_time = true` | the loop's clock is virtual: when nothing is ready, it jumps to the next deadline instead of waiting |
/// | `poll_budget = 61` | at most how many tasks are polled in one turn of the loop |
/// | `io_interval = 61` | after at most how many polls the loop looks for I/O |
/// | `ctrl_c`, `ctrl_c = true` | ctrl-c interrupts the run instead of ending the process at once: see `monoloop::OnCtrlC::Interrupt` and `EventLoop::run_or_exit`; needs the feature `signal` |
/// | `crate = path::to::monoloop` | where to find the runtime, if not at `::monoloop`; also in quotes |
///
/// Flags and numbers but `ctrl_c` are passed to the methods of the same names on `monoloop::Builder`, which have
/// more to say about them.
///
/// # Panics
///
/// The function panics if the operating system refuses what the loop needs, such as a file
/// descriptor, or if it is called while another loop runs on the same thread.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// #[monoloop::main]
/// async fn main() -> Result<(), monoloop::JoinError> {
///     let answer = monoloop::spawn(async {
///         monoloop::time::sleep(Duration::from_millis(1)).await;
///         42
///     });
///     assert_eq!(answer.await?, 42);
///     Ok(())
/// }
/// ```
///
/// With a virtual clock a day passes in no time:
///
/// ```
/// use std::time::Duration;
///
/// #[monoloop::main(virtual_time)]
/// async fn main() {
///     let day = Duration::from_secs(24 * 60 * 60);
///     let before = monoloop::time::now();
///     monoloop::time::sleep(day).await;
///     assert_eq!(monoloop::time::now() - before, day);
/// }
/// ```
///
/// A crate that re-exports the runtime says where:
///
/// ```
/// mod runtime {
///     pub use monoloop as event_loop;
/// }
///
/// #[monoloop::main(crate = crate::runtime::event_loop)]
/// async fn main() {}
/// ```
#[doc(alias = "asyncio.run")]
#[proc_macro_attribute]
pub fn main(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(Macro::Main, arguments, item)
}

/// Turns an `async fn` into a test that runs it on an event loop of its own.
///
/// Like [`macro@main`], with the same arguments, but the function also becomes a `#[test]`. So
/// `#[should_panic]`, `#[ignore]`, `#[cfg(..)]` and a return type of `Result<(), E>` mean what they
/// mean for every test. A `#[test]` of the user's own on top would be one too many, and is refused.
///
/// # Panics
///
/// The test fails if its body panics or if the loop cannot be set up. The panic of another task
/// reaches whoever joins that task, as ever, and fails the test only if it is passed on there.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// #[monoloop::test]
/// async fn a_child_answers() -> Result<(), monoloop::JoinError> {
///     assert_eq!(monoloop::spawn(async { 42 }).await?, 42);
///     Ok(())
/// }
///
/// #[monoloop::test(virtual_time)]
/// #[should_panic(expected = "an hour later")]
/// async fn waiting_costs_nothing() {
///     monoloop::time::sleep(Duration::from_secs(3600)).await;
///     panic!("an hour later");
/// }
/// # fn main() {}
/// ```
#[doc(alias = "IsolatedAsyncioTestCase")]
#[proc_macro_attribute]
pub fn test(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(Macro::Test, arguments, item)
}

/// Which of the two attributes is at work.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Macro {
    Main,
    Test,
}

impl fmt::Display for Macro {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Main => "#[monoloop::main]",
            Self::Test => "#[monoloop::test]",
        })
    }
}
