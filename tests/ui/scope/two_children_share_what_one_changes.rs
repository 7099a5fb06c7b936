// Borrows are borrows: two children cannot both change what they share.
use monoloop::task::scope;

fn main() {
    monoloop::run(async {
        let mut count = 0;
        scope(async |s| {
            s.spawn(async { count += 1 });
            s.spawn(async { count += 1 });
        })
        .await;
    });
}
