//! The worker pool: which workers are parked, and tasks that come in.

/// The model, for the `Idle` of the module that it is expanded in. Each producer brings one task.
/// The worker that runs the last task stops the other workers. If a task stays in the queue while
/// all workers sleep, no thread does that, and loom reports a deadlock.
macro_rules! model {
    ($workers:expr, $producers:expr, $bound:expr) => {{
        use std::sync::atomic::{AtomicUsize, Ordering};

        use loom::sync::Arc;
        use loom::sync::atomic::AtomicBool;
        use loom::thread::{self, Thread};

        use crate::queue::Queue;

        struct Pool {
            queue: Queue,
            idle: Idle,
            stopping: AtomicBool,
            /// Only counted, no part of the model.
            done: AtomicUsize,
            parks: [AtomicUsize; 2],
            chosen: [AtomicUsize; 2],
        }

        impl Pool {
            fn work(&self, index: usize, others: &[Thread]) {
                loop {
                    if self.queue.pop() {
                        if self.done.fetch_add(1, Ordering::Relaxed) + 1 == $producers {
                            self.stopping.store(true, Ordering::SeqCst);
                            others.iter().for_each(Thread::unpark);
                        }
                    } else if self.stopping.load(Ordering::Relaxed) {
                        return;
                    } else {
                        self.park(index);
                    }
                }
            }

            fn park(&self, index: usize) {
                self.parks[index].fetch_add(1, Ordering::Relaxed);
                self.idle.enter(index);
                while self.idle.contains(index)
                    && self.queue.is_empty()
                    && !self.stopping.load(Ordering::Relaxed)
                {
                    thread::park();
                }
                self.idle.leave(index);
            }

            fn wake_one(&self, home: usize, threads: &[Thread]) {
                if let Some(worker) = self.idle.choose(home) {
                    let chosen = self.chosen[worker].fetch_add(1, Ordering::Relaxed) + 1;
                    let parks = self.parks[worker].load(Ordering::Relaxed);
                    assert!(chosen <= parks, "chosen more often than idle");
                    threads[worker].unpark();
                }
            }
        }

        crate::check($bound, || {
            let pool = Arc::new(Pool {
                queue: Queue::default(),
                idle: Idle::new(),
                stopping: AtomicBool::new(false),
                done: AtomicUsize::new(0),
                parks: Default::default(),
                chosen: Default::default(),
            });
            // The thread that runs the model is worker 0.
            let mut threads = vec![thread::current()];
            for index in 1..$workers {
                let (pool, others) = (pool.clone(), threads.clone());
                let worker = thread::spawn(move || pool.work(index, &others));
                threads.push(worker.thread().clone());
            }
            for home in 0..$producers {
                let (pool, threads) = (pool.clone(), threads.clone());
                thread::spawn(move || {
                    pool.queue.push();
                    pool.wake_one(home, &threads);
                });
            }
            pool.work(0, &threads[1..]);
        });
    }};
}

mod sound {
    use crate::idle::Idle;

    #[test]
    fn a_task_never_waits_while_the_only_worker_sleeps() {
        model!(1, 2, Some(3));
    }

    #[test]
    fn two_tasks_never_wait_while_both_workers_sleep() {
        model!(2, 2, Some(2));
    }

    #[test]
    fn a_task_never_waits_while_both_workers_sleep() {
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
                model!(1, 2, Some(3));
            }
        }
    };
}

broken!(idle_worker_unfenced, "deadlock");
broken!(idle_producer_unfenced, "deadlock");
broken!(idle_unclaimed, "chosen more often than idle");
