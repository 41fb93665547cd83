//! The lines of a head in its text.

use crate::semantics::{Field, Head, Span};

#[inline]
pub(super) fn write(name: &[u8], value: &[u8], text: &mut Vec<u8>) {
    text.reserve(name.len() + value.len() + ": \r\n".len());
    text.extend_from_slice(name);
    text.extend_from_slice(b": ");
    text.extend_from_slice(value);
    text.extend_from_slice(b"\r\n");
}

#[inline]
pub(super) fn push(name: &[u8], value: &[u8], text: &mut Vec<u8>, head: &mut Head) {
    let start = text.len();
    write(name, value, text);
    let name = Span::new(start, start + name.len());
    let end = text.len() - "\r\n".len();
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
