//! A client: what it sends, and how it takes what comes.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use reactor_proto::h2::client::Decoder;
use reactor_proto::h2::hpack::{HpackEncoder, Indexing};
use reactor_proto::h2::{ErrorCode, Setting, Window, frame};

use super::attack::Attack;
use super::stream::Stream;
use super::{Book, Kind, Tally, Wanted};
use crate::sim::rng::Rng;
use crate::sim::wire::Wire;

/// The most that a window may be.
const LARGEST: i64 = i32::MAX as i64;

pub(super) struct Client {
    pub(super) wire: Rc<RefCell<Wire>>,
    pub(super) token: u64,
    pub(super) rng: Rng,
    pub(super) decoder: Decoder,
    pub(super) encoder: HpackEncoder,
    /// How much of the server's bytes has been decoded.
    pub(super) seen: usize,
    /// Requests that it will make.
    pub(super) plans: VecDeque<(u32, Wanted)>,
    pub(super) streams: BTreeMap<u32, Stream>,
    /// Its next stream.
    pub(super) next: u32,
    /// How many it has open at once.
    parallel: usize,
    /// What the server lets it do.
    pub(super) send: i64,
    pub(super) initial_send: i64,
    pub(super) most_streams: usize,
    /// What it lets the server do, as far as the server has acknowledged.
    pub(super) receive: i64,
    pub(super) initial_receive: i64,
    pub(super) max_frame: u32,
    pub(super) changes: VecDeque<Change>,
    /// What was received and not given back.
    pub(super) owed: i64,
    /// Pings that are not answered.
    pub(super) pings: VecDeque<[u8; 8]>,
    pub(super) goaway: Option<(u32, ErrorCode)>,
    pub(super) goaways: u32,
    attacks: bool,
    /// Which attack, the code that it must end with, and where its last byte is in the input.
    pub(super) attack: Option<(Attack, Option<ErrorCode>, usize)>,
    cancels: u32,
    /// It ends its stream of bytes when it has all answers.
    pub(super) ends: bool,
    /// It gives up midway.
    pub(super) breaks: bool,
    pub(super) has_left: bool,
    pub(super) has_cancelled: bool,
    /// Bytes of DATA frames with a few bytes or none, which are bounded.
    small: u32,
}

/// A change of the settings that the server has not acknowledged.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Change {
    pub(super) window: Option<u32>,
    pub(super) max_frame: Option<u32>,
}

impl Client {
    pub(super) fn new(
        wire: Rc<RefCell<Wire>>,
        mut rng: Rng,
        plans: VecDeque<(u32, Wanted)>,
        attacks: bool,
    ) -> Self {
        let window = *rng.pick(&[None, None, Some(0), Some(1), Some(300), Some(1 << 20)]);
        let max_frame = *rng.pick(&[None, None, Some(16_384), Some(20_000), Some(1 << 20)]);
        let table = *rng.pick(&[None, None, Some(0), Some(100), Some(65_535)]);
        let mut settings = vec![(Setting::ENABLE_PUSH, 0)];
        let mut add = |setting, value: Option<u32>| {
            settings.extend(value.map(|value| (setting, value)));
        };
        add(Setting::INITIAL_WINDOW_SIZE, window);
        add(Setting::MAX_FRAME_SIZE, max_frame);
        add(Setting::HEADER_TABLE_SIZE, table);
        let mut out = frame::PREFACE.to_vec();
        frame::settings(&mut out, &settings);
        wire.borrow_mut().input = out;
        Self {
            wire,
            token: 0,
            // Frames of later settings are larger than those of the first.
            decoder: Decoder::with_settings(table.unwrap_or(4096), 1 << 20),
            encoder: HpackEncoder::new(),
            seen: 0,
            plans,
            streams: BTreeMap::new(),
            next: 2 * rng.below(3) as u32 + 1,
            parallel: rng.between(1, 20),
            send: i64::from(Window::DEFAULT),
            initial_send: i64::from(Window::DEFAULT),
            most_streams: 100,
            receive: i64::from(Window::DEFAULT),
            initial_receive: i64::from(Window::DEFAULT),
            max_frame: 16_384,
            changes: VecDeque::from([Change { window, max_frame }]),
            owed: 0,
            pings: VecDeque::new(),
            goaway: None,
            goaways: 0,
            attacks,
            attack: None,
            cancels: *rng.pick(&[0, 0, 3]),
            ends: rng.percent(70),
            breaks: rng.percent(5),
            has_left: false,
            has_cancelled: false,
            small: 0,
            rng,
        }
    }

    /// Whether it still does anything.
    fn is_active(&self) -> bool {
        let wire = self.wire.borrow();
        !self.has_left && !wire.eof && !wire.reset && wire.closed.is_none()
    }

    /// Appends to what it sends.
    fn say(&self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.wire.borrow_mut().input);
    }

    /// It does something. With `all` it does whatever is due.
    pub(super) fn act(&mut self, book: &mut Book, tally: &mut Tally, all: bool) {
        if !self.is_active() || self.attack.is_some() {
            return;
        }
        if self.breaks && !all && self.rng.percent(2) {
            self.has_left = true;
            let mut wire = self.wire.borrow_mut();
            if self.rng.percent(50) {
                wire.send_reset();
            } else {
                wire.send_close();
            }
            return;
        }
        if self.attacks && (all || self.rng.percent(4)) {
            self.begin_attack(book, tally);
            return;
        }
        while self.may_open() && (all || self.rng.percent(60)) {
            self.open(book);
        }
        let ids: Vec<u32> = self.streams.keys().copied().collect();
        for id in ids {
            if all || self.rng.percent(50) {
                self.upload(id, all, tally);
                self.give_back(id, all);
            }
            if self.rng.percent(self.cancels) && !all {
                self.cancel(id, tally);
            }
        }
        self.give_back_connection(all);
        if !all {
            self.fiddle(tally);
        }
        let is_done = (self.plans.is_empty() || self.goaway.is_some())
            && self.streams.values().all(|stream| !stream.waits() && stream.is_over());
        if is_done && (all || self.ends && self.rng.percent(20)) {
            self.has_left = true;
            if self.rng.percent(60) {
                self.say(|out| frame::goaway(out, 0, ErrorCode::NO_ERROR, b"bye"));
            }
        }
    }

    /// Whether its stream of bytes ends behind what it has said.
    pub(super) fn says_end(&self) -> bool {
        self.has_left || self.attack.is_some()
    }

    fn may_open(&self) -> bool {
        let open = self.streams.values().filter(|stream| !stream.is_over()).count();
        !self.plans.is_empty()
            && self.goaway.is_none()
            && open < self.parallel.min(self.most_streams)
    }

    /// Sends the head of the next request.
    fn open(&mut self, book: &mut Book) {
        let Some((number, wanted)) = self.plans.pop_front() else { return };
        book.wanted.insert(number, wanted);
        let id = self.next;
        self.next += if self.rng.percent(5) { 6 } else { 2 };
        let block = self.block(number, wanted);
        let max = if self.rng.percent(10) { block.len().div_ceil(4) } else { 16_384 };
        let end_stream = wanted.body.is_none();
        self.say(|out| frame::headers(out, id, &block, end_stream, max));
        self.decoder.opened(id);
        let stream = Stream::new(number, wanted, self.initial_send, self.initial_receive);
        self.streams.insert(id, stream);
    }

    fn block(&mut self, number: u32, wanted: Wanted) -> Vec<u8> {
        let mut block = Vec::new();
        self.encoder.begin(&mut block);
        let method = match wanted.body {
            _ if wanted.head_only => "HEAD",
            Some(_) => "POST",
            None => "GET",
        };
        let path = match wanted.kind {
            Kind::Echo => "/echo".to_owned(),
            Kind::Sized(bytes) => format!("/size/{bytes}"),
            Kind::Lane => "/lane".to_owned(),
            Kind::Inline => "/inline".to_owned(),
            Kind::Nowhere => "/nowhere".to_owned(),
        };
        let number = number.to_string();
        let length = wanted.body.filter(|_| self.rng.percent(50)).map(|bytes| bytes.to_string());
        let priority = format!("u={}, i", self.rng.below(8));
        let mut fields = vec![
            (":method", method),
            (":scheme", "http"),
            (":path", &path),
            (":authority", "sim"),
            ("x-id", &number),
        ];
        if let Some(length) = &length {
            fields.push(("content-length", length));
        }
        if self.rng.percent(30) {
            fields.push(("priority", &priority));
        }
        if self.rng.percent(30) {
            fields.push(("x-same", "every time the same"));
        }
        for (name, value) in fields {
            let hint = *self.rng.pick(&[Indexing::Index, Indexing::Plain, Indexing::Never]);
            self.encoder.field(&mut block, name.as_bytes(), value.as_bytes(), hint);
        }
        block
    }

    /// Sends some of a body, within the windows.
    fn upload(&mut self, id: u32, all: bool, tally: &mut Tally) {
        loop {
            let Some(stream) = self.streams.get_mut(&id) else { return };
            if stream.is_over() || stream.is_sent {
                return;
            }
            let left = stream.upload().len() - stream.sent;
            let room = stream.send.min(self.send).clamp(0, 16_384) as usize;
            if left > 0 && room == 0 {
                tally.windows += 1;
                return;
            }
            let padding = if self.rng.percent(10) && room > 300 { self.rng.below(256) } else { 0 };
            let most = left.min(if padding > 0 { room - padding - 1 } else { room });
            let few = self.rng.percent(5) && self.small < 50;
            self.small += u32::from(few);
            let n = match () {
                () if few => self.rng.below(3).min(most),
                () if all => most,
                () => self.rng.size(most).max(6).min(most),
            };
            let is_last = n == left;
            let end_stream = is_last && !stream.wanted.trailers && !self.rng.percent(10);
            let bytes = &stream.upload()[stream.sent..stream.sent + n];
            stream.sent += n;
            let is_padded = padding > 0;
            let flow = n + if is_padded { padding + 1 } else { 0 };
            stream.send -= flow as i64;
            self.send -= flow as i64;
            let flags = if is_padded { frame::flag::PADDED } else { 0 } | u8::from(end_stream);
            stream.is_sent = end_stream;
            let trailers = stream.wanted.trailers;
            let number = stream.number;
            let mut out = self.wire.borrow_mut();
            let out = &mut out.input;
            if n > 0 || !is_last || end_stream || self.rng.percent(50) {
                frame::header(out, flow, frame::kind::DATA, flags, id);
                if is_padded {
                    out.push(padding as u8);
                }
                out.extend_from_slice(bytes);
                out.extend(std::iter::repeat_n(0, padding));
            }
            if is_last && !end_stream {
                let mut block = Vec::new();
                if trailers {
                    self.encoder.begin(&mut block);
                    let value = number.to_string();
                    let hint = *self.rng.pick(&[Indexing::Index, Indexing::Plain]);
                    self.encoder.field(&mut block, b"x-trailer", value.as_bytes(), hint);
                    frame::headers(out, id, &block, true, 16_384);
                } else {
                    frame::data_head(out, id, 0, true);
                }
                stream.is_sent = true;
            }
            if stream.is_sent {
                tally.uploads += 1;
                return;
            }
            if !all {
                return;
            }
        }
    }

    /// Lets the server send more on a stream.
    fn give_back(&mut self, id: u32, all: bool) {
        let Some(stream) = self.streams.get_mut(&id).filter(|stream| stream.waits()) else {
            return;
        };
        let mut more = if all { stream.owed } else { self.rng.size(stream.owed as usize) as i64 };
        stream.owed -= more;
        // Windows that were too small for anything grow in time.
        let pending = self.changes.iter().filter_map(|change| change.window).max();
        let most = stream.receive.max(pending.map_or(0, i64::from));
        if most < 10_000 && (all || self.rng.percent(20)) {
            more += if all { 100_000 } else { self.rng.size(70_000) as i64 };
        }
        if more <= 0 || most + more > LARGEST {
            return;
        }
        stream.receive += more;
        let increment = u32::try_from(more).unwrap_or(1);
        self.say(|out| frame::window_update(out, id, increment));
    }

    fn give_back_connection(&mut self, all: bool) {
        let owed = self.owed;
        let mut more = if all { owed } else { self.rng.size(owed.max(0) as usize) as i64 };
        self.owed -= more;
        if self.rng.percent(1) {
            more += self.rng.size(1 << 20) as i64;
        }
        if more > 0 && self.receive + more <= LARGEST {
            self.receive += more;
            let increment = u32::try_from(more).unwrap_or(1);
            self.say(|out| frame::window_update(out, 0, increment));
        }
    }

    fn cancel(&mut self, id: u32, tally: &mut Tally) {
        let Some(stream) = self.streams.get_mut(&id).filter(|stream| stream.waits()) else {
            return;
        };
        stream.cancelled = true;
        self.has_cancelled = true;
        tally.cancelled += 1;
        self.say(|out| frame::rst_stream(out, id, ErrorCode::CANCEL));
    }

    /// Frames that change little.
    fn fiddle(&mut self, tally: &mut Tally) {
        if self.rng.percent(4) {
            let window = self.rng.percent(70).then(|| self.rng.size(200_000) as u32);
            let max_frame = self.rng.percent(40).then(|| 16_384 + self.rng.size(100_000) as u32);
            let mut settings = Vec::new();
            settings.extend(window.map(|window| (Setting::INITIAL_WINDOW_SIZE, window)));
            settings.extend(max_frame.map(|max| (Setting::MAX_FRAME_SIZE, max)));
            self.changes.push_back(Change { window, max_frame });
            self.say(|out| frame::settings(out, &settings));
            tally.settings += 1;
        }
        if self.rng.percent(3) {
            let payload = self.rng.next().to_be_bytes();
            self.pings.push_back(payload);
            self.say(|out| frame::ping(out, payload));
        }
        if self.rng.percent(3) {
            let id = 2 * self.rng.below(20) as u32 + 1;
            let value = format!("u={}", self.rng.below(9));
            self.say(|out| frame::priority_update(out, id, value.as_bytes()));
        }
        if self.rng.percent(2) {
            let kind = *self.rng.pick(&[0xa_u8, 0x77]);
            let payload = vec![0; self.rng.size(2_000)];
            self.say(|out| {
                frame::header(out, payload.len(), kind, 0xff, 0);
                out.extend_from_slice(&payload);
            });
        }
    }

    fn begin_attack(&mut self, book: &mut Book, tally: &mut Tally) {
        // Half of them in the middle of honest work.
        if self.may_open() && self.rng.percent(50) {
            self.open(book);
        }
        let attack = Attack::pick(&mut self.rng);
        let code = attack.write(self);
        // What it has begun may be answered.
        self.decoder.opened(self.next + 10_000);
        let end = self.wire.borrow().input.len();
        self.attack = Some((attack, code, end));
        tally.attacks += 1;
    }
}
