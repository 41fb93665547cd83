//! Reads the date of a response (RFC 9110 §5.6.7), the IMF-fixdate form alone.

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Seconds since 1970, if `text` is a date such as `Sun, 06 Nov 1994 08:49:37 GMT`.
pub(crate) fn seconds(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok().filter(|text| text.len() == 29)?;
    let (name, rest) = text.split_once(", ")?;
    let mut words = rest.split(' ');
    let day: u64 = number(words.next()?, 2)?;
    let month = words.next()?;
    let month = MONTHS.iter().position(|name| *name == month)?;
    let year: u64 = number(words.next()?, 4)?;
    let mut clock = words.next()?.split(':');
    let hours = number(clock.next()?, 2).filter(|hours| *hours < 24)?;
    let minutes = number(clock.next()?, 2).filter(|minutes| *minutes < 60)?;
    let seconds = number(clock.next()?, 2).filter(|seconds| *seconds < 61)?;
    let rest = (words.next(), words.next(), clock.next());
    if rest != (Some("GMT"), None, None) || year < 1970 || day == 0 {
        return None;
    }
    let leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let length = |month: usize, year: u64| match month {
        1 => 28 + u64::from(leap(year)),
        3 | 5 | 8 | 10 => 30,
        _ => 31,
    };
    if day > length(month, year) {
        return None;
    }
    let years: u64 = (1970..year).map(|year| 365 + u64::from(leap(year))).sum();
    let months: u64 = (0..month).map(|month| length(month, year)).sum();
    let days = years + months + day - 1;
    let weekday = DAYS[usize::try_from(days % 7).ok()?];
    (weekday == name).then_some(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
}

fn number(text: &str, digits: usize) -> Option<u64> {
    let plain = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

#[test]
fn dates_are_read_and_anything_else_is_not() {
    assert_eq!(seconds(b"Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
    assert_eq!(seconds(b"Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
    assert_eq!(seconds(b"Thu, 29 Feb 2024 12:00:00 GMT"), Some(1_709_208_000));
    for wrong in [
        "Mon, 06 Nov 1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "Wed, 29 Feb 2023 12:00:00 GMT",
        "",
    ] {
        assert_eq!(seconds(wrong.as_bytes()), None, "{wrong}");
    }
}
