#[monoloop::main]
async fn main<F: Fn() -> Vec<u8>, const N: usize>() {}

#[monoloop::test]
async fn check<'a>() {}
