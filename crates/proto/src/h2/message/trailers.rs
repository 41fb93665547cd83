use super::{HeadReader, MessageError, Most, Refused, check, lines};
use crate::semantics::{Limits, RequestError};

/// Trailer sections (RFC 9113 §8.1): the same checks, without pseudo-fields.
impl HeadReader {
    /// A trailer section begins.
    pub fn begin_trailers(&mut self, limits: &Limits) {
        let bytes = limits.trailers.min(u32::MAX as usize);
        let most = Most { bytes, fields: limits.fields, ..Most::default() };
        *self =
            Self { most, takes_extended_connect: self.takes_extended_connect, ..Self::default() };
    }

    /// Takes the next field of a trailer section. `text` is overwritten with its lines.
    pub fn trailer(&mut self, name: &[u8], value: &[u8], text: &mut Vec<u8>) {
        if self.cost == 0 {
            text.clear();
        }
        if !self.charge(name, value, RequestError::TrailersTooLarge) {
            return;
        }
        if let Err(refused) = self.trailer_line(name, value, text) {
            self.refused = Some(refused);
        }
    }

    /// The trailer section is complete: `text` is its lines, each `name: value` and CRLF.
    ///
    /// # Errors
    ///
    /// The first fault.
    pub fn finish_trailers(&mut self, text: &mut Vec<u8>) -> Result<(), Refused> {
        if self.cost == 0 {
            text.clear();
        }
        self.verdict()
    }

    fn trailer_line(
        &mut self,
        name: &[u8],
        value: &[u8],
        text: &mut Vec<u8>,
    ) -> Result<(), Refused> {
        if name.first() == Some(&b':') {
            return Err(MessageError::PseudoLate.into());
        }
        check::field(name, value, false)?;
        check::hop(name, value)?;
        if self.lines >= self.most.fields {
            return Err(RequestError::TrailersTooLarge.into());
        }
        self.lines += 1;
        lines::write(name, value, text);
        Ok(())
    }
}
