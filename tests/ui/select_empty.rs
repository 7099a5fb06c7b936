fn main() {
    monoloop::run(async { monoloop::select! {} });
}
