//! One connection: sends a case in pieces and reads the answers.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::ops::Range;
use std::thread;
use std::time::{Duration, SystemTime};

use reactor_conformance::{
    AFTER, After, CANARY, Case, Decided, Response, ResponseParser, Segments,
};

use crate::apps::Records;
use crate::judge;

/// How long a server may take to answer. It is far below the server's own timeouts, so an
/// answer that only such a timeout brings is a failure.
const TIMEOUT: Duration = Duration::from_secs(8);

/// The pause between two pieces, so that the server mostly reads them one by one.
const PAUSE: Duration = Duration::from_millis(1);

/// Longer streams are sent byte by byte only at both ends.
const LONG: usize = 1500;

/// What comes after the bytes of the case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tail {
    /// Nothing.
    Nothing,
    /// The canary, or the request that must be answered, as the case asks.
    Behind,
}

impl Tail {
    /// Whether the case can be judged with this tail.
    pub(crate) fn suits(self, case: &Case) -> bool {
        match self {
            Self::Behind => true,
            Self::Nothing => !case.eof && !case.lazy,
        }
    }

    pub(crate) fn bytes(self, case: &Case) -> &'static [u8] {
        match (self, case.after()) {
            (Self::Nothing, _) => b"",
            _ if case.eof => b"",
            (Self::Behind, After::Close) => CANARY,
            (Self::Behind, After::Keep | After::Either) => AFTER,
        }
    }
}

/// Sends the case to the server at `address`. Judges the answers and what that server's
/// handlers recorded.
pub(crate) fn converse(
    case: &Case,
    segments: Segments,
    tail: Tail,
    address: SocketAddr,
    records: &Records,
) -> Result<(), String> {
    let mut connection = Connection::open(address)?;
    let verdict = connection.talk(case, segments, tail);
    // Always taken, because another connection may soon have the same port.
    let seen = records.take(connection.local);
    let talk = verdict.map_err(|what| format!("{what}; {}", connection.so_far()))?;
    judge::handlers(case, &talk, seen)
}

/// The outcome of a connection.
pub(crate) struct Talk {
    /// For each expected answer whether it came.
    pub(crate) came: Vec<bool>,
    /// Whether the request behind the case was answered.
    pub(crate) after_served: bool,
}

struct Connection {
    stream: TcpStream,
    local: SocketAddr,
    parser: ResponseParser,
    responses: Vec<Response>,
    opened: SystemTime,
    /// The server has sent its last byte.
    ended: bool,
    /// The peer did not take everything that was sent.
    refused: Option<ErrorKind>,
}

impl Connection {
    fn open(address: SocketAddr) -> Result<Self, String> {
        let connect = || {
            let stream = TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(TIMEOUT))?;
            stream.set_write_timeout(Some(TIMEOUT))?;
            Ok((stream.local_addr()?, stream))
        };
        let (local, stream) =
            connect().map_err(|error: std::io::Error| format!("cannot connect: {error}"))?;
        Ok(Self {
            stream,
            local,
            parser: ResponseParser::default(),
            responses: Vec::new(),
            opened: SystemTime::now(),
            ended: false,
            refused: None,
        })
    }

    fn so_far(&self) -> String {
        let statuses: Vec<u16> = self.responses.iter().map(|response| response.status).collect();
        let unread = &self.parser.unread()[..self.parser.unread().len().min(200)];
        let refused = self.refused.map(|kind| format!(", sending failed: {kind}"));
        format!(
            "so far {statuses:?}, unread \"{}\"{}{}",
            unread.escape_ascii(),
            if self.ended { ", ended" } else { "" },
            refused.unwrap_or_default()
        )
    }

    fn talk(&mut self, case: &Case, segments: Segments, tail: Tail) -> Result<Talk, String> {
        let stream = [&case.bytes, tail.bytes(case)].concat();
        let mut answers = Answers { case, next: 0, came: vec![false; case.answers.len()] };
        let mut waits = case.waits.iter().enumerate();
        let mut wait = waits.next();
        for mut piece in pieces(&stream, segments) {
            while let Some((index, at)) = wait
                && piece.contains(at)
            {
                self.send(&stream[piece.start..*at]);
                piece.start = *at;
                answers.read_until(self, index + 1)?;
                wait = waits.next();
            }
            self.send(&stream[piece.clone()]);
            if piece.end < stream.len() {
                match segments {
                    Segments::Whole => {}
                    Segments::Split(_) => thread::sleep(PAUSE),
                    Segments::Bytes | Segments::Seeded(_) if stream.len() > LONG => {
                        thread::yield_now();
                    }
                    Segments::Bytes | Segments::Seeded(_) => thread::sleep(PAUSE / 4),
                }
            }
        }
        if case.eof {
            self.half_close();
        }
        answers.read_until(self, case.answers.len())?;
        self.finish(case, tail, answers)
    }

    /// All answers have come. Checks that the connection goes on or ends as it must.
    fn finish(&mut self, case: &Case, tail: Tail, answers: Answers<'_>) -> Result<Talk, String> {
        let came = answers.came;
        let closes = self.responses.last().is_some_and(Response::closes);
        let mut after_served = false;
        match case.after() {
            After::Close if !closes && came.last() == Some(&true) => {
                return Err("the answer does not say Connection: close".into());
            }
            After::Keep if closes => return Err("the answer says Connection: close".into()),
            _ => {}
        }
        if !(closes || case.eof || case.after() == After::Close) {
            if tail == Tail::Behind {
                let after = self.next(false)?;
                let after = after.ok_or("the next request is not answered")?;
                judge::common(&after, self.opened)?;
                if after.status != 200 || after.body != b"GET /after\n" {
                    return Err(format!("the next request gets {after:?}"));
                }
                if after.closes() {
                    return Err("the next answer says Connection: close".into());
                }
                after_served = true;
            }
            self.half_close();
        }
        // A client that asked for the close and still sends may be reset. A client whose
        // request was refused must not: it would lose the answer (RFC 9112 §9.6).
        let accepted = self.responses.last().is_some_and(|response| response.status < 400)
            || case.answers.last().is_some_and(|answer| answer.decided == Decided::Above);
        self.end(accepted && case.after() == After::Close)?;
        Ok(Talk { came, after_served })
    }

    /// Writes all bytes. A failure shows when the answers are read.
    fn send(&mut self, bytes: &[u8]) {
        if self.refused.is_none()
            && let Err(error) = self.stream.write_all(bytes)
        {
            self.refused = Some(error.kind());
        }
    }

    fn half_close(&mut self) {
        if let Err(error) = self.stream.shutdown(Shutdown::Write) {
            self.refused = Some(error.kind());
        }
    }

    /// The next response; `None` at the end of the stream.
    fn next(&mut self, to_head: bool) -> Result<Option<Response>, String> {
        loop {
            if let Some(response) = self.parser.next(to_head).map_err(|error| error.to_string())? {
                self.responses.push(response.clone());
                return Ok(Some(response));
            }
            if self.ended {
                return match self.parser.unread() {
                    b"" => Ok(None),
                    _ => Err("the stream ends inside a response".into()),
                };
            }
            self.receive()?;
        }
    }

    fn receive(&mut self) -> Result<(), String> {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => {
                self.ended = true;
                self.parser.end();
            }
            Ok(len) => self.parser.feed(&buffer[..len]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Err(format!("nothing comes for {} s", TIMEOUT.as_secs()));
            }
            Err(error) => return Err(format!("reading fails: {error}")),
        }
        Ok(())
    }

    /// The server must end the stream now, without another byte.
    fn end(&mut self, reset_is_fine: bool) -> Result<(), String> {
        while !self.ended {
            match self.receive() {
                Ok(()) => {}
                Err(what) if reset_is_fine && what.contains("reset") => break,
                Err(what) => return Err(format!("{what} where the stream should end")),
            }
        }
        match self.parser.unread() {
            b"" => Ok(()),
            more => Err(format!("{} bytes after the last answer", more.len())),
        }
    }
}

/// The expected answers of a case, as they come in.
struct Answers<'c> {
    case: &'c Case,
    next: usize,
    came: Vec<bool>,
}

impl Answers<'_> {
    /// Reads until the first `count` answers have come, except for optional ones left out.
    fn read_until(&mut self, connection: &mut Connection, count: usize) -> Result<(), String> {
        while self.next < count {
            let to_head = self.case.answers[self.next].to_head;
            let response = connection.next(to_head)?;
            let Some(response) = response else {
                if let Some(due) = self.case.answers[self.next..].iter().find(|due| !due.optional) {
                    return Err(format!("the stream ends where {:?} is due", due.statuses));
                }
                self.next = self.case.answers.len();
                return Ok(());
            };
            judge::common(&response, connection.opened)?;
            while !self.case.answers[self.next].statuses.contains(&response.status) {
                let due = &self.case.answers[self.next];
                self.next += 1;
                if !due.optional || self.next == self.case.answers.len() {
                    return Err(format!("{response:?}, not {:?}", due.statuses));
                }
            }
            judge::answer(self.case, self.next, &response, &connection.responses)?;
            self.came[self.next] = true;
            self.next += 1;
            if response.closes() && self.case.answers[self.next..].iter().all(|due| due.optional) {
                self.next = self.case.answers.len();
            }
        }
        Ok(())
    }
}

/// The pieces to send. Long streams go in small pieces only at both ends.
fn pieces(stream: &[u8], segments: Segments) -> Vec<Range<usize>> {
    let len = stream.len();
    let piecemeal = matches!(segments, Segments::Bytes | Segments::Seeded(_));
    if !piecemeal || len <= LONG {
        return segments.pieces(len);
    }
    let (first, last) = (LONG / 2, len - LONG / 2);
    let mut pieces = segments.pieces(first);
    let mut start = first;
    while start < last {
        // Small enough to meet every limit in the middle of a piece.
        let step = if start < 40_000 { 97 } else { 4001 };
        pieces.push(start..(start + step).min(last));
        start = (start + step).min(last);
    }
    pieces.extend((last..len).map(|at| at..at + 1));
    pieces
}
