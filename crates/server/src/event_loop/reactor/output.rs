//! From connections to sockets, and how connections end.

use std::io::ErrorKind;

use reactor_sys::is_of_disk;

use crate::conn::connection::Conn;
use crate::conn::core::{Core, Inflow};
use crate::conn::flushed::Flushed;
use crate::conn::link::{Link, Transport};
use crate::conn::protocol::Protocol;
use crate::conn::timer::Phase;
use crate::conn::tls_link::TlsLink;
use crate::dispatch::lane::event::ConnectionChange;
use crate::event_loop::reactor::Reactor;
use crate::observe::close_reason::CloseReason;
use crate::observe::notice;

/// What a fresh TCP connection sends without waiting for the peer: less than ten segments
/// (RFC 6928). If no more than this is under way, a socket may be closed at once. If more is, one
/// further byte from the peer makes the kernel throw away what has not been sent.
const SURELY_SENT: usize = 8 * 1024;

impl<T: Transport> Reactor<T> {
    /// Closes the connection if its work is done. False if it is gone.
    pub(super) fn settle(&mut self, slot: u32) -> bool {
        let conn = &mut self.conns[slot as usize];
        let lingers = conn.core.timer.phase == Phase::Linger;
        if conn.has_output() || lingers && conn.core.inflow != Inflow::Ended {
            return true;
        }
        if conn.protocol.ends_output() && conn.link.shutdown_write().is_err() {
            self.close(slot, CloseReason::Aborted);
            return false;
        }
        let Some(ending) = conn.protocol.ending() else {
            if conn.core.inflow == Inflow::Ended && conn.protocol.is_quiet(&conn.core) {
                self.close(slot, CloseReason::Peer);
                return false;
            }
            return true;
        };
        let reason = conn.protocol.reason().unwrap_or(CloseReason::Served);
        if ending.reset {
            // A reset throws away what the client's kernel has not got, so that is sent first.
            let unsent = conn.link.unsent();
            if unsent > 0 {
                // The timer sees by this whether the peer takes it.
                conn.core.timer.sent |= unsent < conn.core.timer.unsent;
                conn.core.timer.unsent = unsent;
                return true;
            }
            self.close(slot, reason);
            return false;
        }
        let unread = conn.core.readable || conn.core.stalled;
        let large = conn.core.sent_since_read as usize > SURELY_SENT;
        if conn.core.inflow == Inflow::Ended || !(ending.linger || unread || large) {
            self.close(slot, reason);
            return false;
        }
        self.half_close(slot)
    }

    /// Sends the end of the stream, and discards for a while what still comes. So the peer reads
    /// the last answer instead of a reset.
    pub(super) fn half_close(&mut self, slot: u32) -> bool {
        let now = self.services.clock.millis();
        let conn = &mut self.conns[slot as usize];
        if conn.link.shutdown_write().is_err() {
            self.close(slot, CloseReason::Aborted);
            return false;
        }
        conn.core.timer.phase = Phase::Linger;
        conn.core.timer.since = now;
        conn.core.input = Vec::new();
        conn.core.stalled = false;
        true
    }

    pub(super) fn close(&mut self, slot: u32, reason: CloseReason) {
        let services = &mut self.services;
        let fails = self.conns[slot as usize].link.has_fault();
        let reason = if fails { CloseReason::Handshake } else { reason };
        services.counters.close(reason);
        if let Some(observer) = &mut services.observer {
            if let Some(socket) = self.conns[slot as usize].protocol.web_socket() {
                observer.socket_closes(slot, socket.messages());
            }
            observer.closed(slot, reason);
        }
        self.wheel.remove(slot);
        services.end_deadlines(slot);
        let mut conn = self.conns.remove(slot as usize);
        // While it lingers, all of its answers are with the kernel. A reset would take them along.
        let unsent = conn.has_output() && conn.core.timer.phase != Phase::Linger;
        if conn.protocol.must_reset(unsent) {
            conn.link.reset_on_close();
        } else if !conn.protocol.is_greeting() {
            conn.link.take_leave();
        }
        conn.protocol.closed(&mut conn.core, services);
        if conn.core.lane.announced {
            services.announce(&mut conn.core, ConnectionChange::Closed);
        }
        // `conn.link` is dropped here, which closes the descriptor and takes it
        // out of the epoll set (epoll(7), question 6).
    }

    /// Sends the connection's output. None if that ended the connection.
    pub(super) fn flush(&mut self, slot: u32) -> Option<Flushed> {
        self.flush_lent(slot, &[])
    }

    /// The same; `lent` are the bytes of a piece that was lent.
    pub(super) fn flush_lent(&mut self, slot: u32, lent: &[u8]) -> Option<Flushed> {
        let Self { conns, services, turn_bytes, .. } = self;
        let Conn { link, core, protocol } = &mut conns[slot as usize];
        if core.out.is_empty() && link.held() == 0 {
            return Some(Flushed::All);
        }
        let budget = &services.settings.send_budget;
        let most = match lent.len() {
            0 => budget.most(*turn_bytes),
            // What is not sent must be copied.
            _ => budget.large,
        };
        let held = link.held();
        if let Link::Tls(tls) = link
            && lent.is_empty()
        {
            note_end(tls, core, protocol);
        }
        let (sent, flushed) = core.out.flush(link, &mut services.buffers, most, lent);
        *turn_bytes += sent;
        services.counters.bytes_out.add(sent as u64);
        core.sent_since_read = core.sent_since_read.saturating_add(small(sent));
        let made = small(sent + link.take_framing());
        if let Some(observer) = &mut services.observer {
            observer.sent(core.id.slot, sent);
        }
        let flushed = flushed.and_then(|flushed| {
            let flushed = if link.held() > 0 { link.flush_all(flushed)? } else { flushed };
            // Bytes that only the link has taken are no progress of the peer.
            core.timer.sent |= held + sent > link.held();
            Ok(flushed)
        });
        match flushed {
            Ok(Flushed::Blocked) => {
                // What the peer took since somebody last looked is progress, though there is no room
                // for more yet.
                let unsent = link.unsent();
                core.timer.sent |= unsent < core.timer.unsent.saturating_add(made);
                core.timer.unsent = unsent;
                Some(Flushed::Blocked)
            }
            Ok(flushed) => Some(flushed),
            Err(error) => {
                // Sockets have no such errors.
                if (error.kind() == ErrorKind::UnexpectedEof || is_of_disk(&error))
                    && let Some(file) = core.out.file_in_turn()
                {
                    notice::file_broke_off(file, &error);
                }
                self.close(slot, CloseReason::Aborted);
                None
            }
        }
    }
}

/// Tells the link if nothing follows the output that is there.
#[inline(never)]
fn note_end<T: Transport>(tls: &mut TlsLink<T>, core: &Core, protocol: &Protocol) {
    if protocol.ending().is_some_and(|ending| !ending.reset) {
        tls.ends_after(core.out.unsent());
    }
}

/// Counts of bytes that a connection keeps are short, and enough is enough.
fn small(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
