//! A loop's own thread, a lane's thread that asks for its ownership, and items that
//! come in.

/// What the lane's thread does.
#[derive(Clone, Copy, PartialEq)]
enum Lane {
    /// It drives when it may, and rests between.
    Drives,
    /// It asks, then stays in a handler.
    Stuck,
    /// It leaves after its first turn of the loop.
    Leaves,
}

/// The model, for the `Ownership` of the module that it is expanded in. If no thread takes an item,
/// all threads sleep, and loom reports a deadlock.
macro_rules! model {
    ($kind:expr, $items:expr, $bound:expr) => {{
        use std::sync::Arc;

        use loom::thread;

        use crate::wake_flag::WakeFlag;
        use crate::ownership_model::Lane as Kind;
        use crate::ownership_world::{Poller, event_loop::EventLoop, inbox::Inbox, lane::Lane};

        crate::check($bound, || {
            let poller = Arc::new(Poller::new());
            let inbox = Arc::new(Inbox::new(&poller));
            let event_loop =
                EventLoop { poller: poller.clone(), inbox: inbox.clone(), missing: $items };
            let ownership = Arc::new(Ownership::new(event_loop));
            let lane = Arc::new(Lane { wake_flag: WakeFlag::new(), poller: poller.clone() });
            ownership.offer(&lane);
            let own = {
                let ownership = ownership.clone();
                thread::spawn(move || ownership.run())
            };
            let producer = thread::spawn(move || {
                for _ in 0..$items {
                    inbox.queue.push();
                    inbox.notify();
                }
            });
            // The thread that runs the model is the lane's.
            while !poller.has_ended() {
                lane.wake_flag.awake();
                if $kind == Kind::Stuck {
                    ownership.ask();
                    poller.until_ended();
                    break;
                }
                let drives = ownership.drive(true);
                if drives && $kind == Kind::Leaves {
                    break;
                }
                if !drives {
                    ownership.ask();
                }
                lane.wake_flag.about_to_sleep();
                if if drives { ownership.may_rest() } else { !ownership.is_lanes() } {
                    poller.rest(drives);
                }
            }
            ownership.leave();
            own.join().unwrap();
            producer.join().unwrap();
        });
    }};
}

mod sound {
    use crate::ownership::Ownership;

    #[test]
    fn an_item_never_waits_while_the_lane_drives() {
        model!(Kind::Drives, 2, Some(2));
    }

    #[test]
    fn an_item_never_waits_for_a_lane_that_is_stuck() {
        model!(Kind::Stuck, 2, Some(3));
    }

    #[test]
    fn an_item_never_waits_for_a_lane_that_has_left() {
        model!(Kind::Leaves, 1, Some(3));
    }
}

macro_rules! broken {
    ($name:ident, $kind:expr) => {
        mod $name {
            include!(concat!(env!("OUT_DIR"), "/", stringify!($name), ".rs"));

            #[test]
            #[should_panic(expected = "deadlock")]
            fn is_rejected() {
                model!($kind, 2, Some(2));
            }
        }
    };
}

broken!(ownership_handed_over_awake, Kind::Stuck);
broken!(ownership_left_awake, Kind::Drives);
broken!(ownership_left_silently, Kind::Drives);
