#[monoloop::main("virtual_time")]
async fn main() {}

#[monoloop::main(virtual_time poll_budget = 1)]
async fn missing_comma() {}

#[monoloop::main(virtual_time(true))]
async fn call() {}

#[monoloop::main(poll_budget =, io_interval = 1)]
async fn missing_value() {}

#[monoloop::main(virtual_time,, io_interval = 1)]
async fn second_comma() {}
