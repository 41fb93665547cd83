//! Request bodies that are collected: in the task of a request, or for a lane that has the request
//! and wants the rest of its body in one piece.

use crate::conn::core::Core;
use crate::dispatch::lane::event::LaneEvent;
use crate::event_loop::services::Services;
use crate::exchange::loan::{BodyRoom, LentMemory, Loan, Room};
use crate::exchange::rest::Rest;
use crate::http1::machine::Http1;

/// A body that lacks at least this much is read from the link to where it is collected. Less comes
/// through the scratch buffer, perhaps together with the next request. In bytes.
const IN_PLACE: usize = 16 * 1024;

/// Bytes of a body that are asked of the link at once.
const READ_SIZE: usize = 128 * 1024;

/// The same for memory that a lane's thread has lent: it is there already. In bytes.
const LENT_READ_SIZE: usize = 512 * 1024;

/// From this size on the rest of a body is an event of its own kind. In bytes.
const LARGE: usize = 16 * 1024;

impl Http1 {
    /// The lane wants what is still to come of this request's body in one piece.
    pub(crate) fn collect(&mut self, stream: u32, memory: Option<Box<dyn LentMemory>>) {
        if self.body_comes_in(stream) {
            let loan = memory
                .zip(self.decoder.body_left())
                .and_then(|(memory, left)| Loan::new(memory, left));
            self.reading.collect(loan.map_or_else(|| Rest::Own(Vec::new()), Rest::Lent));
        }
    }

    /// Where the next bytes of the body belong, and how many may be read into it.
    pub(crate) fn room<'a>(&'a mut self, services: &'a mut Services) -> Option<BodyRoom<'a>> {
        let left = usize::try_from(self.decoder.body_left()?).unwrap_or(usize::MAX);
        if self.reading.goes_on_in_pieces() {
            return piece_room(services, left);
        }
        let memory = &services.memory;
        let is_rest = self.reading.streams();
        let most = left.min(if is_rest { memory.free_for_rests() } else { memory.free() });
        if most < IN_PLACE {
            return None;
        }
        let body = match self.reading.collected()? {
            Room::Own(body) => body,
            Room::Lent(loan) if loan.is_back() => return None,
            Room::Lent(loan) => {
                let most = most.min(LENT_READ_SIZE);
                return Some(BodyRoom { room: Room::Lent(loan), most, is_last: most == left });
            }
        };
        if is_rest && body.capacity() == 0 {
            *body = services.spares.take(most);
        }
        // Memory that has not been written to is none yet.
        if body.capacity() - body.len() < most.min(READ_SIZE) {
            body.try_reserve_exact(most).ok()?;
        }
        let most = most.min(READ_SIZE);
        Some(BodyRoom { room: Room::Own(body), most, is_last: most == left })
    }

    /// This many bytes have been read into the [`room`](Self::room).
    pub(crate) fn filled(&mut self, core: &mut Core, services: &mut Services, bytes: usize) {
        self.reading.goes_on();
        self.decoder.skip_body(bytes);
        let fits = if self.reading.goes_on_in_pieces() {
            core.timer.progress = true;
            self.tell_piece(core, services, bytes);
            true
        } else if self.reading.streams() {
            core.timer.progress = true;
            if let Some(Rest::Lent(loan)) = self.reading.rest() {
                loan.advance(bytes);
            }
            self.count_rest(services, bytes)
        } else {
            core.timer.collected += bytes;
            services.memory.collect(bytes)
        };
        debug_assert!(fits, "no more was read than memory is free");
        // The body may be complete. Its end waits if the lane has not taken enough of it.
        core.stalled = self.input(core, services, &[]).stalled;
    }

    /// Keeps the next bytes for a lane that wants the rest in one piece. False if no lane wants
    /// that, or there is no memory.
    pub(crate) fn keep_rest(&mut self, services: &mut Services, data: &[u8]) -> bool {
        let Some(rest) = self.reading.rest() else { return false };
        if data.len() > services.memory.free_for_rests() {
            return false;
        }
        match rest {
            Rest::Own(bytes) => bytes.extend_from_slice(data),
            Rest::Lent(loan) => {
                if !loan.extend(data) {
                    return false;
                }
            }
        }
        self.count_rest(services, data.len())
    }

    /// Takes memory for the next bytes of a rest. False if there is none.
    fn count_rest(&mut self, services: &mut Services, bytes: usize) -> bool {
        let fits = services.memory.collect_rest(bytes);
        if fits && let (Some(place), Some(ring)) = (self.place(self.newest()), &mut self.ring) {
            ring.add_rest(place, bytes);
        }
        fits
    }

    /// Gives the lane the piece that was read for it. What is much smaller than its memory is copied
    /// out of that, because only its bytes count until the lane has taken them.
    fn tell_piece(&mut self, core: &mut Core, services: &mut Services, bytes: usize) {
        let mut piece = std::mem::take(&mut services.piece);
        if bytes < piece.capacity() / 2 {
            self.tell_body(core, services, &piece);
            piece.clear();
            services.piece = piece;
            return;
        }
        self.hold_upload(services, bytes);
        let id = services.id(core, self.newest());
        services.lanes.tell(&mut core.lane, LaneEvent::Body(id, piece));
    }

    /// Gives the lane what was collected for it. What still comes goes on to it as it comes.
    pub(crate) fn tell_rest(&mut self, core: &mut Core, services: &mut Services) {
        let Some(rest) = self.reading.stop_collecting() else { return };
        let id = services.id(core, self.newest());
        let event = match rest {
            Rest::Own(bytes) if bytes.is_empty() => return,
            Rest::Own(bytes) if bytes.len() < LARGE => LaneEvent::Body(id, bytes),
            Rest::Own(bytes) => LaneEvent::Rest(id, bytes),
            Rest::Lent(loan) if loan.filled() == 0 => return,
            Rest::Lent(loan) => LaneEvent::Filled(id, loan.filled()),
        };
        services.lanes.tell(&mut core.lane, event);
    }
}

/// Room for the next piece of a body that goes on as it comes, if a large one may come. The piece
/// becomes an event as it is.
fn piece_room(services: &mut Services, left: usize) -> Option<BodyRoom<'_>> {
    let most = left.min(READ_SIZE).min(services.memory.free_for_rests());
    if most < IN_PLACE {
        return None;
    }
    if services.piece.capacity() == 0 {
        services.piece = services.spares.take(READ_SIZE);
    }
    services.piece.try_reserve_exact(READ_SIZE).ok()?;
    Some(BodyRoom { room: Room::Own(&mut services.piece), most, is_last: most == left })
}
