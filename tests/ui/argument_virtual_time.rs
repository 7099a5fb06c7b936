#[monoloop::main(virtual_time = 1)]
async fn main() {}

#[monoloop::test(virtual_time = "true")]
async fn text() {}

#[monoloop::test(virtual_time = !false)]
async fn expression() {}
