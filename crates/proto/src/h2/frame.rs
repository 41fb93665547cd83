//! Frames as bytes (RFC 9113 §4.1 and §6). Every function appends to `out`.

use super::{ErrorCode, Setting};

/// Bytes before the payload of a frame.
pub const HEADER: usize = 9;

/// The largest payload of a frame that a peer takes without having said more.
pub const DEFAULT_MAX: usize = 16_384;

/// What a client sends first (RFC 9113 §3.4). A SETTINGS frame follows.
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The type of a frame.
pub mod kind {
    /// Bytes of a body (RFC 9113 §6.1).
    pub const DATA: u8 = 0x0;
    /// Begins a field block (§6.2).
    pub const HEADERS: u8 = 0x1;
    /// Of the priorities of RFC 7540; without meaning (§6.3).
    pub const PRIORITY: u8 = 0x2;
    /// Ends a stream at once (§6.4).
    pub const RST_STREAM: u8 = 0x3;
    /// Tells about the sender (§6.5).
    pub const SETTINGS: u8 = 0x4;
    /// Announces a pushed stream (§6.6).
    pub const PUSH_PROMISE: u8 = 0x5;
    /// Asks for a sign of life (§6.7).
    pub const PING: u8 = 0x6;
    /// Begins the end of the connection (§6.8).
    pub const GOAWAY: u8 = 0x7;
    /// Allows more DATA (§6.9).
    pub const WINDOW_UPDATE: u8 = 0x8;
    /// Continues a field block (§6.10).
    pub const CONTINUATION: u8 = 0x9;
    /// Tells the priority of a stream (RFC 9218 §7.1).
    pub const PRIORITY_UPDATE: u8 = 0x10;
}

/// The flags of a frame. A flag that its type does not have is ignored.
pub mod flag {
    /// DATA, HEADERS: the last of the stream.
    pub const END_STREAM: u8 = 0x1;
    /// SETTINGS, PING: the answer to one.
    pub const ACK: u8 = 0x1;
    /// HEADERS, CONTINUATION: the last of the field block.
    pub const END_HEADERS: u8 = 0x4;
    /// DATA, HEADERS: the payload begins with the length of the padding at its end.
    pub const PADDED: u8 = 0x8;
    /// HEADERS: five bytes of the priorities of RFC 7540 come first.
    pub const PRIORITY: u8 = 0x20;
}

/// The bytes before a payload of `len` bytes, less than 2^24, of any type.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "a length has 24 bits")]
pub fn header(out: &mut Vec<u8>, len: usize, kind: u8, flags: u8, stream: u32) {
    debug_assert!(len < 1 << 24 && stream < 1 << 31);
    let [_, l0, l1, l2] = (len as u32).to_be_bytes();
    let [s0, s1, s2, s3] = stream.to_be_bytes();
    out.extend_from_slice(&[l0, l1, l2, kind, flags, s0, s1, s2, s3]);
}

#[inline]
const fn flag_if(is_set: bool, flag: u8) -> u8 {
    if is_set { flag } else { 0 }
}

/// The header of a DATA frame; `len` bytes of data follow.
#[inline]
pub fn data_head(out: &mut Vec<u8>, stream: u32, len: usize, end_stream: bool) {
    header(out, len, kind::DATA, flag_if(end_stream, flag::END_STREAM), stream);
}

/// The header of a HEADERS frame; `len` bytes of a field block follow.
#[inline]
pub fn headers_head(
    out: &mut Vec<u8>,
    stream: u32,
    len: usize,
    end_stream: bool,
    end_headers: bool,
) {
    let flags = flag_if(end_stream, flag::END_STREAM) | flag_if(end_headers, flag::END_HEADERS);
    header(out, len, kind::HEADERS, flags, stream);
}

/// Completes a HEADERS frame in place: [`headers_head`] was written at `at` with any length,
/// and the field block behind it. A block of more than `max_frame` bytes is cut into
/// CONTINUATION frames.
pub fn finish_headers(
    out: &mut Vec<u8>,
    at: usize,
    stream: u32,
    end_stream: bool,
    max_frame: usize,
) {
    let start = at + HEADER;
    let Some(len) = out.len().checked_sub(start) else {
        debug_assert!(false, "no head was written at {at}");
        return;
    };
    if len > max_frame {
        let block = out.split_off(start);
        out.truncate(at);
        headers(out, stream, &block, end_stream, max_frame);
        return;
    }
    let mut head = Vec::with_capacity(HEADER);
    headers_head(&mut head, stream, len, end_stream, true);
    out[at..start].copy_from_slice(&head);
}

/// A CONTINUATION frame with a part of a field block.
pub fn continuation(out: &mut Vec<u8>, stream: u32, fragment: &[u8], end_headers: bool) {
    let flags = flag_if(end_headers, flag::END_HEADERS);
    header(out, fragment.len(), kind::CONTINUATION, flags, stream);
    out.extend_from_slice(fragment);
}

/// A whole field block: a HEADERS frame, and CONTINUATION frames for what is beyond
/// `max_frame` bytes.
pub fn headers(out: &mut Vec<u8>, stream: u32, block: &[u8], end_stream: bool, max_frame: usize) {
    let max_frame = max_frame.max(1);
    let (first, mut rest) = block.split_at(block.len().min(max_frame));
    headers_head(out, stream, first.len(), end_stream, rest.is_empty());
    out.extend_from_slice(first);
    while !rest.is_empty() {
        let (fragment, after) = rest.split_at(rest.len().min(max_frame));
        continuation(out, stream, fragment, after.is_empty());
        rest = after;
    }
}

/// A SETTINGS frame.
pub fn settings(out: &mut Vec<u8>, settings: &[(Setting, u32)]) {
    header(out, settings.len() * 6, kind::SETTINGS, 0, 0);
    for (setting, value) in settings {
        out.extend_from_slice(&setting.0.to_be_bytes());
        out.extend_from_slice(&value.to_be_bytes());
    }
}

/// The acknowledgment of a SETTINGS frame.
pub fn settings_ack(out: &mut Vec<u8>) {
    header(out, 0, kind::SETTINGS, flag::ACK, 0);
}

/// A PING frame, which the peer has to answer.
pub fn ping(out: &mut Vec<u8>, payload: [u8; 8]) {
    header(out, 8, kind::PING, 0, 0);
    out.extend_from_slice(&payload);
}

/// The answer to a PING frame, with its payload.
pub fn ping_ack(out: &mut Vec<u8>, payload: [u8; 8]) {
    header(out, 8, kind::PING, flag::ACK, 0);
    out.extend_from_slice(&payload);
}

/// A WINDOW_UPDATE frame of a stream, or of the connection, which is stream 0. `increment` is
/// from 1 to 2^31 - 1.
#[inline]
pub fn window_update(out: &mut Vec<u8>, stream: u32, increment: u32) {
    debug_assert!((1..1 << 31).contains(&increment));
    header(out, 4, kind::WINDOW_UPDATE, 0, stream);
    out.extend_from_slice(&increment.to_be_bytes());
}

/// A RST_STREAM frame.
pub fn rst_stream(out: &mut Vec<u8>, stream: u32, code: ErrorCode) {
    header(out, 4, kind::RST_STREAM, 0, stream);
    out.extend_from_slice(&code.0.to_be_bytes());
}

/// A GOAWAY frame. `last` is the last stream of the peer that was or may be acted on; `debug`
/// is for the people who look for the cause.
pub fn goaway(out: &mut Vec<u8>, last: u32, code: ErrorCode, debug: &[u8]) {
    header(out, 8 + debug.len(), kind::GOAWAY, 0, 0);
    out.extend_from_slice(&last.to_be_bytes());
    out.extend_from_slice(&code.0.to_be_bytes());
    out.extend_from_slice(debug);
}

/// A PRIORITY_UPDATE frame (RFC 9218 §7.1), which only clients send. `value` is as in the
/// `priority` field.
pub fn priority_update(out: &mut Vec<u8>, stream: u32, value: &[u8]) {
    header(out, 4 + value.len(), kind::PRIORITY_UPDATE, 0, 0);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out);
        out
    }

    #[test]
    fn every_frame_has_the_bytes_of_its_section() {
        let rows: [(Vec<u8>, &[u8]); 14] = [
            (written(|out| data_head(out, 1, 0x01_0203, false)), b"\x01\x02\x03\0\0\0\0\0\x01"),
            (written(|out| data_head(out, 0x7fff_ffff, 0, true)), b"\0\0\0\0\x01\x7f\xff\xff\xff"),
            (written(|out| headers_head(out, 3, 5, true, true)), b"\0\0\x05\x01\x05\0\0\0\x03"),
            (written(|out| headers_head(out, 3, 5, false, false)), b"\0\0\x05\x01\0\0\0\0\x03"),
            (written(|out| continuation(out, 3, b"ab", true)), b"\0\0\x02\x09\x04\0\0\0\x03ab"),
            (
                written(|out| settings(out, &[(Setting::MAX_CONCURRENT_STREAMS, 100)])),
                b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64",
            ),
            (written(settings_ack), b"\0\0\0\x04\x01\0\0\0\0"),
            (written(|out| ping(out, *b"12345678")), b"\0\0\x08\x06\0\0\0\0\x0012345678"),
            (written(|out| ping_ack(out, *b"12345678")), b"\0\0\x08\x06\x01\0\0\0\x0012345678"),
            (written(|out| window_update(out, 0, 256)), b"\0\0\x04\x08\0\0\0\0\0\0\0\x01\0"),
            (
                written(|out| rst_stream(out, 9, ErrorCode::CANCEL)),
                b"\0\0\x04\x03\0\0\0\0\x09\0\0\0\x08",
            ),
            (
                written(|out| goaway(out, 7, ErrorCode::NO_ERROR, b"bye")),
                b"\0\0\x0b\x07\0\0\0\0\0\0\0\0\x07\0\0\0\0bye",
            ),
            (
                written(|out| priority_update(out, 5, b"u=1")),
                b"\0\0\x07\x10\0\0\0\0\0\0\0\0\x05u=1",
            ),
            (written(|out| headers(out, 1, b"", true, 9)), b"\0\0\0\x01\x05\0\0\0\x01"),
        ];
        for (bytes, expect) in rows {
            assert_eq!(bytes, expect);
        }
    }

    #[test]
    fn a_long_block_is_cut_into_continuations() {
        let expect =
            b"\0\0\x02\x01\x01\0\0\0\x01ab\0\0\x02\x09\0\0\0\0\x01cd\0\0\x01\x09\x04\0\0\0\x01e";
        assert_eq!(written(|out| headers(out, 1, b"abcde", true, 2)), expect);
        let whole = b"\0\0\x05\x01\x04\0\0\0\x01abcde";
        assert_eq!(written(|out| headers(out, 1, b"abcde", false, 5)), whole);
        for (max, end_stream, expect) in [(2, true, &expect[..]), (5, false, &whole[..])] {
            let mut out = b"before".to_vec();
            headers_head(&mut out, 1, 0, false, false);
            out.extend_from_slice(b"abcde");
            finish_headers(&mut out, 6, 1, end_stream, max);
            assert_eq!(&out[6..], expect);
        }
    }
}
