//! What answers on a worker thread.

use std::sync::Arc;

use crate::exchange::request::Request;
use crate::exchange::response::Response;

/// Answers requests on a worker thread. Closures
/// `Fn(&Request, &mut Response)` are handlers.
///
/// A handler may block, and the others go on meanwhile. If one panics, its own request gets a 500
/// and nothing else happens.
pub trait Handler: Send + Sync + 'static {
    /// Fills in the response.
    fn handle(&self, request: &Request, response: &mut Response);
}

impl<F: Fn(&Request, &mut Response) + Send + Sync + 'static> Handler for F {
    fn handle(&self, request: &Request, response: &mut Response) {
        self(request, response);
    }
}

/// A handler behind a reference count of the loop's own: only that loop
/// counts it up and down, so the count stays in its core's cache.
pub(crate) struct HandlerCell {
    handler: Arc<dyn Handler>,
}

impl HandlerCell {
    pub(crate) fn new(handler: &Arc<dyn Handler>) -> Arc<Self> {
        Arc::new(Self { handler: Arc::clone(handler) })
    }

    pub(crate) fn handle(&self, request: &Request, response: &mut Response) {
        self.handler.handle(request, response);
    }
}
