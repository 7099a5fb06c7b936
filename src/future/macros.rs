//! `join!`, `try_join!` and `select!`.

/// Runs up to twelve futures side by side and gives the tuple of their outputs.
///
/// It is [`gather`](crate::future::gather) of a tuple, awaited: use it inside of `async`. The futures may borrow.
///
/// # Cancel safety
///
/// As safe as the futures: dropping the surrounding future drops them all.
///
/// # Examples
///
/// ```
/// # monoloop::run(async {
/// let text = String::from("seven");
/// let (length, upper) = monoloop::join!(async { text.len() }, async { text.to_uppercase() });
/// assert_eq!((length, upper.as_str()), (5, "SEVEN"));
/// # });
/// ```
#[macro_export]
macro_rules! join {
    () => { () };
    ($($future:expr),+ $(,)?) => {
        $crate::future::gather(($($future,)+)).await
    };
    ($($other:tt)*) => {
        ::core::compile_error!("`join!` takes futures, separated by commas: `join!(a, b)`")
    };
}

/// Runs up to twelve futures of `Result`s side by side: `Ok` with the tuple of their values, or the first error, which
/// drops the others.
///
/// It is [`try_gather`](crate::future::try_gather) of a tuple, awaited: use it inside of `async`.
///
/// # Cancel safety
///
/// As for [`join!`](crate::join).
///
/// # Examples
///
/// ```
/// # monoloop::run(async {
/// let both = monoloop::try_join!(async { "1".parse::<u8>() }, async { "x".parse::<u8>() });
/// assert!(both.is_err());
/// # });
/// ```
#[macro_export]
macro_rules! try_join {
    () => { ::core::result::Result::Ok(()) };
    ($($future:expr),+ $(,)?) => {
        $crate::future::try_gather(($($future,)+)).await
    };
    ($($other:tt)*) => {
        ::core::compile_error!("`try_join!` takes futures, separated by commas: `try_join!(a, b)`")
    };
}

/// Waits for the first of some futures and runs its handler; the others are dropped before that.
///
/// ```text
/// select! {
///     biased;                                  optional: poll in the order written
///     pattern = future => handler,
///     pattern = future, if condition => handler,
///     else => handler,
/// }
/// ```
///
/// * Futures are polled from a random one on, so that none is favoured; with `biased;`, in the order written.
/// * A branch whose *pattern* does not match its output is out, and the others go on.
/// * A branch whose *condition* is false is out from the beginning. The conditions are evaluated first, and the
///   future's expression of a branch with a condition only if that holds. `?` and the like work in expressions too.
/// * If all branches are out, `else` runs; without one, `select!` panics.
/// * Handlers run after the futures were dropped, in the surrounding function: `return`, `?`, `break`, `continue`
///   and `.await` work in them, and what the futures borrowed is free. They all have one type.
///
/// In a loop, a future that shall go on over the rounds is made before it and pinned; then the branch polls it by
/// reference: `let mut timer = pin!(sleep(second)); loop { select! { _ = &mut timer => .., .. } }`. A future that is
/// made in the branch begins anew in each round.
///
/// The futures are polled with the waker of the surrounding task, and so all of them on each wake, as few as they are:
/// the next round will poll them all anyway, and so a future that goes on over the rounds is not given another waker in
/// each.
///
/// # Cancel safety
///
/// The futures that do not win are dropped half-way, unless they are given by reference: what they lose then, their
/// own documentation says.
///
/// # Panics
///
/// If all branches are out and there is no `else`.
///
/// # Examples
///
/// ```
/// use std::{pin::pin, time::Duration};
/// use monoloop::{select, time::sleep};
///
/// # monoloop::EventLoop::builder().virtual_time(true).build().unwrap().run(async {
/// let mut end = pin!(sleep(Duration::from_millis(35)));
/// let mut ticks = 0;
/// loop {
///     select! {
///         () = sleep(Duration::from_millis(10)) => ticks += 1,
///         () = &mut end => break,
///     }
/// }
/// assert_eq!(ticks, 3);
/// # });
/// ```
#[macro_export]
macro_rules! select {
    () => {
        ::core::compile_error!("`select!` needs a branch: `pattern = future => handler`")
    };
    (biased; $($branches:tt)+) => {
        $crate::__select!(@next { true } [] [$($branches)+]
            0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)
    };
    (biased $($other:tt)*) => {
        ::core::compile_error!("`biased` is followed by a semicolon and branches: `biased; ..`")
    };
    ($($branches:tt)+) => {
        $crate::__select!(@next { false } [] [$($branches)+]
            0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)
    };
}

/// The branches of `select!`, one after the other. Each becomes
/// `(index future-name output-name [pattern] (expression) (condition or nothing) (handler))`.
#[doc(hidden)]
#[macro_export]
macro_rules! __select {
    // All is read.
    (@next $biased:tt $done:tt [] $($rest:tt)*) => {
        $crate::__select!(@expand $biased $done ($crate::future::select::nothing_enabled()))
    };
    (@next $biased:tt $done:tt [else => $handler:expr $(,)?] $($rest:tt)*) => {
        $crate::__select!(@expand $biased $done ($handler))
    };
    (@next $biased:tt $done:tt [else => $handler:expr, $($more:tt)+] $($rest:tt)*) => {
        ::core::compile_error!("`else` is the last branch of `select!`")
    };
    (@next $biased:tt $done:tt [else => $handler:block $($more:tt)+] $($rest:tt)*) => {
        ::core::compile_error!("`else` is the last branch of `select!`")
    };
    (@next $biased:tt $done:tt [else $($more:tt)*] $($rest:tt)*) => {
        ::core::compile_error!("`else` has neither pattern nor condition: `else => handler`")
    };
    (@next $biased:tt $done:tt [$($branch:tt)+]) => {
        ::core::compile_error!("`select!` takes up to 16 branches")
    };

    // A handler that is a block needs no comma.
    (@next $biased:tt [$($done:tt)*]
        [$pattern:pat = $future:expr, if $condition:expr => $handler:block $($more:tt)*]
        $index:tt $($rest:tt)*
    ) => {
        $crate::__select!(@comma $biased
            [$($done)* ($index future output [$pattern] ($future) ($condition) ($handler))]
            [$($more)*] $($rest)*)
    };
    (@next $biased:tt [$($done:tt)*]
        [$pattern:pat = $future:expr => $handler:block $($more:tt)*]
        $index:tt $($rest:tt)*
    ) => {
        $crate::__select!(@comma $biased
            [$($done)* ($index future output [$pattern] ($future) () ($handler))]
            [$($more)*] $($rest)*)
    };

    (@next $biased:tt [$($done:tt)*]
        [$pattern:pat = $future:expr, if $condition:expr => $handler:expr $(, $($more:tt)*)?]
        $index:tt $($rest:tt)*
    ) => {
        $crate::__select!(@next $biased
            [$($done)* ($index future output [$pattern] ($future) ($condition) ($handler))]
            [$($($more)*)?] $($rest)*)
    };
    (@next $biased:tt [$($done:tt)*]
        [$pattern:pat = $future:expr => $handler:expr $(, $($more:tt)*)?]
        $index:tt $($rest:tt)*
    ) => {
        $crate::__select!(@next $biased
            [$($done)* ($index future output [$pattern] ($future) () ($handler))]
            [$($($more)*)?] $($rest)*)
    };
    (@next $($other:tt)*) => {
        ::core::compile_error!(
            "a branch of `select!` is `pattern = future => handler` or \
             `pattern = future, if condition => handler`"
        )
    };

    (@comma $biased:tt $done:tt [, $($more:tt)*] $($rest:tt)*) => {
        $crate::__select!(@next $biased $done [$($more)*] $($rest)*)
    };
    (@comma $biased:tt $done:tt [$($more:tt)*] $($rest:tt)*) => {
        $crate::__select!(@next $biased $done [$($more)*] $($rest)*)
    };

    (@expand $biased:tt [] ($else:expr)) => {
        ::core::compile_error!("`select!` needs a branch before `else`")
    };
    (@expand { $biased:literal }
        [$(($index:tt $future:ident $output:ident [$pattern:pat] ($expression:expr) $condition:tt
            ($handler:expr)))+]
        ($else:expr)
    ) => {{
        $(let mut $output = ::core::option::Option::None;)+
        // The futures are gone at the end of this block.
        let chosen: usize = {
            let mut enabled = [$($crate::__select!(@condition $condition)),+];
            $(let mut $future = $crate::future::select::pin!(
                $crate::__select!(@future $condition ($expression) (enabled[$index]))
            );)+
            $crate::future::select::poll_fn(|cx| {
                $crate::future::select::poll_branches($biased, &mut enabled, |index| match index {
                    $($index => match ::core::future::Future::poll($future.as_mut(), cx) {
                        $crate::future::select::Poll::Pending => {
                            $crate::future::select::Branch::Pending
                        }
                        $crate::future::select::Poll::Ready(output) => {
                            let mut is_match = false;
                            // A guard sees the bindings and moves nothing.
                            #[allow(unused_variables, unused_mut, unreachable_patterns)]
                            let output = match output {
                                $pattern if { is_match = true; false } => ::core::unreachable!(),
                                output => output,
                            };
                            if is_match {
                                $output = ::core::option::Option::Some(output);
                                $crate::future::select::Branch::Chosen
                            } else {
                                $crate::future::select::Branch::Refused
                            }
                        }
                    },)+
                    _ => ::core::unreachable!(),
                })
            })
            .await
        };
        match chosen {
            $($index => {
                let ::core::option::Option::Some($pattern) = $output else { ::core::unreachable!() };
                $handler
            })+
            _ => $else,
        }
    }};

    (@condition ()) => { true };
    (@condition ($condition:expr)) => { $condition };

    (@future () ($future:expr) $is_enabled:tt) => {
        $crate::future::select::IntoFuture::into_future($future)
    };
    (@future ($condition:expr) ($future:expr) ($is_enabled:expr)) => {
        $crate::future::select::Maybe::new(if $is_enabled {
            ::core::option::Option::Some($crate::future::select::IntoFuture::into_future($future))
        } else {
            ::core::option::Option::None
        })
    };
}
