//! The lines of a head in its text.

use crate::semantics::{Field, Head, Span};

/// Bytes of a text that is begun: most heads have less.
const LEAST_TEXT: usize = 512;

#[inline]
pub(super) fn write(name: &[u8], value: &[u8], text: &mut Vec<u8>) {
    text.reserve(name.len() + value.len() + ": \r\n".len());
    text.extend_from_slice(name);
    text.extend_from_slice(b": ");
    text.extend_from_slice(value);
    text.extend_from_slice(b"\r\n");
}

/// The `len` bytes of `text` at `at`, which gets longer if need be: what it had before is
/// overwritten without growing again.
#[inline]
pub(super) fn room(text: &mut Vec<u8>, at: usize, len: usize) -> &mut [u8] {
    if text.len() < at + len {
        grow(text, at + len);
    }
    &mut text[at..at + len]
}

#[cold]
fn grow(text: &mut Vec<u8>, len: usize) {
    text.resize(len.max(2 * text.len()).max(LEAST_TEXT), 0);
}

/// Writes a line of the head at `at`.
#[inline]
pub(super) fn push(name: &[u8], value: &[u8], at: &mut usize, text: &mut Vec<u8>, head: &mut Head) {
    let start = *at;
    let len = name.len() + value.len() + ": \r\n".len();
    let line = room(text, start, len);
    let (written, line) = line.split_at_mut(name.len());
    written.copy_from_slice(name);
    let (colon, line) = line.split_at_mut(2);
    colon.copy_from_slice(b": ");
    let (written, end) = line.split_at_mut(value.len());
    written.copy_from_slice(value);
    end.copy_from_slice(b"\r\n");
    *at = start + len;
    let name = Span::new(start, start + name.len());
    let end = start + len - 2;
    head.fields.push(Field { name, value: Span::new(end - value.len(), end) });
}

/// Makes one line of all cookie lines, in the place of the first: writes the field lines again
/// behind the others, and then drops those.
#[cold]
pub(super) fn join_crumbs(text: &mut Vec<u8>, head: &mut Head) {
    let within = |span: Span| span.start as usize..span.end as usize;
    let Some(first) = head.fields.first().map(|field| field.name.start as usize) else { return };
    let end = text.len();
    let fields = std::mem::take(&mut head.fields);
    let mut joined = Vec::with_capacity(fields.len());
    let mut had_cookie = false;
    for field in &fields {
        let is_cookie = field.name.of(text) == b"cookie";
        if is_cookie && std::mem::replace(&mut had_cookie, true) {
            continue;
        }
        let start = text.len();
        text.extend_from_within(within(field.name));
        text.extend_from_slice(b": ");
        let value = text.len();
        text.extend_from_within(within(field.value));
        if is_cookie {
            for other in fields.iter().filter(|other| *other != field) {
                if other.name.of(text) == b"cookie" {
                    if !other.value.is_empty() && text.len() > value {
                        text.extend_from_slice(b"; ");
                    }
                    text.extend_from_within(within(other.value));
                }
            }
        }
        let shift = end - first;
        let name = Span::new(start - shift, start - shift + field.name.len());
        joined.push(Field { name, value: Span::new(value - shift, text.len() - shift) });
        text.extend_from_slice(b"\r\n");
    }
    text.drain(first..end);
    head.fields = joined;
}
