//! What threads and the process use, as the kernel counts it. Reading costs the reader some system
//! calls, and the watched threads nothing.

use std::fs;
use std::time::Duration;

/// Clock ticks in a second in `/proc`, on every architecture that we build for (USER_HZ,
/// proc_pid_stat(5)).
const TICKS: u64 = 100;

/// Processor time of one thread.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ThreadUsage {
    /// Running.
    pub(crate) running: Duration,
    /// Ready to run, while other threads had the processors.
    pub(crate) waiting: Duration,
}

impl ThreadUsage {
    /// Of the thread with this number. `None` unless it is a running thread of this process.
    pub(crate) fn of(thread: u64) -> Option<Self> {
        let folder = format!("/proc/self/task/{thread}");
        if let Ok(text) = fs::read_to_string(format!("{folder}/schedstat")) {
            let mut numbers = text.split_ascii_whitespace().map(str::parse);
            if let (Some(Ok(running)), Some(Ok(waiting))) = (numbers.next(), numbers.next()) {
                return Some(Self {
                    running: Duration::from_nanos(running),
                    waiting: Duration::from_nanos(waiting),
                });
            }
        }
        // A kernel without scheduler statistics has coarser numbers here.
        let stat = Stat::read(&format!("{folder}/stat"))?;
        Some(Self { running: stat.cpu, waiting: Duration::ZERO })
    }
}

/// Whether the thread with this number runs, or waits for a core.
pub(crate) fn is_runnable(thread: u64) -> bool {
    let stat = fs::read_to_string(format!("/proc/self/task/{thread}/stat")).unwrap_or_default();
    // The name before may have any characters.
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('R'))
}

/// What the process uses.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ProcessUsage {
    pub(crate) cpu: Duration,
    /// Bytes in memory.
    pub(crate) resident: u64,
    /// Bytes of address space.
    pub(crate) virtual_memory: u64,
    pub(crate) open_files: u64,
    /// The soft limit; `None` if there is none.
    pub(crate) max_files: Option<u64>,
    /// Seconds since 1970.
    pub(crate) started: u64,
    pub(crate) threads: u64,
}

impl ProcessUsage {
    /// Of this process; `None` without `/proc`.
    pub(crate) fn read() -> Option<Self> {
        let stat = Stat::read("/proc/self/stat")?;
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let number = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name))?;
            line.split_ascii_whitespace().nth(1)?.parse::<u64>().ok()
        };
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let files = limits.lines().find(|line| line.starts_with("Max open files"));
        let max_files = files.and_then(|line| line.split_ascii_whitespace().nth(3)?.parse().ok());
        let system = fs::read_to_string("/proc/stat").unwrap_or_default();
        let boot = system.lines().find_map(|line| line.strip_prefix("btime ")?.parse::<u64>().ok());
        // One of them is the descriptor that reads the folder.
        let open_files = fs::read_dir("/proc/self/fd").map_or(0, |files| files.count() as u64);
        Some(Self {
            cpu: stat.cpu,
            resident: number("VmRSS:").unwrap_or(0) * 1024,
            virtual_memory: number("VmSize:").unwrap_or(0) * 1024,
            open_files: open_files.saturating_sub(1),
            max_files,
            started: boot.unwrap_or(0) + stat.started / TICKS,
            threads: number("Threads:").unwrap_or(0),
        })
    }
}

/// The part of proc_pid_stat(5) that is used here.
struct Stat {
    cpu: Duration,
    /// Ticks after boot.
    started: u64,
}

impl Stat {
    fn read(path: &str) -> Option<Self> {
        Self::parse(&fs::read_to_string(path).ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        // The second field is a name in parentheses. It may contain any character.
        let (_, rest) = text.rsplit_once(')')?;
        let mut fields = rest.split_ascii_whitespace();
        // The next is field 3, the state.
        let mut field = |ahead| fields.nth(ahead)?.parse::<u64>().ok();
        let (user, system) = (field(11)?, field(0)?);
        let started = field(6)?;
        Some(Self { cpu: Duration::from_millis((user + system) * (1000 / TICKS)), started })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_anything() {
        let text = "12 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 9 0 4321 1 2 3";
        let stat = Stat::parse(text).expect("well-formed");
        assert_eq!(stat.cpu, Duration::from_secs(3));
        assert_eq!(stat.started, 4321);
    }

    #[test]
    fn a_thread_that_sleeps_is_not_runnable() {
        let thread = |id: i32| u64::try_from(id).expect("a number");
        assert!(is_runnable(thread(reactor_sys::thread_id())));
        assert!(!is_runnable(u64::MAX));
        let (tell, told) = std::sync::mpsc::channel();
        let (end, wait) = std::sync::mpsc::channel::<()>();
        let sleeper = std::thread::spawn(move || {
            tell.send(thread(reactor_sys::thread_id())).expect("the test waits");
            wait.recv().expect("the test ends it");
        });
        let id = told.recv().expect("it tells");
        while is_runnable(id) {
            std::thread::yield_now();
        }
        end.send(()).expect("it waits");
        sleeper.join().expect("it does not panic");
        assert!(!is_runnable(id));
    }

    #[test]
    fn this_thread_and_process_use_something() {
        let thread = u64::try_from(reactor_sys::thread_id()).expect("a number");
        let before = ThreadUsage::of(thread).expect("this thread runs").running;
        let mut n = 0_u64;
        while ThreadUsage::of(thread).expect("it still does").running == before {
            n += 1;
            assert!(n < 10_000_000, "no time passes");
        }
        assert!(ThreadUsage::of(u64::MAX).is_none());
        let process = ProcessUsage::read().expect("there is /proc");
        assert!(process.resident > 100_000 && process.virtual_memory > process.resident);
        assert!(process.open_files >= 3 && process.started > 1_600_000_000);
        assert!(process.threads >= 1);
        assert!(process.max_files.is_none_or(|max| max >= process.open_files));
    }
}
