//! Large bodies that several responses share.

use std::sync::{Arc, Weak};

use reactor_server::{Exchange, Ownership, Response};

/// From this size on the engine sends a body without copying it.
const SHARED_FROM: usize = 16 * 1024;

/// How many bodies a new one is compared with.
const LOOKED_AT: usize = 4;

/// The latest large bodies, each for as long as an unsent response needs it. Most
/// programs send many clients the same body. It is in memory once then, however many of
/// these clients are slow.
#[derive(Default)]
pub(super) struct Bodies {
    latest: Vec<Weak<[u8]>>,
}

impl Bodies {
    /// Sets the body of a response to a copy of `bytes`, shared where they are many.
    pub(super) fn fill(&mut self, response: &mut Response, bytes: &[u8]) {
        if bytes.len() < SHARED_FROM {
            response.body(bytes);
        } else {
            response.body_shared(self.share(bytes));
        }
    }

    /// Sends a response with this body, if this thread drives its loop. Only what the socket does
    /// not take is copied. Otherwise returns the exchange, to be sent by the loop's thread.
    pub(super) fn respond(
        &mut self,
        mut exchange: Exchange,
        body: &[u8],
        ownership: Option<&Ownership>,
    ) -> Option<Exchange> {
        if let Some(ownership) = ownership {
            exchange = ownership.respond(exchange, body, &mut |body| self.share(body)).err()?;
        }
        self.fill(exchange.response(), body);
        Some(exchange)
    }

    /// A shared copy of `bytes`.
    fn share(&mut self, bytes: &[u8]) -> Arc<[u8]> {
        self.latest.retain(|body| body.strong_count() > 0);
        let is_same = |body: &Weak<[u8]>| body.upgrade().filter(|body| **body == *bytes);
        let known =
            self.latest.iter().enumerate().find_map(|(at, body)| Some((at, is_same(body)?)));
        if let Some((at, body)) = known {
            // A body that is in use moves to the front, so it stays on the list.
            self.latest[..=at].rotate_right(1);
            return body;
        }
        let body = Arc::from(bytes);
        self.latest.truncate(LOOKED_AT - 1);
        self.latest.insert(0, Arc::downgrade(&body));
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_bodies_are_there_once_while_any_is_needed() {
        let mut bodies = Bodies::default();
        let page = |n: u8| vec![n; SHARED_FROM];
        let first = bodies.share(&page(1));
        let others: Vec<_> = (2..5).map(|n| bodies.share(&page(n))).collect();
        let again = bodies.share(&page(1));
        assert!(Arc::ptr_eq(&first, &again));
        assert_eq!(*others[1], *page(3));
        // The body used last stays; a new one pushes out the body used longest ago.
        let _new = bodies.share(&page(9));
        assert!(Arc::ptr_eq(&first, &bodies.share(&page(1))));
        assert!(!Arc::ptr_eq(&others[0], &bodies.share(&page(2))));
        drop((first, again, others));
        bodies.latest.retain(|body| body.strong_count() > 0);
        assert_eq!(bodies.latest.len(), 1, "what was sent is let go");
    }
}
