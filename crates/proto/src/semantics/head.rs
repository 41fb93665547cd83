use super::{Field, Method, Span, Version};

/// What the head says about the length of the body (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// No body. A request without length, or with `Content-Length: 0`.
    #[default]
    None,
    /// A body of exactly this many bytes, at least one.
    Length(u64),
    /// A body whose length shows at its end: in HTTP/1 one in chunks, closed by a last
    /// chunk and a trailer section.
    Chunked,
}

/// A parsed request head: what the request means, and where its parts are.
///
/// Reuse it: parsing the next head into it allocates nothing once it has seen
/// as many fields. It is meaningful only once a decoder says that the head is
/// complete; until then it holds leftovers.
#[derive(Debug, Default)]
pub struct Head {
    pub(crate) method: Method,
    pub(crate) version: Version,
    pub(crate) framing: Framing,
    pub(crate) keep_alive: bool,
    pub(crate) expect_continue: bool,
    pub(crate) upgrade: bool,
    /// The target is an `https` URL.
    pub(crate) secure: bool,
    pub(crate) method_token: Span,
    pub(crate) target: Span,
    pub(crate) path: Span,
    pub(crate) query: Option<Span>,
    /// The authority inside the target, for the forms that have one.
    pub(crate) authority: Option<Span>,
    pub(crate) host: Option<Span>,
    pub(crate) len: usize,
    pub(crate) fields: Vec<Field>,
    /// The last Host field that was checked and is sound. Clients of one server send the
    /// same, and to compare costs a fifth of a check.
    pub(crate) known_host: Vec<u8>,
}

impl Head {
    /// The method.
    #[must_use]
    pub fn method(&self) -> Method {
        self.method
    }

    /// The method's bytes.
    #[must_use]
    pub fn method_token(&self) -> Span {
        self.method_token
    }

    /// The request target as received.
    #[must_use]
    pub fn target(&self) -> Span {
        self.target
    }

    /// The path, still percent-encoded. `*` for an asterisk-form target; the
    /// whole target for `CONNECT`, so that it never looks like a path; empty for
    /// an absolute-form target without one: see [`Head::path_bytes`].
    #[must_use]
    pub fn path(&self) -> Span {
        self.path
    }

    /// The path's bytes in `head`, with the missing path of `http://example.com`
    /// given as `/`, which is what it means (RFC 9110 §4.2.3).
    #[must_use]
    pub fn path_bytes<'b>(&self, head: &'b [u8]) -> &'b [u8] {
        if self.path.is_empty() { b"/" } else { self.path.of(head) }
    }

    /// What follows the first `?` of the target, if there is one.
    #[must_use]
    pub fn query(&self) -> Option<Span> {
        self.query
    }

    /// The host, with its port, that the request is for: the target's authority
    /// where it has one, else the Host field (RFC 9112 §3.2.2). `None` only in HTTP/1.0.
    #[must_use]
    pub fn host(&self) -> Option<Span> {
        self.host
    }

    /// The version that the request is served as.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// How the body is framed.
    #[must_use]
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// Whether the client lets the connection persist (RFC 9112 §9.3).
    #[must_use]
    pub fn keep_alive(&self) -> bool {
        self.keep_alive
    }

    /// Whether the client waits for `100 Continue` before it sends the body
    /// (RFC 9110 §10.1.1). Never in HTTP/1.0, never without a body.
    #[must_use]
    pub fn expect_continue(&self) -> bool {
        self.expect_continue
    }

    /// Whether the client offers to switch protocols: an Upgrade field and the
    /// `upgrade` connection option, in HTTP/1.1 (RFC 9110 §7.8).
    #[must_use]
    pub fn upgrade(&self) -> bool {
        self.upgrade
    }

    /// Whether the target is an `https` URL in absolute-form. Only a connection that
    /// is secured, or comes from a proxy that secures it, may ask for one: to others
    /// the answer is [`RequestError::TargetSchemeInsecure`](super::RequestError)
    /// (RFC 9110 §7.4).
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// Length of the head in bytes, blank line included.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a head is never empty")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The field lines in the order received.
    #[must_use]
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The value of the first field called `name`, in any case, where `head` is
    /// the bytes that this was parsed from.
    #[must_use]
    pub fn get<'b>(&self, head: &'b [u8], name: &str) -> Option<&'b [u8]> {
        let name = name.as_bytes();
        let field = self.fields.iter().find(|field| {
            field.name.len() == name.len() && field.name.of(head).eq_ignore_ascii_case(name)
        })?;
        Some(field.value.of(head))
    }
}

impl Clone for Head {
    fn clone(&self) -> Self {
        Self { fields: self.fields.clone(), known_host: Vec::new(), ..*self }
    }

    /// Copies into the field vector that is already there.
    fn clone_from(&mut self, source: &Self) {
        let mut fields = std::mem::take(&mut self.fields);
        fields.clone_from(&source.fields);
        let known_host = std::mem::take(&mut self.known_host);
        *self = Self { fields, known_host, ..*source };
    }
}
