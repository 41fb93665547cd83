//! Patterns of paths in a folder.

/// A pattern: `*` is any part of a name, `**` as a whole segment is any number of segments. All
/// else stands for itself. A `/` at the start means nothing.
#[derive(Clone, Debug)]
pub(crate) struct Glob {
    segments: Vec<Segment>,
}

#[derive(Clone, Debug)]
enum Segment {
    /// `**`
    Any,
    /// A name, with `*` for any part of it.
    Name(Box<[u8]>),
}

impl Glob {
    pub(crate) fn new(pattern: &str) -> Self {
        let pattern = pattern.strip_prefix('/').unwrap_or(pattern);
        let segments = pattern.split('/').map(|segment| match segment {
            "**" => Segment::Any,
            name => Segment::Name(name.as_bytes().into()),
        });
        Self { segments: segments.collect() }
    }

    /// Whether `path`, which is relative to the folder, matches.
    pub(crate) fn matches(&self, path: &[u8]) -> bool {
        let names: Vec<&[u8]> = path.split(|&byte| byte == b'/').collect();
        matches(
            &self.segments,
            &names,
            |segment| matches!(segment, Segment::Any),
            |segment, name| match segment {
                Segment::Any => true,
                Segment::Name(pattern) => {
                    matches(pattern, name, |&byte| byte == b'*', |one, other| one == other)
                }
            },
        )
    }
}

/// Whether `items` match `pattern`, in which what `is_star` matches any number of items and all
/// else one item each. Only the last star is ever tried again: an earlier one gains nothing from
/// taking more. So the time is at most the product of both lengths.
fn matches<P, T>(
    pattern: &[P],
    items: &[T],
    is_star: impl Fn(&P) -> bool,
    is_one: impl Fn(&P, &T) -> bool,
) -> bool {
    let (mut at, mut item) = (0, 0);
    // Behind the last star, and the first item that it did not take.
    let mut again: Option<(usize, usize)> = None;
    while item < items.len() {
        match pattern.get(at) {
            Some(star) if is_star(star) => {
                at += 1;
                again = Some((at, item));
            }
            Some(one) if is_one(one, &items[item]) => {
                at += 1;
                item += 1;
            }
            _ => match &mut again {
                Some((behind, taken)) => {
                    *taken += 1;
                    (at, item) = (*behind, *taken);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(is_star)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, yes, no) in [
            ("a.js", &["a.js"][..], &["b.js", "a.jsx", "x/a.js", ""][..]),
            ("/a.js", &["a.js"], &["x/a.js"]),
            ("*", &["a", "a.js"], &["a/b"]),
            ("*.js", &["a.js", ".js"], &["a.jsx", "x/a.js"]),
            ("**", &["a", "a/b", "a/b/c"], &[]),
            ("**/*.js", &["a.js", "x/a.js", "x/y/a.js"], &["a.css", "x.js/a.css"]),
            ("/assets/*", &["assets/a"], &["assets/x/a", "a"]),
            ("assets/**", &["assets/a", "assets/x/a", "assets"], &["asset/a", "x/assets/a"]),
            ("a/**/b/**/c", &["a/b/c", "a/x/b/y/z/c", "a/b/b/c/c"], &["a/c", "a/b/c/d"]),
            ("a*b*c", &["abc", "axbxc", "abcbc"], &["ab", "abcd", "acb"]),
            ("a**b", &["ab", "axxb"], &["a/b"]),
            ("[a].js", &["[a].js"], &["a.js"]),
        ] {
            let glob = Glob::new(pattern);
            for path in yes {
                assert!(glob.matches(path.as_bytes()), "{pattern} {path}");
            }
            for path in no {
                assert!(!glob.matches(path.as_bytes()), "{pattern} {path}");
            }
        }
    }

    #[test]
    fn a_bad_pattern_takes_no_longer_than_the_product_of_both() {
        let pattern = "*a".repeat(60) + "b";
        let path = "a".repeat(255);
        assert!(!Glob::new(&pattern).matches(path.as_bytes()));
        let pattern = "**/a/".repeat(60) + "b";
        let path = "a/".repeat(2000) + "a";
        assert!(!Glob::new(&pattern).matches(path.as_bytes()));
    }
}
