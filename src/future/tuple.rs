//! Waiting for all of a tuple: futures of different types, without an allocation for them.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::gather::{IntoGather, IntoTryGather};
use super::kind::FromTuple;
use super::set::{Entry, Progress};

macro_rules! tuples {
    ($($Gather:ident $TryGather:ident ($($index:tt $f:ident $F:ident $T:ident)*))*) => {$(
        pin_project! {
            /// The future of [`gather`](super::gather) for tuples of this length.
            #[must_use = "futures do nothing unless they are awaited"]
            #[allow(non_snake_case)]
            pub struct $Gather<$($F, $T,)*> {
                $(#[pin] $f: Entry<$F, $T>,)*
                progress: Progress,
                is_over: bool,
            }
        }

        impl<$($F: Future<Output = $T>, $T,)*> Future for $Gather<$($F, $T,)*> {
            type Output = ($($T,)*);

            #[inline]
            fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
                #[allow(unused_mut)]
                let mut this = self.project();
                assert!(!*this.is_over, "a gather was polled after it was over");
                this.progress.children.begin(cx);
                #[allow(unused_variables)]
                while let Some((index, waker)) = this.progress.children.next(cx) {
                    match index {
                        $($index => {
                            let mut child = Context::from_waker(&waker);
                            if let Poll::Ready(output) = this.$f.as_mut().poll(&mut child) {
                                this.progress.pending -= 1;
                                this.progress.children.retire(index);
                                this.$f.set(Entry::Done { kept: output });
                            }
                        })*
                        _ => {}
                    }
                }
                if this.progress.pending > 0 {
                    return Poll::Pending;
                }
                *this.is_over = true;
                Poll::Ready(($(this.$f.take().expect("it is over"),)*))
            }
        }

        impl<$($F, $T,)*> fmt::Debug for $Gather<$($F, $T,)*> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct("Gather").field("pending", &self.progress.pending).finish()
            }
        }

        impl<$($F: IntoFuture<Output = $T>, $T,)*> IntoGather<FromTuple<($($T,)*)>> for ($($F,)*) {
            type Gather = $Gather<$($F::IntoFuture, $T,)*>;

            #[inline]
            fn into_gather(self) -> Self::Gather {
                $Gather {
                    $($f: Entry::new(self.$index.into_future()),)*
                    progress: Progress::new(0 $(+ { let _ = $index; 1 })*),
                    is_over: false,
                }
            }
        }

        pin_project! {
            /// The future of [`try_gather`](super::try_gather) for tuples of this length.
            #[must_use = "futures do nothing unless they are awaited"]
            pub struct $TryGather<$($F, $T,)* E> {
                $(#[pin] $f: Entry<$F, $T>,)*
                progress: Progress,
                is_over: bool,
                error: std::marker::PhantomData<fn() -> E>,
            }
        }

        impl<$($F: Future<Output = Result<$T, E>>, $T,)* E> Future for $TryGather<$($F, $T,)* E> {
            type Output = Result<($($T,)*), E>;

            #[inline]
            fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
                #[allow(unused_mut)]
                let mut this = self.project();
                assert!(!*this.is_over, "a gather was polled after it was over");
                this.progress.children.begin(cx);
                #[allow(unused_variables)]
                while let Some((index, waker)) = this.progress.children.next(cx) {
                    let error: Option<E> = match index {
                        $($index => match this.$f.as_mut().poll(&mut Context::from_waker(&waker)) {
                            Poll::Ready(Ok(value)) => {
                                this.progress.pending -= 1;
                                this.progress.children.retire(index);
                                this.$f.set(Entry::Done { kept: value });
                                None
                            }
                            Poll::Ready(Err(error)) => Some(error),
                            Poll::Pending => None,
                        },)*
                        _ => None,
                    };
                    if let Some(error) = error {
                        *this.is_over = true;
                        $(this.$f.set(Entry::Gone);)*
                        return Poll::Ready(Err(error));
                    }
                }
                if this.progress.pending > 0 {
                    return Poll::Pending;
                }
                *this.is_over = true;
                Poll::Ready(Ok(($(this.$f.take().expect("it is over"),)*)))
            }
        }

        impl<$($F, $T,)* E> fmt::Debug for $TryGather<$($F, $T,)* E> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct("TryGather").field("pending", &self.progress.pending).finish()
            }
        }

        impl<$($F: IntoFuture<Output = Result<$T, E>>, $T,)* E>
            IntoTryGather<FromTuple<(($($T,)*), E)>> for ($($F,)*)
        {
            type TryGather = $TryGather<$($F::IntoFuture, $T,)* E>;

            #[inline]
            fn into_try_gather(self) -> Self::TryGather {
                $TryGather {
                    $($f: Entry::new(self.$index.into_future()),)*
                    progress: Progress::new(0 $(+ { let _ = $index; 1 })*),
                    is_over: false,
                    error: std::marker::PhantomData,
                }
            }
        }
    )*};
}

tuples! {
    Gather1 TryGather1 (0 a A T)
    Gather2 TryGather2 (0 a A T 1 b B U)
    Gather3 TryGather3 (0 a A T 1 b B U 2 c C V)
    Gather4 TryGather4 (0 a A T 1 b B U 2 c C V 3 d D W)
    Gather5 TryGather5 (0 a A T 1 b B U 2 c C V 3 d D W 4 e F5 T5)
    Gather6 TryGather6 (0 a A T 1 b B U 2 c C V 3 d D W 4 e F5 T5 5 f F6 T6)
    Gather7 TryGather7 (0 a A T 1 b B U 2 c C V 3 d D W 4 e F5 T5 5 f F6 T6 6 g F7 T7)
    Gather8 TryGather8 (0 a A T 1 b B U 2 c C V 3 d D W 4 e F5 T5 5 f F6 T6 6 g F7 T7 7 h F8 T8)
    Gather9 TryGather9
        (0 a A T 1 b B U 2 c C V 3 d D W 4 e F5 T5 5 f F6 T6 6 g F7 T7 7 h F8 T8 8 i F9 T9)
    Gather10 TryGather10
        (0 a A T 1 b B U 2 c C V 3 d D W 4 e F5 T5 5 f F6 T6 6 g F7 T7 7 h F8 T8 8 i F9 T9 9 j F10 T10)
    Gather11 TryGather11
        (0 a A T 1 b B U 2 c C V 3 d D W 4 e F5 T5 5 f F6 T6 6 g F7 T7 7 h F8 T8 8 i F9 T9 9 j F10 T10
         10 k F11 T11)
    Gather12 TryGather12
        (0 a A T 1 b B U 2 c C V 3 d D W 4 e F5 T5 5 f F6 T6 6 g F7 T7 7 h F8 T8 8 i F9 T9 9 j F10 T10
         10 k F11 T11 11 l F12 T12)
}
