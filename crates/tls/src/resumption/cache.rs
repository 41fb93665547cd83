//! Sessions kept here, by their identifiers. Bounded in bytes; the oldest go first.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

/// What one entry costs besides its session: key twice, scope, places in both collections.
const OVERHEAD: usize = 200;

/// A session that is longer is not kept: one with a client's long chain is not worth a hundred
/// others.
const MOST_SESSION: usize = 8 * 1024;

pub(super) struct Cache {
    limit: usize,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    sessions: HashMap<Vec<u8>, Stored>,
    /// By age. A session that was taken or replaced leaves its place until that comes first.
    order: VecDeque<(Vec<u8>, u64)>,
    bytes: usize,
    next: u64,
}

struct Stored {
    value: Vec<u8>,
    scope: [u8; 32],
    at: u64,
    number: u64,
}

impl Cache {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, inner: Mutex::default() }
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    pub(super) fn bytes(&self) -> usize {
        self.inner().bytes
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn put(&self, key: Vec<u8>, value: Vec<u8>, scope: [u8; 32], at: u64) -> bool {
        let cost = cost(&value);
        if value.len() > MOST_SESSION || cost > self.limit {
            return false;
        }
        let mut inner = self.inner();
        inner.remove(&key);
        while inner.bytes + cost > self.limit || inner.order.len() * OVERHEAD > 2 * self.limit {
            let Some((oldest, number)) = inner.order.pop_front() else { break };
            if inner.sessions.get(&oldest).is_some_and(|stored| stored.number == number) {
                inner.remove(&oldest);
            }
        }
        let number = inner.next;
        inner.next += 1;
        inner.bytes += cost;
        inner.order.push_back((key.clone(), number));
        inner.sessions.insert(key, Stored { value, scope, at, number });
        true
    }

    pub(super) fn get(
        &self,
        key: &[u8],
        scope: &[u8; 32],
        now: u64,
        timeout: u32,
    ) -> Option<Vec<u8>> {
        let inner = self.inner();
        let stored = inner.sessions.get(key)?;
        let is_young = now.saturating_sub(stored.at) < u64::from(timeout);
        (stored.scope == *scope && is_young).then(|| stored.value.clone())
    }

    pub(super) fn take(
        &self,
        key: &[u8],
        scope: &[u8; 32],
        now: u64,
        timeout: u32,
    ) -> Option<Vec<u8>> {
        let found = self.get(key, scope, now, timeout)?;
        // Whoever takes it out has it: another thread may have been faster.
        self.inner().remove(key).map(|_| found)
    }
}

fn cost(value: &[u8]) -> usize {
    OVERHEAD + value.len()
}

impl Inner {
    fn remove(&mut self, key: &[u8]) -> Option<Stored> {
        let stored = self.sessions.remove(key)?;
        self.bytes -= cost(&stored.value);
        Some(stored)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCOPE: [u8; 32] = [1; 32];

    fn key(n: u32) -> Vec<u8> {
        n.to_be_bytes().repeat(8)
    }

    #[test]
    fn the_oldest_go_when_the_bytes_are_used_up() {
        let cache = Cache::new(10 * (OVERHEAD + 100));
        for n in 0..1000 {
            assert!(cache.put(key(n), vec![7; 100], SCOPE, 0));
            assert!(cache.bytes() <= 10 * (OVERHEAD + 100));
        }
        assert_eq!(cache.get(&key(989), &SCOPE, 0, 9), None);
        assert_eq!(cache.get(&key(990), &SCOPE, 0, 9), Some(vec![7; 100]));
    }

    #[test]
    fn sessions_that_are_taken_leave_no_trail() {
        let cache = Cache::new(10 * (OVERHEAD + 100));
        for n in 0..1000 {
            assert!(cache.put(key(n), vec![7; 100], SCOPE, 0));
            assert!(cache.take(&key(n), &SCOPE, 0, 9).is_some());
            assert_eq!(cache.take(&key(n), &SCOPE, 0, 9), None);
        }
        assert_eq!(cache.bytes(), 0);
        assert!(cache.inner().order.len() < 40);
    }

    #[test]
    fn a_session_is_found_in_its_scope_and_time() {
        let cache = Cache::new(10_000);
        assert!(cache.put(key(1), vec![1], SCOPE, 100));
        assert_eq!(cache.get(&key(1), &SCOPE, 399, 300), Some(vec![1]));
        assert_eq!(cache.get(&key(1), &SCOPE, 400, 300), None);
        assert_eq!(cache.get(&key(1), &[2; 32], 100, 300), None);
        assert!(cache.put(key(1), vec![2], SCOPE, 400));
        assert_eq!(cache.get(&key(1), &SCOPE, 400, 300), Some(vec![2]));
    }

    #[test]
    fn long_sessions_and_an_empty_cache_take_nothing() {
        assert!(!Cache::new(1 << 20).put(key(1), vec![0; MOST_SESSION + 1], SCOPE, 0));
        assert!(!Cache::new(0).put(key(1), vec![0], SCOPE, 0));
    }
}
