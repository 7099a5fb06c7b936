#[monoloop::main(crate)]
async fn main() {}

#[monoloop::main(crate = 1)]
async fn number() {}

#[monoloop::main(crate = "not a path")]
async fn text() {}

#[monoloop::main(crate = "")]
async fn empty() {}

#[monoloop::main(crate = monoloop::)]
async fn open_end() {}

#[monoloop::main(crate = Vec<u8>)]
async fn generic() {}
