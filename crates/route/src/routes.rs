use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::endpoint::Endpoint;
use crate::error::RouteError;
use crate::params::Params;
use crate::pattern::Pattern;
use crate::tree::Tree;

/// A route table: targets by method and pattern.
#[derive(Clone, Debug)]
pub struct Routes<T> {
    endpoints: Vec<Endpoint<T>>,
    /// Patterns that match one path only; one look-up finds them.
    exact: HashMap<Box<[u8]>, usize, BuildHasherDefault<Fnv>>,
    tree: Tree,
}

/// The outcome of [`Routes::find`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<'r, T> {
    /// The target of the route.
    Target(&'r T),
    /// The path has routes, but none for the method. The text is the methods that it has, as
    /// the value of an Allow field.
    MethodNotAllowed(&'r str),
    /// No pattern matches the path.
    NotFound,
}

impl<'r, T> Found<'r, T> {
    /// The same with another target.
    #[inline]
    pub fn map<U>(self, change: impl FnOnce(&'r T) -> &'r U) -> Found<'r, U> {
        match self {
            Self::Target(target) => Found::Target(change(target)),
            Self::MethodNotAllowed(allow) => Found::MethodNotAllowed(allow),
            Self::NotFound => Found::NotFound,
        }
    }
}

impl<T> Default for Routes<T> {
    fn default() -> Self {
        Self { endpoints: Vec::new(), exact: HashMap::default(), tree: Tree::default() }
    }
}

impl<T> Routes<T> {
    /// An empty table.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `target` for `method` on `pattern`. `None` is every method that has no target of
    /// its own. A target for GET answers HEAD too, unless HEAD has its own.
    ///
    /// # Errors
    ///
    /// [`RouteError`]: the pattern or the method is malformed, or another route is in the way.
    /// The table is unchanged then.
    pub fn insert(
        &mut self,
        method: Option<&str>,
        pattern: &str,
        target: T,
    ) -> Result<(), RouteError> {
        let parsed = Pattern::parse(pattern)
            .map_err(|reason| RouteError::Pattern { pattern: pattern.into(), reason })?;
        if let Some(method) = method.filter(|method| !is_token(method)) {
            return Err(RouteError::Method { pattern: pattern.into(), method: method.into() });
        }
        let place = self.tree.place(&parsed.segments);
        if let Some(at) = *place {
            let endpoint = &mut self.endpoints[at];
            if *endpoint.names != *parsed.names {
                return Err(RouteError::Ambiguous {
                    pattern: pattern.into(),
                    other: endpoint.pattern.clone().into(),
                });
            }
            if !endpoint.add(method, target) {
                return Err(RouteError::Duplicate {
                    pattern: pattern.into(),
                    method: method.map(Into::into),
                });
            }
            return Ok(());
        }
        let at = self.endpoints.len();
        *place = Some(at);
        if let Some(path) = parsed.exact_path() {
            self.exact.insert(path, at);
        }
        let mut endpoint = Endpoint::new(pattern, parsed.names);
        endpoint.add(method, target);
        self.endpoints.push(endpoint);
        Ok(())
    }

    /// Finds the route for `method` on `path` and puts its parameters into `params`. `path` is
    /// the request's path, still percent-encoded, without the query.
    #[must_use]
    pub fn find<'r>(&'r self, method: &[u8], path: &[u8], params: &mut Params) -> Found<'r, T> {
        params.clear();
        let Some(at) = self.endpoint(path, params) else { return Found::NotFound };
        let endpoint = &self.endpoints[at];
        match endpoint.target(method) {
            Some(target) => {
                if !endpoint.names.is_empty() {
                    params.names = Some(endpoint.names.clone());
                }
                Found::Target(target)
            }
            None => {
                params.clear();
                Found::MethodNotAllowed(endpoint.allow())
            }
        }
    }

    /// Number of patterns.
    #[must_use]
    pub fn len(&self) -> usize {
        self.endpoints.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.endpoints.is_empty()
    }

    fn endpoint(&self, path: &[u8], params: &mut Params) -> Option<usize> {
        if let Some(&at) = self.exact.get(path) {
            return Some(at);
        }
        // `*` and the target of CONNECT are not paths.
        if path.first() != Some(&b'/') {
            return None;
        }
        self.tree.find(path, 1, &mut params.spans)
    }
}

fn is_token(method: &str) -> bool {
    let is_tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !method.is_empty() && method.bytes().all(is_tchar)
}

/// FNV-1a. Only hostile keys in the table could make it slow, and the server itself makes
/// these keys. The default hasher guards against hostile keys at three times the cost.
#[derive(Clone, Debug)]
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests;
