//! Values that a future and all it awaits can see.
//!
//! The values in force form a chain, newest first, in one thread-local. A [`Scoped`] future puts its link in front
//! for the time of each poll (and of its drop), and takes it away after. A link is made when the future is first
//! polled, upon the chain it finds then; found elsewhere later, it makes a new one.
//!
//! Values lie behind an `Rc` each, so a borrow that a closure got stays valid whatever that closure does to the
//! chain, and a chain can be handed on whole: [`inherit`].

use std::any::Any;
use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::ptr;
use std::rc::Rc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::time::deadline::{self, Deadline};

/// Declares values that are set for a future and all it awaits: each a `static` [`LocalKey`].
///
/// # Examples
///
/// ```
/// monoloop::task_local! {
///     /// Who asked.
///     static USER: String;
///     pub static DEPTH: u32;
/// }
///
/// async fn greet() -> String {
///     USER.with(|user| format!("hello, {user}"))
/// }
///
/// # monoloop::run(async {
/// assert_eq!(USER.scope("Ada".into(), greet()).await, "hello, Ada");
/// assert!(USER.try_with(|_| ()).is_err());
/// # });
/// ```
#[macro_export]
macro_rules! task_local {
    ($($(#[$attribute:meta])* $visibility:vis static $name:ident: $type:ty);+ $(;)?) => {
        $(
            $(#[$attribute])*
            $visibility static $name: $crate::task::LocalKey<$type> =
                $crate::task::LocalKey::__new(stringify!($name));
        )+
    };
}

/// A value that futures can be run with; declared by [`task_local!`](crate::task_local).
///
/// A value is seen by the future it was set for and by all that this awaits. A spawned task starts without any,
/// unless it was asked to [`inherit`].
#[doc(alias = "ContextVar")]
pub struct LocalKey<T: 'static> {
    name: &'static str,
    _value: PhantomData<fn() -> T>,
}

/// A link of the chain.
struct Link {
    /// The address of the key, which is a static and not of size zero.
    key: *const (),
    value: Rc<dyn Any>,
    outer: Chain,
}

type Chain = Option<Rc<Link>>;

thread_local! {
    static CHAIN: Cell<Chain> = const { Cell::new(None) };
}

impl<T: 'static> LocalKey<T> {
    #[doc(hidden)]
    pub const fn __new(name: &'static str) -> Self {
        Self { name, _value: PhantomData }
    }

    fn address(&'static self) -> *const () {
        ptr::from_ref(self).cast()
    }

    /// Runs a future with the value set. Inside it, a further `scope` of the same key hides this value.
    ///
    /// The value is there while the future is polled and while it is dropped; it is dropped after the future.
    ///
    /// # Cancel safety
    ///
    /// As safe as the future.
    pub fn scope<F: Future>(&'static self, value: T, future: F) -> Scoped<F> {
        let setting = Setting { key: self.address(), value: Rc::new(value), link: None };
        Scoped { future: Some(future), setting }
    }

    /// Runs a closure with the value set.
    pub fn sync_scope<R>(&'static self, value: T, f: impl FnOnce() -> R) -> R {
        let outer = current();
        let link = Link { key: self.address(), value: Rc::new(value), outer };
        let _inside = Inside::enter(Some(Rc::new(link)));
        f()
    }

    /// Gives the closure the value.
    ///
    /// # Panics
    ///
    /// If none is set here.
    #[track_caller]
    pub fn with<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        match self.try_with(f) {
            Ok(result) => result,
            Err(error) => panic!("{error}"),
        }
    }

    /// Gives the closure the value, if one is set here.
    ///
    /// # Errors
    ///
    /// [`LocalUnset`] if none is.
    pub fn try_with<R>(&'static self, f: impl FnOnce(&T) -> R) -> Result<R, LocalUnset> {
        let value = self.find().ok_or(LocalUnset { name: self.name })?;
        Ok(f(&value))
    }

    /// Returns a clone of the value.
    ///
    /// # Panics
    ///
    /// If none is set here.
    #[track_caller]
    pub fn get(&'static self) -> T
    where
        T: Clone,
    {
        self.with(T::clone)
    }

    fn find(&'static self) -> Option<Rc<T>> {
        let mut link = current();
        while let Some(found) = link {
            if found.key == self.address() {
                let value = Rc::clone(&found.value);
                return Some(value.downcast().expect("one key has values of one type"));
            }
            link = found.outer.clone();
        }
        None
    }
}

impl<T: 'static> fmt::Debug for LocalKey<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalKey").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A task-local value was asked for where none is set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LocalUnset {
    name: &'static str,
}

impl fmt::Display for LocalUnset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the task-local `{}` is not set here: call this inside its `scope`", self.name)
    }
}

impl Error for LocalUnset {}

/// The chain in force.
fn current() -> Chain {
    let read = |chain: &Cell<Chain>| {
        let taken = chain.take();
        let copy = taken.clone();
        chain.set(taken);
        copy
    };
    // Gone while its thread ends.
    CHAIN.try_with(read).ok().flatten()
}

/// Puts a chain in force and gives the one before.
fn replace(chain: Chain) -> Chain {
    CHAIN.try_with(|current| current.replace(chain)).ok().flatten()
}

/// While it lives, a chain is in force.
pub(super) struct Inside {
    outer: Chain,
}

impl Inside {
    fn enter(chain: Chain) -> Self {
        Self { outer: replace(chain) }
    }

    /// No value is in force.
    pub(super) fn none() -> Self {
        Self::enter(None)
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        // Values may be dropped here: foreign code, after the chain is right again.
        drop(replace(self.outer.take()));
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // A loop, not recursion: chains that are inherited from task to task may be long.
        let mut outer = self.outer.take();
        while let Some(mut link) = outer.and_then(Rc::into_inner) {
            outer = link.outer.take();
        }
    }
}

/// A value for a future, and the link made of it.
struct Setting {
    key: *const (),
    value: Rc<dyn Any>,
    link: Chain,
}

impl Setting {
    /// Puts the value in front of what is in force.
    fn enter(&mut self) -> Inside {
        let outer = current();
        let same = |link: &Rc<Link>| match (&link.outer, &outer) {
            (Some(a), Some(b)) => Rc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        };
        if !self.link.as_ref().is_some_and(same) {
            let value = Rc::clone(&self.value);
            self.link = Some(Rc::new(Link { key: self.key, value, outer }));
        }
        Inside::enter(self.link.clone())
    }
}

pin_project! {
    /// The future of [`LocalKey::scope`].
    #[must_use = "futures do nothing unless they are awaited"]
    pub struct Scoped<F> {
        // `None` only while it is dropped.
        #[pin]
        future: Option<F>,
        setting: Setting,
    }

    impl<F> PinnedDrop for Scoped<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let _inside = this.setting.enter();
            this.future.set(None);
        }
    }
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _inside = this.setting.enter();
        this.future.as_pin_mut().expect("it is there until the drop").poll(cx)
    }
}

impl<F: fmt::Debug> fmt::Debug for Scoped<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scoped").field("future", &self.future).finish_non_exhaustive()
    }
}

/// Runs a future, as a rule one that is spawned, with all task-local values and the
/// [`deadline`](crate::time::deadline) that are in force where this is called.
///
/// # Cancel safety
///
/// As safe as the future.
///
/// # Examples
///
/// ```
/// use monoloop::task;
///
/// monoloop::task_local!(static REQUEST: u32);
///
/// # monoloop::run(async {
/// REQUEST.scope(7, async {
///     let plain = monoloop::spawn(async { REQUEST.try_with(|_| ()).is_ok() });
///     let heir = monoloop::spawn(task::inherit(async { REQUEST.get() }));
///     assert_eq!((plain.await.unwrap(), heir.await.unwrap()), (false, 7));
/// })
/// .await;
/// # });
/// ```
#[doc(alias = "copy_context")]
pub fn inherit<F: Future>(future: F) -> Inherit<F> {
    Inherit { future: Some(future), chain: visible(current()), deadline: deadline::current() }
}

/// The chain without the links that others hide, so that chains do not grow from heir to heir.
fn visible(chain: Chain) -> Chain {
    let mut links: Vec<Rc<Link>> = Vec::new();
    let mut hides = false;
    let mut next = chain.clone();
    while let Some(link) = next {
        next = link.outer.clone();
        if links.iter().any(|seen| seen.key == link.key) {
            hides = true;
        } else {
            links.push(link);
        }
    }
    if !hides {
        return chain;
    }
    links.iter().rev().fold(None, |outer, link| {
        Some(Rc::new(Link { key: link.key, value: Rc::clone(&link.value), outer }))
    })
}

pin_project! {
    /// The future of [`inherit`].
    #[must_use = "futures do nothing unless they are awaited"]
    pub struct Inherit<F> {
        // `None` only while it is dropped.
        #[pin]
        future: Option<F>,
        chain: Chain,
        deadline: Deadline,
    }

    impl<F> PinnedDrop for Inherit<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let _inside = Inside::enter(this.chain.clone());
            this.future.set(None);
        }
    }
}

impl<F: Future> Future for Inherit<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _until = deadline::tighten(*this.deadline);
        let _inside = Inside::enter(this.chain.clone());
        this.future.as_pin_mut().expect("it is there until the drop").poll(cx)
    }
}

impl<F: fmt::Debug> fmt::Debug for Inherit<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inherit").field("future", &self.future).finish_non_exhaustive()
    }
}
