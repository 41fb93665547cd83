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
            Ok(Parsed::Absent) => assert_ne!(opening(bytes), Opening::Proxy),
            Err(Malformed) => assert_eq!(opening(bytes), Opening::Proxy),
        }
    }
});
