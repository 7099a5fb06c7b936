//! Homes: where slots live, who holds them, and how they change hands.

#[cfg(not(loom))]
use std::any::Any;
use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;
use std::num::NonZeroU32;
use std::ptr;
use std::sync::Arc;

use super::family::{Family, Kin};
use super::inbox::Inbox;
use super::ready::ReadyQueue;
use super::slot::{Mark, NO_OWNER, Slot, Tenant, prefetch};
use super::sync::{Mutex, Plain, lock, thread_local};

/// Slots in a home's first chunk; each further chunk doubles, up to [`LAST_CHUNK`].
const FIRST_CHUNK: usize = if cfg!(loom) { 2 } else { 64 };
/// Slots in a large home's chunks: 64 KiB.
const LAST_CHUNK: usize = 2048;

#[cfg(not(loom))]
thread_local! {
    /// The home this thread holds. No destructor, so that it can be read while a thread ends.
    static CURRENT: Cell<*const Home> = const { Cell::new(ptr::null()) };
}
#[cfg(loom)]
thread_local! {
    static CURRENT: Cell<*const Home> = Cell::new(ptr::null());
}

/// The home this thread holds, or null.
#[inline(always)]
pub(super) fn current_home() -> *const Home {
    CURRENT.with(Cell::get)
}

/// Ends the sleep of a parked loop, from any thread.
pub(crate) trait Unpark: Send + Sync {
    /// The same as `Any`, so that its maker can recognise it.
    #[cfg(not(loom))]
    fn as_any(&self) -> &dyn Any;

    /// Makes the loop's wait return, now or when it next begins.
    fn unpark(&self);
}

/// Identifies a loop in this process; never reused (but for wrapping after 2³² loops).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct LoopId(NonZeroU32);

impl fmt::Display for LoopId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// Something of a loop's that a handle released where the loop was not current: on another thread, or
/// after the run. The keys are opaque here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Release {
    /// A timer's key, and whether it was counted as a short one.
    Timer { key: u64, is_short: bool },
    /// A source's key.
    #[cfg(feature = "io")]
    Source(u64),
    /// A source's key, and who waits no more to read from it or to write.
    #[cfg(feature = "io")]
    Wait { source: u64, waiter: u32, is_write: bool },
    /// The slots of a future's children.
    Family(Kin),
}

/// A set of slots with the ready queue and the inbox that belong to them. Leaked, and held by one thread
/// at a time.
pub(crate) struct Home {
    inbox: Inbox,
    /// The live loops here, for those who come from elsewhere.
    directory: Mutex<Vec<Listing>>,
    pub(super) local: Plain<Local>,
}

// SAFETY: `local` is touched only by the holder (see the module's docs); the rest is made for sharing.
unsafe impl Sync for Home {}
// SAFETY: as above; a home passes between threads through the pool's lock alone.
unsafe impl Send for Home {}

/// What other threads may know of a live loop.
struct Listing {
    id: LoopId,
    unparker: Arc<dyn Unpark>,
    /// Woken when something arrives in `released`.
    control: Option<&'static Slot>,
    released: Vec<Release>,
}

/// The holder's part of a home.
pub(super) struct Local {
    /// Slots whose tenants shall run, first woken first. Each at most once (`Slot::mark`), and with
    /// room for all, so that a wake never allocates.
    ready: ReadyQueue<&'static Slot>,
    /// Vacant slots that are in no queue, last vacated on top: its cache lines are warm. With room for all too.
    free: Vec<&'static Slot>,
    chunks: Vec<&'static [Slot]>,
    /// All families of this home, in use or not.
    pub(super) families: Vec<&'static Family>,
    /// Those not in use.
    pub(super) idle_families: Vec<&'static Family>,
    /// The loops that live here, by `Slot::owner`.
    residents: Vec<Seat>,
}

/// A place for one loop in a home.
struct Seat {
    taken: bool,
    /// What `Slot::landlord` gives; opaque here.
    landlord: *const (),
    /// Ready slots of this loop that another loop of the same thread came across.
    stash: VecDeque<&'static Slot>,
}

impl Home {
    fn leak() -> &'static Self {
        Box::leak(Box::new(Self {
            inbox: Inbox::new(),
            directory: Mutex::new(Vec::new()),
            local: Plain::new(Local {
                ready: ReadyQueue::new(),
                free: Vec::new(),
                chunks: Vec::new(),
                families: Vec::new(),
                idle_families: Vec::new(),
                residents: Vec::new(),
            }),
        }))
    }

    pub(super) fn inbox(&self) -> &Inbox {
        &self.inbox
    }

    /// Does what a wake of a slot of this home does, by its mark. Runs no foreign code.
    ///
    /// # Safety
    ///
    /// The calling thread holds this home, and `slot` is one of its slots.
    #[inline(always)]
    pub(super) unsafe fn schedule(&self, slot: &'static Slot) {
        // SAFETY: the caller's. A task's slot is in the queue at most once, and `grow` made room for all.
        unsafe {
            let mark = slot.mark.get();
            if mark == Mark::Task {
                slot.mark.set(Mark::Queued);
                self.local.with(|local| local.ready.push_back(slot));
            } else if mark == Mark::Child {
                self.schedule_child(slot);
            }
        }
    }

    /// Queues a child with its family and wakes the parent, who may be a child himself. Ends, since each round
    /// makes a mark that a wake sets off from into one that it does not.
    ///
    /// # Safety
    ///
    /// As for [`schedule`](Self::schedule), and the mark is [`Mark::Child`].
    // Not inlined, so that the way of a task's wake is a leaf and needs no frame.
    #[inline(never)]
    unsafe fn schedule_child(&self, mut slot: &'static Slot) {
        // SAFETY: the caller's; a parent's slot is of the same home (`Kin::set_parent`).
        unsafe {
            while slot.mark.get() == Mark::Child {
                slot.mark.set(Mark::Queued);
                slot = slot.family().enqueue(slot);
            }
            if slot.mark.get() == Mark::Task {
                slot.mark.set(Mark::Queued);
                self.local.with(|local| local.ready.push_back(slot));
            }
        }
    }

    /// Wakes the loops of this home that may be waiting.
    #[cold]
    pub(super) fn unpark(&self) {
        for listing in lock(&self.directory).iter() {
            listing.unparker.unpark();
        }
    }

    /// The unparker of a loop that lives here, if it is not gone. From anywhere.
    pub(crate) fn unparker(&self, id: LoopId) -> Option<Arc<dyn Unpark>> {
        let directory = lock(&self.directory);
        let listing = directory.iter().find(|listing| listing.id == id);
        listing.map(|listing| Arc::clone(&listing.unparker))
    }

    /// Tells a loop that lives here, from anywhere, that something of its is no longer in use. Does
    /// nothing if that loop is gone, and all it had with it.
    pub(crate) fn release(&self, id: LoopId, what: Release) {
        let mut directory = lock(&self.directory);
        let Some(listing) = directory.iter_mut().find(|listing| listing.id == id) else { return };
        listing.released.push(what);
        let control = listing.control;
        drop(directory);
        if let Some(control) = control {
            control.wake();
        }
    }

    /// The same for what belongs to the home and not to one of its loops: whichever runs next takes it.
    pub(super) fn release_family(&self, kin: Kin) {
        let controls: Vec<_> = {
            let mut directory = lock(&self.directory);
            let Some(first) = directory.first_mut() else { return };
            first.released.push(Release::Family(kin));
            directory.iter().filter_map(|listing| listing.control).collect()
        };
        controls.into_iter().for_each(Slot::wake);
    }
}

impl fmt::Debug for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Home").field("inbox", &self.inbox).finish_non_exhaustive()
    }
}

impl Local {
    /// A vacant slot of `home`, which is in no queue.
    #[inline]
    pub(super) fn vacant(&mut self, home: &'static Home) -> &'static Slot {
        match self.free.pop() {
            Some(slot) => slot,
            None => self.grow(home),
        }
    }

    /// Keeps a vacant slot, which is in no queue.
    #[inline]
    pub(super) fn keep(&mut self, slot: &'static Slot) {
        // Said so that `push` need not be ready to grow.
        assert!(self.free.len() < self.free.capacity(), "room was made for every slot");
        self.free.push(slot);
    }

    /// Makes a chunk and gives its first slot.
    #[cold]
    #[inline(never)]
    fn grow(&mut self, home: &'static Home) -> &'static Slot {
        let size = self.chunks.last().map_or(FIRST_CHUNK, |last| (last.len() * 2).min(LAST_CHUNK));
        let chunk: &'static [Slot] = Box::leak((0..size).map(|_| Slot::new(home)).collect());
        self.chunks.push(chunk);
        let total: usize = self.chunks.iter().map(|chunk| chunk.len()).sum();
        self.ready.make_room(total);
        self.free.reserve(total - self.free.len());
        self.free.extend(chunk[1..].iter().rev());
        &chunk[0]
    }

    /// The first free seat, taken.
    fn take_seat(&mut self) -> u16 {
        let index = self.residents.iter().position(|seat| !seat.taken).unwrap_or_else(|| {
            self.residents.push(Seat {
                taken: false,
                landlord: ptr::null(),
                stash: VecDeque::new(),
            });
            self.residents.len() - 1
        });
        self.residents[index].taken = true;
        let owner = u16::try_from(index).ok().filter(|&owner| owner != NO_OWNER);
        owner.expect("a thread has fewer than 65 535 event loops")
    }
}

/// What an entry of the ready queue was.
#[derive(Debug)]
pub(crate) enum Popped {
    /// A tenant of this loop, no longer queued.
    Ready(&'static Slot, Tenant),
    /// A vacant slot, or one of another loop of this thread.
    Nothing,
}

/// Homes that no thread holds.
pub(crate) struct Pool {
    state: Mutex<PoolState>,
}

struct PoolState {
    homes: Vec<&'static Home>,
    last_id: u32,
}

/// The process's pool. Homes in it keep their slots, so that a new loop starts with warm ones.
#[cfg(not(loom))]
static POOL: Pool = Pool { state: Mutex::new(PoolState { homes: Vec::new(), last_id: 0 }) };

impl Pool {
    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self { state: Mutex::new(PoolState { homes: Vec::new(), last_id: 0 }) }
    }

    /// The pool that all loops of the process share.
    #[cfg(not(loom))]
    pub(crate) fn global() -> &'static Self {
        &POOL
    }

    /// Makes this thread the holder of a home, if it is not, and hands out a loop's id.
    fn adopt(&self) -> (&'static Home, LoopId) {
        let mut state = lock(&self.state);
        state.last_id = state.last_id.checked_add(1).unwrap_or(1);
        let id = LoopId(NonZeroU32::new(state.last_id).expect("ids start at 1"));
        // SAFETY: the thread-local is null or was set below from a leaked home.
        let home = match unsafe { current_home().as_ref() } {
            Some(home) => home,
            None => state.homes.pop().unwrap_or_else(Home::leak),
        };
        CURRENT.with(|current| current.set(home));
        (home, id)
    }

    /// Takes this thread's home back.
    fn give_back(&self, home: &'static Home) {
        // First the thread-local: from here on this thread's wakes are remote ones.
        CURRENT.with(|current| current.set(ptr::null()));
        lock(&self.state).homes.push(home);
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}

/// A loop's seat in its thread's home, and the proof that this thread holds the home: not `Send`.
///
/// Its drop must come after the last tenant left.
pub(crate) struct Resident {
    home: &'static Home,
    pool: &'static Pool,
    id: LoopId,
    owner: u16,
    _not_send: PhantomData<*const ()>,
}

impl Resident {
    /// Takes a seat in this thread's home, adopting one if this is the thread's first live loop.
    pub(crate) fn new(pool: &'static Pool, unparker: Arc<dyn Unpark>) -> Self {
        let (home, id) = pool.adopt();
        // SAFETY: `adopt` made this thread the holder.
        let owner = unsafe { home.local.with(Local::take_seat) };
        let listing = Listing { id, unparker, control: None, released: Vec::new() };
        lock(&home.directory).push(listing);
        Self { home, pool, id, owner, _not_send: PhantomData }
    }

    pub(crate) fn id(&self) -> LoopId {
        self.id
    }

    pub(crate) fn home(&self) -> &'static Home {
        self.home
    }

    fn with_local<R>(&self, f: impl FnOnce(&mut Local) -> R) -> R {
        // SAFETY: a resident exists only on the thread that holds its home, and no caller in this file
        // runs foreign code or comes back here inside `f`.
        unsafe { self.home.local.with(f) }
    }

    /// What [`Slot::landlord`] shall give for this loop's slots.
    pub(crate) fn set_landlord(&self, landlord: *const ()) {
        self.with_local(|local| local.residents[usize::from(self.owner)].landlord = landlord);
    }

    /// Names the slot to wake when something is released from elsewhere.
    pub(crate) fn set_control(&self, control: &'static Slot) {
        for listing in lock(&self.home.directory).iter_mut().filter(|l| l.id == self.id) {
            listing.control = Some(control);
        }
    }

    /// Takes what was released from elsewhere: of this loop's, and of the home's.
    pub(crate) fn take_released(&self) -> Vec<Release> {
        let mut taken = Vec::new();
        for listing in lock(&self.home.directory).iter_mut() {
            let is_own = listing.id == self.id;
            let is_ours = |what: &Release| is_own || matches!(what, Release::Family(_));
            taken.extend(listing.released.iter().copied().filter(is_ours));
            listing.released.retain(|what| !is_ours(what));
        }
        taken
    }

    /// Moves a tenant into a slot. It is not queued: `Slot::wake` does that.
    #[cfg_attr(not(loom), allow(dead_code))]
    pub(crate) fn lease(&self, tenant: Tenant) -> &'static Slot {
        self.let_vacant(tenant, Mark::Task)
    }

    /// Moves a tenant into a slot and queues it, as [`lease`](Self::lease) and `Slot::wake` do.
    #[inline]
    pub(crate) fn lease_ready(&self, tenant: Tenant) -> &'static Slot {
        let slot = self.let_vacant(tenant, Mark::Queued);
        // SAFETY: it was in no queue, and `grow` made room for all.
        self.with_local(|local| unsafe { local.ready.push_back(slot) });
        slot
    }

    /// Moves a tenant into a vacant slot.
    #[inline]
    fn let_vacant(&self, tenant: Tenant, mark: Mark) -> &'static Slot {
        let slot = self.with_local(|local| local.vacant(self.home));
        // SAFETY: this thread holds the slot's home.
        unsafe {
            debug_assert!(slot.mark.get() == Mark::Deaf && slot.tenant.get().is_none());
            slot.owner.set(self.owner);
            slot.tenant.set(Some(tenant));
            slot.mark.set(mark);
        }
        slot
    }

    /// Takes the inbox: queues the tenants that were woken from elsewhere, oldest wake first.
    #[inline]
    pub(crate) fn receive(&self) {
        if self.home.inbox.is_idle() {
            return;
        }
        for slot in self.home.inbox.take() {
            // SAFETY: this thread holds the home, and its inbox holds only its own slots.
            unsafe { self.home.schedule(slot) };
        }
    }

    /// Announces a wait. False: something came in, and the loop must not wait.
    pub(crate) fn park(&self) -> bool {
        self.home.inbox.park()
    }

    /// How many entries the ready queue has. An upper bound of this loop's ready tenants: vacated slots
    /// and those of the thread's other loops count too.
    #[inline]
    pub(crate) fn ready_len(&self) -> usize {
        self.with_local(|local| local.ready.len())
    }

    /// The loop stops running. If others live on this thread, hosts may wait for them: whatever is for them makes
    /// them unpark now, and what comes later finds the inbox parked.
    pub(crate) fn leave(&self) {
        let (is_alone, is_idle) = self.with_local(|local| {
            let mut others = local
                .residents
                .iter()
                .enumerate()
                .filter(|(index, seat)| seat.taken && *index != usize::from(self.owner));
            let is_idle =
                local.ready.len() == 0 && others.clone().all(|(_, seat)| seat.stash.is_empty());
            (others.next().is_none(), is_idle)
        });
        if is_alone {
            return;
        }
        let is_parked = is_idle && self.home.inbox.park();
        if !is_parked {
            self.home.unpark();
        }
    }

    /// Puts back, in front, what other loops of this thread set aside for this one.
    pub(crate) fn restore_stash(&self) {
        self.with_local(|local| {
            while let Some(slot) = local.residents[usize::from(self.owner)].stash.pop_back() {
                // SAFETY: it is one of the home's slots, still marked as queued, and in no queue but the stash.
                unsafe { local.ready.push_front(slot) };
            }
        });
    }

    /// Takes the first entry off the ready queue; `None` if it is empty.
    #[inline(always)]
    pub(crate) fn pop(&self) -> Option<Popped> {
        let slot = self.with_local(|local| local.ready.pop_front())?;
        // SAFETY: this thread holds the slot's home.
        let (tenant, owner) = unsafe { (slot.tenant.get(), slot.owner.get()) };
        Some(match tenant {
            Some(tenant) if owner == self.owner => {
                // SAFETY: as above.
                unsafe { slot.mark.set(Mark::Task) };
                Popped::Ready(slot, tenant)
            }
            Some(_) => self.set_aside(slot, owner),
            None => self.reclaim(slot),
        })
    }

    /// Has the processor fetch the tenants that were queued last, `count` of them, all at a time: those that waited for long
    /// are in no cache any more, and would be fetched one after the other while they are polled.
    pub(crate) fn fetch_ahead(&self, count: usize) {
        /// More would push the first out before they are polled.
        const MOST: usize = 256;
        self.with_local(|local| {
            for slot in local.ready.newest(count).take(MOST) {
                // SAFETY: this thread holds the slot's home.
                unsafe { slot.tenant.get() }.into_iter().for_each(prefetch);
            }
        });
    }

    /// A slot of another loop of this thread: kept for its run, still marked as queued.
    #[cold]
    fn set_aside(&self, slot: &'static Slot, owner: u16) -> Popped {
        self.with_local(|local| local.residents[usize::from(owner)].stash.push_back(slot));
        Popped::Nothing
    }

    /// A slot that was vacated while it was in the queue.
    #[cold]
    fn reclaim(&self, slot: &'static Slot) -> Popped {
        // SAFETY: this thread holds the slot's home.
        unsafe { slot.mark.set(Mark::Deaf) };
        self.with_local(|local| local.keep(slot));
        Popped::Nothing
    }

    /// This loop's tenants, in no useful order.
    pub(crate) fn tenants(&self) -> Vec<Tenant> {
        self.with_local(|local| {
            let mut tenants = Vec::new();
            for slot in local.chunks.iter().copied().flatten() {
                // SAFETY: this thread holds these slots' home.
                let (owner, tenant) = unsafe { (slot.owner.get(), slot.tenant.get()) };
                if owner == self.owner {
                    tenants.extend(tenant);
                }
            }
            tenants
        })
    }
}

impl Drop for Resident {
    fn drop(&mut self) {
        // Among it may be what is the home's. What was this loop's went with it.
        let released = self.take_released();
        lock(&self.home.directory).retain(|listing| listing.id != self.id);
        for what in released {
            if let Release::Family(kin) = what {
                kin.dissolve(u32::MAX);
            }
        }
        self.restore_stash();
        let last = self.with_local(|local| {
            let seat = &mut local.residents[usize::from(self.owner)];
            seat.taken = false;
            seat.landlord = ptr::null();
            local.residents.iter().all(|seat| !seat.taken)
        });
        if last {
            // Families first: their children may be on any thread, and must not meet the next holder.
            Kin::dissolve_all(self.home, &self.with_local(|local| local.families.clone()));
            // Ends parking too: the next holder finds an inbox that nobody waits on.
            self.home.inbox.take().for_each(drop);
            self.pool.give_back(self.home);
        }
    }
}

impl fmt::Debug for Resident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resident").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Slot {
    /// What the tenant's loop named as its landlord.
    ///
    /// # Panics
    ///
    /// If the calling thread does not hold the home, or the loop is gone: a tenant is never older than
    /// its loop.
    pub(crate) fn landlord(&self) -> *const () {
        assert!(ptr::eq(self.home(), current_home()), "a landlord is asked on his thread");
        // SAFETY: this thread holds the home, as just checked.
        let landlord = unsafe {
            let owner = usize::from(self.owner.get());
            self.home().local.with(|local| local.residents[owner].landlord)
        };
        assert!(!landlord.is_null(), "a tenant's loop is alive");
        landlord
    }

    /// Whether the slot is in the ready queue.
    pub(crate) fn is_queued(&self) -> bool {
        assert!(ptr::eq(self.home(), current_home()), "a slot is asked on its home's thread");
        // SAFETY: this thread holds the home, as just checked.
        unsafe { self.mark.get() == Mark::Queued }
    }

    /// The tenant leaves. The slot is reused once it is in no queue.
    ///
    /// # Panics
    ///
    /// If the calling thread does not hold the home.
    #[inline]
    pub(crate) fn vacate(&'static self) {
        let home = self.home();
        assert!(ptr::eq(home, current_home()), "a slot is vacated on its home's thread");
        // SAFETY: this thread holds the home, as just checked.
        unsafe {
            self.tenant.set(None);
            // If it is in the queue, it is reused when it comes out: a new tenant would inherit its place.
            if self.mark.get() != Mark::Queued {
                self.mark.set(Mark::Deaf);
                home.local.with(|local| local.keep(self));
            }
        }
    }
}
