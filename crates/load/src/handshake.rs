//! One TLS handshake before the run: whether it works, and what it agrees on.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use reactor_sys::{Address, Stream};
use reactor_tls::HEADROOM;
use reactor_tls::client::{BUFFER, Client, ClientError, ClientSession};

/// How long to wait before the socket is asked again. There is no poller yet.
const AGAIN: Duration = Duration::from_millis(1);

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

/// Connects, shakes hands and says goodbye.
pub(crate) fn shake_hands(
    address: &Address,
    client: &Client,
    timeout: Duration,
) -> Result<Agreed, Failed> {
    let until = Instant::now() + timeout;
    let wait = || match Instant::now() < until {
        true => {
            thread::sleep(AGAIN);
            Ok(())
        }
        false => {
            let why = format!("no TLS handshake within {timeout:?}");
            Err(io::Error::new(io::ErrorKind::TimedOut, why))
        }
    };
    let stream = loop {
        match Stream::connect(address) {
            Ok((stream, _)) => break stream,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait()?,
            Err(error) => return Err(error.into()),
        }
    };
    let mut tls = client.session()?;
    let mut buf = vec![0; BUFFER];
    while tls.is_handshaking() {
        send(&stream, &mut tls, wait)?;
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
            Err(error) if is_to_come(&error) => wait()?,
            Err(error) => return Err(error.into()),
        }
    }
    let agreed = tls.facts().map(|facts| Agreed {
        version: facts.version.to_string(),
        cipher: facts.cipher,
        group: facts.group,
    });
    tls.close();
    send(&stream, &mut tls, wait)?;
    agreed.ok_or_else(|| ClientError::Internal("nothing was agreed on".into()).into())
}

fn send(
    stream: &Stream,
    tls: &mut ClientSession,
    wait: impl Fn() -> io::Result<()>,
) -> io::Result<()> {
    while !tls.output().is_empty() {
        match stream.write(tls.output()) {
            Ok(n) => tls.sent(n),
            Err(error) if is_to_come(&error) => wait()?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The socket is not connected yet, or has nothing now.
fn is_to_come(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, NotConnected, WouldBlock};
    matches!(error.kind(), Interrupted | NotConnected | WouldBlock)
}
