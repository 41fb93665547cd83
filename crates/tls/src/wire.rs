//! The outside of TLS records, and alerts that are sent before there are keys (RFC 8446, 5.1 and 6).

/// Type, version and length.
pub(crate) const HEADER: usize = 5;

/// The most bytes of one record on the wire. TLS 1.2 allows 2,048 above the plaintext's 16 KiB,
/// TLS 1.3 only 256.
pub(crate) const MOST_RECORD: usize = HEADER + 16_384 + 2_048;

/// The most plaintext of one record, which is all of it before there are keys.
const MOST_PLAIN: usize = 16_384;

/// The type of a record with handshake messages.
pub(crate) const HANDSHAKE: u8 = 22;

const ALERT: u8 = 21;

/// The type of every encrypted record of TLS 1.3.
const APPLICATION_DATA: u8 = 23;

/// What the bytes at the front of a buffer are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Front {
    /// A record of this many bytes, header included.
    Record(usize),
    /// The beginning of a record.
    Part,
    /// No header that a record may have.
    Wrong,
}

/// Looks at the record at the front of `bytes`.
pub(crate) fn front(bytes: &[u8]) -> Front {
    let Some(&[kind, major, _, high, low]) = bytes.first_chunk::<HEADER>() else {
        return Front::Part;
    };
    let len = HEADER + usize::from(u16::from_be_bytes([high, low]));
    match (20..=24).contains(&kind) && major == 3 && len <= MOST_RECORD {
        false => Front::Wrong,
        true if len <= bytes.len() => Front::Record(len),
        true => Front::Part,
    }
}

/// Whether the record at the front is longer than one in clear may be.
pub(crate) fn is_oversized(bytes: &[u8]) -> bool {
    bytes.first_chunk::<HEADER>().is_some_and(|&[kind, major, _, high, low]| {
        let len = usize::from(u16::from_be_bytes([high, low]));
        (20..=24).contains(&kind) && major == 3 && len > MOST_PLAIN
    })
}

/// Where the last whole record of `bytes` ends, of those that begin at `from`.
pub(crate) fn end_of_records(bytes: &[u8], from: usize) -> usize {
    let mut end = from;
    while let Front::Record(len) = front(&bytes[end..]) {
        end += len;
    }
    end
}

/// Whether there is an encrypted record of TLS 1.3 among these.
pub(crate) fn has_encrypted(mut records: &[u8]) -> bool {
    while let Front::Record(len) = front(records) {
        if records[0] == APPLICATION_DATA {
            return true;
        }
        records = &records[len..];
    }
    false
}

/// The length of records without the alert that is the last of them, if it is one.
pub(crate) fn without_alert(records: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Front::Record(len) = front(&records[at..]) {
        if at + len == records.len() {
            return (records[at] == ALERT).then_some(at);
        }
        at += len;
    }
    None
}

/// A fatal alert that is not encrypted.
pub(crate) fn fatal_alert(description: u8) -> [u8; 7] {
    [ALERT, 3, 3, 0, 2, 2, description]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_records_are_told_from_parts_and_from_other_bytes() {
        assert_eq!(front(b""), Front::Part);
        assert_eq!(front(&[22, 3, 1, 0]), Front::Part);
        assert_eq!(front(&[22, 3, 1, 0, 2, 9]), Front::Part);
        assert_eq!(front(&[22, 3, 1, 0, 2, 9, 9, 9]), Front::Record(7));
        assert_eq!(front(b"GET / HTTP/1.1"), Front::Wrong);
        assert_eq!(front(&[23, 3, 3, 0x48, 1]), Front::Wrong);
    }

    #[test]
    fn an_alert_is_found_behind_other_records() {
        let records = [&[22, 3, 3, 0, 1, 7][..], &fatal_alert(50)].concat();
        assert_eq!(without_alert(&records), Some(6));
        assert_eq!(without_alert(&fatal_alert(50)), Some(0));
        assert_eq!(without_alert(&records[..6]), None);
        assert_eq!(without_alert(b""), None);
    }

    #[test]
    fn the_end_of_whole_records_is_found_behind_those_that_were_seen() {
        let bytes = [0, 0, 22, 3, 3, 0, 1, 7, 23, 3, 3, 0, 1, 8, 23, 3];
        assert_eq!(end_of_records(&bytes, 2), 14);
        assert_eq!(end_of_records(&bytes, 14), 14);
    }
}
