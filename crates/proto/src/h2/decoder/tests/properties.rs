//! Whatever the bytes, their cuts change nothing.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

/// Frames of every type, most of them right. Streams are few, so that they meet.
fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let stream = prop_oneof![8 => (0u32..5).prop_map(|n| 2 * n + 1), 1 => 0u32..12];
    let block = prop_oneof![
        Just(GET.to_vec()),
        Just(POST.to_vec()),
        Just(FIELD.to_vec()),
        Just([GET, b"\x40\x01x\x01y"].concat()),
        Just([GET, b"\xbe"].concat()),
        vec(any::<u8>(), 0..20),
    ];
    prop_oneof![
        4 => (stream.clone(), block, any::<bool>(), 1usize..40).prop_map(
            |(stream, block, end_stream, max)| bytes(|out| {
                frame::headers(out, stream, &block, end_stream, max);
            })
        ),
        4 => (stream.clone(), vec(any::<u8>(), 0..60), any::<bool>())
            .prop_map(|(stream, payload, end_stream)| data(stream, &payload, end_stream)),
        2 => (stream.clone(), 0u8..20, vec(any::<u8>(), 0..60))
            .prop_map(|(stream, padding, rest)| {
                let payload = [&[padding][..], &rest, &vec![0; usize::from(padding)]].concat();
                raw(kind::DATA, flag::PADDED, stream, &payload)
            }),
        1 => (0u8..0x12, any::<u8>(), stream.clone(), vec(any::<u8>(), 0..20))
            .prop_map(|(kind, flags, stream, payload)| raw(kind, flags, stream, &payload)),
        1 => stream.clone()
            .prop_map(|stream| bytes(|out| frame::rst_stream(out, stream, ErrorCode::CANCEL))),
        1 => (stream.clone(), 0u32..9)
            .prop_map(|(stream, n)| raw(kind::WINDOW_UPDATE, 0, stream, &n.to_be_bytes())),
        1 => vec((0u16..10, 0u32..70_000), 0..4).prop_map(|settings| {
            let settings: Vec<_> =
                settings.into_iter().map(|(key, value)| (Setting(key), value)).collect();
            bytes(|out| frame::settings(out, &settings))
        }),
        1 => any::<[u8; 8]>().prop_map(|payload| bytes(|out| frame::ping(out, payload))),
        1 => (stream, vec(b' '..b'~', 0..9))
            .prop_map(|(stream, value)| bytes(|out| frame::priority_update(out, stream, &value))),
        1 => vec(any::<u8>(), 0..30).prop_map(|payload| raw(0x77, 0, 3, &payload)),
    ]
}

fn story_of<'b>(segments: impl IntoIterator<Item = &'b [u8]>) -> Story {
    let mut receiver = Receiver::new();
    // Small enough to be met.
    receiver.limits = Limits { head: 250, trailers: 100, fields: 3, ..Limits::default() };
    for segment in segments {
        receiver.receive(segment);
    }
    receiver.story
}

fn check(bytes: &[u8], mut cuts: Vec<usize>) {
    let whole = story_of([bytes]);
    cuts.sort_unstable();
    let mut segments = Vec::new();
    let mut rest = bytes;
    let mut at = 0;
    for cut in cuts {
        let (segment, after) = rest.split_at((cut - at).min(rest.len()));
        segments.push(segment);
        (rest, at) = (after, cut);
    }
    segments.push(rest);
    assert_eq!(story_of(segments), whole);
    assert_eq!(story_of(bytes.chunks(1)), whole);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 400 }))]

    #[test]
    fn frames_mean_the_same_however_they_are_cut(
        frames in vec(any_frame(), 0..30),
        cuts in vec(0usize..1500, 0..12),
    ) {
        check(&[opening(), frames.concat()].concat(), cuts);
    }

    #[test]
    fn any_bytes_mean_the_same_however_they_are_cut(
        has_opening in any::<bool>(),
        rest in vec(any::<u8>(), 0..200),
        cuts in vec(0usize..240, 0..6),
    ) {
        let opening = if has_opening { opening() } else { Vec::new() };
        check(&[opening, rest].concat(), cuts);
    }
}

#[test]
fn a_conversation_means_the_same_wherever_it_is_cut_twice() {
    let conversation = [
        opening(),
        headers(1, POST, false),
        bytes(|out| frame::headers(out, 3, GET, true, 2)),
        raw(kind::DATA, flag::PADDED, 1, b"\x03hello\0\0\0"),
        raw(0x55, 0, 9, b"unknown"),
        data(1, b" world", false),
        data(1, b"", false),
        bytes(|out| frame::ping(out, *b"12345678")),
        headers(1, FIELD, true),
        raw(kind::PRIORITY, 0, 9, &[0; 5]),
        raw(kind::WINDOW_UPDATE, 0, 0, &[0; 4]),
    ]
    .concat();
    let len = conversation.len();
    let whole = story_of([&conversation[..]]);
    assert_eq!(whole.told.len(), 14);
    assert_eq!(whole.error.map(|error| error.code), Some(ErrorCode::PROTOCOL_ERROR));
    for a in 0..=len {
        for b in a..=len {
            let cut = [&conversation[..a], &conversation[a..b], &conversation[b..]];
            assert_eq!(story_of(cut), whole, "{a}, {b}");
        }
    }
}
