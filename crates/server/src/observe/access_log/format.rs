//! Makes lines from records.
//!
//! Whatever a client sends, a record is one line of printable ASCII, and no part of it can look
//! like another. Control characters, quotes, backslashes and all bytes from 0x7f on are escaped.

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::{SystemTime, UNIX_EPOCH};

use reactor_proto::{Opening, Version, response::date};

use super::hex;
use super::record::{Entry, RequestId, SocketMessages};
use super::trace::TraceKey;

/// What a line looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// The Common Log Format of NCSA and Apache:
    /// `host - - [time] "request line" status bytes`.
    Common,
    /// The same with `"Referer" "User-Agent"` at the end.
    #[default]
    Combined,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    /// Whether a line has what proxies say of the client.
    pub(super) fn has_forwarded(self) -> bool {
        self == Self::Json
    }
}

/// Makes lines.
pub(crate) struct Formatter {
    format: LogFormat,
    /// Tells this server's request ids from those of others.
    start: u64,
    trace: Option<TraceKey>,
    /// The second that `clf` and `iso` are of.
    second: Option<u64>,
    /// `22/Nov/2026:23:59:44 +0000`
    clf: [u8; 26],
    /// `2026-11-22T23:59:44`
    iso: [u8; 19],
}

/// The parts of a record's text.
struct Parts<'a> {
    line: &'a [u8],
    referer: Option<&'a [u8]>,
    agent: Option<&'a [u8]>,
    forwarded: Option<&'a [u8]>,
    trace: Option<&'a [u8]>,
    server_name: Option<&'a [u8]>,
    balancer: Option<&'a [u8]>,
    /// Nothing of it must be escaped.
    are_plain: bool,
}

impl Formatter {
    pub(crate) fn new(format: LogFormat, start: u64, trace: Option<TraceKey>) -> Self {
        Self { format, start, trace, second: None, clf: [b' '; 26], iso: [b' '; 19] }
    }

    /// Adds the line of one record, whose text is `text`.
    pub(crate) fn record(
        &mut self,
        entry: &Entry,
        text: &[u8],
        time: SystemTime,
        out: &mut Vec<u8>,
    ) {
        let micros = self.set_time(time);
        let mut rest = text;
        let mut part = |length: u16| {
            let (part, behind) = rest.split_at(usize::from(length).min(rest.len()));
            rest = behind;
            part
        };
        let parts = Parts {
            line: part(entry.text.line),
            referer: entry.text.referer.map(&mut part),
            agent: entry.text.agent.map(&mut part),
            forwarded: entry.text.forwarded.map(&mut part),
            trace: entry.text.trace.map(&mut part),
            server_name: entry.text.server_name.map(&mut part),
            balancer: entry.text.balancer.map(&mut part),
            are_plain: is_plain(text),
        };
        match self.format {
            LogFormat::Common => self.common(entry, &parts, out),
            LogFormat::Combined => {
                self.common(entry, &parts, out);
                for field in [parts.referer, parts.agent] {
                    out.extend_from_slice(b" \"");
                    escape(field.unwrap_or(b"-"), HEX, out);
                    out.push(b'"');
                }
            }
            LogFormat::Json => self.json(entry, &parts, micros, out),
        }
        out.push(b'\n');
    }

    /// Adds a line that says how many records were lost.
    pub(crate) fn lost(&mut self, records: u64, time: SystemTime, out: &mut Vec<u8>) {
        let micros = self.set_time(time);
        if self.format == LogFormat::Json {
            self.json_time(micros, out);
            out.extend_from_slice(b",\"event\":\"lost\",\"records\":");
            number(records, out);
            out.extend_from_slice(b"}\n");
        } else {
            out.extend_from_slice(b"# [");
            out.extend_from_slice(&self.clf);
            out.extend_from_slice(b"] ");
            number(records, out);
            out.extend_from_slice(b" records lost\n");
        }
    }

    fn common(&self, entry: &Entry, parts: &Parts<'_>, out: &mut Vec<u8>) {
        match entry.peer {
            Some(peer) => address(peer, out),
            None => out.push(b'-'),
        }
        out.extend_from_slice(b" - - [");
        out.extend_from_slice(&self.clf);
        out.extend_from_slice(b"] \"");
        if let Some(name) = entry.text.foreign.and_then(protocol_name) {
            // No method begins with a parenthesis.
            let _ = write!(out, "({name}) ");
        }
        escape(if parts.line.is_empty() { b"-" } else { parts.line }, HEX, out);
        out.extend_from_slice(b"\" ");
        number(u64::from(entry.status), out);
        out.push(b' ');
        number(entry.bytes, out);
    }

    fn json(&self, entry: &Entry, parts: &Parts<'_>, micros: u32, out: &mut Vec<u8>) {
        let escapes = Escapes { none: parts.are_plain };
        let string = |name: &[u8], value, out: &mut Vec<u8>| escapes.string(name, value, out);
        self.json_time(micros, out);
        out.extend_from_slice(b",\"id\":\"");
        request_id(self.start, entry.id, out);
        match entry.peer {
            Some(peer) => {
                out.extend_from_slice(b"\",\"remote\":\"");
                address(peer, out);
                out.extend_from_slice(b"\",\"port\":");
                number(u64::from(peer.port()), out);
            }
            None => out.extend_from_slice(b"\",\"remote\":null,\"port\":null"),
        }
        if let Some(version) = entry.text.version {
            // Two spaces, unless the line is cut off: a target has none.
            let mut words = parts.line.splitn(3, |byte| *byte == b' ');
            string(b",\"method\":", words.next(), out);
            string(b",\"target\":", words.next(), out);
            out.extend_from_slice(match version {
                Version::Http10 => b",\"version\":\"HTTP/1.0\",\"status\":",
                Version::Http11 => b",\"version\":\"HTTP/1.1\",\"status\":",
                Version::Http2 => b",\"version\":\"HTTP/2.0\",\"status\":",
            });
        } else {
            out.extend_from_slice(b",\"method\":null,\"target\":null,\"version\":null");
            string(b",\"input\":", Some(parts.line), out);
            if let Some(name) = entry.text.foreign.and_then(protocol_name) {
                string(b",\"protocol\":", Some(name.as_bytes()), out);
            }
            out.extend_from_slice(b",\"status\":");
        }
        number(u64::from(entry.status), out);
        out.extend_from_slice(b",\"bytes\":");
        number(entry.bytes, out);
        out.extend_from_slice(b",\"duration_us\":");
        number(u64::try_from(entry.duration.as_micros()).unwrap_or(u64::MAX), out);
        string(b",\"referer\":", parts.referer, out);
        string(b",\"user_agent\":", parts.agent, out);
        string(b",\"forwarded_for\":", parts.forwarded, out);
        out.extend_from_slice(b",\"outcome\":\"");
        out.extend_from_slice(entry.outcome.name().as_bytes());
        out.push(b'"');
        if let Some(key) = &self.trace {
            let trace = key.trace(entry.id, parts.trace);
            out.extend_from_slice(b",\"trace_id\":\"");
            out.extend_from_slice(trace.trace_id());
            out.extend_from_slice(b"\",\"span_id\":\"");
            out.extend_from_slice(trace.span_id());
            match &trace.caller {
                Some(caller) => {
                    out.extend_from_slice(b"\",\"parent_id\":\"");
                    out.extend_from_slice(caller.parent);
                    out.extend_from_slice(b"\",\"trace_flags\":\"");
                }
                None => out.extend_from_slice(b"\",\"parent_id\":null,\"trace_flags\":\""),
            }
            let [high, low] = trace.flags();
            out.extend_from_slice(&[high, low, b'"']);
        }
        if let Some(tls) = entry.tls {
            let _ = write!(
                out,
                ",\"tls\":{{\"version\":\"{}\",\"cipher\":\"{}\",\"resumed\":{}",
                tls.version, tls.cipher, tls.resumed
            );
            string(b",\"server_name\":", parts.server_name, out);
            out.push(b'}');
        }
        if let Some(balancer) = parts.balancer {
            string(b",\"proxy\":", Some(balancer), out);
        }
        if let Some(messages) = entry.messages {
            let SocketMessages { received, sent } = messages;
            let _ = write!(out, ",\"messages\":{{\"received\":{received},\"sent\":{sent}}}");
        }
        if entry.text.truncated {
            out.extend_from_slice(b",\"truncated\":true");
        }
        out.push(b'}');
    }

    /// Begins an object with its time.
    fn json_time(&self, micros: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"time\":\"");
        out.extend_from_slice(&self.iso);
        let mut digits = *b".000000Z\"";
        let mut rest = micros;
        for digit in digits[1..7].iter_mut().rev() {
            // Below ten.
            *digit = b'0' + u8::try_from(rest % 10).unwrap_or_default();
            rest /= 10;
        }
        out.extend_from_slice(&digits);
    }

    /// Sets the texts to the second of `time`; returns its microseconds.
    fn set_time(&mut self, time: SystemTime) -> u32 {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        if self.second != Some(since.as_secs()) {
            self.second = Some(since.as_secs());
            // `Thu, 01 Jan 1970 00:00:00 GMT`
            let date = date(since.as_secs());
            let (day, name, year, clock) =
                (&date[5..7], &date[8..11], &date[12..16], &date[17..25]);
            self.clf = *b"00/Jan/1970:00:00:00 +0000";
            self.clf[..2].copy_from_slice(day);
            self.clf[3..6].copy_from_slice(name);
            self.clf[7..11].copy_from_slice(year);
            self.clf[12..20].copy_from_slice(clock);
            self.iso = *b"1970-01-00T00:00:00";
            self.iso[..4].copy_from_slice(year);
            self.iso[5..7].copy_from_slice(month(name));
            self.iso[8..10].copy_from_slice(day);
            self.iso[11..].copy_from_slice(clock);
        }
        since.subsec_micros()
    }
}

/// Writes a request's id: the server's start, the thread, the connection and the
/// request, in hexadecimal.
pub(crate) fn request_id(start: u64, id: RequestId, out: &mut Vec<u8>) {
    let [high, low] = [start >> 32, start & 0xffff_ffff];
    for half in [high, low] {
        out.extend_from_slice(&hex::digits(u32::try_from(half).unwrap_or_default()));
    }
    for number in [id.io_thread, id.connection, id.request] {
        out.push(b'-');
        hex::short(number, out);
    }
}

/// The name of another protocol, as people know it.
fn protocol_name(opening: Opening) -> Option<&'static str> {
    match opening {
        Opening::Http2 => Some("HTTP/2"),
        Opening::Tls => Some("TLS"),
        Opening::Proxy => Some("PROXY"),
        Opening::Http1 | Opening::Incomplete => None,
    }
}

fn month(name: &[u8]) -> &'static [u8; 2] {
    match name {
        b"Jan" => b"01",
        b"Feb" => b"02",
        b"Mar" => b"03",
        b"Apr" => b"04",
        b"May" => b"05",
        b"Jun" => b"06",
        b"Jul" => b"07",
        b"Aug" => b"08",
        b"Sep" => b"09",
        b"Oct" => b"10",
        b"Nov" => b"11",
        _ => b"12",
    }
}

fn number(n: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
}

/// Without the port.
fn address(peer: SocketAddr, out: &mut Vec<u8>) {
    match peer.ip() {
        // Most addresses are IPv4, and the formatter of `std` takes several times as long.
        IpAddr::V4(ip) => {
            for (place, octet) in ip.octets().into_iter().enumerate() {
                if place > 0 {
                    out.push(b'.');
                }
                number(u64::from(octet), out);
            }
        }
        IpAddr::V6(ip) => {
            let _ = write!(out, "{ip}");
        }
    }
}

/// Whether the text of a record has nothing to escape, which is looked at for all of it at once.
#[derive(Clone, Copy)]
struct Escapes {
    none: bool,
}

impl Escapes {
    /// A further member of an object. Its name comes with a comma, quotes and a colon.
    fn string(self, name: &[u8], value: Option<&[u8]>, out: &mut Vec<u8>) {
        out.extend_from_slice(name);
        match value {
            Some(value) => {
                out.push(b'"');
                if self.none {
                    out.extend_from_slice(value);
                } else {
                    escape(value, JSON, out);
                }
                out.push(b'"');
            }
            None => out.extend_from_slice(b"null"),
        }
    }
}

/// How an escaped byte is written, before its two hexadecimal digits.
type Prefix = &'static [u8];

/// As nginx does it: `\x22`.
const HEX: Prefix = b"\\x";
/// The character of that number (ISO 8859-1). Node reads field values so too: every byte can be had
/// back from the JSON.
const JSON: Prefix = b"\\u00";

fn escape(bytes: &[u8], prefix: Prefix, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    if is_plain(bytes) {
        out.extend_from_slice(bytes);
        return;
    }
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| must_escape(*byte)) {
        out.extend_from_slice(&rest[..at]);
        let byte = rest[at];
        out.extend_from_slice(prefix);
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

/// Nearly always there is nothing to escape. Without an early end in the loop, the compiler looks at many
/// bytes at once.
fn is_plain(bytes: &[u8]) -> bool {
    !bytes.iter().fold(false, |found, byte| found | must_escape(*byte))
}

fn must_escape(byte: u8) -> bool {
    !(0x20..0x7f).contains(&byte) || byte == b'"' || byte == b'\\'
}

#[cfg(test)]
mod tests;
