//! Rules about what may follow what: the opening, streams, field blocks.

use std::slice::from_ref;

use super::*;

#[test]
fn the_preface_comes_first_and_settings_follow() {
    for (at, bit) in (0..PREFACE.len()).flat_map(|at| [(at, 1), (at, 0x20), (at, 0x80)]) {
        let mut preface = PREFACE.to_vec();
        preface[at] ^= bit;
        let mut receiver = Receiver::new();
        // The wrong byte is enough.
        receiver.receive(&preface[..=at]);
        let error = receiver.story.error.map(|error| error.code);
        assert_eq!(error, Some(ErrorCode::PROTOCOL_ERROR), "{at}");
    }
    for first in [
        bytes(frame::settings_ack),
        bytes(|out| frame::ping(out, [0; 8])),
        bytes(|out| frame::window_update(out, 0, 1)),
        headers(1, GET, true),
        data(1, b"", true),
        raw(0x99, 0, 0, b""),
        raw(kind::CONTINUATION, flag::END_HEADERS, 1, GET),
        b"GET / HTTP/1.1\r\n".to_vec(),
    ] {
        let mut receiver = Receiver::new();
        receiver.receive(&[&PREFACE[..], &first].concat());
        let error = receiver.story.error.map(|error| error.code);
        assert_eq!(error, Some(ErrorCode::PROTOCOL_ERROR), "{first:?}");
    }
}

#[test]
fn frames_of_the_connection_are_on_stream_0_and_others_are_not() {
    let connection =
        [(kind::SETTINGS, 0), (kind::PING, 8), (kind::GOAWAY, 8), (kind::PRIORITY_UPDATE, 4)];
    for (kind, len) in connection {
        assert_eq!(code(&[raw(kind, 0, 1, &[1; 8][..len])]), "PROTOCOL_ERROR", "{kind:#x}");
    }
    let stream = [
        raw(kind::DATA, 0, 0, b""),
        raw(kind::HEADERS, flag::END_HEADERS, 0, GET),
        raw(kind::PRIORITY, 0, 0, &[0; 5]),
        raw(kind::RST_STREAM, 0, 0, &[0; 4]),
        raw(kind::CONTINUATION, flag::END_HEADERS, 0, b""),
    ];
    for frame in stream {
        assert_eq!(code(from_ref(&frame)), "PROTOCOL_ERROR", "{frame:?}");
    }
    for stream in [0, 1, 2] {
        let push = raw(kind::PUSH_PROMISE, flag::END_HEADERS, stream, b"\0\0\0\x02");
        assert_eq!(code(&[headers(1, GET, true), push]), "PROTOCOL_ERROR");
    }
}

#[test]
fn streams_that_have_not_begun_bring_nothing() {
    for stream in [2, 4, 5, 0x7fff_ffff] {
        for frame in [
            data(stream, b"x", true),
            bytes(|out| frame::rst_stream(out, stream, ErrorCode::CANCEL)),
            bytes(|out| frame::window_update(out, stream, 1)),
        ] {
            let frames = [headers(3, GET, true), frame];
            assert_eq!(code(&frames), "PROTOCOL_ERROR", "{:?}", frames[1]);
        }
    }
    for stream in [0, 2, 0x7fff_fffe] {
        let update = bytes(|out| frame::priority_update(out, stream, b"u=1"));
        assert_eq!(code(&[update]), "PROTOCOL_ERROR");
    }
}

#[test]
fn requests_come_on_odd_streams_that_rise() {
    assert_eq!(code(&[headers(2, GET, true)]), "PROTOCOL_ERROR");
    assert_eq!(code(&[headers(1, GET, true), headers(4, GET, true)]), "PROTOCOL_ERROR");
    // One that was left out has closed (RFC 9113 §5.1.1).
    let skipping = [headers(1, GET, true), headers(7, GET, true)];
    for late in [3, 5] {
        let frames = [&skipping[..], &[headers(late, GET, true)]].concat();
        assert_eq!(code(&frames), "PROTOCOL_ERROR");
    }
    let last = 0x7fff_ffff;
    let told = events(&[headers(1, GET, true), headers(last, GET, true)]);
    assert_eq!(told[2], Told::Event(Event::Request { stream: last, end_stream: true }));
}

#[test]
fn a_second_section_is_trailers_if_it_ends_the_stream() {
    let open = headers(1, POST, false);
    let told = events(&[open.clone(), headers(3, GET, true), headers(1, FIELD, true)]);
    assert_eq!(told[4], Told::Event(Event::Trailers { stream: 1 }));
    assert_eq!(told[5], Told::Text("x: y\r\n".to_owned()));
    for (block, end_stream) in [(FIELD, false), (GET, true), (b"\0\x01X\x01y", true)] {
        let told = events(&[open.clone(), headers(1, block, end_stream)]);
        assert_eq!(told[2], Told::Event(Event::TrailersMalformed { stream: 1 }));
    }
    assert_eq!(
        events(&[open, headers(1, b"", true)])[2..],
        [Told::Event(Event::Trailers { stream: 1 }), Told::Text(String::new()),]
    );
}

#[test]
fn a_block_is_put_together_and_nothing_comes_between() {
    let cut = |max| bytes(|out| frame::headers(out, 1, GET, true, max));
    for max in 1..GET.len() {
        let told = events(&[cut(max), headers(3, GET, true)]);
        assert_eq!(told[0], Told::Event(Event::Request { stream: 1, end_stream: true }));
        assert_eq!(told[2], Told::Event(Event::Request { stream: 3, end_stream: true }));
    }
    let begun = raw(kind::HEADERS, flag::END_STREAM, 1, &GET[..3]);
    let more = raw(kind::CONTINUATION, 0, 1, &GET[3..]);
    let end = raw(kind::CONTINUATION, flag::END_HEADERS, 1, b"");
    assert_eq!(events(&[begun.clone(), more.clone(), end.clone()]).len(), 2);
    for between in [
        data(1, b"", false),
        headers(1, GET, true),
        headers(3, GET, true),
        bytes(|out| frame::ping(out, [0; 8])),
        bytes(frame::settings_ack),
        bytes(|out| frame::goaway(out, 0, ErrorCode::NO_ERROR, b"")),
        bytes(|out| frame::rst_stream(out, 1, ErrorCode::CANCEL)),
        bytes(|out| frame::window_update(out, 0, 1)),
        raw(kind::PRIORITY, 0, 1, &[0; 5]),
        raw(0x99, 0, 1, b""),
        raw(kind::CONTINUATION, flag::END_HEADERS, 3, b""),
        raw(kind::CONTINUATION, flag::END_HEADERS, 0, b""),
    ] {
        for before in [from_ref(&begun), &[begun.clone(), more.clone()]] {
            let frames = [before, from_ref(&between), from_ref(&end)].concat();
            assert_eq!(code(&frames), "PROTOCOL_ERROR", "{between:?}");
        }
    }
    assert_eq!(code(from_ref(&end)), "PROTOCOL_ERROR");
    assert_eq!(code(&[headers(1, GET, true), end]), "PROTOCOL_ERROR");
}

#[test]
fn a_block_is_bounded() {
    let begun = raw(kind::HEADERS, flag::END_STREAM, 1, GET);
    let more = raw(kind::CONTINUATION, 0, 1, b"");
    let end = raw(kind::CONTINUATION, flag::END_HEADERS, 1, b"");
    let eight = [from_ref(&begun), &vec![more.clone(); 7], from_ref(&end)].concat();
    assert_eq!(events(&eight).len(), 2);
    let nine = [from_ref(&begun), &vec![more; 8], from_ref(&end)].concat();
    assert_eq!(code(&nine), "ENHANCE_YOUR_CALM");

    // A larger limit may need more frames, of 16 KiB each.
    let limits = Limits { head: 1 << 20, ..Limits::default() };
    let flood = [vec![begun.clone()], vec![raw(kind::CONTINUATION, 0, 1, b""); 257]].concat();
    assert_eq!(story_with(&limits, &flood[..257]).error, None);
    let error = story_with(&limits, &flood).error.map(|error| error.code);
    assert_eq!(error, Some(ErrorCode::ENHANCE_YOUR_CALM));

    let limits = Limits { head: 200, trailers: 20, ..Limits::default() };
    let filler = |len| raw(kind::CONTINUATION, 0, 1, &vec![b'\x20'; len]);
    let calm = Some(ErrorCode::ENHANCE_YOUR_CALM);
    let code = |frames: &[Vec<u8>]| story_with(&limits, frames).error.map(|error| error.code);
    // Four times the limit: what is over it once is decoded, and answered with 431.
    let head = 4 * 200 - GET.len();
    assert_ne!(code(&[begun.clone(), filler(head)]), calm);
    assert_eq!(code(&[begun.clone(), filler(head + 1)]), calm);
    assert_eq!(code(&[begun, filler(head), filler(1)]), calm);
    let trailers = raw(kind::HEADERS, flag::END_STREAM, 1, &[0x20; 80]);
    let open = headers(1, POST, false);
    assert_eq!(code(&[open.clone(), trailers.clone()]), None);
    assert_eq!(code(&[open, trailers, filler(1)]), calm);
}

#[test]
fn a_block_whose_end_is_missing_can_be_asked_for() {
    let mut receiver = Receiver::new();
    receiver.receive(&opening());
    assert!(!receiver.decoder.in_block());
    receiver.receive(&raw(kind::HEADERS, flag::END_STREAM, 5, &GET[..3]));
    assert!(receiver.decoder.in_block());
    assert_eq!(receiver.decoder.highest_stream(), 5);
    receiver.receive(&raw(kind::CONTINUATION, flag::END_HEADERS, 5, &GET[3..]));
    assert!(!receiver.decoder.in_block());
}

#[test]
fn the_table_is_kept_over_refused_requests_and_trailers() {
    // `x: y` into the dynamic table, where it is entry 62.
    let insert = b"\x40\x01x\x01y";
    let told = events(&[
        headers(1, &[&b"\x82\x86\x41\x01a"[..], insert].concat(), false),
        headers(1, b"\xbe", true),
        headers(3, &[GET, b"\xbf"].concat(), true),
    ]);
    assert!(matches!(told[0], Told::Event(Event::Refused { stream: 1, .. })), "{told:?}");
    assert_eq!(told[2], Told::Text("x: y\r\n".to_owned()));
    assert!(matches!(told[3], Told::Event(Event::Request { stream: 3, .. })), "{told:?}");
}
