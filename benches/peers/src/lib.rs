//! Nothing but a home for `cargo bench -p monoloop-peers`.
//!
//! monoio and compio take long to build and are needed for two tables only, so they are kept out of the
//! root package, where every `cargo test` would build them.
