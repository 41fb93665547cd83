//! Any bytes as a chunked body: the same outcome however they are cut, and what
//! was decoded survives being encoded and decoded again. The first byte chooses
//! the length of the segments.

#![no_main]

use libfuzzer_sys::fuzz_target;
use reactor_fuzz::decode;
use reactor_proto::{Limits, response};

const HEAD: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

fuzz_target!(|data: &[u8]| {
    let [size, body @ ..] = data else { return };
    let limits = Limits { body: 4096, chunk_extensions: 256, trailers: 256, ..Limits::default() };
    let whole = decode([HEAD, body], &limits);
    let segments = [HEAD].into_iter().chain(body.chunks(usize::from(*size).max(1)));
    assert_eq!(decode(segments, &limits), whole);

    let request = &whole.requests[0];
    if request.complete {
        let mut again = HEAD.to_vec();
        for part in request.body.chunks(usize::from(*size).max(1)) {
            response::chunk(&mut again, part);
        }
        again.extend_from_slice(b"0\r\n");
        again.extend_from_slice(&request.trailers);
        again.extend_from_slice(b"\r\n");
        let again = decode([&again[..]], &limits);
        assert_eq!(again.error, None);
        assert_eq!(&again.requests[0], request);
    }
});
