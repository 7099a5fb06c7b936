#[monoloop::main(flavor = "current_thread")]
async fn main() {}

#[monoloop::test(virtual_time, start_paused)]
async fn check() {}

#[monoloop::test(Virtual_Time = true, poll_budget = 1, threads = 2,)]
async fn each_is_told() {}
