use proptest::prelude::*;

use super::*;

/// 30 November 2026.
const NOW: u64 = 1_796_000_000;

fn at(value: &str) -> Option<u64> {
    parse(value.as_bytes(), NOW)
}

#[test]
fn written_as_imf_fixdate() {
    assert_eq!(&format(0), b"Thu, 01 Jan 1970 00:00:00 GMT");
    assert_eq!(&format(784_111_777), b"Sun, 06 Nov 1994 08:49:37 GMT");
    assert_eq!(&format(951_782_399), b"Mon, 28 Feb 2000 23:59:59 GMT");
    assert_eq!(&format(951_782_400), b"Tue, 29 Feb 2000 00:00:00 GMT");
    assert_eq!(&format(1_709_164_800), b"Thu, 29 Feb 2024 00:00:00 GMT");
    assert_eq!(&format(4_107_542_400), b"Mon, 01 Mar 2100 00:00:00 GMT");
    assert_eq!(&format(LAST_DATE), b"Fri, 31 Dec 9999 23:59:59 GMT");
    assert_eq!(&format(u64::MAX), b"Fri, 31 Dec 9999 23:59:59 GMT");
}

#[test]
fn written_as_rfc_3339() {
    assert_eq!(&iso(0), b"1970-01-01T00:00:00Z");
    assert_eq!(&iso(784_111_777), b"1994-11-06T08:49:37Z");
    assert_eq!(&iso(u64::MAX), b"9999-12-31T23:59:59Z");
}

#[test]
fn three_forms() {
    for (value, seconds) in [
        // RFC 9110 §5.6.7's examples.
        ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 784_111_777),
        ("Sun Nov  6 08:49:37 1994", 784_111_777),
        ("Sun Nov 06 08:49:37 1994", 784_111_777),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Thu, 29 Feb 2024 00:00:00 GMT", 1_709_164_800),
        ("Tue, 29 Feb 2000 00:00:00 GMT", 951_782_400),
        ("Wednesday, 30-Nov-26 00:00:00 GMT", 1_795_996_800),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LAST_DATE),
        // The weekday is another's.
        ("Mon, 06 Nov 1994 08:49:37 GMT", 784_111_777),
        // The leap second of 2016.
        ("Sat, 31 Dec 2016 23:59:60 GMT", 1_483_228_800),
        // Before 1970.
        ("Wed, 31 Dec 1969 23:59:59 GMT", 0),
        ("Mon Jan  1 00:00:00 0000", 0),
        ("Tue, 29 Feb 0000 00:00:00 GMT", 0),
    ] {
        assert_eq!(at(value), Some(seconds), "{value}");
    }
}

#[test]
fn two_digits_of_a_year_are_at_most_50_years_ahead() {
    for (value, as_if) in [
        ("Monday, 30-Nov-26 00:00:00 GMT", "Mon, 30 Nov 2026 00:00:00 GMT"),
        ("Monday, 01-Jan-76 00:00:00 GMT", "Wed, 01 Jan 2076 00:00:00 GMT"),
        ("Monday, 29-Feb-76 00:00:00 GMT", "Sat, 29 Feb 2076 00:00:00 GMT"),
        ("Monday, 29-Nov-76 00:00:00 GMT", "Sun, 29 Nov 2076 00:00:00 GMT"),
        ("Monday, 01-Dec-76 00:00:00 GMT", "Wed, 01 Dec 1976 00:00:00 GMT"),
        ("Monday, 31-Dec-77 00:00:00 GMT", "Sat, 31 Dec 1977 00:00:00 GMT"),
        ("Monday, 01-Jan-99 00:00:00 GMT", "Fri, 01 Jan 1999 00:00:00 GMT"),
        ("Monday, 01-Jan-00 00:00:00 GMT", "Sat, 01 Jan 2000 00:00:00 GMT"),
    ] {
        assert_eq!(at(value), Some(at(as_if).expect(as_if)), "{value}");
    }
    // A clock at either end changes the century, and breaks nothing.
    assert_eq!(parse(b"Sunday, 06-Nov-94 08:49:37 GMT", 0), Some(784_111_777));
    assert_eq!(parse(b"Thursday, 01-Jan-15 00:00:00 GMT", 0), Some(1_420_070_400));
    assert!(parse(b"Sunday, 06-Nov-94 08:49:37 GMT", u64::MAX).is_some());
}

#[test]
fn anything_else_is_no_date() {
    for value in [
        "",
        "0",
        "784111777",
        "yesterday",
        "1994-11-06T08:49:37Z",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 +00",
        "Sun, 06 Nov 1994 08:49:37 gmt",
        "sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "Son, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nof 1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun,  6 Nov 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Tue, 29 Feb 1994 08:49:37 GMT",
        "Thu, 29 Feb 2100 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:00 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 1994 08.49.37 GMT",
        "Sun, 06 Nov 1994 -8:49:37 GMT",
        "Sun, 06-Nov-1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        "Sun, 06 Nov 1994 08:49:37 GMT; length=1",
        "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06-Nov-94 08:49:37 GMT",
        "Sunday, 6-Nov-94 08:49:37 GMT",
        "Someday, 06-Nov-94 08:49:37 GMT",
        "Sunday, 31-Nov-94 08:49:37 GMT",
        "Monday, 29-Feb-27 00:00:00 GMT",
        "Sunday 06-Nov-94 08:49:37 GMT ",
        "Sun Nov 6 08:49:37 1994",
        "Sun Nov   6 08:49:37 199",
        "Sun Nov  0 08:49:37 1994",
        "Sun Nov 31 08:49:37 1994",
        "Sun Nov  6 08:49:37 94  ",
    ] {
        assert_eq!(at(value), None, "{value}");
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(seconds in 0..=LAST_DATE) {
        prop_assert_eq!(parse(&format(seconds), 0), Some(seconds));
    }

    #[test]
    fn another_calendar_agrees(seconds in 0..=LAST_DATE) {
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        let other = httpdate::fmt_http_date(time);
        prop_assert_eq!(&format(seconds)[..], other.as_bytes());
    }

    #[test]
    fn any_bytes_are_taken(value in proptest::collection::vec(any::<u8>(), 0..40), now: u64) {
        let _ = parse(&value, now);
    }

    /// One byte of a right date is another: often it stays one.
    #[test]
    fn nearly_dates_are_taken(
        which in 0..3usize, place in any::<proptest::sample::Index>(), byte: u8, now: u64,
    ) {
        let mut value = [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ][which].as_bytes().to_vec();
        let place = place.index(value.len());
        value[place] = byte;
        if let Some(seconds) = parse(&value, now) {
            prop_assert!(which == 1 || seconds <= LAST_DATE + 1);
        }
    }
}
