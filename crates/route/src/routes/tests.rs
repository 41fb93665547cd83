use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// A table whose targets are the patterns, all for GET.
fn table(patterns: &[&'static str]) -> Routes<&'static str> {
    let mut routes = Routes::new();
    for pattern in patterns {
        routes.insert(Some("GET"), pattern, *pattern).unwrap_or_else(|error| panic!("{error}"));
    }
    routes
}

/// The pattern that `path` belongs to, and its parameters as text.
fn found(routes: &Routes<&'static str>, path: &str) -> Option<(&'static str, Vec<String>)> {
    let mut params = Params::new();
    match routes.find(b"GET", path.as_bytes(), &mut params) {
        Found::Target(pattern) => {
            let values = params.iter().map(|(name, span)| {
                let value = params.get(name, path.as_bytes()).expect("a listed parameter");
                assert_eq!(params.raw(name, path.as_bytes()), Some(&path.as_bytes()[span]));
                format!("{name}={value}")
            });
            Some((*pattern, values.collect()))
        }
        Found::NotFound => None,
        Found::MethodNotAllowed(allow) => panic!("{path}: only {allow}"),
    }
}

#[track_caller]
fn finds(routes: &Routes<&'static str>, path: &str, pattern: &'static str, params: &[&str]) {
    let (to, with) = found(routes, path).unwrap_or_else(|| panic!("{path} was not found"));
    assert_eq!((to, with), (pattern, params.iter().map(|p| (*p).to_owned()).collect()), "{path}");
}

#[test]
fn literal_paths() {
    let routes = table(&["/", "/a", "/a/", "/a/b", "/a.b-c_d~e:f@g"]);
    for path in ["/", "/a", "/a/", "/a/b", "/a.b-c_d~e:f@g"] {
        assert_eq!(found(&routes, path).map(|(pattern, _)| pattern), Some(path));
    }
    for path in ["", "*", "a", "//", "/b", "/A", "/a//", "/a/b/", "/a/b/c", "example.com:443"] {
        assert_eq!(found(&routes, path), None, "{path}");
    }
    assert_eq!((routes.len(), routes.is_empty()), (5, false));
}

#[test]
fn parameters_take_one_segment_that_is_not_empty() {
    let routes = table(&["/users/:id", "/users/:id/posts/:post"]);
    finds(&routes, "/users/7", "/users/:id", &["id=7"]);
    finds(&routes, "/users/a%20b", "/users/:id", &["id=a b"]);
    finds(&routes, "/users/7/posts/x", "/users/:id/posts/:post", &["id=7", "post=x"]);
    for path in
        ["/users", "/users/", "/users/7/", "/users//posts/x", "/users/7/posts/", "/users/7/x"]
    {
        assert_eq!(found(&routes, path), None, "{path}");
    }
    let mut params = Params::new();
    let _ = routes.find(b"GET", b"/users/7", &mut params);
    assert_eq!(params.get("post", b"/users/7"), None);
    assert_eq!(params.get("id", b"/"), None, "not the path that was looked up");
}

#[test]
fn a_wildcard_takes_the_rest() {
    let routes = table(&["/assets/*", "/assets/:kind/logo"]);
    finds(&routes, "/assets/", "/assets/*", &["*="]);
    finds(&routes, "/assets/a", "/assets/*", &["*=a"]);
    finds(&routes, "/assets/a/b//c/", "/assets/*", &["*=a/b//c/"]);
    finds(&routes, "/assets/a%2fb/%41", "/assets/*", &["*=a/b/A"]);
    // The search drops what the parameter had matched.
    finds(&routes, "/assets/svg/logos", "/assets/*", &["*=svg/logos"]);
    assert_eq!(found(&routes, "/assets"), None);
    finds(&table(&["/*"]), "/", "/*", &["*="]);
    finds(&table(&["/*"]), "//x", "/*", &["*=/x"]);
}

#[test]
fn the_earliest_difference_decides_literal_over_parameter_over_wildcard() {
    let routes = table(&["/*", "/:a", "/x", "/x/*", "/:a/y", "/x/:b/z", "/:a/:b/w"]);
    finds(&routes, "/x", "/x", &[]);
    finds(&routes, "/v", "/:a", &["a=v"]);
    finds(&routes, "/v/v", "/*", &["*=v/v"]);
    finds(&routes, "/v/y", "/:a/y", &["a=v"]);
    finds(&routes, "/x/y", "/x/*", &["*=y"]);
    finds(&routes, "/x/y/z", "/x/:b/z", &["b=y"]);
    finds(&routes, "/x/y/w", "/x/*", &["*=y/w"]);
    finds(&routes, "/v/y/w", "/:a/:b/w", &["a=v", "b=y"]);
    finds(&routes, "/v/y/z", "/*", &["*=v/y/z"]);
}

#[test]
fn a_dead_end_goes_back_to_the_less_literal_branch() {
    let routes = table(&["/a/b/c", "/a/:x/d", "/:y/b/e"]);
    finds(&routes, "/a/b/c", "/a/b/c", &[]);
    finds(&routes, "/a/b/d", "/a/:x/d", &["x=b"]);
    finds(&routes, "/a/b/e", "/:y/b/e", &["y=a"]);
    assert_eq!(found(&routes, "/a/b/f"), None);
}

#[test]
fn literals_are_compared_as_a_url_parser_writes_them() {
    let routes = table(&[
        "/a b",
        "/caf\u{e9}",
        "/x%2Fy",
        "/100%25",
        "/x/y",
        "/\\:id",
        "/\\*",
        "/{a}",
        "/low%c3%a9",
        "/^",
    ]);
    finds(&routes, "/a%20b", "/a b", &[]);
    finds(&routes, "/caf%C3%A9", "/caf\u{e9}", &[]);
    finds(&routes, "/x%2Fy", "/x%2Fy", &[]);
    finds(&routes, "/x/y", "/x/y", &[]);
    finds(&routes, "/100%25", "/100%25", &[]);
    finds(&routes, "/:id", "/\\:id", &[]);
    finds(&routes, "/*", "/\\*", &[]);
    finds(&routes, "/%7Ba%7D", "/{a}", &[]);
    finds(&routes, "/low%c3%a9", "/low%c3%a9", &[]);
    finds(&routes, "/%5E", "/^", &[]);
    // A guard that looks at the URL sees other paths in these.
    for path in [
        "/%61%20%62",
        "/caf%c3%a9",
        "/x%2fy",
        "/%78/y",
        "/x/%79",
        "/100%",
        "/%3Aid",
        "/%2A",
        "/low%C3%A9",
        "/x%2Fy/",
        "%2Fx/y",
        "/x/y%00",
        "/x%5Cy",
        "/X/y",
        "/^",
    ] {
        assert_eq!(found(&routes, path), None, "{path}");
    }
    assert_eq!(found(&table(&["/x%2Fy"]), "/x/y"), None);
    finds(&table(&["/a%2541"]), "/a%2541", "/a%2541", &[]);
    assert_eq!(found(&table(&["/a%2541"]), "/a%41"), None);
    finds(&table(&["/%61"]), "/%61", "/%61", &[]);
    assert_eq!(found(&table(&["/%61"]), "/a"), None);
    finds(&table(&["/:id"]), "/a%2Fb", "/:id", &["id=a/b"]);
    finds(&table(&["/:id"]), "/%ff", "/:id", &["id=\u{fffd}"]);
    finds(&table(&["/:id"]), "/%c0%ae%c0%ae", "/:id", &["id=\u{fffd}\u{fffd}\u{fffd}\u{fffd}"]);
}

#[test]
fn methods() {
    let mut routes = Routes::new();
    let mut params = Params::new();
    routes.insert(Some("GET"), "/a/:x", 1).expect("new");
    routes.insert(Some("POST"), "/a/:x", 2).expect("new");
    routes.insert(Some("GET"), "/b", 3).expect("new");
    routes.insert(None, "/b", 4).expect("new");
    routes.insert(Some("HEAD"), "/c", 5).expect("new");
    routes.insert(Some("GET"), "/c", 6).expect("new");
    routes.insert(Some("PUT"), "/d", 7).expect("new");
    routes.insert(None, "/*", 8).expect("new");
    let mut find = |method: &str, path: &str| {
        let found = routes.find(method.as_bytes(), path.as_bytes(), &mut params);
        (found, params.len())
    };
    assert_eq!(find("GET", "/a/1"), (Found::Target(&1), 1));
    assert_eq!(find("HEAD", "/a/1"), (Found::Target(&1), 1));
    assert_eq!(find("POST", "/a/1"), (Found::Target(&2), 1));
    // A refused method leaves no parameters of the path behind.
    assert_eq!(find("PUT", "/a/1"), (Found::MethodNotAllowed("GET, HEAD, POST"), 0));
    assert_eq!(find("get", "/a/1"), (Found::MethodNotAllowed("GET, HEAD, POST"), 0));
    assert_eq!(find("GET", "/b"), (Found::Target(&3), 0));
    assert_eq!(find("HEAD", "/b"), (Found::Target(&3), 0));
    assert_eq!(find("BREW", "/b"), (Found::Target(&4), 0));
    assert_eq!(find("HEAD", "/c"), (Found::Target(&5), 0));
    assert_eq!(find("DELETE", "/c"), (Found::MethodNotAllowed("HEAD, GET"), 0));
    assert_eq!(find("HEAD", "/d"), (Found::MethodNotAllowed("PUT"), 0));
    assert_eq!(find("GET", "/e"), (Found::Target(&8), 1));
}

#[test]
fn bad_patterns_are_named_with_what_is_wrong() {
    for (pattern, wrong) in [
        ("", "start with '/'"),
        ("a", "start with '/'"),
        ("*", "start with '/'"),
        ("/a?b", "without '?' or '#'"),
        ("/a#b", "without '?' or '#'"),
        ("/a\nb", "control characters"),
        ("/*/a", "last segment"),
        ("/a*", "segment of its own"),
        ("/**", "segment of its own"),
        ("/:", "needs a name"),
        ("/:a-b", "letters, digits and '_'"),
        ("/:a/:a", "same name"),
        ("//", "empty"),
        ("/a//b", "empty"),
        ("/a%2", "hexadecimal"),
        ("/a/../b", "without it"),
        ("/.", "without it"),
        ("/%2e%2E/b", "without it"),
        ("/:id/./b", "without it"),
        ("/a\\b", "no '\\'"),
        ("/\\a", "no '\\'"),
    ] {
        let mut routes = Routes::new();
        let error = routes.insert(None, pattern, ()).expect_err(pattern).to_string();
        assert!(error.contains(wrong), "{error}");
        assert!(error.contains(&format!("{pattern:?}")), "{error}");
        assert!(routes.is_empty());
    }
    let error = Routes::new().insert(Some("GE T"), "/", ()).expect_err("no token").to_string();
    assert_eq!(error, "route \"/\": \"GE T\" is not a method name");
    assert!(Routes::new().insert(Some(""), "/", ()).is_err());
}

#[test]
fn a_route_cannot_be_added_twice() {
    let mut routes = Routes::new();
    routes.insert(Some("GET"), "/a b/:id", 1).expect("new");
    routes.insert(None, "/a b/:id", 2).expect("new");
    let again = routes.insert(Some("GET"), "/a%20b/:id", 3).expect_err("there already");
    assert_eq!(again.to_string(), "route \"/a%20b/:id\": there is a route for GET on it already");
    let again = routes.insert(None, "/a b/:id", 3).expect_err("there already");
    assert_eq!(
        again.to_string(),
        "route \"/a b/:id\": there is a route for any method on it already"
    );
    let other = routes.insert(Some("PUT"), "/a b/:name", 3).expect_err("ambiguous");
    assert_eq!(
        other,
        RouteError::Ambiguous { pattern: "/a b/:name".into(), other: "/a b/:id".into() }
    );
    assert!(other.to_string().contains("the same paths as \"/a b/:id\""), "{other}");
    // Other names are fine where the paths differ.
    routes.insert(Some("GET"), "/a b/:name/x", 4).expect("new");
    let mut params = Params::new();
    assert_eq!(routes.find(b"GET", b"/a%20b/7", &mut params), Found::Target(&1));
    assert_eq!(routes.find(b"GET", b"/a%20b/7/x", &mut params), Found::Target(&4));
    assert_eq!(params.get("name", b"/a%20b/7/x").as_deref(), Some("7"));
}

#[test]
fn params_are_reused_without_allocating() {
    let routes = table(&["/:a/:b", "/x"]);
    let mut params = Params::new();
    let _ = routes.find(b"GET", b"/1/2", &mut params);
    let place = params.spans.as_ptr();
    let _ = routes.find(b"GET", b"/x", &mut params);
    assert!(params.is_empty() && params.get("a", b"/x").is_none());
    let _ = routes.find(b"GET", b"/3/4", &mut params);
    assert_eq!((params.len(), params.spans.as_ptr()), (2, place));
}

/// A slow and plain model of the rules: whether `pattern` matches, and how literal each of
/// its segments is.
fn rank(pattern: &str, path: &str) -> Option<Vec<u8>> {
    let mut parts = path.strip_prefix('/')?.split('/');
    let mut rank = Vec::new();
    for segment in pattern[1..].split('/') {
        let part = parts.next()?;
        match segment {
            "*" => {
                rank.push(2);
                return Some(rank);
            }
            _ if segment.starts_with(':') && !part.is_empty() => rank.push(1),
            _ if segment == part => rank.push(0),
            _ => return None,
        }
    }
    parts.next().is_none().then_some(rank)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn the_table_agrees_with_the_rules(
        patterns in vec("(/([ab]|:[x]|[ab])){0,3}(/\\*|/|/[ab])", 1..10),
        path in "(/([abc]|%6[123]|%2[fF]|%|))*",
    ) {
        let mut routes = Routes::new();
        let mut kept = Vec::new();
        for pattern in patterns {
            if routes.insert(None, &pattern, pattern.clone()).is_ok() {
                kept.push(pattern);
            }
        }
        let best = kept
            .iter()
            .filter_map(|pattern| Some((rank(pattern, &path)?, pattern)))
            .min_by(|a, b| a.0.cmp(&b.0));
        let mut params = Params::new();
        match routes.find(b"GET", path.as_bytes(), &mut params) {
            Found::Target(pattern) => prop_assert_eq!(Some(pattern), best.map(|(_, pattern)| pattern)),
            _ => prop_assert_eq!(best, None),
        }
    }

    #[test]
    fn no_path_is_too_odd(path in vec(any::<u8>(), 0..60)) {
        let routes = table(&["/", "/a/:b", "/:a/b", "/:a/:b/*", "/%25/%2F"]);
        let mut params = Params::new();
        let path = [b"/", &path[..]].concat();
        if let Found::Target(_) = routes.find(b"GET", &path, &mut params) {
            for (name, span) in params.iter() {
                prop_assert_eq!(params.raw(name, &path), Some(&path[span]));
            }
        }
    }
}
