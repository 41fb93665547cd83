//! Lines of text as patterns, the last line as a path. Percent-encoding all of
//! the path's segments must not change where it leads, and parameters have to
//! lie inside the path.

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

    // A `%` is left alone: it may be half of an encoding already.
    if !path.contains(&b'%') && path.first() == Some(&b'/') {
        let encoded: Vec<u8> = path
            .iter()
            .flat_map(|&byte| match byte {
                b'/' => b"/".to_vec(),
                byte => format!("%{byte:02x}").into_bytes(),
            })
            .collect();
        let mut others = Params::new();
        assert_eq!(routes.find(b"HEAD", &encoded, &mut others), found);
        for (name, _) in params.iter() {
            assert_eq!(others.get(name, &encoded), params.get(name, path));
        }
    }
});
