//! Lines of text as patterns, the last line as a path. Parameters have to lie inside
//! the path. Percent-encoding what parameters match must not change where the path
//! leads, nor what they are decoded; percent-encoding literal text must.

#![no_main]

use libfuzzer_sys::fuzz_target;
use reactor_route::{Found, Params, Routes};

fuzz_target!(|data: &[u8]| {
    let Some(line) = data.iter().rposition(|&byte| byte == b'\n') else { return };
    let (patterns, path) = (&data[..line], &data[line + 1..]);
    let Ok(patterns) = std::str::from_utf8(patterns) else { return };
    let mut routes = Routes::new();
    for (at, pattern) in patterns.split('\n').take(64).enumerate() {
        let method = [None, Some("GET"), Some("POST")][at % 3];
        if let Err(error) = routes.insert(method, pattern, at) {
            assert!(error.to_string().contains(&format!("{pattern:?}")));
        }
    }

    let mut params = Params::new();
    let found = routes.find(b"HEAD", path, &mut params);
    for (name, span) in params.iter() {
        assert_eq!(params.raw(name, path), Some(&path[span.clone()]));
        assert!(name == "*" || !path[span].contains(&b'/'));
    }
    if let Found::Target(_) = found {
        assert_eq!(path.first(), Some(&b'/'));
    }

    // A `%` may be half of an encoding already, and a pattern with other characters may
    // have an encoding in its literal text.
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/:*\n".contains(byte);
    if path.contains(&b'%') || !patterns.bytes().all(|byte| is_plain(&byte)) {
        return;
    }
    let in_params = |at: usize| params.iter().any(|(_, span)| span.contains(&at));
    let encode = |which: &dyn Fn(usize) -> bool| -> Vec<u8> {
        let bytes = path.iter().enumerate();
        bytes
            .flat_map(|(at, &byte)| match byte {
                byte if byte != b'/' && which(at) => format!("%{byte:02x}").into_bytes(),
                byte => vec![byte],
            })
            .collect()
    };
    let mut others = Params::new();
    let encoded = encode(&in_params);
    assert_eq!(routes.find(b"HEAD", &encoded, &mut others), found);
    for (name, _) in params.iter() {
        assert_eq!(others.get(name, &encoded), params.get(name, path));
    }

    // A route whose literal text is encoded is another: no guard that compares text is passed.
    let encoded = encode(&|at| !in_params(at));
    if let Found::Target(at) = routes.find(b"HEAD", &encoded, &mut others)
        && encoded != path
    {
        assert!(patterns.split('\n').nth(*at).is_some_and(|pattern| pattern.contains([':', '*'])));
    }
});
