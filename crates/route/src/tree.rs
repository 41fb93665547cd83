use std::ops::Range;

use crate::pattern::Segment;

/// The patterns as a tree of segments. Values are indices of endpoints.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    /// Sorted by the literal.
    literals: Vec<(Box<[u8]>, Tree)>,
    param: Option<Box<Tree>>,
    wildcard: Option<usize>,
    end: Option<usize>,
}

impl Tree {
    /// The place for the endpoint of a pattern.
    pub(crate) fn place(&mut self, segments: &[Segment]) -> &mut Option<usize> {
        let Some((segment, rest)) = segments.split_first() else { return &mut self.end };
        match segment {
            Segment::Wildcard => &mut self.wildcard,
            Segment::Param => self.param.get_or_insert_default().place(rest),
            Segment::Literal(bytes) => {
                let found = self.literals.binary_search_by(|(literal, _)| literal.cmp(bytes));
                let at = found.unwrap_or_else(|at| {
                    self.literals.insert(at, (bytes.clone(), Self::default()));
                    at
                });
                self.literals[at].1.place(rest)
            }
        }
    }

    /// Finds the endpoint for the part of `path` from `at` on, which is behind a `/`. Adds the
    /// places of the parameters to `spans`. With `at` past the end no part is left.
    ///
    /// Each node stands for one list of segments, so a search enters it at most once. So
    /// backtracking costs no more than the size of the tree. The recursion is as deep as the
    /// longest pattern.
    pub(crate) fn find(
        &self,
        path: &[u8],
        at: usize,
        spans: &mut Vec<Range<usize>>,
    ) -> Option<usize> {
        let Some(rest) = path.get(at..) else { return self.end };
        let end = rest.iter().position(|&byte| byte == b'/').map_or(path.len(), |len| at + len);
        if let Some(literal) = self.literal(&path[at..end])
            && let Some(found) = literal.find(path, end + 1, spans)
        {
            return Some(found);
        }
        let depth = spans.len();
        if let Some(param) = &self.param
            && end > at
        {
            spans.push(at..end);
            if let Some(found) = param.find(path, end + 1, spans) {
                return Some(found);
            }
            spans.truncate(depth);
        }
        if self.wildcard.is_some() {
            spans.push(at..path.len());
        }
        self.wildcard
    }

    /// The child with the literal `segment`.
    fn literal(&self, segment: &[u8]) -> Option<&Self> {
        let at = self.literals.binary_search_by(|(literal, _)| (**literal).cmp(segment));
        at.ok().map(|at| &self.literals[at].1)
    }
}
