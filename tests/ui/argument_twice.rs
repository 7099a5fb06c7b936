#[monoloop::main(poll_budget = 1, io_interval = 2, poll_budget = 3)]
async fn main() {}

#[monoloop::test(virtual_time, virtual_time = false)]
async fn check() {}
