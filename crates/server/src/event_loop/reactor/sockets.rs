//! WebSockets that change their lane, and what is published to those of a loop.

use std::sync::Arc;

use reactor_proto::ws::code;

use crate::conn::connection::Conn;
use crate::conn::link::Transport;
use crate::dispatch::lane::event::{LaneEvent, LaneKey, SocketEnd};
use crate::dispatch::lane::side::{LaneLink, LaneSide};
use crate::dispatch::topics::Publication;
use crate::event_loop::reactor::{Reactor, conn_of};
use crate::exchange::id::ExchangeId;
use crate::websocket::sending::Published;

impl<T: Transport> Reactor<T> {
    /// A lane takes a WebSocket that another has handed over.
    pub(super) fn adopt(&mut self, id: ExchangeId, key: LaneKey) {
        let Self { conns, services, .. } = self;
        let is = |side: &LaneSide| side.lane.as_ref().is_some_and(|lane| lane.key() == key);
        let place = services.lanes.sides.iter().position(is);
        let Some(place) = place.and_then(|place| u8::try_from(place).ok()) else { return };
        if let Some(Conn { core, protocol, .. }) = conn_of(conns, id.conn)
            && protocol.adopt(core, services, id.stream, place)
        {
            services.mark_dirty(core);
            return;
        }
        let end = SocketEnd { code: code::ABNORMAL, reason: String::new(), is_clean: false };
        let mut link = LaneLink { place, ..LaneLink::default() };
        services.lanes.tell(&mut link, LaneEvent::SocketClosed(id, Box::new(end)));
    }

    /// Gives a published message to the loop's subscribers.
    pub(super) fn publish(&mut self, publication: &Arc<Publication>) {
        let Self { conns, services, .. } = self;
        let Some(subscribers) = services.sockets.take(&publication.topic) else { return };
        let mut cut_off = Vec::new();
        for &(id, stream) in &subscribers {
            let Some(Conn { core, protocol, .. }) = conn_of(conns, id) else { continue };
            match protocol.published(core, services, stream, publication) {
                Published::Taken => services.mark_dirty(core),
                Published::Passed => {}
                Published::CutOff => cut_off.push((id, stream)),
            }
        }
        services.sockets.put_back(&publication.topic, subscribers);
        for (id, stream) in cut_off {
            let io_thread = self.services.settings.io_thread;
            self.end_connection(ExchangeId::new(io_thread, id, stream), true);
        }
    }
}
