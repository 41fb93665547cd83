//! Dates as fields have them (RFC 9110 §5.6.7).

use std::io::Write;
use std::time::{Duration, UNIX_EPOCH};

/// The last second that IMF-fixdate, with its four-digit year, can write.
const LAST_DATE: u64 = 253_402_300_799;

/// The value of a Date field: `secs_since_epoch` as IMF-fixdate
/// (RFC 9110 §5.6.7). Times after the year 9999 are given as its last second.
#[must_use]
pub fn date(secs_since_epoch: u64) -> [u8; 29] {
    let time = UNIX_EPOCH + Duration::from_secs(secs_since_epoch.min(LAST_DATE));
    let mut text = *b"Thu, 01 Jan 1970 00:00:00 GMT";
    // Always 29 bytes, so the write always fits.
    let _ = write!(&mut text[..], "{}", httpdate::HttpDate::from(time));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        assert_eq!(&date(0), b"Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(&date(784_111_777), b"Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(&date(1_709_164_800), b"Thu, 29 Feb 2024 00:00:00 GMT");
        assert_eq!(&date(u64::MAX), b"Fri, 31 Dec 9999 23:59:59 GMT");
    }
}
