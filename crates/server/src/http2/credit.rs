//! What the client may send again (RFC 9113 §5.2, §6.9).

use reactor_proto::h2::{Window, frame};

use crate::conn::core::Core;
use crate::event_loop::services::Services;
use crate::exchange::body::WINDOW;
use crate::exchange::body_memory::window;
use crate::http2::machine::{CONNECTION_WINDOW, Http2};

/// A body that a lane takes as it comes may be this much ahead of the lane. In bytes.
#[allow(clippy::cast_possible_truncation, reason = "it is 256 KiB")]
const WIDE: u32 = WINDOW as u32;

impl Http2 {
    /// The client may send so much more on all streams together. It is told in large steps.
    pub(crate) fn return_connection(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        bytes: u32,
    ) {
        self.owed += bytes;
        if self.owed >= CONNECTION_WINDOW / 2 {
            let owed = std::mem::take(&mut self.owed);
            let grown = self.receive_window.grow(owed);
            debug_assert!(grown.is_ok(), "no more is given than was taken");
            core.out.lend(&mut services.buffers);
            frame::window_update(core.out.buf(), 0, owed);
        }
    }

    /// The client may send so much more on a stream, if more is to come.
    pub(crate) fn return_stream(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        id: u32,
        bytes: u32,
    ) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        stream.owed += bytes;
        let is_needed = stream.left != Some(0) && stream.receiving.is_open() && !stream.is_over;
        let all = if stream.is_wide { WIDE } else { Window::DEFAULT };
        if stream.owed < all / 2 || !is_needed {
            return;
        }
        let owed = std::mem::take(&mut stream.owed);
        let grown = stream.receive_window.grow(owed);
        debug_assert!(grown.is_ok(), "no more is given than was taken");
        core.out.lend(&mut services.buffers);
        frame::window_update(core.out.buf(), id, owed);
    }

    /// The handler has taken this many bytes of a request's body.
    pub(crate) fn pulled(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        id: u32,
        bytes: usize,
    ) {
        let Some(stream) = self.streams.get_mut(id).filter(|stream| !stream.is_over) else {
            return;
        };
        let (taken, collected) = stream.take(bytes);
        services.memory.taken((taken, collected));
        let before = taken.min(stream.credited);
        stream.credited -= before;
        let credit = u32::try_from(taken - before).unwrap_or(u32::MAX);
        if services.memory.is_short() {
            stream.owed += credit;
            if stream.untaken < window(true) {
                self.return_stream(core, services, id, 0);
            }
            return;
        }
        self.widen(core, services, id, credit);
    }

    /// The lane takes what comes, so more may be under way.
    pub(crate) fn widen(&mut self, core: &mut Core, services: &mut Services, id: u32, credit: u32) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        let mut credit = credit;
        if !stream.is_wide && stream.receiving.streams() && !services.memory.is_short() {
            stream.is_wide = true;
            credit += WIDE - Window::DEFAULT;
        }
        self.return_stream(core, services, id, credit);
    }
}
