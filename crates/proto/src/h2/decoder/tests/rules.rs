//! Each rule about a frame alone: what it means, and what is wrong about it.

use super::*;

const EVENT_GET: Told = Told::Event(Event::Request { stream: 1, end_stream: true });

#[test]
fn a_request_is_told_with_its_text() {
    let mut receiver = Receiver::new();
    receiver.receive(&[opening(), headers(1, GET, true)].concat());
    let text = "GET / HTTP/2.0\r\nhost: a\r\n\r\n";
    let expect = [
        Told::Event(Event::Preface),
        Told::Event(Event::Settings(SettingsFrame::default())),
        EVENT_GET,
        Told::Text(text.to_owned()),
    ];
    assert_eq!(receiver.story.told, expect);
    assert_eq!(receiver.head.path_bytes(&receiver.text), b"/");
    assert_eq!(receiver.decoder.highest_stream(), 1);
}

#[test]
fn every_other_frame_is_told() {
    let told = events(&[
        headers(1, POST, false),
        bytes(|out| frame::settings(out, &[(Setting::INITIAL_WINDOW_SIZE, 7)])),
        bytes(frame::settings_ack),
        bytes(|out| frame::ping(out, *b"12345678")),
        bytes(|out| frame::ping_ack(out, *b"abcdefgh")),
        bytes(|out| frame::goaway(out, 0, ErrorCode::NO_ERROR, b"bye")),
        bytes(|out| frame::window_update(out, 0, 0x7fff_ffff)),
        bytes(|out| frame::window_update(out, 1, 1)),
        bytes(|out| frame::priority_update(out, 1, b"u=1, i")),
        bytes(|out| frame::priority_update(out, 99, b"u=")),
        data(1, b"hello", false),
        raw(kind::PRIORITY, 0, 3, b"\x80\0\0\x01\x10"),
        raw(0x42, 0xff, 77, b"whatever"),
        raw(0xff, 0, 0, b""),
        bytes(|out| frame::rst_stream(out, 1, ErrorCode(99))),
    ]);
    let settings = SettingsFrame { initial_window_size: Some(7), ..SettingsFrame::default() };
    let urgent = Priority { urgency: 1, incremental: true };
    let expect = [
        Told::Event(Event::Request { stream: 1, end_stream: false }),
        Told::Text("POST / HTTP/2.0\r\nhost: a\r\n\r\n".to_owned()),
        Told::Event(Event::Settings(settings)),
        Told::Event(Event::SettingsAck),
        Told::Event(Event::Ping(*b"12345678")),
        Told::Event(Event::PingAck(*b"abcdefgh")),
        Told::Event(Event::GoAway { last: 0, code: ErrorCode::NO_ERROR }),
        Told::Event(Event::WindowUpdate { stream: 0, increment: 0x7fff_ffff }),
        Told::Event(Event::WindowUpdate { stream: 1, increment: 1 }),
        Told::Event(Event::PriorityUpdate { stream: 1, priority: urgent }),
        Told::Event(Event::PriorityUpdate { stream: 99, priority: Priority::default() }),
        Told::Data { stream: 1, bytes: b"hello".to_vec(), flow: 5, end_stream: false },
        Told::Event(Event::Other),
        Told::Event(Event::Other),
        Told::Event(Event::Other),
        Told::Event(Event::Reset { stream: 1, code: ErrorCode(99) }),
    ];
    assert_eq!(told, expect);
}

#[test]
fn the_reserved_bit_of_a_stream_and_flags_without_meaning_are_ignored() {
    let mut get = headers(1, GET, true);
    get[5] |= 0x80;
    get[4] |= 0xd2;
    let mut ping = bytes(|out| frame::ping(out, [0; 8]));
    ping[4] |= 0xfe;
    let mut update = bytes(|out| frame::window_update(out, 1, 5));
    update[HEADER] |= 0x80;
    let told = events(&[get, ping, update]);
    assert_eq!(told[0], EVENT_GET);
    assert_eq!(told[2], Told::Event(Event::Ping([0; 8])));
    assert_eq!(told[3], Told::Event(Event::WindowUpdate { stream: 1, increment: 5 }));
}

#[test]
fn padding_is_no_data_but_takes_from_the_window() {
    let padded = |len: u8, rest: &[u8]| [&[len], rest].concat();
    let open = headers(1, POST, false);
    let rows: [(Vec<u8>, &[u8], u32); 5] = [
        (padded(0, b"abc"), b"abc", 4),
        (padded(2, b"abc\0\0"), b"abc", 6),
        (padded(3, b"\0\0\0"), b"", 4),
        (padded(0, b""), b"", 1),
        (padded(255, &[b"x".as_slice(), &[0; 255]].concat()), b"x", 257),
    ];
    for (payload, expect, flow) in rows {
        let frame = raw(kind::DATA, flag::PADDED | flag::END_STREAM, 1, &payload);
        let told = events(&[open.clone(), frame]);
        let expect = Told::Data { stream: 1, bytes: expect.to_vec(), flow, end_stream: true };
        assert_eq!(told[2], expect);
        let flags = flag::PADDED | flag::END_STREAM | flag::END_HEADERS;
        let block = [&[payload[0]], GET, &vec![0; usize::from(payload[0])]].concat();
        assert_eq!(events(&[raw(kind::HEADERS, flags, 1, &block)])[0], EVENT_GET);
        let flags = flags | flag::PRIORITY;
        let block =
            [&[payload[0]][..], b"\0\0\0\x03\x10", GET, &vec![0; usize::from(payload[0])]].concat();
        assert_eq!(events(&[raw(kind::HEADERS, flags, 1, &block)])[0], EVENT_GET);
    }
    for (payload, expect) in [
        (padded(1, b""), "PROTOCOL_ERROR"),
        (padded(4, b"abc"), "PROTOCOL_ERROR"),
        (padded(255, b"abc"), "PROTOCOL_ERROR"),
        (Vec::new(), "FRAME_SIZE_ERROR"),
    ] {
        assert_eq!(code(&[open.clone(), raw(kind::DATA, flag::PADDED, 1, &payload)]), expect);
        let flags = flag::PADDED | flag::END_HEADERS;
        assert_eq!(code(&[raw(kind::HEADERS, flags, 1, &payload)]), expect);
    }
    let flags = flag::PADDED | flag::PRIORITY | flag::END_HEADERS;
    assert_eq!(code(&[raw(kind::HEADERS, flags, 1, b"\0\0\0\0\0")]), "FRAME_SIZE_ERROR");
    assert_eq!(code(&[raw(kind::HEADERS, flags, 1, b"\x01\0\0\0\0\0")]), "PROTOCOL_ERROR");
}

#[test]
fn lengths_that_a_type_does_not_allow_are_frame_size_errors() {
    let open = headers(1, POST, false);
    let rows: [(u8, u8, u32, &[usize]); 8] = [
        (kind::PING, 0, 0, &[0, 7, 9]),
        (kind::PING, flag::ACK, 0, &[0, 7, 9]),
        (kind::RST_STREAM, 0, 1, &[0, 3, 5]),
        (kind::WINDOW_UPDATE, 0, 0, &[0, 3, 5]),
        (kind::WINDOW_UPDATE, 0, 1, &[0, 3, 5]),
        (kind::GOAWAY, 0, 0, &[0, 7]),
        (kind::SETTINGS, 0, 0, &[1, 5, 7]),
        (kind::SETTINGS, flag::ACK, 0, &[6, 1]),
    ];
    for (kind, flags, stream, lengths) in rows {
        for &len in lengths {
            let frames = [open.clone(), raw(kind, flags, stream, &[1; 12][..len])];
            assert_eq!(code(&frames), "FRAME_SIZE_ERROR", "{kind:#x}, {len} bytes");
            // Its header is enough.
            let frames = [open.clone(), frames[1][..HEADER].to_vec()];
            assert_eq!(code(&frames), "FRAME_SIZE_ERROR", "{kind:#x}, {len} bytes");
        }
    }
    for len in [0, 3] {
        let frame = raw(kind::PRIORITY_UPDATE, 0, 0, &[1; 4][..len]);
        assert_eq!(code(&[frame]), "FRAME_SIZE_ERROR");
    }
    for kind in 0..=0x20 {
        let mut frame = Vec::new();
        frame::header(&mut frame, DEFAULT_MAX + 1, kind, 0, 1);
        let expect = if kind == kind::CONTINUATION { "PROTOCOL_ERROR" } else { "FRAME_SIZE_ERROR" };
        assert_eq!(code(&[open.clone(), frame]), expect, "{kind:#x}");
    }
}

#[test]
fn the_largest_frame_is_taken() {
    let told = events(&[headers(1, POST, false), data(1, &[7; DEFAULT_MAX], true)]);
    let flow = u32::try_from(DEFAULT_MAX).unwrap();
    let expect = Told::Data { stream: 1, bytes: vec![7; DEFAULT_MAX], flow, end_stream: true };
    assert_eq!(told[2], expect);
    assert_eq!(events(&[raw(0x55, 0, 0, &[0; DEFAULT_MAX])]), [Told::Event(Event::Other)]);
}

#[test]
fn settings_are_checked() {
    let set = |settings: &[(Setting, u32)]| bytes(|out| frame::settings(out, settings));
    assert_eq!(code(&[set(&[(Setting::ENABLE_PUSH, 2)])]), "PROTOCOL_ERROR");
    let large = set(&[(Setting::INITIAL_WINDOW_SIZE, 1 << 31)]);
    assert_eq!(code(&[large]), "FLOW_CONTROL_ERROR");
    assert_eq!(code(&[set(&[(Setting(99), 0); 33])]), "ENHANCE_YOUR_CALM");
}

#[test]
fn an_increment_of_zero_is_an_error_of_what_it_is_for() {
    let zero = |stream| raw(kind::WINDOW_UPDATE, 0, stream, &[0x80, 0, 0, 0]);
    assert_eq!(code(&[zero(0)]), "PROTOCOL_ERROR");
    let told = events(&[headers(1, GET, true), zero(1)]);
    let code = ErrorCode::PROTOCOL_ERROR;
    assert_eq!(told[2], Told::Event(Event::StreamError { stream: 1, code }));
}

#[test]
fn a_priority_that_is_wrong_is_an_error_of_its_stream() {
    let open = headers(1, POST, false);
    for len in [0, 4, 6] {
        let told = events(&[open.clone(), raw(kind::PRIORITY, 0, 1, &[0; 6][..len])]);
        let error = Event::StreamError { stream: 1, code: ErrorCode::FRAME_SIZE_ERROR };
        assert_eq!(told[2], Told::Event(error));
    }
    let told = events(&[open, raw(kind::PRIORITY, 0, 1, b"\0\0\0\x01\0")]);
    let error = Event::StreamError { stream: 1, code: ErrorCode::PROTOCOL_ERROR };
    assert_eq!(told[2], Told::Event(error));
    // A stream that has not begun cannot be reset.
    assert_eq!(code(&[raw(kind::PRIORITY, 0, 3, b"\0\0\0\x03\0")]), "PROTOCOL_ERROR");
    assert_eq!(code(&[raw(kind::PRIORITY, 0, 3, b"")]), "FRAME_SIZE_ERROR");
    let flags = flag::PRIORITY | flag::END_HEADERS | flag::END_STREAM;
    let own_parent = raw(kind::HEADERS, flags, 3, &[b"\x80\0\0\x03\x10", GET].concat());
    let error = Event::StreamError { stream: 3, code: ErrorCode::PROTOCOL_ERROR };
    let told = events(&[own_parent, headers(5, GET, true)]);
    assert_eq!(told[0], Told::Event(error));
    assert_eq!(told[1], Told::Event(Event::Request { stream: 5, end_stream: true }));
}

#[test]
fn requests_that_cannot_be_served_are_told_and_the_next_is_served() {
    let no_path = headers(1, b"\x82\x86\x41\x01a", false);
    let two_hosts = headers(3, &[GET, b"\0\x04host\x01b"].concat(), true);
    let limits = Limits { fields: 1, ..Limits::default() };
    let many = headers(5, &[GET, FIELD, FIELD].concat(), true);
    let story = story_with(&limits, &[no_path, two_hosts, many, headers(7, GET, true)]);
    assert_eq!(story.error, None);
    let [Told::Event(first), Told::Event(second), Told::Event(third), Told::Event(last), _] =
        &story.told[..]
    else {
        panic!("{story:?}");
    };
    let why = Refused::Malformed(MessageError::PseudoMissing);
    assert_eq!(*first, Event::Refused { stream: 1, end_stream: false, why });
    let why = Refused::Malformed(MessageError::HostDiffers);
    assert_eq!(*second, Event::Refused { stream: 3, end_stream: true, why });
    let Event::Refused { stream: 5, end_stream: true, why: Refused::Answer(error) } = third else {
        panic!("{third:?}");
    };
    assert_eq!(error.status(), 431);
    assert_eq!(*last, Event::Request { stream: 7, end_stream: true });
}

#[test]
fn fields_far_beyond_the_limit_end_the_connection() {
    let limits = Limits { head: 100, ..Limits::default() };
    let block = [GET, &FIELD.repeat(12)].concat();
    let story = story_with(&limits, &[headers(1, &block, true)]);
    assert_eq!(story.error.map(|error| error.code), Some(ErrorCode::ENHANCE_YOUR_CALM));
}

#[test]
fn a_block_that_cannot_be_decoded_ends_the_connection() {
    for block in [&b"\x80"[..], b"\xff\xff\xff\xff\xff\xff", b"\xbf", b"\0\x01", b"\x82\x20"] {
        assert_eq!(code(&[headers(1, block, true)]), "COMPRESSION_ERROR", "{block:?}");
        let frames = [headers(1, POST, false), headers(1, block, true)];
        assert_eq!(code(&frames), "COMPRESSION_ERROR", "{block:?}");
    }
}
