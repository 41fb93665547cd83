//! The five conditions of a request (RFC 9110 §13), evaluated against a representation.

use super::entity_tag::{EntityTag, entity_tags};
use super::wishes::{List, Wishes};
use super::{Ranges, date};

/// What conditions are compared with: the validators of the representation that would be sent
/// without them (RFC 9110 §8.8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Validators<'a> {
    /// The ETag as its field has it: `"x"`, or `W/"x"` if it is weak.
    pub etag: Option<&'a [u8]>,
    /// The Last-Modified, in seconds since 1970.
    pub modified: Option<u64>,
    /// The server's clock, in the same seconds.
    pub now: u64,
}

/// What a request's conditions come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// They hold: the method is performed.
    Serve,
    /// The client has the representation: a 304.
    NotModified,
    /// The client expected another one: a 412.
    PreconditionFailed,
}

impl Wishes<'_> {
    /// Evaluates the conditions in the order of RFC 9110 §13.2.2. The resource exists; for one
    /// that does not, and wherever the status without conditions is neither 2xx nor 412, they
    /// are not evaluated (§13.2.1).
    #[must_use]
    pub fn evaluate(&self, is_get_or_head: bool, validators: &Validators<'_>) -> Verdict {
        if !self.is_conditional() {
            return Verdict::Serve;
        }
        let current = validators.etag.and_then(EntityTag::parse);
        // If-Match wants the very same bytes, so weak tags match nothing (§13.1.1).
        if self.has(List::IfMatch) {
            if !self.names(List::IfMatch, current, EntityTag::is_same_strong) {
                return Verdict::PreconditionFailed;
            }
        } else if let (Some(modified), Some(date)) =
            (validators.modified, date_of(self.if_unmodified_since, validators))
            && modified > date
        {
            return Verdict::PreconditionFailed;
        }
        // If-None-Match is for caches, to which weak tags are good enough (§13.1.2).
        if self.has(List::IfNoneMatch) {
            if !self.names(List::IfNoneMatch, current, EntityTag::is_same_weak) {
                return Verdict::Serve;
            }
            return if is_get_or_head { Verdict::NotModified } else { Verdict::PreconditionFailed };
        }
        if is_get_or_head
            && let (Some(modified), Some(date)) =
                (validators.modified, date_of(self.if_modified_since, validators))
            && modified <= date
        {
            return Verdict::NotModified;
        }
        Verdict::Serve
    }

    /// What to send of a representation of `size` bytes, after [`Wishes::evaluate`] has said
    /// [`Verdict::Serve`]. Range is defined for GET alone, which the caller sees to.
    #[must_use]
    pub fn ranges(&self, size: u64, validators: &Validators<'_>) -> Ranges {
        match self.range {
            Some(range) if self.may_range(validators) => Ranges::parse(range, size),
            _ => Ranges::Whole,
        }
    }

    /// Whether If-Range, if there is one, names the current representation. Parts of different
    /// ones would be put together otherwise, so its validator has to be a strong one (§13.1.5).
    fn may_range(&self, validators: &Validators<'_>) -> bool {
        let Some(value) = self.if_range else { return true };
        if let Some(tag) = EntityTag::parse(value) {
            let current = validators.etag.and_then(EntityTag::parse);
            return current.is_some_and(|current| current.is_same_strong(tag));
        }
        // A date is strong if its second is over: a file changes more than once in a second
        // (§8.8.2.2). An earlier or later one is another version's.
        validators.modified.is_some_and(|modified| {
            modified < validators.now && date::parse(value, validators.now) == Some(modified)
        })
    }

    /// Whether a list is `*`, which any representation matches, or has a tag that is the same
    /// as the `current` one.
    fn names<'t>(
        &'t self,
        list: List,
        current: Option<EntityTag<'t>>,
        is_same: fn(EntityTag<'t>, EntityTag<'t>) -> bool,
    ) -> bool {
        let mut lines = self.lines(list);
        if lines.next() == Some(b"*") && lines.next().is_none() {
            return true;
        }
        let Some(current) = current else { return false };
        self.lines(list).flat_map(entity_tags).any(|tag| is_same(tag, current))
    }
}

/// The date of a condition that is there. What is no date is ignored (§13.1.3, §13.1.4).
fn date_of(value: Option<&[u8]>, validators: &Validators<'_>) -> Option<u64> {
    date::parse(value?, validators.now)
}

#[cfg(test)]
mod tests;
