// A scope that borrows is no task: whoever awaits it keeps what it borrows.
use monoloop::task::scope;

fn main() {
    monoloop::run(async {
        let local = String::from("of the task");
        monoloop::spawn(scope(async |s| {
            s.spawn(async { local.len() });
        }))
        .detach();
    });
}
