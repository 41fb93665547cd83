//! Steps of TLS handshakes that cost 50 µs to 2 ms each. Workers take them; the loop does so where
//! the workers have enough of them.

use crate::conn::connection::Conn;
use crate::conn::core::Core;
use crate::conn::flushed::Flushed;
use crate::conn::handshake::{AskedName, HandshakeStep, NameChoice};
use crate::conn::link::{Link, Transport};
use crate::event_loop::reactor::{Reactor, conn_of};
use crate::event_loop::services::Services;
use crate::exchange::id::ConnId;
use crate::observe::close_reason::CloseReason;

/// Steps of one loop that workers may have at once. More would keep requests waiting that need a
/// worker.
pub(crate) const MOST_AWAY: usize = 64;

/// Steps of one loop that may wait for that. The connection of one more is closed.
const MOST_WAITING: usize = 1024;

/// Plaintext has come through a TLS link.
#[inline(never)]
pub(super) fn note_input<T: Transport>(
    link: &mut Link<T>,
    core: &mut Core,
    services: &mut Services,
) {
    note_opened(link, core, services);
    if core.is_after_pause(services.clock.millis()) {
        link.restart_records();
    }
}

/// The handshake may be done.
fn note_opened<T: Transport>(link: &Link<T>, core: &mut Core, services: &Services) {
    if core.tls.is_none()
        && let Some(info) = link.info()
    {
        services.counters.tls.opened(info.resumed);
        core.tls = Some(info.into());
    }
}

impl<T: Transport> Reactor<T> {
    /// Sees to what reading from a TLS link has changed besides its plaintext. False if the
    /// connection is gone.
    #[inline(never)]
    pub(super) fn note_handshake(&mut self, slot: u32) -> bool {
        let Self { conns, services, .. } = self;
        let Conn { link, core, .. } = &mut conns[slot as usize];
        note_opened(link, core, services);
        let Link::Tls(tls) = link else { return true };
        if let Some(error) = tls.fault() {
            services.counters.tls.failed[error.index()].add(1);
            return self.refuse_handshake(slot);
        }
        if tls.is_newly_due() {
            if self.handshakes.waiting.len() + self.handshakes.asked >= MOST_WAITING {
                self.services.counters.tls.shed.add(1);
                self.close(slot, CloseReason::Handshake);
                return false;
            }
            match core.endpoint {
                Some(endpoint) if tls.asks_name() => {
                    self.handshakes.asked += 1;
                    self.handshakes.questions.push(AskedName {
                        conn: core.id,
                        endpoint: endpoint.into(),
                        name: tls.server_name().map(Into::into),
                    });
                }
                _ => self.handshakes.waiting.push_back(core.id),
            }
        }
        true
    }

    /// Tells the client why the handshake failed, and ends the connection once it has read that.
    fn refuse_handshake(&mut self, slot: u32) -> bool {
        let conn = &mut self.conns[slot as usize];
        if conn.link.flush_all(Flushed::All).is_err() || conn.link.held() > 0 {
            self.close(slot, CloseReason::Handshake);
            return false;
        }
        if !self.half_close(slot) {
            return false;
        }
        self.rearm(slot);
        true
    }

    /// Takes out the steps that workers may have now. Each must come back through
    /// [`handshake_step`](Self::handshake_step).
    pub(crate) fn take_steps(&mut self, most_away: usize, into: &mut Vec<Box<HandshakeStep>>) {
        while self.handshakes.away < most_away
            && let Some(conn) = self.handshakes.waiting.pop_front()
        {
            let Some(Conn { link: Link::Tls(tls), .. }) = conn_of(&mut self.conns, conn) else {
                continue;
            };
            if let Some(session) = tls.lend_session() {
                self.handshakes.away += 1;
                let io_thread = self.services.settings.io_thread;
                into.push(Box::new(HandshakeStep { io_thread, conn, session, result: None }));
            }
        }
    }

    /// Takes steps on this thread, while `has_time`.
    pub(crate) fn take_own_steps(&mut self, mut has_time: impl FnMut() -> bool) {
        while has_time()
            && let Some(conn) = self.handshakes.waiting.pop_front()
        {
            if let Some(Conn { link: Link::Tls(tls), .. }) = conn_of(&mut self.conns, conn) {
                tls.take_step();
                self.services.counters.tls.on_loops.add(1);
                self.go_on(conn.slot);
            }
        }
    }

    /// A worker has taken a step.
    pub(crate) fn handshake_step(&mut self, step: HandshakeStep) {
        self.handshakes.away -= 1;
        let HandshakeStep { conn: id, session, result, .. } = step;
        if let Some(Conn { link: Link::Tls(tls), .. }) = conn_of(&mut self.conns, id) {
            tls.return_session(session, result.unwrap_or(Ok(())));
            self.go_on(id.slot);
        }
    }

    /// Takes out questions what serves a name. Each must be answered through
    /// [`serve_name`](Self::serve_name).
    pub(crate) fn take_questions(&mut self) -> Vec<AskedName> {
        std::mem::take(&mut self.handshakes.questions)
    }

    /// Somebody has said what serves the name of a client.
    pub(crate) fn serve_name(&mut self, id: ConnId, choice: &NameChoice) {
        self.handshakes.asked -= 1;
        if let Some(Conn { link: Link::Tls(tls), .. }) = conn_of(&mut self.conns, id) {
            tls.serve_name(choice);
            if tls.fault().is_some() {
                self.go_on(id.slot);
            } else {
                self.handshakes.waiting.push_back(id);
            }
        }
    }

    fn go_on(&mut self, slot: u32) {
        let conn = &mut self.conns[slot as usize];
        // What came meanwhile was not read.
        conn.core.readable = true;
        self.services.mark_dirty(&mut conn.core);
    }

    /// Whether steps wait to be taken, or names to be asked for.
    pub(crate) fn has_steps(&self) -> bool {
        !self.handshakes.waiting.is_empty() || !self.handshakes.questions.is_empty()
    }

    /// Whether steps are with workers, or names are asked for.
    pub(crate) fn awaits_handshakes(&self) -> bool {
        self.handshakes.away + self.handshakes.asked > 0
    }

    /// Steps that workers have.
    pub(crate) fn steps_away(&self) -> usize {
        self.handshakes.away
    }
}
