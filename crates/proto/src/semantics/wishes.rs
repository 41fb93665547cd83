//! What a request wishes of a representation: its conditions, ranges and codings
//! (RFC 9110 §12 to §14).

use super::{Codings, class, field};

/// The fields of a request that decide which representation is sent, which part of it, or none.
/// They are kept as they came and read when asked for.
///
/// A field that is a list may come in several lines. A field that is one value and comes twice
/// is invalid, and has no effect (RFC 9110 §5.3, §13.1).
#[derive(Clone, Copy, Debug, Default)]
pub struct Wishes<'a> {
    pub(super) range: Option<&'a [u8]>,
    pub(super) if_range: Option<&'a [u8]>,
    pub(super) if_modified_since: Option<&'a [u8]>,
    pub(super) if_unmodified_since: Option<&'a [u8]>,
    sec_fetch_mode: Option<&'a [u8]>,
    /// The first line of each list, by [`List`].
    firsts: [Option<&'a [u8]>; List::COUNT],
    /// Lines of lists after their first ones. Room for as many as no client sends; what comes
    /// after is ignored.
    others: [Option<(List, &'a [u8])>; 4],
}

/// The lengths of the names that are taken, a bit each.
const WANTED: u32 = 1 << 5 | 1 << 6 | 1 << 8 | 1 << 13 | 1 << 14 | 1 << 15 | 1 << 17 | 1 << 19;

/// The fields that are lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum List {
    IfMatch,
    IfNoneMatch,
    Accept,
    AcceptEncoding,
}

impl List {
    const COUNT: usize = 4;
}

impl<'a> Wishes<'a> {
    /// Takes what it needs of a request's fields: their names in any case, and their values
    /// without the spaces and tabs around them.
    #[inline]
    #[must_use]
    pub fn of(fields: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> Self {
        let mut wishes = Self::default();
        for (name, value) in fields {
            if name.len() < 32 && WANTED >> name.len() & 1 == 1 {
                wishes.take(name, value);
            }
        }
        wishes
    }

    /// This runs for every field of a request for a file. The length of a name and one letter
    /// part it from nearly all that are not wanted, before all letters are compared.
    fn take(&mut self, name: &[u8], value: &'a [u8]) {
        let letter = |at: usize| name[at] | 0x20;
        match name.len() {
            5 if is(name, b"range") => once(&mut self.range, value),
            6 if letter(1) == b'c' && is(name, b"accept") => self.add(List::Accept, value),
            8 if letter(3) == b'm' && is(name, b"if-match") => self.add(List::IfMatch, value),
            8 if letter(3) == b'r' && is(name, b"if-range") => once(&mut self.if_range, value),
            13 if is(name, b"if-none-match") => self.add(List::IfNoneMatch, value),
            14 if letter(10) == b'm' && is(name, b"sec-fetch-mode") => {
                once(&mut self.sec_fetch_mode, value);
            }
            15 if letter(7) == b'e' && is(name, b"accept-encoding") => {
                self.add(List::AcceptEncoding, value);
            }
            17 if is(name, b"if-modified-since") => once(&mut self.if_modified_since, value),
            19 if is(name, b"if-unmodified-since") => once(&mut self.if_unmodified_since, value),
            _ => {}
        }
    }

    fn add(&mut self, list: List, line: &'a [u8]) {
        let first = &mut self.firsts[list as usize];
        if first.is_none() {
            *first = Some(line);
        } else if let Some(place) = self.others.iter_mut().find(|place| place.is_none()) {
            *place = Some((list, line));
        }
    }

    /// The lines of a list. Without any, the request does not have the field.
    pub(super) fn lines(&self, list: List) -> impl Iterator<Item = &'a [u8]> + '_ {
        let others = self.others.iter().map_while(|place| *place);
        let others = others.filter_map(move |(of, line)| (of == list).then_some(line));
        self.firsts[list as usize].into_iter().chain(others)
    }

    pub(super) fn has(&self, list: List) -> bool {
        self.firsts[list as usize].is_some()
    }

    /// Whether there is a condition or a range. If not, [`Wishes::evaluate`] says
    /// [`Verdict::Serve`](super::Verdict::Serve), and [`Wishes::ranges`] says
    /// [`Ranges::Whole`](super::Ranges::Whole).
    #[must_use]
    pub fn is_conditional(&self) -> bool {
        self.has(List::IfMatch)
            || self.has(List::IfNoneMatch)
            || self.if_modified_since.is_some()
            || self.if_unmodified_since.is_some()
            || self.range.is_some()
    }

    /// Whether a range is asked for, whatever it says.
    #[must_use]
    pub fn is_ranged(&self) -> bool {
        self.range.is_some()
    }

    /// What Accept-Encoding says.
    #[must_use]
    pub fn codings(&self) -> Codings {
        Codings::of(self.lines(List::AcceptEncoding))
    }

    /// Whether a browser wants to show the answer as a page: its Sec-Fetch-Mode is `navigate`.
    /// A client without Sec-Fetch-Mode does if its Accept names `text/html`.
    #[must_use]
    pub fn wants_navigation(&self) -> bool {
        match self.sec_fetch_mode {
            Some(mode) => mode == b"navigate",
            None => self.lines(List::Accept).any(names_html),
        }
    }
}

/// Whether `name` is `field` in any case. In lower case all of `field` have the bit that is set
/// here; besides them, only bytes that no name has get one of these characters by it.
#[inline]
fn is<const N: usize>(name: &[u8], field: &[u8; N]) -> bool {
    let Some(name) = name.first_chunk::<N>() else { return false };
    let others =
        name.iter().zip(field).fold(0, |others, (byte, wanted)| others | ((byte | 0x20) ^ wanted));
    others == 0
}

/// Takes the value of a field that may come once. Coming twice, it is as if empty, which is
/// invalid for each of them.
fn once<'a>(place: &mut Option<&'a [u8]>, value: &'a [u8]) {
    *place = Some(if place.is_none() { value } else { b"" });
}

/// Whether a line of Accept has `text/html` itself, not as part of a wildcard, and not with a
/// weight of zero.
fn names_html(line: &[u8]) -> bool {
    field::list(line).any(|range| {
        let mut parts = range.split(|&byte| byte == b';').map(class::trim_ows);
        parts.next().is_some_and(|name| name.eq_ignore_ascii_case(b"text/html"))
            && !parts.any(|parameter| match parameter {
                [b'q' | b'Q', b'=', b'0', rest @ ..] => {
                    rest.iter().all(|byte| matches!(byte, b'.' | b'0'))
                }
                _ => false,
            })
    })
}

#[cfg(test)]
mod tests;
