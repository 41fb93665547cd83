//! Reads from links, and gives the bytes to protocols.

use std::io;

use crate::conn::connection::Conn;
use crate::conn::core::Inflow;
use crate::conn::link::Transport;
use crate::conn::protocol::Protocol;
use crate::conn::timer::Phase;
use crate::event_loop::reactor::Reactor;
use crate::event_loop::reactor::handshakes::note_input;
use crate::event_loop::scratch::READ_SIZE;
use crate::exchange::loan::{BodyRoom, Room};
use crate::observe::close_reason::CloseReason;

/// As [`READ_SIZE`], for heads, and while uploads fill the memory that they may have.
const SMALL_READ: usize = 16 * 1024;

/// Reads of one connection in a turn. Then the others have theirs.
const READS_PER_TURN: usize = 4;

impl<T: Transport> Reactor<T> {
    /// Reads until the link is drained, the protocol is full, or the connection's turn is over.
    /// False if the connection is gone.
    pub(super) fn read(&mut self, slot: u32) -> bool {
        let Conn { link, core, .. } = &self.conns[slot as usize];
        if !link.is_secure() {
            return self.read_link(slot);
        }
        // A worker may have found the handshake wrong.
        let lingers = core.timer.phase == Phase::Linger;
        if !lingers && !self.note_handshake(slot) {
            return false;
        }
        self.read_link(slot)
    }

    fn read_link(&mut self, slot: u32) -> bool {
        let Self { conns, services, scratch, .. } = self;
        let Conn { link, core, protocol } = &mut conns[slot as usize];
        for _ in 0..READS_PER_TURN {
            let has_input = core.readable || core.stalled;
            if core.inflow == Inflow::Ended || !has_input || core.pause {
                return true;
            }
            let lingers = core.timer.phase == Phase::Linger;
            if !lingers && !protocol.wants_input(core) {
                return true;
            }
            let carried = core.input.len();
            let mut len = carried;
            let mut filled = None;
            if core.stalled {
                // Input that was held back comes first. It may be complete.
                core.stalled = false;
                scratch[..carried].copy_from_slice(&core.input);
            } else {
                let discards = protocol.discards();
                let room = if carried > 0 || lingers { None } else { protocol.room(services) };
                let got = if let Some(BodyRoom { room, most, is_last }) = room {
                    // The next request, if it has come. If not, the socket is known to be empty.
                    let behind = if is_last { &mut scratch[..SMALL_READ] } else { &mut [] };
                    let got = match room {
                        Room::Own(buf) => link.read_to(buf, most, behind),
                        Room::Lent(loan) => {
                            match loan.write(most, |room| link.read_both(room, behind)) {
                                Some(got) => got,
                                // Its thread has taken it back, so the next bytes belong elsewhere.
                                None => continue,
                            }
                        }
                    };
                    filled = got.as_ref().ok().map(|got| got.n.min(most));
                    got
                } else {
                    scratch[..carried].copy_from_slice(&core.input);
                    // A large body is not to come with its head, but to where it belongs.
                    let is_head = !protocol.in_body() && !discards;
                    let is_small = is_head || services.memory.is_short();
                    let most = if is_small { SMALL_READ } else { READ_SIZE };
                    let end = (carried + most).min(scratch.len());
                    let room = &mut scratch[carried..end];
                    if discards { link.discard(room) } else { link.read(room) }
                };
                match got {
                    Ok(got) if got.n == 0 => {
                        core.inflow = Inflow::Ended;
                        core.readable = false;
                        if lingers {
                            // The link's farewell is still to be sent.
                            if link.held() > 0 {
                                return true;
                            }
                            let reason = protocol.reason().unwrap_or(CloseReason::Served);
                            self.close(slot, reason);
                            return false;
                        }
                        protocol.end_of_input(core, services);
                        return true;
                    }
                    Ok(got) => {
                        if link.is_secure() {
                            note_input(link, core, services);
                        }
                        services.counters.bytes_in.add(got.n as u64);
                        core.sent_since_read = 0;
                        if discards {
                            protocol.discarded(got.n);
                        }
                        // If the end of the input is near, a short read has not emptied the socket.
                        core.readable = !got.drained || core.inflow == Inflow::Ending;
                        len += got.n;
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        core.readable = false;
                        return !link.is_secure() || lingers || self.note_handshake(slot);
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(_) if link.has_fault() && !lingers => return self.note_handshake(slot),
                    Err(_) => {
                        // Many health checks connect, and reset the connection.
                        let is_check = core.input.is_empty()
                            && matches!(protocol, Protocol::Sniff)
                            && !link.has_heard();
                        let reason = protocol.reason().unwrap_or(match is_check {
                            true => CloseReason::Peer,
                            false => CloseReason::Aborted,
                        });
                        self.close(slot, reason);
                        return false;
                    }
                }
            }
            if lingers {
                continue;
            }
            if let Some(bytes) = filled {
                protocol.filled(core, services, bytes);
                len -= bytes;
                if len == 0 {
                    continue;
                }
            }
            // All of it is in `scratch` now.
            core.input.clear();
            let used = protocol.input(core, services, &mut scratch[..len]);
            let rest = &scratch[used.bytes..len];
            let discards = protocol.discards();
            core.stalled = used.stalled && !discards;
            if discards || rest.is_empty() {
                core.input = Vec::new();
            } else {
                core.input.extend_from_slice(rest);
            }
        }
        true
    }
}
