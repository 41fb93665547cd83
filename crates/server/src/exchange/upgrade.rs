//! The handshake of a WebSocket (RFC 6455 §4.2).

use std::sync::Arc;

use reactor_proto::ws::{Policy, Upgrade, UpgradeError, negotiate};

use crate::exchange::request::Request;
use crate::exchange::response::Response;
use crate::exchange::socket::{Compression, Opening, SocketSettings};
use crate::exchange::switch::NextProtocol;

/// Why a request opens no WebSocket, and the answer to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoUpgrade {
    /// 400, 405 or 426.
    pub status: u16,
    /// Fields that go with the status.
    pub fields: &'static [(&'static str, &'static str)],
    /// The reason.
    pub text: String,
}

impl From<UpgradeError> for NoUpgrade {
    fn from(error: UpgradeError) -> Self {
        Self { status: error.status(), fields: error.fields(), text: error.to_string() }
    }
}

/// Makes the response the one that opens a WebSocket (RFC 6455 §4.2.2). Returns whether compression was
/// agreed on.
///
/// # Errors
/// If the request does not ask for one. The response is as it was.
pub(crate) fn upgrade(
    request: &Request,
    response: &mut Response,
    settings: &Arc<SocketSettings>,
) -> Result<bool, NoUpgrade> {
    let upgrade = Upgrade::of(&request.head, &request.head_bytes)?;
    let malformed = || NoUpgrade {
        status: 400,
        fields: &[],
        text: "Sec-WebSocket-Extensions is malformed (RFC 6455 section 9.1)".to_owned(),
    };
    let policy = match settings.compression {
        Compression::Dedicated => Policy::DEDICATED,
        Compression::Off | Compression::Shared => Policy::SHARED,
    };
    let agreed = negotiate(upgrade.extensions(), &policy).map_err(|_| malformed())?;
    let agreed = agreed.filter(|_| settings.compression != Compression::Off);
    let known = "a token and its value";
    response.field("Upgrade", "websocket").expect(known);
    response.field("Sec-WebSocket-Accept", upgrade.accept()).expect(known);
    if let Some(agreed) = &agreed {
        let mut value = Vec::new();
        agreed.write(&mut value);
        response.field("Sec-WebSocket-Extensions", value).expect(known);
    }
    let compresses = agreed.is_some();
    let opening = Opening { stream: 0, settings: Arc::clone(settings), agreed };
    response.switch_protocols(NextProtocol::WebSocket(Box::new(opening)));
    Ok(compresses)
}
