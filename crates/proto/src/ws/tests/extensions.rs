//! What is agreed on for permessage-deflate.

use super::*;

/// The response's field to a request's, or what is wrong with the request's.
fn answer(policy: &Policy, fields: &[&str]) -> Result<String, MalformedExtensions> {
    let agreed = negotiate(fields.iter().map(|field| field.as_bytes()), policy)?;
    let mut out = Vec::new();
    agreed.inspect(|agreed| agreed.write(&mut out));
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn offers_are_answered() {
    let policy = Policy { client_max_window_bits: 12, ..Policy::DEDICATED };
    let cases = [
        ("", ""),
        ("x-webkit-deflate-frame", ""),
        ("permessage-deflate", "permessage-deflate"),
        (
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate; client_max_window_bits=12",
        ),
        (
            "permessage-deflate; client_max_window_bits=\"10\"",
            "permessage-deflate; client_max_window_bits=10",
        ),
        (
            "foo, permessage-deflate; server_max_window_bits=15",
            "permessage-deflate; server_max_window_bits=15",
        ),
        (
            "permessage-deflate; server_no_context_takeover; server_max_window_bits=9",
            "permessage-deflate; server_no_context_takeover; server_max_window_bits=9",
        ),
        (
            "permessage-deflate; client_no_context_takeover",
            "permessage-deflate; client_no_context_takeover",
        ),
        // No zlib compresses with so small a window; the next offer can be taken.
        ("permessage-deflate; server_max_window_bits=8", ""),
        ("permessage-deflate; server_max_window_bits=8, permessage-deflate", "permessage-deflate"),
        // What is wrong with one offer is no fault of the next.
        ("permessage-deflate; unknown", ""),
        ("permessage-deflate; unknown=1, permessage-deflate", "permessage-deflate"),
        ("permessage-deflate; server_no_context_takeover=1", ""),
        ("permessage-deflate; server_no_context_takeover; server_no_context_takeover", ""),
        ("permessage-deflate; client_max_window_bits; client_max_window_bits=9", ""),
        ("permessage-deflate; server_max_window_bits", ""),
        ("permessage-deflate; server_max_window_bits=7", ""),
        ("permessage-deflate; server_max_window_bits=16", ""),
        ("permessage-deflate; server_max_window_bits=09", ""),
        ("permessage-deflate; client_max_window_bits=0", ""),
        ("permessage-deflate; client_max_window_bits=1000", ""),
        ("PERMESSAGE-DEFLATE", ""),
    ];
    for (offer, expect) in cases {
        assert_eq!(answer(&policy, &[offer]).as_deref(), Ok(expect), "{offer}");
    }
}

#[test]
fn the_first_offer_that_can_be_taken_is() {
    let fields =
        ["permessage-deflate; server_max_window_bits=10, permessage-deflate", "permessage-deflate"];
    assert_eq!(
        answer(&Policy::DEDICATED, &fields).as_deref(),
        Ok("permessage-deflate; server_max_window_bits=10")
    );
    // A parameter belongs to the extension in its own field.
    assert_eq!(
        answer(&Policy::DEDICATED, &["permessage-deflate", "; x"]),
        Err(MalformedExtensions)
    );
}

#[test]
fn what_the_server_wants_is_said() {
    let policy = Policy { server_max_window_bits: 11, ..Policy::SHARED };
    assert_eq!(
        answer(&policy, &["permessage-deflate; client_max_window_bits"]).as_deref(),
        Ok("permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
            server_max_window_bits=11")
    );
}

#[test]
fn a_malformed_field_fails_the_handshake_even_behind_a_good_offer() {
    let fields = ["permessage-deflate", "permessage-deflate; a=\"b"];
    assert_eq!(answer(&Policy::SHARED, &fields), Err(MalformedExtensions));
}

#[test]
fn a_client_reads_what_its_offer_got() {
    let offer = Offer {
        server_max_window_bits: Some(12),
        client_max_window_bits: Some(None),
        ..Offer::default()
    };
    let mut said = Vec::new();
    offer.write(&mut said);
    assert_eq!(said, b"permessage-deflate; server_max_window_bits=12; client_max_window_bits");
    let bits = |field: &str| {
        offer.agreed([field.as_bytes()]).map(|agreed| {
            agreed.map(|agreed| (agreed.server_window_bits, agreed.client_window_bits))
        })
    };
    assert_eq!(offer.agreed([]), Ok(None));
    assert_eq!(
        bits("permessage-deflate; server_max_window_bits=10; client_max_window_bits=9"),
        Ok(Some((10, 9)))
    );
    for field in [
        "permessage-deflate",
        "permessage-deflate; server_max_window_bits=13",
        "permessage-deflate; server_max_window_bits=12; client_max_window_bits",
        "permessage-deflate; server_max_window_bits=12; client_max_window_bits=8",
        "permessage-deflate; server_max_window_bits=12; x",
        "permessage-deflate; server_max_window_bits=12, permessage-deflate",
        "foo",
        "permessage-deflate;",
    ] {
        assert_eq!(bits(field), Err(BadAgreement), "{field}");
    }
    let plain = Offer::default();
    let field = &b"permessage-deflate; client_max_window_bits=12"[..];
    assert_eq!(plain.agreed([field]), Err(BadAgreement));
}

#[test]
fn both_sides_understand_each_other() {
    let bits = [None, Some(8), Some(9), Some(15)];
    let client_bits = [None, Some(None), Some(Some(8)), Some(Some(9)), Some(Some(15))];
    for (server, client) in bits.iter().flat_map(|s| client_bits.iter().map(move |c| (*s, *c))) {
        for flags in 0..16 {
            let offer = Offer {
                server_no_context_takeover: flags & 1 != 0,
                client_no_context_takeover: flags & 2 != 0,
                server_max_window_bits: server,
                client_max_window_bits: client,
            };
            let policy = Policy {
                server_no_context_takeover: flags & 4 != 0,
                client_no_context_takeover: flags & 8 != 0,
                server_max_window_bits: 13,
                client_max_window_bits: 14,
            };
            let (mut asked, mut answered) = (Vec::new(), Vec::new());
            offer.write(&mut asked);
            let Some(agreed) = negotiate([&asked[..]], &policy).unwrap() else {
                assert_eq!(server, Some(8));
                continue;
            };
            agreed.write(&mut answered);
            let read = offer.agreed([&answered[..]]);
            if agreed.client_window_bits == 8 {
                // A client that offers 8 bits must know how to compress with them.
                assert_eq!(read, Err(BadAgreement));
                continue;
            }
            let read = read.unwrap().expect("agreed");
            assert_eq!(read.server_window_bits, agreed.server_window_bits);
            assert_eq!(read.server_no_context_takeover, agreed.server_no_context_takeover);
            assert_eq!(read.client_no_context_takeover, agreed.client_no_context_takeover);
            assert!(read.client_window_bits <= agreed.client_window_bits);
        }
    }
}
