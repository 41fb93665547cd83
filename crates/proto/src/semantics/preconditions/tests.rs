use std::ops::Range;

use super::*;

const DAY: u64 = 86_400;

/// Last-Modified of [`STRONG`] and [`WEAK`]: Sun, 06 Nov 1994 08:49:37 GMT.
const MODIFIED: u64 = 784_111_777;
const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
const EXACT: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

const STRONG: Validators<'_> =
    Validators { etag: Some(b"\"x\""), modified: Some(MODIFIED), now: MODIFIED + DAY };
const WEAK: Validators<'_> = Validators { etag: Some(b"W/\"x\""), ..STRONG };
const NO_TAG: Validators<'_> = Validators { etag: None, ..STRONG };
const NO_DATE: Validators<'_> = Validators { modified: None, ..STRONG };
const NEITHER: Validators<'_> = Validators { etag: None, ..NO_DATE };

/// The wishes of a request with these field lines, dates by their name above.
fn of<T>(lines: &[&str], then: impl FnOnce(&Wishes<'_>) -> T) -> T {
    let lines: Vec<_> = lines
        .iter()
        .map(|line| {
            let (name, value) = line.split_once(": ").expect(line);
            let value = value.replace("BEFORE", BEFORE);
            (name, value.replace("EXACT", EXACT).replace("AFTER", AFTER))
        })
        .collect();
    then(&Wishes::of(lines.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()))))
}

fn evaluate(lines: &[&str], is_get_or_head: bool, validators: &Validators<'_>) -> Verdict {
    of(lines, |wishes| wishes.evaluate(is_get_or_head, validators))
}

/// Status of GET, and of a method that is neither GET nor HEAD.
type Row<'a> = (&'a [&'a str], &'a Validators<'static>, u16, u16);

fn check(rows: &[Row<'_>]) {
    for &(lines, validators, get, put) in rows {
        for (is_get_or_head, status) in [(true, get), (false, put)] {
            let verdict = match status {
                200 => Verdict::Serve,
                304 => Verdict::NotModified,
                412 => Verdict::PreconditionFailed,
                other => panic!("{other}"),
            };
            let found = evaluate(lines, is_get_or_head, validators);
            assert_eq!(found, verdict, "{lines:?} {is_get_or_head} {validators:?}");
        }
    }
}

#[test]
fn if_match() {
    check(&[
        (&["If-Match: \"x\""], &STRONG, 200, 200),
        (&["If-Match: \"y\""], &STRONG, 412, 412),
        (&["If-Match: \"a\", \"b\",\t\"x\" , \"c\""], &STRONG, 200, 200),
        (&["If-Match: \"a\", \"b\""], &STRONG, 412, 412),
        (&["If-Match: \"a\"", "If-Match: \"x\""], &STRONG, 200, 200),
        (&["If-Match: *"], &STRONG, 200, 200),
        (&["If-Match: *"], &NEITHER, 200, 200),
        // Strong comparison.
        (&["If-Match: W/\"x\""], &STRONG, 412, 412),
        (&["If-Match: \"x\""], &WEAK, 412, 412),
        (&["If-Match: W/\"x\""], &WEAK, 412, 412),
        // Nothing to compare with.
        (&["If-Match: \"x\""], &NO_TAG, 412, 412),
        // What is no tag matches nothing: the careful reading.
        (&["If-Match: x"], &STRONG, 412, 412),
        (&["If-Match: "], &STRONG, 412, 412),
        (&["If-Match: \"*\""], &STRONG, 412, 412),
        (&["If-Match: *, \"y\""], &STRONG, 412, 412),
        (&["If-Match: *", "If-Match: *"], &STRONG, 412, 412),
        (&["If-Match: y, \"x\""], &STRONG, 200, 200),
    ]);
}

#[test]
fn if_none_match() {
    check(&[
        (&["If-None-Match: \"x\""], &STRONG, 304, 412),
        (&["If-None-Match: \"y\""], &STRONG, 200, 200),
        (&["If-None-Match: \"a\", \"b\", \"x\" , \"c\""], &STRONG, 304, 412),
        (&["If-None-Match: \"a\",\"b\""], &STRONG, 200, 200),
        (&["If-None-Match: \"a\"", "If-None-Match: \"x\""], &STRONG, 304, 412),
        (&["If-None-Match: *"], &STRONG, 304, 412),
        (&["If-None-Match: *"], &NEITHER, 304, 412),
        // Weak comparison.
        (&["If-None-Match: W/\"x\""], &STRONG, 304, 412),
        (&["If-None-Match: \"x\""], &WEAK, 304, 412),
        (&["If-None-Match: W/\"x\""], &WEAK, 304, 412),
        // Another coding's, or another case.
        (&["If-None-Match: \"x-br\""], &STRONG, 200, 200),
        (&["If-None-Match: \"X\""], &STRONG, 200, 200),
        (&["If-None-Match: \"x\""], &NO_TAG, 200, 200),
        // What is no tag matches nothing.
        (&["If-None-Match: x"], &STRONG, 200, 200),
        (&["If-None-Match: "], &STRONG, 200, 200),
        (&["If-None-Match: \"x"], &STRONG, 200, 200),
        (&["If-None-Match: w/\"x\""], &STRONG, 200, 200),
        (&["If-None-Match: \"y\", *"], &STRONG, 200, 200),
        (&["If-None-Match: y, \"x\""], &STRONG, 304, 412),
        (&["If-None-Match: \"a,x\", \"b\""], &STRONG, 200, 200),
    ]);
}

#[test]
fn if_modified_since() {
    check(&[
        (&["If-Modified-Since: BEFORE"], &STRONG, 200, 200),
        (&["If-Modified-Since: EXACT"], &STRONG, 304, 200),
        (&["If-Modified-Since: AFTER"], &STRONG, 304, 200),
        (&["If-Modified-Since: EXACT"], &NO_TAG, 304, 200),
        (&["If-Modified-Since: EXACT"], &NO_DATE, 200, 200),
        // Ahead of the server's clock, and where 31 and 32 bits end.
        (&["If-Modified-Since: Wed, 08 Jul 2037 22:53:52 GMT"], &STRONG, 304, 200),
        (&["If-Modified-Since: Tue, 19 Jan 2038 03:14:07 GMT"], &STRONG, 304, 200),
        (&["If-Modified-Since: Tue, 19 Jan 2038 03:14:08 GMT"], &STRONG, 304, 200),
        (&["If-Modified-Since: Fri, 25 Feb 2174 09:42:23 GMT"], &STRONG, 304, 200),
        // The obsolete forms.
        (&["If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT"], &STRONG, 304, 200),
        (&["If-Modified-Since: Sunday, 06-Nov-94 08:49:36 GMT"], &STRONG, 200, 200),
        (&["If-Modified-Since: Sun Nov  6 08:49:37 1994"], &STRONG, 304, 200),
        (&["If-Modified-Since: Sun Nov  6 08:49:36 1994"], &STRONG, 200, 200),
        // No date, or more than one.
        (&["If-Modified-Since: "], &STRONG, 200, 200),
        (&["If-Modified-Since: tomorrow"], &STRONG, 200, 200),
        (&["If-Modified-Since: \"x\""], &STRONG, 200, 200),
        (&["If-Modified-Since: EXACT, EXACT"], &STRONG, 200, 200),
        (&["If-Modified-Since: EXACT", "If-Modified-Since: EXACT"], &STRONG, 200, 200),
        (&["If-Modified-Since: Thu, 31 Nov 2050 00:00:00 GMT"], &STRONG, 200, 200),
    ]);
}

#[test]
fn if_unmodified_since() {
    check(&[
        (&["If-Unmodified-Since: BEFORE"], &STRONG, 412, 412),
        (&["If-Unmodified-Since: EXACT"], &STRONG, 200, 200),
        (&["If-Unmodified-Since: AFTER"], &STRONG, 200, 200),
        (&["If-Unmodified-Since: BEFORE"], &NO_DATE, 200, 200),
        (&["If-Unmodified-Since: Wed, 31 Dec 1969 23:59:59 GMT"], &STRONG, 412, 412),
        (&["If-Unmodified-Since: Fri, 25 Feb 2174 09:42:23 GMT"], &STRONG, 200, 200),
        (&["If-Unmodified-Since: yesterday"], &STRONG, 200, 200),
        (&["If-Unmodified-Since: "], &STRONG, 200, 200),
        (&["If-Unmodified-Since: BEFORE, BEFORE"], &STRONG, 200, 200),
        (&["If-Unmodified-Since: BEFORE", "If-Unmodified-Since: BEFORE"], &STRONG, 200, 200),
    ]);
}

#[test]
fn conditions_in_their_order() {
    check(&[
        // If-Match makes If-Unmodified-Since void.
        (&["If-Unmodified-Since: BEFORE", "If-Match: \"x\""], &STRONG, 200, 200),
        (&["If-Unmodified-Since: AFTER", "If-Match: \"y\""], &STRONG, 412, 412),
        // If-None-Match makes If-Modified-Since void.
        (&["If-Modified-Since: EXACT", "If-None-Match: \"y\""], &STRONG, 200, 200),
        (&["If-Modified-Since: BEFORE", "If-None-Match: \"x\""], &STRONG, 304, 412),
        (&["If-Modified-Since: EXACT", "If-None-Match: \"x\""], &NO_TAG, 200, 200),
        (&["If-Modified-Since: EXACT", "If-None-Match: nonsense"], &STRONG, 200, 200),
        // The first pair comes before the second.
        (&["If-None-Match: \"x\"", "If-Match: \"y\""], &STRONG, 412, 412),
        (&["If-None-Match: \"x\"", "If-Match: \"x\""], &STRONG, 304, 412),
        (&["If-None-Match: \"y\"", "If-Match: \"x\""], &STRONG, 200, 200),
        (&["If-None-Match: *", "If-Match: *"], &STRONG, 304, 412),
        (&["If-None-Match: \"x\"", "If-Unmodified-Since: BEFORE"], &STRONG, 412, 412),
        (&["If-None-Match: \"x\"", "If-Unmodified-Since: AFTER"], &STRONG, 304, 412),
        (&["If-Modified-Since: EXACT", "If-Unmodified-Since: BEFORE"], &STRONG, 412, 412),
        (&["If-Modified-Since: EXACT", "If-Unmodified-Since: EXACT"], &STRONG, 304, 200),
        (&["If-Modified-Since: EXACT", "If-Match: \"x\""], &STRONG, 304, 200),
        (&["If-Modified-Since: BEFORE", "If-Match: \"x\""], &STRONG, 200, 200),
        // All five.
        (
            &[
                "If-Match: \"x\"",
                "If-Unmodified-Since: BEFORE",
                "If-None-Match: \"y\"",
                "If-Modified-Since: AFTER",
                "If-Range: \"y\"",
                "Range: bytes=0-",
            ],
            &STRONG,
            200,
            200,
        ),
        (
            &[
                "If-Match: \"x\"",
                "If-Unmodified-Since: BEFORE",
                "If-None-Match: \"x\"",
                "If-Modified-Since: BEFORE",
                "If-Range: \"x\"",
                "Range: bytes=0-",
            ],
            &STRONG,
            304,
            412,
        ),
        // Neither a range nor its If-Range is a condition of its own.
        (&["Range: bytes=5000-"], &STRONG, 200, 200),
        (&["If-Range: \"y\""], &STRONG, 200, 200),
        (&["If-Range: \"y\"", "Range: bytes=0-"], &STRONG, 200, 200),
        (&[], &STRONG, 200, 200),
        (&[], &NEITHER, 200, 200),
    ]);
}

#[test]
fn ranges_if_they_are_of_the_same() {
    const PART: Range<u64> = 0..10;
    /// Its second is not over: it may change unseen.
    const FRESH: Validators<'_> = Validators { now: MODIFIED, ..STRONG };
    /// The clock has gone back since.
    const AHEAD: Validators<'_> = Validators { now: MODIFIED - DAY, ..STRONG };
    const OVER: Validators<'_> = Validators { now: MODIFIED + 1, ..STRONG };
    const OLD: Validators<'_> = Validators { modified: Some(270 * DAY + 21_600), ..STRONG };
    let rows: &[(&str, &Validators<'static>, bool)] = &[
        // Tags: strong ones only.
        ("\"x\"", &STRONG, true),
        ("\"y\"", &STRONG, false),
        ("\"x\"", &FRESH, true),
        ("W/\"x\"", &STRONG, false),
        ("\"x\"", &WEAK, false),
        ("W/\"x\"", &WEAK, false),
        ("\"x\"", &NO_TAG, false),
        ("\"x\"", &NO_DATE, true),
        // Dates: the exact one, if its second is over.
        ("EXACT", &STRONG, true),
        ("EXACT", &WEAK, true),
        ("EXACT", &NO_TAG, true),
        ("EXACT", &OVER, true),
        ("EXACT", &FRESH, false),
        ("EXACT", &AHEAD, false),
        ("EXACT", &NO_DATE, false),
        ("BEFORE", &STRONG, false),
        ("AFTER", &STRONG, false),
        ("Sunday, 06-Nov-94 08:49:37 GMT", &STRONG, true),
        ("Sun Nov  6 08:49:37 1994", &STRONG, true),
        ("Mon, 28 Sep 1970 06:00:00 GMT", &OLD, true),
        ("Mon, 28 Sep 1970 06:00:00 GMT", &STRONG, false),
        // Neither of both.
        ("wrong", &STRONG, false),
        ("wrong", &OLD, false),
        ("wrong", &NO_DATE, false),
        ("wrong", &NEITHER, false),
        ("", &STRONG, false),
        ("*", &STRONG, false),
        ("x", &STRONG, false),
        ("\"y\", \"x\"", &STRONG, false),
        ("\"x\", \"x\"", &STRONG, false),
        ("EXACT, EXACT", &STRONG, false),
    ];
    for &(value, validators, same) in rows {
        let wanted = if same { Ranges::One(PART) } else { Ranges::Whole };
        let field = format!("If-Range: {value}");
        let lines = ["Range: bytes=0-9", field.as_str()];
        let found = of(&lines, |wishes| wishes.ranges(1000, validators));
        assert_eq!(found, wanted, "{value} {validators:?}");
        // An unsatisfiable range of another version is no 416 either.
        let wanted = if same { Ranges::Unsatisfiable } else { Ranges::Whole };
        let lines = ["Range: bytes=1000-", field.as_str()];
        assert_eq!(of(&lines, |wishes| wishes.ranges(1000, validators)), wanted, "{value}");
        // Without Range, it means nothing.
        let lines = [field.as_str()];
        assert_eq!(of(&lines, |wishes| wishes.ranges(1000, validators)), Ranges::Whole);
    }
    let twice = ["Range: bytes=0-9", "If-Range: \"x\"", "If-Range: \"x\""];
    assert_eq!(of(&twice, |wishes| wishes.ranges(1000, &STRONG)), Ranges::Whole);
}

#[test]
fn two_ranges_are_none() {
    let lines = ["Range: bytes=0-9", "Range: bytes=0-9"];
    assert_eq!(of(&lines, |wishes| wishes.ranges(1000, &STRONG)), Ranges::Whole);
    let lines = ["Range: bytes=0-9"];
    assert_eq!(of(&lines, |wishes| wishes.ranges(1000, &NEITHER)), Ranges::One(0..10));
}
