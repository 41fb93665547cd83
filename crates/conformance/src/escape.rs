//! The notation for bytes: printable ASCII, escapes and repetition.

/// Bytes, and the offsets of `{wait}` marks in them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Unescaped {
    pub(crate) bytes: Vec<u8>,
    pub(crate) waits: Vec<usize>,
}

/// Reads `\r \n \t \0 \s \\ \{ \} \xHH`, `{text*count}` and `{wait}`; anything else that
/// is printable ASCII stands for itself.
pub(crate) fn unescape(text: &str) -> Result<Unescaped, String> {
    let mut out = Unescaped::default();
    let rest = sequence(text.as_bytes(), &mut out, 0)?;
    if rest.is_empty() { Ok(out) } else { Err("`}` without `{`; write \\}".into()) }
}

/// Reads up to the end of the text, or to the brace or `*` that ends a repetition.
fn sequence<'t>(mut text: &'t [u8], out: &mut Unescaped, depth: u32) -> Result<&'t [u8], String> {
    while let Some((&first, rest)) = text.split_first() {
        text = match first {
            b'\\' => escape(rest, out)?,
            b'{' => match rest.strip_prefix(b"wait}") {
                Some(rest) if depth == 0 => {
                    out.waits.push(out.bytes.len());
                    rest
                }
                Some(_) => return Err("{wait} inside a repetition".into()),
                None => repetition(rest, out, depth)?,
            },
            b'}' => return Ok(text),
            // Inside braces the last `*` before the brace is the operator.
            b'*' if depth > 0 && is_count(rest) => return Ok(text),
            b' '..=b'~' => {
                out.bytes.push(first);
                rest
            }
            _ => return Err(format!("byte {first:#04x} must be written as an escape")),
        };
    }
    Ok(text)
}

fn escape<'t>(text: &'t [u8], out: &mut Unescaped) -> Result<&'t [u8], String> {
    let Some((&letter, rest)) = text.split_first() else {
        return Err("a lone backslash at the end".into());
    };
    let byte = match letter {
        b'r' => b'\r',
        b'n' => b'\n',
        b't' => b'\t',
        b'0' => 0,
        b's' => b' ',
        b'\\' | b'{' | b'}' => letter,
        b'x' => {
            let (digits, rest) = rest.split_at_checked(2).ok_or("\\x needs two digits")?;
            let digits = std::str::from_utf8(digits).map_err(|_| "\\x needs two digits")?;
            let byte = u8::from_str_radix(digits, 16).map_err(|_| "\\x needs two hex digits")?;
            out.bytes.push(byte);
            return Ok(rest);
        }
        _ => return Err(format!("unknown escape \\{}", char::from(letter))),
    };
    out.bytes.push(byte);
    Ok(rest)
}

fn repetition<'t>(text: &'t [u8], out: &mut Unescaped, depth: u32) -> Result<&'t [u8], String> {
    let mut unit = Unescaped::default();
    let rest = sequence(text, &mut unit, depth + 1)?;
    let rest = rest.strip_prefix(b"*").ok_or("a repetition is written {text*count}")?;
    let end = rest.iter().position(|byte| *byte == b'}').ok_or("`{` without `}`")?;
    let count: usize = std::str::from_utf8(&rest[..end])
        .ok()
        .and_then(|digits| digits.parse().ok())
        .ok_or("a repetition is written {text*count}")?;
    out.bytes.extend(unit.bytes.repeat(count));
    Ok(&rest[end + 1..])
}

/// Whether `text` starts with digits and a closing brace.
fn is_count(text: &[u8]) -> bool {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    digits > 0 && text.get(digits) == Some(&b'}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Vec<u8> {
        unescape(text).expect("well-formed").bytes
    }

    #[test]
    fn escapes_stand_for_bytes() {
        assert_eq!(bytes(r"a\r\n\t\0\s\\\{\}\x7f\xA0*"), b"a\r\n\t\0 \\{}\x7f\xa0*");
    }

    #[test]
    fn repetitions_nest() {
        assert_eq!(bytes("{ab*3}"), b"ababab");
        assert_eq!(bytes(r"{X: {v*2}\r\n*2}"), b"X: vv\r\nX: vv\r\n");
        assert_eq!(bytes("{**2}"), b"**");
    }

    #[test]
    fn waits_are_offsets() {
        assert_eq!(unescape("ab{wait}c").expect("well-formed").waits, [2]);
    }

    #[test]
    fn mistakes_are_named() {
        for wrong in ["\\", "\\q", "\\x1", "\\xzz", "{a}", "{a*x}", "a}", "{a*2", "\u{e4}", "a\tb"]
        {
            assert!(unescape(wrong).is_err(), "{wrong:?}");
        }
    }
}
