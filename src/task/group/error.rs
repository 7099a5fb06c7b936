//! How groups fail, and what they refuse.

use std::error::Error;
use std::fmt;

/// The errors that ended a [`group`](super::group), the first one first.
///
/// `Display` gives the first error, and how many others there were; [`errors`](Self::errors) has them all.
#[doc(alias = "ExceptionGroup")]
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupError<E> {
    /// Not empty.
    errors: Vec<E>,
}

impl<E> GroupError<E> {
    /// `None` without an error.
    pub(super) fn new(errors: Vec<E>) -> Option<Self> {
        (!errors.is_empty()).then_some(Self { errors })
    }

    /// Returns the error that ended the group.
    pub fn first(&self) -> &E {
        &self.errors[0]
    }

    /// Returns the error that ended the group; the others are dropped.
    pub fn into_first(self) -> E {
        self.errors.into_iter().next().expect("a group fails by an error")
    }

    /// Returns all errors, in the order they came up.
    #[doc(alias = "exceptions")]
    pub fn errors(&self) -> &[E] {
        &self.errors
    }

    /// Returns all errors, in the order they came up.
    pub fn into_errors(self) -> Vec<E> {
        self.errors
    }
}

impl<E: fmt::Display> fmt::Display for GroupError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.first())?;
        match self.errors.len() - 1 {
            0 => Ok(()),
            1 => f.write_str(" (and 1 more error)"),
            more => write!(f, " (and {more} more errors)"),
        }
    }
}

impl<E: Error + 'static> Error for GroupError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.first().source()
    }
}

/// A future that a group did not take, since it is ending or over.
pub struct Refused<F> {
    pub(super) future: F,
}

impl<F> Refused<F> {
    /// Gives the future back.
    pub fn into_inner(self) -> F {
        self.future
    }
}

impl<F> fmt::Display for Refused<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the task group is ending and takes no new tasks")
    }
}

impl<F> fmt::Debug for Refused<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refused").finish_non_exhaustive()
    }
}

impl<F> Error for Refused<F> {}
