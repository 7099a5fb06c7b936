#[monoloop::main]
async unsafe fn main() {}

#[monoloop::main]
const fn constant() {}

#[monoloop::main]
pub unsafe extern "C" fn foreign() {}
