//! Steps for connections that would keep the loop from the others: those of TLS handshakes, and
//! reads of files whose pages are not in memory. Workers take them. The loop takes some itself where
//! the workers have enough of them.

use std::io;

use crate::conn::connection::Conn;
use crate::conn::handshake::HandshakeStep;
use crate::conn::link::{Link, Transport};
use crate::conn::step::{FileRead, Step, Steps, Work, read};
use crate::event_loop::reactor::{Reactor, conn_of};
use crate::exchange::body::FileRange;
use crate::exchange::id::ConnId;
use crate::observe::close_reason::CloseReason;
use crate::observe::notice;

/// Steps of one loop that workers may have at once. More would keep requests waiting that need a
/// worker.
pub(crate) const MOST_AWAY: usize = 64;

impl<T: Transport> Reactor<T> {
    /// The next bytes of a file that the connection sends are not in memory.
    #[cold]
    pub(super) fn read_elsewhere(&mut self, slot: u32) {
        let core = &mut self.conns[slot as usize].core;
        if let Some(part) = core.out.read_elsewhere() {
            self.steps.reads.push_back((core.id, None, part));
        }
    }

    /// What streams have asked for joins what connections have.
    fn note_cold_reads(&mut self) {
        if self.services.cold_reads.is_empty() {
            return;
        }
        let reads = self.services.cold_reads.drain(..);
        self.steps.reads.extend(reads.map(|(id, part)| (id.conn, Some(id.stream), part)));
    }

    /// Takes out the steps that workers may have now. Each must come back through
    /// [`step_taken`](Self::step_taken).
    pub(crate) fn take_steps(&mut self, most_away: usize, into: &mut Vec<Box<Step>>) {
        self.note_cold_reads();
        let io_thread = self.services.settings.io_thread;
        while self.steps.away < most_away
            && let Some(conn) = self.steps.waiting.pop_front()
        {
            let Some(Conn { link: Link::Tls(tls), .. }) = conn_of(&mut self.conns, conn) else {
                continue;
            };
            if let Some(session) = tls.lend_session() {
                self.steps.away += 1;
                let work = Work::Handshake(HandshakeStep { session, result: None });
                into.push(Box::new(Step { io_thread, conn, work }));
            }
        }
        while self.steps.away < most_away
            && let Some((conn, stream, part)) = self.steps.reads.pop_front()
        {
            if conn_of(&mut self.conns, conn).is_some() {
                self.steps.away += 1;
                let work = Work::Read(FileRead { stream, part, result: None, warm_to: 0 });
                into.push(Box::new(Step { io_thread, conn, work }));
            }
        }
    }

    /// Takes steps on this thread, while `has_time`.
    pub(crate) fn take_own_steps(&mut self, mut has_time: impl FnMut() -> bool) {
        self.note_cold_reads();
        while has_time() {
            if let Some(conn) = self.steps.waiting.pop_front() {
                if let Some(Conn { link: Link::Tls(tls), .. }) = conn_of(&mut self.conns, conn) {
                    tls.take_step();
                    self.services.counters.tls.on_loops.add(1);
                    self.go_on(conn.slot);
                }
            } else if let Some((conn, stream, part)) = self.steps.reads.pop_front() {
                self.file_was_read(conn, stream, &part, read(&part), 0);
            } else {
                return;
            }
        }
    }

    /// A worker has taken a step.
    pub(crate) fn step_taken(&mut self, step: Step) {
        self.steps.away -= 1;
        match step.work {
            Work::Handshake(HandshakeStep { session, result }) => {
                if let Some(Conn { link: Link::Tls(tls), .. }) = conn_of(&mut self.conns, step.conn)
                {
                    tls.return_session(session, result.unwrap_or(Ok(())));
                    self.go_on(step.conn.slot);
                }
            }
            Work::Read(FileRead { stream, part, result, warm_to }) => {
                let result = result.unwrap_or(Err(io::ErrorKind::Other.into()));
                self.file_was_read(step.conn, stream, &part, result, warm_to);
            }
        }
    }

    /// The output of a connection waited for this part of a file. It goes on, or is broken off.
    fn file_was_read(
        &mut self,
        conn: ConnId,
        stream: Option<u32>,
        part: &FileRange,
        result: io::Result<Vec<u8>>,
        warm_to: u64,
    ) {
        let Some(Conn { core, protocol, .. }) = conn_of(&mut self.conns, conn) else { return };
        if let Err(error) = &result {
            notice::file_broke_off(&part.file, error);
        }
        if let Some(stream) = stream {
            protocol.file_was_read(core, &mut self.services, stream, result, warm_to);
            self.services.mark_dirty(core);
            return;
        }
        match result {
            Ok(bytes) => {
                // The client has waited for the disk, and not the server for the client.
                core.timer.sent = true;
                core.out.file_was_read(bytes, warm_to);
                self.services.mark_dirty(core);
            }
            Err(_) => self.close(conn.slot, CloseReason::Aborted),
        }
    }

    /// Whether steps wait to be taken, or names to be asked for.
    pub(crate) fn has_steps(&self) -> bool {
        let Steps { waiting, reads, questions, .. } = &self.steps;
        let streams_read = !self.services.cold_reads.is_empty();
        streams_read || !(waiting.is_empty() && reads.is_empty() && questions.is_empty())
    }

    /// Whether steps are with workers, or names are asked for.
    pub(crate) fn awaits_steps(&self) -> bool {
        self.steps.away + self.steps.asked > 0
    }

    /// Steps that workers have.
    pub(crate) fn steps_away(&self) -> usize {
        self.steps.away
    }
}
