//! One connection that speaks TLS: the handshake, then the same requests and answers.

use std::io;

use reactor_tls::HEADROOM;
use reactor_tls::client::ClientError;

use super::{READS, Worker};
use crate::conn::{self, Link};
use crate::handshake::introduce;
use crate::tally::ErrorClass;

/// The most ciphertext that waits for the socket before more is made.
const WAITING: usize = 64 * 1024;

/// What a read came to.
enum Read {
    /// Plaintext; the flag says that the server sends no more.
    Plain(usize, bool),
    /// The kernel closed it.
    Closed,
    Blocked,
    Failed(io::Error),
    Broken(ClientError),
}

impl Worker {
    /// The socket is connected. Begins the handshake.
    pub(super) fn greet(&mut self, slot: usize) {
        let plan = &self.shared.plan;
        if plan.proxy_protocol.is_some()
            && let Link::Connecting(stream) = &self.conns[slot].link
            && let Err(error) = introduce(stream, &self.shared.address, plan.proxy_protocol)
        {
            return self.connect_failed(slot, &error);
        }
        let Some(client) = &self.shared.plan.tls else { return self.opened(slot) };
        let began = self.clock();
        let conn = &mut self.conns[slot];
        let Link::Connecting(stream) = std::mem::take(&mut conn.link) else { return };
        match client.session() {
            Ok(session) => {
                conn.link = Link::Handshaking(stream, Box::new(session), began);
                self.write_tls(slot);
            }
            Err(error) => self.connect_failed(slot, &error),
        }
    }

    /// Encrypts and sends the unwritten requests, behind what TLS itself has to say, as far as the
    /// socket takes them.
    pub(super) fn write_tls(&mut self, slot: usize) {
        let conn = &mut self.conns[slot];
        let is_open = matches!(conn.link, Link::Open(..));
        let (Link::Open(stream, Some(tls)) | Link::Handshaking(stream, tls, _)) = &mut conn.link
        else {
            return;
        };
        loop {
            while is_open && tls.output().len() < WAITING {
                if let (Some(session), Some(plan)) = (&mut conn.http2, &self.shared.plan.http2) {
                    session.fill(plan, &mut conn.in_flight);
                }
                let (next, from) =
                    conn::next(&conn.http2, &conn.socket, conn.unwritten, &self.shared.batch);
                let next = &next[..next.len().min(WAITING)];
                if next.is_empty() {
                    break;
                }
                if let Err(error) = tls.write(next) {
                    return self.lost(slot, ErrorClass::Send, &error);
                }
                let taken = next.len();
                let (http2, socket) = (&mut conn.http2, &mut conn.socket);
                conn::wrote(http2, socket, &mut conn.unwritten, taken, from);
            }
            if tls.output().is_empty() {
                return;
            }
            match stream.write(tls.output()) {
                Ok(n) => {
                    tls.sent(n);
                    if self.source.is_counted(self.now) {
                        self.tally.bytes_sent += n as u64;
                    }
                    // The rest goes when the poller reports room.
                    if !tls.output().is_empty() {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    // The server may have said why before it hung up.
                    conn.unwritten = 0;
                    conn.send_error = Some(error);
                    self.again.push(slot);
                    return;
                }
            }
        }
    }

    /// Reads all that has come, as [`read`](Self::read) does.
    pub(super) fn read_tls(&mut self, slot: usize, scratch: &mut [u8]) {
        for _ in 0..READS {
            let generation = self.conns[slot].generation;
            let Some(read) = self.decrypt(slot, scratch) else { return };
            match read {
                Read::Plain(plain, ended) => {
                    self.handshake_done(slot);
                    // A slot that has another connection by now has read all of this one.
                    if self.conns[slot].generation != generation
                        || plain > 0 && !self.consume(slot, &mut scratch[..plain])
                    {
                        return;
                    }
                    if ended {
                        return self.ended(slot);
                    }
                }
                Read::Closed => return self.closed(slot),
                Read::Blocked => {
                    return match self.conns[slot].send_error.take() {
                        Some(error) => self.tls_failed(slot, ErrorClass::Send, &error),
                        None => self.assign(slot, usize::MAX),
                    };
                }
                Read::Failed(error) => {
                    let sent = self.conns[slot].send_error.take();
                    let class = if sent.is_some() { ErrorClass::Send } else { ErrorClass::Receive };
                    return self.tls_failed(slot, class, &sent.unwrap_or(error));
                }
                Read::Broken(error) => {
                    return self.tls_failed(slot, ErrorClass::Receive, &error);
                }
            }
        }
        self.again.push(slot);
    }

    /// One read from the socket, if there is one that speaks TLS. The plaintext is at the front of
    /// `scratch` then.
    fn decrypt(&mut self, slot: usize, scratch: &mut [u8]) -> Option<Read> {
        let (Link::Open(stream, Some(tls)) | Link::Handshaking(stream, tls, _)) =
            &mut self.conns[slot].link
        else {
            return None;
        };
        let n = loop {
            match stream.read(&mut scratch[HEADROOM + tls.held()..]) {
                Ok(0) => return Some(Read::Closed),
                Ok(n) => break n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Some(Read::Blocked);
                }
                Err(error) => return Some(Read::Failed(error)),
            }
        };
        let read = tls.read(scratch, n);
        self.now = self.clock();
        if self.source.is_counted(self.now) {
            self.tally.bytes_received += n as u64;
        }
        Some(match read {
            Ok(read) => Read::Plain(read.plain, read.ended),
            Err(error) => Read::Broken(error),
        })
    }

    /// Opens the connection if its handshake has just been done, else sends what the handshake
    /// has to say.
    fn handshake_done(&mut self, slot: usize) {
        let conn = &mut self.conns[slot];
        conn.link = match std::mem::take(&mut conn.link) {
            Link::Handshaking(stream, tls, began) if !tls.is_handshaking() => {
                let resumed = tls.facts().is_some_and(|facts| facts.resumed);
                self.tally.handshake(resumed, self.now.saturating_sub(began));
                conn.link = Link::Open(stream, Some(tls));
                self.opened(slot);
                // With requests or without, the last message of the handshake goes out.
                return self.write_tls(slot);
            }
            other => other,
        };
        self.write_tls(slot);
    }

    /// The server has closed its side of the socket.
    fn closed(&mut self, slot: usize) {
        let conn = &mut self.conns[slot];
        match &conn.link {
            Link::Open(_, Some(tls)) if !tls.has_ended() => {
                // Whoever cuts the connection could cut an answer that ends with it.
                match conn.decoder.finish() {
                    Ok(Some(_)) => self.lost(slot, ErrorClass::Receive, &ClientError::Truncated),
                    _ => self.ended(slot),
                }
            }
            Link::Handshaking(..) => {
                self.connect_failed(slot, &"the server closed the connection in the TLS handshake");
            }
            _ => self.ended(slot),
        }
    }

    fn tls_failed(&mut self, slot: usize, class: ErrorClass, why: &dyn std::fmt::Display) {
        match self.conns[slot].link {
            Link::Handshaking(..) => self.connect_failed(slot, why),
            _ => self.lost(slot, class, why),
        }
    }
}
