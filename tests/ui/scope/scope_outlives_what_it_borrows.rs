// A scope's future may not be kept longer than what its children borrow.
use monoloop::task::scope;

fn main() {
    let kept = {
        let local = String::from("of the block");
        Box::pin(scope(async |s| {
            s.spawn(async { local.len() });
        }))
    };
    monoloop::run(kept);
}
