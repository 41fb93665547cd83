//! Properties that hold for every input.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// A message and how a client sends it.
#[derive(Clone, Debug)]
struct Sent {
    kind: Kind,
    bytes: Vec<u8>,
    /// Sizes of its frames but the last.
    frames: Vec<usize>,
    key: [u8; 4],
    compressed: bool,
    /// A ping before each frame but the first.
    pings: bool,
}

fn sent() -> impl Strategy<Value = Sent> {
    let content = prop_oneof![
        "\\PC{0,60}".prop_map(|text| (Kind::Text, text.into_bytes())),
        vec(any::<u8>(), 0..300).prop_map(|bytes| (Kind::Binary, bytes)),
        (any::<u8>(), 0..70_000usize).prop_map(|(byte, len)| (Kind::Binary, vec![byte; len])),
    ];
    (content, vec(0..200usize, 0..4), any::<[u8; 4]>(), any::<bool>(), any::<bool>()).prop_map(
        |((kind, bytes), frames, key, compressed, pings)| Sent {
            kind,
            bytes,
            frames,
            key,
            compressed,
            pings,
        },
    )
}

impl Sent {
    fn write(&self, out: &mut Vec<u8>, told: &mut Vec<Told>, deflater: &mut Deflater) {
        let mut payload = self.bytes.clone();
        let mut frame = Frame::message(self.kind);
        if self.compressed {
            payload.clear();
            assert!(deflater.message(&self.bytes, &mut payload));
            frame = frame.compressed();
        }
        let mut rest = &payload[..];
        for size in &self.frames {
            let (piece, after) = rest.split_at((*size).min(rest.len()));
            frame.unfinished().write_masked(out, self.key, piece);
            (rest, frame) = (after, Frame::CONTINUATION);
            if self.pings {
                Frame::PING.write_masked(out, self.key, b"ping");
                told.push(Told::Ping(b"ping".to_vec()));
            }
        }
        frame.write_masked(out, self.key, rest);
        told.push(Told::Message(self.kind, self.bytes.clone()));
    }
}

/// Cuts `bytes` at these places, taken as parts of 65,536.
fn cut<'b>(bytes: &'b [u8], cuts: &[u16]) -> Vec<&'b [u8]> {
    let mut at: Vec<usize> =
        cuts.iter().map(|cut| usize::from(*cut) * bytes.len() / 65_536).collect();
    at.sort_unstable();
    at.push(bytes.len());
    let mut start = 0;
    at.into_iter().map(|end| &bytes[std::mem::replace(&mut start, end)..end]).collect()
}

/// Frames that are valid and not, in any order.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        4 => prop::sample::select(vec![0x81, 0x82, 0x01, 0x02, 0x00, 0x80, 0x89, 0x8a, 0xc1, 0x42]),
        1 => any::<u8>(),
    ];
    let frame = (first, vec(any::<u8>(), 0..140), 0..20u8).prop_map(|(first, payload, odd)| {
        let mut frame = masked(first, &payload);
        match odd {
            0 => frame[1] &= 0x7f,
            1 => frame[1] |= 0x7f,
            2 => frame[1] = 0xfe,
            _ => {}
        }
        frame
    });
    vec(frame, 0..8).prop_map(|frames| frames.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn what_is_sent_is_received_however_it_is_cut(
        sent in vec(sent(), 0..4),
        cuts in vec(any::<u16>(), 0..6),
        takeover in any::<bool>(),
    ) {
        let (mut deflater, inflater) = if takeover {
            (Deflater::with_takeover(6, 12), Inflater::with_takeover())
        } else {
            (Deflater::shared(1, 15), Inflater::shared())
        };
        let (mut bytes, mut told) = (Vec::new(), Vec::new());
        for sent in &sent {
            sent.write(&mut bytes, &mut told, &mut deflater);
        }
        let mut receiver = Receiver::new(Role::Server, Some(inflater), Limits::default());
        for segment in cut(&bytes, &cuts) {
            receiver.receive(segment);
        }
        prop_assert_eq!(receiver.story, Story { told, error: None, left: 0 });
    }

    #[test]
    fn any_bytes_mean_the_same_however_they_are_cut(
        bytes in prop_oneof![frames(), vec(any::<u8>(), 0..64)],
        cuts in vec(any::<u16>(), 0..6),
        deflate in any::<bool>(),
    ) {
        let story = |segments: Vec<&[u8]>| {
            let inflater = deflate.then(Inflater::shared);
            let mut receiver = Receiver::new(Role::Server, inflater, Limits::default());
            segments.into_iter().for_each(|segment| receiver.receive(segment));
            (receiver.story.told, receiver.story.error)
        };
        let whole = story(vec![&bytes]);
        prop_assert_eq!(&story(cut(&bytes, &cuts)), &whole);
        prop_assert_eq!(&story(bytes.chunks(1).collect()), &whole);
    }

    #[test]
    fn any_bytes_inflate_or_not_within_the_limits(
        bytes in vec(any::<u8>(), 0..200),
        message in 0..100_000u64,
        takeover in any::<bool>(),
    ) {
        let mut inflater = if takeover { Inflater::with_takeover() } else { Inflater::shared() };
        let limits = Limits { message, ..Limits::default() };
        for _ in 0..2 {
            let mut out = Vec::new();
            if inflater.message(Kind::Binary, &bytes, &mut out, &limits).is_ok() {
                prop_assert!(out.len() as u64 <= message);
            }
            prop_assert!(out.len() as u64 <= message + 1);
        }
    }

    #[test]
    fn any_field_is_negotiated_or_refused(field in "[ -~]{0,60}|(permessage-deflate|; |, |=|client_max_window_bits|server_max_window_bits|1|5|9|\"|\\\\){0,9}") {
        let _ = negotiate([field.as_bytes()], &Policy::SHARED);
        let _ = Offer::default().agreed([field.as_bytes()]);
    }
}
