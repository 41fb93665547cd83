//! One connection of a loop.

use crate::conn::core::{Core, Inflow};
use crate::conn::link::Link;
use crate::conn::protocol::Protocol;
use crate::conn::timer::Phase;
use crate::event_loop::services::Services;
use crate::exchange::switch::NextProtocol;

/// A connection: bytes come through its link, and its protocol makes exchanges of them.
pub(crate) struct Conn<T> {
    pub(crate) link: Link<T>,
    pub(crate) core: Core,
    pub(crate) protocol: Protocol,
}

impl<T: crate::conn::link::Transport> Conn<T> {
    /// Whether there is output, here or in the link.
    #[inline]
    pub(crate) fn has_output(&self) -> bool {
        !self.core.out.is_empty() || self.link.held() > 0
    }

    /// Whether the loop should read what comes.
    #[inline]
    pub(crate) fn wants_read(&self) -> bool {
        if self.core.inflow == Inflow::Ended {
            return false;
        }
        self.core.timer.phase == Phase::Linger || self.protocol.wants_input(&self.core)
    }

    /// Whether the client has sent its last byte, and the loop reads nothing more of it now.
    pub(crate) fn has_left(&self) -> bool {
        match self.core.inflow {
            Inflow::Open => false,
            Inflow::Ending => !self.wants_read(),
            Inflow::Ended => true,
        }
    }

    /// Goes on with another protocol, which gets the input that the one before has left.
    pub(crate) fn switch(&mut self, next: NextProtocol, services: &Services) {
        self.core.stalled = !self.core.input.is_empty();
        self.protocol = Protocol::begin(next, services);
    }

    /// Nothing is under way in either direction.
    pub(crate) fn is_quiet(&self) -> bool {
        !self.has_output() && self.protocol.is_quiet(&self.core)
    }

    /// What it waits for now.
    pub(crate) fn current_phase(&self) -> Phase {
        if self.core.timer.phase == Phase::Linger {
            return Phase::Linger;
        }
        if self.link.handshake_timeout().is_some() {
            return match self.protocol {
                Protocol::Greeting { .. } => Phase::Greeting,
                _ => Phase::Handshake,
            };
        }
        if self.has_output() {
            // The disk, and not the peer, may be what it waits for.
            return match self.core.out.is_read_elsewhere() {
                true if self.has_left() => Phase::Left,
                true => Phase::Busy,
                false => Phase::Write,
            };
        }
        match self.protocol.phase(&self.core) {
            Phase::Busy if self.has_left() => Phase::Left,
            phase => phase,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of these is kept for every open connection, idle ones too. An idle connection
    /// owns no other memory but a place in the timer wheel.
    #[test]
    fn an_idle_connection_is_small() {
        let link = size_of::<Link<reactor_sys::Stream>>();
        let size = link + size_of::<Core>() + size_of::<Protocol>();
        assert!(size <= 288, "{size} bytes, {link} of them the link");
    }
}
