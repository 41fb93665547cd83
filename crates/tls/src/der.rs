//! Reads DER (ITU-T X.690), as far as certificates need it.

/// Tags of the universal class, and those of a certificate's own.
pub(crate) mod tag {
    pub(crate) const INTEGER: u8 = 0x02;
    pub(crate) const OCTET_STRING: u8 = 0x04;
    pub(crate) const OID: u8 = 0x06;
    pub(crate) const UTC_TIME: u8 = 0x17;
    pub(crate) const GENERALIZED_TIME: u8 = 0x18;
    pub(crate) const SEQUENCE: u8 = 0x30;
    pub(crate) const SET: u8 = 0x31;
    pub(crate) const BOOLEAN: u8 = 0x01;
    /// `[0] EXPLICIT`
    pub(crate) const VERSION: u8 = 0xa0;
    /// `[3] EXPLICIT`
    pub(crate) const EXTENSIONS: u8 = 0xa3;
    /// `[2] IMPLICIT IA5String`, in a GeneralName.
    pub(crate) const DNS_NAME: u8 = 0x82;
    /// `[7] IMPLICIT OCTET STRING`, in a GeneralName.
    pub(crate) const ADDRESS: u8 = 0x87;
}

/// Elements one after the other.
#[derive(Clone, Copy)]
pub(crate) struct Der<'a>(pub(crate) &'a [u8]);

impl<'a> Der<'a> {
    /// The next element: its tag and its content.
    pub(crate) fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        // A tag above 30 has more bytes. No certificate uses one.
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (&short, rest) = rest.split_first()?;
        let (len, rest) = match short {
            0..=0x7f => (usize::from(short), rest),
            // DER has no indefinite length, and certificates of 16 MiB are none.
            0x81..=0x83 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(short & 0x7f))?;
                (bytes.iter().fold(0, |len, &byte| len << 8 | usize::from(byte)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(len)?;
        self.0 = rest;
        Some((tag, content))
    }

    /// The content of the next element, if it has this tag.
    pub(crate) fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let mut after = *self;
        let (found, content) = after.next()?;
        (found == tag).then(|| {
            *self = after;
            content
        })
    }

    /// Steps into the next element, if it has this tag.
    pub(crate) fn enter(&mut self, tag: u8) -> Option<Self> {
        self.take(tag).map(Self)
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}

/// Seconds since 1970 of a UTCTime or GeneralizedTime, as RFC 5280, section 4.1.2.5, has them.
pub(crate) fn time((tag, text): (u8, &[u8])) -> Option<i64> {
    let (year, rest) = match tag {
        tag::UTC_TIME => {
            let (year, rest) = digits(text, 2)?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        tag::GENERALIZED_TIME => digits(text, 4)?,
        _ => return None,
    };
    let (month, rest) = digits(rest, 2)?;
    let (day, rest) = digits(rest, 2)?;
    let (hour, rest) = digits(rest, 2)?;
    let (minute, rest) = digits(rest, 2)?;
    let (second, rest) = digits(rest, 2)?;
    let is_right = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second < 61
        && rest == b"Z";
    is_right.then(|| days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second)
}

fn digits(text: &[u8], n: usize) -> Option<(i64, &[u8])> {
    let (digits, rest) = text.split_at_checked(n)?;
    let number = digits.iter().try_fold(0, |number, byte| {
        byte.is_ascii_digit().then(|| number * 10 + i64::from(byte - b'0'))
    })?;
    Some((number, rest))
}

/// Days from 1970-01-01 in the Gregorian calendar, by years that begin in March.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        let utc = |text: &str| time((tag::UTC_TIME, text.as_bytes()));
        let general = |text: &str| time((tag::GENERALIZED_TIME, text.as_bytes()));
        assert_eq!(utc("700101000000Z"), Some(0));
        assert_eq!(utc("260228235959Z"), Some(1_772_323_199));
        assert_eq!(utc("491231235959Z"), Some(2_524_607_999));
        assert_eq!(utc("500101000000Z"), Some(-631_152_000));
        assert_eq!(general("20000229120000Z"), Some(951_825_600));
        assert_eq!(general("99991231235959Z"), Some(253_402_300_799));
        for wrong in
            ["", "7001010000Z", "700101000000", "701301000000Z", "7001010000000Z", "70010100000xZ"]
        {
            assert_eq!(utc(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn lengths_are_checked() {
        assert_eq!(Der(&[0x30, 0x02, 1, 2, 9]).next(), Some((0x30, &[1, 2][..])));
        assert_eq!(Der(&[0x04, 0x81, 0x02, 1, 2]).next(), Some((0x04, &[1, 2][..])));
        for wrong in [
            &[][..],
            &[0x30],
            &[0x30, 2, 1],
            &[0x30, 0x80, 0, 0],
            &[0x3f, 1, 1],
            &[0x30, 0x84, 0, 0, 0, 0],
        ] {
            assert_eq!(Der(wrong).next(), None, "{wrong:?}");
        }
    }
}
