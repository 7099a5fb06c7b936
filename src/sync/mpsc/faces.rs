//! What both kinds of channels have, written once: handles that are counted, and the receiver.
//!
//! What concerns places, and sending, differs: see `bounded` and `unbounded`.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::TryRecvError;
use super::chan::Chan;
#[cfg(doc)]
use super::{channel, unbounded_channel};

/// What an end that sends and one that receives both tell of their channel.
macro_rules! counts {
    ($end:ident) => {
        impl<T> $end<T> {
            /// Returns how many values wait to be received.
            #[doc(alias = "qsize")]
            pub fn len(&self) -> usize {
                self.chan.len()
            }

            /// Returns whether no value waits to be received.
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// Returns how many senders there are, without weak ones.
            pub fn sender_count(&self) -> usize {
                self.chan.senders()
            }
        }
    };
}

/// The two senders and the receiver of a channel, and what these have whether its capacity is limited or not.
///
/// `kind` is how the documentation names the channel, `example` how its example makes one and sends, `close` what its
/// `close` does.
macro_rules! faces {
    (
        $sender:ident, $weak:ident, $receiver:ident,
        kind: $kind:literal, example: ($make:literal, $send:literal), close: $close:literal
    ) => {
        #[doc = concat!("Sends into ", $kind, ". Clones send into the same.")]
        pub struct $sender<T> {
            pub(super) chan: Rc<Chan<T>>,
        }

        impl<T> $sender<T> {
            /// Waits until the channel is closed: the receiver is gone, or closed it.
            ///
            /// # Cancel safety
            ///
            /// Nothing is lost.
            pub async fn closed(&self) {
                self.chan.closed().await;
            }

            /// Returns whether the channel is closed: the receiver is gone, or closed it.
            #[inline]
            pub fn is_closed(&self) -> bool {
                self.chan.is_closed()
            }

            /// Returns whether both send into the same channel.
            pub fn same_channel(&self, other: &Self) -> bool {
                Rc::ptr_eq(&self.chan, &other.chan)
            }

            /// Makes a handle that does not keep the channel open.
            pub fn downgrade(&self) -> $weak<T> {
                $weak { chan: Rc::clone(&self.chan) }
            }
        }

        counts!($sender);

        impl<T> Clone for $sender<T> {
            #[inline]
            fn clone(&self) -> Self {
                self.chan.add_sender();
                Self { chan: Rc::clone(&self.chan) }
            }
        }

        impl<T> Drop for $sender<T> {
            #[inline]
            fn drop(&mut self) {
                self.chan.remove_sender();
            }
        }

        impl<T> fmt::Debug for $sender<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($sender)).field(&self.chan).finish()
            }
        }

        #[doc = concat!("Knows ", $kind, " without keeping it open.")]
        pub struct $weak<T> {
            pub(super) chan: Rc<Chan<T>>,
        }

        impl<T> $weak<T> {
            /// Makes a sender, unless all are gone.
            pub fn upgrade(&self) -> Option<$sender<T>> {
                if self.chan.senders() == 0 {
                    return None;
                }
                self.chan.add_sender();
                Some($sender { chan: Rc::clone(&self.chan) })
            }
        }

        impl<T> Clone for $weak<T> {
            fn clone(&self) -> Self {
                Self { chan: Rc::clone(&self.chan) }
            }
        }

        impl<T> fmt::Debug for $weak<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($weak)).field(&self.chan).finish()
            }
        }

        #[doc = concat!("Receives from ", $kind, ". Also a [`Stream`] of its values.")]
        ///
        /// Dropping it closes the channel and drops the values that are left.
        #[must_use = "dropping the receiver closes the channel"]
        pub struct $receiver<T> {
            pub(super) chan: Rc<Chan<T>>,
        }

        impl<T> $receiver<T> {
            /// Waits for the next value; `None` when the channel is empty and no sender is left, or it was closed.
            ///
            /// # Cancel safety
            ///
            /// Nothing is lost.
            #[inline]
            pub async fn recv(&mut self) -> Option<T> {
                poll_fn(|cx| self.poll_recv(cx)).await
            }

            /// Polls for the next value, as [`recv`](Self::recv) does.
            #[inline]
            pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
                self.chan.poll_recv(cx)
            }

            /// Takes the next value if there is one. Never waits.
            ///
            /// # Errors
            ///
            /// [`TryRecvError::Empty`], or [`TryRecvError::Closed`] if there will be no more.
            #[inline]
            pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
                self.chan.try_recv()
            }

            /// Waits for the next value, and appends it and those behind it that are there to `values`, `limit` at
            /// most. Returns how many it were: zero when there will be no more, or `limit` is zero.
            ///
            /// # Cancel safety
            ///
            /// Nothing is lost: dropped half-way, it appended nothing.
            ///
            /// # Examples
            ///
            /// ```
            /// # use monoloop::sync::mpsc;
            /// # monoloop::run(async {
            #[doc = concat!("let (sender, mut receiver) = ", $make, ";")]
            /// for n in 0..5 {
            #[doc = concat!("    sender.", $send, ".unwrap();")]
            /// }
            /// let mut numbers = Vec::new();
            /// assert_eq!(receiver.recv_many(&mut numbers, 3).await, 3);
            /// assert_eq!(receiver.recv_many(&mut numbers, 3).await, 2);
            /// assert_eq!(numbers, [0, 1, 2, 3, 4]);
            /// # });
            /// ```
            pub async fn recv_many(&mut self, values: &mut Vec<T>, limit: usize) -> usize {
                poll_fn(|cx| self.chan.poll_recv_many(cx, values, limit)).await
            }

            #[doc = concat!("Closes the channel: ", $close, ". What was sent can be received.")]
            pub fn close(&mut self) {
                self.chan.close();
            }

            /// Returns whether no more can be sent: no sender is left, or this receiver closed the channel. What was
            /// sent can be received.
            pub fn is_closed(&self) -> bool {
                self.chan.is_closed() || self.chan.senders() == 0
            }
        }

        counts!($receiver);

        impl<T> Stream for $receiver<T> {
            type Item = T;

            fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
                self.poll_recv(cx)
            }
        }

        impl<T> Drop for $receiver<T> {
            fn drop(&mut self) {
                self.chan.abandon();
            }
        }

        impl<T> fmt::Debug for $receiver<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($receiver)).field(&self.chan).finish()
            }
        }
    };
}

faces! {
    Sender, WeakSender, Receiver,
    kind: "a [`channel`]",
    example: ("mpsc::channel(8)", "send(n).await"),
    close: "sending fails, but into places that are reserved"
}

faces! {
    UnboundedSender, WeakUnboundedSender, UnboundedReceiver,
    kind: "an [`unbounded_channel`]",
    example: ("mpsc::unbounded_channel()", "send(n)"),
    close: "sending fails"
}
