#[monoloop::main]
fn main() {}

#[monoloop::test]
pub(crate) fn check() -> Result<(), ()> {
    Ok(())
}
