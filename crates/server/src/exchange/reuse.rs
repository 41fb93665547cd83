//! Buffers that are used again.

/// Buffers above this capacity are not kept for the next request, in bytes.
pub(crate) const KEEP_CAPACITY: usize = 64 * 1024;

/// Empties a buffer, and lets go of memory above [`KEEP_CAPACITY`].
pub(crate) fn reset(buf: &mut Vec<u8>) {
    buf.clear();
    buf.shrink_to(KEEP_CAPACITY);
}
