use super::memory::kept;
use super::*;

/// Without the libraries there is nothing to test, which is said.
#[allow(clippy::print_stderr)]
fn is_there(name: &str, is_available: bool) -> bool {
    if !is_available {
        eprintln!("skipped: {name} (its library is not installed)");
    }
    is_available
}

fn text(len: usize) -> Vec<u8> {
    b"All work and no play makes Jack a dull boy. ".iter().copied().cycle().take(len).collect()
}

#[test]
fn brotli_counts_its_memory_and_threads_keep_it() {
    if !is_there("brotli", Brotli::is_available()) {
        return;
    }
    let mut outputs = Vec::new();
    for _ in 0..10 {
        let mut encoder = Brotli::new(4, 16, 12_000).unwrap();
        let mut out = Vec::new();
        encoder.run(BrotliOperation::Finish, &text(12_000), &mut out).unwrap();
        assert!(encoder.held() > 100_000 && encoder.held() < 4 << 20, "{}", encoder.held());
        drop(encoder);
        assert!(kept() > 100_000 && kept() <= 4 << 20, "{}", kept());
        outputs.push(out);
    }
    // Memory that was used before makes no difference.
    assert!(outputs.iter().all(|out| out == &outputs[0]));
}

#[test]
fn brotli_of_many_sizes_keeps_a_bounded_amount() {
    if !is_there("brotli", Brotli::is_available()) {
        return;
    }
    let mut encoders = Vec::new();
    for bits in 10..=24 {
        let mut encoder = Brotli::new(bits % 10, bits, 0).unwrap();
        let mut out = Vec::new();
        encoder.run(BrotliOperation::Flush, &text(70_000), &mut out).unwrap();
        encoder.run(BrotliOperation::Metadata, b"passed over", &mut out).unwrap();
        encoder.run(BrotliOperation::Finish, &[], &mut out).unwrap();
        encoders.push(encoder);
    }
    // Half of them are freed on another thread.
    let rest = encoders.split_off(7);
    std::thread::spawn(move || drop(rest)).join().unwrap();
    drop(encoders);
    assert!(kept() <= 4 << 20, "{}", kept());
}

#[test]
fn an_encoder_that_has_finished_takes_no_more() {
    if is_there("brotli", Brotli::is_available()) {
        let mut encoder = Brotli::new(4, 16, 0).unwrap();
        let mut out = Vec::new();
        encoder.run(BrotliOperation::Finish, b"x", &mut out).unwrap();
        assert_eq!(encoder.run(BrotliOperation::Process, b"y", &mut out), Err(CodecFailed));
    }
}

#[test]
fn zstd_begins_anew_whatever_was_before() {
    if !is_there("zstd", Zstd::is_available()) {
        return;
    }
    let mut encoder = Zstd::new().unwrap();
    let parameters = ZstdParameters { level: 3, ..ZstdParameters::default() };
    let mut outputs = Vec::new();
    for nth in 0..4 {
        encoder.begin(&parameters, None).unwrap();
        let mut out = Vec::new();
        encoder.run(ZstdOperation::Process, &text(5000), &mut out).unwrap();
        if nth % 2 == 0 {
            // Given up in the middle.
            continue;
        }
        encoder.run(ZstdOperation::Flush, &text(100), &mut out).unwrap();
        encoder.run(ZstdOperation::Finish, &[], &mut out).unwrap();
        outputs.push(out);
    }
    assert!(outputs[0] == outputs[1] && outputs[0].starts_with(&0xfd2f_b528_u32.to_le_bytes()));
    assert!(encoder.held() > 100_000);
    // Less than was said: that is an error, and the next frame is not affected.
    encoder.begin(&parameters, Some(10)).unwrap();
    let mut out = Vec::new();
    encoder.run(ZstdOperation::Process, b"shor", &mut out).unwrap();
    assert_eq!(encoder.run(ZstdOperation::Finish, b"t", &mut out), Err(CodecFailed));
    encoder.begin(&parameters, Some(5)).unwrap();
    encoder.run(ZstdOperation::Finish, b"short", &mut out).unwrap();
    let wrong = ZstdParameters { level: 3, window_bits: 99, ..parameters };
    assert_eq!(encoder.begin(&wrong, None), Err(CodecFailed));
}
