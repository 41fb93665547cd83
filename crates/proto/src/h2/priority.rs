/// How urgent a response is (RFC 9218 §4): of a request's `priority` field, or of a
/// PRIORITY_UPDATE frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Priority {
    /// From 0, which is first, to 7, which is last. Default 3.
    pub urgency: u8,
    /// Whether parts of the response are of use, so that responses of one urgency should
    /// share the connection. Default false.
    pub incremental: bool,
}

impl Default for Priority {
    fn default() -> Self {
        Self { urgency: 3, incremental: false }
    }
}

impl Priority {
    /// Reads a field value, a dictionary of structured fields (RFC 9651 §3.2). What is
    /// malformed as a whole is the default. So is a member of another type or out of range.
    #[must_use]
    pub fn parse(value: &[u8]) -> Self {
        dictionary(value).unwrap_or_default()
    }
}

/// What the parser needs of a value; the other types only have to be well-formed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Item {
    Integer(u8),
    Boolean(bool),
    Other,
}

fn dictionary(value: &[u8]) -> Option<Priority> {
    let mut priority = Priority::default();
    let mut rest = value.trim_ascii_end();
    rest = skip(rest, |byte| byte == b' ');
    while !rest.is_empty() {
        let key = key(&mut rest)?;
        let item = match rest {
            [b'=', b'(', ..] => {
                rest = &rest[2..];
                inner_list(&mut rest)?;
                Item::Other
            }
            [b'=', ..] => {
                rest = &rest[1..];
                item(&mut rest)?
            }
            _ => Item::Boolean(true),
        };
        parameters(&mut rest)?;
        // The last of several members with one key counts (RFC 9651 §4.2.2).
        match (key, item) {
            (b"u", Item::Integer(urgency @ 0..=7)) => priority.urgency = urgency,
            (b"u", _) => priority.urgency = Priority::default().urgency,
            (b"i", item) => priority.incremental = item == Item::Boolean(true),
            _ => {}
        }
        rest = skip(rest, is_ows);
        match rest {
            [] => {}
            [b',', after @ ..] => {
                rest = skip(after, is_ows);
                if rest.is_empty() {
                    return None;
                }
            }
            _ => return None,
        }
    }
    Some(priority)
}

fn is_ows(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn skip(bytes: &[u8], what: impl Fn(u8) -> bool) -> &[u8] {
    let end = bytes.iter().position(|&byte| !what(byte)).unwrap_or(bytes.len());
    &bytes[end..]
}

/// Cuts off what `what` allows.
fn take<'b>(rest: &mut &'b [u8], what: impl Fn(u8) -> bool) -> &'b [u8] {
    let after = skip(rest, what);
    let taken = &rest[..rest.len() - after.len()];
    *rest = after;
    taken
}

fn key<'b>(rest: &mut &'b [u8]) -> Option<&'b [u8]> {
    matches!(rest.first(), Some(b'a'..=b'z' | b'*')).then_some(())?;
    Some(take(rest, |byte| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-.*".contains(&byte)
    }))
}

fn parameters(rest: &mut &[u8]) -> Option<()> {
    while let [b';', after @ ..] = *rest {
        *rest = skip(after, |byte| byte == b' ');
        key(rest)?;
        if let [b'=', after @ ..] = *rest {
            *rest = after;
            item(rest)?;
        }
    }
    Some(())
}

fn inner_list(rest: &mut &[u8]) -> Option<()> {
    loop {
        *rest = skip(rest, |byte| byte == b' ');
        if let [b')', after @ ..] = *rest {
            *rest = after;
            return Some(());
        }
        item(rest)?;
        parameters(rest)?;
        if !matches!(rest.first(), Some(b' ' | b')')) {
            return None;
        }
    }
}

fn item(rest: &mut &[u8]) -> Option<Item> {
    match *rest {
        [b'?', bit @ (b'0' | b'1'), after @ ..] => {
            let bit = *bit == b'1';
            *rest = after;
            Some(Item::Boolean(bit))
        }
        [b'-' | b'0'..=b'9', ..] => number(rest),
        [b'@', after @ ..] => {
            *rest = after;
            match number(rest)? {
                Item::Integer(_) => Some(Item::Other),
                _ => None,
            }
        }
        [b'"', after @ ..] => {
            *rest = after;
            string(rest, 0x7e)?;
            Some(Item::Other)
        }
        [b'%', b'"', after @ ..] => {
            *rest = after;
            take(rest, |byte| matches!(byte, b' '..=b'~') && byte != b'"');
            after_byte(rest, b'"')
        }
        [b':', after @ ..] => {
            *rest = after;
            take(rest, |byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte));
            after_byte(rest, b':')
        }
        [b'A'..=b'Z' | b'a'..=b'z' | b'*', ..] => {
            take(rest, |byte| crate::semantics::class::is_token(byte) || b":/".contains(&byte));
            Some(Item::Other)
        }
        _ => None,
    }
}

fn after_byte(rest: &mut &[u8], byte: u8) -> Option<Item> {
    let (&first, after) = rest.split_first()?;
    *rest = after;
    (first == byte).then_some(Item::Other)
}

/// An integer of at most 15 digits or a decimal of 12 and 3 (RFC 9651 §4.2.4). An integer that
/// is no urgency is 255.
fn number(rest: &mut &[u8]) -> Option<Item> {
    let is_negative = rest.first() == Some(&b'-');
    *rest = &rest[usize::from(is_negative)..];
    let digits = take(rest, |byte| byte.is_ascii_digit());
    if let [b'.', after @ ..] = *rest {
        *rest = after;
        let fraction = take(rest, |byte| byte.is_ascii_digit());
        let fits = (1..=12).contains(&digits.len()) && (1..=3).contains(&fraction.len());
        return fits.then_some(Item::Other);
    }
    if !(1..=15).contains(&digits.len()) {
        return None;
    }
    let value = digits.iter().fold(0u64, |n, digit| n * 10 + u64::from(digit - b'0'));
    Some(Item::Integer(match u8::try_from(value) {
        Ok(value) if !is_negative || value == 0 => value,
        _ => u8::MAX,
    }))
}

/// The rest of a string whose opening quote has been taken.
fn string(rest: &mut &[u8], last: u8) -> Option<()> {
    loop {
        match *rest {
            [b'\\', b'"' | b'\\', after @ ..] => *rest = after,
            [b'"', after @ ..] => {
                *rest = after;
                return Some(());
            }
            [b'\\', ..] => return None,
            [byte, after @ ..] if (b' '..=last).contains(byte) => *rest = after,
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dictionary_of_rfc_9218_is_read() {
        let rows: &[(&str, u8, bool)] = &[
            ("", 3, false),
            ("u=0", 0, false),
            ("u=7", 7, false),
            ("i", 3, true),
            ("i=?1", 3, true),
            ("i=?0", 3, false),
            ("u=5, i", 5, true),
            ("u=5,i", 5, true),
            ("i \t,\t u=1", 1, true),
            ("  u=2  ", 2, false),
            // Parameters and other members are ignored.
            (
                "u=1;q=0.5;s=\"a;\\\"b\";t;*=:YQ==:, i;x=?0, foo=(a \"b\" 1.5;z);p, bar=@123",
                1,
                true,
            ),
            ("u=1, x=%\"caf%c3%a9\"", 1, false),
            ("u=1, x=*to:k/en", 1, false),
            ("u=1, x=(), i", 1, true),
            // The last one counts.
            ("u=1, u=6", 6, false),
            ("i, i=?0", 3, false),
            ("u=1, u=token", 3, false),
            // Out of range or of another type: that one is ignored.
            ("u=8, i", 3, true),
            ("u=-1, i", 3, true),
            ("u=-0", 0, false),
            ("u=1.0, i", 3, true),
            ("u=?1", 3, false),
            ("u, i", 3, true),
            ("u=(1), i", 3, true),
            ("u=999999999999999, i", 3, true),
            ("u=256", 3, false),
            ("u=1, i=1", 1, false),
            ("u=1, i=a", 1, false),
            // Malformed: all of it is ignored.
            ("u=1,", 3, false),
            ("u=1, , i", 3, false),
            ("u=1 i", 3, false),
            ("u=1; i, =", 3, false),
            ("U=1", 3, false),
            ("u=", 3, false),
            ("u =1", 3, false),
            ("u= 1", 3, false),
            ("u=1, x=\"a", 3, false),
            ("u=1, x=\"a\\n\"", 3, false),
            ("u=1, x=(a", 3, false),
            ("u=1, x=(a\"b\")", 3, false),
            ("u=1, x=?2", 3, false),
            ("u=1, x=:a b:", 3, false),
            ("u=1, x=1.", 3, false),
            ("u=1, x=@1.5", 3, false),
            ("u=1, x=1.2345", 3, false),
            ("u=1234567890123456, i", 3, false),
            ("u=1, \u{e4}", 3, false),
            ("u=1;=", 3, false),
            ("=", 3, false),
            ("\t u=1", 3, false),
        ];
        for &(value, urgency, incremental) in rows {
            let expect = Priority { urgency, incremental };
            assert_eq!(Priority::parse(value.as_bytes()), expect, "{value:?}");
        }
    }
}
