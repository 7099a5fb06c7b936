//! Which public types are `Send`, `Sync` and `Unpin`: exactly.

use std::cell::Cell;
use std::future::{Pending, Ready};
use std::marker::PhantomPinned;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use monoloop::sync::{broadcast, mpsc, oneshot, queue, remote, watch};
use monoloop::{fs, future, io, net, sync, task, time};

/// Neither `Send` nor `Sync`.
type Local = Rc<()>;
/// `Send`, not `Sync`.
type Single = Cell<u8>;
/// Not `Unpin`.
type Pinned = PhantomPinned;

/// A future that is not `Unpin`.
struct Unmoved(Pinned);

impl Future for Unmoved {
    type Output = u8;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<u8> {
        let _ = &self.0;
        Poll::Pending
    }
}

/// `Is::<T>::SEND` is the inherent constant where the bound holds, and else the trait's.
struct Is<T: ?Sized>(std::marker::PhantomData<T>);

trait IsNot {
    const SEND: bool = false;
    const SYNC: bool = false;
    const UNPIN: bool = false;
}

impl<T: ?Sized> IsNot for Is<T> {}

impl<T: ?Sized + Send> Is<T> {
    const SEND: bool = true;
}

impl<T: ?Sized + Sync> Is<T> {
    const SYNC: bool = true;
}

impl<T: ?Sized + Unpin> Is<T> {
    const UNPIN: bool = true;
}

macro_rules! traits_of {
    ($type:ty) => {
        (stringify!($type), [Is::<$type>::SEND, Is::<$type>::SYNC, Is::<$type>::UNPIN])
    };
}

/// A type's name with what it is, and what it should be.
type Row<'a> = ((&'a str, [bool; 3]), [bool; 3]);

/// Compares a table with the truth, and shows all that differs.
#[track_caller]
fn check(table: &[Row<'_>]) {
    let names = ["Send", "Sync", "Unpin"];
    let differing: Vec<String> = table
        .iter()
        .flat_map(|((name, is), should)| {
            (0..3).filter(move |&n| is[n] != should[n]).map(move |n| match is[n] {
                true => format!("{name} is {}", names[n]),
                false => format!("{name} is not {}", names[n]),
            })
        })
        .collect();
    assert!(differing.is_empty(), "{differing:#?}");
}

const YES: bool = true;
const NO: bool = false;

#[test]
fn the_table_can_tell() {
    assert_eq!(traits_of!(u8).1, [YES, YES, YES]);
    assert_eq!(traits_of!(Local).1, [NO, NO, YES]);
    assert_eq!(traits_of!(Single).1, [YES, NO, YES]);
    assert_eq!(traits_of!(Pinned).1, [YES, YES, NO]);
}

#[test]
fn loops_and_tasks_stay_on_their_thread() {
    check(&[
        (traits_of!(monoloop::EventLoop), [NO, NO, YES]),
        (traits_of!(monoloop::Builder), [NO, NO, YES]),
        (traits_of!(monoloop::CallHandle), [NO, NO, YES]),
        (traits_of!(monoloop::AbortHandle), [NO, NO, YES]),
        (traits_of!(monoloop::JoinHandle<u8>), [NO, NO, YES]),
        (traits_of!(monoloop::JoinHandle<Local>), [NO, NO, YES]),
        (traits_of!(monoloop::JoinHandle<Single>), [NO, NO, YES]),
        // The output stays where it is until it is given out: nothing is pinned in the handle.
        (traits_of!(monoloop::JoinHandle<Pinned>), [NO, NO, YES]),
        (traits_of!(monoloop::ErrorReport), [NO, NO, YES]),
        (traits_of!(monoloop::ShutdownReport), [NO, NO, YES]),
        (traits_of!(monoloop::Worker), [NO, NO, YES]),
        (traits_of!(monoloop::OnCtrlC), [YES, YES, YES]),
        (traits_of!(monoloop::Interrupted), [YES, YES, YES]),
        (traits_of!(task::Builder), [NO, NO, YES]),
        (traits_of!(task::TaskInfo), [NO, NO, YES]),
    ]);
}

#[test]
fn structure_stays_on_its_thread() {
    check(&[
        (traits_of!(task::TaskGroup<u8, u8>), [NO, NO, YES]),
        (traits_of!(task::GroupHandle<u8>), [NO, NO, YES]),
        (traits_of!(task::GroupHandle<Pinned>), [NO, NO, YES]),
        (traits_of!(task::Ready<u8>), [NO, NO, YES]),
        (traits_of!(task::Scope<'static>), [NO, NO, YES]),
        (traits_of!(task::ScopeHandle<'static, u8>), [NO, NO, YES]),
        (traits_of!(task::ScopeHandle<'static, Pinned>), [NO, NO, YES]),
        (traits_of!(task::JoinSet<u8>), [NO, NO, YES]),
        (traits_of!(task::JoinSet<Pinned>), [NO, NO, YES]),
        (traits_of!(task::CancelToken), [NO, NO, YES]),
        (traits_of!(task::Cancelled), [NO, NO, YES]),
        (traits_of!(task::DropGuard), [NO, NO, YES]),
        (traits_of!(task::RunUntilCancelled<Pending<u8>>), [NO, NO, YES]),
        (traits_of!(task::RunUntilCancelled<Pinned>), [NO, NO, NO]),
        (traits_of!(task::AbortOnDrop<u8>), [NO, NO, YES]),
        (traits_of!(task::AbortOnDrop<Pinned>), [NO, NO, YES]),
        (traits_of!(task::Shield<u8, std::io::Error>), [NO, NO, YES]),
        (traits_of!(task::Deferred<Ready<()>>), [NO, NO, YES]),
        (traits_of!(task::Finally<Ready<()>, Ready<()>>), [NO, NO, YES]),
        (traits_of!(task::Eager<u8>), [NO, NO, YES]),
        (traits_of!(task::EagerJoin<Pinned>), [NO, NO, YES]),
        (traits_of!(task::Scoped<Ready<()>>), [NO, NO, YES]),
        (traits_of!(task::Scoped<Pinned>), [NO, NO, NO]),
        (traits_of!(task::Inherit<Ready<()>>), [NO, NO, YES]),
        (traits_of!(task::Inherit<Pinned>), [NO, NO, NO]),
        // The key is a static: what it stands for is somewhere else.
        (traits_of!(task::LocalKey<Local>), [YES, YES, YES]),
        (traits_of!(task::LocalUnset), [YES, YES, YES]),
        // As what they hold.
        (traits_of!(task::GroupError<u8>), [YES, YES, YES]),
        (traits_of!(task::GroupError<Local>), [NO, NO, YES]),
        (traits_of!(task::Refused<Ready<()>>), [YES, YES, YES]),
        (traits_of!(task::Refused<Pinned>), [YES, YES, NO]),
        (traits_of!(task::MemberError), [YES, YES, YES]),
        (traits_of!(task::StartError), [YES, YES, YES]),
    ]);
}

#[test]
fn handles_errors_and_names_go_everywhere() {
    check(&[
        (traits_of!(monoloop::Handle), [YES, YES, YES]),
        (traits_of!(monoloop::WorkGuard), [YES, YES, YES]),
        (traits_of!(monoloop::LoopClosed), [YES, YES, YES]),
        (traits_of!(monoloop::RemoteJoin<u8>), [YES, YES, YES]),
        (traits_of!(monoloop::RemoteJoin<Single>), [YES, YES, YES]),
        (traits_of!(monoloop::RemoteJoin<Local>), [NO, NO, YES]),
        (traits_of!(monoloop::RemoteJoin<Pinned>), [YES, YES, YES]),
        (traits_of!(monoloop::RemoteJoinError), [YES, YES, YES]),
        (traits_of!(monoloop::BlockingJoin<u8>), [YES, YES, YES]),
        // One exists for `Send` outputs only, and gives no reference to them.
        (traits_of!(monoloop::BlockingJoin<Local>), [YES, YES, YES]),
        (traits_of!(monoloop::BlockingJoin<Pinned>), [YES, YES, YES]),
        (traits_of!(task::Unblock<fn() -> u8, u8>), [YES, YES, YES]),
        (traits_of!(task::Unblock<Local, u8>), [NO, NO, YES]),
        (traits_of!(monoloop::Workers<u8>), [YES, YES, YES]),
        (traits_of!(monoloop::Workers<Single>), [YES, YES, YES]),
        (traits_of!(monoloop::WorkersBuilder), [YES, YES, YES]),
        (traits_of!(monoloop::WorkerError), [YES, YES, YES]),
        // A payload is `Send` and need not be `Sync`; errors are asked to be both.
        (traits_of!(monoloop::JoinError), [YES, YES, YES]),
        (traits_of!(task::TaskId), [YES, YES, YES]),
        (traits_of!(task::TaskState), [YES, YES, YES]),
        (traits_of!(time::Elapsed), [YES, YES, YES]),
        (traits_of!(time::MissedTickBehavior), [YES, YES, YES]),
        (traits_of!(net::ReuniteError), [YES, YES, YES]),
        (traits_of!(net::ConnectError), [YES, YES, YES]),
        (traits_of!(net::AcceptError), [YES, YES, YES]),
        (traits_of!(net::Endings), [YES, YES, YES]),
        (traits_of!(net::ServerBuilder), [YES, YES, YES]),
    ]);
}

#[test]
fn leaf_futures_hold_keys_and_so_are_send() {
    check(&[
        (traits_of!(time::Sleep), [YES, YES, YES]),
        (traits_of!(time::Interval), [YES, YES, YES]),
        (traits_of!(task::YieldNow), [YES, YES, YES]),
        // As its future.
        (traits_of!(time::Timeout<Pending<u8>>), [YES, YES, YES]),
        (traits_of!(time::Timeout<Local>), [NO, NO, YES]),
        (traits_of!(time::Timeout<Single>), [YES, NO, YES]),
        (traits_of!(time::Timeout<Pinned>), [YES, YES, NO]),
    ]);
}

/// Wherever their futures may go, they may: what they hold of the loop is keys.
#[test]
fn combinators_are_as_their_futures() {
    type Many<F> = std::vec::IntoIter<F>;
    type Array<F> = <[F; 2] as future::IntoGather<future::kind::FromArray>>::Gather;
    type TryArray<T> = <[Ready<Result<T, u8>>; 2] as future::IntoTryGather<
        future::kind::FromArray<(T, u8)>,
    >>::TryGather;
    check(&[
        (traits_of!(future::Gather<Many<Pending<u8>>>), [YES, YES, YES]),
        (traits_of!(future::Gather<Many<Pending<Local>>>), [NO, NO, YES]),
        (traits_of!(future::Gather<Many<Ready<Single>>>), [YES, NO, YES]),
        // The futures are on the heap.
        (traits_of!(future::Gather<Many<Ready<Pinned>>>), [YES, YES, YES]),
        (traits_of!(future::GatherLimited<Many<Pending<u8>>>), [YES, YES, YES]),
        (traits_of!(future::GatherLimited<Many<Pending<Local>>>), [NO, NO, YES]),
        (traits_of!(future::TryGather<Many<Pending<Result<u8, u8>>>, u8, u8>), [YES, YES, YES]),
        (
            traits_of!(future::TryGatherLimited<Many<Pending<Result<u8, u8>>>, u8, u8>),
            [YES, YES, YES],
        ),
        (traits_of!(future::AsCompleted<Pending<u8>>), [YES, YES, YES]),
        (traits_of!(future::AsCompleted<Pending<Local>>), [NO, NO, YES]),
        (traits_of!(future::Next<'static, Pending<u8>>), [YES, YES, YES]),
        (traits_of!(future::Wait<'static, Pending<u8>>), [YES, YES, YES]),
        (traits_of!(future::Until<Local>), [YES, YES, YES]),
        (traits_of!(future::Race<Pending<u8>>), [YES, YES, YES]),
        (traits_of!(future::FirstOk<Pending<Result<u8, u8>>, u8>), [YES, YES, YES]),
        (traits_of!(future::StaggeredRace<Many<Pending<Result<u8, u8>>>, u8>), [YES, YES, YES]),
        // In place, and so pinned if their futures are.
        (traits_of!(future::tuple::Gather2<Pending<u8>, u8, Pending<u8>, u8>), [YES, YES, YES]),
        (traits_of!(future::tuple::Gather2<Pinned, u8, Local, u8>), [NO, NO, NO]),
        (traits_of!(future::tuple::TryGather1<Pending<u8>, u8, u8>), [YES, YES, YES]),
        (traits_of!(Array<Pending<u8>>), [YES, YES, YES]),
        (traits_of!(Array<Ready<Local>>), [NO, NO, YES]),
        (traits_of!(Array<Unmoved>), [YES, YES, NO]),
        (traits_of!(TryArray<Single>), [YES, NO, YES]),
    ]);
}

#[test]
fn promises_and_shared_futures_stay_on_their_thread() {
    check(&[
        (traits_of!(future::Promise<u8>), [NO, NO, YES]),
        (traits_of!(future::Promised<Pinned>), [NO, NO, YES]),
        (traits_of!(future::Shared<Pending<u8>>), [NO, NO, YES]),
        (traits_of!(future::BrokenPromise), [YES, YES, YES]),
    ]);
}

#[test]
fn sockets_hold_keys_and_so_are_send() {
    check(&[
        (traits_of!(net::TcpStream), [YES, YES, YES]),
        (traits_of!(net::TcpListener), [YES, YES, YES]),
        (traits_of!(net::Incoming<'static>), [YES, YES, YES]),
        (traits_of!(net::TcpSocket), [YES, YES, YES]),
        (traits_of!(net::Connector), [YES, YES, YES]),
        (traits_of!(net::UdpSocket), [YES, YES, YES]),
        (traits_of!(net::ReadHalf<'static>), [YES, YES, YES]),
        (traits_of!(net::WriteHalf<'static>), [YES, YES, YES]),
        (traits_of!(net::OwnedReadHalf), [YES, YES, YES]),
        (traits_of!(net::OwnedWriteHalf), [YES, YES, YES]),
    ]);
}

/// They hold keys, and what belongs to the process.
#[cfg(unix)]
#[test]
fn children_and_signals_go_everywhere() {
    use monoloop::{process, signal};
    check(&[
        (traits_of!(process::Command), [YES, YES, YES]),
        (traits_of!(process::Child), [YES, YES, YES]),
        (traits_of!(process::ChildStdin), [YES, YES, YES]),
        (traits_of!(process::ChildStdout), [YES, YES, YES]),
        (traits_of!(process::ChildStderr), [YES, YES, YES]),
        (traits_of!(process::Communicate), [YES, YES, YES]),
        (traits_of!(process::OutputOverrun), [YES, YES, YES]),
        (traits_of!(signal::SignalKind), [YES, YES, YES]),
        (traits_of!(signal::Signal), [YES, YES, YES]),
        (traits_of!(signal::Recv<'static>), [YES, YES, YES]),
        (traits_of!(signal::Next), [YES, YES, YES]),
        // Its task stays.
        (traits_of!(signal::SignalHandle), [NO, NO, YES]),
    ]);
}

#[test]
fn servers_stay_on_their_thread_and_wrappers_are_what_they_wrap() {
    check(&[
        (traits_of!(net::Server), [NO, NO, YES]),
        (traits_of!(net::ServerHandle), [NO, NO, YES]),
        (traits_of!(net::IdleTimeout<net::TcpStream>), [YES, YES, YES]),
        (traits_of!(net::IdleTimeout<Local>), [NO, NO, YES]),
        (traits_of!(net::IdleTimeout<Pinned>), [YES, YES, NO]),
    ]);
}

#[cfg(unix)]
#[test]
fn sockets_of_unix_are_send_too() {
    check(&[
        (traits_of!(net::UnixListener), [YES, YES, YES]),
        (traits_of!(net::UnixStream), [YES, YES, YES]),
        (traits_of!(net::UnixDatagram), [YES, YES, YES]),
        (traits_of!(net::PeerCred), [YES, YES, YES]),
        (traits_of!(net::pipe::Sender), [YES, YES, YES]),
        (traits_of!(net::pipe::Receiver), [YES, YES, YES]),
    ]);
}

#[test]
fn what_tasks_wait_for_stays_on_its_thread() {
    check(&[
        // As a `RefCell`: they may go to another thread, whole, while nobody borrows them.
        (traits_of!(sync::Mutex<u8>), [YES, NO, YES]),
        (traits_of!(sync::Mutex<Pinned>), [YES, NO, NO]),
        (traits_of!(sync::Mutex<Local>), [NO, NO, YES]),
        (traits_of!(sync::MutexGuard<'static, Pinned>), [NO, NO, YES]),
        (traits_of!(sync::MappedMutexGuard<'static, Pinned>), [NO, NO, YES]),
        (traits_of!(sync::RwLock<u8>), [YES, NO, YES]),
        (traits_of!(sync::RwLockReadGuard<'static, Pinned>), [NO, NO, YES]),
        (traits_of!(sync::RwLockWriteGuard<'static, Pinned>), [NO, NO, YES]),
        (traits_of!(sync::MappedRwLockReadGuard<'static, Pinned>), [NO, NO, YES]),
        (traits_of!(sync::MappedRwLockWriteGuard<'static, Pinned>), [NO, NO, YES]),
        (traits_of!(sync::Semaphore), [YES, NO, YES]),
        (traits_of!(sync::Permit<'static>), [NO, NO, YES]),
        (traits_of!(sync::OwnedPermit), [NO, NO, YES]),
        (traits_of!(sync::Event), [YES, NO, YES]),
        (traits_of!(sync::Notify), [YES, NO, YES]),
        (traits_of!(sync::Condition), [YES, NO, YES]),
        (traits_of!(sync::Barrier), [YES, NO, YES]),
        (traits_of!(sync::OnceCell<u8>), [YES, NO, YES]),
        (traits_of!(sync::LazyCell<u8, Pinned>), [YES, NO, YES]),
        (traits_of!(sync::Latch), [YES, NO, YES]),
        (traits_of!(sync::WaitGroup), [NO, NO, YES]),
        (traits_of!(sync::WorkToken), [NO, NO, YES]),
        (traits_of!(sync::RateLimiter), [YES, NO, YES]),
        (traits_of!(sync::futures::Lock<'static, Pinned>), [NO, NO, YES]),
        (traits_of!(sync::futures::Read<'static, Pinned>), [NO, NO, YES]),
        (traits_of!(sync::futures::Write<'static, Pinned>), [NO, NO, YES]),
        (traits_of!(sync::futures::Acquire<'static>), [NO, NO, YES]),
        (traits_of!(sync::futures::AcquireOwned), [NO, NO, YES]),
        (traits_of!(sync::futures::EventWait<'static>), [NO, NO, YES]),
        (traits_of!(sync::futures::Notified<'static>), [NO, NO, YES]),
        (traits_of!(sync::futures::BarrierWait<'static>), [NO, NO, YES]),
    ]);
}

#[test]
fn errors_of_sync_go_everywhere() {
    check(&[
        (traits_of!(sync::TryLockError), [YES, YES, YES]),
        (traits_of!(sync::AcquireError), [YES, YES, YES]),
        (traits_of!(sync::TryAcquireError), [YES, YES, YES]),
        (traits_of!(sync::BrokenBarrierError), [YES, YES, YES]),
        (traits_of!(sync::BarrierWaitResult), [YES, YES, YES]),
        (traits_of!(sync::RateLimitError), [YES, YES, YES]),
        (traits_of!(sync::SetError<u8>), [YES, YES, YES]),
        (traits_of!(sync::SetError<Single>), [YES, NO, YES]),
    ]);
}

#[test]
fn channels_stay_on_their_thread() {
    check(&[
        (traits_of!(oneshot::Sender<u8>), [NO, NO, YES]),
        (traits_of!(oneshot::Receiver<u8>), [NO, NO, YES]),
        (traits_of!(oneshot::Receiver<Pinned>), [NO, NO, YES]),
        (traits_of!(mpsc::Sender<u8>), [NO, NO, YES]),
        (traits_of!(mpsc::WeakSender<u8>), [NO, NO, YES]),
        (traits_of!(mpsc::Receiver<u8>), [NO, NO, YES]),
        (traits_of!(mpsc::Receiver<Pinned>), [NO, NO, YES]),
        (traits_of!(mpsc::UnboundedSender<u8>), [NO, NO, YES]),
        (traits_of!(mpsc::WeakUnboundedSender<u8>), [NO, NO, YES]),
        (traits_of!(mpsc::UnboundedReceiver<Pinned>), [NO, NO, YES]),
        (traits_of!(mpsc::Permit<'static, u8>), [NO, NO, YES]),
        (traits_of!(mpsc::Permits<'static, u8>), [NO, NO, YES]),
        (traits_of!(broadcast::Sender<u8>), [NO, NO, YES]),
        (traits_of!(broadcast::Receiver<Pinned>), [NO, NO, YES]),
        (traits_of!(watch::Sender<u8>), [NO, NO, YES]),
        (traits_of!(watch::Receiver<Pinned>), [NO, NO, YES]),
        (traits_of!(watch::Ref<'static, u8>), [NO, NO, YES]),
    ]);
}

/// They may be made on one thread and moved to another, as a `Cell` may.
#[test]
fn queues_are_used_on_one_thread_at_a_time() {
    check(&[
        (traits_of!(queue::Queue<u8>), [YES, NO, YES]),
        (traits_of!(queue::Queue<Local>), [NO, NO, YES]),
        (traits_of!(queue::Queue<Single>), [YES, NO, YES]),
        (traits_of!(queue::PriorityQueue<u8>), [YES, NO, YES]),
        (traits_of!(queue::LifoQueue<u8>), [YES, NO, YES]),
        (traits_of!(queue::Place<'static, u8>), [NO, NO, YES]),
        (traits_of!(queue::Item<'static, u8>), [NO, NO, YES]),
        (traits_of!(queue::Item<'static, Pinned>), [NO, NO, NO]),
        (traits_of!(queue::Prioritized<u8, Single>), [YES, NO, YES]),
        (traits_of!(queue::Items<'static, u8>), [NO, NO, YES]),
    ]);
}

#[test]
fn remote_channels_cross_threads_if_their_values_do() {
    check(&[
        (traits_of!(remote::channel::Sender<u8>), [YES, YES, YES]),
        (traits_of!(remote::channel::Sender<Single>), [YES, YES, YES]),
        (traits_of!(remote::channel::Sender<Local>), [NO, NO, YES]),
        (traits_of!(remote::channel::Permit<'static, Single>), [YES, YES, YES]),
        (traits_of!(remote::channel::Permit<'static, Local>), [NO, NO, YES]),
        (traits_of!(remote::channel::Receiver<Single>), [YES, YES, YES]),
        (traits_of!(remote::channel::Receiver<Local>), [NO, NO, YES]),
        (traits_of!(remote::oneshot::Sender<Single>), [YES, YES, YES]),
        (traits_of!(remote::oneshot::Sender<Local>), [NO, NO, YES]),
        (traits_of!(remote::oneshot::Receiver<Pinned>), [YES, YES, YES]),
        (traits_of!(remote::event::Event), [YES, YES, YES]),
    ]);
}

#[test]
fn errors_of_channels_are_as_what_they_give_back() {
    check(&[
        (traits_of!(oneshot::SendError<Local>), [NO, NO, YES]),
        (traits_of!(oneshot::RecvError), [YES, YES, YES]),
        (traits_of!(oneshot::TryRecvError), [YES, YES, YES]),
        (traits_of!(mpsc::SendError<u8>), [YES, YES, YES]),
        (traits_of!(mpsc::TrySendError<Single>), [YES, NO, YES]),
        (traits_of!(mpsc::ReserveError), [YES, YES, YES]),
        (traits_of!(mpsc::TryRecvError), [YES, YES, YES]),
        (traits_of!(broadcast::SendError<u8>), [YES, YES, YES]),
        (traits_of!(broadcast::RecvError), [YES, YES, YES]),
        (traits_of!(broadcast::TryRecvError), [YES, YES, YES]),
        (traits_of!(watch::SendError<u8>), [YES, YES, YES]),
        (traits_of!(watch::RecvError), [YES, YES, YES]),
        (traits_of!(queue::PutError<u8>), [YES, YES, YES]),
        (traits_of!(queue::TryPutError<Pinned>), [YES, YES, NO]),
        (traits_of!(queue::ReserveError), [YES, YES, YES]),
        (traits_of!(queue::GetError), [YES, YES, YES]),
        (traits_of!(queue::TryGetError), [YES, YES, YES]),
    ]);
}

/// The futures of `async fn`s have no names.
#[test]
fn files_and_standard_streams_may_move() {
    check(&[
        (traits_of!(fs::File), [YES, YES, YES]),
        (traits_of!(fs::OpenOptions), [YES, YES, YES]),
        // Its closure need not be `Sync`.
        (traits_of!(fs::Operation<u8>), [YES, NO, YES]),
        (traits_of!(fs::Operation<Pinned>), [YES, NO, YES]),
        (traits_of!(fs::ReadDir), [YES, NO, YES]),
        (traits_of!(fs::DirEntry), [YES, YES, YES]),
        (traits_of!(fs::TempDir), [YES, YES, YES]),
        (traits_of!(io::Stdin), [YES, YES, YES]),
        (traits_of!(io::NextLine<'static>), [YES, YES, YES]),
        (traits_of!(io::Stdout), [YES, YES, YES]),
        (traits_of!(io::Stderr), [YES, YES, YES]),
    ]);
}

#[test]
fn futures_of_functions_are_send() {
    fn is_send<F: Send>(_: fn() -> F) {}
    fn stream() -> net::TcpStream {
        unreachable!("only its type is of interest")
    }
    is_send(|| net::TcpStream::connect("127.0.0.1:1"));
    is_send(|| net::TcpListener::bind("127.0.0.1:1"));
    is_send(|| net::UdpSocket::bind("127.0.0.1:1"));
    is_send(|| net::lookup_host("localhost:1"));
    is_send(|| async { net::Connector::new().connect("localhost:1").await });
    is_send(|| async { stream().readable().await });
    is_send(|| async { stream().writable().await });
    is_send(|| async { stream().peek(&mut [0]).await.map(drop) });
    is_send(|| async {
        use monoloop::io::*;
        let mut stream = stream();
        stream.write_all(b"x").await?;
        stream.read_exact(&mut [0]).await
    });
    is_send(|| fs::read("x"));
    is_send(|| async {
        let mut file = fs::File::open("x").await?;
        file.set_len(1).await?;
        file.try_clone().await?.into_std().await
    });
    #[cfg(unix)]
    is_send(|| async {
        let mut command = monoloop::process::shell("true");
        command.output().await?;
        command.status().await?;
        let child = command.spawn()?;
        child.wait().await?;
        child.communicate("").await
    });
    is_send(|| time::advance(std::time::Duration::ZERO));
    is_send(|| async {
        time::sleep(std::time::Duration::ZERO).await;
        time::timeout(std::time::Duration::ZERO, task::yield_now()).await
    });
}

#[test]
fn byte_streams_are_as_what_they_read_and_write() {
    use monoloop::io::codec::{
        Framed, FramedParts, FramedRead, FramedWrite, LengthDelimitedCodec, LengthError,
        LineTooLong, LinesCodec,
    };
    use monoloop::{io, protocol};

    check(&[
        (traits_of!(io::StreamReader<u8>), [YES, YES, YES]),
        (traits_of!(io::StreamReader<Local>), [NO, NO, YES]),
        (traits_of!(io::StreamReader<Pinned>), [YES, YES, NO]),
        (traits_of!(io::BufStream<io::DuplexStream>), [YES, YES, YES]),
        (traits_of!(io::DuplexStream), [YES, YES, YES]),
        (traits_of!(io::ReadHalf<u8>), [YES, YES, YES]),
        (traits_of!(io::ReadHalf<Single>), [YES, YES, YES]),
        (traits_of!(io::WriteHalf<u8>), [YES, YES, YES]),
        (traits_of!(io::WriteHalf<Local>), [NO, NO, YES]),
        (traits_of!(io::ReuniteError<Single>), [YES, YES, YES]),
        (traits_of!(io::ReuniteError<Local>), [NO, NO, YES]),
        (traits_of!(io::ReadBuffer), [YES, YES, YES]),
        (traits_of!(io::CopyBidirectional<'static, u8, u8>), [YES, YES, YES]),
        (traits_of!(io::CopyBidirectional<'static, Local, u8>), [NO, NO, YES]),
        (traits_of!(io::CopyFile<'static, u8>), [YES, YES, YES]),
        (traits_of!(io::CopyFile<'static, Local>), [NO, NO, YES]),
        (traits_of!(io::CopyFileError), [YES, YES, YES]),
        (traits_of!(net::SendFile<'static>), [YES, YES, YES]),
        (traits_of!(FramedRead<u8, LinesCodec>), [YES, YES, YES]),
        (traits_of!(FramedRead<Local, LinesCodec>), [NO, NO, YES]),
        (traits_of!(FramedWrite<u8, LengthDelimitedCodec>), [YES, YES, YES]),
        (traits_of!(Framed<u8, LinesCodec>), [YES, YES, YES]),
        (traits_of!(Framed<u8, Local>), [NO, NO, YES]),
        (traits_of!(FramedParts<u8, LinesCodec>), [YES, YES, YES]),
        (traits_of!(FramedParts<Local, Pinned>), [NO, NO, NO]),
        (traits_of!(LinesCodec), [YES, YES, YES]),
        (traits_of!(LengthDelimitedCodec), [YES, YES, YES]),
        (traits_of!(LineTooLong), [YES, YES, YES]),
        (traits_of!(LengthError), [YES, YES, YES]),
        (traits_of!(io::IncompleteRead), [YES, YES, YES]),
        (traits_of!(io::LimitOverrun), [YES, YES, YES]),
        (traits_of!(io::ReadError), [YES, YES, YES]),
        (traits_of!(io::QueueError), [YES, YES, YES]),
        (traits_of!(io::QueueFull), [YES, YES, YES]),
        // They share a queue with a task.
        (traits_of!(io::StreamWriter), [NO, NO, YES]),
        (traits_of!(protocol::Transport), [NO, NO, YES]),
        (traits_of!(protocol::DatagramTransport), [NO, NO, YES]),
        (traits_of!(protocol::AfterEof), [YES, YES, YES]),
    ]);
}

#[test]
#[cfg(unix)]
fn descriptors_are_as_what_owns_them() {
    use monoloop::io::{AsyncFd, AsyncFdError, ReadyGuard, WouldBlock};
    use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

    struct LocalFd(OwnedFd, Local);

    impl AsFd for LocalFd {
        fn as_fd(&self) -> BorrowedFd<'_> {
            let _ = &self.1;
            self.0.as_fd()
        }
    }

    check(&[
        (traits_of!(AsyncFd<OwnedFd>), [YES, YES, YES]),
        (traits_of!(AsyncFd<BorrowedFd<'static>>), [YES, YES, YES]),
        (traits_of!(AsyncFd<LocalFd>), [NO, NO, YES]),
        (traits_of!(AsyncFdError<OwnedFd>), [YES, YES, YES]),
        (traits_of!(AsyncFdError<LocalFd>), [NO, NO, YES]),
        (traits_of!(ReadyGuard<'static, OwnedFd>), [YES, YES, YES]),
        (traits_of!(WouldBlock), [YES, YES, YES]),
    ]);
}
