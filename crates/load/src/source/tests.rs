use proptest::prelude::*;

use super::*;
use crate::{Peer, Request};

fn plan(rate: Option<u32>) -> Plan {
    let request = Request::new("GET", "/", "h", &[], b"", true).unwrap();
    let peer = Peer::Tcp { host: "127.0.0.1".to_owned(), port: 1 };
    Plan { rate, duration: None, ..Plan::new(peer, request) }
}

const MS: Nanos = 1_000_000;

#[test]
fn a_closed_loop_ends_with_its_duration_and_counts_after_the_warm_up() {
    let duration = Some(Duration::from_millis(10));
    let warmup = Duration::from_millis(5);
    let mut source = Source::new(&Plan { duration, warmup, ..plan(None) }, 0);
    for (now, taken, counted) in [
        (0, true, false),
        (5 * MS - 1, true, false),
        (5 * MS, true, true),
        (15 * MS - 1, true, true),
    ] {
        assert_eq!(source.take(now), taken.then_some(now));
        assert_eq!(source.is_counted(now), counted);
        assert!(!source.is_exhausted(now));
    }
    assert_eq!(source.take(15 * MS), None);
    assert!(source.is_exhausted(15 * MS));
    assert_eq!(source.next_due(), None);
}

#[test]
fn warm_up_uses_up_no_counted_request() {
    let warmup = Duration::from_millis(5);
    let mut source = Source::new(&Plan { requests: Some(2), warmup, ..plan(None) }, 0);
    for now in 0..10 {
        assert_eq!(source.take(now), Some(now));
    }
    assert!(!source.is_exhausted(9));
    assert_eq!(source.take(5 * MS), Some(5 * MS));
    assert_eq!(source.take(6 * MS), Some(6 * MS));
    assert_eq!(source.take(7 * MS), None);
    assert!(source.is_exhausted(7 * MS));
}

#[test]
fn a_returned_request_comes_first_and_is_no_further_one() {
    let mut source = Source::new(&Plan { requests: Some(1), ..plan(None) }, 0);
    assert_eq!(source.take(3), Some(3));
    assert!(source.is_exhausted(4));
    source.give_back(3);
    assert!(!source.is_exhausted(5));
    assert_eq!(source.take(6), Some(3));
    assert_eq!(source.take(7), None);
    assert!(source.is_exhausted(7));
}

#[test]
fn late_requests_keep_their_time_and_go_out_until_the_grace_is_over() {
    let duration = Some(Duration::from_millis(10));
    let mut source = Source::new(&Plan { duration, ..plan(Some(1000)) }, 0);
    assert_eq!(source.take(0), Some(0));
    assert_eq!(source.take(MS - 1), None);
    assert_eq!(source.next_due(), Some(MS));
    // The rest is late.
    assert!(!source.is_exhausted(10 * MS));
    for n in 1..5 {
        assert_eq!(source.take(500 * MS), Some(n * MS));
    }
    let over = 10 * MS + GRACE;
    assert!(source.is_exhausted(over));
    assert_eq!(source.take(over), None);
    let missed: Vec<Nanos> = std::iter::from_fn(|| source.next_missed(over)).collect();
    assert_eq!(missed, [5 * MS, 6 * MS, 7 * MS, 8 * MS, 9 * MS]);
}

proptest! {
    /// All threads together send each request of the schedule once, evenly
    /// spread, with warm-up and with any bound.
    #[test]
    fn threads_share_one_even_schedule(
        rate in 1u32..5000,
        threads in 1usize..9,
        millis in 1u64..3000,
        warmup in 0u64..1000,
        bound in prop::option::of(1u64..3000),
        step in 1u64..2000,
    ) {
        let plan = Plan {
            threads,
            duration: Some(Duration::from_millis(millis)),
            warmup: Duration::from_millis(warmup),
            requests: bound,
            ..plan(Some(rate))
        };
        let (mut counted, mut all) = (Vec::new(), Vec::new());
        for index in 0..threads {
            let mut source = Source::new(&plan, index);
            let mut now = 0;
            while !source.is_exhausted(now) {
                while let Some(from) = source.take(now) {
                    prop_assert!(from <= now);
                    all.push(from);
                    if source.is_counted(from) {
                        counted.push(from);
                    }
                }
                now += step * MS;
                // A thread in time takes late requests within the grace period.
                now = now.min(source.until() + GRACE / 2);
                if now == source.until() + GRACE / 2 && source.next_due().is_none() {
                    break;
                }
            }
        }
        let intended = |n: u64| n * 1_000_000_000 / u64::from(rate);
        let (start, end) = (warmup * MS, (warmup + millis) * MS);
        let whole: Vec<Nanos> =
            (0..).map(intended).take_while(|&at| at < end).filter(|&at| at >= start).collect();
        counted.sort_unstable();
        match bound {
            None => prop_assert_eq!(counted, whole),
            Some(n) => {
                prop_assert!(counted.len() as u64 <= n);
                // Each thread has a fixed share, of which its part of the schedule may fall short.
                if whole.len() as u64 >= n + threads as u64 * 2 {
                    prop_assert_eq!(counted.len() as u64, n);
                }
                prop_assert!(counted.iter().all(|from| whole.binary_search(from).is_ok()));
            }
        }
        all.sort_unstable();
        all.dedup();
        prop_assert!(all.windows(2).all(|pair| pair[1] - pair[0] >= 1_000_000_000 / u64::from(rate)));
    }

    /// A closed loop's threads send exactly as many as were asked for.
    #[test]
    fn threads_share_a_number_exactly(threads in 1usize..65, requests in 1u64..5000) {
        let plan = Plan { threads, requests: Some(requests), ..plan(None) };
        let mut taken = 0;
        for index in 0..threads {
            let mut source = Source::new(&plan, index);
            while source.take(7).is_some() {
                taken += 1;
            }
            prop_assert!(source.is_exhausted(7));
        }
        prop_assert_eq!(taken, requests);
    }
}
