//! Signals: who is told, when, and what is there afterwards.

#![cfg(not(miri))] // sends signals
#![cfg(target_os = "linux")] // looks into procfs

mod census;
mod common;

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use census::{eventually, no_leftovers};
use common::{grumpy, isolated, panic_of, quiet_panic, reporting_loop, settle, virtual_loop};
use futures_lite::StreamExt;
use monoloop::io::{AsyncReadExt, AsyncWriteExt};
use monoloop::net::{TcpListener, TcpStream};
use monoloop::signal::{Signal, SignalHandle, SignalKind, ctrl_c, on_signal, signal, terminate};
use monoloop::task::CancelToken;
use monoloop::{EventLoop, run, spawn, yield_now};
use rustix::process::{
    Resource, Rlimit, Signal as Number, getppid, getrlimit, kill_process, setrlimit,
};

const KIND: SignalKind = SignalKind::USER_1;

/// Sends this thread a signal, which is handled before this returns: no test leaves one behind.
fn send(kind: SignalKind) {
    // SAFETY: it has no conditions.
    assert_eq!(unsafe { libc::raise(kind.as_raw()) }, 0);
}

fn this_thread() -> libc::pthread_t {
    // SAFETY: it has no conditions.
    unsafe { libc::pthread_self() }
}

/// Sends a thread a signal, to be handled when it returns from the system next.
fn send_to(thread: libc::pthread_t, kind: SignalKind) {
    // SAFETY: the callers join the thread, or are waited for by it.
    assert_eq!(unsafe { libc::pthread_kill(thread, kind.as_raw()) }, 0);
}

/// What a signal does: asked of a copy of this process, which sends it to itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Effect {
    Ends,
    Nothing,
}

fn effect(kind: SignalKind) -> Effect {
    // SAFETY: the child does only what is async-signal-safe.
    let child = unsafe {
        match libc::fork() {
            0 => {
                libc::raise(kind.as_raw());
                libc::_exit(0)
            }
            child => child,
        }
    };
    let status = reap(child);
    match libc::WIFSIGNALED(status) {
        true => {
            assert_eq!(libc::WTERMSIG(status), kind.as_raw());
            Effect::Ends
        }
        false => {
            assert_eq!(libc::WEXITSTATUS(status), 0);
            Effect::Nothing
        }
    }
}

fn reap(child: libc::pid_t) -> libc::c_int {
    let mut status = 0;
    // SAFETY: the pointer is to a live variable.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    status
}

async fn is_told(listener: &mut Signal) -> bool {
    for _ in 0..50 {
        if futures_lite::future::poll_once(listener.recv()).await.is_some() {
            return true;
        }
        monoloop::time::sleep(Duration::from_micros(100)).await;
    }
    false
}

// ----- telling

#[test]
fn signals_between_two_looks_are_told_once() {
    let _leftovers = no_leftovers();
    run(async {
        let mut listener = signal(KIND).unwrap();
        for _ in 0..3 {
            send(KIND);
        }
        listener.recv().await;
        // What else was sent had arrived by then, or arrives now.
        while is_told(&mut listener).await {}
        send(KIND);
        listener.recv().await;
        assert!(!is_told(&mut listener).await);
    });
}

#[test]
fn every_listener_is_told_of_its_kind_and_of_no_other() {
    let _leftovers = no_leftovers();
    run(async {
        let mut first = signal(KIND).unwrap();
        let second = signal(KIND).unwrap();
        let mut other = signal(SignalKind::USER_2).unwrap();
        let waits = spawn(async move { second.take(2).count().await });
        yield_now().await;
        for _ in 0..2 {
            send(KIND);
            first.recv().await;
            yield_now().await;
        }
        assert_eq!(waits.await.unwrap(), 2);
        assert!(!is_told(&mut other).await);
        send(SignalKind::USER_2);
        other.next().await.unwrap();
        assert!(!is_told(&mut first).await);
    });
}

#[test]
fn what_came_before_is_not_for_a_new_listener() {
    let _leftovers = no_leftovers();
    run(async {
        let mut old = signal(KIND).unwrap();
        send(KIND);
        old.recv().await;
        let mut new = signal(KIND).unwrap();
        assert!(!is_told(&mut new).await);
    });
}

#[test]
fn a_dropped_wait_loses_nothing() {
    let _leftovers = no_leftovers();
    run(async {
        let mut listener = signal(KIND).unwrap();
        assert!(futures_lite::future::poll_once(listener.recv()).await.is_none());
        send(KIND);
        monoloop::time::sleep(Duration::from_millis(5)).await;
        listener.recv().await;
    });
}

#[test]
fn ten_thousand_signals_during_polls_are_told_in_every_burst_and_interrupt_nothing() {
    let _leftovers = no_leftovers();
    const BURSTS: usize = 100;
    const BURST: usize = 100;
    // Both are there at the beginning and the end of a burst.
    let (begin, wait_to_begin) = mpsc::channel::<()>();
    let (burst_over, wait_for_burst) = mpsc::channel::<()>();
    let loop_thread = this_thread();
    let sender = thread::spawn(move || {
        for () in wait_to_begin {
            for _ in 0..BURST {
                send_to(loop_thread, KIND);
            }
            burst_over.send(()).unwrap();
        }
    });
    run(async {
        let mut listener = signal(KIND).unwrap();
        let is_over = Rc::new(Cell::new(false));
        // Sockets and timers meanwhile: none of them may see EINTR.
        let acceptor = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = acceptor.local_addr().unwrap();
        let echo = spawn(async move {
            let (stream, _) = acceptor.accept().await.unwrap();
            let mut stream = stream;
            let mut buffer = [0; 512];
            loop {
                match stream.read(&mut buffer).await.unwrap() {
                    0 => return,
                    n => stream.write_all(&buffer[..n]).await.unwrap(),
                }
            }
        });
        let flag = Rc::clone(&is_over);
        let client = spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let mut rounds = 0;
            while !flag.get() {
                stream.write_all(b"hello").await.unwrap();
                stream.read_exact(&mut [0; 5]).await.unwrap();
                monoloop::time::sleep(Duration::from_micros(10)).await;
                rounds += 1;
            }
            rounds
        });
        for _ in 0..BURSTS {
            begin.send(()).unwrap();
            listener.recv().await;
            wait_for_burst.recv().unwrap();
        }
        drop(begin);
        is_over.set(true);
        assert!(client.await.unwrap() > 0);
        echo.await.unwrap();
    });
    sender.join().unwrap();
}

#[test]
fn two_loops_are_both_told() {
    let _leftovers = no_leftovers();
    const ROUNDS: usize = 200;
    let barrier = Barrier::new(3);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                run(async {
                    let mut listener = signal(KIND).unwrap();
                    for _ in 0..ROUNDS {
                        barrier.wait();
                        listener.recv().await;
                        barrier.wait();
                    }
                });
            });
        }
        for _ in 0..ROUNDS {
            barrier.wait();
            send(KIND);
            barrier.wait();
        }
    });
}

#[test]
fn a_stuck_loop_keeps_no_other_from_being_told() {
    let _leftovers = no_leftovers();
    let (is_stuck, wait_until_stuck) = mpsc::channel();
    let (go_on, wait_to_go_on) = mpsc::channel::<()>();
    let stuck = thread::spawn(move || {
        run(async {
            let mut listener = signal(KIND).unwrap();
            is_stuck.send(()).unwrap();
            wait_to_go_on.recv().unwrap();
            listener.recv().await;
        });
    });
    run(async {
        let mut listener = signal(KIND).unwrap();
        wait_until_stuck.recv().unwrap();
        send(KIND);
        listener.recv().await;
    });
    go_on.send(()).unwrap();
    stuck.join().unwrap();
}

#[test]
fn a_listener_moves_to_another_loop() {
    let _leftovers = no_leftovers();
    let mut listener = run(async { signal(KIND).unwrap() });
    thread::spawn(move || {
        run(async {
            assert!(!is_told(&mut listener).await);
            send(KIND);
            listener.recv().await;
        });
    })
    .join()
    .unwrap();
}

#[test]
fn a_signal_between_two_runs_is_told_in_the_next() {
    let _leftovers = no_leftovers();
    let event_loop = EventLoop::new().unwrap();
    let mut listener = event_loop.run(async { signal(KIND).unwrap() });
    send(KIND);
    event_loop.run(listener.recv());
}

#[test]
fn ctrl_c_and_terminate_listen_from_the_call_on() {
    let _leftovers = no_leftovers();
    run(async {
        let (interrupted, terminated) = (ctrl_c(), terminate());
        send(SignalKind::INTERRUPT);
        send(SignalKind::TERMINATE);
        interrupted.await.unwrap();
        terminated.await.unwrap();
    });
    assert_eq!(effect(SignalKind::INTERRUPT), Effect::Ends);
    assert_eq!(effect(SignalKind::TERMINATE), Effect::Ends);
}

#[test]
fn a_panicking_waker_keeps_no_other_from_being_told() {
    let _leftovers = no_leftovers();
    let (event_loop, reports) = reporting_loop();
    event_loop.run(async {
        let mut bad = signal(KIND).unwrap();
        let waker = grumpy();
        let wait = pin!(bad.recv());
        assert!(wait.poll(&mut Context::from_waker(&waker)).is_pending());
        let mut other = signal(KIND).unwrap();
        for _ in 0..2 {
            send(KIND);
            other.recv().await;
        }
    });
    assert_eq!(reports.len(), 1, "{reports:?}");
}

// ----- dispositions

#[test]
fn the_last_listener_restores_what_was_there() {
    let _leftovers = no_leftovers();
    run(async {
        for _ in 0..2 {
            assert_eq!(effect(KIND), Effect::Ends);
            let first = signal(KIND).unwrap();
            let second = signal(KIND).unwrap();
            assert_eq!(effect(KIND), Effect::Nothing);
            drop(first);
            assert_eq!(effect(KIND), Effect::Nothing);
            drop(second);
        }
        assert_eq!(effect(KIND), Effect::Ends);
        // Rust's runtime ignores this one.
        for _ in 0..2 {
            assert_eq!(effect(SignalKind::PIPE), Effect::Nothing);
            drop(signal(SignalKind::PIPE).unwrap());
        }
        assert_eq!(effect(SignalKind::PIPE), Effect::Nothing);
        // Ignored by default.
        drop(signal(SignalKind::CHILD).unwrap());
        assert_eq!(effect(SignalKind::CHILD), Effect::Nothing);
    });
}

#[test]
fn the_end_of_a_loop_restores_what_was_there() {
    let _leftovers = no_leftovers();
    run(async {
        let mut listener = signal(KIND).unwrap();
        spawn(async move { listener.recv().await }).detach();
        on_signal(SignalKind::USER_2, || ()).unwrap();
        yield_now().await;
        assert_eq!(effect(KIND), Effect::Nothing);
    });
    assert_eq!((effect(KIND), effect(SignalKind::USER_2)), (Effect::Ends, Effect::Ends));
}

static THEIRS: AtomicUsize = AtomicUsize::new(0);

extern "C" fn their_handler(_: libc::c_int) {
    THEIRS.fetch_add(1, Ordering::SeqCst);
}

#[test]
fn a_handler_that_was_there_is_called_with_listeners_and_without() {
    let _leftovers = no_leftovers();
    isolated("a_handler_that_was_there_is_called_with_listeners_and_without", || {
        // SAFETY: the handler only counts.
        unsafe {
            libc::signal(KIND.as_raw(), their_handler as extern "C" fn(libc::c_int) as usize)
        };
        run(async {
            let mut listener = signal(KIND).unwrap();
            send(KIND);
            listener.recv().await;
        });
        assert_eq!(THEIRS.load(Ordering::SeqCst), 1);
        send(KIND);
        eventually("theirs is called", || THEIRS.load(Ordering::SeqCst) == 2);
    });
}

#[test]
fn handlers_of_another_library_are_called_too() {
    let _leftovers = no_leftovers();
    isolated("handlers_of_another_library_are_called_too", || {
        let theirs = Arc::new(AtomicUsize::new(0));
        let register = || {
            let count = Arc::clone(&theirs);
            // SAFETY: the action only counts.
            unsafe {
                signal_hook::low_level::register(KIND.as_raw(), move || {
                    count.fetch_add(1, Ordering::SeqCst);
                })
                .unwrap()
            }
        };
        // Before ours, and after.
        register();
        run(async {
            let mut listener = signal(KIND).unwrap();
            register();
            send(KIND);
            listener.recv().await;
            eventually("theirs are called", || theirs.load(Ordering::SeqCst) == 2);
        });
        // Nobody of ours listens; what was there before was not the default.
        send(KIND);
        eventually("theirs are called", || theirs.load(Ordering::SeqCst) == 4);
    });
}

#[test]
fn a_signal_that_was_ignored_is_so_again() {
    let _leftovers = no_leftovers();
    isolated("a_signal_that_was_ignored_is_so_again", || {
        // SAFETY: ignores a signal.
        unsafe { libc::signal(libc::SIGHUP, libc::SIG_IGN) };
        run(async {
            let mut listener = signal(SignalKind::HANGUP).unwrap();
            send(SignalKind::HANGUP);
            listener.recv().await;
        });
        assert_eq!(effect(SignalKind::HANGUP), Effect::Nothing);
    });
}

#[test]
fn a_signal_that_was_ignored_stays_so_if_nobody_can_listen() {
    let _leftovers = no_leftovers();
    isolated("a_signal_that_was_ignored_stays_so_if_nobody_can_listen", || {
        // SAFETY: ignores a signal.
        unsafe { libc::signal(libc::SIGHUP, libc::SIG_IGN) };
        run(async {
            // What all signals share is there.
            let _other = signal(KIND).unwrap();
            let limit = getrlimit(Resource::Nofile);
            setrlimit(Resource::Nofile, Rlimit { current: Some(3), ..limit }).unwrap();
            let refused = signal(SignalKind::HANGUP).map(drop);
            setrlimit(Resource::Nofile, limit).unwrap();
            assert_eq!(refused.unwrap_err().raw_os_error(), Some(libc::EMFILE));
            send(SignalKind::HANGUP);
            let mut listener = signal(SignalKind::HANGUP).unwrap();
            send(SignalKind::HANGUP);
            listener.recv().await;
        });
        assert_eq!(effect(SignalKind::HANGUP), Effect::Nothing);
    });
}

#[test]
fn the_handler_leaves_the_error_number_alone_and_a_full_pipe_blocks_nobody() {
    let _leftovers = no_leftovers();
    isolated("the_handler_leaves_the_error_number_alone_and_a_full_pipe_blocks_nobody", || {
        run(async {
            let mut listener = signal(KIND).unwrap();
            for _ in 0..10_000 {
                errno::set_errno(errno::Errno(7));
                // Delivered to this thread, before it returns.
                // SAFETY: a handler is installed.
                assert_eq!(unsafe { libc::raise(KIND.as_raw()) }, 0);
                assert_eq!(errno::errno().0, 7);
            }
            listener.recv().await;
            assert!(!is_told(&mut listener).await);
            send(KIND);
            listener.recv().await;
        });
    });
}

#[test]
fn signals_of_a_forked_child_are_not_told_to_the_parent() {
    let _leftovers = no_leftovers();
    isolated("signals_of_a_forked_child_are_not_told_to_the_parent", || {
        run(async {
            let mut listener = signal(KIND).unwrap();
            assert_eq!(effect(KIND), Effect::Nothing, "the handler is inherited");
            assert!(!is_told(&mut listener).await);
            send(KIND);
            listener.recv().await;
        });
    });
}

#[test]
fn a_forked_child_can_listen_by_a_loop_of_its_own() {
    let _leftovers = no_leftovers();
    isolated("a_forked_child_can_listen_by_a_loop_of_its_own", || {
        let mut listener = run(async { signal(KIND).unwrap() });
        // SAFETY: of the two threads of this process the other sleeps, and holds no lock.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let told = std::panic::catch_unwind(|| {
                run(async {
                    let mut listener = signal(KIND).unwrap();
                    send(KIND);
                    listener.recv().await;
                    // What tells the parent is not for us to take.
                    kill_process(getppid().unwrap(), Number::USR1).unwrap();
                    monoloop::time::sleep(Duration::from_millis(50)).await;
                });
            });
            // SAFETY: ends the child without the parent's clean-up.
            unsafe { libc::_exit(if told.is_ok() { 42 } else { 1 }) };
        }
        assert_eq!(libc::WEXITSTATUS(reap(child)), 42);
        run(async {
            let told = monoloop::time::timeout(Duration::from_secs(60), listener.recv()).await;
            assert!(told.is_ok());
            assert!(!is_told(&mut listener).await);
        });
    });
}

// ----- misuse

#[test]
fn signals_that_cannot_be_listened_to_are_errors() {
    let _leftovers = no_leftovers();
    run(async {
        for (number, text) in [
            (9, "SIGKILL cannot be listened to: no process can catch it"),
            (19, "SIGSTOP cannot be listened to: no process can catch it"),
            (
                11,
                "signal 11 cannot be listened to: the faulting instruction would be run again for ever",
            ),
            (0, "signal 0 cannot be listened to: there is no such signal"),
            (-1, "signal -1 cannot be listened to: there is no such signal"),
            (1000, "signal 1000 cannot be listened to: there is no such signal"),
        ] {
            let error = signal(SignalKind::from_raw(number)).unwrap_err();
            assert_eq!(
                (error.kind(), error.to_string()),
                (io::ErrorKind::InvalidInput, text.into())
            );
        }
        // The C library keeps some for itself, and the system knows no higher ones.
        for number in [32, 65, 100] {
            assert!(signal(SignalKind::from_raw(number)).is_err(), "{number}");
        }
    });
}

#[test]
fn listening_without_a_loop_is_an_error() {
    let _leftovers = no_leftovers();
    let error = signal(KIND).unwrap_err().to_string();
    assert!(error.contains("`signal` called at tests/signal.rs"), "{error}");
    let mut listener = run(async { signal(KIND).unwrap() });
    let mut cx = Context::from_waker(Waker::noop());
    let texts = [
        panic_of(|| listener.poll_recv(&mut cx)),
        panic_of(|| pin!(listener.recv()).poll(&mut cx)),
    ];
    for text in texts {
        assert!(text.contains("`Signal::recv` called at tests/signal.rs"), "{text}");
    }
    drop(listener);
    let _next = ctrl_c();
    assert_eq!(effect(SignalKind::INTERRUPT), Effect::Ends);
}

// ----- callbacks

#[test]
fn a_callback_is_called_until_it_is_removed() {
    let _leftovers = no_leftovers();
    let (event_loop, reports) = reporting_loop();
    event_loop.run(async {
        let calls = Rc::new(Cell::new(0));
        let count = Rc::clone(&calls);
        let handle = on_signal(KIND, move || {
            count.set(count.get() + 1);
            if count.get() == 2 {
                quiet_panic("the second call");
            }
        })
        .unwrap();
        for n in 1..=3 {
            send(KIND);
            while calls.get() < n {
                monoloop::time::sleep(Duration::from_micros(100)).await;
            }
        }
        assert!(handle.remove());
        assert!(!handle.remove());
        assert_eq!(effect(KIND), Effect::Ends);
        assert_eq!(calls.get(), 3);
    });
    let reports = reports.take();
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert!(reports[0].contains("the second call"), "{reports:?}");
}

/// Though another loop passed on a signal that came meanwhile.
#[test]
fn a_callback_that_removed_itself_is_called_no_more() {
    let _leftovers = no_leftovers();
    run(async {
        let calls = Rc::new(Cell::new(0));
        let own_handle: Rc<RefCell<Option<SignalHandle>>> = Rc::default();
        let (tell, told) = mpsc::channel();
        let (count, handle) = (Rc::clone(&calls), Rc::clone(&own_handle));
        let callback = move || {
            count.set(count.get() + 1);
            told.recv().expect("the other loop had the first");
            send(KIND);
            told.recv().expect("the other loop had the second");
            assert!(handle.take().expect("it is called once").remove());
        };
        *own_handle.borrow_mut() = Some(on_signal(KIND, callback).unwrap());
        let (begin, begun) = mpsc::channel();
        let other = thread::spawn(move || {
            run(async {
                let mut listener = signal(KIND).unwrap();
                begin.send(()).unwrap();
                for _ in 0..2 {
                    listener.recv().await;
                    tell.send(()).unwrap();
                }
            });
        });
        begun.recv().unwrap();
        send(KIND);
        while calls.get() == 0 {
            yield_now().await;
        }
        for _ in 0..10 {
            yield_now().await;
        }
        other.join().unwrap();
        assert_eq!(calls.get(), 1);
    });
}

// ----- other system calls

/// SA_RESTART: blocking calls elsewhere in the program are not interrupted by signals that we catch.
#[test]
fn the_end_of_the_loop_does_not_wait_for_a_callback() {
    let _leftovers = no_leftovers();
    let event_loop = virtual_loop();
    event_loop.run(async {
        on_signal(KIND, || ()).unwrap();
        // Whoever asks for it has a grace period.
        let _token = CancelToken::root();
        assert_eq!(monoloop::task::all().len(), 1, "it is no task");
    });
    let report = event_loop.shutdown();
    assert_eq!(report.dropped.len(), 1);
    assert_eq!(report.dropped[0].age(), Duration::ZERO);
    assert_eq!(effect(KIND), Effect::Ends);
}

#[test]
fn blocking_calls_of_other_threads_go_on() {
    let _leftovers = no_leftovers();
    run(async {
        let mut listener = signal(KIND).unwrap();
        let (mut reader, mut writer) = UnixStream::pair().unwrap();
        thread::scope(|scope| {
            let (told, tell) = mpsc::channel();
            let reads = scope.spawn(move || {
                told.send(this_thread()).unwrap();
                let mut byte = [0];
                // Not `read_exact`, which would go on after EINTR by itself.
                reader.read(&mut byte).map(|n| (n, byte[0]))
            });
            let reader = tell.recv().unwrap();
            for _ in 0..1000 {
                send_to(reader, KIND);
            }
            writer.write_all(b"x").unwrap();
            assert_eq!(reads.join().unwrap().unwrap(), (1, b'x'));
        });
        listener.recv().await;
    });
}

#[test]
fn a_host_that_turns_the_loop_is_told() {
    let _leftovers = no_leftovers();
    let event_loop = EventLoop::new().unwrap();
    let mut listener = event_loop.run(async { signal(KIND).unwrap() });
    let task = event_loop.spawn(async move { listener.recv().await });
    settle(&event_loop);
    send(KIND);
    eventually("the task is told", || {
        settle(&event_loop);
        task.is_finished()
    });
}
