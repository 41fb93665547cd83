//! WebSocket: frames however they are cut, compressed messages, extension fields. The first
//! byte says which of them, and with what settings.

#![no_main]

use libfuzzer_sys::fuzz_target;
use reactor_proto::ws::{
    Assembler, Close, Decoder, Deflater, Event, Frame, Inflater, Kind, Limits, Offer, Policy,
    ReceiveError, Role, Whole, code, negotiate,
};

/// Small, so that inputs of some kilobytes reach all of them.
const LIMITS: Limits =
    Limits { message: 2000, fragments: 8, empty_fragments: 2, controls: 3, ratio: 256 };

/// What a receiver is told: a line for each event.
type Story = (Vec<(&'static str, Vec<u8>)>, Option<ReceiveError>);

fuzz_target!(|data: &[u8]| {
    let Some((&mode, data)) = data.split_first() else { return };
    let takeover = mode & 0x10 != 0;
    match mode & 3 {
        0 | 1 => {
            let role = if mode & 1 == 0 { Role::Server } else { Role::Client };
            let Some((&cut, bytes)) = data.split_first() else { return };
            let story = |size: usize| receive(bytes.chunks(size.max(1)), role, mode & 4 != 0);
            let whole = story(bytes.len());
            assert_eq!(story(usize::from(cut)), whole);
            assert_eq!(story(1), whole);
        }
        2 => compress(data, takeover, mode >> 5),
        _ => {
            let policy = if takeover { Policy::DEDICATED } else { Policy::SHARED };
            if let Ok(Some(agreed)) = negotiate([data], &policy) {
                assert!((9..=15).contains(&agreed.server_window_bits));
                assert!((8..=15).contains(&agreed.client_window_bits));
                let mut field = Vec::new();
                agreed.write(&mut field);
                assert!(field.starts_with(b"permessage-deflate"));
            }
            let offer = Offer { client_max_window_bits: Some(None), ..Offer::default() };
            if let Ok(Some(agreed)) = offer.agreed([data]) {
                assert!((9..=15).contains(&agreed.client_window_bits));
            }
        }
    }
});

/// What comes of bytes that arrive in these segments.
fn receive<'b>(segments: impl Iterator<Item = &'b [u8]>, role: Role, deflate: bool) -> Story {
    let mut decoder = Decoder::new(role, deflate);
    let (mut assembler, mut told) = (Assembler::default(), Vec::new());
    let mut pending: Vec<u8> = Vec::new();
    for segment in segments {
        pending.extend_from_slice(segment);
        loop {
            let len = pending.len();
            let (used, event) = match decoder.decode(&mut pending, &LIMITS) {
                Ok(found) => found,
                Err(error) => {
                    assert!(code::can_send(error.close_code()));
                    assert_eq!(decoder.decode(&mut pending, &LIMITS), Err(error));
                    return (told, Some(error));
                }
            };
            assert!(used <= len);
            let more = event != Event::Incomplete;
            match event {
                Event::Incomplete => {}
                Event::Ping(payload) => told.push(("ping", payload.to_vec())),
                Event::Pong(payload) => told.push(("pong", payload.to_vec())),
                Event::Close(Close { code, reason }) => {
                    assert!(code.is_none_or(code::can_send));
                    told.push(("close", format!("{code:?} {reason}").into_bytes()));
                }
                Event::Data(data) => {
                    assert!(deflate || !data.compressed);
                    if let Some(Whole { kind, compressed, bytes }) = assembler.push(data) {
                        assert!(bytes.len() as u64 <= LIMITS.message + 66);
                        let name = match (kind, compressed) {
                            (_, true) => "compressed",
                            (Kind::Text, _) => {
                                assert!(std::str::from_utf8(bytes).is_ok());
                                "text"
                            }
                            (Kind::Binary, _) => "binary",
                        };
                        told.push((name, bytes.to_vec()));
                        assembler.clear();
                    }
                }
            }
            pending.drain(..used);
            if !more {
                break;
            }
        }
        assert!(pending.len() < 140, "more is held back than a control frame has");
        assert!(assembler.memory() <= 8192, "more is kept than a message may have");
    }
    (told, None)
}

/// Inflates the bytes as they are, then sends them compressed through frames.
fn compress(bytes: &[u8], takeover: bool, level: u8) {
    let (mut inflater, mut deflater) = if takeover {
        (Inflater::with_takeover(), Deflater::with_takeover(level, 9))
    } else {
        (Inflater::shared(), Deflater::shared(level, 15))
    };
    let mut out = Vec::new();
    let result = inflater.message(Kind::Text, bytes, &mut out, &LIMITS);
    assert!(out.len() as u64 <= LIMITS.message + 1);
    if result.is_ok() {
        assert!(std::str::from_utf8(&out).is_ok());
    }
    if takeover {
        inflater = Inflater::with_takeover();
    }
    for _ in 0..2 {
        let (mut payload, mut frame, mut out) = (Vec::new(), Vec::new(), Vec::new());
        assert!(deflater.message(bytes, &mut payload));
        Frame::BINARY.compressed().write_masked(&mut frame, [1, 2, 3, 4], &payload);
        let limits = Limits::default();
        let mut decoder = Decoder::new(Role::Server, true);
        let (used, event) = decoder.decode(&mut frame, &limits).expect("a frame");
        let Event::Data(data) = event else { panic!("{event:?}") };
        assert!(data.first && data.last && data.compressed);
        inflater.message(data.kind, data.payload, &mut out, &limits).expect("a message");
        assert!(out == bytes && used == frame.len());
    }
}
