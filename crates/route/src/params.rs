use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use crate::percent;

/// The parameters that a match took from a path, as places in that path.
///
/// Reuse it: a look-up then allocates nothing, unless it finds more parameters than any
/// before.
#[derive(Clone, Debug, Default)]
pub struct Params {
    /// Shared with the route, so that a match copies no text.
    pub(crate) names: Option<Arc<[Box<str>]>>,
    pub(crate) spans: Vec<Range<usize>>,
}

impl Params {
    /// An empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of parameter `name` in `path`, percent-decoded; `*` names the part that the
    /// wildcard matched. `path` must be the path that was looked up. Bytes that are not UTF-8
    /// become U+FFFD; [`Params::raw`] has them.
    #[must_use]
    pub fn get<'p>(&self, name: &str, path: &'p [u8]) -> Option<Cow<'p, str>> {
        self.raw(name, path).map(percent::text)
    }

    /// The value of parameter `name` as it stands in `path`.
    #[must_use]
    pub fn raw<'p>(&self, name: &str, path: &'p [u8]) -> Option<&'p [u8]> {
        let at = self.names.iter().flat_map(|names| names.iter()).position(|n| **n == *name)?;
        path.get(self.spans.get(at)?.clone())
    }

    /// The parameters in the order of the pattern: name and place in the path.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Range<usize>)> {
        let names = self.names.iter().flat_map(|names| names.iter());
        names.map(|name| &**name).zip(self.spans.iter().cloned())
    }

    /// Number of parameters.
    #[must_use]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Moves all places by so many bytes, for a path that is part of a longer text.
    pub fn shift(&mut self, by: usize) {
        for span in &mut self.spans {
            *span = span.start + by..span.end + by;
        }
    }

    pub(crate) fn clear(&mut self) {
        self.names = None;
        self.spans.clear();
    }
}
