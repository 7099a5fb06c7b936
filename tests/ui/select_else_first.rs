fn main() {
    monoloop::run(async {
        monoloop::select! {
            else => {}
            () = std::future::ready(()) => {}
        }
    });
}
