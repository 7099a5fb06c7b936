//! `sync::RateLimiter`, by a virtual clock. Random requests print their seed; `MONOLOOP_SEED=n` runs that one.

mod channel_common;
mod common;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use channel_common::with_seeds;
use common::{Random, many, panic_of, virtual_loop};
use monoloop::sync::RateLimiter;
use monoloop::time::{self, sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_full_bucket_goes_at_once_and_then_evenly() {
    virtual_loop().run(async {
        let limiter = RateLimiter::new(4, SECOND).with_burst(3);
        let begin = time::now();
        let mut times = Vec::new();
        for _ in 0..6 {
            limiter.acquire().await;
            times.push((time::now() - begin).as_millis());
        }
        assert_eq!(times, [0, 0, 0, 250, 500, 750]);
        sleep(SECOND * 100).await; // full again, and not fuller
        assert!(limiter.try_acquire_many(3).is_ok());
        assert!(limiter.try_acquire().is_err());
    });
}

#[test]
fn it_is_never_quicker_than_the_rate() {
    virtual_loop().run(async {
        let limiter = RateLimiter::new(7, SECOND).with_burst(1);
        let begin = time::now();
        for n in 0..700_u32 {
            limiter.acquire().await;
            assert!(time::now() - begin >= SECOND * n / 7);
        }
        assert!(time::now() - begin < SECOND * 100);
    });
}

#[test]
fn who_waits_longest_is_next_and_a_big_request_is_not_overtaken() {
    virtual_loop().run(async {
        let limiter = Rc::new(RateLimiter::new(1, SECOND));
        let order = Rc::new(RefCell::new(Vec::new()));
        let begin = time::now();
        let tasks = [1, 5, 1].map(|tokens| {
            let (limiter, order) = (Rc::clone(&limiter), Rc::clone(&order));
            monoloop::spawn(async move {
                limiter.acquire_many(tokens).await;
                order.borrow_mut().push((tokens, (time::now() - begin).as_secs()));
            })
        });
        monoloop::yield_now().await;
        assert!(limiter.try_acquire().is_err());
        for task in tasks {
            task.await.expect("no panic");
        }
        // Five are more than the bucket holds: they come one by one.
        assert_eq!(*order.borrow(), [(1, 0), (5, 5), (1, 6)]);
    });
}

#[test]
fn one_who_gives_up_takes_no_token_and_lets_the_next_on() {
    virtual_loop().run(async {
        let limiter = Rc::new(RateLimiter::new(1, SECOND));
        limiter.acquire().await;
        let begin = time::now();
        let next = {
            let limiter = Rc::clone(&limiter);
            async move { limiter.acquire().await }
        };
        let impatient = timeout(SECOND / 2, limiter.acquire_many(9));
        let next = async {
            monoloop::yield_now().await;
            monoloop::spawn(next).await.expect("no panic");
        };
        let next = monoloop::spawn(next);
        assert!(impatient.await.is_err());
        next.await.expect("no panic");
        assert_eq!(time::now() - begin, SECOND);
    });
}

#[test]
fn odd_numbers_are_no_harm() {
    assert!(panic_of(|| RateLimiter::new(0, SECOND)).contains("one through"));
    assert!(panic_of(|| RateLimiter::new(1, SECOND).with_burst(0)).contains("one token"));
    virtual_loop().run(async {
        let limiter = RateLimiter::new(u32::MAX, Duration::ZERO);
        limiter.acquire_many(u32::MAX).await;
        limiter.acquire_many(u32::MAX).await;
        let limiter = RateLimiter::new(1, Duration::MAX).with_burst(u32::MAX);
        assert!(limiter.try_acquire_many(0).is_ok());
        let wait = limiter.acquire_many(u32::MAX);
        assert!(timeout(SECOND, wait).await.is_ok(), "the bucket is as large as the clock");
        assert!(timeout(SECOND, limiter.acquire()).await.is_err());
        assert!(limiter.try_acquire().is_err());
    });
}

/// Somebody who comes, asks for so many tokens, and has so much patience.
#[derive(Clone, Copy, Debug)]
struct Guest {
    comes: Duration,
    tokens: u32,
    leaves: Duration,
}

const MILLISECOND: Duration = Duration::from_millis(1);
const BURST: u32 = 5;

/// Guests in the order in which they come. No two things happen at the same moment.
fn guests(random: &mut Random) -> Vec<Guest> {
    let mut comes = Duration::ZERO;
    let mut guest = |n: usize| {
        comes += MILLISECOND * random.below(6) as u32 + Duration::from_nanos(1);
        let patience = MILLISECOND * random.below(40) as u32 + MILLISECOND / 2;
        let tokens = random.below(BURST as usize + 3) as u32;
        Guest { comes, tokens, leaves: comes + patience + Duration::from_nanos(n as u64) * 500 }
    };
    (0..many(400, 500)).map(&mut guest).collect()
}

/// When each gets its tokens, if it does: a bucket that gets one each millisecond, and serves one guest after the
/// other.
fn served(guests: &[Guest]) -> Vec<Option<Duration>> {
    let (mut full_at, mut is_free_at) = (Duration::ZERO, Duration::ZERO);
    let mut serve = |guest: &Guest| {
        let begin = guest.comes.max(is_free_at);
        if guest.leaves < begin {
            return None;
        }
        let full = full_at.max(begin) + MILLISECOND * guest.tokens;
        let ready = begin.max(full.saturating_sub(MILLISECOND * BURST));
        is_free_at = ready.min(guest.leaves);
        (ready <= guest.leaves).then(|| {
            full_at = full;
            ready
        })
    };
    guests.iter().map(&mut serve).collect()
}

#[test]
fn random_requests_are_served_when_plain_arithmetic_says() {
    let (mut all, mut in_vain) = (0, 0);
    with_seeds(|seed| {
        let guests = guests(&mut Random::new(seed));
        let expected = served(&guests);
        let outcomes = virtual_loop().run(async move {
            let limiter = Rc::new(RateLimiter::new(1000, SECOND).with_burst(BURST));
            let begin = time::now();
            let visit = |guest: Guest| {
                let limiter = Rc::clone(&limiter);
                monoloop::spawn(async move {
                    time::sleep_until(begin + guest.comes).await;
                    let acquired = limiter.acquire_many(guest.tokens);
                    let acquired = time::timeout_at(begin + guest.leaves, acquired).await;
                    acquired.ok().map(|()| time::now() - begin)
                })
            };
            let tasks: Vec<_> = guests.into_iter().map(visit).collect();
            let mut outcomes = Vec::new();
            for task in tasks {
                outcomes.push(task.await.expect("nobody panics"));
            }
            outcomes
        });
        all += expected.len();
        in_vain += expected.iter().filter(|outcome| outcome.is_none()).count();
        assert_eq!(outcomes, expected);
    });
    assert!((all / 10..all / 2).contains(&in_vain), "{in_vain} of {all} wait in vain");
}

/// However short a token's share of a nanosecond is, it is not rounded up each time.
#[test]
fn parts_of_a_nanosecond_are_not_lost() {
    virtual_loop().run(async {
        for (rate, period, tokens, nanos) in
            [(2_000_000_000, 1_000_000_000, 1001, 500), (3, 10, 301, 1000)]
        {
            let limiter = RateLimiter::new(rate, Duration::from_nanos(period)).with_burst(1);
            let begin = time::now();
            for _ in 0..tokens {
                limiter.acquire().await;
            }
            assert_eq!(time::now() - begin, Duration::from_nanos(nanos), "{rate} in {period} ns");
        }
    });
}
