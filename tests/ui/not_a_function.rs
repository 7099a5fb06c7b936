#[monoloop::main]
struct Program {
    run: fn(),
}

#[monoloop::test]
pub const LIMIT: usize = 1;

#[monoloop::test]
impl Program {}

fn main() {}
