//! Request bodies that are collected: in the task of a request, or for a lane that has the request
//! and wants the rest of its body in one piece.

use crate::conn::core::Core;
use crate::dispatch::lane::event::LaneEvent;
use crate::event_loop::services::Services;
use crate::http1::machine::Http1;

/// A body that lacks at least this much is read from the link to where it is collected. Less comes
/// through the scratch buffer, perhaps together with the next request. In bytes.
const IN_PLACE: usize = 16 * 1024;

/// Bytes of a body that are asked of the link at once.
const READ_SIZE: usize = 128 * 1024;

/// From this size on the rest of a body is an event of its own kind. In bytes.
const LARGE: usize = 16 * 1024;

impl Http1 {
    /// The lane wants what is still to come of this request's body in one piece.
    pub(crate) fn collect(&mut self, stream: u32) {
        if self.body_comes_in(stream) {
            self.reading.collect();
        }
    }

    /// Where the next bytes of the body belong, and how many may be read into it.
    pub(crate) fn room(&mut self, services: &mut Services) -> Option<(&mut Vec<u8>, usize)> {
        let left = usize::try_from(self.decoder.body_left()?).unwrap_or(usize::MAX);
        let memory = &services.memory;
        let is_rest = self.reading.streams();
        let most = left.min(if is_rest { memory.free_for_rests() } else { memory.free() });
        if most < IN_PLACE {
            return None;
        }
        let body = self.reading.collected()?;
        if is_rest && body.capacity() == 0 {
            *body = services.spares.take(most);
        }
        // Memory that has not been written to is none yet.
        if body.capacity() - body.len() < most.min(READ_SIZE) {
            body.try_reserve_exact(most).ok()?;
        }
        Some((body, most.min(READ_SIZE)))
    }

    /// This many bytes have been read into the [`room`](Self::room).
    pub(crate) fn filled(&mut self, core: &mut Core, services: &mut Services, bytes: usize) {
        self.reading.goes_on();
        self.decoder.skip_body(bytes);
        let fits = if self.reading.streams() {
            core.timer.progress = true;
            self.count_rest(services, bytes)
        } else {
            core.timer.collected += bytes;
            services.memory.collect(bytes)
        };
        debug_assert!(fits, "no more was read than memory is free");
        // The body may be complete.
        self.input(core, services, &[]);
    }

    /// Keeps the next bytes for a lane that wants the rest in one piece. False if no lane wants
    /// that, or there is no memory.
    pub(crate) fn keep_rest(&mut self, services: &mut Services, data: &[u8]) -> bool {
        if self.reading.rest().is_none() || !self.count_rest(services, data.len()) {
            return false;
        }
        if let Some(rest) = self.reading.rest() {
            rest.extend_from_slice(data);
        }
        true
    }

    /// Takes memory for the next bytes of a rest. False if there is none.
    fn count_rest(&mut self, services: &mut Services, bytes: usize) -> bool {
        let fits = services.memory.collect_rest(bytes);
        if fits && let (Some(place), Some(ring)) = (self.place(self.newest()), &mut self.ring) {
            ring.add_rest(place, bytes);
        }
        fits
    }

    /// Gives the lane what was collected for it. What still comes goes on to it as it comes.
    pub(crate) fn tell_rest(&mut self, core: &mut Core, services: &mut Services) {
        let Some(rest) = self.reading.stop_collecting().filter(|rest| !rest.is_empty()) else {
            return;
        };
        let id = services.id(core, self.newest());
        let event =
            if rest.len() < LARGE { LaneEvent::Body(id, rest) } else { LaneEvent::Rest(id, rest) };
        services.lanes.tell(&mut core.lane, event);
    }
}
