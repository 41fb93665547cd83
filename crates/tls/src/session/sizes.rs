//! How long records are.
//!
//! A client can use nothing of a record before its last byte has come. The first records after
//! idle therefore fit into one packet each, so that the client starts with the first packet that
//! arrives. Long ones cost less, and after the first packets the difference is not felt.

/// The most plaintext of one record (RFC 8446, 5.1).
pub(super) const LONG: usize = 16_384;

/// With 22 bytes around it in TLS 1.3 and 29 in TLS 1.2 it fits into an Ethernet packet: 1,500
/// bytes less 52 for IPv4 and TCP with timestamps, 72 for IPv6.
const SHORT: usize = 1_390;

/// Plaintext in short records: what the first ten packets (RFC 6928) and a little more carry.
const SHORT_BYTES: usize = 8 * SHORT;

#[derive(Debug, Default)]
pub(super) struct Sizes {
    /// Plaintext sent since idle, up to [`SHORT_BYTES`].
    sent: usize,
}

impl Sizes {
    /// The most plaintext of the next record.
    pub(super) fn next(&self) -> usize {
        if self.sent < SHORT_BYTES { SHORT } else { LONG }
    }

    pub(super) fn sent(&mut self, n: usize) {
        self.sent = (self.sent + n).min(SHORT_BYTES);
    }

    /// The connection was idle: its congestion window may be small again (RFC 5681, 4.1).
    pub(super) fn restart(&mut self) {
        self.sent = 0;
    }
}
