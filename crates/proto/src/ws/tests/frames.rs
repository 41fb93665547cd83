//! Frames as the RFC shows them, and the faults that they can have.

use super::*;

fn header(frame: Frame, len: usize) -> Vec<u8> {
    frame.header(len).as_bytes().to_vec()
}

#[test]
fn the_examples_of_the_rfc_are_read_and_written() {
    let mut out = Vec::new();
    Frame::TEXT.write(&mut out, b"Hello");
    assert_eq!(out, *b"\x81\x05Hello");
    out.clear();
    Frame::TEXT.write_masked(&mut out, KEY, b"Hello");
    assert_eq!(out, [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
    out.clear();
    Frame::TEXT.unfinished().write(&mut out, b"Hel");
    Frame::CONTINUATION.write(&mut out, b"lo");
    assert_eq!(out, *b"\x01\x03Hel\x80\x02lo");
    out.clear();
    Frame::PING.write(&mut out, b"Hello");
    assert_eq!(out, *b"\x89\x05Hello");
    assert_eq!(header(Frame::PONG, 5), *b"\x8a\x05");
    assert_eq!(header(Frame::BINARY, 256), *b"\x82\x7e\x01\x00");
    assert_eq!(header(Frame::BINARY, 65536), *b"\x82\x7f\0\0\0\0\0\x01\0\0");
    assert_eq!(header(Frame::BINARY.compressed().unfinished(), 0), *b"\x42\x00");
}

#[test]
fn lengths_are_written_in_as_few_bytes_as_they_need() {
    for (len, bytes) in [(0, 2), (125, 2), (126, 4), (65535, 4), (65536, 10)] {
        let header = header(Frame::BINARY, len);
        assert_eq!(header.len(), bytes, "{len}");
        let mut frame = [header, vec![0; len]].concat();
        let mut decoder = Decoder::new(Role::Client, false);
        let (used, event) = decoder.decode(&mut frame, &Limits::default()).unwrap();
        assert_eq!(used, bytes + len);
        let Event::Data(Data { first: true, last: true, payload, .. }) = event else {
            panic!("{event:?}")
        };
        assert_eq!(payload.len(), len);
    }
}

/// The fault of a server that receives these bytes.
fn fault(bytes: &[u8]) -> Option<ReceiveError> {
    let whole = served([bytes], Limits::default());
    let cut = served(bytes.chunks(1), Limits::default());
    assert_eq!((&whole.told, whole.error), (&cut.told, cut.error), "{bytes:x?}");
    whole.error
}

#[test]
fn every_fault_of_a_frame_has_its_error() {
    use ReceiveError::*;
    let mask = [0; 4];
    let with = |head: &[u8]| [head, &mask].concat();
    let cases: [(Vec<u8>, ReceiveError); 21] = [
        (vec![0xc1], ReservedBit),
        (vec![0xa1], ReservedBit),
        (vec![0x91], ReservedBit),
        (vec![0xc9], ReservedBit),
        (vec![0x83], ReservedOpcode),
        (vec![0x87], ReservedOpcode),
        (vec![0x8b], ReservedOpcode),
        (vec![0x8f], ReservedOpcode),
        (vec![0x81, 0x05], MaskMissing),
        (vec![0x09], ControlFragmented),
        (vec![0x08], ControlFragmented),
        (vec![0x89, 0xfe], ControlTooLong),
        (vec![0x88, 0xff], ControlTooLong),
        (vec![0x80], ContinuationUnexpected),
        (vec![0x00], ContinuationUnexpected),
        ([&masked(0x01, b"a"), &[0x81][..]].concat(), ContinuationMissing),
        ([&masked(0x02, b"a"), &[0x02][..]].concat(), ContinuationMissing),
        (with(&[0x82, 0xfe, 0, 125]), LengthNotMinimal),
        (with(&[0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff]), LengthNotMinimal),
        (with(&[0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0]), LengthInvalid),
        (with(&[0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), MessageTooLarge),
    ];
    for (bytes, error) in cases {
        assert_eq!(fault(&bytes), Some(error), "{bytes:x?}");
    }
}

#[test]
fn a_client_takes_no_masks() {
    let mut decoder = Decoder::new(Role::Client, false);
    let mut frame = [0x81, 0x80];
    let error = decoder.decode(&mut frame, &Limits::default());
    assert_eq!(error, Err(ReceiveError::MaskUnexpected));
}

#[test]
fn close_frames_are_read_and_checked() {
    use ReceiveError::*;
    let close = |payload: &[u8]| {
        let story = served([&masked(0x88, payload)[..]], Limits::default());
        story.error.map_or_else(|| Ok(story.told), Err)
    };
    let told = |code, reason: &str| Ok(vec![Told::Close(code, reason.to_owned())]);
    assert_eq!(close(b""), told(None, ""));
    assert_eq!(close(b"\x03\xe8"), told(Some(1000), ""));
    assert_eq!(close("\u{3}\u{7f}".as_bytes()), Err(CloseCode));
    assert_eq!(close(b"\x03\xe9bye"), told(Some(1001), "bye"));
    assert_eq!(close(b"\x03"), Err(CloseLength));
    assert_eq!(close(b"\x03\xe8\xff"), Err(CloseReason));
    assert_eq!(close(b"\x03\xe8\xce"), Err(CloseReason));
    let mut valid = Vec::new();
    for code in 0..=u16::MAX {
        match close(&code.to_be_bytes()) {
            Ok(_) => valid.push(code),
            Err(error) => assert_eq!(error, CloseCode),
        }
    }
    let expect: Vec<u16> = (1000..=1003).chain(1007..=1014).chain(3000..=4999).collect();
    assert_eq!(valid, expect);
}

#[test]
fn after_the_close_frame_all_is_dropped() {
    let bytes =
        [masked(0x01, b"half"), masked(0x88, b"\x03\xe8"), masked(0x89, b"x"), vec![0xff; 300]]
            .concat();
    let story = served([&bytes[..]], Limits::default());
    assert_eq!(story.told, [Told::Close(Some(1000), String::new())]);
    assert_eq!((story.error, story.left), (None, 0));
}

#[test]
fn close_frames_are_written() {
    let mut out = Vec::new();
    close(&mut out, None, "lost");
    assert_eq!(out, *b"\x88\x00");
    out.clear();
    close(&mut out, Some(1001), "bye");
    assert_eq!(out, *b"\x88\x05\x03\xe9bye");
    out.clear();
    // 61 of two bytes and a half: the last character does not fit.
    close(&mut out, Some(1000), &"é".repeat(62));
    assert_eq!(out.len(), 2 + 2 + 122);
    assert!(std::str::from_utf8(&out[4..]).is_ok());
    out.clear();
    close_masked(&mut out, KEY, Some(4000), "x");
    let story = served([&out[..]], Limits::default());
    assert_eq!(story.told, [Told::Close(Some(4000), "x".to_owned())]);
}

#[test]
fn a_message_can_be_read_into_memory_of_its_own() {
    let payload: Vec<u8> = (0..100_000u32).map(|i| i.to_le_bytes()[0]).collect();
    let frame = masked(0x82, &payload);
    let limits = Limits::default();
    let mut decoder = Decoder::new(Role::Server, false);
    let mut received = frame[..1000].to_vec();
    let (used, event) = decoder.decode(&mut received, &limits).unwrap();
    assert_eq!(used, 1000);
    let Event::Data(Data { first: true, last: false, payload: piece, .. }) = event else {
        panic!("{event:?}")
    };
    let (mut own, mut at) = (piece.to_vec(), 1000);
    assert!(decoder.is_last_frame() && !decoder.is_between_messages());
    assert_eq!(decoder.message_size(), payload.len() as u64);
    own.resize(piece.len() + usize::try_from(decoder.payload_left()).unwrap(), 0);
    let mut filled = 1000 - 14;
    // The socket gives some at a time, and there is room for no more than the frame has.
    while decoder.payload_left() > 0 {
        let end = (filled + 777).min(own.len());
        own[filled..end].copy_from_slice(&frame[at..at + end - filled]);
        at += end - filled;
        let (used, event) = decoder.decode(&mut own[filled..end], &limits).unwrap();
        assert_eq!(used, end - filled);
        assert!(matches!(event, Event::Data(Data { first: false, .. })));
        filled = end;
    }
    assert!(own == payload && decoder.is_between_messages());
}
