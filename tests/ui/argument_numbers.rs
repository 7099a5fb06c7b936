#[monoloop::main(poll_budget = "61")]
async fn main() {}

#[monoloop::main(poll_budget)]
async fn nothing() {}

#[monoloop::main(poll_budget = -1)]
async fn negative() {}

#[monoloop::test(io_interval = 0.5)]
async fn fraction() {}

#[monoloop::test(io_interval = 60 + 1)]
async fn expression() {}

#[monoloop::test(io_interval = LIMIT)]
async fn constant() {}
