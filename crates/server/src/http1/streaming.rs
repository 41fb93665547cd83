//! Answers whose bodies come in pieces, and the credit for bodies in both directions.

use reactor_proto::response;

use crate::conn::core::{Core, HIGH_WATER};
use crate::conn::out::Out;
use crate::conn::pieces::Content;
use crate::dispatch::lane::event::LaneEvent;
use crate::event_loop::services::Services;
use crate::exchange::answer::Answer;
use crate::exchange::body::StreamState;
use crate::exchange::fields::FieldList;
use crate::exchange::task::Task;
use crate::http1::answers::end_chunked;
use crate::http1::machine::Http1;

/// A streaming response gets credit for more while there is at most this much unsent output. In
/// bytes.
const LOW_WATER: usize = HIGH_WATER / 4;

impl Http1 {
    /// The lane's response has come: all of it, or the beginning of one that streams.
    pub(crate) fn respond(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        mut task: Box<Task>,
    ) {
        let stream = task.id.stream;
        if task.streams() {
            if !task.response.begin_stream() {
                services.recycle(task);
                self.break_off(core, services, stream);
                return;
            }
        } else {
            if self.leave_lane(services, stream) {
                self.close_after(stream);
            }
            // It may have to wait for its turn, but it is no longer at a handler.
            if std::mem::take(&mut task.at_handler) {
                services.left_handlers();
            }
        }
        if let Some(task) = services.finish(task) {
            self.answer(core, services, stream, Answer::Task(task));
        }
    }

    /// The next bytes of a streaming response have come.
    pub(crate) fn chunk(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        stream: u32,
        data: Vec<u8>,
    ) {
        if !self.append(core, services, stream, data) {
            self.break_off(core, services, stream);
        }
    }

    /// False if the data go past the declared length, or no such response streams.
    fn append(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        stream: u32,
        data: Vec<u8>,
    ) -> bool {
        let Some(open) = self.writing.stream().filter(|open| open.id.stream == stream) else {
            return self.change_waiting(stream, |response| {
                response.open_stream().is_some_and(|body| body.append(&data))
            });
        };
        open.unacknowledged += data.len();
        if let Some(left) = &mut open.left {
            let Some(rest) = left.checked_sub(data.len() as u64) else { return false };
            *left = rest;
        }
        if !open.head_only {
            let data = match &mut open.coder {
                Some(coder) => coder.write(&data),
                None => data,
            };
            // An empty chunk would be the last.
            if data.is_empty() {
                return true;
            }
            let out = &mut core.out;
            out.lend(&mut services.buffers);
            match (open.chunked, Out::goes_apart(data.len())) {
                (true, true) => out.put_chunk(Content::Owned(data), &mut services.buffers),
                (false, true) => out.put(Content::Owned(data), &mut services.buffers),
                (true, false) => response::chunk(out.buf(), &data),
                (false, false) => out.buf().extend_from_slice(&data),
            }
        }
        true
    }

    /// The trailers of a streaming response. Its end follows.
    pub(crate) fn trailers(&mut self, stream: u32, trailers: FieldList) {
        if let Some(open) = self.writing.stream().filter(|open| open.id.stream == stream) {
            if open.takes_trailers && open.chunked {
                open.trailers.extend_from_slice(trailers.lines());
            }
            return;
        }
        self.change_waiting(stream, |response| {
            response.set_trailers(trailers);
            true
        });
    }

    /// A streaming response is complete.
    pub(crate) fn end(&mut self, core: &mut Core, services: &mut Services, stream: u32) {
        if self.is_short(stream) {
            self.break_off(core, services, stream);
            return;
        }
        let unread = self.leave_lane(services, stream);
        if self.writing.stream().is_some_and(|open| open.id.stream == stream)
            && let Some(ended) = self.writing.end_stream()
        {
            services.left_handlers();
            self.adapt(core.out.len());
            if let Some(coder) = ended.coder {
                let last = coder.finish();
                core.out.lend(&mut services.buffers);
                match ended.chunked {
                    true => response::chunk(core.out.buf(), &last),
                    false => core.out.buf().extend_from_slice(&last),
                }
            }
            if !ended.head_only && ended.chunked {
                core.out.lend(&mut services.buffers);
                end_chunked(core.out.buf(), &ended.trailers);
            }
            if ended.close || unread {
                self.writing.finish(false, ended.delimits);
                self.stop_reading(services);
            }
            self.advance(core, services);
            return;
        }
        if unread {
            self.close_after(stream);
        }
        self.end_waiting(stream, StreamState::Ended);
    }

    /// Whether a streaming response has less of a body than it has declared.
    fn is_short(&mut self, stream: u32) -> bool {
        let place = self.place(stream);
        let (left, head_only) = match self.writing.stream() {
            Some(open) if open.id.stream == stream => (open.left, open.head_only),
            _ => match place.zip(self.ring.as_ref()).and_then(|(place, ring)| ring.get(place)) {
                Some(entry) => match &entry.answer {
                    Some(Answer::Task(task)) => {
                        let body = task.response.stream_body();
                        (body.and_then(|body| body.left()), entry.terms.head_only)
                    }
                    _ => return false,
                },
                None => return false,
            },
        };
        !head_only && left.is_some_and(|left| left > 0)
    }

    /// The answer to a request cannot be completed, or there is none. The answers before it and
    /// what has come of it are sent. Then the connection is cut.
    pub(crate) fn break_off(&mut self, core: &mut Core, services: &mut Services, stream: u32) {
        self.leave_lane(services, stream);
        if self.writing.stream().is_some_and(|open| open.id.stream == stream)
            && let Some(broken) = self.writing.end_stream()
        {
            self.cut(services, broken.delimits);
            services.left_handlers();
            self.advance(core, services);
            return;
        }
        if !self.end_waiting(stream, StreamState::Broken) {
            self.close_after(stream);
            self.answer(core, services, stream, Answer::Cut);
        }
    }

    /// A streaming response ends before its turn has come. False if there is none.
    fn end_waiting(&mut self, stream: u32, state: StreamState) -> bool {
        let place = self.place(stream);
        let mut whole = None;
        let changed = place.zip(self.ring.as_mut()).and_then(|(place, ring)| {
            ring.change(place, |response| {
                if let Some(body) = response.open_stream() {
                    body.state = state;
                }
                whole = Some(response.held());
            })
        });
        if let Some(bytes) = whole {
            self.adapt(bytes);
        }
        changed.is_some()
    }

    /// Changes a streaming response whose turn has not come. False if there is none.
    fn change_waiting(
        &mut self,
        stream: u32,
        change: impl FnOnce(&mut crate::exchange::response::Response) -> bool,
    ) -> bool {
        let place = self.place(stream).zip(self.ring.as_mut());
        place.and_then(|(place, ring)| ring.change(place, change)).unwrap_or(false)
    }

    /// The handler has taken this many bytes of a request's body.
    pub(crate) fn pulled(
        &mut self,
        _: &mut Core,
        services: &mut Services,
        stream: u32,
        bytes: usize,
    ) {
        if let (Some(place), Some(ring)) = (self.place(stream), &mut self.ring) {
            services.memory.taken(ring.take(place, bytes));
        }
        self.is_short = services.memory.is_short();
    }

    /// Gives a streaming response credit for the bytes that have been sent.
    pub(crate) fn acknowledge(&mut self, core: &mut Core, services: &mut Services) {
        if let Some(stream) = self.writing.stream()
            && stream.unacknowledged > 0
            && core.out.len() <= LOW_WATER
        {
            let sent = std::mem::take(&mut stream.unacknowledged);
            services.lanes.tell(&mut core.lane, LaneEvent::Ack(stream.id, sent));
        }
    }
}
