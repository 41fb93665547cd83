//! What a loop compresses answers with.

use std::sync::Arc;

use crate::exchange::compression::coder::Budget;
use crate::exchange::compression::options::Compress;
use crate::exchange::handler::{Handler, HandlerCell};
use crate::exchange::request::Request;
use crate::exchange::response::{CompressionState, Response};

/// What the streams of one loop may hold together, in bytes. That is 85 of them.
const STREAMS: usize = 64 * 1024 * 1024;

/// What a loop compresses with.
pub(crate) struct Compressor {
    pub(super) compress: Arc<Compress>,
    pub(super) worker: Arc<HandlerCell>,
    pub(crate) budget: Budget,
}

impl Compressor {
    pub(crate) fn new(compress: &Arc<Compress>) -> Self {
        let worker: Arc<dyn Handler> = Arc::new(OnWorker(Arc::clone(compress)));
        Self {
            compress: Arc::clone(compress),
            worker: HandlerCell::new(&worker),
            budget: Budget::new(STREAMS),
        }
    }
}

/// Compresses a response that a handler has made.
struct OnWorker(Arc<Compress>);

impl Handler for OnWorker {
    fn handle(&self, _: &Request, response: &mut Response) {
        if let CompressionState::Away(coding) = response.compression {
            self.0.encode(response, coding);
            response.compression = CompressionState::Done;
        }
    }
}
