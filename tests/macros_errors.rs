//! What the attribute macros refuse, and where they point.
//!
//! Every file in `tests/ui` must fail to compile with exactly the messages in the `.stderr` file
//! beside it. All of them are our own, so that a new compiler does not change them. After changing
//! a message, run this with `TRYBUILD=overwrite` and read the difference.

#![cfg(feature = "macros")]

#[test]
#[cfg_attr(miri, ignore = "starts the compiler")]
fn mistakes_are_refused_at_the_tokens_at_fault() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
