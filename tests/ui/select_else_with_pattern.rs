fn main() {
    monoloop::run(async {
        monoloop::select! {
            () = std::future::ready(()) => {}
            else if true => {}
        }
    });
}
