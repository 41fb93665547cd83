//! One TLS handshake before the run: whether it works, and what it agrees on.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use reactor_proto::proxy_protocol;
use reactor_sys::{Address, Stream};
use reactor_tls::HEADROOM;
use reactor_tls::client::{BUFFER, Client, ClientError, ClientSession};

/// How long to wait before the socket is asked again. There is no poller yet.
const AGAIN: Duration = Duration::from_millis(1);

/// A server of HTTP/1.1 only.
pub(crate) const NO_H2: &str = "the server does not agree to h2 in the TLS handshake (ALPN)";

/// What a full handshake with the server agrees on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Agreed {
    pub(crate) version: String,
    pub(crate) cipher: &'static str,
    pub(crate) group: Option<&'static str>,
}

/// Why there was no handshake.
#[derive(Debug)]
pub(crate) enum Failed {
    System(io::Error),
    Tls(ClientError),
    /// The server does not speak HTTP/2. Why, in words.
    Http2(String),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

impl From<ClientError> for Failed {
    fn from(error: ClientError) -> Self {
        Self::Tls(error)
    }
}

/// Waits for what a socket does not have yet, up to a time.
pub(crate) struct Patience {
    what: &'static str,
    timeout: Duration,
    until: Instant,
}

impl Patience {
    /// `what` has not come once `timeout` is over.
    pub(crate) fn new(what: &'static str, timeout: Duration) -> Self {
        Self { what, timeout, until: Instant::now() + timeout }
    }

    pub(crate) fn wait(&self) -> io::Result<()> {
        if Instant::now() < self.until {
            thread::sleep(AGAIN);
            return Ok(());
        }
        let why = format!("{} within {:?}", self.what, self.timeout);
        Err(io::Error::new(io::ErrorKind::TimedOut, why))
    }
}

/// A socket that is connected, or will be. With a `version` it has begun with a header of the PROXY
/// protocol.
pub(crate) fn connect(
    address: &Address,
    version: Option<u8>,
    patience: &Patience,
) -> io::Result<Stream> {
    loop {
        match Stream::connect(address) {
            Ok((stream, _)) => {
                introduce_soon(&stream, address, version, patience)?;
                return Ok(stream);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => patience.wait()?,
            Err(error) => return Err(error),
        }
    }
}

/// Begins a connection with a header of the PROXY protocol, in which this end is the client's. No
/// fresh socket is too full for it.
pub(crate) fn introduce(stream: &Stream, address: &Address, version: Option<u8>) -> io::Result<()> {
    let Some(version) = version else { return Ok(()) };
    let to = match address {
        Address::Tcp(to) => Some(*to),
        Address::Unix(_) => None,
    };
    let mut header = Vec::new();
    proxy_protocol::write(version, stream.local_address().zip(to), &mut header);
    match stream.write(&header)? {
        n if n == header.len() => Ok(()),
        _ => Err(io::ErrorKind::WriteZero.into()),
    }
}

/// The same, once it is connected.
fn introduce_soon(
    stream: &Stream,
    address: &Address,
    version: Option<u8>,
    patience: &Patience,
) -> io::Result<()> {
    loop {
        match introduce(stream, address, version) {
            Err(error) if is_to_come(&error) => patience.wait()?,
            result => return result,
        }
    }
}

/// Connects, shakes hands and says goodbye. With `http2` the server has to agree to that.
pub(crate) fn shake_hands(
    address: &Address,
    client: &Client,
    http2: bool,
    version: Option<u8>,
    timeout: Duration,
) -> Result<Agreed, Failed> {
    let patience = Patience::new("no TLS handshake", timeout);
    let stream = connect(address, version, &patience)?;
    let mut tls = client.session()?;
    let mut buf = vec![0; BUFFER];
    while tls.is_handshaking() {
        send(&stream, &mut tls, &patience)?;
        match stream.read(&mut buf[HEADROOM + tls.held()..]) {
            Ok(0) => {
                let why = "the server closed the connection in the TLS handshake";
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, why).into());
            }
            Ok(n) => {
                if let Err(error) = tls.read(&mut buf, n) {
                    // The server may be gone. It is told why if it is not.
                    let _ = stream.write(tls.output());
                    return Err(error.into());
                }
            }
            Err(error) if is_to_come(&error) => patience.wait()?,
            Err(error) => return Err(error.into()),
        }
    }
    let facts = tls.facts();
    let is_http2 = facts.as_ref().is_some_and(|facts| facts.protocol == Some(b"h2"));
    let agreed = facts.map(|facts| Agreed {
        version: facts.version.to_string(),
        cipher: facts.cipher,
        group: facts.group,
    });
    tls.close();
    send(&stream, &mut tls, &patience)?;
    if http2 && !is_http2 {
        return Err(Failed::Http2(NO_H2.to_owned()));
    }
    agreed.ok_or_else(|| ClientError::Internal("nothing was agreed on".into()).into())
}

fn send(stream: &Stream, tls: &mut ClientSession, patience: &Patience) -> io::Result<()> {
    while !tls.output().is_empty() {
        match stream.write(tls.output()) {
            Ok(n) => tls.sent(n),
            Err(error) if is_to_come(&error) => patience.wait()?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The socket is not connected yet, or has nothing now.
pub(crate) fn is_to_come(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, NotConnected, WouldBlock};
    matches!(error.kind(), Interrupted | NotConnected | WouldBlock)
}
