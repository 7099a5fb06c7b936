fn main() {
    monoloop::run(async {
        monoloop::select! {
            biased,
            () = std::future::ready(()) => {}
        }
    });
}
