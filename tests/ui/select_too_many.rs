fn main() {
    let ready = std::future::ready;
    monoloop::run(async {
        monoloop::select! {
            n = ready(1) => n, n = ready(1) => n, n = ready(1) => n, n = ready(1) => n,
            n = ready(1) => n, n = ready(1) => n, n = ready(1) => n, n = ready(1) => n,
            n = ready(1) => n, n = ready(1) => n, n = ready(1) => n, n = ready(1) => n,
            n = ready(1) => n, n = ready(1) => n, n = ready(1) => n, n = ready(1) => n,
            n = ready(17) => n,
        }
    });
}
