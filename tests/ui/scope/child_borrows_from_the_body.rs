// What the body owns is gone before the scope's children are.
use monoloop::task::scope;

fn main() {
    monoloop::run(async {
        scope(async |s| {
            let local = String::from("of the body");
            s.spawn(async { local.len() });
        })
        .await;
    });
}
