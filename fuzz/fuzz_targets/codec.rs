//! Any bytes, whole and cut in two places, and byte by byte: the outcome has to
//! be the same. The first three bytes choose the cuts and the limits.

#![no_main]

use libfuzzer_sys::fuzz_target;
use reactor_fuzz::decode;
use reactor_proto::Limits;

fuzz_target!(|data: &[u8]| {
    let [first, second, kind, bytes @ ..] = data else { return };
    let limits = if kind % 2 == 0 {
        Limits::default()
    } else {
        // Small enough for short inputs to meet all of them.
        Limits {
            request_line: 48,
            head: 128,
            fields: 4,
            body: 32,
            chunk_extensions: 16,
            trailers: 24,
            streams: 1,
        }
    };
    let cut = |n: u8| usize::from(n) * (bytes.len() + 1) / 256;
    let (first, second) = (cut(*first.min(second)), cut(*first.max(second)));
    let whole = decode([bytes], &limits);
    let cut = [&bytes[..first], &bytes[first..second], &bytes[second..]];
    assert_eq!(decode(cut, &limits), whole);
    if bytes.len() <= 512 {
        assert_eq!(decode(bytes.chunks(1), &limits), whole);
    }
});
