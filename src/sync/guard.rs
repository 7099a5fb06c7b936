//! What all guards have in common: they are their `value`, to look at, and can be narrowed to a part of it.

/// A guard of something that may be read.
macro_rules! reads {
    ($guard:ident) => {
        impl<T: ?Sized> ::std::ops::Deref for $guard<'_, T> {
            type Target = T;

            #[inline]
            fn deref(&self) -> &T {
                &self.value
            }
        }

        impl<T: ?Sized + ::std::fmt::Debug> ::std::fmt::Debug for $guard<'_, T> {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                (**self).fmt(f)
            }
        }

        impl<T: ?Sized + ::std::fmt::Display> ::std::fmt::Display for $guard<'_, T> {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                (**self).fmt(f)
            }
        }
    };
}

/// A guard of something that may be changed.
macro_rules! writes {
    ($guard:ident) => {
        $crate::sync::guard::reads!($guard);

        impl<T: ?Sized> ::std::ops::DerefMut for $guard<'_, T> {
            #[inline]
            fn deref_mut(&mut self) -> &mut T {
                &mut self.value
            }
        }
    };
}

/// How a guard is narrowed to a part of its value: `map`, which has the documentation given here, and `try_map`.
///
/// The `value` of the guard is a `Ref` or a `RefMut mut`. What it has `held` goes over to the other guard.
macro_rules! narrows {
    ($(#[$doc:meta])* $guard:ident to $mapped:ident: $Borrow:ident $($mut:tt)?) => {
        impl<'a, T: ?Sized> $guard<'a, T> {
            $(#[$doc])*
            pub fn map<U: ?Sized>(
                this: Self,
                f: impl FnOnce(&$($mut)? T) -> &$($mut)? U,
            ) -> $mapped<'a, U> {
                let Self { value, held } = this;
                // If `f` panics, `held` unlocks: after the value, which was moved into `map`.
                let value = $Borrow::map(value, f);
                $mapped { value, held: held.into() }
            }

            /// Narrows the guard to a part of the value that may not be there.
            ///
            /// # Errors
            ///
            /// The guard, if `f` gave `None`.
            pub fn try_map<U: ?Sized>(
                this: Self,
                f: impl FnOnce(&$($mut)? T) -> Option<&$($mut)? U>,
            ) -> Result<$mapped<'a, U>, Self> {
                let Self { value, held } = this;
                match $Borrow::filter_map(value, f) {
                    Ok(value) => Ok($mapped { value, held: held.into() }),
                    Err(value) => Err(Self { value, held }),
                }
            }
        }
    };
}

pub(super) use {narrows, reads, writes};
