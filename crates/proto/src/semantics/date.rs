//! Dates as fields have them (RFC 9110 §5.6.7).

use std::ops::Range;

/// The last second that IMF-fixdate, with its four-digit year, can write.
const LAST_DATE: u64 = 253_402_300_799;

const DAY: u64 = 86_400;

/// Days from 1 March of the year 0 to 1 January 1970. Years that begin in March have their
/// leap day at the end, which makes both directions plain arithmetic.
const EPOCH_DAYS: u64 = 719_468;

/// Days of 400 years, after which the calendar repeats.
const ERA_DAYS: u64 = 146_097;

/// From Thursday on, the first day of 1970.
const WEEKDAYS: [&[u8; 3]; 7] = [b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed"];

const LONG_WEEKDAYS: [&[u8]; 7] =
    [b"Thursday", b"Friday", b"Saturday", b"Sunday", b"Monday", b"Tuesday", b"Wednesday"];

const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

/// `seconds` after 1970 as IMF-fixdate, as in Date and Last-Modified (RFC 9110 §5.6.7). Times
/// after the year 9999 are given as its last second.
#[must_use]
pub fn format(seconds: u64) -> [u8; 29] {
    let seconds = seconds.min(LAST_DATE);
    let (days, second) = (seconds / DAY, seconds % DAY);
    let civil = Civil::of(days);
    let mut text = *b"Thu, 01 Jan 1970 00:00:00 GMT";
    text[..3].copy_from_slice(WEEKDAYS[(days % 7) as usize]);
    digits(&mut text, 5..7, civil.day);
    // The remainder shows the compiler that it is in bounds.
    text[8..11].copy_from_slice(MONTHS[((civil.month - 1) % 12) as usize]);
    digits(&mut text, 12..16, civil.year);
    digits(&mut text, 17..19, second / 3600);
    digits(&mut text, 20..22, second / 60 % 60);
    digits(&mut text, 23..25, second % 60);
    text
}

/// `seconds` after 1970 as RFC 3339 has them, for people and for HTML: `1994-11-06T08:49:37Z`. Times
/// after the year 9999 are given as its last second.
#[must_use]
pub fn iso(seconds: u64) -> [u8; 20] {
    let seconds = seconds.min(LAST_DATE);
    let (civil, second) = (Civil::of(seconds / DAY), seconds % DAY);
    let mut text = *b"1970-01-01T00:00:00Z";
    digits(&mut text, 0..4, civil.year);
    digits(&mut text, 5..7, civil.month);
    digits(&mut text, 8..10, civil.day);
    digits(&mut text, 11..13, second / 3600);
    digits(&mut text, 14..16, second / 60 % 60);
    digits(&mut text, 17..19, second % 60);
    text
}

/// The seconds after 1970 that `value` names: an IMF-fixdate, or one of the two obsolete forms,
/// RFC 850's and asctime's (RFC 9110 §5.6.7). None if it is none of these. A date before 1970
/// is 0.
///
/// `now`, in the same seconds, is for RFC 850's years of two digits: one that seems to be more
/// than 50 years ahead is the most recent past year with these digits.
///
/// The name of the weekday must be one, but need not be right. A leap second is the second
/// after it.
#[must_use]
pub fn parse(value: &[u8], now: u64) -> Option<u64> {
    match value.len() {
        29 => imf_fixdate(value),
        24 => asctime(value),
        30..=33 => rfc850(value, now),
        _ => None,
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
fn imf_fixdate(value: &[u8]) -> Option<u64> {
    let (weekday, value) = value.split_first_chunk()?;
    let (day, value) = value.strip_prefix(b", ")?.split_first_chunk()?;
    let (month, value) = value.strip_prefix(b" ")?.split_first_chunk()?;
    let (year, value) = value.strip_prefix(b" ")?.split_first_chunk()?;
    let second = second_of_day(value.strip_prefix(b" ")?.strip_suffix(b" GMT")?)?;
    WEEKDAYS.contains(&weekday).then_some(())?;
    let (month, day) = (month_of(month)?, number::<2>(day)?);
    Some(Civil { year: number::<4>(year)?, month, day }.checked()?.seconds(second))
}

/// `Sunday, 06-Nov-94 08:49:37 GMT`
fn rfc850(value: &[u8], now: u64) -> Option<u64> {
    let comma = memchr::memchr(b',', value)?;
    LONG_WEEKDAYS.contains(&&value[..comma]).then_some(())?;
    let (day, value) = value[comma..].strip_prefix(b", ")?.split_first_chunk()?;
    let (month, value) = value.strip_prefix(b"-")?.split_first_chunk()?;
    let (year, value) = value.strip_prefix(b"-")?.split_first_chunk()?;
    let second = second_of_day(value.strip_prefix(b" ")?.strip_suffix(b" GMT")?)?;
    let (month, day) = (month_of(month)?, number::<2>(day)?);
    let this_year = Civil::of(now.min(LAST_DATE) / DAY).year;
    let mut year = this_year - this_year % 100 + 100 + number::<2>(year)?;
    while (Civil { year: year - 50, month, day }).seconds(second) > now {
        year -= 100;
    }
    Some(Civil { year, month, day }.checked()?.seconds(second))
}

/// `Sun Nov  6 08:49:37 1994`
fn asctime(value: &[u8]) -> Option<u64> {
    let (weekday, value) = value.split_first_chunk()?;
    let (month, value) = value.strip_prefix(b" ")?.split_first_chunk()?;
    let (day, value) = value.strip_prefix(b" ")?.split_first_chunk()?;
    let (time, value) = value.strip_prefix(b" ")?.split_at_checked(8)?;
    let year = value.strip_prefix(b" ")?.first_chunk()?;
    let day = match day {
        [b' ', digit] => number::<1>(&[*digit])?,
        both => number::<2>(both)?,
    };
    WEEKDAYS.contains(&weekday).then_some(())?;
    let civil = Civil { year: number::<4>(year)?, month: month_of(month)?, day };
    Some(civil.checked()?.seconds(second_of_day(time)?))
}

/// `08:49:37`
fn second_of_day(time: &[u8]) -> Option<u64> {
    let &[h1, h2, b':', m1, m2, b':', s1, s2] = time else { return None };
    let (hour, minute) = (number::<2>(&[h1, h2])?, number::<2>(&[m1, m2])?);
    let second = number::<2>(&[s1, s2])?;
    (hour < 24 && minute < 60 && second <= 60).then_some(hour * 3600 + minute * 60 + second)
}

/// From 1 on.
fn month_of(name: &[u8; 3]) -> Option<u64> {
    MONTHS.iter().position(|month| *month == name).map(|index| index as u64 + 1)
}

fn number<const N: usize>(digits: &[u8; N]) -> Option<u64> {
    digits.iter().try_fold(0, |number, digit| {
        digit.is_ascii_digit().then(|| number * 10 + u64::from(digit - b'0'))
    })
}

/// Writes `number` into a place of `text`, with leading zeros.
fn digits(text: &mut [u8], place: Range<usize>, mut number: u64) {
    for digit in text[place].iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// A day of the Gregorian calendar.
#[derive(Clone, Copy)]
struct Civil {
    year: u64,
    /// From 1 on.
    month: u64,
    /// From 1 on.
    day: u64,
}

impl Civil {
    /// The day that many days after 1 January 1970.
    fn of(days: u64) -> Self {
        let days = days + EPOCH_DAYS;
        let (era, day) = (days / ERA_DAYS, days % ERA_DAYS);
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let year = era * 400 + year;
        if month < 10 {
            Self { year, month: month + 3, day }
        } else {
            Self { year: year + 1, month: month - 9, day }
        }
    }

    /// None if the calendar has no such day.
    fn checked(self) -> Option<Self> {
        let is_leap = self.year.is_multiple_of(4) && !self.year.is_multiple_of(100)
            || self.year.is_multiple_of(400);
        let last = match self.month {
            2 => 28 + u64::from(is_leap),
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        (1..=last).contains(&self.day).then_some(self)
    }

    /// Seconds from 1970 to a second of this day; 0 if that is before.
    fn seconds(self, second: u64) -> u64 {
        // January of the year 0 is off by a year, which is as long before 1970.
        let (year, month) = match self.month {
            1 | 2 => (self.year.saturating_sub(1), self.month + 9),
            _ => (self.year, self.month - 3),
        };
        let days = year * 365 + year / 4 - year / 100 + year / 400;
        // Days of the months before, of which five in turn have 153.
        let days = days + (153 * month + 2) / 5 + self.day;
        days.checked_sub(EPOCH_DAYS + 1).map_or(0, |days| days * DAY + second)
    }
}

#[cfg(test)]
mod tests;
