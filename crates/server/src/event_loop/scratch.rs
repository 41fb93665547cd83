//! The buffer that a loop reads into.

use reactor_proto::Limits;

/// Bytes asked of the socket at once. There is room for the largest body that goes to a lane
/// together with its head, and for a usual head. A lane is told of no more than that at once.
pub(crate) const READ_SIZE: usize = 68 * 1024;

/// The scratch buffer holds the longest incomplete piece that a protocol can
/// leave, and a read behind it.
pub(crate) fn scratch_size(limits: &Limits) -> usize {
    let longest = limits.head.max(limits.request_line).max(limits.trailers);
    READ_SIZE + longest.max(limits.chunk_extensions) + 1024
}
