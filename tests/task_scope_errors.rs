//! What must not compile around scopes: children that would outlive what they borrow.
//!
//! The messages are the compiler's, so a new compiler may change their wording: run this with `TRYBUILD=overwrite`,
//! and see that each still says what the comment at the head of its file does.

#[test]
#[cfg_attr(miri, ignore = "starts the compiler")]
fn borrows_that_are_too_short_are_refused() {
    trybuild::TestCases::new().compile_fail("tests/ui/scope/*.rs");
}
