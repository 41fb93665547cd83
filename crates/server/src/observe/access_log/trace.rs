//! The place of a request in its trace (W3C Trace Context, level 2).
//!
//! Ids are made of a random key and the request's own id, so that the log's thread and JavaScript make
//! the same ones without telling each other. `ts/fetch/trace-ids.ts` and `trace-context.ts` have the
//! same rules.

use super::hex;
use super::record::RequestId;

/// Makes ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceKey {
    key: [u32; 8],
    /// A trace that begins here is sampled if its random number is below this one.
    below: u64,
}

/// What the log tells of a request's trace. Ids are hexadecimal.
pub(super) struct Trace<'a> {
    /// Unless it begins here.
    pub(super) caller: Option<Caller<'a>>,
    /// For the request, after those of a trace that begins with it.
    made: [u8; 48],
    sampled: bool,
}

/// Who began the trace.
pub(super) struct Caller<'a> {
    trace: &'a [u8],
    pub(super) parent: &'a [u8],
    flags: u8,
}

/// Flags of a `traceparent`.
const SAMPLED: u8 = 1;
const RANDOM: u8 = 2;

impl TraceKey {
    /// Of 32 random bytes. Of the traces that begin here `below` of 2^32 are sampled.
    pub fn new(bytes: &[u8], below: u64) -> Self {
        let mut key = [0; 8];
        for (word, bytes) in key.iter_mut().zip(bytes.chunks_exact(4)) {
            *word = u32::from_le_bytes(bytes.try_into().unwrap_or_default());
        }
        Self { key, below }
    }

    /// What a block is made of.
    fn state(&self, place: [u32; 4]) -> [u32; 16] {
        let mut state = [0; 16];
        state[..4].copy_from_slice(&CONSTANTS);
        state[4..12].copy_from_slice(&self.key);
        state[12..].copy_from_slice(&place);
        state
    }

    /// The trace of a request with this `traceparent`.
    pub(super) fn trace<'a>(&self, id: RequestId, field: Option<&'a [u8]>) -> Trace<'a> {
        let RequestId { io_thread, connection, request } = id;
        let block = chacha(self.state([0, io_thread, connection, request]), 4);
        let mut made = [0; 48];
        for (word, digits) in block.iter().zip(made.chunks_exact_mut(8)) {
            digits.copy_from_slice(&hex::digits(*word));
        }
        Trace { caller: field.and_then(caller), made, sampled: u64::from(block[6]) < self.below }
    }
}

impl Trace<'_> {
    pub(super) fn trace_id(&self) -> &[u8] {
        self.caller.as_ref().map_or(&self.made[..32], |caller| caller.trace)
    }

    pub(super) fn span_id(&self) -> &[u8] {
        &self.made[32..]
    }

    /// Two digits.
    pub(super) fn flags(&self) -> [u8; 2] {
        let own = if self.sampled { SAMPLED | RANDOM } else { RANDOM };
        [b'0', b'0' + self.caller.as_ref().map_or(own, |caller| caller.flags)]
    }
}

/// Reads a `traceparent`: two digits of the version, the ids of trace and parent, two digits of flags.
fn caller(field: &[u8]) -> Option<Caller<'_>> {
    let is_hex = |part: &[u8]| part.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_id = |part: &[u8]| is_hex(part) && part.iter().any(|byte| *byte != b'0');
    let (known, rest) = field.split_at_checked(55)?;
    let (version, trace, parent, flags) =
        (&known[..2], &known[3..35], &known[36..52], &known[53..]);
    let has_dashes = [2, 35, 52].into_iter().all(|at| known[at] == b'-');
    let is_well = has_dashes
        && is_hex(version)
        && version != b"ff"
        && is_id(trace)
        && is_id(parent)
        && is_hex(flags)
        // A later version may have more behind it. Two fields are joined by a comma.
        && (rest.is_empty() || (version != b"00" && rest[0] == b'-' && !rest.contains(&b',')));
    let digit = known[54];
    let low = if digit > b'9' { digit - b'a' + 10 } else { digit - b'0' };
    is_well.then_some(Caller { trace, parent, flags: low & (SAMPLED | RANDOM) })
}

/// RFC 8439 §2.3.
const CONSTANTS: [u32; 4] = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];

/// ChaCha's block function (RFC 8439 §2.3). Places are constants, so that all of it is inlined and the
/// words are in registers.
fn chacha(from: [u32; 16], double_rounds: u32) -> [u32; 16] {
    let mut words = from;
    for _ in 0..double_rounds {
        quarter(&mut words, 0, 4, 8, 12);
        quarter(&mut words, 1, 5, 9, 13);
        quarter(&mut words, 2, 6, 10, 14);
        quarter(&mut words, 3, 7, 11, 15);
        quarter(&mut words, 0, 5, 10, 15);
        quarter(&mut words, 1, 6, 11, 12);
        quarter(&mut words, 2, 7, 8, 13);
        quarter(&mut words, 3, 4, 9, 14);
    }
    for (word, before) in words.iter_mut().zip(from) {
        *word = word.wrapping_add(before);
    }
    words
}

#[inline(always)]
fn quarter(words: &mut [u32; 16], a: usize, b: usize, c: usize, d: usize) {
    words[a] = words[a].wrapping_add(words[b]);
    words[d] = (words[d] ^ words[a]).rotate_left(16);
    words[c] = words[c].wrapping_add(words[d]);
    words[b] = (words[b] ^ words[c]).rotate_left(12);
    words[a] = words[a].wrapping_add(words[b]);
    words[d] = (words[d] ^ words[a]).rotate_left(8);
    words[c] = words[c].wrapping_add(words[d]);
    words[b] = (words[b] ^ words[c]).rotate_left(7);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_block_function_is_that_of_the_standard() {
        let key: [u8; 32] = std::array::from_fn(|at| u8::try_from(at).unwrap());
        // RFC 8439 §2.3.2.
        let place = [1, 0x0900_0000, 0x4a00_0000, 0];
        let block = chacha(TraceKey::new(&key, 0).state(place), 10);
        assert_eq!(block[..4], [0xe4e7_f110, 0x1559_3bd1, 0x1fdd_0f50, 0xc471_20a3]);
        assert_eq!(block[12..], [0xd19c_12b5, 0xb94e_16de, 0xe883_d0cb, 0x4e3c_50a2]);
    }

    #[test]
    fn only_a_well_formed_field_continues_a_trace() {
        let key = TraceKey::new(&[7; 32], 1 << 32);
        let id = RequestId { io_thread: 1, connection: 2, request: 3 };
        let own = key.trace(id, None);
        assert!(own.caller.is_none());
        assert_eq!(own.flags(), *b"03");
        assert!(own.trace_id().iter().all(u8::is_ascii_hexdigit));
        assert_eq!((own.trace_id().len(), own.span_id().len()), (32, 16));

        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let goes_on = key.trace(id, Some(good.as_bytes()));
        assert_eq!(goes_on.trace_id(), b"4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(goes_on.span_id(), own.span_id());
        assert_eq!(goes_on.caller.as_ref().map(|it| it.parent), Some(&b"00f067aa0ba902b7"[..]));
        assert_eq!(goes_on.flags(), *b"01");

        let later = good.replace("00-4b", "cc-4b");
        for text in [later.clone(), later.clone() + "-more", good.replace("-01", "-fd")] {
            assert!(key.trace(id, Some(text.as_bytes())).caller.is_some(), "{text}");
        }
        for text in [
            String::new(),
            good[1..].to_owned(),
            good.to_uppercase(),
            good.replace("00-4b", "ff-4b"),
            good.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            good.replace("00f067aa0ba902b7", &"0".repeat(16)),
            good.replace("-01", "-0g"),
            good.replace("-01", "_01"),
            format!("{good}-more"),
            format!("{later}.more"),
            format!("{later}-more, {later}"),
            format!("{good}, {good}"),
        ] {
            assert!(key.trace(id, Some(text.as_bytes())).caller.is_none(), "{text}");
        }
    }
}
