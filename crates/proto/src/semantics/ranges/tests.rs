use proptest::prelude::*;

use super::*;

/// What comes of a Range for 1000 bytes: `whole`, `none`, or the ranges as Content-Range has them.
fn of(value: &str, size: u64) -> String {
    let shown = |range: &Range<u64>| format!("{}-{}", range.start, range.end - 1);
    match Ranges::parse(value.as_bytes(), size) {
        Ranges::Whole => "whole".to_owned(),
        Ranges::Unsatisfiable => "none".to_owned(),
        Ranges::One(range) => shown(&range),
        Ranges::Many(list) => list.iter().map(shown).collect::<Vec<_>>().join(" "),
    }
}

#[test]
fn ranges_of_a_thousand_bytes() {
    let rows = [
        // One.
        ("bytes=0-8", "0-8"),
        ("bytes=0-0", "0-0"),
        ("bytes=999-999", "999-999"),
        ("bytes=0-999", "0-999"),
        ("bytes=0-", "0-999"),
        ("bytes=990-", "990-999"),
        ("bytes=999-", "999-999"),
        ("bytes=00000000000000000000000990-0000991", "990-991"),
        // Cut to what there is.
        ("bytes=990-1990", "990-999"),
        ("bytes=0-10001", "0-999"),
        ("bytes=0-18446744073709551614", "0-999"),
        ("bytes=0-18446744073709551615", "0-999"),
        ("bytes=0-18446744073709551616", "0-999"),
        ("bytes=0-99999999999999999999999999999999", "0-999"),
        // From the end.
        ("bytes=-1", "999-999"),
        ("bytes=-10", "990-999"),
        ("bytes=-1000", "0-999"),
        ("bytes=-1001", "0-999"),
        ("bytes=-99999999999999999999999999999999", "0-999"),
        // Several, in the order asked for.
        ("bytes=0-9,-10,10-19", "0-9 990-999 10-19"),
        ("bytes=0-9, -10, 10-19", "0-9 990-999 10-19"),
        ("bytes=500-,0-499", "500-999 0-499"),
        ("bytes=0-499,500-999", "0-499 500-999"),
        ("bytes=0-0,0-0", "0-0 0-0"),
        ("bytes=0-,", "0-999"),
        ("bytes=, ,\t0-1 ,, 3-4,", "0-1 3-4"),
        ("bytes= 0-1", "0-1"),
        // Those that begin past the end are left out.
        ("bytes=0-9, -10, 100000-, 10-19", "0-9 990-999 10-19"),
        ("bytes=0-9, 10000-", "0-9"),
        ("bytes=1000-, -0, 5-5", "5-5"),
        ("bytes=0-9, -10, 10000-", "0-9 990-999"),
        // None is left.
        ("bytes=1000-", "none"),
        ("bytes=1000-1000", "none"),
        ("bytes=100000-", "none"),
        ("bytes=-0", "none"),
        ("bytes=1000-,-0,2000-3000", "none"),
        ("bytes=18446744073709551615-", "none"),
        ("bytes=18446744073709551616-18446744073709551616", "none"),
        ("bytes=99999999999999999999999999999999-", "none"),
        // More than the whole.
        ("bytes=0-10001, 0-0", "whole"),
        ("bytes=0-500,500-999", "whole"),
        ("bytes=0-,0-", "whole"),
        ("bytes=-600,-600", "whole"),
        // Wrong in a part: all of it is ignored.
        ("bytes=", "whole"),
        ("bytes=,", "whole"),
        ("bytes=-", "whole"),
        ("bytes=--1", "whole"),
        ("bytes=1--2", "whole"),
        ("bytes=+1-2", "whole"),
        ("bytes=1-+2", "whole"),
        ("bytes=alpha", "whole"),
        ("bytes=10-alpha", "whole"),
        ("bytes=alpha-10", "whole"),
        ("bytes=0x1-0x2", "whole"),
        ("bytes=10", "whole"),
        ("bytes=10-11 12-", "whole"),
        ("bytes=0 - 9", "whole"),
        ("bytes=- 9", "whole"),
        ("bytes=0-9;a", "whole"),
        ("bytes=9-8", "whole"),
        ("bytes=0-9, 9-8", "whole"),
        ("bytes=2000-1999", "whole"),
        ("bytes=0-9, x", "whole"),
        ("bytes=1000-, x", "whole"),
        ("bytes=\u{661}-\u{662}", "whole"),
        // Another unit, or none.
        ("", "whole"),
        ("bytes", "whole"),
        ("0-9", "whole"),
        ("byte=0-9", "whole"),
        ("octets=0-9", "whole"),
        ("items=0-9", "whole"),
        ("seconds=1-2", "whole"),
        ("bytes =0-9", "whole"),
        ("bytes:0-9", "whole"),
        ("bytes 0-9/1000", "whole"),
        // Its name in any case.
        ("BYTES=0-9", "0-9"),
        ("Bytes=0-9", "0-9"),
    ];
    for (value, ranges) in rows {
        assert_eq!(of(value, 1000), ranges, "{value}");
    }
}

#[test]
fn sizes_at_the_ends() {
    for (value, size, ranges) in [
        ("bytes=0-", 1, "0-0"),
        ("bytes=-1", 1, "0-0"),
        ("bytes=1-", 1, "none"),
        ("bytes=0-0,-1", 1, "whole"),
        // Nothing of nothing: the 200 without content is what the client wants.
        ("bytes=0-", 0, "whole"),
        ("bytes=0-0", 0, "whole"),
        ("bytes=-1", 0, "whole"),
        ("bytes=-0", 0, "whole"),
        // 5 GiB, as a sparse file has them.
        ("bytes=5368709119-", 5_368_709_120, "5368709119-5368709119"),
        ("bytes=4294967296-4294967297", 5_368_709_120, "4294967296-4294967297"),
        ("bytes=-4294967297", 5_368_709_120, "1073741823-5368709119"),
        ("bytes=0-18446744073709551615", u64::MAX, "0-18446744073709551614"),
        ("bytes=18446744073709551614-", u64::MAX, "18446744073709551614-18446744073709551614"),
        ("bytes=18446744073709551615-", u64::MAX, "none"),
        ("bytes=0-,0-", u64::MAX, "whole"),
    ] {
        assert_eq!(of(value, size), ranges, "{value} of {size}");
    }
}

#[test]
fn sixteen_ranges_and_no_more() {
    let value = |count: u32| {
        let ranges: Vec<_> = (0..count).map(|i| format!("{i}-{i}")).collect();
        format!("bytes={}", ranges.join(","))
    };
    let Ranges::Many(list) = Ranges::parse(value(16).as_bytes(), 1000) else { panic!() };
    assert_eq!(list.len(), RangeList::MAX);
    assert_eq!(of(&value(17), 1000), "whole");
    assert_eq!(of(&value(1000), 1000), "whole");
    // Those that are not in the representation count too, empty elements do not.
    assert_eq!(of(&value(17), 1), "whole");
    assert_eq!(of(&value(16), 1), "0-0");
    assert_eq!(of("bytes=0-0,,,,,,,,,,,,,,,,,,,,,,", 10), "0-0");
}

fn check(value: &[u8], size: u64) -> Result<(), TestCaseError> {
    let within = |range: &Range<u64>| range.start < range.end && range.end <= size;
    match Ranges::parse(value, size) {
        Ranges::Whole | Ranges::Unsatisfiable => {}
        Ranges::One(range) => prop_assert!(within(&range)),
        Ranges::Many(list) => {
            prop_assert!(list.len() >= 2 && list.iter().all(within));
            let sum: u128 = list.iter().map(|range| u128::from(range.end - range.start)).sum();
            prop_assert!(sum <= u128::from(size));
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn always_within_the_size(value in "bytes=[-0-9, ]{0,60}", size in 0..2000u64) {
        check(value.as_bytes(), size)?;
    }

    #[test]
    fn of_any_bytes(value in proptest::collection::vec(any::<u8>(), 0..60), size: u64) {
        check(&value, size)?;
        check(&[b"bytes=", &value[..]].concat(), size)?;
    }

    #[test]
    fn of_any_numbers(first: u64, last: u64, suffix: u64, size: u64) {
        check(format!("bytes={first}-{last}").as_bytes(), size)?;
        check(format!("bytes={first}-,-{suffix}").as_bytes(), size)?;
        check(format!("bytes=-{suffix}").as_bytes(), size)?;
        let asked = Ranges::parse(format!("bytes={}-", first % size.max(1)).as_bytes(), size);
        prop_assert!(size == 0 || asked == Ranges::One(first % size..size));
    }
}
