//! Any bytes, of which more and more has come. A verdict stays whatever follows. While there
//! is none, HTTP/1 has no answer either, and what is another protocol's is no request of it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use reactor_proto::{Decoder, Event, Head, Limits, Opening, opening};

fuzz_target!(|data: &[u8]| {
    let data = &data[..data.len().min(256)];
    let mut verdict = Opening::Incomplete;
    for len in 0..=data.len() {
        let (before, bytes) = (verdict, &data[..len]);
        verdict = opening(bytes);
        assert!(before == Opening::Incomplete || verdict == before);
        let http1 = Decoder::default().decode(bytes, &mut Head::default(), &Limits::default());
        match verdict {
            Opening::Http1 => {}
            Opening::Incomplete => assert!(matches!(http1, Ok((_, Event::Incomplete)))),
            Opening::Http2 | Opening::Tls | Opening::Proxy => {
                assert!(!matches!(http1, Ok((_, Event::Head))));
            }
        }
    }
});
