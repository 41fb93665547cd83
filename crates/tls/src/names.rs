//! Names of servers: as clients send them, and as a configuration lists them.

use std::collections::HashMap;
use std::net::IpAddr;

/// A DNS name in lower case without its last dot. `None` for what is none, addresses too.
pub(crate) fn canonical(name: &str) -> Option<Box<str>> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let is_name = name.len() <= 253 && name.split('.').all(is_label);
    (is_name && name.parse::<IpAddr>().is_err()).then(|| name.to_ascii_lowercase().into())
}

/// What becomes of a client that wants a name that no entry has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unknown {
    /// The default entry serves it.
    #[default]
    Default,
    /// It gets the alert `unrecognized_name`. A client that wants no name is served.
    Refuse,
}

/// Which entry serves which name. An exact name comes before a wildcard.
#[derive(Debug, Default)]
pub(crate) struct Names {
    default: usize,
    unknown: Unknown,
    exact: HashMap<Box<str>, usize>,
    /// `*.example.com`, by `example.com`.
    wild: HashMap<Box<str>, usize>,
}

impl Names {
    /// Without names yet. `default` serves clients that want none.
    pub(crate) fn new(default: usize, unknown: Unknown) -> Self {
        Self { default, unknown, ..Default::default() }
    }

    /// The entry that serves clients that want no name.
    pub(crate) fn fallback(&self) -> usize {
        self.default
    }

    /// The entry that serves a client that wants this canonical name. `None` if it is refused.
    pub(crate) fn serve(&self, name: Option<&str>) -> Option<usize> {
        match name.map(|name| self.find(name)) {
            Some(Some(found)) => Some(found),
            Some(None) if self.unknown == Unknown::Refuse => None,
            Some(None) | None => Some(self.default),
        }
    }

    /// The entry that has `name` or `*.name` already.
    pub(crate) fn owner(&self, name: &str) -> Option<usize> {
        let (map, name) = match name.strip_prefix("*.") {
            Some(rest) => (&self.wild, rest),
            None => (&self.exact, name),
        };
        map.get(&canonical(name)?).copied()
    }

    /// Adds `name` or `*.name`. The first entry that names it has it. False if it is no name.
    pub(crate) fn add(&mut self, name: &str, entry: usize) -> bool {
        let (map, name) = match name.strip_prefix("*.") {
            Some(rest) => (&mut self.wild, rest),
            None => (&mut self.exact, name),
        };
        canonical(name).map(|name| map.entry(name).or_insert(entry)).is_some()
    }

    /// The entry of a canonical name. A wildcard stands for one label (RFC 9525, section 6.3).
    fn find(&self, name: &str) -> Option<usize> {
        let wild = || self.wild.get(name.split_once('.')?.1);
        self.exact.get(name).or_else(wild).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_names_come_first_and_a_wildcard_is_one_label() {
        let mut names = Names::default();
        assert!(names.add("*.example.com", 0));
        assert!(names.add("API.example.com.", 1));
        assert!(names.add("example.com", 2));
        assert!(names.add("example.com", 3));
        assert_eq!(names.find("www.example.com"), Some(0));
        assert_eq!(names.find("api.example.com"), Some(1));
        assert_eq!(names.find("example.com"), Some(2));
        assert_eq!(names.find("a.b.example.com"), None);
        assert_eq!(names.find("com"), None);
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let mut names = Names::default();
        for name in
            ["", "*", "*.", "a.*.b", "a*.b", "10.0.0.1", "::1", "a b", "a..b", "-a.b", "ü.de"]
        {
            assert!(!names.add(name, 0), "{name:?}");
        }
        assert!(!names.add(&"a.".repeat(127), 0) || "a.".repeat(127).len() <= 254);
        assert!(!names.add(&"a".repeat(64), 0));
        assert!(names.add("localhost", 0) && names.add("_x.y-z.example", 0));
    }
}
