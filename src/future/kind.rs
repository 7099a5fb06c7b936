//! What kind of thing was given to [`gather`](super::gather): markers that keep the implementations apart. They are
//! inferred and never written.

use std::marker::PhantomData;

/// An iterator. `R` holds the parts of the result, where the implementation needs them.
#[derive(Debug)]
pub struct FromIter<R = ()>(PhantomData<R>);

/// A vector.
#[derive(Debug)]
pub struct FromVec<R = ()>(PhantomData<R>);

/// An array.
#[derive(Debug)]
pub struct FromArray<R = ()>(PhantomData<R>);

/// A tuple.
#[derive(Debug)]
pub struct FromTuple<R = ()>(PhantomData<R>);
