//! Room for request bodies that stream to lanes.
//!
//! Their bytes count while a lane has been told of them and has not taken them: in
//! its queue, or in memory of its thread. Together they may fill half of
//! `body_memory`; then each upload is read on only when its handler has taken all
//! that came, so that none waits for the handler of another.

use super::Reactor;
use crate::conn::connection::Transport;
use crate::dispatch::lane::channel::WINDOW;

impl<T: Transport> Reactor<T> {
    /// Whether uploads fill the room that is there for them.
    pub(crate) fn is_short_of_room(&self) -> bool {
        self.stream_bytes > self.settings.body_memory / 2
    }

    /// The lane is told of so many bytes of the body that comes in.
    pub(crate) fn hold_upload(&mut self, slot: u32, bytes: usize) {
        self.stream_bytes += bytes;
        self.conns[slot as usize].unpulled += bytes;
        self.set_window(slot);
    }

    /// The lane has taken so many bytes of a request's body.
    pub(crate) fn pulled(&mut self, slot: u32, sequence: u32, bytes: usize) {
        let conn = &mut self.conns[slot as usize];
        let held = if conn.body_comes_in(sequence) {
            &mut conn.unpulled
        } else {
            let mut others = conn.untaken.iter_mut();
            let Some((_, held)) = others.find(|(of, _)| *of == sequence) else { return };
            held
        };
        let bytes = bytes.min(*held);
        *held -= bytes;
        self.stream_bytes -= bytes;
        if !conn.untaken.is_empty() {
            conn.untaken.retain(|(_, held)| *held > 0);
        }
        self.set_window(slot);
    }

    /// Nobody will take more of a request's body.
    pub(crate) fn forget_upload(&mut self, slot: u32, sequence: u32) {
        let conn = &mut self.conns[slot as usize];
        // Most requests have no body that streams.
        if conn.unpulled == 0 && conn.untaken.is_empty() {
            return;
        }
        if sequence == conn.next_request.wrapping_sub(1) {
            self.stream_bytes -= std::mem::take(&mut conn.unpulled);
        }
        conn.untaken.retain(|&(of, held)| {
            self.stream_bytes -= if of == sequence { held } else { 0 };
            of != sequence
        });
        if conn.untaken.is_empty() {
            conn.untaken = Vec::new();
        }
    }

    /// Nobody will take more of any of a connection's.
    pub(crate) fn forget_uploads(&mut self, slot: u32) {
        let conn = &mut self.conns[slot as usize];
        self.stream_bytes -= conn.streamed();
        conn.unpulled = 0;
        conn.untaken = Vec::new();
    }

    fn set_window(&mut self, slot: u32) {
        let window = if self.is_short_of_room() { 1 } else { WINDOW };
        self.conns[slot as usize].window = window;
    }
}
