#[monoloop::main]
async fn main() -> u8;
