//! Frames of the client.

use reactor_proto::h2::{ConnectionError, ErrorCode, Event, Refused, SettingsFrame, Window, frame};

use crate::conn::core::{Core, Used};
use crate::event_loop::services::Services;
use crate::exchange::answer::{Answer, ServerAnswer};
use crate::http2::machine::{Http2, LAST_PING, Stage};
use crate::http2::outward::Outward;
use crate::observe::close_reason::CloseReason;

/// What a client may have sent on a stream that it has just begun. In bytes.
const FIRST_WINDOW: usize = Window::DEFAULT as usize;

impl Http2 {
    /// Takes input.
    #[inline(never)]
    pub(crate) fn input(&mut self, core: &mut Core, services: &mut Services, bytes: &[u8]) -> Used {
        let mut text = std::mem::take(&mut services.http2.text);
        let used = self.read_frames(core, services, bytes, &mut text);
        services.http2.text = text;
        self.stream_bodies(core, services);
        self.pump(core, services);
        let in_head = self.decoder.in_block() || used.bytes < bytes.len() && !used.stalled;
        self.head_since = match (in_head, self.head_since) {
            (false, _) => None,
            (true, None) => Some(services.clock.millis()),
            (true, since) => since,
        };
        used
    }

    fn read_frames(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        bytes: &[u8],
        text: &mut Vec<u8>,
    ) -> Used {
        let mut used = 0;
        loop {
            if self.stage == Stage::Over {
                return Used { bytes: bytes.len(), stalled: false };
            }
            if used == bytes.len() {
                return Used { bytes: used, stalled: false };
            }
            if self.is_full(core) {
                return Used { bytes: used, stalled: true };
            }
            let rest = &bytes[used..];
            let limits = &services.settings.limits;
            let done = match self.decoder.decode(rest, &mut services.head, text, limits) {
                Ok((n, Event::Incomplete)) => {
                    return Used { bytes: used + n, stalled: false };
                }
                Ok((n, event)) => {
                    used += n;
                    // What was sent is acknowledged by frames that are useless otherwise.
                    self.guard.useful(std::mem::take(&mut self.outward.sent));
                    let counted = self.guard.received(n);
                    counted.and_then(|()| self.event(core, services, &event, &rest[..n], text))
                }
                Err(error) => Err(error),
            };
            if let Err(error) = done {
                self.fail(core, services, &error);
            }
        }
    }

    fn event(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        event: &Event,
        input: &[u8],
        text: &[u8],
    ) -> Result<(), ConnectionError> {
        let now = services.clock.millis();
        match *event {
            Event::Incomplete => {}
            Event::Preface => self.begin(core, services),
            Event::Request { stream, end_stream } => {
                self.guard.useful(text.len());
                if self.takes_stream(core, services, stream)? {
                    self.request(core, services, stream, end_stream, text);
                }
            }
            Event::Refused { stream, end_stream, why } => {
                if let Refused::Answer(_) = why {
                    // It costs no more than another, and balancers send it for their clients.
                    self.guard.useful(input.len());
                }
                self.refused(core, services, stream, end_stream, why, text)?;
            }
            Event::Trailers { stream } => self.trailers_came(core, services, stream, text)?,
            Event::TrailersMalformed { stream } => {
                if let Some(code) = self.fault_of_trailers(core, services, stream)? {
                    let code = code.unwrap_or(ErrorCode::PROTOCOL_ERROR);
                    self.reset_for_fault(core, services, stream, code)?;
                }
            }
            Event::Data { stream, start, end, flow, end_stream } => {
                self.data(core, services, stream, &input[start..end], flow, end_stream)?;
            }
            Event::Reset { stream, code: _ } => {
                services.counters.http2.resets_received.add(1);
                if self.streams.get(stream).is_some_and(|stream| !stream.is_over) {
                    self.guard.reset(now)?;
                    self.peer_reset(core, services, stream);
                } else if !self.was_reset(stream) {
                    self.guard.glitch(now)?;
                }
                // Otherwise it crosses ours, or follows it: clients end so what they still send of a
                // request that was answered early.
            }
            Event::Settings(ref settings) => self.settings(core, services, settings)?,
            Event::SettingsAck => self.is_settled = true,
            Event::Ping(payload) => {
                self.replies += 1;
                core.out.lend(&mut services.buffers);
                frame::ping_ack(core.out.buf(), payload);
            }
            Event::PingAck(payload) => {
                if payload == LAST_PING && self.stage == Stage::Announced {
                    self.last_call(core, services);
                }
            }
            // The client ends the connection when it has its answers.
            Event::GoAway { .. } => self.guard.glitch(now)?,
            Event::WindowUpdate { stream, increment } => {
                self.window_update(core, services, stream, increment)?;
            }
            Event::PriorityUpdate { stream, priority } => {
                self.guard.glitch(now)?;
                if let Some(stream) = self.streams.get_mut(stream) {
                    stream.priority = Some(priority);
                    self.outward.renew(stream);
                } else if stream > self.decoder.highest_stream() {
                    self.early_priority = Some((stream, priority));
                }
            }
            Event::StreamError { stream, code } => {
                self.guard.glitch(now)?;
                if self.streams.get(stream).is_some_and(|stream| !stream.is_over) {
                    self.reset_for_fault(core, services, stream, code)?;
                } else if !self.was_reset(stream) {
                    self.note_reset(stream, 0);
                    self.replies += 1;
                    Outward::reset(core, services, stream, code);
                }
            }
            Event::Other => self.guard.glitch(now)?,
        }
        Ok(())
    }

    /// Whether one more stream may begin. If not, it is refused, and the client may repeat its
    /// request (RFC 9113 §8.7).
    fn takes_stream(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        id: u32,
    ) -> Result<bool, ConnectionError> {
        self.has_begun = true;
        if self.stage >= Stage::Closing {
            // The client knows, or will: what else it has sent on the stream is no fault.
            self.note_reset(id, FIRST_WINDOW);
            return Ok(false);
        }
        let most = usize::try_from(services.settings.limits.streams).unwrap_or(usize::MAX);
        if self.streams.len() < most {
            return Ok(true);
        }
        services.counters.http2.refused.add(1);
        // A client that does not know the limit yet is hardly at fault.
        let now = services.clock.millis();
        if self.is_settled {
            self.guard.reset(now)?;
        } else {
            self.guard.glitch(now)?;
        }
        self.replies += 1;
        self.note_reset(id, FIRST_WINDOW);
        core.out.lend(&mut services.buffers);
        frame::rst_stream(core.out.buf(), id, ErrorCode::REFUSED_STREAM);
        Ok(false)
    }

    /// A request that reaches no handler. If it is malformed, its stream is reset
    /// (RFC 9113 §8.1.1).
    fn refused(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        id: u32,
        end_stream: bool,
        why: Refused,
        text: &[u8],
    ) -> Result<(), ConnectionError> {
        if !self.takes_stream(core, services, id)? {
            return Ok(());
        }
        match why {
            Refused::Answer(error) => {
                services.counters.requests.add(1);
                let answer = Answer::Server(ServerAnswer::Rejected(error));
                self.answer_refused(core, services, id, end_stream, text, answer);
            }
            Refused::Malformed(_) | Refused::TooMuch => {
                self.guard.glitch(services.clock.millis())?;
                self.replies += 1;
                self.note_reset(id, if end_stream { 0 } else { FIRST_WINDOW });
                Outward::reset(core, services, id, ErrorCode::PROTOCOL_ERROR);
            }
        }
        Ok(())
    }

    /// The client's settings (RFC 9113 §6.5.2).
    fn settings(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        settings: &SettingsFrame,
    ) -> Result<(), ConnectionError> {
        self.guard.glitch(services.clock.millis())?;
        if let Some(size) = settings.smallest_header_table {
            self.outward.encoder.set_peer_table(size);
        }
        if let Some(size) = settings.header_table_size {
            self.outward.encoder.set_peer_table(size);
        }
        if let Some(window) = settings.initial_window_size {
            let before = self.outward.initial_window;
            self.outward.initial_window = window;
            let delta = i64::from(window) - i64::from(before);
            for stream in self.streams.iter_mut() {
                stream.send_window.shift(delta).map_err(|_| window_overflow())?;
                if delta > 0 {
                    stream.blocked = None;
                    self.outward.note(stream);
                }
            }
        }
        if let Some(size) = settings.max_frame_size {
            self.outward.set_max_frame(size);
        }
        self.replies += 1;
        core.out.lend(&mut services.buffers);
        frame::settings_ack(core.out.buf());
        Ok(())
    }

    fn window_update(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        id: u32,
        increment: u32,
    ) -> Result<(), ConnectionError> {
        if id == 0 {
            self.outward.blocked = None;
            return self.outward.window.grow(increment).map_err(|_| window_overflow());
        }
        let Some(stream) = self.streams.get_mut(id).filter(|stream| !stream.is_over) else {
            // It has ended meanwhile.
            return Ok(());
        };
        if stream.send_window.grow(increment).is_err() {
            return self.reset_for_fault(core, services, id, ErrorCode::FLOW_CONTROL_ERROR);
        }
        stream.blocked = None;
        self.outward.note(stream);
        Ok(())
    }

    /// The client has broken the protocol: says so, and ends the connection.
    pub(crate) fn fail(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        error: &ConnectionError,
    ) {
        core.out.lend(&mut services.buffers);
        let last = self.last_stream();
        if self.stage == Stage::Preface {
            // What comes may be no HTTP/2 at all, so this side's preface comes first.
            frame::settings(core.out.buf(), &[]);
        }
        frame::goaway(core.out.buf(), last, error.code, error.why.as_bytes());
        services.counters.http2.goaways.add(1);
        self.stage = Stage::Over;
        self.reason = Some(CloseReason::Rejected);
        self.abandon_all(core, services);
    }
}

fn window_overflow() -> ConnectionError {
    let why = "a window grows past 2^31-1 (RFC 9113 section 6.9.1)";
    ConnectionError { code: ErrorCode::FLOW_CONTROL_ERROR, why }
}
