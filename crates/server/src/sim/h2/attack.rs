//! What no client may do, and the code that the connection ends with.

use reactor_proto::h2::hpack::literal;
use reactor_proto::h2::{ErrorCode, Setting, frame};

use super::client::Client;
use crate::sim::rng::Rng;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attack {
    Continuations,
    Interleaved,
    LargeBlock,
    BadBlock,
    IdleData,
    IdleReset,
    EvenStream,
    LowerStream,
    StreamZero,
    Push,
    ConnectionOverflow,
    ZeroIncrement,
    BadSettings,
    BadPing,
    LargeFrame,
    EmptyData,
    RapidReset,
    Useless,
    WindowOverrun,
    /// Bytes of any kind. They may mean something.
    Noise,
    /// A part of a frame.
    Part,
    /// Streams that are wrong, each for itself.
    WrongStreams,
    /// More streams than the server allows.
    ManyStreams,
    /// Settings and pings whose answers it does not take.
    Owed,
}

const ALL: [Attack; 24] = [
    Attack::Continuations,
    Attack::Interleaved,
    Attack::LargeBlock,
    Attack::BadBlock,
    Attack::IdleData,
    Attack::IdleReset,
    Attack::EvenStream,
    Attack::LowerStream,
    Attack::StreamZero,
    Attack::Push,
    Attack::ConnectionOverflow,
    Attack::ZeroIncrement,
    Attack::BadSettings,
    Attack::BadPing,
    Attack::LargeFrame,
    Attack::EmptyData,
    Attack::RapidReset,
    Attack::Useless,
    Attack::WindowOverrun,
    Attack::Noise,
    Attack::Part,
    Attack::WrongStreams,
    Attack::ManyStreams,
    Attack::Owed,
];

impl Attack {
    pub(super) fn pick(rng: &mut Rng) -> Self {
        *rng.pick(&ALL)
    }

    /// Writes it. Returns the code that it must end with, if it must.
    pub(super) fn write(self, client: &mut Client) -> Option<ErrorCode> {
        use frame::{flag, kind};
        let id = client.next;
        let rng = &mut client.rng.clone();
        let mut wire = client.wire.borrow_mut();
        let out = &mut wire.input;
        let get = |id: u32, end: bool, out: &mut Vec<u8>| {
            frame::headers(out, id, &block("/inline"), end, 16_384);
        };
        let raw = |out: &mut Vec<u8>, kind, flags, stream, payload: &[u8]| {
            frame::header(out, payload.len(), kind, flags, stream);
            out.extend_from_slice(payload);
        };
        match self {
            Self::Continuations => {
                raw(out, kind::HEADERS, flag::END_STREAM, id, &block("/inline"));
                for _ in 0..100 {
                    raw(out, kind::CONTINUATION, 0, id, b"");
                }
                Some(ErrorCode::ENHANCE_YOUR_CALM)
            }
            Self::Interleaved => {
                raw(out, kind::HEADERS, flag::END_STREAM, id, &block("/inline"));
                frame::ping(out, [0; 8]);
                Some(ErrorCode::PROTOCOL_ERROR)
            }
            Self::LargeBlock => {
                let mut large = block("/inline");
                literal(&mut large, b"x-large", &vec![b'~'; 100_000]);
                frame::headers(out, id, &large, true, 16_384);
                Some(ErrorCode::ENHANCE_YOUR_CALM)
            }
            Self::BadBlock => {
                raw(out, kind::HEADERS, flag::END_HEADERS, id, b"\x82\xff\xff\xff\xff\xff\xff");
                Some(ErrorCode::COMPRESSION_ERROR)
            }
            Self::IdleData => {
                raw(out, kind::DATA, 0, id + 2, b"nothing");
                Some(ErrorCode::PROTOCOL_ERROR)
            }
            Self::IdleReset => {
                frame::rst_stream(out, id + 2, ErrorCode::CANCEL);
                Some(ErrorCode::PROTOCOL_ERROR)
            }
            Self::EvenStream => {
                get(id + 1, true, out);
                Some(ErrorCode::PROTOCOL_ERROR)
            }
            Self::LowerStream => {
                get(id + 4, true, out);
                get(id + 2, true, out);
                Some(ErrorCode::PROTOCOL_ERROR)
            }
            Self::StreamZero => {
                raw(out, kind::DATA, 0, 0, b"x");
                Some(ErrorCode::PROTOCOL_ERROR)
            }
            Self::Push => {
                raw(out, kind::PUSH_PROMISE, flag::END_HEADERS, 1, b"\0\0\0\x02");
                Some(ErrorCode::PROTOCOL_ERROR)
            }
            Self::ConnectionOverflow => {
                for _ in 0..2 {
                    frame::window_update(out, 0, i32::MAX as u32);
                }
                Some(ErrorCode::FLOW_CONTROL_ERROR)
            }
            Self::ZeroIncrement => {
                raw(out, kind::WINDOW_UPDATE, 0, 0, &[0; 4]);
                Some(ErrorCode::PROTOCOL_ERROR)
            }
            Self::BadSettings => {
                frame::settings(out, &[(Setting::INITIAL_WINDOW_SIZE, 1 << 31)]);
                Some(ErrorCode::FLOW_CONTROL_ERROR)
            }
            Self::BadPing => {
                raw(out, kind::PING, 0, 0, b"short");
                Some(ErrorCode::FRAME_SIZE_ERROR)
            }
            Self::LargeFrame => {
                raw(out, kind::DATA, 0, id, &vec![0; 16_385]);
                Some(ErrorCode::FRAME_SIZE_ERROR)
            }
            Self::EmptyData => {
                frame::headers(out, id, &block("/lane"), false, 16_384);
                for _ in 0..200 {
                    frame::data_head(out, id, 0, false);
                }
                Some(ErrorCode::ENHANCE_YOUR_CALM)
            }
            Self::RapidReset => {
                for n in 0..2_000 {
                    get(id + 2 * n, true, out);
                    frame::rst_stream(out, id + 2 * n, ErrorCode::CANCEL);
                }
                Some(ErrorCode::ENHANCE_YOUR_CALM)
            }
            Self::Useless => {
                for _ in 0..6_000 {
                    raw(out, kind::PRIORITY, 0, id, &[0; 5]);
                }
                Some(ErrorCode::ENHANCE_YOUR_CALM)
            }
            Self::WindowOverrun => {
                // A body that nobody takes is dropped, and its bytes may come again; but not so
                // many on one stream. Those of a stream that was reset count for nothing.
                frame::headers(out, id, &block("/lane"), false, 16_384);
                for _ in 0..30 {
                    raw(out, kind::DATA, 0, id, &[b'x'; 16_384]);
                }
                None
            }
            Self::Noise => {
                let n = rng.between(1, 3_000);
                out.extend((0..n).map(|_| rng.next() as u8));
                None
            }
            Self::Part => {
                let n = rng.between(1, 8);
                out.extend_from_slice(&[0; 8][..n]);
                None
            }
            Self::WrongStreams => {
                for n in 0..30 {
                    let id = id + 2 * n;
                    match rng.below(6) {
                        0 => raw(out, kind::HEADERS, 5, id, b"\x82\x84\x87"),
                        1 => {
                            let mut wrong = block("/inline");
                            literal(&mut wrong, b"connection", b"close");
                            frame::headers(out, id, &wrong, true, 16_384);
                        }
                        2 => {
                            get(id, true, out);
                            raw(out, kind::DATA, 0, id, b"too late");
                        }
                        3 => {
                            frame::headers(out, id, &block("/lane"), false, 16_384);
                            raw(out, kind::WINDOW_UPDATE, 0, id, &[0; 4]);
                        }
                        4 => {
                            get(id, true, out);
                            raw(out, kind::PRIORITY, 0, id, b"123");
                        }
                        _ => {
                            frame::headers(out, id, &block("/lane"), false, 16_384);
                            frame::window_update(out, id, i32::MAX as u32);
                        }
                    }
                }
                None
            }
            Self::ManyStreams => {
                for n in 0..150 {
                    frame::headers(out, id + 2 * n, &block("/lane"), false, 16_384);
                }
                None
            }
            Self::Owed => {
                for n in 0..700 {
                    frame::ping(out, [0; 8]);
                    if n % 2 == 0 {
                        frame::settings(out, &[]);
                    }
                }
                None
            }
        }
    }
}

/// The head of a request without a number.
fn block(path: &str) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in
        [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "sim")]
    {
        literal(&mut block, name.as_bytes(), value.as_bytes());
    }
    block
}
