use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::*;
use monoloop::EventLoop;
struct Big { _b: MaybeUninit<[u8; 1<<20]>, left: u32 }
impl Future for Big { type Output = u32;
 fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<u32> { if self.left == 0 { return Poll::Ready(7) } self.left -= 1; cx.waker().wake_by_ref(); Poll::Pending } }
fn big() -> Big { Big { _b: MaybeUninit::uninit(), left: 1 } }
fn on(mb: usize, f: impl FnOnce() + Send + 'static) { std::thread::Builder::new().stack_size(mb<<20).spawn(f).unwrap().join().unwrap() }
fn mb() -> usize { std::env::var("MB").unwrap().parse().unwrap() }
#[test] fn a_run() { on(mb(), || { EventLoop::new().unwrap().run(big()); }) }
#[test] fn b_free_run() { on(mb(), || { monoloop::run(big()); }) }
#[test] fn c_loop_spawn() { on(mb(), || { let el = EventLoop::new().unwrap(); let h = el.spawn(big()); el.run(h).unwrap(); }) }
#[test] fn d_spawn() { on(mb(), || { let el = EventLoop::new().unwrap(); el.run(async { monoloop::spawn(big()).await.unwrap() }); }) }
#[test] fn e_builder() { on(mb(), || { let el = EventLoop::new().unwrap(); el.run(async { monoloop::task::Builder::new().name("x").spawn(big()).await.unwrap() }); }) }
