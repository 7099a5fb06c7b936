//! `sync::RwLock`: who may come in with whom, in which order.

mod common;
mod sync_common;

use std::cell::RefCell;
use std::fmt;
use std::rc::{Rc, Weak};
use std::task::{Poll, Waker};

use common::{Counter, panic_of, quiet_panic};
use monoloop::sync::{
    MappedRwLockReadGuard, MappedRwLockWriteGuard, RwLock, RwLockReadGuard, RwLockWriteGuard,
};
use sync_common::{Boxed, for_ever, now, poll, waiting};

fn leaked() -> &'static RwLock<u32> {
    for_ever(RwLock::new(0))
}

#[test]
fn readers_share_and_a_writer_is_alone() {
    let lock = leaked();
    let first = now(lock.read());
    let second = lock.try_read().expect("readers share");
    assert!(lock.try_write().is_err());
    drop((first, second));
    let writer = now(lock.write());
    assert!(lock.try_read().is_err() && lock.try_write().is_err());
    drop(writer);
    assert!(lock.try_write().is_ok());
}

#[test]
fn a_reader_does_not_overtake_a_waiting_writer() {
    let lock = leaked();
    let reader = now(lock.read());
    let mut writer = waiting(lock.write(), Waker::noop());
    let mut late = waiting(lock.read(), Waker::noop());
    assert!(lock.try_read().is_err());
    drop(reader);
    assert!(poll(&mut late, Waker::noop()).is_pending());
    drop(poll(&mut writer, Waker::noop()));
    assert!(poll(&mut late, Waker::noop()).is_ready());
}

#[test]
fn neighbouring_readers_come_in_together() {
    let lock = leaked();
    let writer = now(lock.write());
    let (counter, waker) = Counter::new();
    let mut readers = [(); 3].map(|()| waiting(lock.read(), &waker));
    let mut next = waiting(lock.write(), Waker::noop());
    let mut last = waiting(lock.read(), &waker);
    drop(writer);
    assert_eq!(counter.get(), 3, "and not the one behind the writer");
    let guards = readers.each_mut().map(|reader| poll(reader, &waker));
    assert!(guards.iter().all(Poll::is_ready));
    drop(guards);
    drop(poll(&mut next, Waker::noop()));
    assert!(poll(&mut last, &waker).is_ready());
}

#[test]
fn a_writer_that_gives_up_lets_the_readers_behind_it_in() {
    let lock = leaked();
    let reader = now(lock.read());
    let writer = waiting(lock.write(), Waker::noop());
    let mut late = waiting(lock.read(), Waker::noop());
    drop(writer);
    assert!(poll(&mut late, Waker::noop()).is_ready());
    drop(reader);
}

#[test]
fn a_lock_handed_to_one_who_is_dropped_goes_to_the_next() {
    let lock = leaked();
    let guard = now(lock.write());
    let reader = waiting(lock.read(), Waker::noop());
    let writer = waiting(lock.write(), Waker::noop());
    let mut last = waiting(lock.read(), Waker::noop());
    drop(guard);
    drop(reader); // was served, so now the writer is
    assert!(lock.try_read().is_err());
    drop(writer);
    assert!(poll(&mut last, Waker::noop()).is_ready());
}

#[test]
fn downgrading_lets_readers_in_and_no_writer() {
    let lock = leaked();
    let mut writer = now(lock.write());
    *writer = 5;
    let mut reader = waiting(lock.read(), Waker::noop());
    let mut other = waiting(lock.write(), Waker::noop());
    let own = RwLockWriteGuard::downgrade(writer);
    let Poll::Ready(guard) = poll(&mut reader, Waker::noop()) else { panic!("readers come in") };
    assert_eq!((*own, *guard), (5, 5));
    assert!(poll(&mut other, Waker::noop()).is_pending());
    drop((own, guard));
    assert!(poll(&mut other, Waker::noop()).is_ready());
}

#[test]
fn only_the_sole_reader_is_upgraded() {
    let lock = leaked();
    let first = now(lock.read());
    let second = now(lock.read());
    let first = RwLockReadGuard::try_upgrade(first).expect_err("there are two");
    drop(second);
    let mut waiter = waiting(lock.write(), Waker::noop());
    *RwLockReadGuard::try_upgrade(first).expect("there is one") += 1;
    let Poll::Ready(guard) = poll(&mut waiter, Waker::noop()) else { panic!("it is free") };
    assert_eq!(*guard, 1);
}

/// A reader that was handed the lock counts, though it did not run.
#[test]
fn a_served_reader_stands_in_the_way_of_an_upgrade() {
    let lock = leaked();
    let writer = now(lock.write());
    let reader = waiting(lock.read(), Waker::noop());
    let own = RwLockWriteGuard::downgrade(writer);
    let own = RwLockReadGuard::try_upgrade(own).expect_err("another was let in");
    drop(reader);
    assert!(RwLockReadGuard::try_upgrade(own).is_ok());
}

#[test]
fn mapped_guards_hold_the_whole() {
    let lock = RwLock::new((1, [2, 3]));
    let whole = RwLockReadGuard::map(now(lock.read()), |pair| &pair.1);
    let part = MappedRwLockReadGuard::map(whole, |array| &array[0]);
    let part = MappedRwLockReadGuard::try_map(part, |_| None::<&u8>).expect_err("there is none");
    let part = MappedRwLockReadGuard::try_map(part, |n| Some(n)).expect("there is one");
    assert_eq!(*part, 2);
    assert!(lock.try_read().is_ok() && lock.try_write().is_err());
    drop(part);

    let whole = RwLockWriteGuard::map(now(lock.write()), |pair| &mut pair.1);
    let part = MappedRwLockWriteGuard::map(whole, |array| &mut array[0]);
    let part = MappedRwLockWriteGuard::try_map(part, |_| None::<&mut u8>).expect_err("none");
    *MappedRwLockWriteGuard::try_map(part, |n| Some(n)).expect("there is one") += 10;
    assert!(lock.try_write().is_ok());

    let guard = RwLockReadGuard::try_map(now(lock.read()), |_| None::<&u8>).expect_err("none");
    assert_eq!(panic_of(|| RwLockReadGuard::map(guard, |_| -> &u8 { quiet_panic("map") })), "map");
    let guard =
        RwLockWriteGuard::try_map(now(lock.write()), |_| None::<&mut u8>).expect_err("none");
    assert_eq!(*guard, (1, [12, 3]));
    assert_eq!(
        panic_of(|| RwLockWriteGuard::map(guard, |_| -> &mut u8 { quiet_panic("map") })),
        "map"
    );
    assert!(lock.try_write().is_ok());
}

#[test]
fn mapped_guards_hand_over_too() {
    let lock = leaked();
    let reader = RwLockReadGuard::map(now(lock.read()), |n| n);
    let mut writer = waiting(lock.write(), Waker::noop());
    drop(reader);
    let Poll::Ready(writer) = poll(&mut writer, Waker::noop()) else { panic!("it is free") };
    let writer = RwLockWriteGuard::try_map(writer, |n| Some(n)).expect("there is one");
    let mut readers = [(); 2].map(|()| waiting(lock.read(), Waker::noop()));
    drop(writer);
    let readers = readers.each_mut().map(|reader| poll(reader, Waker::noop()));
    assert!(readers.iter().all(Poll::is_ready));
}

/// What it shows may use the lock itself.
#[test]
fn showing_a_lock_holds_it() {
    struct Nosy(Weak<RwLock<Self>>, Rc<RefCell<Option<Boxed<()>>>>);
    impl fmt::Debug for Nosy {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let lock = self.0.upgrade().expect("it is shown");
            assert!(lock.try_write().is_err());
            let waits = async move { drop(lock.write().await) };
            *self.1.borrow_mut() = Some(waiting(waits, Waker::noop()));
            f.write_str("nosy")
        }
    }
    let waiter = Rc::new(RefCell::new(None));
    let lock = Rc::new_cyclic(|own| RwLock::new(Nosy(own.clone(), Rc::clone(&waiter))));
    assert!(format!("{lock:?}").contains("nosy"));
    let mut waiter = waiter.take().expect("it waits");
    assert!(poll(&mut waiter, Waker::noop()).is_ready(), "nobody handed it the lock");
    assert!(lock.try_write().is_ok());
}
