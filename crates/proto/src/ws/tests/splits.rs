//! Conversations whose bytes arrive in three pieces, cut at every two places.

use super::*;

/// What both sides of a connection send, in this order.
struct Conversation {
    bytes: Vec<u8>,
    role: Role,
    deflate: bool,
}

impl Conversation {
    fn story(&self, cuts: [usize; 2]) -> Story {
        let inflater = self.deflate.then(Inflater::shared);
        let mut receiver = Receiver::new(self.role, inflater, Limits::default());
        receiver.receive(&self.bytes[..cuts[0]]);
        receiver.receive(&self.bytes[cuts[0]..cuts[1]]);
        receiver.receive(&self.bytes[cuts[1]..]);
        receiver.story
    }
}

fn conversations() -> Vec<Conversation> {
    let long = "λόγος ".repeat(12);
    let mut compressed = Vec::new();
    assert!(Deflater::shared(6, 15).message(long.as_bytes(), &mut compressed));
    let server = [
        masked(0x81, b""),
        masked(0x01, "κ\u{1f79}".as_bytes()),
        masked(0x89, b"?"),
        masked(0x80, "σμε".as_bytes()),
        masked(0x82, long.as_bytes()),
        masked(0x88, b"\x03\xe8bye"),
        masked(0x81, b"too late"),
    ];
    let packed = [
        masked(0x41, &compressed[..7]),
        masked(0x8a, b"!"),
        masked(0x00, b""),
        masked(0x80, &compressed[7..]),
        masked(0xc2, &compressed),
        masked(0x81, b"plain"),
    ];
    let mut client = Vec::new();
    Frame::TEXT.unfinished().write(&mut client, b"a");
    Frame::PING.write(&mut client, &[7; 125]);
    Frame::CONTINUATION.write(&mut client, long.as_bytes());
    close(&mut client, None, "");
    let broken =
        [masked(0x01, b"ab\xe1"), masked(0x8a, b""), masked(0x80, b"\xbd\xb9\xed\xa0\x80")];
    let faulty = [masked(0x82, b"fine"), masked(0x02, b"half"), masked(0x82, b"inside another")];
    let server_hears =
        |bytes: Vec<u8>, deflate| Conversation { bytes, role: Role::Server, deflate };
    vec![
        server_hears(server.concat(), false),
        server_hears(packed.concat(), true),
        Conversation { bytes: client, role: Role::Client, deflate: false },
        server_hears(broken.concat(), false),
        server_hears(faulty.concat(), false),
    ]
}

#[test]
fn a_conversation_means_the_same_wherever_it_is_cut() {
    let lengths_and_errors: Vec<_> = conversations()
        .iter()
        .map(|conversation| {
            let len = conversation.bytes.len();
            let whole = conversation.story([len, len]);
            for a in 0..=len {
                for b in a..=len {
                    let Story { told, error, .. } = conversation.story([a, b]);
                    assert_eq!((told, error), (whole.told.clone(), whole.error), "{a}, {b}");
                }
            }
            (whole.told.len(), whole.error)
        })
        .collect();
    let expect = [
        (5, None),
        (4, None),
        (3, None),
        (1, Some(ReceiveError::TextInvalid)),
        (1, Some(ReceiveError::ContinuationMissing)),
    ];
    assert_eq!(lengths_and_errors, expect);
}
