//! Informational answers (RFC 9110 §15.2), each in the turn of its request.

use reactor_proto::response;

use crate::conn::core::{Core, HIGH_WATER};
use crate::event_loop::services::Services;
use crate::exchange::fields::FieldList;
use crate::http1::machine::Http1;
use crate::http1::writing::Writing;

impl Http1 {
    /// An informational answer of a handler. It is sent if its request is in turn, and waits
    /// otherwise. It is dropped once the response has begun, and for clients of HTTP/1.0. So it is for
    /// a client that does not read: a handler may send any number.
    pub(crate) fn inform(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        stream: u32,
        status: u16,
        fields: &FieldList,
    ) {
        debug_assert!((102..200).contains(&status));
        let place = self.place(stream).zip(self.ring.as_mut());
        let Some((place, ring)) = place else { return };
        let Some(entry) = ring.get(place) else { return };
        let begun =
            entry.answer.is_some() || (place == 0 && !matches!(self.writing, Writing::Answers));
        if begun || entry.takes_no_interim || core.out.len() >= HIGH_WATER {
            return;
        }
        let mut lines = Vec::new();
        response::status_line(&mut lines, status);
        lines.extend_from_slice(fields.lines());
        lines.extend_from_slice(b"\r\n");
        if place > 0 {
            ring.keep_interim(stream, lines);
            return;
        }
        core.out.lend(&mut services.buffers);
        core.out.buf().extend_from_slice(&lines);
        services.counters.response(status);
    }

    /// Sends the informational answers that waited for the turn of the request that is first now.
    #[inline]
    pub(crate) fn send_interim(&mut self, core: &mut Core, services: &mut Services) {
        if self.ring.as_ref().is_some_and(|ring| ring.has_interim()) {
            self.write_interim(core, services);
        }
    }

    #[cold]
    #[inline(never)]
    fn write_interim(&mut self, core: &mut Core, services: &mut Services) {
        let stream = self.next_answer();
        let Some(ring) = self.ring.as_mut() else { return };
        let due = ring.take_interim(stream);
        if self.writing.is_last() {
            return;
        }
        for lines in due {
            core.out.lend(&mut services.buffers);
            core.out.buf().extend_from_slice(&lines);
            // They are counted by the class of their status alone.
            services.counters.response(100);
        }
    }
}
