//! Compares a body with the expected one as it comes.

/// How much of one body has been compared.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct BodyCheck {
    /// Bytes that have come. They equal the expected ones unless `failed`.
    matched: usize,
    failed: bool,
}

impl BodyCheck {
    /// Takes the next part of the body.
    pub(crate) fn add(&mut self, expected: &[u8], part: &[u8]) {
        let rest = expected.get(self.matched..).unwrap_or_default();
        self.failed |= !rest.starts_with(part);
        self.matched = self.matched.saturating_add(part.len());
    }

    /// The body is wrong, whatever its bytes are.
    pub(crate) fn fail(&mut self) {
        self.failed = true;
    }

    /// Whether the whole body was the expected one. Begins the next.
    pub(crate) fn finish(&mut self, expected: &[u8]) -> bool {
        let check = std::mem::take(self);
        !check.failed && check.matched == expected.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_right_only_as_a_whole_and_however_it_is_cut() {
        let expected = b"Hello, World!";
        for (body, right) in [
            (&b"Hello, World!"[..], true),
            (b"Hello, World", false),
            (b"Hello, World!!", false),
            (b"Jello, World!", false),
            (b"Hello, Xorld!", false),
            (b"", false),
        ] {
            for cut in 0..=body.len() {
                let mut check = BodyCheck::default();
                // A wrong body before leaves no trace.
                check.add(expected, b"other");
                assert!(!check.finish(expected));
                check.add(expected, &body[..cut]);
                check.add(expected, &body[cut..]);
                assert_eq!(check.finish(expected), right, "{body:?} cut at {cut}");
            }
        }
        assert!(BodyCheck::default().finish(b""));
    }
}
