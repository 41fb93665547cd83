use std::sync::Arc;

/// The targets of one pattern, one for each method.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint<T> {
    /// The pattern as first given, for error messages.
    pub(crate) pattern: Box<str>,
    pub(crate) names: Arc<[Box<str>]>,
    methods: Vec<(Box<str>, T)>,
    any: Option<T>,
    allow: String,
}

impl<T> Endpoint<T> {
    pub(crate) fn new(pattern: &str, names: Vec<Box<str>>) -> Self {
        Self {
            pattern: pattern.into(),
            names: names.into(),
            methods: Vec::new(),
            any: None,
            allow: String::new(),
        }
    }

    /// Adds a target. Returns `false` if `method` has one already.
    pub(crate) fn add(&mut self, method: Option<&str>, target: T) -> bool {
        let Some(method) = method else {
            if self.any.is_some() {
                return false;
            }
            self.any = Some(target);
            return true;
        };
        if self.exact(method.as_bytes()).is_some() {
            return false;
        }
        self.methods.push((method.into(), target));
        self.allow = self.allowed();
        true
    }

    /// The target for `method`: its own, else for HEAD that of GET, else the one for any
    /// method.
    pub(crate) fn target(&self, method: &[u8]) -> Option<&T> {
        let own = self.exact(method);
        // HEAD is GET without the body (RFC 9110 §9.3.2).
        let own = if method == b"HEAD" { own.or_else(|| self.exact(b"GET")) } else { own };
        own.or(self.any.as_ref())
    }

    /// The value for an Allow field (RFC 9110 §10.2.1).
    pub(crate) fn allow(&self) -> &str {
        &self.allow
    }

    fn exact(&self, method: &[u8]) -> Option<&T> {
        self.methods.iter().find(|(name, _)| name.as_bytes() == method).map(|(_, target)| target)
    }

    fn allowed(&self) -> String {
        let mut names: Vec<&str> = Vec::with_capacity(self.methods.len() + 1);
        for (name, _) in &self.methods {
            names.push(name);
            if &**name == "GET" && self.exact(b"HEAD").is_none() {
                names.push("HEAD");
            }
        }
        names.join(", ")
    }
}
