#[monoloop::main]
async fn main(count: usize, name: &str) {}

#[monoloop::test]
async fn check(_: u8) {}
