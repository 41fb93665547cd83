//! Large bodies that several responses have at the same time.

use std::sync::{Arc, Weak};

/// From this size on the engine sends a body from where it lies.
const SHARED_FROM: usize = 16 * 1024;

/// How many are looked at.
const LOOKED_AT: usize = 4;

/// The latest large bodies, as long as a response that has not been sent needs
/// them. Most programs give many clients the same one: then it is there once,
/// however many of them are slow.
#[derive(Default)]
pub(super) struct Bodies {
    latest: Vec<Weak<[u8]>>,
}

impl Bodies {
    /// A body to share; None for one that is too small for it.
    pub(super) fn share(&mut self, bytes: &[u8]) -> Option<Arc<[u8]>> {
        if bytes.len() < SHARED_FROM {
            return None;
        }
        self.latest.retain(|body| body.strong_count() > 0);
        let is_same = |body: &Weak<[u8]>| body.upgrade().filter(|body| **body == *bytes);
        let known =
            self.latest.iter().enumerate().find_map(|(at, body)| Some((at, is_same(body)?)));
        if let Some((at, body)) = known {
            // What is asked for now and then stays among the latest.
            self.latest[..=at].rotate_right(1);
            return Some(body);
        }
        let body = Arc::from(bytes);
        self.latest.truncate(LOOKED_AT - 1);
        self.latest.insert(0, Arc::downgrade(&body));
        Some(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_bodies_are_there_once_while_any_is_needed() {
        let mut bodies = Bodies::default();
        let page = |n: u8| vec![n; SHARED_FROM];
        assert!(bodies.share(&page(0)[1..]).is_none());
        let first = bodies.share(&page(1)).unwrap();
        let others: Vec<_> = (2..5).map(|n| bodies.share(&page(n)).unwrap()).collect();
        let again = bodies.share(&page(1)).unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        assert_eq!(*others[1], *page(3));
        // It was used last: another pushes out the one that was not.
        let _new = bodies.share(&page(9)).unwrap();
        assert!(Arc::ptr_eq(&first, &bodies.share(&page(1)).unwrap()));
        assert!(!Arc::ptr_eq(&others[0], &bodies.share(&page(2)).unwrap()));
        drop((first, again, others));
        bodies.latest.retain(|body| body.strong_count() > 0);
        assert_eq!(bodies.latest.len(), 1, "what was sent is let go");
    }
}
