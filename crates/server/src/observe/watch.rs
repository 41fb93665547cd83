//! Whether somebody watches the server through its control socket.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long requests are observed after somebody has looked.
const LOOK: Duration = Duration::from_secs(15);

/// Whether somebody looks. While nobody does, requests are not observed: a loop reads one number a
/// turn.
pub(crate) struct Watch {
    started: Instant,
    /// Milliseconds after `started`.
    until: AtomicU64,
}

impl Watch {
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), until: AtomicU64::new(0) }
    }

    /// Somebody looks, and will probably look again soon.
    pub(crate) fn look(&self) {
        let until = millis(self.started.elapsed() + LOOK);
        self.until.fetch_max(until, Ordering::Relaxed);
    }

    pub(crate) fn is_on(&self, now: Instant) -> bool {
        let until = self.until.load(Ordering::Relaxed);
        until > 0 && millis(now.saturating_duration_since(self.started)) < until
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_lasts_a_while() {
        let watch = Watch::new();
        let now = watch.started;
        assert!(!watch.is_on(now));
        watch.look();
        assert!(watch.is_on(now));
        assert!(watch.is_on(now + LOOK - Duration::from_millis(1)));
        assert!(!watch.is_on(now + LOOK * 2));
    }
}
