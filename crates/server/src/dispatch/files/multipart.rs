//! Several ranges of a file in one answer (RFC 9110 §14.6).

use std::collections::hash_map::RandomState;
use std::fs::File;
use std::hash::BuildHasher as _;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crate::exchange::body::{FileRange, Part};

/// A body of type multipart/byteranges.
pub(crate) struct Multipart {
    pub(crate) content_type: String,
    pub(crate) parts: Vec<Part>,
}

/// The ranges of a file of `size` bytes in their order.
pub(crate) fn of(
    file: &Arc<File>,
    size: u64,
    content_type: &[u8],
    ranges: &[Range<u64>],
) -> Multipart {
    let boundary = boundary();
    let mut parts = Vec::with_capacity(ranges.len() * 2 + 1);
    for range in ranges {
        let mut head = format!("\r\n--{boundary}\r\n").into_bytes();
        if !content_type.is_empty() {
            head.extend_from_slice(b"Content-Type: ");
            head.extend_from_slice(content_type);
            head.extend_from_slice(b"\r\n");
        }
        let last = range.end.saturating_sub(1);
        let place = format!("Content-Range: bytes {}-{last}/{size}\r\n\r\n", range.start);
        head.extend_from_slice(place.as_bytes());
        parts.push(Part::Bytes(head));
        parts.push(Part::File(FileRange::new(Arc::clone(file), range.clone())));
    }
    parts.push(Part::Bytes(format!("\r\n--{boundary}--\r\n").into_bytes()));
    Multipart { content_type: format!("multipart/byteranges; boundary={boundary}"), parts }
}

/// What no file has inside, since nobody can know it before.
fn boundary() -> String {
    static KEY: OnceLock<RandomState> = OnceLock::new();
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let key = KEY.get_or_init(RandomState::new);
    format!("{:016x}{:016x}", key.hash_one((number, 0)), key.hash_one((number, 1)))
}
