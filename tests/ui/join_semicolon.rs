fn main() {
    monoloop::run(async {
        monoloop::join!(std::future::ready(1); std::future::ready(2));
        let _ = monoloop::try_join!(std::future::ready(Ok::<u8, ()>(1)); std::future::ready(2));
    });
}
