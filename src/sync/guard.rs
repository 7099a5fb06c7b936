//! What all guards have in common: they are their `value`, to look at.

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

pub(super) use {reads, writes};
