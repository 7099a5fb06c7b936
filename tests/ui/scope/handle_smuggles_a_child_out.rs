// A scope's handle does not take children that borrow less than it asks for.
use monoloop::task::{Scope, scope};

fn main() {
    monoloop::run(async {
        let outside: Scope<'static> = scope(async |s| s).await;
        let local = String::from("of the task");
        outside.spawn(async { local.len() });
    });
}
