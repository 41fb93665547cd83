//! Whether a label is Punycode (RFC 3492), as far as that can be told without Unicode's
//! tables.

/// Whether `label`, without its `xn--`, decodes to text that is not all ASCII. No URL may
/// have a domain with another label of that kind (UTS 46, §4).
#[cold]
pub(crate) fn is_sound(label: &[u8]) -> bool {
    let (basic, deltas) = match label.iter().rposition(|&byte| byte == b'-') {
        Some(at) => (at, &label[at + 1..]),
        None => (0, label),
    };
    decoded(basic, deltas).is_some_and(|count| count > 0)
}

/// How many characters `deltas` insert between the `basic` ones; `None` if malformed
/// (RFC 3492 §6.2).
fn decoded(basic: usize, deltas: &[u8]) -> Option<usize> {
    const BASE: u32 = 36;
    const LEAST: u32 = 1;
    const MOST: u32 = 26;
    let mut length = u32::try_from(basic).ok()?;
    let (mut code, mut index, mut bias, mut count) = (0x80u32, 0u32, 72u32, 0);
    let mut rest = deltas.iter();
    while !rest.as_slice().is_empty() {
        let before = index;
        let mut weight = 1u32;
        let mut at = BASE;
        loop {
            let digit = match *rest.next()? {
                byte @ b'a'..=b'z' => byte - b'a',
                byte @ b'A'..=b'Z' => byte - b'A',
                byte @ b'0'..=b'9' => byte - b'0' + 26,
                _ => return None,
            };
            let digit = u32::from(digit);
            index = index.checked_add(digit.checked_mul(weight)?)?;
            let threshold = at.saturating_sub(bias).clamp(LEAST, MOST);
            if digit < threshold {
                break;
            }
            weight = weight.checked_mul(BASE - threshold)?;
            at += BASE;
        }
        length += 1;
        bias = adapted(index - before, length, before == 0 && count == 0);
        code = code.checked_add(index / length)?;
        if !is_allowed(char::from_u32(code)?) {
            return None;
        }
        index = index % length + 1;
        count += 1;
    }
    Some(count)
}

/// Whether a domain may hold the character, as far as the standard library can tell. UTS 46
/// maps the excluded characters to others, or disallows them.
fn is_allowed(char: char) -> bool {
    let is_private = matches!(char, '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..);
    let is_special = matches!(char, '\u{2000}'..='\u{206f}' | '\u{fff0}'..='\u{ffff}');
    !(char.is_control() || char.is_whitespace() || char.is_uppercase() || is_private || is_special)
}

/// RFC 3492 §6.1.
fn adapted(delta: u32, length: u32, is_first: bool) -> u32 {
    let mut delta = if is_first { delta / 700 } else { delta / 2 };
    delta += delta / length;
    let mut bias = 0;
    while delta > 455 {
        delta /= 35;
        bias += 36;
    }
    bias + 36 * delta / (delta + 38)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_real_names() {
        for label in ["caf-dma", "CAF-DMA", "ls8h", "mnchen-3ya", "fiqs8s", "p1ai", "80ak6aa92e"] {
            assert!(is_sound(label.as_bytes()), "{label}");
        }
    }

    #[test]
    fn what_decodes_to_nothing_or_not_at_all() {
        for label in ["", "a", "abc-", "zzzz", "99999999", "a_b", "caf-dm\u{e9}"] {
            assert!(!is_sound(label.as_bytes()), "{label}");
        }
    }
}
