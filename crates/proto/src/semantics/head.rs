use super::{Field, Method, Span, Version, authority};

/// A DNS name has at most 253 characters; a port may follow it.
const LONGEST_KNOWN_HOST: usize = 259;

/// What the head says about the length of the body (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// No body. A request without length, or with `Content-Length: 0`.
    #[default]
    None,
    /// A body of exactly this many bytes, at least one.
    Length(u64),
    /// A body whose end tells its length. In HTTP/1 it comes in chunks, and ends with a last
    /// chunk and a trailer section.
    Chunked,
}

/// A parsed request head: what the request means, and where its parts are.
///
/// Reuse it: parsing into a head that has seen as many fields before allocates nothing. Its
/// content is meaningful only after a decoder has said that the head is complete.
#[derive(Debug, Default)]
pub struct Head {
    pub(crate) method: Method,
    pub(crate) version: Version,
    pub(crate) framing: Framing,
    pub(crate) keep_alive: bool,
    pub(crate) expect_continue: bool,
    pub(crate) upgrade: bool,
    pub(crate) extended_connect: bool,
    /// The target is an `https` URL, in HTTP/2 by its `:scheme`.
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
    /// The last Host field that was found valid. Clients of one server send the same one, and
    /// comparing costs a fifth of checking.
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

    /// The path, still percent-encoded. It is `*` for an asterisk-form target. For `CONNECT`
    /// it is the whole target, which never looks like a path. It is empty for an
    /// absolute-form target without a path: see [`Head::path_bytes`].
    #[must_use]
    pub fn path(&self) -> Span {
        self.path
    }

    /// The path's bytes in `head`. The missing path of `http://example.com` is returned as
    /// `/`, which means the same (RFC 9110 §4.2.3).
    #[must_use]
    pub fn path_bytes<'b>(&self, head: &'b [u8]) -> &'b [u8] {
        if self.path.is_empty() { b"/" } else { self.path.of(head) }
    }

    /// The bytes after the first `?` of the target, if there is one.
    #[must_use]
    pub fn query(&self) -> Option<Span> {
        self.query
    }

    /// The host that the request is for, with its port. That is the target's authority if it
    /// has one, else the Host field (RFC 9112 §3.2.2). `None` only in HTTP/1.0.
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

    /// Whether the client allows the connection to persist (RFC 9112 §9.3).
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
    /// `upgrade` connection option, in HTTP/1.1 (RFC 9110 §7.8), or an extended CONNECT.
    #[must_use]
    pub fn upgrade(&self) -> bool {
        self.upgrade
    }

    /// Whether the request came as an extended CONNECT for a WebSocket (RFC 8441). Then
    /// [`upgrade`](Self::upgrade) holds, too, and the head has the fields that HTTP/1.1 would
    /// have. The method is GET.
    #[must_use]
    pub fn extended_connect(&self) -> bool {
        self.extended_connect
    }

    /// Whether the target is an `https` URL: in absolute-form, or by the `:scheme` of HTTP/2.
    /// Only a secured connection may
    /// ask for one, or one from a proxy that secures it. On others the request is refused with
    /// [`RequestError::TargetSchemeInsecure`](super::RequestError) (RFC 9110 §7.4).
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// Checks the host that a Host field or `:authority` names, which is not empty.
    #[inline]
    pub(crate) fn is_valid_host(&mut self, host: &[u8]) -> bool {
        if self.known_host == host {
            return true;
        }
        if authority::parse(host).is_none() {
            return false;
        }
        if host.len() <= LONGEST_KNOWN_HOST {
            self.known_host.clear();
            self.known_host.extend_from_slice(host);
        }
        true
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

    /// The value of the first field called `name`, in any case. `head` is the bytes that this
    /// was parsed from.
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
