/// How a field is sent that is not in a table yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Indexing {
    /// It becomes an entry of the dynamic table: the next one like it takes a byte or two.
    Index,
    /// It stays out of the table: its value is different each time, or long.
    Plain,
    /// As `Plain`, and no proxy may put it into a table either: a secret (RFC 7541 §7.1.3).
    Never,
}

impl Indexing {
    /// What fits the field `name`, in any case. [`Index`](Self::Index) only if its value is
    /// usually short and the same in many messages.
    #[must_use]
    pub fn of(name: &[u8]) -> Self {
        let is = |other: &&[u8]| name.eq_ignore_ascii_case(other);
        let begins = |start: &[u8]| {
            name.get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start))
        };
        if NEVER.iter().any(|other| is(&other.as_bytes())) {
            Self::Never
        } else if begins(b"access-control-") || INDEX.iter().any(|other| is(&other.as_bytes())) {
            Self::Index
        } else {
            Self::Plain
        }
    }
}

const NEVER: [&str; 4] = ["set-cookie", "cookie", "authorization", "proxy-authorization"];

const INDEX: [&str; 29] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "accept-ranges",
    "allow",
    "alt-svc",
    "cache-control",
    "content-encoding",
    "content-language",
    "content-type",
    "cross-origin-embedder-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "grpc-accept-encoding",
    "grpc-encoding",
    "grpc-status",
    "origin-agent-cluster",
    "permissions-policy",
    "referrer-policy",
    "server",
    "strict-transport-security",
    "te",
    "trailer",
    "user-agent",
    "vary",
    "x-content-type-options",
    "x-frame-options",
    "x-powered-by",
    "x-xss-protection",
];
