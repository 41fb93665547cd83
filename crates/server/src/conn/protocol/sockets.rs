//! What only WebSockets have, whether they are a connection or a stream of one.

use std::sync::Arc;

use super::Protocol;
use crate::conn::core::Core;
use crate::dispatch::lane::event::LaneReply;
use crate::dispatch::topics::Publication;
use crate::event_loop::services::Services;
use crate::websocket::sending::Published;
use crate::websocket::socket::WebSocket;

impl Protocol {
    /// Whether this exchange is a WebSocket.
    #[inline]
    pub(crate) fn is_socket(&self, stream: u32) -> bool {
        match self {
            Self::WebSocket(_) => true,
            Self::Http2(http2) => http2.is_tunnel(stream),
            _ => false,
        }
    }

    /// A lane's reply for a WebSocket.
    pub(crate) fn socket_reply(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        stream: u32,
        reply: LaneReply,
    ) {
        match self {
            Self::WebSocket(socket) => socket.reply(core, services, reply),
            Self::Http2(http2) => http2.socket_reply(core, services, stream, reply),
            _ => {}
        }
    }

    /// A message is published to a WebSocket that has subscribed.
    pub(crate) fn published(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        stream: u32,
        publication: &Arc<Publication>,
    ) -> Published {
        match self {
            Self::WebSocket(socket) => socket.published(core, services, publication),
            Self::Http2(http2) => http2.published(core, services, stream, publication),
            _ => Published::Passed,
        }
    }

    /// The lane in this place takes a WebSocket that another has handed over. False if there is none.
    pub(crate) fn adopt(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        stream: u32,
        place: u8,
    ) -> bool {
        match self {
            Self::WebSocket(socket) => socket.adopt(core, services, stream, place),
            Self::Http2(http2) => http2.adopt(core, services, stream, place),
            _ => false,
        }
    }

    /// The WebSocket that the connection is.
    pub(crate) fn web_socket(&mut self) -> Option<&mut WebSocket> {
        match self {
            Self::WebSocket(socket) => Some(socket),
            _ => None,
        }
    }
}
