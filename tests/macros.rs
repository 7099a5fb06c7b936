//! `#[monoloop::main]` and `#[monoloop::test]` on everything they accept.

#![cfg(feature = "macros")]
#![deny(unused, dead_code, unreachable_pub)]

use std::cell::Cell;
use std::future::pending;
use std::io;
use std::num::ParseIntError;
use std::process::Termination;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use monoloop::time;

const HOUR: Duration = Duration::from_secs(3600);

/// Far longer than any of these tests takes, far shorter than [`HOUR`].
const A_WHILE: Duration = Duration::from_secs(60);

// ----- the test attribute

#[monoloop::test]
async fn a_test_runs_on_a_loop() {
    assert!(monoloop::Handle::try_current().is_some());
    assert_eq!(monoloop::spawn(async { 42 }).await.unwrap(), 42);
}

#[monoloop::test]
async fn a_test_may_return_a_result() -> Result<(), ParseIntError> {
    let number: u8 = "42".parse()?;
    assert_eq!(number, 42);
    Ok(())
}

#[monoloop::test]
async fn a_test_may_return_early() -> io::Result<()> {
    if monoloop::spawn(async { true }).await.unwrap() {
        return Ok(());
    }
    Err(io::Error::other("not reached"))
}

#[monoloop::test]
#[should_panic(expected = "as it should")]
async fn should_panic_is_kept() {
    panic!("as it should");
}

#[should_panic = "as it should"]
#[monoloop::test]
async fn should_panic_is_kept_in_front() {
    panic!("as it should");
}

#[monoloop::test]
#[ignore = "it would fail"]
async fn ignore_is_kept() {
    panic!("this test is ignored");
}

#[monoloop::test]
#[cfg(any())]
async fn cfg_is_kept() {
    this_does_not_exist();
}

/// Documented,
#[monoloop::test]
/// on either side.
async fn doc_comments_are_kept() {}

#[monoloop::test]
#[allow(unused_variables)]
async fn lint_levels_hold_for_the_body() {
    let unused = 1;
}

#[monoloop::test]
async fn inner_attributes_hold_for_the_body() {
    #![allow(unused_variables)]
    let unused = 1;
}

#[monoloop::test]
async fn what_is_not_send_may_live_across_an_await() {
    let count = Rc::new(Cell::new(0));
    let counter = Rc::clone(&count);
    monoloop::spawn(async move { counter.set(1) }).await.unwrap();
    assert_eq!(count.get(), 1);
}

// ----- virtual time

#[monoloop::test(virtual_time)]
async fn virtual_time_takes_no_time() {
    let (virtual_start, wall_start) = (time::now(), Instant::now());
    time::sleep(HOUR).await;
    assert_eq!(time::now() - virtual_start, HOUR);
    assert!(wall_start.elapsed() < A_WHILE);
}

#[monoloop::test(virtual_time = true)]
async fn virtual_time_may_be_spelled_out() {
    let start = time::now();
    time::sleep(HOUR).await;
    assert_eq!(time::now() - start, HOUR);
}

#[monoloop::test(virtual_time = false)]
async fn virtual_time_may_be_switched_off() {
    let (start, wall_start) = (time::now(), Instant::now());
    time::sleep(Duration::from_millis(2)).await;
    assert!(wall_start.elapsed() >= Duration::from_millis(2));
    assert!(time::now() - start < A_WHILE);
}

// ----- the other arguments

#[monoloop::test(poll_budget = 7, io_interval = 0x10_u32, virtual_time)]
async fn numbers_reach_the_builder() {
    assert_eq!(monoloop::spawn(async { 42 }).await.unwrap(), 42);
}

#[monoloop::test()]
async fn arguments_may_be_empty() {}

mod reexport {
    pub(crate) use monoloop as runtime;
}

#[reexport::runtime::test(crate = reexport::runtime)]
async fn the_crate_may_be_a_path() {}

#[monoloop::test(crate = "reexport::runtime", virtual_time)]
async fn the_crate_may_be_a_path_in_quotes() {}

#[monoloop::test(crate = "::monoloop")]
async fn the_crate_may_be_absolute() {}

#[monoloop::test(crate = ::monoloop)]
async fn the_crate_may_be_absolute_without_quotes() {}

/// Has everything of the runtime that the macros need, except what is not called.
mod imitation {
    pub(crate) struct EventLoop;

    impl EventLoop {
        pub(crate) fn builder() -> Self {
            Self
        }

        pub(crate) fn poll_budget(self, budget: usize) -> Self {
            assert_eq!(budget, 7);
            self
        }

        pub(crate) fn build(self) -> Result<Self, ()> {
            Ok(self)
        }

        pub(crate) fn run<F: Future>(&self, _never_polled: F) -> &'static str {
            "imitation"
        }
    }
}

#[monoloop::main(crate = imitation, poll_budget = 7)]
async fn run_by_imitation() -> &'static str {
    "monoloop"
}

#[test]
fn nothing_but_the_given_crate_is_used() {
    assert_eq!(run_by_imitation(), "imitation");
}

// ----- the main attribute

#[monoloop::main]
async fn compute() -> u32 {
    monoloop::spawn(async { 42 }).await.unwrap()
}

#[test]
fn main_makes_a_plain_function_with_the_return_type() {
    let plain: fn() -> u32 = compute;
    assert_eq!(plain(), 42);
}

#[test]
fn every_call_has_a_loop_of_its_own_and_shuts_it_down() {
    #[monoloop::main]
    async fn detach() -> Weak<()> {
        let owned = Rc::new(());
        let watch = Rc::downgrade(&owned);
        monoloop::spawn(async move {
            let _owned = owned;
            pending::<()>().await;
        })
        .detach();
        watch
    }

    for _ in 0..2 {
        assert!(detach().upgrade().is_none(), "the detached task is dropped");
        assert!(monoloop::Handle::try_current().is_none());
    }
}

#[test]
fn a_panic_shuts_the_loop_down_too() {
    #[monoloop::main]
    async fn fail() {
        panic!("as it should");
    }

    assert!(std::panic::catch_unwind(fail).is_err());
    assert!(monoloop::Handle::try_current().is_none());
    assert_eq!(compute(), 42);
}

#[monoloop::main]
async fn infer() -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let numbers = ["1", "2"].into_iter().map(str::parse);
    Ok(numbers.collect::<Result<_, _>>()?)
}

#[test]
fn the_return_type_guides_inference() {
    assert_eq!(infer().unwrap(), [1, 2]);
}

#[monoloop::main]
async fn opaque() -> impl Termination
where
    u8: Copy,
{
}

#[test]
fn opaque_types_and_where_clauses_are_kept() {
    let _ = opaque().report();
}

#[monoloop::main]
async fn never() -> ! {
    panic!("it never returns");
}

#[test]
#[should_panic = "it never returns"]
fn a_function_may_never_return() {
    never();
}

#[monoloop::main]
async fn countdown() -> u32 {
    thread_local!(static LEFT: Cell<u32> = const { Cell::new(3) });
    match LEFT.replace(LEFT.get().saturating_sub(1)) {
        0 => 0,
        _ => 1 + Box::pin(countdown()).await,
    }
}

#[test]
fn the_body_calls_itself_as_the_async_function_it_is() {
    assert_eq!(countdown(), 3);
}

mod outer {
    pub(crate) mod inner {
        #[monoloop::main]
        pub(in crate::outer) async fn visible() -> u8 {
            1
        }
    }

    pub(crate) fn call() -> u8 {
        inner::visible()
    }
}

#[test]
fn visibility_is_kept() {
    assert_eq!(outer::call(), 1);
}

// ----- hygiene

/// Names that would lead the expansion astray if it used them.
mod shadowed {
    #![allow(non_camel_case_types, dead_code)]

    mod core {}
    mod std {}
    struct EventLoop;
    struct monoloop;

    #[::monoloop::test]
    async fn the_expansion_uses_absolute_paths() {
        let _both = (EventLoop, monoloop);
    }
}

macro_rules! function {
    ($(#[$attribute:meta])* $vis:vis $name:ident, $budget:literal, $flag:expr, $ret:ty, $body:block) => {
        $(#[$attribute])*
        #[$crate::reexport::runtime::main(
            crate = $crate::reexport::runtime, poll_budget = $budget, virtual_time = $flag
        )]
        $vis async fn $name() -> $ret $body
    };
}

macro_rules! item {
    ($item:item) => {
        #[monoloop::test]
        $item
    };
}

function!(
    /// Made by a macro.
    pub(crate) made_by_macro, 7, true, Option<u8>, {
        time::sleep(HOUR).await;
        Some(1)
    }
);

item! {
    async fn items_may_come_from_macros() {
        assert_eq!(monoloop::spawn(async { 42 }).await.unwrap(), 42);
    }
}

#[test]
fn every_piece_may_come_from_a_macro() {
    assert_eq!(made_by_macro(), Some(1));
}

/// That ctrl-c interrupts such a run is shown where processes are started: `example_graceful_shutdown.rs`.
#[monoloop::test(ctrl_c)]
async fn ctrl_c_is_an_argument() -> Result<(), monoloop::LoopClosed> {
    monoloop::Handle::current().interrupt()?;
    monoloop::task::CancelToken::root().cancelled().await;
    Ok(())
}

#[monoloop::test(ctrl_c = false)]
async fn ctrl_c_can_be_declined() {
    monoloop::yield_now().await;
}
