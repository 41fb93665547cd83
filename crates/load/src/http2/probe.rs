//! Whether a server without TLS speaks HTTP/2, asked once before the run.

use std::io;
use std::time::Duration;

use reactor_proto::h2::frame;
use reactor_sys::Address;

use super::Session;
use crate::handshake::{Failed, Patience, connect, is_to_come};

/// Connects, sends the preface and reads the beginning of the answer, which has to be a SETTINGS frame
/// (RFC 9113 §3.4).
pub(crate) fn probe(
    address: &Address,
    version: Option<u8>,
    timeout: Duration,
) -> Result<(), Failed> {
    let patience = Patience::new("no SETTINGS frame of HTTP/2", timeout);
    let stream = connect(address, version, &patience)?;
    let mut session = Session::new();
    let (mut answer, mut buf) = (Vec::new(), [0; 512]);
    loop {
        while !session.output().is_empty() {
            match stream.write(session.output()) {
                Ok(n) => session.wrote(n),
                Err(error) if is_to_come(&error) => patience.wait()?,
                // The server may have said why before it hung up.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break,
                Err(error) => return Err(error.into()),
            }
        }
        match stream.read(&mut buf) {
            Ok(0) => return Err(Failed::Http2(judge(&answer))),
            Ok(n) => answer.extend_from_slice(&buf[..n]),
            Err(error) if is_to_come(&error) => patience.wait()?,
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                return Err(Failed::Http2(judge(&answer)));
            }
            Err(error) => return Err(error.into()),
        }
        match answer.get(..frame::HEADER) {
            Some([_, _, _, frame::kind::SETTINGS, 0, 0, 0, 0, 0]) => return Ok(()),
            // The line of an answer in HTTP/1 may come in pieces.
            Some(_) if answer.contains(&b'\n') || !answer.starts_with(b"HTTP/1") => {
                return Err(Failed::Http2(judge(&answer)));
            }
            _ => {}
        }
    }
}

fn judge(answer: &[u8]) -> String {
    let line = answer.split(|&byte| byte == b'\n').next().unwrap_or_default();
    if line.starts_with(b"HTTP/1") {
        let line = String::from_utf8_lossy(line.trim_ascii());
        return format!("the server does not speak it without TLS: it answers '{line}'");
    }
    let what = if answer.is_empty() {
        "the server closes the connection; does it speak HTTP/2 without TLS?"
    } else if answer.starts_with(b"\x15\x03") {
        "the server speaks TLS; https:// is for it"
    } else {
        "what the server sends is no HTTP/2"
    };
    what.to_owned()
}
