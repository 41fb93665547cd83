//! WebSockets on streams (RFC 8441). Each has a core of its own: its output goes into DATA frames as
//! the windows allow, and what the client may send again waits for what the socket takes.

use std::io::{self, IoSlice};

use reactor_proto::h2::frame;

use crate::conn::core::Core;
use crate::conn::link::Sink;
use crate::dispatch::lane::event::LaneReply;
use crate::dispatch::topics::Publication;
use crate::event_loop::clock::Millis;
use crate::event_loop::services::Services;
use crate::exchange::socket::Opening;
use crate::http2::content::Outgoing;
use crate::http2::machine::Http2;
use crate::http2::outward::{Outward, Step};
use crate::http2::stream::{NO_RECORD, Receiving, Stream};
use crate::http2::tunnel::Tunnel;
use crate::websocket::sending::Published;
use crate::websocket::socket::WebSocket;

/// Writes into the payload of a frame.
struct Payload<'a>(&'a mut Vec<u8>);

impl Sink for Payload<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(buf);
        Ok(buf.len())
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let before = self.0.len();
        for buf in bufs {
            self.0.extend_from_slice(buf);
        }
        Ok(self.0.len() - before)
    }
}

impl Http2 {
    /// A stream goes on as a WebSocket. Its client has been told.
    pub(crate) fn open_tunnel(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        id: u32,
        opening: Opening,
    ) {
        let before = self.receive(id, Receiving::Tunnel(Vec::new()));
        let Some(stream) = self.streams.get_mut(id) else { return };
        let mut own = Core::new(core.id, core.peer, services.clock.millis());
        own.facts.clone_from(&core.facts);
        own.endpoint = core.endpoint;
        own.lane = std::mem::take(&mut stream.link);
        stream.lane = crate::exchange::entry::AtLane::No;
        stream.outgoing = Some(Box::new(Outgoing { is_tunnel: true, ..Outgoing::default() }));
        if let Some(Receiving::Tunnel(early)) = before {
            own.input = early;
        }
        let socket = WebSocket::new(Opening { stream: id, ..opening }, services);
        self.tunnels.push(Box::new(Tunnel { id, core: own, socket }));
        self.tunnel_input(core, services, id, &[]);
        if services.draining {
            self.drain_tunnels(core, services);
        }
    }

    fn tunnel_at(&self, id: u32) -> Option<usize> {
        self.tunnels.iter().position(|tunnel| tunnel.id == id)
    }

    pub(crate) fn tunnel(&mut self, id: u32) -> Option<&mut Tunnel> {
        self.tunnels.iter_mut().find(|tunnel| tunnel.id == id).map(|tunnel| &mut **tunnel)
    }

    /// Whether a stream is a WebSocket.
    pub(crate) fn is_tunnel(&self, id: u32) -> bool {
        !self.tunnels.is_empty() && self.tunnel_at(id).is_some()
    }

    /// Bytes for a socket, behind those that it has not taken.
    pub(crate) fn tunnel_input(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        id: u32,
        data: &[u8],
    ) {
        let Some(at) = self.tunnel_at(id) else { return };
        let Tunnel { core: own, socket, .. } = &mut *self.tunnels[at];
        let mut input = std::mem::take(&mut own.input);
        input.extend_from_slice(data);
        let mut used = 0;
        while used < input.len() {
            if socket.discards() {
                used = input.len();
                break;
            }
            let step = socket.input(own, services, &mut input[used..]);
            used += step.bytes;
            own.stalled = step.stalled;
            if step.bytes == 0 || step.stalled {
                break;
            }
        }
        input.drain(..used);
        own.input = input;
        self.return_stream(core, services, id, u32::try_from(used).unwrap_or(u32::MAX));
        self.tend(core, services, id);
    }

    /// The client sends nothing more on the stream.
    pub(crate) fn tunnel_end(&mut self, core: &mut Core, services: &mut Services, id: u32) {
        if let Some(Tunnel { core: own, socket, .. }) = self.tunnel(id) {
            socket.end_of_input(own, services);
        }
        self.tend(core, services, id);
    }

    /// Lets a socket go on after something has happened to it.
    pub(crate) fn tend(&mut self, core: &mut Core, services: &mut Services, id: u32) {
        let Some(at) = self.tunnel_at(id) else { return };
        let Tunnel { core: own, socket, .. } = &mut *self.tunnels[at];
        if own.stalled && socket.wants_input(own) && !own.input.is_empty() {
            own.stalled = false;
            self.tunnel_input(core, services, id, &[]);
            return;
        }
        let has_output = !own.out.is_empty();
        let is_over = socket.ending().is_some() && !has_output;
        let Some(stream) = self.streams.get_mut(id) else { return };
        if has_output {
            self.outward.note(stream);
            return;
        }
        if is_over {
            core.out.lend(&mut services.buffers);
            frame::data_head(core.out.buf(), id, 0, true);
            self.close_tunnel(services, id);
            self.complete(core, services, id);
        }
    }

    /// A socket is over, with its stream.
    pub(crate) fn close_tunnel(&mut self, services: &mut Services, id: u32) {
        let Some(at) = self.tunnel_at(id) else { return };
        let mut tunnel = self.tunnels.swap_remove(at);
        let Tunnel { core: own, socket, .. } = &mut *tunnel;
        let record = self.streams.get(id).map_or(NO_RECORD, |stream| stream.record);
        if record != NO_RECORD
            && let Some(observer) = &mut services.observer
        {
            observer.socket_closes_apart(record, socket.messages());
        }
        socket.closed(own, services);
        if self.tunnels.is_empty() {
            self.tunnels = Vec::new();
        }
    }

    /// Writes the next frame of a socket's output.
    pub(crate) fn tunnel_step(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        id: u32,
    ) -> Step {
        let Some(at) = self.tunnel_at(id) else { return Step::Waits };
        let Some(stream) = self.streams.get_mut(id) else { return Step::Waits };
        let Tunnel { core: own, socket, .. } = &mut *self.tunnels[at];
        let step = self.outward.tunnel(core, services, stream, own);
        socket.acknowledge(own, services);
        if own.out.is_empty() && matches!(step, Step::Written) {
            return Step::Waits;
        }
        step
    }

    /// A lane's reply for a socket.
    pub(crate) fn socket_reply(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        id: u32,
        reply: LaneReply,
    ) {
        if let Some(Tunnel { core: own, socket, .. }) = self.tunnel(id) {
            socket.reply(own, services, reply);
        }
        self.tend(core, services, id);
    }

    /// A message is published to a socket.
    pub(crate) fn published(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        id: u32,
        publication: &std::sync::Arc<Publication>,
    ) -> Published {
        let Some(Tunnel { core: own, socket, .. }) = self.tunnel(id) else {
            return Published::Passed;
        };
        let published = socket.published(own, services, publication);
        if published == Published::Taken {
            self.tend(core, services, id);
        }
        published
    }

    /// A lane takes a socket that another has handed over.
    pub(crate) fn adopt(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        id: u32,
        place: u8,
    ) -> bool {
        let Some(Tunnel { core: own, socket, .. }) = self.tunnel(id) else { return false };
        let adopted = socket.adopt(own, services, id, place);
        self.tend(core, services, id);
        adopted
    }

    /// The next deadline of the sockets.
    pub(crate) fn tunnel_deadline(&mut self, now: Millis) -> Option<Millis> {
        self.tunnels
            .iter_mut()
            .filter_map(|tunnel| {
                let Tunnel { core: own, socket, .. } = &mut **tunnel;
                socket.deadline(own, now)
            })
            .min()
    }

    /// Ids of the sockets whose streams use this lane, or of all.
    fn tunnel_ids(&self, lane: Option<usize>) -> Vec<u32> {
        let is_its = |tunnel: &&Tunnel| {
            lane.is_none_or(|lane| {
                tunnel.socket.has_lane() && usize::from(tunnel.core.lane.place) == lane
            })
        };
        self.tunnels.iter().map(|tunnel| &**tunnel).filter(is_its).map(|tunnel| tunnel.id).collect()
    }

    /// Pings, and ends of what takes too long.
    pub(crate) fn time_out_tunnels(&mut self, core: &mut Core, services: &mut Services) {
        for id in self.tunnel_ids(None) {
            if let Some(Tunnel { core: own, socket, .. }) = self.tunnel(id) {
                socket.timed_out(own, services);
            }
            self.tend(core, services, id);
        }
    }

    /// The server stops: the sockets are told.
    pub(crate) fn drain_tunnels(&mut self, core: &mut Core, services: &mut Services) {
        for id in self.tunnel_ids(None) {
            if let Some(Tunnel { core: own, socket, .. }) = self.tunnel(id) {
                socket.drain(own, services);
            }
            self.tend(core, services, id);
        }
    }

    /// The lane in this place is gone.
    pub(crate) fn tunnels_lost_lane(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        index: usize,
    ) {
        for id in self.tunnel_ids(Some(index)) {
            if let Some(Tunnel { core: own, socket, .. }) = self.tunnel(id) {
                socket.lane_died(own, services);
            }
            self.tend(core, services, id);
        }
    }
}

impl Outward {
    /// Writes a frame of a socket's output.
    fn tunnel(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        stream: &mut Stream,
        own: &mut Core,
    ) -> Step {
        if own.out.is_empty() {
            return Step::Waits;
        }
        let room = self.room(stream).min(own.out.unsent());
        if room == 0 {
            return Step::Blocked;
        }
        let room = room.min(self.window.available());
        if room == 0 {
            return Step::Full;
        }
        core.out.lend(&mut services.buffers);
        let buf = core.out.buf();
        frame::data_head(buf, stream.id, room, false);
        let (sent, flushed) = own.out.flush(&mut Payload(buf), &mut services.buffers, room, &[]);
        debug_assert!(sent == room && flushed.is_ok(), "a buffer takes all of it");
        self.count(services, stream, sent);
        stream.blocked = None;
        core.timer.progress = true;
        Step::Written
    }
}
