//! Pre-rendered answers in every coding, made once.

use std::sync::Arc;

use reactor_proto::{Codings, response};

use crate::exchange::compression::decision::{self, Decision};
use crate::exchange::compression::options::Compress;
use crate::exchange::inline::{Inline, InlineSet};

impl Compress {
    /// The forms of a pre-rendered answer.
    pub(crate) fn prepare(&self, inline: &Inline) -> InlineSet {
        let status = inline.status;
        let is_left = !response::has_content(status)
            || matches!(status, 206 | 304)
            || inline.plain
            || inline.body.len() < self.threshold.max(1)
            || !self.takes(inline.fields.iter());
        if is_left {
            return InlineSet::default();
        }
        let mut set = InlineSet::default();
        for coding in self.written() {
            let mut coded = Vec::new();
            // Its length is the same for all clients, so it hides nothing and needs no padding.
            let done = reactor_compress::compress_whole(
                coding,
                reactor_compress::Effort::Cached,
                &inline.body,
                &mut coded,
            );
            if done.is_ok() && coded.len() < inline.body.len() {
                let change = |lines: &mut Vec<u8>| decision::change(lines, Some(coding));
                set.coded[coding.index()] = Some(Arc::new(inline.with(coded.into(), change)));
            }
        }
        let change = |lines: &mut Vec<u8>| decision::change(lines, None);
        set.plain = Some(Arc::new(inline.with(Arc::clone(&inline.body), change)));
        set
    }

    /// The form for a client. None if it is the answer as it was given.
    pub(crate) fn form(&self, set: &InlineSet, codings: Codings) -> Option<Arc<Inline>> {
        let coded = match self.choose(codings) {
            Decision::Encode(coding) => set.coded[coding.index()].as_ref(),
            Decision::Leave | Decision::Vary => None,
        };
        coded.or(set.plain.as_ref()).cloned()
    }
}
