//! Channels from many senders to one receiver.

mod channel_common;
mod common;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::mem;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use channel_common::{
    Counted, Probe, clear_hook, clingy, hooked, now, panics, probe, ready, set_hook, with_seeds,
};
use common::{Random, gives_way, grumpy, many, quiet_panic};
use futures_core::Stream;
use monoloop::sync::mpsc::{self, ReserveError, TryRecvError, TrySendError};

#[test]
fn values_come_in_the_order_they_were_sent() {
    monoloop::run(async {
        let (sender, mut receiver) = mpsc::channel(3);
        let task = monoloop::spawn(async move {
            for n in 0..100 {
                sender.send(n).await.unwrap();
            }
        });
        for n in 0..100 {
            assert_eq!(receiver.recv().await, Some(n));
        }
        assert_eq!(receiver.recv().await, None);
        task.await.unwrap();
    });
}

#[test]
fn who_sends_to_a_full_channel_waits_in_line() {
    let (sender, mut receiver) = mpsc::channel(1);
    ready(sender.send('a')).unwrap();
    let mut second = probe(sender.send('b')).pending();
    let mut third = probe(sender.send('c')).pending();
    assert_eq!(receiver.try_recv(), Ok('a'));
    // The place is the second's, before it runs.
    assert_eq!((second.wakes(), third.wakes()), (1, 0));
    assert_eq!(sender.try_send('d'), Err(TrySendError::Full('d')));
    second.ready().unwrap();
    assert!(third.poll().is_pending());
    assert_eq!(receiver.try_recv(), Ok('b'));
    third.ready().unwrap();
    assert_eq!(receiver.try_recv(), Ok('c'));
}

/// A place is handed over, not the value moved: as asyncio and tokio have it, and as the docs say.
#[test]
fn who_has_a_place_sends_when_it_runs() {
    let (sender, mut receiver) = mpsc::channel(2);
    ['a', 'b'].into_iter().for_each(|value| sender.try_send(value).unwrap());
    let mut sending = probe(sender.send('c')).pending();
    assert_eq!([(); 2].map(|()| receiver.try_recv().unwrap()), ['a', 'b']);
    sender.try_send('d').unwrap();
    sending.ready().unwrap();
    assert_eq!([(); 2].map(|()| receiver.try_recv().unwrap()), ['d', 'c']);
}

#[test]
fn a_sender_that_was_served_and_dropped_passes_its_place_on() {
    let (sender, mut receiver) = mpsc::channel(1);
    ready(sender.send(1)).unwrap();
    let second = probe(sender.send(2)).pending();
    let mut third = probe(sender.send(3)).pending();
    receiver.try_recv().unwrap();
    drop(second);
    assert_eq!(third.wakes(), 1);
    third.ready().unwrap();
    assert_eq!(receiver.try_recv(), Ok(3));
}

#[test]
fn a_sender_that_is_dropped_unserved_loses_its_own_value_only() {
    let alive = Rc::new(Cell::new(0));
    let (sender, mut receiver) = mpsc::channel(1);
    ready(sender.send(Counted::new(&alive))).unwrap();
    drop(probe(sender.send(Counted::new(&alive))).pending());
    assert_eq!(alive.get(), 1);
    assert!(receiver.try_recv().is_ok());
    assert_eq!(sender.free(), 1);
}

#[test]
fn one_value_received_wakes_one_of_many_senders() {
    let (sender, mut receiver) = mpsc::channel(1);
    ready(sender.send(0)).unwrap();
    let waiting: Vec<_> = (0..10_000).map(|n| probe(sender.send(n)).pending()).collect();
    receiver.try_recv().unwrap();
    assert_eq!(waiting.iter().map(Probe::wakes).sum::<usize>(), 1);
}

#[test]
fn many_values_wake_the_receiver_once() {
    let (sender, mut receiver) = mpsc::channel(8);
    let receiving = probe(receiver.recv()).pending();
    for n in 0..8 {
        sender.try_send(n).unwrap();
    }
    assert_eq!(receiving.wakes(), 1);
}

#[test]
fn a_dropped_recv_loses_nothing() {
    let (sender, mut receiver) = mpsc::channel(1);
    for n in 0..4 {
        let receiving = probe(receiver.recv()).pending();
        sender.try_send(n).unwrap();
        assert_eq!(receiving.wakes(), 1);
        drop(receiving);
        assert_eq!(ready(receiver.recv()), Some(n));
    }
}

#[test]
fn a_permit_cannot_fail() {
    let (sender, mut receiver) = mpsc::channel(1);
    let permit = ready(sender.reserve()).unwrap();
    assert_eq!(sender.try_send(0), Err(TrySendError::Full(0)));
    receiver.close();
    assert!(now(receiver.recv()).is_pending(), "the permit may still be used");
    permit.send(1);
    assert_eq!(ready(receiver.recv()), Some(1));
    assert_eq!(ready(receiver.recv()), None);
}

#[test]
fn a_permit_dropped_unused_frees_its_place() {
    let (sender, mut receiver) = mpsc::channel(1);
    let permit = sender.try_reserve().unwrap();
    let mut waiting = probe(sender.send(1)).pending();
    drop(permit);
    assert_eq!(waiting.wakes(), 1);
    waiting.ready().unwrap();
    assert_eq!(receiver.try_recv(), Ok(1));

    let permit = sender.try_reserve().unwrap();
    receiver.close();
    let mut receiving = probe(receiver.recv()).pending();
    drop(permit);
    assert_eq!((receiving.wakes(), receiving.ready()), (1, None));
}

#[test]
fn a_big_reservation_is_not_overtaken() {
    let (sender, mut receiver) = mpsc::channel(3);
    ready(sender.send(0)).unwrap();
    let mut big = probe(sender.reserve_many(3)).pending();
    let mut small = probe(sender.send(9)).pending();
    assert_eq!(sender.free(), 2);
    assert_eq!(sender.try_send(8), Err(TrySendError::Full(8)));
    receiver.try_recv().unwrap();
    assert_eq!((big.wakes(), small.wakes()), (1, 0));
    let mut permits = big.ready().unwrap();
    permits.next().unwrap().send(1);
    drop(permits);
    small.ready().unwrap();
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(receiver.try_recv(), Ok(9));
    assert_eq!(sender.free(), 3);
}

#[test]
fn a_big_reservation_that_is_dropped_lets_the_small_through() {
    let (sender, _receiver) = mpsc::channel(2);
    ready(sender.send(0)).unwrap();
    let big = probe(sender.reserve_many(2)).pending();
    let mut small = probe(sender.send(1)).pending();
    drop(big);
    assert_eq!(small.wakes(), 1);
    small.ready().unwrap();
}

#[test]
fn more_places_than_there_are_cannot_be_had() {
    let (sender, _receiver) = mpsc::channel::<()>(2);
    assert_eq!(ready(sender.reserve_many(3)).unwrap_err(), ReserveError::TooMany);
    assert_eq!(ready(sender.reserve_many(2)).unwrap().len(), 2);
    assert_eq!(ready(sender.reserve_many(0)).unwrap().len(), 0);
}

#[test]
fn closing_wakes_all_senders_and_gives_values_back() {
    let (sender, mut receiver) = mpsc::channel(1);
    ready(sender.send('a')).unwrap();
    let mut sending = probe(sender.send('b')).pending();
    let mut reserving = probe(sender.reserve()).pending();
    let mut closed = probe(sender.closed()).pending();
    receiver.close();
    assert_eq!((sending.wakes(), reserving.wakes(), closed.wakes()), (1, 1, 1));
    assert_eq!(sending.ready().unwrap_err().into_inner(), 'b');
    assert_eq!(reserving.ready().unwrap_err(), ReserveError::Closed);
    closed.ready();
    assert_eq!(sender.try_send('c'), Err(TrySendError::Closed('c')));
    // What was sent before is still there.
    assert_eq!(ready(receiver.recv()), Some('a'));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
}

#[test]
fn a_sender_served_before_the_close_still_sends() {
    let (sender, mut receiver) = mpsc::channel(1);
    ready(sender.send('a')).unwrap();
    let mut sending = probe(sender.send('b')).pending();
    receiver.try_recv().unwrap();
    receiver.close();
    let mut receiving = probe(receiver.recv()).pending();
    sending.ready().unwrap();
    assert_eq!((receiving.wakes(), receiving.ready()), (1, Some('b')));
}

#[test]
fn a_receiver_that_goes_drops_what_is_left_and_tells_all() {
    let alive = Rc::new(Cell::new(0));
    let (sender, receiver) = mpsc::channel(2);
    ready(sender.send(Counted::new(&alive))).unwrap();
    let permit = sender.try_reserve().unwrap();
    let mut sending = probe(sender.send(Counted::new(&alive))).pending();
    drop(receiver);
    assert_eq!(alive.get(), 1);
    drop(sending.ready().unwrap_err());
    permit.send(Counted::new(&alive));
    assert_eq!(alive.get(), 0);
    assert!(sender.is_closed());
    ready(sender.closed());
}

#[test]
fn values_that_hold_senders_do_not_keep_a_channel_alive() {
    struct Message(#[allow(dead_code)] mpsc::Sender<Message>, #[allow(dead_code)] Counted);
    let alive = Rc::new(Cell::new(0));
    let (sender, receiver) = mpsc::channel(4);
    let permit = sender.try_reserve().unwrap();
    ready(sender.send(Message(sender.clone(), Counted::new(&alive)))).ok().unwrap();
    drop(receiver);
    permit.send(Message(sender.clone(), Counted::new(&alive)));
    assert_eq!(alive.get(), 0);
}

#[test]
fn the_last_sender_ends_the_channel() {
    let (sender, mut receiver) = mpsc::channel::<()>(1);
    let other = sender.clone();
    let mut receiving = probe(receiver.recv()).pending();
    drop(sender);
    assert_eq!(receiving.wakes(), 0);
    drop(other);
    assert_eq!((receiving.wakes(), receiving.ready()), (1, None));
}

#[test]
fn a_receiver_knows_when_no_more_can_be_sent() {
    for close in [true, false] {
        let (sender, mut receiver) = mpsc::channel(1);
        let (_unbounded, mut other) = mpsc::unbounded_channel::<()>();
        sender.try_send(1).unwrap();
        assert!(!receiver.is_closed() && !other.is_closed());
        if close {
            receiver.close();
            other.close();
        } else {
            drop((sender, _unbounded));
        }
        assert!(receiver.is_closed() && other.is_closed());
        assert_eq!(receiver.try_recv(), Ok(1));
    }
}

#[test]
fn a_weak_sender_keeps_nothing_open() {
    let (sender, mut receiver) = mpsc::channel(1);
    let weak = sender.downgrade();
    let upgraded = weak.upgrade().expect("a sender is there");
    assert!(upgraded.same_channel(&sender));
    assert_eq!(sender.sender_count(), 2);
    drop((sender, upgraded));
    assert!(weak.upgrade().is_none());
    assert_eq!(ready(receiver.recv()), None::<()>);
}

#[test]
fn many_are_received_at_once() {
    let (sender, mut receiver) = mpsc::channel(4);
    let mut values = Vec::new();
    let mut receiving = probe(receiver.recv_many(&mut values, 3)).pending();
    (0..4).for_each(|n| sender.try_send(n).unwrap());
    let mut sending = probe(sender.send(4)).pending();
    assert_eq!(receiving.ready(), 3);
    drop(receiving);
    sending.ready().unwrap();
    assert_eq!(ready(receiver.recv_many(&mut values, 10)), 2);
    assert_eq!(values, [0, 1, 2, 3, 4]);
    assert_eq!(ready(receiver.recv_many(&mut values, 0)), 0);
    drop(sending);
    drop(sender);
    assert_eq!(ready(receiver.recv_many(&mut values, 1)), 0);
}

#[test]
fn an_unbounded_channel_never_waits() {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let weak = sender.downgrade();
    for n in 0..1000 {
        sender.send(n).unwrap();
    }
    assert_eq!((sender.len(), receiver.len()), (1000, 1000));
    assert_eq!(ready(receiver.recv()), Some(0));
    receiver.close();
    assert_eq!(sender.send(7).unwrap_err().into_inner(), 7);
    ready(sender.closed());
    drop(sender);
    assert!(weak.upgrade().is_none());
    assert_eq!((1..1000).map(|_| receiver.try_recv().unwrap()).sum::<i32>(), 499_500);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
}

#[test]
fn receivers_are_streams() {
    let (sender, mut receiver) = mpsc::channel(2);
    sender.try_send(1).unwrap();
    drop(sender);
    let mut cx = Context::from_waker(Waker::noop());
    assert_eq!(Pin::new(&mut receiver).poll_next(&mut cx), Poll::Ready(Some(1)));
    assert_eq!(Pin::new(&mut receiver).poll_next(&mut cx), Poll::Ready(None));
}

#[test]
#[should_panic(expected = "capacity of at least one")]
fn a_capacity_of_zero_panics() {
    let _ = mpsc::channel::<()>(0);
}

#[test]
fn a_waker_may_send_and_receive_inside_of_a_send() {
    let (sender, receiver) = mpsc::channel(4);
    let receiver = Rc::new(RefCell::new(receiver));
    let seen = Rc::new(RefCell::new(Vec::new()));
    set_hook({
        let (sender, receiver, seen) = (sender.clone(), Rc::clone(&receiver), Rc::clone(&seen));
        move |_| {
            sender.try_send(2).unwrap();
            while let Ok(value) = receiver.borrow_mut().try_recv() {
                seen.borrow_mut().push(value);
            }
        }
    });
    assert!(probe(receiver.borrow_mut().recv()).poll_with(&hooked(0)).is_pending());
    sender.try_send(1).unwrap();
    clear_hook();
    assert_eq!(*seen.borrow(), [1, 2]);
}

#[test]
fn a_senders_waker_that_panics_costs_the_receiver_no_value() {
    let (sender, mut receiver) = mpsc::channel(1);
    ready(sender.send(1)).unwrap();
    let mut sending = probe(sender.send(2));
    assert!(sending.poll_with(&grumpy()).is_pending());
    assert!(panics(|| receiver.try_recv()));
    // It has the place, and the value is still there.
    sending.ready().unwrap();
    assert_eq!(receiver.len(), 2);
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(sender.try_send(3), Err(TrySendError::Full(3)), "capacity did not grow");
    assert_eq!(receiver.try_recv(), Ok(2));
    assert_eq!(sender.free(), 1);
}

#[test]
fn a_panicking_waker_does_not_keep_others_from_the_news_of_the_end() {
    let (sender, receiver) = mpsc::channel(1);
    ready(sender.send(1)).unwrap();
    let mut bad = probe(sender.send(2));
    assert!(bad.poll_with(&grumpy()).is_pending());
    let sending = probe(sender.send(3)).pending();
    let closed = probe(sender.closed()).pending();
    assert!(panics(|| drop(receiver)));
    assert_eq!((sending.wakes(), closed.wakes()), (1, 1));
}

#[test]
fn a_waker_whose_drop_panics_does_not_stand_in_the_way() {
    let (sender, _receiver) = mpsc::channel::<u8>(2);
    sender.try_send(1).unwrap();
    let mut big = probe(sender.reserve_many(2));
    assert!(big.poll_with(&clingy()).is_pending());
    let mut small = probe(sender.send(2)).pending();
    assert!(panics(|| drop(big)));
    assert_eq!(small.wakes(), 1, "there is a place for it");
    small.ready().unwrap();
}

#[test]
fn a_waker_finds_all_served_that_can_be() {
    let (sender, _receiver) = mpsc::channel::<u8>(2);
    let permits = ready(sender.reserve_many(2)).unwrap();
    let free = Rc::new(RefCell::new(Vec::new()));
    set_hook({
        let (sender, free) = (sender.clone(), Rc::clone(&free));
        move |number| free.borrow_mut().push((number, sender.free()))
    });
    let mut sending = [1, 2].map(|value| probe(sender.send(value)));
    for (number, sending) in sending.iter_mut().enumerate() {
        assert!(sending.poll_with(&hooked(number)).is_pending());
    }
    drop(permits);
    clear_hook();
    assert_eq!(*free.borrow(), [(0, 0), (1, 0)]);
}

#[test]
fn a_receiver_that_always_finds_a_value_gives_way() {
    const MANY: usize = 100_000;
    let full = || {
        let (sender, receiver) = mpsc::unbounded_channel();
        (0..MANY).for_each(|n| sender.send(n).unwrap());
        receiver
    };
    let mut receiver = full();
    assert!(gives_way(async { while receiver.recv().await.is_some() {} }));
    let mut receiver = full();
    assert!(gives_way(async { while receiver.recv_many(&mut Vec::new(), 1).await > 0 {} }));
    // There is nobody to give way to.
    let mut receiver = full();
    assert!((0..MANY).all(|n| ready(receiver.recv()) == Some(n)));
}

#[test]
fn closing_wakes_the_receiver_where_it_waits() {
    let (_sender, receiver) = mpsc::channel::<u8>(1);
    let receiver = Rc::new(RefCell::new(receiver));
    let other = Rc::clone(&receiver);
    let mut receiving =
        probe(std::future::poll_fn(move |cx| other.borrow_mut().poll_recv(cx))).pending();
    receiver.borrow_mut().close();
    assert_eq!((receiving.wakes(), receiving.ready()), (1, None));
}

/// What a random run knows of a channel.
struct Model {
    sender: mpsc::Sender<u64>,
    receiver: RefCell<mpsc::Receiver<u64>>,
    /// Sent and not received.
    inside: RefCell<VecDeque<u64>>,
    next: Cell<u64>,
    woken: RefCell<Vec<bool>>,
    /// Those who wait, in the order in which they came; some may be served, or given up.
    line: RefCell<Vec<usize>>,
    /// How many places those hold who have permits.
    held: Cell<usize>,
    random: RefCell<Random>,
    depth: Cell<u32>,
}

impl Model {
    fn below(&self, bound: usize) -> usize {
        self.random.borrow_mut().below(bound)
    }

    fn new_value(&self) -> u64 {
        self.next.set(self.next.get() + 1);
        self.next.get()
    }

    /// A waker was woken: it may use the channel, or panic.
    fn on_wake(&self, number: usize) {
        self.woken.borrow_mut()[number] = true;
        if self.depth.get() < 3 {
            self.depth.set(self.depth.get() + 1);
            match self.below(8) {
                0 => self.try_send(),
                1 => self.try_recv(),
                _ => (),
            }
            self.depth.set(self.depth.get() - 1);
        }
        if self.below(30) == 0 {
            quiet_panic("grumpy");
        }
    }

    fn try_send(&self) {
        let value = self.new_value();
        // Known before it is sent: the wakers that run inside may receive it.
        self.inside.borrow_mut().push_back(value);
        let mut refused = false;
        panics(|| refused = self.sender.try_send(value).is_err());
        if refused {
            self.inside.borrow_mut().retain(|&other| other != value);
        }
    }

    /// Reserves places, holds them until the next poll, and sends into some.
    async fn reserve(&self, count: usize) -> bool {
        let Ok(permits) = self.sender.reserve_many(count).await else { return false };
        let held = Held::new(&self.held, count);
        let mut is_first = true;
        poll_fn(|_| if mem::take(&mut is_first) { Poll::Pending } else { Poll::Ready(()) }).await;
        drop(held);
        for permit in permits.take(self.below(count + 1)) {
            let value = self.new_value();
            self.inside.borrow_mut().push_back(value);
            permit.send(value);
        }
        true
    }

    fn try_recv(&self) {
        let Ok(mut receiver) = self.receiver.try_borrow_mut() else { return };
        let expected = self.inside.borrow_mut().pop_front();
        let mut received = None;
        if panics(|| received = receiver.try_recv().ok()) {
            expected.into_iter().for_each(|value| self.inside.borrow_mut().push_front(value));
            return;
        }
        assert_eq!(received, expected);
    }
}

/// Counts places as held.
struct Held<'a> {
    held: &'a Cell<usize>,
    count: usize,
}

impl<'a> Held<'a> {
    fn new(held: &'a Cell<usize>, count: usize) -> Self {
        held.set(held.get() + count);
        Self { held, count }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.held.set(self.held.get() - self.count);
    }
}

/// What somebody waits for.
#[derive(Clone, Copy)]
enum Wish {
    Send(u64),
    Reserve(usize),
}

/// A future, until it is over.
struct Waiting {
    wish: Wish,
    future: Option<Probe<'static, bool>>,
}

impl Waiting {
    fn places(&self) -> usize {
        match self.wish {
            Wish::Send(_) => 1,
            Wish::Reserve(count) => count,
        }
    }
}

#[test]
fn random_operations_lose_nothing_and_wake_whom_they_should() {
    with_seeds(|seed| {
        for round in 0..many(4, 40) {
            run_model(seed * 1000 + round as u64);
        }
    });
}

fn run_model(seed: u64) {
    let mut random = Random::new(seed);
    let capacity = 1 + random.below(4);
    let (sender, receiver) = mpsc::channel(capacity);
    let model = Rc::new(Model {
        sender,
        receiver: RefCell::new(receiver),
        inside: RefCell::default(),
        next: Cell::new(0),
        woken: RefCell::default(),
        line: RefCell::default(),
        held: Cell::new(0),
        random: RefCell::new(random),
        depth: Cell::new(0),
    });
    set_hook({
        let model = Rc::clone(&model);
        move |number| model.on_wake(number)
    });
    let mut waiting: Vec<Waiting> = Vec::new();
    for _ in 0..many(300, 2_000) {
        match model.below(6) {
            0 => model.try_send(),
            1 => model.try_recv(),
            2 => {
                let value = model.new_value();
                let sender = model.sender.clone();
                let send = async move { sender.send(value).await.is_ok() };
                waiting.push(Waiting { wish: Wish::Send(value), future: Some(probe(send)) });
                model.woken.borrow_mut().push(true);
            }
            3 => {
                let (of_future, count) = (Rc::clone(&model), 1 + model.below(capacity));
                let reserve = async move { of_future.reserve(count).await };
                waiting.push(Waiting { wish: Wish::Reserve(count), future: Some(probe(reserve)) });
                model.woken.borrow_mut().push(true);
            }
            _ if waiting.is_empty() => (),
            4 => {
                let number = model.below(waiting.len());
                let future = waiting[number].future.take();
                panics(|| drop(future));
            }
            _ => {
                let number = model.below(waiting.len());
                poll(&model, &mut waiting[number], number);
            }
        }
        check(&model, &waiting);
    }
    if model.below(2) == 0 {
        panics(|| model.receiver.borrow_mut().close());
        // In any order, with permits out.
        for _ in 0..waiting.len() {
            let number = model.below(waiting.len());
            poll(&model, &mut waiting[number], number);
            check(&model, &waiting);
        }
    }
    // All that was handed out comes to its end.
    for (number, waiting) in waiting.iter_mut().enumerate() {
        poll(&model, waiting, number);
        poll(&model, waiting, number);
        let is_over = waiting.future.is_none() || !model.sender.is_closed();
        assert!(is_over, "it waits for a place in a closed channel");
    }
    clear_hook();
    drop(waiting);
    while !model.inside.borrow().is_empty() {
        model.try_recv();
    }
    assert_eq!(model.sender.free(), capacity, "a place was lost");
    let end = if model.sender.is_closed() { TryRecvError::Closed } else { TryRecvError::Empty };
    assert_eq!(model.receiver.borrow_mut().try_recv(), Err(end));
}

fn poll(model: &Model, waiting: &mut Waiting, number: usize) {
    let Some(probe) = &mut waiting.future else { return };
    model.woken.borrow_mut()[number] = false;
    if let Wish::Send(value) = waiting.wish {
        model.inside.borrow_mut().push_back(value);
    }
    let held = model.held.get();
    let mut polled = Poll::Pending;
    let panicked = panics(|| polled = probe.poll_with(&hooked(number)));
    if panicked || polled.is_ready() {
        let over = waiting.future.take();
        panics(|| drop(over));
    } else if model.held.get() > held {
        // It waits, but not for places.
        model.line.borrow_mut().retain(|&other| other != number);
    } else if !model.line.borrow().contains(&number) {
        model.line.borrow_mut().push(number);
    }
    if let (Wish::Send(value), false, Poll::Pending | Poll::Ready(false)) =
        (waiting.wish, panicked, polled)
    {
        model.inside.borrow_mut().retain(|&other| other != value);
    }
}

/// Nobody waits for places that are free.
fn check(model: &Model, waiting: &[Waiting]) {
    assert_eq!(model.sender.len(), model.inside.borrow().len());
    if !model.sender.is_closed() || model.held.get() > 0 {
        let mut receiver = model.receiver.borrow_mut();
        let is_over = model.sender.is_empty() && receiver.try_recv() == Err(TryRecvError::Closed);
        assert!(!is_over, "values may come, and the receiver is told that none will");
    }
    let woken = model.woken.borrow();
    // Who was served is woken, and never unserved again.
    let mut line = model.line.borrow_mut();
    line.retain(|&number| waiting[number].future.is_some() && !woken[number]);
    if let Some(&first) = line.first() {
        assert!(model.sender.free() < waiting[first].places(), "a wake was lost");
    }
}
