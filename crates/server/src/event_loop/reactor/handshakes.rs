//! What TLS handshakes need of others; `steps` has the steps of theirs that are due.

use crate::conn::connection::Conn;
use crate::conn::core::Core;
use crate::conn::flushed::Flushed;
use crate::conn::handshake::{AskedName, NameChoice};
use crate::conn::link::{Link, Transport};
use crate::event_loop::reactor::{Reactor, conn_of};
use crate::event_loop::services::Services;
use crate::exchange::id::ConnId;
use crate::observe::close_reason::CloseReason;

/// Steps of one loop that may wait for a worker. The connection of one more is closed.
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
    if core.tls().is_none()
        && let Some(info) = link.info()
    {
        services.counters.tls.opened(info.resumed);
        core.know_tls(info);
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
            if self.steps.waiting.len() + self.steps.asked >= MOST_WAITING {
                self.services.counters.tls.shed.add(1);
                self.close(slot, CloseReason::Handshake);
                return false;
            }
            match core.endpoint {
                Some(endpoint) if tls.asks_name() => {
                    self.steps.asked += 1;
                    self.steps.questions.push(AskedName {
                        conn: core.id,
                        endpoint: endpoint.into(),
                        name: tls.server_name().map(Into::into),
                    });
                }
                _ => self.steps.waiting.push_back(core.id),
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

    /// Takes out questions what serves a name. Each must be answered through
    /// [`serve_name`](Self::serve_name).
    pub(crate) fn take_questions(&mut self) -> Vec<AskedName> {
        std::mem::take(&mut self.steps.questions)
    }

    /// Somebody has said what serves the name of a client.
    pub(crate) fn serve_name(&mut self, id: ConnId, choice: &NameChoice) {
        self.steps.asked -= 1;
        if let Some(Conn { link: Link::Tls(tls), .. }) = conn_of(&mut self.conns, id) {
            tls.serve_name(choice);
            if tls.fault().is_some() {
                self.go_on(id.slot);
            } else {
                self.steps.waiting.push_back(id);
            }
        }
    }

    pub(super) fn go_on(&mut self, slot: u32) {
        let conn = &mut self.conns[slot as usize];
        // What came meanwhile was not read.
        conn.core.readable = true;
        self.services.mark_dirty(&mut conn.core);
    }
}
