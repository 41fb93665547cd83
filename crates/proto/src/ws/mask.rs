//! Masking of payloads (RFC 6455 §5.3).

/// XORs `bytes` with `key`, and returns the key for the bytes that follow. Masking twice
/// restores the bytes.
///
/// Works on eight bytes at a time, which the compiler turns into vector instructions.
#[inline]
pub fn mask(key: [u8; 4], bytes: &mut [u8]) -> [u8; 4] {
    let key = u32::from_le_bytes(key);
    let wide = u64::from(key) << 32 | u64::from(key);
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_le_bytes(*word) ^ wide).to_le_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(wide.to_le_bytes()) {
        *byte ^= key;
    }
    key.rotate_right([0, 8, 16, 24][rest.len() % 4]).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_the_definition_however_the_bytes_are_cut() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        let plain: Vec<u8> = (0..100u8).collect();
        let expect: Vec<u8> = plain.iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]).collect();
        for len in 0..=plain.len() {
            for cut in 0..=len {
                let mut bytes = plain[..len].to_vec();
                let (head, tail) = bytes.split_at_mut(cut);
                let next = mask(key, head);
                mask(next, tail);
                assert_eq!(bytes, expect[..len], "{len} bytes cut at {cut}");
            }
        }
    }
}
