//! Hexadecimal digits. The formatter of `std` takes many times as long.

/// All eight digits of a number, the first one first.
pub(super) fn digits(number: u32) -> [u8; 8] {
    // Each nibble in a byte of its own, the highest in the highest.
    let mut bytes = u64::from(number);
    bytes = (bytes | bytes << 16) & 0x0000_ffff_0000_ffff;
    bytes = (bytes | bytes << 8) & 0x00ff_00ff_00ff_00ff;
    bytes = (bytes | bytes << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    // 1 in each byte that is ten or more.
    let letters = ((bytes + 0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101;
    let gap = u64::from(b'a' - b'0' - 10);
    (bytes + 0x3030_3030_3030_3030 + letters * gap).to_be_bytes()
}

/// Adds a number without leading zeros.
pub(super) fn short(number: u32, out: &mut Vec<u8>) {
    let zeros = (number.leading_zeros() / 4).min(7) as usize;
    out.extend_from_slice(&digits(number)[zeros..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_those_of_the_formatter() {
        for shift in 0..32 {
            for number in [0, 1, 9, 10, 15, 0x9abc_def0, u32::MAX].map(|n: u32| n >> shift) {
                assert_eq!(digits(number), *format!("{number:08x}").as_bytes());
                let mut out = Vec::new();
                short(number, &mut out);
                assert_eq!(out, format!("{number:x}").as_bytes());
            }
        }
    }
}
