//! What a client makes of the server's frames. Any fault is a panic.

use reactor_proto::h2::client::Event;
use reactor_proto::h2::{ErrorCode, frame};

use super::attack::Attack;
use super::client::Client;
use super::stream::{Head, Stream};
use super::world::Facts;
use super::{Book, Kind, Said, Tally};
use crate::sim::request::{INLINE, pattern};

type Fields = Vec<(String, String)>;

impl Client {
    /// Reads what has come.
    pub(super) fn read(&mut self, tally: &mut Tally) {
        let wire = self.wire.clone();
        loop {
            let (event, fields, bytes) = {
                let wire = wire.borrow();
                let input = &wire.output[self.seen..wire.taken];
                let mut fields = Fields::new();
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("it is text");
                let decoded = self.decoder.decode(input, &mut |name, value| {
                    fields.push((text(name), text(value)));
                });
                let (used, event) = decoded.unwrap_or_else(|e| panic!("{e} ({})", e.code.name()));
                self.seen += used;
                let bytes = match event {
                    Event::Data { start, end, .. } => input[start..end].to_vec(),
                    _ => Vec::new(),
                };
                (event, fields, bytes)
            };
            if event == Event::Incomplete {
                return;
            }
            self.hear(event, fields, &bytes, tally);
        }
    }

    /// Whether frames for a stream that it does not know may come: those of its attack.
    fn is_strange(&self, id: u32) -> bool {
        self.attack.is_some() && !self.streams.contains_key(&id)
    }

    /// A stream on which something comes, unless it was given up.
    fn stream(&mut self, id: u32) -> Option<&mut Stream> {
        if self.is_strange(id) {
            return None;
        }
        let stream = self.streams.get_mut(&id);
        let stream = stream.unwrap_or_else(|| panic!("something for stream {id}, which is none"));
        (!stream.cancelled).then_some(stream)
    }

    fn hear(&mut self, event: Event, fields: Fields, bytes: &[u8], tally: &mut Tally) {
        match event {
            Event::Incomplete => {}
            Event::Interim { stream, status } => {
                let Some(stream) = self.stream(stream) else { return };
                assert!(matches!(status, 100 | 103), "an interim answer is {status}");
                assert!(stream.head.is_none() && stream.waits(), "an interim answer too late");
                stream.informed += u32::from(status == 103);
                tally.informed += 1;
            }
            Event::Response { stream, status, end_stream } => {
                let Some(stream) = self.stream(stream) else { return };
                assert!(stream.head.is_none() && stream.waits(), "a second head");
                stream.head = Some(Head { status, fields });
                stream.ended = end_stream;
            }
            Event::Trailers { stream } => {
                let Some(stream) = self.stream(stream) else { return };
                assert!(stream.head.is_some() && stream.waits(), "trailers of nothing");
                stream.trailers = Some(fields);
                stream.ended = true;
                tally.trailers += 1;
            }
            Event::Data { stream: id, flow, end_stream, .. } => {
                self.receive -= i64::from(flow);
                self.owed += i64::from(flow);
                // The first half of that attack is allowed if the window was used up.
                let grows = matches!(self.attack, Some((Attack::ConnectionOverflow, ..)));
                assert!(self.receive >= 0 || grows, "the connection's window is overrun");
                assert!(flow <= self.max_frame, "{flow} bytes in a frame of {}", self.max_frame);
                // It can still come from before a reset of this side.
                let is_strange = self.is_strange(id);
                let stream = self.streams.get_mut(&id);
                let Some(stream) = stream else {
                    assert!(is_strange, "data for stream {id}, which is none");
                    return;
                };
                stream.receive -= i64::from(flow);
                let known = stream.receive >= 0 || flow == 0;
                assert!(known, "stream {id}: its window is overrun by {}", -stream.receive);
                stream.owed += i64::from(flow);
                if stream.cancelled {
                    return;
                }
                assert!(stream.head.is_some() && stream.waits(), "data of nothing");
                stream.body.extend_from_slice(bytes);
                stream.ended = end_stream;
            }
            Event::Reset { stream: id, code } => {
                tally.resets += 1;
                let Some(stream) = self.stream(id) else { return };
                assert!(
                    stream.reset.is_none(),
                    "stream {id} is reset twice: {:?} {code:?} {:?} {} {:?}",
                    stream.reset,
                    stream.wanted,
                    stream.sent,
                    stream.head
                );
                let is_right = stream.waits() || code == ErrorCode::NO_ERROR && !stream.is_sent;
                // The end of the body may have crossed with it.
                let crossed = code == ErrorCode::NO_ERROR && stream.wanted.body.is_some();
                assert!(is_right || crossed, "stream {id} has ended and is reset: {}", code.name());
                stream.reset = Some(code);
            }
            Event::Settings(settings) => {
                if let Some(most) = settings.max_concurrent_streams {
                    self.most_streams = most as usize;
                }
                assert_eq!(settings.enable_push, None, "a server sets no ENABLE_PUSH");
                if let Some(window) = settings.initial_window_size {
                    let delta = i64::from(window) - self.initial_send;
                    self.initial_send += delta;
                    self.streams.values_mut().for_each(|stream| stream.send += delta);
                }
                self.answer(frame::settings_ack);
            }
            Event::SettingsAck => {
                let change = self.changes.pop_front();
                if change.is_none() && self.attack.is_some() {
                    return;
                }
                let change = change.expect("an acknowledgment of nothing");
                if let Some(max) = change.max_frame {
                    self.max_frame = max;
                }
                if let Some(window) = change.window {
                    let delta = i64::from(window) - self.initial_receive;
                    self.initial_receive += delta;
                    self.streams.values_mut().for_each(|stream| stream.receive += delta);
                }
            }
            Event::Ping(payload) => self.answer(|out| frame::ping_ack(out, payload)),
            Event::PingAck(payload) => {
                let expected = self.pings.pop_front();
                let is_right = expected == Some(payload) || self.attack.is_some();
                assert!(is_right, "a ping's answer is not its own");
            }
            Event::GoAway { last, code } => {
                if let Some((before, _)) = self.goaway {
                    assert!(last <= before, "the last stream has become later");
                }
                self.goaway = Some((last, code));
                self.goaways += 1;
                tally.goaways += 1;
            }
            Event::WindowUpdate { stream: 0, increment } => {
                self.send += i64::from(increment);
                assert!(self.send <= i64::from(i32::MAX), "its window is too large");
            }
            Event::WindowUpdate { stream, increment } => {
                let Some(stream) = self.stream(stream) else { return };
                stream.send += i64::from(increment);
                assert!(stream.send <= i64::from(i32::MAX), "its window is too large");
            }
            Event::Other => panic!("the server sends what has no effect"),
        }
    }

    /// What the server waits for.
    fn answer(&self, write: impl FnOnce(&mut Vec<u8>)) {
        // Behind an attack it says nothing: that could end it.
        let mut wire = self.wire.borrow_mut();
        if self.attack.is_none() && !wire.eof && !wire.reset {
            write(&mut wire.input);
        }
    }

    /// The connection is over, and all is read.
    pub(super) fn check(&self, book: &Book, facts: &Facts, tally: &mut Tally) {
        let wire = self.wire.borrow();
        let open = || {
            let waiting = self.streams.iter().filter(|(_, stream)| stream.waits());
            waiting.map(|(id, stream)| {
                let Stream { wanted, sent, is_sent, send, receive, head, body, .. } = stream;
                (
                    id,
                    wanted,
                    sent,
                    is_sent,
                    send,
                    receive,
                    head,
                    body.len(),
                    book.said.get(&stream.number),
                )
            })
        };
        assert!(
            wire.closed.is_some(),
            "it is still open: window {}, {} of {} bytes read, eof {}, {:?} wait, attack {:?}, {:?}",
            self.receive,
            wire.read,
            wire.input.len(),
            wire.eof,
            open().collect::<Vec<_>>(),
            self.attack,
            self.goaway,
        );
        if wire.reset || wire.gone {
            return;
        }
        assert!(!wire.broken, "the server breaks it off");
        assert_eq!((self.seen, wire.taken), (wire.output.len(), wire.output.len()), "half a frame");
        let (last, code) = self.goaway.expect("the server ends it without a word");
        match &self.attack {
            None => assert_eq!(code.name(), "NO_ERROR", "a fair client is sent away"),
            Some((attack, Some(expected), end)) => {
                // What comes behind the server's last word is not looked at.
                let is_heard = wire.used() >= *end;
                let is_punished = code == *expected;
                let excused = !is_heard || facts.drained || facts.is_slow;
                assert!(is_punished || excused, "{attack:?} leads to {}", code.name());
                tally.punished += u64::from(is_punished);
            }
            Some((_, None, _)) => {}
        }
        for (id, stream) in &self.streams {
            if stream.ended {
                self.check_answer(*id, stream, book, facts, tally);
                continue;
            }
            if stream.cancelled || self.attack.is_some() {
                continue;
            }
            let Some(reset) = stream.reset else {
                assert!(*id > last, "stream {id} (request {}) got nothing", stream.number);
                continue;
            };
            let said = book.said.get(&stream.number);
            match reset {
                ErrorCode::INTERNAL_ERROR => {
                    let broken = said.is_some_and(|said| said.broken) || facts.replaced;
                    assert!(broken, "stream {id} (request {}) is broken off", stream.number);
                }
                ErrorCode::REFUSED_STREAM => {
                    let full = self.has_cancelled || facts.are_places_few();
                    assert!(full, "stream {id} is refused");
                    tally.refused += 1;
                }
                // A handler that was late, after its answer had begun.
                ErrorCode::CANCEL => assert!(facts.is_slow, "stream {id} is cancelled"),
                code => panic!("stream {id} (request {}): {}", stream.number, code.name()),
            }
        }
    }

    fn check_answer(
        &self,
        id: u32,
        stream: &Stream,
        book: &Book,
        facts: &Facts,
        tally: &mut Tally,
    ) {
        let head = stream.head.as_ref().expect("it has ended");
        let number = stream.number;
        let wanted = stream.wanted;
        let shown = format!("stream {id}, request {number}, {wanted:?}, got {}", head.status);
        assert!(head.get("date").is_some(), "{shown}: no date");
        if let Some(length) = head.get("content-length")
            && !wanted.head_only
            && head.status != 304
        {
            assert_eq!(length, stream.body.len().to_string(), "{shown}: another length");
        }
        tally.answers += 1;
        tally.bytes += stream.body.len() as u64;
        let may_fail = match head.status {
            500 => facts.fails,
            503 => facts.may_refuse(),
            408 => facts.is_slow,
            _ => false,
        };
        if may_fail && head.get("x-id").is_none() {
            return;
        }
        let said;
        let expected = match wanted.kind {
            Kind::Lane => {
                said = book.said.get(&number).unwrap_or_else(|| panic!("{shown}: never answered"));
                // The answer to HEAD ends with its head.
                assert!(said.ended || wanted.head_only, "{shown}: {said:?}");
                assert_eq!(stream.informed, said.informed, "{shown}: interim answers");
                said.clone()
            }
            Kind::Echo => Said { status: 200, bytes: wanted.body.unwrap_or(0), ..Said::default() },
            Kind::Sized(bytes) => Said { status: 200, bytes, ..Said::default() },
            Kind::Inline => {
                assert_eq!(head.status, 200, "{shown}");
                let expected = if wanted.head_only { b"" } else { pattern(1, INLINE[1]) };
                assert_eq!(stream.body, expected, "{shown}");
                return;
            }
            Kind::Nowhere => return assert_eq!(head.status, 404, "{shown}"),
        };
        assert_eq!(head.status, expected.status, "{shown}");
        assert_eq!(head.get("x-id"), Some(&*number.to_string()), "{shown}: another's answer");
        let bytes = if wanted.head_only { 0 } else { expected.bytes };
        assert!(stream.body == pattern(number, bytes), "{shown}: another body, {expected:?}");
        let trailers = expected.trailers.then(|| vec![("x-end".to_owned(), number.to_string())]);
        if !wanted.head_only {
            assert_eq!(stream.trailers, trailers, "{shown}: trailers");
        }
    }
}
