//! Any bytes, of which more and more has come. A verdict stays whatever follows, a header ends
//! within its bound, and what is none is what the opening of a connection takes for none.

#![no_main]

use libfuzzer_sys::fuzz_target;
use reactor_proto::proxy_protocol::{LONGEST, Malformed, Parsed, parse};
use reactor_proto::{Opening, opening};

fuzz_target!(|data: &[u8]| {
    let mut verdict = Ok(Parsed::Incomplete);
    for len in (0..=data.len().min(512)).chain([data.len()]) {
        let (before, bytes) = (verdict, &data[..len]);
        verdict = parse(bytes);
        assert!(before == Ok(Parsed::Incomplete) || verdict == before);
        match &verdict {
            Ok(Parsed::Header(header)) => assert!(header.len <= len && header.len <= LONGEST),
            Ok(Parsed::Incomplete) => assert!(len < LONGEST),
            // Fewer bytes of version 2's signature are enough to say that it is no HTTP.
            Ok(Parsed::Absent) => {
                assert!(opening(bytes) != Opening::Proxy || bytes.starts_with(b"\r\n\r\n\0"));
            }
            Err(Malformed) => assert_eq!(opening(bytes), Opening::Proxy),
        }
    }
});
