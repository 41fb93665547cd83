//! Compresses the body of a response.

use reactor_proto::Coding;

use crate::exchange::body::Body;
use crate::exchange::compression::coder::{Budget, Coder};
use crate::exchange::compression::decision::says_coding;
use crate::exchange::compression::options::Compress;
use crate::exchange::response::Response;

impl Compress {
    /// Compresses the body of a response whose fields say so already. If that makes it no shorter,
    /// they say otherwise afterwards.
    pub(crate) fn encode(&self, response: &mut Response, coding: Coding) {
        let body = std::mem::take(response.content_mut());
        let plain = match &body {
            Body::Bytes(bytes) => &bytes[..],
            Body::Shared(bytes) => &bytes[..],
            _ => return *response.content_mut() = body,
        };
        match self.shorter(coding, plain) {
            Some(coded) => {
                response.body_vec(coded);
                says_coding(response, coding);
            }
            None => *response.content_mut() = body,
        }
    }

    /// The same for a body that is lent. If that makes it no shorter, it stays so.
    pub(crate) fn encode_lent(&self, response: &mut Response, coding: Coding, plain: &[u8]) {
        if let Some(coded) = self.shorter(coding, plain) {
            response.body_vec(coded);
            says_coding(response, coding);
        }
    }

    /// The bytes in this coding, if they are fewer then.
    fn shorter(&self, coding: Coding, plain: &[u8]) -> Option<Vec<u8>> {
        let mut coded = Vec::new();
        self.encode_bytes(coding, plain, &mut coded).ok()?;
        (coded.len() < plain.len()).then_some(coded)
    }

    /// Has a response that streams go in this coding from now on. False if there is no memory for
    /// it; then it goes as it is. To HEAD nothing is sent, so that takes no memory.
    pub(crate) fn encode_stream(
        &self,
        response: &mut Response,
        coding: Coding,
        budget: &Budget,
        head_only: bool,
    ) -> bool {
        let coder = if head_only {
            None
        } else {
            let Some(coder) = Coder::new(coding, self.padding().bytes(), budget) else {
                return false;
            };
            Some(coder)
        };
        let Some(body) = response.stream_body_mut() else { return false };
        body.coder = coder;
        body.is_coded = true;
        says_coding(response, coding);
        true
    }
}
