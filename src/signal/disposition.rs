//! What a signal does, and the handler that tells us of it.
//!
//! # What the handler may do
//!
//! A handler runs in the midst of anything, on any thread, so it does nothing but what POSIX calls async-signal-safe:
//! it sets a flag, writes a byte into a non-blocking pipe (the self-pipe trick), and leaves `errno` as it was. No lock, no
//! allocation, no waker: a local wake would race with the very queue that it interrupts. All that it reads are
//! statics of atomics, and the pipe's descriptor is never closed, so its number never becomes another file's.
//!
//! * *Flag before byte.* Who reads the byte looks at the flags afterwards, so no delivery is overlooked. If the pipe
//!   is full, a byte is in it, and whoever reads that will look too.
//! * *Fork.* A child that was forked and did not `exec` shares the pipe with its parent. The handler compares the
//!   process's id and tells nobody there: a signal of the child's is none of the parent's.
//! * *Others' handlers.* One that was there before ours is called by ours, with what ours was given. So other
//!   libraries, and `signal-hook` and tokio with them, hear of the signal too.
//!
//! # Back to what was
//!
//! When the last listener goes, the disposition that was found is put back, unless somebody put a handler on top of
//! ours meanwhile, which presumably calls ours as ours calls theirs: then ours stays below, and only passes signals on.
//!
//! (`signal-hook-registry`, which others use for this, keeps its handler for the life of the process: a signal that
//! ended the process before is then ignored for ever, and children that should inherit "ignored" do not.)

use std::io;
use std::mem;
use std::os::fd::RawFd;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU8, Ordering};

use libc::{c_int, c_void, siginfo_t};

/// More than any platform has.
const SIGNALS: usize = 129;

static SLOTS: [Slot; SIGNALS] = [const { Slot::new() }; SIGNALS];
/// Where the handler writes its byte; -1: nowhere yet. Never closed.
static PIPE: AtomicI32 = AtomicI32::new(-1);
/// The process that reads it.
static READER: AtomicI32 = AtomicI32::new(0);

/// What the handler knows of one signal.
struct Slot {
    /// It came, and nobody was told yet.
    is_pending: AtomicBool,
    /// Null, or a handler that was there before ours.
    previous: AtomicPtr<()>,
    /// That handler takes three arguments.
    takes_info: AtomicBool,
    /// What the next one does besides telling us: a `Then`.
    then: AtomicU8,
}

/// What a signal does besides telling us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Then {
    /// Nothing.
    Nothing,
    /// The one after it has its default effect.
    Arm,
    /// It has its default effect, whatever the loop does: for the second ctrl-c.
    Default,
}

impl Slot {
    const fn new() -> Self {
        Self {
            is_pending: AtomicBool::new(false),
            previous: AtomicPtr::new(ptr::null_mut()),
            takes_info: AtomicBool::new(false),
            then: AtomicU8::new(Then::Nothing as u8),
        }
    }

    fn keep_previous(&self, previous: &libc::sigaction) {
        let address = if is_handler(previous) { previous.sa_sigaction } else { 0 };
        self.takes_info.store(previous.sa_flags & libc::SA_SIGINFO != 0, Ordering::SeqCst);
        self.previous.store(ptr::with_exposed_provenance_mut(address), Ordering::SeqCst);
    }

    fn set_then(&self, then: Then) {
        self.then.store(then as u8, Ordering::SeqCst);
    }
}

/// A disposition that ours took the place of, until it is put back.
pub(super) struct Replaced {
    signal: c_int,
    previous: libc::sigaction,
}

/// Makes `fd` the pipe of this process. It must be non-blocking, and stay open for ever.
pub(super) fn set_pipe(fd: RawFd) {
    PIPE.store(fd, Ordering::SeqCst);
    READER.store(process_id(), Ordering::SeqCst);
}

/// Whether this process has a pipe of its own: false at first, and after a fork.
pub(super) fn has_pipe() -> bool {
    READER.load(Ordering::SeqCst) == process_id()
}

/// Takes note that a signal came.
pub(super) fn take_pending(signal: c_int) -> bool {
    let is_pending = &slot(signal).is_pending;
    is_pending.load(Ordering::SeqCst) && is_pending.swap(false, Ordering::SeqCst)
}

/// Sets what the next such signal does besides telling us.
pub(crate) fn set_then(signal: c_int, then: Then) {
    slot(signal).set_then(then);
}

fn slot(signal: c_int) -> &'static Slot {
    &SLOTS[signal as usize]
}

/// Whether the number can be one of a signal.
pub(super) fn is_in_range(signal: c_int) -> bool {
    (1..SIGNALS as c_int).contains(&signal)
}

/// Puts our handler in place, if it is not there. `left` is what [`restore`] could not put back.
#[allow(unsafe_code)]
pub(super) fn install(signal: c_int, left: Option<Replaced>) -> io::Result<Replaced> {
    let slot = slot(signal);
    let found = current(signal)?;
    slot.is_pending.store(false, Ordering::SeqCst);
    match left {
        // Ours, or another's on top of ours.
        Some(left) if is_handler(&found) => return Ok(left),
        _ => {}
    }
    // Known to the handler before it can run.
    slot.keep_previous(&found);
    // SAFETY: a zeroed `sigaction` is a valid value of that C struct.
    let mut ours: libc::sigaction = unsafe { mem::zeroed() };
    ours.sa_sigaction = address_of_ours();
    ours.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
    // SAFETY: a zeroed `sigaction` is a valid value of that C struct.
    let mut previous: libc::sigaction = unsafe { mem::zeroed() };
    // SAFETY: both pointers are to live structs; `handle` has the signature that `SA_SIGINFO` asks for, and does
    // only what is async-signal-safe, as the module's docs say.
    cvt(unsafe { libc::sigaction(signal, &ours, &mut previous) })?;
    Ok(Replaced { signal, previous })
}

/// Puts back what was there before [`install`], if what is there now is ours; else gives `replaced` back.
#[allow(unsafe_code)]
pub(super) fn restore(replaced: Replaced) -> Option<Replaced> {
    if !current(replaced.signal).is_ok_and(|found| found.sa_sigaction == address_of_ours()) {
        return Some(replaced);
    }
    // SAFETY: the struct is the one that the system gave us.
    let put_back = unsafe { libc::sigaction(replaced.signal, &replaced.previous, ptr::null_mut()) };
    debug_assert_eq!(put_back, 0, "what the system gave us it takes back");
    None
}

/// Gives a signal its default effect here and now, which for most is the end of the process.
#[allow(unsafe_code)]
pub(crate) fn do_default(signal: c_int) {
    // SAFETY: all of these are async-signal-safe, the pointers are to live structs, and zeroed ones are valid.
    unsafe {
        let mut default: libc::sigaction = mem::zeroed();
        default.sa_sigaction = libc::SIG_DFL;
        let mut only_this: libc::sigset_t = mem::zeroed();
        libc::sigemptyset(&mut only_this);
        libc::sigaddset(&mut only_this, signal);
        libc::sigaction(signal, &default, ptr::null_mut());
        libc::raise(signal);
        // Blocked if we are in its handler: let through, it does what it does by default.
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &only_this, ptr::null_mut());
    }
}

/// What is there now.
#[allow(unsafe_code)]
fn current(signal: c_int) -> io::Result<libc::sigaction> {
    // SAFETY: a zeroed `sigaction` is a valid value of that C struct.
    let mut found: libc::sigaction = unsafe { mem::zeroed() };
    // SAFETY: only asks; the pointer is to a live struct.
    cvt(unsafe { libc::sigaction(signal, ptr::null(), &mut found) })?;
    Ok(found)
}

fn is_handler(action: &libc::sigaction) -> bool {
    !matches!(action.sa_sigaction, libc::SIG_DFL | libc::SIG_IGN)
}

fn address_of_ours() -> usize {
    handle as Handler as *const () as usize
}

fn cvt(result: c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn process_id() -> c_int {
    // A system call, and nothing else.
    std::process::id() as c_int
}

type Handler = extern "C" fn(c_int, *mut siginfo_t, *mut c_void);
type PlainHandler = extern "C" fn(c_int);

/// The handler. See the module's docs for what it may do.
extern "C" fn handle(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    let errno = errno::errno();
    if let Some(slot) = SLOTS.get(signal as usize) {
        if has_pipe() {
            slot.is_pending.store(true, Ordering::SeqCst);
            ring();
        }
        match slot.then.load(Ordering::SeqCst) {
            then if then == Then::Arm as u8 => slot.set_then(Then::Default),
            then if then == Then::Default as u8 => do_default(signal),
            _ => {}
        }
        call_previous(slot, signal, info, context);
    }
    errno::set_errno(errno);
}

/// Makes the pipe readable.
#[allow(unsafe_code)]
fn ring() {
    let byte = 0_u8;
    // SAFETY: `write` is async-signal-safe; it reads one byte of a live variable. The descriptor is open, for it is
    // never closed. That it may be full is all right.
    let _full = unsafe {
        libc::write(PIPE.load(Ordering::SeqCst), ptr::from_ref(&byte).cast::<c_void>(), 1)
    };
}

/// Calls the handler that was there before ours, if there was one.
#[allow(unsafe_code)]
fn call_previous(slot: &Slot, signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    let previous = slot.previous.load(Ordering::SeqCst);
    if previous.is_null() {
        return;
    }
    if slot.takes_info.load(Ordering::SeqCst) {
        // SAFETY: the system had this address as a handler of three arguments (`SA_SIGINFO`); it is called with
        // what the system gave us, in the place where the system would have called it.
        let previous = unsafe { mem::transmute::<*mut (), Handler>(previous) };
        previous(signal, info, context);
    } else {
        // SAFETY: as above, of one argument.
        let previous = unsafe { mem::transmute::<*mut (), PlainHandler>(previous) };
        previous(signal);
    }
}
