//! Sizes of buffers, and how much a session holds at most.

use super::sizes::LONG;
use crate::wire::MOST_RECORD;

/// The bytes in front of the ciphertext in the buffer that [`Session::read`](super::Session::read) gets. Plaintext
/// goes there while the ciphertext behind is still in use.
pub const HEADROOM: usize = 16 * 1024 + 256;

/// The least buffer for [`Session::read`](super::Session::read): headroom, a record that is nearly whole, and room for
/// more.
pub const MIN_READ: usize = HEADROOM + 2 * MOST_RECORD;

/// The least buffer for [`Session::write`](super::Session::write): one record, the same again to gather its plaintext
/// in, and alerts, tickets and key updates that wait.
pub const MIN_WRITE: usize = 2 * (LONG + RECORD_COST);

/// More than any cipher adds to a record.
pub(super) const RECORD_COST: usize = 256;

/// The most ciphertext that is held for a message of which more must come. Only a handshake in
/// which the client shows certificates may hold more than a record.
pub(super) const MOST_HELD: usize = MOST_RECORD;
pub(super) const MOST_HELD_CERTIFICATES: usize = 72 * 1024;

/// The most ciphertext that is held while a step of the handshake is due. A caller stops to read
/// then; this is for one that does not.
pub(super) const MOST_COLLECTED: usize = 256 * 1024;
