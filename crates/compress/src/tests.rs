use std::io::Read as _;

use proptest::prelude::*;
use reactor_proto::Coding;
use zlib_rs::{Inflate, InflateFlush, Status};

use super::*;

const CODINGS: [Coding; 2] = [Coding::Gzip, Coding::Brotli];

/// What a client reads of `bytes`, and whether that is the end.
fn decoded(coding: Coding, bytes: &[u8]) -> (Vec<u8>, bool) {
    match coding {
        Coding::Gzip => {
            let mut inflate = Inflate::new(true, 15 + 16);
            let mut out = vec![0; 8 << 20];
            let status = inflate.decompress(bytes, &mut out, InflateFlush::SyncFlush).unwrap();
            out.truncate(usize::try_from(inflate.total_out()).unwrap());
            assert_eq!(inflate.total_in(), bytes.len() as u64);
            (out, status == Status::StreamEnd)
        }
        _ => {
            let mut reader = brotli_decompressor::Decompressor::new(bytes, 4096);
            let mut out = Vec::new();
            let end = reader.read_to_end(&mut out);
            (out, end.is_ok())
        }
    }
}

fn whole(coding: Coding, effort: Effort, input: &[u8]) -> Vec<u8> {
    let mut out = b"before".to_vec();
    compress_whole(coding, effort, input, &mut out).unwrap();
    assert!(out.starts_with(b"before"));
    out.split_off(6)
}

fn json(bytes: usize) -> Vec<u8> {
    let mut out = b"[".to_vec();
    let mut id: u64 = 0;
    while out.len() < bytes {
        id += 1;
        let noise = id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        out.extend_from_slice(
            format!(
                r#"{{"id":{id},"name":"user {noise}","active":{},"tags":["a","b"]}},"#,
                id.is_multiple_of(3)
            )
            .as_bytes(),
        );
    }
    out.truncate(bytes);
    out
}

fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    (0..bytes).map(|_| next()).collect()
}

fn samples() -> Vec<Vec<u8>> {
    let mut mixed = json(100_000);
    mixed.extend(noise(200_000));
    mixed.extend(vec![0; 500_000]);
    mixed.extend(json(100_000));
    vec![
        Vec::new(),
        b"a".to_vec(),
        b"ab".to_vec(),
        b"abc".to_vec(),
        b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".to_vec(),
        b"abcabcabcabcabcabcabcabcabcabc".to_vec(),
        vec![7; 1_000_000],
        (0..=255).cycle().take(70_000).collect(),
        json(12 * 1024),
        json(1_000_000),
        noise(10),
        noise(300_000),
        mixed,
    ]
}

#[test]
fn what_is_compressed_comes_back() {
    for coding in CODINGS {
        for effort in [Effort::Fast, Effort::Cached] {
            for (nth, sample) in samples().iter().enumerate() {
                let bytes = whole(coding, effort, sample);
                assert_eq!(decoded(coding, &bytes), (sample.clone(), true), "{coding:?} {nth}");
                assert!(bytes.len() <= sample.len() + sample.len() / 4096 + 40, "{coding:?} {nth}");
            }
        }
    }
}

#[test]
fn a_flush_shows_all_so_far() {
    for coding in CODINGS {
        let mut stream = Stream::new(coding, Effort::Fast, &[]).unwrap();
        let (mut out, mut sent) = (Vec::new(), Vec::new());
        for event in 0..2000 {
            let event = format!("data: {{\"event\":{event}}}\n\n").into_bytes();
            stream.write(&event, true, &mut out);
            sent.extend(event);
            if sent.len() % 7 == 0 {
                assert_eq!(decoded(coding, &out), (sent.clone(), false));
            }
        }
        stream.finish(&mut out);
        assert_eq!(decoded(coding, &out), (sent.clone(), true));
        assert!(out.len() < sent.len() * 3 / 5, "{} of {}", out.len(), sent.len());
    }
}

#[test]
fn a_stream_is_as_dense_as_a_whole_and_holds_little() {
    let sample = json(3_000_000);
    for coding in CODINGS {
        let mut stream = Stream::new(coding, Effort::Fast, &[]).unwrap();
        let mut out = Vec::new();
        let mut most = 0;
        for piece in sample.chunks(10_000) {
            stream.write(piece, false, &mut out);
            most = most.max(stream.held());
        }
        stream.finish(&mut out);
        assert_eq!(decoded(coding, &out), (sample.clone(), true));
        let alone = whole(coding, Effort::Fast, &sample).len();
        assert!(out.len() * 10 < alone * 12, "{coding:?}: {} beside {alone}", out.len());
        assert!(most < Stream::WEIGHT, "{coding:?}: {most}");
    }
}

#[test]
fn padding_is_passed_over() {
    let sample = json(5000);
    for coding in CODINGS {
        let plain = whole(coding, Effort::Fast, &sample);
        for len in [1, 5, 255, 256, 1000] {
            let mut out = Vec::new();
            compress_padded(coding, Effort::Fast, &sample, &vec![0xff; len], &mut out).unwrap();
            assert_eq!(decoded(coding, &out), (sample.clone(), true));
            assert!(out.len() >= plain.len() + len.min(256));
        }
        let mut stream = Stream::new(coding, Effort::Fast, &[1, 2, 3]).unwrap();
        let mut out = Vec::new();
        stream.write(&sample, true, &mut out);
        stream.finish(&mut out);
        assert_eq!(decoded(coding, &out), (sample.clone(), true));
    }
}

#[test]
fn a_copy_from_as_far_back_as_can_be() {
    // The place there has the link of the place here, as the two share it.
    for window in [32 << 10, 64 << 10, 256 << 10] {
        for less in [0, 1, 15, 16, 17] {
            let mut sample = noise(window - less);
            sample.extend_from_within(..);
            sample.extend_from_within(..1000);
            for coding in CODINGS {
                let bytes = whole(coding, Effort::Fast, &sample);
                assert_eq!(decoded(coding, &bytes), (sample.clone(), true));
                let mut stream = Stream::new(coding, Effort::Fast, &[]).unwrap();
                let mut out = Vec::new();
                for piece in sample.chunks(5000) {
                    stream.write(piece, true, &mut out);
                }
                stream.finish(&mut out);
                assert_eq!(decoded(coding, &out), (sample.clone(), true));
            }
        }
    }
}

#[test]
fn places_begin_anew_before_they_overflow() {
    // As after 4 GiB on one thread.
    for coding in CODINGS {
        for _ in 0..3 {
            let sample = json(400_000);
            let bytes = whole(coding, Effort::Fast, &sample);
            assert_eq!(decoded(coding, &bytes), (sample.clone(), true));
            ENCODER.with_borrow_mut(Encoder::age);
        }
        let mut stream = Stream::new(coding, Effort::Fast, &[]).unwrap();
        let (mut out, mut sent) = (Vec::new(), Vec::new());
        for nth in 0..40 {
            if nth % 9 == 4 {
                stream.age();
            }
            let piece = json(50_000 + nth);
            stream.write(&piece, nth % 5 == 0, &mut out);
            sent.extend(piece);
        }
        stream.finish(&mut out);
        assert_eq!(decoded(coding, &out), (sent, true));
    }
}

#[test]
fn other_codings_are_refused() {
    for coding in [Coding::Identity, Coding::Zstd] {
        let mut out = Vec::new();
        assert_eq!(
            compress_whole(coding, Effort::Fast, b"x", &mut out),
            Err(CompressError::Unsupported(coding))
        );
        assert!(out.is_empty() && Stream::new(coding, Effort::Fast, &[]).is_err());
        assert!(!supports(coding));
    }
}

/// Pieces of text with repetitions near and far.
fn pieces() -> impl Strategy<Value = Vec<(Vec<u8>, bool)>> {
    let letters = proptest::collection::vec(97_u8..101, 0..600);
    let bytes = proptest::collection::vec(any::<u8>(), 0..200);
    let run = (any::<u8>(), 0_usize..3000).prop_map(|(byte, len)| vec![byte; len]);
    // Long enough to leave every window.
    let long = (any::<u8>(), 1_usize..70_000)
        .prop_map(|(seed, len)| noise(len + usize::from(seed)).split_off(usize::from(seed)));
    let piece = prop_oneof![letters, bytes, run, long];
    proptest::collection::vec((piece, any::<bool>()), 0..20)
}

proptest! {
    #[test]
    fn any_pieces_come_back(pieces in pieces(), effort in prop_oneof![Just(Effort::Fast), Just(Effort::Cached)]) {
        for coding in CODINGS {
            let sent: Vec<u8> = pieces.iter().flat_map(|(piece, _)| piece.clone()).collect();
            let bytes = whole(coding, effort, &sent);
            prop_assert_eq!(decoded(coding, &bytes), (sent.clone(), true));
            let mut stream = Stream::new(coding, effort, &[]).unwrap();
            let mut out = Vec::new();
            let mut so_far = 0;
            for (piece, flush) in &pieces {
                stream.write(piece, *flush, &mut out);
                so_far += piece.len();
                if *flush && !piece.is_empty() {
                    prop_assert_eq!(&decoded(coding, &out).0[..], &sent[..so_far]);
                }
            }
            stream.finish(&mut out);
            prop_assert_eq!(decoded(coding, &out), (sent, true));
        }
    }
}
