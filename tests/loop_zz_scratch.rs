use std::rc::Rc;
use std::future::pending;
use std::sync::Arc;
use monoloop::EventLoop;
struct Bomb;
impl Drop for Bomb { fn drop(&mut self) { panic!("bomb") } }

#[test]
fn uaf_loop_dropped_by_own_task() {
    let el = Rc::new(EventLoop::new().unwrap());
    let el2 = el.clone();
    let h = el.spawn(async move { let _k = el2; pending::<()>().await });
    drop(el);
    h.abort();
    assert!(h.is_finished());
}
#[test]
fn two_unrun_jobs_panic() {
    let el = EventLoop::new().unwrap();
    let h = el.handle();
    for _ in 0..2 { let b = Bomb; h.call_soon_threadsafe(move || drop(b)).unwrap(); }
    let r = el.shutdown();
    println!("{r}");
}
#[test]
fn big_future() {
    std::thread::Builder::new().stack_size(2<<20).spawn(|| {
        let el = EventLoop::new().unwrap();
        el.run(async { let a = [1u8; 1<<20]; monoloop::yield_now().await; std::hint::black_box(&a); });
    }).unwrap().join().unwrap();
}
#[test]
fn big_future_spawn() {
    std::thread::Builder::new().stack_size(2<<20).spawn(|| {
        let el = EventLoop::new().unwrap();
        let h = el.spawn(async { let a = [1u8; 1<<20]; monoloop::yield_now().await; std::hint::black_box(&a); });
        el.run(h).unwrap();
    }).unwrap().join().unwrap();
}
#[test]
fn stop_lets_all_ready_run() {
    let el = EventLoop::new().unwrap();
    let n = Rc::new(std::cell::Cell::new(0));
    for _ in 0..200 { let n = n.clone(); el.call_soon(move || n.set(n.get()+1)); }
    el.handle().stop().unwrap();
    el.run_forever();
    assert_eq!(n.get(), 200);
}
struct W; impl std::task::Wake for W { fn wake(self: Arc<Self>) {} }
impl Drop for W { fn drop(&mut self) { panic!("waker drop") } }
#[test]
fn control_dies() {
    use std::future::Future;
    let el = EventLoop::builder().on_error(|r| println!("{r}")).build().unwrap();
    el.run(async {
        let mut s = monoloop::time::sleep(std::time::Duration::from_secs(1000));
        {
            let w = std::task::Waker::from(Arc::new(W));
            let mut cx = std::task::Context::from_waker(&w);
            assert!(std::pin::Pin::new(&mut s).poll(&mut cx).is_pending());
            std::mem::forget(w.clone()); 
            std::mem::forget(w);
        }
        std::thread::spawn(move || drop(s)).join().unwrap();
        monoloop::yield_now().await;
        monoloop::yield_now().await;
        let f = Rc::new(std::cell::Cell::new(false));
        let h = monoloop::Handle::current();
        let (tx, rx) = std::sync::mpsc::channel();
        h.call_soon_threadsafe(move || tx.send(()).unwrap()).unwrap();
        for _ in 0..5 { monoloop::yield_now().await; }
        let _ = f;
        assert!(rx.try_recv().is_ok());
    });
}
