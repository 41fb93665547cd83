//! The processor time that the threads of a server have used.

use crate::dispatch::lane::channel::{Lane, Lanes};
use crate::observe::counters::Counters;
use crate::observe::usage::ThreadUsage;

/// The processor time of each running thread, by its name; of the lanes' threads too.
pub(crate) fn thread_times(counters: &Counters, lanes: &Lanes) -> Vec<(String, ThreadUsage)> {
    let io = counters.loops.iter().enumerate().map(|(n, c)| (format!("rx-io-{n}"), &c.thread));
    let workers =
        counters.workers.iter().enumerate().map(|(n, c)| (format!("rx-worker-{n}"), &c.thread));
    let accept = std::iter::once(("rx-accept".to_owned(), &counters.accept.thread));
    let own = io.chain(workers).chain(accept).map(|(name, thread)| (name, thread.get()));
    // The program's main thread; in Node it runs JavaScript. Its number is the process's
    // (gettid(2)).
    let process = u64::from(std::process::id());
    let main = std::iter::once(("main".to_owned(), process));
    let js = lanes.iter().map(|(n, lane)| (js_thread(*n), lane.lag.thread.get()));
    own.chain(main)
        .chain(js.filter(|(_, thread)| *thread != process))
        .filter(|(_, thread)| *thread != 0)
        .filter_map(|(name, thread)| Some((name, ThreadUsage::of(thread)?)))
        .collect()
}

/// The name of a lane's thread.
pub(crate) fn thread_of_lane(place: usize, lane: &Lane) -> String {
    let is_main = lane.lag.thread.get() == u64::from(std::process::id());
    if is_main { "main".to_owned() } else { js_thread(place) }
}

fn js_thread(place: usize) -> String {
    format!("js-{place}")
}
