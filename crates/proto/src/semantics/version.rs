/// The protocol version that a request is served as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1, and any later 1.x: a higher minor version only adds features that an
    /// HTTP/1.1 recipient may ignore (RFC 9110 §2.5).
    #[default]
    Http11,
    /// HTTP/2.
    Http2,
}
