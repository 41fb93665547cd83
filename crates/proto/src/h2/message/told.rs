use super::{HeadReader, Stage};
use crate::semantics::{Head, Method, Span};

/// What a refused head leaves.
impl HeadReader {
    /// Leaves nothing of an earlier head in what a log may show of a refused one.
    #[cold]
    pub(super) fn leave_told(&mut self, text: &mut Vec<u8>, head: &mut Head) {
        if self.stage == Stage::Pseudo {
            let told = |part: Option<Span>| {
                part.filter(|part| {
                    let bytes = text.get(part.start as usize..part.end as usize);
                    bytes.is_some_and(|bytes| {
                        !bytes.is_empty() && bytes.iter().all(u8::is_ascii_graphic)
                    })
                })
            };
            let (method, target) =
                (told(self.pseudo.method), told(self.pseudo.path.or(self.pseudo.authority)));
            head.method = method.map_or(Method::Other, |span| Method::from_token(span.of(text)));
            match (method, target) {
                (Some(method), Some(target)) => {
                    self.write_request_line(method, target, text, head);
                }
                _ => self.at = 0,
            }
        }
        text.truncate(self.at);
    }
}
