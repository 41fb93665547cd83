//! Any field lines as conditions, ranges and codings. The first byte chooses the representation,
//! the rest is lines `Name: value`. Ranges stay within the representation, what is sent is what
//! the client accepts, and the case of names changes nothing.

#![no_main]

use libfuzzer_sys::fuzz_target;
use reactor_proto::{Coding, CodingSet, Ranges, Validators, Verdict, Wishes, date};

const SIZES: [u64; 6] = [0, 1, 10, 1000, 5_368_709_120, u64::MAX];
const TAGS: [Option<&[u8]>; 4] = [None, Some(b"\"x\""), Some(b"W/\"x\""), Some(b"x")];

/// Sun, 06 Nov 1994 08:49:37 GMT.
const MODIFIED: u64 = 784_111_777;

fuzz_target!(|data: &[u8]| {
    let Some((&choice, lines)) = data.split_first() else { return };
    let choice = usize::from(choice);
    let size = SIZES[choice % SIZES.len()];
    let validators = Validators {
        etag: TAGS[choice / SIZES.len() % TAGS.len()],
        modified: (choice < 128).then_some(MODIFIED),
        now: MODIFIED + (choice % 3) as u64,
    };
    let fields: Vec<(&[u8], &[u8])> = lines
        .split(|&byte| byte == b'\n')
        .filter_map(|line| {
            let colon = line.iter().position(|&byte| byte == b':')?;
            Some((&line[..colon], line[colon + 1..].trim_ascii()))
        })
        // As the parser lets them through.
        .filter(|(name, _)| name.iter().all(|&byte| byte > b' ' && byte != 0x7f))
        .collect();
    let wishes = Wishes::of(fields.iter().copied());

    let verdicts = [true, false].map(|is_get| wishes.evaluate(is_get, &validators));
    assert_ne!(verdicts[1], Verdict::NotModified);
    assert_eq!(
        verdicts[0] == Verdict::PreconditionFailed,
        verdicts[1] == Verdict::PreconditionFailed && verdicts[0] != Verdict::NotModified
    );
    let ranges = wishes.ranges(size, &validators);
    match &ranges {
        Ranges::Whole => {}
        Ranges::Unsatisfiable => assert_ne!(size, 0),
        Ranges::One(range) => assert!(range.start < range.end && range.end <= size),
        Ranges::Many(list) => {
            assert!((2..=16).contains(&list.len()));
            assert!(list.iter().all(|range| range.start < range.end && range.end <= size));
            let sum: u128 = list.iter().map(|range| u128::from(range.end - range.start)).sum();
            assert!(sum <= u128::from(size));
        }
    }
    if !wishes.is_conditional() {
        assert_eq!(verdicts, [Verdict::Serve; 2]);
        assert_eq!(ranges, Ranges::Whole);
    }

    let codings = wishes.codings();
    for bits in 0..1 << Coding::COUNT {
        let is_there = |coding: &Coding| bits & (1 << coding.index()) != 0;
        let available: CodingSet = Coding::ALL.into_iter().filter(is_there).collect();
        match codings.best(available) {
            Some(coding) => assert!(available.has(coding) && codings.accepts(coding)),
            None => assert!(!Coding::ALL.iter().any(|&c| available.has(c) && codings.accepts(c))),
        }
    }

    let upper: Vec<_> = fields.iter().map(|(name, _)| name.to_ascii_uppercase()).collect();
    let names = upper.iter().map(Vec::as_slice);
    let again = Wishes::of(names.zip(&fields).map(|(name, &(_, value))| (name, value)));
    assert_eq!(format!("{wishes:?}"), format!("{again:?}"));
    assert_eq!(wishes.wants_navigation(), again.wants_navigation());

    for (_, value) in fields {
        if let Some(seconds) = date::parse(value, validators.now) {
            assert_eq!(date::parse(&date::format(seconds), 0), Some(seconds.min(253_402_300_799)));
        }
    }
});
