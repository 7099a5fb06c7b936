fn main() {
    monoloop::run(async {
        monoloop::select! {
            n = std::future::ready(1), n + 1
        }
    });
}
