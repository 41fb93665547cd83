use std::io::Read as _;

use proptest::prelude::*;
use reactor_proto::Coding;
use zlib_rs::{Inflate, InflateFlush, Status};

use super::*;

/// The codings that can be made here. Those without a library are passed over, which is said.
#[allow(clippy::print_stderr)]
fn codings() -> Vec<Coding> {
    let all = [Coding::Gzip, Coding::Brotli, Coding::Zstd];
    for coding in all.into_iter().filter(|&coding| !supports(coding)) {
        eprintln!("skipped: {} (its library is not installed)", coding.name());
    }
    all.into_iter().filter(|&coding| supports(coding)).collect()
}

/// What a client reads of `bytes`, and whether that is the end.
fn decoded(coding: Coding, bytes: &[u8]) -> (Vec<u8>, bool) {
    match coding {
        Coding::Gzip => {
            let mut inflate = Inflate::new(true, 15 + 16);
            let mut out = vec![0; 12 << 20];
            let status = inflate.decompress(bytes, &mut out, InflateFlush::SyncFlush).unwrap();
            out.truncate(usize::try_from(inflate.total_out()).unwrap());
            assert_eq!(inflate.total_in(), bytes.len() as u64);
            (out, status == Status::StreamEnd)
        }
        Coding::Zstd => {
            unzstd(bytes).map_or_else(
                || {
                    // The decoder shows nothing of the last window before the frame ends. After a
                    // flush, a block that is last and empty may follow (RFC 8878 §3.1.1.2).
                    let ended = [bytes, &[1, 0, 0]].concat();
                    (unzstd(&ended).unwrap_or_default(), false)
                },
                |out| (out, true),
            )
        }
        _ => {
            let mut reader = brotli_decompressor::Decompressor::new(bytes, 4096);
            let mut out = Vec::new();
            let end = reader.read_to_end(&mut out);
            (out, end.is_ok())
        }
    }
}

/// That a client reads `sent` in `bytes`, and sees the end if it is there.
#[track_caller]
fn check(coding: Coding, bytes: &[u8], sent: &[u8], is_end: bool) {
    let (read, end) = decoded(coding, bytes);
    assert_eq!((read.len(), end), (sent.len(), is_end), "{coding:?}, {} bytes", bytes.len());
    assert!(read == sent, "{coding:?}: other bytes");
}

/// All of a zstd frame, if it is whole. Behind it there may be one that decoders pass over.
fn unzstd(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut decoder = ruzstd::decoding::StreamingDecoder::new(&mut bytes).ok()?;
    decoder.read_to_end(&mut out).ok()?;
    drop(decoder);
    match bytes {
        [] => {}
        [0x50, 0x2a, 0x4d, 0x18, low, high, 0, 0, rest @ ..] => {
            assert_eq!(rest.len(), usize::from(u16::from_le_bytes([*low, *high])));
        }
        _ => panic!("{} bytes behind the end", bytes.len()),
    }
    Some(out)
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
    for coding in codings() {
        for effort in [Effort::Fast, Effort::Cached] {
            for (nth, sample) in samples().iter().enumerate() {
                let bytes = whole(coding, effort, sample);
                check(coding, &bytes, sample, true);
                assert!(bytes.len() <= sample.len() + sample.len() / 4096 + 40, "{coding:?} {nth}");
            }
        }
    }
}

#[test]
fn a_flush_shows_all_so_far() {
    for coding in codings() {
        let mut stream = Stream::new(coding, &[]).unwrap();
        let (mut out, mut sent) = (Vec::new(), Vec::new());
        for event in 0..2000 {
            let event = format!("data: {{\"event\":{event}}}\n\n").into_bytes();
            stream.write(&event, true, &mut out);
            sent.extend(event);
            if sent.len() % 7 == 0 {
                check(coding, &out, &sent, false);
            }
        }
        stream.finish(&mut out);
        check(coding, &out, &sent, true);
        assert!(out.len() < sent.len() * 3 / 4, "{coding:?}: {} of {}", out.len(), sent.len());
    }
}

#[test]
fn a_stream_is_as_dense_as_a_whole_and_holds_little() {
    let sample = json(3_000_000);
    for coding in codings() {
        let mut stream = Stream::new(coding, &[]).unwrap();
        let mut out = Vec::new();
        let mut most = 0;
        for piece in sample.chunks(10_000) {
            stream.write(piece, false, &mut out);
            most = most.max(stream.held());
        }
        stream.finish(&mut out);
        check(coding, &out, &sample, true);
        let alone = whole(coding, Effort::Fast, &sample).len();
        assert!(out.len() * 10 < alone * 12, "{coding:?}: {} beside {alone}", out.len());
        assert!(most < Stream::WEIGHT && most > 200_000, "{coding:?}: {most}");
    }
}

#[test]
fn padding_is_passed_over() {
    let sample = json(5000);
    for coding in codings() {
        let plain = whole(coding, Effort::Fast, &sample);
        for len in [1, 5, 255, 256, 1000] {
            let mut out = Vec::new();
            compress_padded(coding, Effort::Fast, &sample, &vec![0xff; len], &mut out).unwrap();
            check(coding, &out, &sample, true);
            assert!(out.len() >= plain.len() + len.min(256));
        }
        let mut stream = Stream::new(coding, &[1, 2, 3]).unwrap();
        let mut out = Vec::new();
        stream.write(&sample, true, &mut out);
        stream.finish(&mut out);
        check(coding, &out, &sample, true);
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
            for coding in codings() {
                let bytes = whole(coding, Effort::Fast, &sample);
                check(coding, &bytes, &sample, true);
                let mut stream = Stream::new(coding, &[]).unwrap();
                let mut out = Vec::new();
                for piece in sample.chunks(5000) {
                    stream.write(piece, true, &mut out);
                }
                stream.finish(&mut out);
                check(coding, &out, &sample, true);
            }
        }
    }
}

#[test]
fn ten_megabytes_come_back() {
    let mut sample = json(5 << 20);
    sample.extend(noise(5 << 20));
    for coding in codings() {
        let bytes = whole(coding, Effort::Fast, &sample);
        check(coding, &bytes, &sample, true);
        let mut stream = Stream::new(coding, &[]).unwrap();
        let mut out = Vec::new();
        stream.write(&sample, false, &mut out);
        stream.finish(&mut out);
        check(coding, &out, &sample, true);
    }
}

#[test]
fn threads_share_nothing_and_streams_may_move() {
    let streams = codings().into_iter().flat_map(|coding| (0..4).map(move |nth| (coding, nth)));
    let threads: Vec<_> = streams
        .map(|(coding, nth)| {
            let mut stream = Stream::new(coding, &[]).unwrap();
            let mut out = Vec::new();
            let sample = json(100_000 + nth);
            stream.write(&sample[..50_000], true, &mut out);
            std::thread::spawn(move || {
                for _ in 0..10 {
                    let bytes = whole(coding, Effort::Cached, &sample);
                    check(coding, &bytes, &sample, true);
                }
                stream.write(&sample[50_000..], false, &mut out);
                stream.finish(&mut out);
                check(coding, &out, &sample, true);
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn a_failed_call_leaves_the_output_alone() {
    let mut out = b"before".to_vec();
    let refused = compress_whole(Coding::Identity, Effort::Fast, b"x", &mut out);
    assert_eq!(refused, Err(CompressError::Unsupported(Coding::Identity)));
    assert_eq!(out, b"before");
    assert!(Stream::new(Coding::Identity, &[]).is_err());
    assert!(supports(Coding::Gzip) && !supports(Coding::Identity));
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
        for coding in codings() {
            let sent: Vec<u8> = pieces.iter().flat_map(|(piece, _)| piece.clone()).collect();
            let bytes = whole(coding, effort, &sent);
            check(coding, &bytes, &sent, true);
            let mut stream = Stream::new(coding, &[]).unwrap();
            let mut out = Vec::new();
            let mut so_far = 0;
            for (piece, flush) in &pieces {
                stream.write(piece, *flush, &mut out);
                so_far += piece.len();
                if *flush && !piece.is_empty() {
                    check(coding, &out, &sent[..so_far], false);
                }
            }
            stream.finish(&mut out);
            check(coding, &out, &sent, true);
        }
    }
}
