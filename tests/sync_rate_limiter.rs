//! `sync::RateLimiter`, by a virtual clock.

mod common;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use common::{panic_of, virtual_loop};
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

/// BUGCLASSES 34 and 36.
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
