//! A stream, as its client sees it.

use reactor_proto::h2::ErrorCode;

use super::Wanted;
use crate::sim::request::pattern;

pub(super) struct Stream {
    /// The number of its request.
    pub(super) number: u32,
    pub(super) wanted: Wanted,
    /// Bytes of the body that were sent, and whether it has ended.
    pub(super) sent: usize,
    pub(super) is_sent: bool,
    /// What the server lets this side send, and this side the server.
    pub(super) send: i64,
    pub(super) receive: i64,
    /// What was received and not given back.
    pub(super) owed: i64,
    pub(super) informed: u32,
    pub(super) head: Option<Head>,
    pub(super) body: Vec<u8>,
    pub(super) trailers: Option<Vec<(String, String)>>,
    /// The whole answer is there.
    pub(super) ended: bool,
    /// The server has reset it.
    pub(super) reset: Option<ErrorCode>,
    pub(super) cancelled: bool,
}

/// The head of an answer.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) fields: Vec<(String, String)>,
}

impl Head {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(key, _)| key == name).map(|(_, value)| &**value)
    }
}

impl Stream {
    pub(super) fn new(number: u32, wanted: Wanted, send: i64, receive: i64) -> Self {
        Self {
            number,
            wanted,
            sent: 0,
            is_sent: wanted.body.is_none(),
            send,
            receive,
            owed: 0,
            informed: 0,
            head: None,
            body: Vec::new(),
            trailers: None,
            ended: false,
            reset: None,
            cancelled: false,
        }
    }

    /// Whether nothing more happens on it.
    pub(super) fn is_over(&self) -> bool {
        self.cancelled || self.reset.is_some() || self.ended && self.is_sent
    }

    /// Whether an answer may still come.
    pub(super) fn waits(&self) -> bool {
        !self.cancelled && self.reset.is_none() && !self.ended
    }

    /// The bytes of its body.
    pub(super) fn upload(&self) -> &'static [u8] {
        pattern(self.number, self.wanted.body.unwrap_or(0))
    }
}
