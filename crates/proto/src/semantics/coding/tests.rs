use super::Coding::{Brotli, Gzip, Identity, Zstd};
use super::*;

fn set(codings: &[Coding]) -> CodingSet {
    codings.iter().copied().collect()
}

/// What is sent of `available` for one Accept-Encoding line.
fn best(line: &str, available: &[Coding]) -> Option<Coding> {
    Codings::of([line.as_bytes()]).best(set(available))
}

#[test]
fn names_and_places() {
    for (index, coding) in Coding::ALL.into_iter().enumerate() {
        assert_eq!(coding.index(), index);
        assert_eq!(Coding::from_token(coding.name().as_bytes()), Some(coding));
        assert_eq!(Coding::from_token(coding.name().to_uppercase().as_bytes()), Some(coding));
    }
    assert_eq!(Coding::from_token(b"x-gzip"), Some(Gzip));
    for other in ["", "*", "deflate", "compress", "brotli", "gzi", "gzipp", "dcb"] {
        assert_eq!(Coding::from_token(other.as_bytes()), None, "{other}");
    }
    assert!(size_of::<Codings>() <= 8);
}

#[test]
fn a_set_holds_what_was_put_in() {
    let mut some = CodingSet::default();
    assert!(Coding::ALL.iter().all(|&coding| !some.has(coding)));
    some.insert(Zstd);
    some.insert(Identity);
    some.insert(Zstd);
    assert_eq!(some, set(&[Identity, Zstd]));
    assert_eq!(some.with(Gzip), set(&[Zstd, Gzip, Identity]));
    assert!(some.has(Zstd) && some.has(Identity) && !some.has(Gzip) && !some.has(Brotli));
}

#[test]
fn without_the_field_identity_is_sent_where_it_is() {
    let absent = Codings::of([]);
    assert_eq!(absent, Codings::default());
    assert_eq!(absent.best(set(&Coding::ALL)), Some(Identity));
    assert_eq!(absent.best(set(&[Gzip])), Some(Gzip));
    assert_eq!(absent.best(set(&[Gzip, Brotli])), Some(Brotli));
    assert_eq!(absent.best(set(&[])), None);
}

#[test]
fn the_highest_weight_of_what_is_available() {
    const ALL: &[Coding] = &Coding::ALL;
    const NO_BR: &[Coding] = &[Identity, Gzip, Zstd];
    const ONLY: &[Coding] = &[Identity];
    #[rustfmt::skip]
    let rows: &[(&str, &[Coding], Option<Coding>)] = &[
        // What browsers and programs send.
        ("gzip, deflate, br, zstd", ALL, Some(Brotli)),
        ("gzip, deflate, br, zstd", NO_BR, Some(Zstd)),
        ("gzip, deflate, br", NO_BR, Some(Gzip)),
        ("gzip, deflate", ALL, Some(Gzip)),
        ("gzip, deflate, br, zstd", ONLY, Some(Identity)),
        ("deflate, gzip;q=1.0, *;q=0.5", ALL, Some(Gzip)),
        ("identity", ALL, Some(Identity)),
        ("br, gzip", ALL, Some(Brotli)),
        ("compress, gzip", ALL, Some(Gzip)),
        // Nothing listed: identity, which needs no mention.
        ("", ALL, Some(Identity)),
        (" , ,", ALL, Some(Identity)),
        ("deflate", ALL, Some(Identity)),
        // Weights count, their order in the line does not.
        ("br;q=0.2, gzip;q=0.8", ALL, Some(Gzip)),
        ("gzip;q=0.8, br;q=0.2", ALL, Some(Gzip)),
        ("gzip;q=0.999, br;q=0.998", ALL, Some(Gzip)),
        ("gzip;q=0.5, br;q=0.500, zstd;q=0.50", ALL, Some(Brotli)),
        ("gzip;q=0.5, zstd;q=0.5", ALL, Some(Zstd)),
        ("gzip;q=1., br;q=0.9", ALL, Some(Gzip)),
        ("identity;q=1, gzip;q=0.5", ALL, Some(Identity)),
        ("identity;q=0.5, gzip;q=0.5", ALL, Some(Gzip)),
        ("gzip;q=0.001", ALL, Some(Gzip)),
        ("gzip;q=0.001, identity;q=0.002", ALL, Some(Identity)),
        // Refused with q=0.
        ("gzip;q=0", ALL, Some(Identity)),
        ("gzip;q=0.000, br", NO_BR, Some(Identity)),
        ("br;q=0, gzip", ALL, Some(Gzip)),
        ("identity;q=0, gzip", ALL, Some(Gzip)),
        ("identity;q=0, gzip", ONLY, None),
        ("identity;q=0", ALL, None),
        ("*;q=0", ALL, None),
        ("*;q=0, identity;q=0.1", ALL, Some(Identity)),
        ("gzip, *;q=0", ALL, Some(Gzip)),
        ("gzip, *;q=0", ONLY, None),
        // `*` is whatever is not named, identity too.
        ("*", ALL, Some(Brotli)),
        ("*", ONLY, Some(Identity)),
        ("*;q=0.5, gzip", ALL, Some(Gzip)),
        ("*, br;q=0", ALL, Some(Zstd)),
        ("*;q=0.1, br;q=0, zstd;q=0, gzip;q=0", ALL, Some(Identity)),
        ("identity, *;q=0.5", ALL, Some(Identity)),
        // Case, spaces, the old name.
        ("GZip;Q=1", ALL, Some(Gzip)),
        ("BR", ALL, Some(Brotli)),
        ("\tgzip ;\t q=0.5 ,,", ALL, Some(Gzip)),
        ("x-gzip", ALL, Some(Gzip)),
        ("x-gzip;q=0, *", &[Gzip, Identity], Some(Identity)),
        // What is no element is ignored, and its neighbours are not.
        ("br;q=1.1, gzip", ALL, Some(Gzip)),
        ("br;q=-1, gzip", ALL, Some(Gzip)),
        ("br;q=0.1234, gzip", ALL, Some(Gzip)),
        ("br;q=, gzip", ALL, Some(Gzip)),
        ("br;q, gzip", ALL, Some(Gzip)),
        ("br;, gzip", ALL, Some(Gzip)),
        ("br;q=1;x=2, gzip", ALL, Some(Gzip)),
        ("br;level=1, gzip", ALL, Some(Gzip)),
        ("br;q=1.001, gzip", ALL, Some(Gzip)),
        ("br;q=.5, gzip", ALL, Some(Gzip)),
        ("br;q= 1, gzip", ALL, Some(Gzip)),
        ("br;q=\"1\", gzip", ALL, Some(Gzip)),
        ("br q=1, gzip", ALL, Some(Gzip)),
        (";q=1, gzip", ALL, Some(Gzip)),
        ("\"br\", gzip", ALL, Some(Gzip)),
        ("br/1, gzip", ALL, Some(Gzip)),
        ("**, gzip", ALL, Some(Gzip)),
        ("br;q=0.5x", ALL, Some(Identity)),
        ("br;q=2", ALL, Some(Identity)),
        // Twice: the lower weight.
        ("gzip, gzip;q=0", ALL, Some(Identity)),
        ("gzip;q=0, x-gzip", ALL, Some(Identity)),
        ("*, *;q=0", ALL, None),
    ];
    for &(line, available, sent) in rows {
        assert_eq!(best(line, available), sent, "{line:?} of {available:?}");
    }
}

#[test]
fn several_lines_are_one_list() {
    let both = Codings::of([&b"gzip;q=0.5"[..], b"br;q=0.1, identity;q=0"]);
    assert_eq!(both, Codings::of([&b"gzip;q=0.5, br;q=0.1, identity;q=0"[..]]));
    assert_eq!(both.best(set(&Coding::ALL)), Some(Gzip));
    assert!(both.accepts(Brotli) && !both.accepts(Identity) && !both.accepts(Zstd));
    assert_eq!(Codings::of([&b""[..], b"br"]), Codings::of([&b"br"[..]]));
}
