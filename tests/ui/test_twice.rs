#[monoloop::test]
#[test]
async fn after() {}

#[monoloop::test]
#[should_panic]
#[::core::prelude::v1::test]
async fn by_path() {}

#[monoloop::test]
#[monoloop::test(virtual_time)]
async fn ours_twice() {}

fn main() {}
