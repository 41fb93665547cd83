use crate::{normal, percent};

/// A well-formed pattern, split into segments.
#[derive(Debug)]
pub(crate) struct Pattern {
    pub(crate) segments: Vec<Segment>,
    /// Names of the parameters in order, `*` for the wildcard.
    pub(crate) names: Vec<Box<str>>,
}

/// What one segment matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    /// These bytes, as a URL parser writes them.
    Literal(Box<[u8]>),
    /// Any one segment that is not empty.
    Param,
    /// The rest of the path.
    Wildcard,
}

impl Pattern {
    /// Splits `text` into segments, or says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let Some(rest) = text.strip_prefix('/') else {
            return Err("a pattern has to start with '/'");
        };
        if text.contains(['?', '#']) {
            return Err("a pattern is a path only, without '?' or '#'");
        }
        if text.chars().any(char::is_control) {
            return Err("a pattern cannot hold control characters");
        }
        let mut pattern = Self { segments: Vec::new(), names: Vec::new() };
        let mut parts = rest.split('/').peekable();
        while let Some(part) = parts.next() {
            let last = parts.peek().is_none();
            pattern.segment(part, last)?;
        }
        Ok(pattern)
    }

    fn segment(&mut self, part: &str, last: bool) -> Result<(), &'static str> {
        if part == "*" {
            if !last {
                return Err("'*' has to be the last segment");
            }
            self.names.push("*".into());
            self.segments.push(Segment::Wildcard);
        } else if part.contains('*') && part != "\\*" {
            return Err("'*' has to be a segment of its own (write '\\*' for the character)");
        } else if let Some(name) = part.strip_prefix(':') {
            if name.is_empty() {
                return Err("a parameter needs a name after ':'");
            }
            if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                return Err("a parameter's name is letters, digits and '_'");
            }
            if self.names.iter().any(|other| **other == *name) {
                return Err("two parameters have the same name");
            }
            self.names.push(name.into());
            self.segments.push(Segment::Param);
        } else if part.is_empty() && !last {
            return Err("a segment is empty ('//')");
        } else {
            self.literal(part)?;
        }
        Ok(())
    }

    /// Adds literal text, encoded as a URL parser does it. The path of a request has no dot
    /// segments and no `\`, so a literal that has one is refused.
    fn literal(&mut self, part: &str) -> Result<(), &'static str> {
        // `\:` and `\*` are the characters themselves at the start of a segment.
        let text = match part.strip_prefix('\\') {
            Some(rest) if rest.starts_with(':') || rest == "*" => rest,
            _ => part,
        };
        if text.contains('\\') {
            return Err(
                "a path has no '\\'; before ':' or '*' at the start of a segment it makes them literal",
            );
        }
        if !percent::is_well_formed(text.as_bytes()) {
            return Err("'%' has to be followed by two hexadecimal digits");
        }
        if normal::dots(text.as_bytes()).is_some() {
            return Err(
                "no request has a '.' or '..' segment in its path: write the path without it",
            );
        }
        let mut bytes = Vec::with_capacity(text.len());
        normal::encode_pattern(&mut bytes, text.as_bytes());
        self.segments.push(Segment::Literal(bytes.into()));
        Ok(())
    }

    /// The only path that this pattern matches, if there is one.
    pub(crate) fn exact_path(&self) -> Option<Box<[u8]>> {
        let mut path = Vec::new();
        for segment in &self.segments {
            match segment {
                Segment::Literal(bytes) => {
                    path.push(b'/');
                    path.extend_from_slice(bytes);
                }
                _ => return None,
            }
        }
        Some(path.into())
    }
}
