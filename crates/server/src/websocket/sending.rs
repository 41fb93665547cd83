//! What the lane and topics send.

use std::sync::Arc;

use reactor_proto::ws::{Deflater, Frame, code};

use crate::conn::core::Core;
use crate::conn::out::Out;
use crate::conn::pieces::Content;
use crate::dispatch::lane::event::{Framed, LaneEvent, LaneReply, Outgoing, OutgoingKind};
use crate::dispatch::lane::exchange::Exchange;
use crate::dispatch::topics::Publication;
use crate::event_loop::services::Services;
use crate::exchange::id::ExchangeId;
use crate::exchange::socket::WhenFull;
use crate::websocket::socket::WebSocket;

/// The lane is told of sent bytes in steps of this many, while no output waits.
const TOLD: usize = 64 * 1024;

/// What became of a published message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Published {
    /// It is in the output, or waits for room as the latest.
    Taken,
    /// This socket does not get it.
    Passed,
    /// The socket has too much unsent, and is to be cut off.
    CutOff,
}

impl WebSocket {
    /// Does what the lane asks for.
    #[inline(never)]
    pub(crate) fn reply(&mut self, core: &mut Core, services: &mut Services, reply: LaneReply) {
        match reply {
            LaneReply::Frames(_, framed) => self.frames(core, services, framed),
            LaneReply::Message(_, message) => self.message(core, services, message),
            LaneReply::CloseSocket(_, code, reason) => self.close(core, services, code, &reason),
            LaneReply::Subscribe(_, topic) => self.subscribe(core, services, topic),
            LaneReply::Unsubscribe(_, name) => self.unsubscribe(core, services, &name),
            LaneReply::Pause(_, pauses) => self.pause(services, pauses),
            LaneReply::Answered(_) => self.answered(core, services),
            LaneReply::HandOver(_) => self.hand_over(core, services),
            LaneReply::Pull(id, bytes) => self.pulled(core, services, id.stream, bytes),
            LaneReply::End(_) => self.close(core, services, Some(code::NORMAL), ""),
            // It belongs to exchanges of HTTP, and its own end is a cut.
            LaneReply::Response(Exchange(task))
            | LaneReply::Late(Exchange(task))
            | LaneReply::Dropped(Exchange(task)) => services.recycle(task),
            LaneReply::Chunk(..)
            | LaneReply::Trailers(..)
            | LaneReply::Inform(..)
            | LaneReply::Abort(_)
            | LaneReply::Collect(..)
            | LaneReply::Spare(..)
            | LaneReply::Cut(_)
            | LaneReply::Finish(_)
            | LaneReply::Adopt(..)
            | LaneReply::Publish(..) => {}
        }
    }

    /// Sends frames of the lane as they are.
    fn frames(&mut self, core: &mut Core, services: &mut Services, framed: Framed) {
        if !self.sends() {
            return;
        }
        let Framed { bytes, payload, messages } = framed;
        self.count_sent(services, u64::from(messages));
        self.unsent += payload as usize;
        core.out.lend(&mut services.buffers);
        if Out::goes_apart(bytes.len()) {
            core.out.put(Content::Owned(bytes), &mut services.buffers);
        } else {
            core.out.buf().extend_from_slice(&bytes);
        }
    }

    /// Sends a message of the lane.
    fn message(&mut self, core: &mut Core, services: &mut Services, message: Outgoing) {
        if !self.sends() {
            return;
        }
        let Outgoing { kind, compress, data } = message;
        core.out.lend(&mut services.buffers);
        let frame = match kind {
            OutgoingKind::Text => Frame::TEXT,
            OutgoingKind::Binary => Frame::BINARY,
            OutgoingKind::Ping => return Frame::PING.write(core.out.buf(), &data),
            OutgoingKind::Pong => return Frame::PONG.write(core.out.buf(), &data),
        };
        self.count_sent(services, 1);
        self.unsent += data.len();
        if compress && self.compressed(core, services, frame, &data) {
            return;
        }
        if Out::goes_apart(data.len()) {
            core.out.buf().extend_from_slice(frame.header(data.len()).as_bytes());
            core.out.put(Content::Owned(data), &mut services.buffers);
        } else {
            frame.write(core.out.buf(), &data);
        }
    }

    /// Sends a message compressed. False if it is to go as it is.
    fn compressed(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        frame: Frame,
        data: &[u8],
    ) -> bool {
        let Some(agreed) = self.agreed else { return false };
        if data.len() < self.settings.threshold {
            return false;
        }
        let (level, bits) = (self.settings.level, agreed.server_window_bits);
        let (shared, scratch) = services.sockets.deflater(level);
        let deflater = if agreed.server_no_context_takeover {
            shared
        } else {
            let own = || Box::new(Deflater::with_takeover(level, bits));
            &mut **self.deflater.get_or_insert_with(own)
        };
        if !deflater.serves(bits, data.len()) || !deflater.message(data, scratch) {
            return false;
        }
        let out = core.out.buf();
        out.extend_from_slice(frame.compressed().header(scratch.len()).as_bytes());
        out.extend_from_slice(scratch);
        true
    }

    /// Sends a published message, if there is room.
    pub(crate) fn published(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        publication: &Arc<Publication>,
    ) -> Published {
        let id = self.id(core, services);
        let is_sender = |except: ExchangeId| except == id;
        if !self.sends() || publication.except.is_some_and(is_sender) {
            return Published::Passed;
        }
        let waiting =
            self.latest.iter().position(|its| Arc::ptr_eq(&its.topic, &publication.topic));
        if publication.latest && !core.out.is_empty() {
            if let Some(place) = waiting {
                services.counters.sockets.dropped.add(1);
                self.latest[place] = Arc::clone(publication);
            } else {
                self.latest.push(Arc::clone(publication));
            }
            return Published::Passed;
        }
        if let Some(place) = waiting {
            // What is published later must not overtake it.
            let before = self.latest.remove(place);
            self.write_published(core, services, &before);
        }
        if core.out.len() + publication.plain.len() > self.settings.most_unsent {
            services.counters.sockets.dropped.add(1);
            return match self.settings.when_full {
                WhenFull::Drop => Published::Passed,
                WhenFull::Close => Published::CutOff,
            };
        }
        self.write_published(core, services, publication);
        Published::Taken
    }

    fn write_published(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        publication: &Publication,
    ) {
        self.count_sent(services, 1);
        core.out.lend(&mut services.buffers);
        if publication.may_compress()
            && let Some(agreed) = self.agreed
            && publication.payload().len() >= self.settings.threshold
        {
            if !agreed.server_no_context_takeover {
                let frame = publication.frame();
                if self.compressed(core, services, frame, publication.payload()) {
                    return;
                }
            } else {
                let (level, bits) = (self.settings.level, agreed.server_window_bits);
                let (deflater, _) = services.sockets.deflater(level);
                if let Some(frame) = publication.deflated(deflater, level, bits) {
                    write_shared(core, services, frame);
                    return;
                }
            }
        }
        write_shared(core, services, &publication.plain);
    }

    /// Output has been sent: the lane learns how much waits. What waited for that is written.
    #[inline(never)]
    pub(crate) fn acknowledge(&mut self, core: &mut Core, services: &mut Services) {
        let waits = core.out.len();
        if waits == 0 {
            for publication in std::mem::take(&mut self.latest) {
                self.write_published(core, services, &publication);
            }
        }
        if self.unsent == 0 && !self.is_congested || !self.at_lane {
            return;
        }
        let sent = self.unsent.saturating_sub(waits);
        let step = TOLD.min(self.settings.most_unsent / 2);
        let news = if waits == 0 {
            self.is_congested || sent >= step
        } else {
            !self.is_congested || sent >= step
        };
        if news {
            self.is_congested = waits > 0;
            self.unsent -= sent;
            let id = self.id(core, services);
            services.lanes.tell(&mut core.lane, LaneEvent::Unsent(id, sent, waits > 0));
        }
    }
}

fn write_shared(core: &mut Core, services: &mut Services, frame: &Arc<[u8]>) {
    if Out::goes_apart(frame.len()) {
        core.out.put(Content::Shared(Arc::clone(frame)), &mut services.buffers);
    } else {
        core.out.buf().extend_from_slice(frame);
    }
}
