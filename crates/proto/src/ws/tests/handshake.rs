//! Requests that ask for a WebSocket.

use super::*;
use crate::{Decoder as Http, Event as HttpEvent, Head, Limits as HttpLimits};

const ASKS: &str = "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Origin: http://example.com\r\nSec-WebSocket-Protocol: chat, superchat\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

/// Reads a request, and says what `with` finds in it.
fn asked<T>(request: &str, with: impl FnOnce(Result<Upgrade<'_>, UpgradeError>) -> T) -> T {
    let mut head = Head::default();
    let decoded = Http::default().decode(request.as_bytes(), &mut head, &HttpLimits::default());
    let Ok((used, HttpEvent::Head)) = decoded else { panic!("{request}: {decoded:?}") };
    with(Upgrade::of(&head, &request.as_bytes()[used - head.len()..used]))
}

/// What is wrong with the request after a change.
fn fault(from: &str, to: &str) -> Option<UpgradeError> {
    assert!(ASKS.contains(from));
    asked(&ASKS.replacen(from, to, 1), |upgrade| upgrade.err())
}

#[test]
fn the_example_of_the_rfc_is_accepted() {
    asked(ASKS, |upgrade| {
        let upgrade = upgrade.unwrap();
        assert_eq!(upgrade.accept(), *b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(upgrade.protocols().collect::<Vec<_>>(), [&b"chat"[..], b"superchat"]);
        assert_eq!(upgrade.origin(), Some(&b"http://example.com"[..]));
        assert_eq!(upgrade.extensions().count(), 0);
    });
    assert_eq!(key(*b"the sample nonce"), *b"dGhlIHNhbXBsZSBub25jZQ==");
}

#[test]
fn names_and_tokens_are_taken_in_any_case_and_in_lists() {
    for (from, to) in [
        ("Upgrade: websocket", "UPGRADE: h2c, WebSocket"),
        ("Connection: Upgrade", "connection: keep-alive, upgrade"),
        ("Sec-WebSocket-Version: 13", "sec-websocket-version:13 "),
        ("Sec-WebSocket-Protocol: chat, superchat\r\n", ""),
        ("chat, superchat", "chat\r\nSec-WebSocket-Protocol: superchat"),
        ("dGhlIHNhbXBsZSBub25jZQ==", "+/AZaz09bXBsZSBub25jZQ=="),
    ] {
        assert_eq!(fault(from, to), None, "{to}");
    }
}

#[test]
fn what_is_no_such_request_is_refused() {
    let version = "Sec-WebSocket-Version: 13";
    let key = "dGhlIHNhbXBsZSBub25jZQ==";
    for (from, to, error) in [
        ("GET", "POST", UpgradeError::Method),
        ("HTTP/1.1", "HTTP/1.0", UpgradeError::NotUpgrade),
        ("Upgrade: websocket", "Upgrade: h2c", UpgradeError::NotUpgrade),
        ("Upgrade: websocket", "Upgrade: web socket", UpgradeError::NotUpgrade),
        ("Upgrade: websocket\r\n", "", UpgradeError::NotUpgrade),
        ("Connection: Upgrade", "Connection: keep-alive", UpgradeError::NotUpgrade),
        (version, "X: 13", UpgradeError::Version),
        (version, "Sec-WebSocket-Version: 8", UpgradeError::Version),
        (version, "Sec-WebSocket-Version: 013", UpgradeError::Version),
        (version, "Sec-WebSocket-Version: 13, 8", UpgradeError::Version),
        (version, "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 13", UpgradeError::Version),
        ("Sec-WebSocket-Key", "X", UpgradeError::Key),
        (key, "", UpgradeError::Key),
        (key, "dGhlIHNhbXBsZSBub25jZQ", UpgradeError::Key),
        (key, "dGhlIHNhbXBsZSBub25jZ*==", UpgradeError::Key),
        (key, "dGhlIHNhbXBsZSBub25jZQAAAA==", UpgradeError::Key),
        (key, "dGhlIHNhbXBsZSBub25j\r\nSec-WebSocket-Key: ZQ==", UpgradeError::Key),
        ("Origin", "Content-Length: 1\r\nOrigin", UpgradeError::Body),
        ("Origin", "Transfer-Encoding: chunked\r\nOrigin", UpgradeError::Body),
        ("superchat", "chat", UpgradeError::Protocols),
        ("superchat", "super chat", UpgradeError::Protocols),
        ("superchat", "\"superchat\"", UpgradeError::Protocols),
    ] {
        assert_eq!(fault(from, to), Some(error), "{to}");
    }
    let many: String = (0..65).map(|i| format!("p{i},")).collect();
    assert_eq!(fault("chat, superchat", &many), Some(UpgradeError::Protocols));
}

#[test]
fn refusals_say_what_the_client_can_do() {
    assert_eq!(UpgradeError::Version.status(), 426);
    assert!(UpgradeError::Version.fields().contains(&("Sec-WebSocket-Version", "13")));
    assert!(UpgradeError::NotUpgrade.fields().contains(&("Upgrade", "websocket")));
    assert_eq!((UpgradeError::Method.status(), UpgradeError::Key.status()), (405, 400));
}
