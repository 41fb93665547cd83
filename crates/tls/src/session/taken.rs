//! How much a call has taken and made.

/// What one [`Session::read`](super::Session::read) made of its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// Plaintext, at the front of the buffer.
    pub plain: usize,
    /// The client has said that it sends no more (`close_notify`).
    pub ended: bool,
}

/// What one [`Session::write`](super::Session::write) did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Plaintext that was taken.
    pub taken: usize,
    /// Ciphertext at the front of the buffer.
    pub made: usize,
}
