//! What comes from the client.

use reactor_proto::ws::{Close, Data, Event, Frame, Inflater, Kind, code};

use crate::conn::core::{Core, Used};
use crate::dispatch::lane::event::LaneEvent;
use crate::event_loop::services::Services;
use crate::observe::close_reason::CloseReason;
use crate::websocket::socket::{End, State, WebSocket};

/// Pings of one read that are answered each. Of further ones only the last is (RFC 6455 §5.5.3).
const MOST_PONGS: usize = 64;

/// Room that is made for a message before it has come, in bytes.
const MOST_RESERVED: usize = 256 * 1024;

impl WebSocket {
    #[inline(never)]
    pub(crate) fn input(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        bytes: &mut [u8],
    ) -> Used {
        let all = Used { bytes: bytes.len(), stalled: false };
        if self.discards() || bytes.is_empty() {
            return all;
        }
        self.heard = services.clock.millis();
        self.is_pinged = false;
        core.timer.progress = true;
        let (mut at, mut pings) = (0, 0);
        let mut last_ping: Option<([u8; 125], usize)> = None;
        let used = loop {
            if self.discards() {
                break all;
            }
            if self.is_full(core) {
                break Used { bytes: at, stalled: true };
            }
            let was_between = self.decoder.is_between_messages();
            let (used, event) = match self.decoder.decode(&mut bytes[at..], &self.settings.limits) {
                Ok(decoded) => decoded,
                Err(error) => {
                    let (code, reason) = (error.close_code(), error.to_string());
                    let why = CloseReason::Rejected;
                    self.ends(core, services, End { code, reason, is_clean: false, why });
                    break all;
                }
            };
            at += used;
            if was_between {
                self.since = if self.state == State::Open { self.heard } else { self.since };
            }
            match event {
                Event::Incomplete => break Used { bytes: at, stalled: false },
                Event::Data(data) => self.data(core, services, data),
                Event::Ping(payload) => {
                    pings += 1;
                    if pings <= MOST_PONGS {
                        self.pong(core, services, payload);
                    } else {
                        let mut kept = [0; 125];
                        kept[..payload.len()].copy_from_slice(payload);
                        last_ping = Some((kept, payload.len()));
                    }
                    self.tell_control(core, services, payload, LaneEvent::Ping);
                }
                Event::Pong(payload) => {
                    self.tell_control(core, services, payload, LaneEvent::Pong);
                }
                Event::Close(close) => self.client_closes(core, services, close),
            }
        };
        if let Some((kept, len)) = last_ping {
            self.pong(core, services, &kept[..len]);
        }
        used
    }

    fn pong(&mut self, core: &mut Core, services: &mut Services, payload: &[u8]) {
        if self.sends() {
            core.out.lend(&mut services.buffers);
            Frame::PONG.write(core.out.buf(), payload);
        }
    }

    fn tell_control(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        payload: &[u8],
        event: impl FnOnce(crate::exchange::id::ExchangeId, Vec<u8>) -> LaneEvent,
    ) {
        if self.settings.tells_pings && self.at_lane {
            self.count(services, LaneEvent::weight(payload.len()));
            let id = self.id(core, services);
            services.lanes.tell(&mut core.lane, event(id, payload.to_vec()));
        }
    }

    fn client_closes(&mut self, core: &mut Core, services: &mut Services, close: Close<'_>) {
        let Close { code, reason } = close;
        let code = code.unwrap_or(code::NONE);
        let (reason, why) = (reason.to_owned(), CloseReason::Served);
        self.ends(core, services, End { code, reason, is_clean: true, why });
    }

    fn data(&mut self, core: &mut Core, services: &mut Services, data: Data<'_>) {
        let Data { kind, compressed, first, last, payload } = data;
        if !last && !self.make_room(services, first, payload.len()) {
            let reason = "the server has no memory for the message";
            return self.fail(core, services, code::TRY_LATER, reason, CloseReason::Rejected);
        }
        let Some(whole) = self.assembler.push(data) else { return };
        let bytes = if compressed {
            let mut bytes = Vec::new();
            let dedicated = self.agreed.is_some_and(|agreed| !agreed.client_no_context_takeover);
            let inflater = if dedicated {
                let own = || Box::new(Inflater::with_takeover());
                &mut **self.inflater.get_or_insert_with(own)
            } else {
                services.sockets.inflater()
            };
            let limits = &self.settings.limits;
            let inflated = inflater.message(kind, whole.bytes, &mut bytes, limits);
            self.assembler.clear();
            if let Err(error) = inflated {
                let (code, reason) = (error.close_code(), error.to_string());
                let why = CloseReason::Rejected;
                return self.ends(core, services, End { code, reason, is_clean: false, why });
            }
            bytes
        } else if first {
            whole.bytes.to_vec()
        } else {
            self.assembler.take()
        };
        self.forget_kept(services);
        self.messages.received += 1;
        services.counters.sockets.messages_in.add(1);
        if self.at_lane {
            self.has_told = true;
            self.count(services, LaneEvent::weight(bytes.len()));
            let id = self.id(core, services);
            let event = LaneEvent::Message(id, kind == Kind::Text, bytes);
            services.lanes.tell(&mut core.lane, event);
        }
    }

    /// Takes memory for a piece of a message, and with the first one for what the message will need.
    /// False if there is none.
    fn make_room(&mut self, services: &mut Services, first: bool, bytes: usize) -> bool {
        let mut needed = bytes;
        if first {
            self.forget_kept(services);
            self.assembler.clear();
            let size = usize::try_from(self.decoder.message_size()).unwrap_or(usize::MAX);
            needed = needed.max(size.min(MOST_RESERVED));
        } else {
            needed += self.assembler.len();
        }
        let more = needed.saturating_sub(self.kept);
        if !services.memory.collect_rest(more) {
            return false;
        }
        self.kept += more;
        if first {
            self.assembler.reserve(needed);
        }
        true
    }
}
