//! What the access log keeps of a request.

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use reactor_proto::{Head, Opening, Version};

use crate::exchange::facts::Facts;
use crate::exchange::tls_info::TlsInfo;

/// Bytes kept of a request line; the rest is cut off.
pub(crate) const MAX_LINE: usize = 2048;
/// Bytes kept of `Referer`, of `User-Agent` and of `X-Forwarded-For`.
pub(crate) const MAX_FIELD: usize = 1024;

/// The fields that a record keeps, in the order of its text.
const NAMES: [&[u8]; 4] = [b"referer", b"user-agent", b"x-forwarded-for", b"traceparent"];

/// Names a request among all of one server. Together with
/// [`Server::start_id`](crate::Server::start_id) it names it among those of all servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestId {
    /// The I/O thread.
    pub io_thread: u32,
    /// The connection, among those of the thread.
    pub connection: u32,
    /// The request, among those of the connection.
    pub request: u32,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The kernel has all of the answer.
    Complete,
    /// The client left before that, or the handler gave up.
    Aborted,
    /// The client took no output for the write timeout.
    WriteTimeout,
    /// The server was stopping, and waited no longer.
    Stopped,
}

impl Outcome {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Aborted => "aborted",
            Self::WriteTimeout => "write-timeout",
            Self::Stopped => "stopped",
        }
    }
}

/// One request. Its text is in the batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) id: RequestId,
    pub(crate) peer: Option<SocketAddr>,
    /// When its head was read.
    pub(crate) start: Instant,
    pub(crate) duration: Duration,
    pub(crate) status: u16,
    /// Bytes of the answer after its head.
    pub(crate) bytes: u64,
    pub(crate) outcome: Outcome,
    /// What its connection's TLS session has agreed on, if it has one.
    pub(crate) tls: Option<LoggedTls>,
    /// If it opened a WebSocket, which has ended.
    pub(crate) messages: Option<SocketMessages>,
    pub(crate) text: Lengths,
}

/// How many messages a WebSocket has had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SocketMessages {
    pub(crate) received: u64,
    pub(crate) sent: u64,
}

/// What the log keeps of a TLS session. The name that the client wants is in the text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LoggedTls {
    pub(crate) version: reactor_tls::Version,
    pub(crate) cipher: &'static str,
    pub(crate) resumed: bool,
}

impl From<&TlsInfo> for LoggedTls {
    fn from(info: &TlsInfo) -> Self {
        Self { version: info.version, cipher: info.cipher, resumed: info.resumed }
    }
}

/// How long the parts of a request's text are. They follow one another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lengths {
    /// Of the request line, up to [`MAX_LINE`].
    pub(crate) line: u16,
    pub(crate) referer: Option<u16>,
    pub(crate) agent: Option<u16>,
    /// Of all fields of this name; kept for the format that has it.
    pub(crate) forwarded: Option<u16>,
    /// Of all fields `traceparent`; kept if lines tell the traces.
    pub(crate) trace: Option<u16>,
    /// Of the name that a client over TLS wants; kept for the format that has it.
    pub(crate) server_name: Option<u16>,
    /// Of the address of the balancer in front; kept for the format that has it.
    pub(crate) balancer: Option<u16>,
    /// `None` if the line is no request line.
    pub(crate) version: Option<Version>,
    /// The protocol of the input, if it is another one.
    pub(crate) foreign: Option<Opening>,
    /// A part was longer than what is kept of it.
    pub(crate) truncated: bool,
}

impl Lengths {
    pub(crate) fn total(&self) -> usize {
        usize::from(self.line)
            + usize::from(self.referer.unwrap_or(0))
            + usize::from(self.agent.unwrap_or(0))
            + usize::from(self.forwarded.unwrap_or(0))
            + usize::from(self.trace.unwrap_or(0))
            + usize::from(self.server_name.unwrap_or(0))
            + usize::from(self.balancer.unwrap_or(0))
    }

    /// Copies the name that a client over TLS wants, and the address of the balancer in front, which
    /// has none on a unix socket. Called last.
    pub(crate) fn add_facts(&mut self, facts: &Facts, into: &mut Vec<u8>) {
        if let Some(name) = facts.tls.as_ref().and_then(|tls| tls.server_name.as_deref()) {
            self.server_name = Some(self.keep(name.as_bytes(), MAX_FIELD, into));
        }
        if let Some(proxied) = &facts.proxied {
            let text = proxied.balancer.map_or("unix".to_owned(), |peer| peer.to_string());
            self.balancer = Some(self.keep(text.as_bytes(), MAX_FIELD, into));
        }
    }

    /// Copies what the log keeps of a head.
    pub(crate) fn of_head(
        head: &Head,
        bytes: &[u8],
        (with_forwarded, with_trace): (bool, bool),
        into: &mut Vec<u8>,
    ) -> Self {
        // The version follows the target: a space and eight characters.
        let (start, end) = (head.method_token().start, head.target().end + 9);
        let line = bytes.get(start as usize..end as usize).unwrap_or_default();
        let mut lengths = Self { version: Some(head.version()), ..Self::default() };
        lengths.line = lengths.keep(line, MAX_LINE, into);
        // One look at each field, not one for each name.
        let mut found = [None; NAMES.len()];
        let mut repeated = [false; NAMES.len()];
        for field in head.fields() {
            let place = match field.name.len() {
                7 => 0,
                10 => 1,
                15 if with_forwarded => 2,
                11 if with_trace => 3,
                _ => continue,
            };
            if field.name.of(bytes).eq_ignore_ascii_case(NAMES[place]) {
                repeated[place] = found[place].is_some();
                found[place] = found[place].or(Some(field.value));
            }
        }
        let mut one = |place: usize, of_all: bool| {
            let value = found[place]?;
            if of_all && repeated[place] {
                return lengths.keep_all(head, bytes, NAMES[place], into);
            }
            Some(lengths.keep(value.of(bytes), MAX_FIELD, into))
        };
        let (referer, agent) = (one(0, false), one(1, false));
        let (forwarded, trace) = (one(2, true), one(3, true));
        Self { referer, agent, forwarded, trace, ..lengths }
    }

    /// Copies the first line of refused input. Often that line is a valid request line, and
    /// something behind it was not.
    pub(crate) fn of_input(input: &[u8], into: &mut Vec<u8>) -> Self {
        let input = input.trim_ascii_start();
        let end = input.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
        let line = &input[..end.unwrap_or(input.len())];
        let mut lengths = Self::default();
        lengths.line = lengths.keep(line, MAX_LINE, into);
        if !lengths.truncated {
            lengths.version = version_of(line);
        }
        lengths
    }

    /// Several fields of one name are one list (RFC 9110 §5.2).
    fn keep_all(
        &mut self,
        head: &Head,
        bytes: &[u8],
        name: &[u8],
        into: &mut Vec<u8>,
    ) -> Option<u16> {
        let mut length = None;
        for field in head.fields() {
            if field.name.len() != name.len() || !field.name.of(bytes).eq_ignore_ascii_case(name) {
                continue;
            }
            let separator: &[u8] = if length.is_some() { b", " } else { b"" };
            for part in [separator, field.value.of(bytes)] {
                let before = length.unwrap_or(0);
                let room = MAX_FIELD.saturating_sub(before.into());
                length = Some(before + self.keep(part, room, into));
            }
        }
        length
    }

    fn keep(&mut self, part: &[u8], most: usize, into: &mut Vec<u8>) -> u16 {
        let kept = &part[..part.len().min(most)];
        self.truncated |= kept.len() < part.len();
        into.extend_from_slice(kept);
        // Both limits are below 65,536.
        u16::try_from(kept.len()).unwrap_or(0)
    }
}

/// The version in a line that is a method, a target and a version.
fn version_of(line: &[u8]) -> Option<Version> {
    let mut words = line.splitn(3, |byte| *byte == b' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let is_word = |word: &[u8]| !word.is_empty() && word.iter().all(u8::is_ascii_graphic);
    match version {
        b"HTTP/1.1" if is_word(method) && is_word(target) => Some(Version::Http11),
        b"HTTP/1.0" if is_word(method) && is_word(target) => Some(Version::Http10),
        // The preface of HTTP/2 is no request.
        b"HTTP/2.0" if method != b"PRI" && is_word(method) && is_word(target) => {
            Some(Version::Http2)
        }
        _ => None,
    }
}

/// Requests that one loop hands over at once.
pub(crate) struct Batch {
    pub(crate) entries: Vec<Entry>,
    pub(crate) text: Vec<u8>,
    /// One moment on both clocks, to tell what time each entry's start was.
    pub(crate) moment: (Instant, SystemTime),
}

impl Batch {
    pub(crate) fn new() -> Self {
        Self {
            entries: Vec::new(),
            text: Vec::new(),
            moment: (Instant::now(), SystemTime::UNIX_EPOCH),
        }
    }

    /// Bytes of memory that it takes.
    pub(crate) fn size(&self) -> usize {
        self.entries.len() * size_of::<Entry>() + self.text.len()
    }

    /// The wall clock's time at `instant`.
    pub(crate) fn time_of(&self, instant: Instant) -> SystemTime {
        let (then, wall) = self.moment;
        wall.checked_sub(then.saturating_duration_since(instant)).unwrap_or(SystemTime::UNIX_EPOCH)
    }

    /// Empties it for further records. Keeps memory of a usual size.
    pub(crate) fn clear(&mut self) {
        const KEEP_ENTRIES: usize = 64;
        const KEEP_TEXT: usize = 16 * 1024;
        self.entries.clear();
        self.entries.shrink_to(KEEP_ENTRIES);
        self.text.clear();
        self.text.shrink_to(KEEP_TEXT);
    }
}
