//! Drives rustls' connection, whose states must be answered one by one.

use rustls::Error as Rustls;
use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::UnbufferedStatus;
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, EncryptError};

use crate::error::Error;

/// rustls' connection, of either side.
pub(crate) trait Conn {
    type Data;

    fn process<'c, 'i>(&'c mut self, input: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data>;
    fn has_output(&self) -> bool;
}

impl Conn for UnbufferedServerConnection {
    type Data = ServerConnectionData;

    fn process<'c, 'i>(&'c mut self, input: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(input)
    }

    fn has_output(&self) -> bool {
        self.wants_write()
    }
}

impl Conn for UnbufferedClientConnection {
    type Data = ClientConnectionData;

    fn process<'c, 'i>(&'c mut self, input: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(input)
    }

    fn has_output(&self) -> bool {
        self.wants_write()
    }
}

/// Why rustls cannot go on.
#[derive(Debug)]
pub(crate) enum Fault {
    Rustls(Rustls),
    TooLong,
    Exhausted,
    Internal(Box<str>),
}

impl From<Rustls> for Fault {
    fn from(error: Rustls) -> Self {
        Self::Rustls(error)
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Rustls(error) => error.into(),
            Fault::TooLong => Self::TooLong,
            Fault::Exhausted => Self::Exhausted,
            Fault::Internal(what) => Self::Internal(what),
        }
    }
}

/// How far a buffer was worked through.
pub(crate) struct Driven {
    /// Where the ciphertext begins that was not used.
    pub(crate) used: usize,
    /// Plaintext, at the front of the buffer.
    pub(crate) plain: usize,
    /// `close_notify` was there.
    pub(crate) ended: bool,
}

impl Driven {
    /// The ciphertext begins at `from`. What is before takes plaintext.
    pub(crate) fn new(from: usize) -> Self {
        Self { used: from, plain: 0, ended: false }
    }

    /// Gives the connection the ciphertext of `buf`. Answers go behind those in `out`.
    pub(crate) fn run(
        &mut self,
        conn: &mut impl Conn,
        buf: &mut [u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        loop {
            let (front, input) = buf.split_at_mut(self.used);
            let UnbufferedStatus { discard, state } = conn.process(input);
            let state = match state {
                Ok(state) => state,
                Err(error) => {
                    self.used += discard;
                    alerts(conn, &mut buf[self.used..], out);
                    return Err(error.into());
                }
            };
            match state {
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        let payload = record?.payload;
                        // A record is longer than its plaintext, and the front as long as all
                        // that came before and the headroom.
                        let end = self.plain + payload.len();
                        let place = front.get_mut(self.plain..end);
                        place.ok_or(Fault::TooLong)?.copy_from_slice(payload);
                        self.plain = end;
                    }
                }
                ConnectionState::EncodeTlsData(mut data) => encode(&mut data, out)?,
                ConnectionState::TransmitTlsData(data) => data.done(),
                ConnectionState::PeerClosed => {
                    self.used += discard;
                    self.ended = true;
                    return Ok(());
                }
                // No early data is accepted, so none comes.
                ConnectionState::ReadEarlyData(_)
                | ConnectionState::BlockedHandshake
                | ConnectionState::WriteTraffic(_)
                | ConnectionState::Closed => {
                    self.used += discard;
                    return Ok(());
                }
                // Of a version of rustls that this does not know.
                _ => return Err(Fault::Internal("unknown state".into())),
            }
            self.used += discard;
        }
    }
}

/// Takes the alert that explains a failure. Only so long as there is output: where there is none,
/// rustls would read the wrong record once more.
fn alerts(conn: &mut impl Conn, input: &mut [u8], out: &mut Vec<u8>) {
    while conn.has_output() {
        let Ok(ConnectionState::EncodeTlsData(mut data)) = conn.process(input).state else {
            return;
        };
        if encode(&mut data, out).is_err() {
            return;
        }
    }
}

fn encode<Data>(data: &mut EncodeTlsData<'_, Data>, out: &mut Vec<u8>) -> Result<(), Fault> {
    let needed = match data.encode(&mut []) {
        Ok(_) => return Ok(()),
        Err(EncodeError::InsufficientSize(size)) => size.required_size,
        Err(error) => return Err(Fault::Internal(error.to_string().into())),
    };
    let before = out.len();
    out.resize(before + needed, 0);
    match data.encode(&mut out[before..]) {
        Ok(n) => out.truncate(before + n),
        Err(error) => return Err(Fault::Internal(error.to_string().into())),
    }
    Ok(())
}

/// Encrypts one record into `place`, behind what rustls wants to send first. `read` is what rustls
/// has read and not used: it must see that each time.
pub(crate) fn encrypt(
    conn: &mut impl Conn,
    read: &mut [u8],
    plain: &[u8],
    place: &mut [u8],
) -> Result<usize, Fault> {
    let mut made = 0;
    loop {
        match conn.process(read).state? {
            ConnectionState::EncodeTlsData(mut data) => match data.encode(&mut place[made..]) {
                Ok(n) => made += n,
                Err(error) => return Err(Fault::Internal(error.to_string().into())),
            },
            ConnectionState::TransmitTlsData(data) => data.done(),
            ConnectionState::WriteTraffic(mut traffic) => {
                return match traffic.encrypt(plain, &mut place[made..]) {
                    Ok(n) => Ok(made + n),
                    Err(EncryptError::EncryptExhausted) => Err(Fault::Exhausted),
                    Err(error) => Err(Fault::Internal(error.to_string().into())),
                };
            }
            ConnectionState::PeerClosed => {}
            _ => return Err(Fault::Internal("no state to write in".into())),
        }
    }
}

/// Makes `close_notify`.
pub(crate) fn close(conn: &mut impl Conn, read: &mut [u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    loop {
        match conn.process(read).state? {
            ConnectionState::EncodeTlsData(mut data) => encode(&mut data, out)?,
            ConnectionState::TransmitTlsData(data) => data.done(),
            ConnectionState::WriteTraffic(mut traffic) => {
                let before = out.len();
                // More than an alert and what else may wait.
                out.resize(before + 512, 0);
                let n = traffic.queue_close_notify(&mut out[before..]);
                out.truncate(before + *n.as_ref().unwrap_or(&0));
                return n.map(|_| ()).map_err(|_| Fault::Exhausted);
            }
            ConnectionState::PeerClosed => {}
            _ => return Ok(()),
        }
    }
}
