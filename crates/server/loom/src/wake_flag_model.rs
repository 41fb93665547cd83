//! An I/O loop and the threads that fill its inbox.

/// The model, for the `WakeFlag` of the module that it is expanded in. The loop sleeps until it has
/// had an item from each producer. A lost wake leaves it asleep for ever, and loom reports a
/// deadlock.
macro_rules! model {
    ($producers:expr, $items:expr, $bound:expr) => {{
        use std::sync::atomic::{AtomicUsize, Ordering};

        use loom::sync::Arc;
        use loom::thread;

        use crate::queue::Queue;

        struct Inbox {
            wake_flag: WakeFlag,
            queue: Queue,
            /// Only counted, no part of the model.
            sleeps: AtomicUsize,
            wakes: AtomicUsize,
        }

        crate::check($bound, || {
            let inbox = Arc::new(Inbox {
                wake_flag: WakeFlag::new(),
                queue: Queue::default(),
                sleeps: AtomicUsize::new(0),
                wakes: AtomicUsize::new(0),
            });
            // The thread that runs the model is the loop.
            let sleeper = thread::current();
            for _ in 0..$producers {
                let (inbox, sleeper) = (inbox.clone(), sleeper.clone());
                thread::spawn(move || {
                    for _ in 0..$items {
                        inbox.queue.push();
                        if inbox.wake_flag.must_wake() {
                            let wakes = inbox.wakes.fetch_add(1, Ordering::Relaxed) + 1;
                            let sleeps = inbox.sleeps.load(Ordering::Relaxed);
                            assert!(wakes <= sleeps, "more wakes than sleeps");
                            sleeper.unpark();
                        }
                    }
                });
            }

            let mut missing = $producers * $items;
            while missing > 0 {
                inbox.sleeps.fetch_add(1, Ordering::Relaxed);
                inbox.wake_flag.about_to_sleep();
                if inbox.queue.is_empty() {
                    thread::park();
                }
                inbox.wake_flag.awake();
                while missing > 0 && inbox.queue.pop() {
                    missing -= 1;
                }
            }
        });
    }};
}

mod sound {
    use crate::wake_flag::WakeFlag;

    #[test]
    fn one_producer_never_leaves_an_item_with_a_sleeper() {
        model!(1, 2, None);
    }

    #[test]
    fn two_producers_send_at_most_one_wake_for_each_sleep() {
        model!(2, 1, Some(3));
    }
}

macro_rules! broken {
    ($name:ident, $complaint:literal) => {
        mod $name {
            include!(concat!(env!("OUT_DIR"), "/", stringify!($name), ".rs"));

            #[test]
            #[should_panic(expected = $complaint)]
            fn is_rejected() {
                model!(2, 1, Some(3));
            }
        }
    };
}

broken!(wake_flag_sleeper_unfenced, "deadlock");
broken!(wake_flag_producer_unfenced, "deadlock");
broken!(wake_flag_unclaimed, "more wakes than sleeps");
