//! An exchange as a lane's thread gets it.

use std::sync::Arc;
use std::time::Instant;

use crate::exchange::id::ExchangeId;
use crate::exchange::request::Request;
use crate::exchange::response::Response;
use crate::exchange::socket::SocketSettings;
use crate::exchange::task::{Outcome, Task};
use crate::exchange::upgrade::{NoUpgrade, upgrade};
use crate::observe::access_log::RequestId;

/// One request, with room for its response.
pub struct Exchange(pub(crate) Box<Task>);

impl Exchange {
    /// The name of this exchange.
    #[must_use]
    pub fn id(&self) -> ExchangeId {
        self.0.id
    }

    /// Its name in the access log.
    #[must_use]
    pub fn request_id(&self) -> RequestId {
        let id = self.0.id;
        RequestId {
            io_thread: u32::try_from(id.io_thread()).unwrap_or(u32::MAX),
            connection: id.conn.generation,
            request: id.stream,
        }
    }

    /// The request.
    #[must_use]
    pub fn request(&self) -> &Request {
        &self.0.request
    }

    /// The response to fill in.
    pub fn response(&mut self) -> &mut Response {
        &mut self.0.response
    }

    /// The route that led here: the number given to [`Target::Lane`](crate::Target).
    #[must_use]
    pub fn route(&self) -> u32 {
        self.0.route
    }

    /// More of the body follows in events.
    #[must_use]
    pub fn body_streams(&self) -> bool {
        self.0.body_streams
    }

    /// Whether its time is over. Then the client has got a 503, or gets one, and does not wait for
    /// the response.
    #[must_use]
    pub fn is_late(&self, now: Instant) -> bool {
        self.0.deadline.is_some_and(|deadline| now >= deadline)
    }

    /// Whether its time is limited.
    #[must_use]
    pub fn has_deadline(&self) -> bool {
        self.0.deadline.is_some()
    }

    /// Opens a WebSocket with the response (RFC 6455 §4.2.2), to which fields may be added. The
    /// exchange goes on until [`LaneEvent::SocketClosed`](crate::LaneEvent::SocketClosed).
    /// Returns whether compression was agreed on.
    ///
    /// # Errors
    /// If the request does not ask for one. The response is as it was.
    pub fn upgrade(&mut self, settings: &Arc<SocketSettings>) -> Result<bool, NoUpgrade> {
        let Task { request, response, .. } = &mut *self.0;
        upgrade(request, response, settings)
    }

    /// Makes the response what it was before the handler had it.
    pub fn forget_response(&mut self) {
        self.0.response.clear();
    }

    /// Answers with 500 instead.
    pub fn fail(&mut self) {
        self.0.outcome = Outcome::Failed;
    }

    /// Answers with 503 instead, because no handler takes it.
    pub fn refuse(&mut self) {
        self.0.outcome = Outcome::Refused;
    }

    /// Closes the connection after the response.
    pub fn close(&mut self) {
        self.0.terms.close = true;
    }

    /// Asks the client to close the connection after the response. The server keeps it open.
    pub fn ask_to_close(&mut self) {
        self.0.terms.asks_to_close = true;
    }
}
