use super::super::Setting;
use super::super::frame::{self, DEFAULT_MAX, HEADER, flag, kind};
use super::*;

/// `:status: 200`, from the static table.
const OK: &[u8] = b"\x88";
/// `:status: 103`, and `x: y`.
const INTERIM: &[u8] = b"\x08\x03103\0\x01x\x01y";
const FIELD: &[u8] = b"\0\x01x\x01y";

/// What a client that has begun the streams 1 and 3 makes of `bytes` behind SETTINGS.
fn read(bytes: &[u8], step: usize) -> (Vec<Event>, Vec<String>, Option<ConnectionError>) {
    let mut all = Vec::new();
    frame::settings(&mut all, &[(Setting::MAX_CONCURRENT_STREAMS, 7)]);
    all.extend_from_slice(bytes);
    let mut decoder = Decoder::new();
    decoder.opened(1);
    decoder.opened(3);
    let (mut events, mut fields, mut buf) = (Vec::new(), Vec::new(), Vec::new());
    for segment in all.chunks(step) {
        buf.extend_from_slice(segment);
        loop {
            let decoded = decoder.decode(&buf, &mut |name, value| {
                fields.push(format!("{}: {}", name.escape_ascii(), value.escape_ascii()));
            });
            match decoded {
                Ok((used, event)) => {
                    buf.drain(..used);
                    if event == Event::Incomplete {
                        break;
                    }
                    events.push(event);
                }
                Err(error) => return (events, fields, Some(error)),
            }
        }
    }
    (events, fields, None)
}

fn headers(out: &mut Vec<u8>, stream: u32, block: &[u8], end_stream: bool) {
    frame::headers(out, stream, block, end_stream, DEFAULT_MAX);
}

#[test]
fn a_response_is_told_in_its_parts() {
    let mut bytes = Vec::new();
    headers(&mut bytes, 1, INTERIM, false);
    headers(&mut bytes, 1, OK, false);
    frame::data_head(&mut bytes, 1, 2, false);
    bytes.extend_from_slice(b"hi");
    headers(&mut bytes, 3, OK, true);
    frame::headers(&mut bytes, 1, FIELD, true, 2);
    frame::settings_ack(&mut bytes);
    frame::window_update(&mut bytes, 1, 9);
    frame::goaway(&mut bytes, 3, ErrorCode::NO_ERROR, b"");
    let (events, fields, error) = read(&bytes, usize::MAX);
    assert_eq!(error, None);
    let settings = SettingsFrame { max_concurrent_streams: Some(7), ..SettingsFrame::default() };
    let start = HEADER;
    let expect = [
        Event::Settings(settings),
        Event::Interim { stream: 1, status: 103 },
        Event::Response { stream: 1, status: 200, end_stream: false },
        Event::Data { stream: 1, start, end: start + 2, flow: 2, end_stream: false },
        Event::Response { stream: 3, status: 200, end_stream: true },
        Event::Trailers { stream: 1 },
        Event::SettingsAck,
        Event::WindowUpdate { stream: 1, increment: 9 },
        Event::GoAway { last: 3, code: ErrorCode::NO_ERROR },
    ];
    assert_eq!(events, expect);
    assert_eq!(fields, [":status: 103", "x: y", ":status: 200", ":status: 200", "x: y"]);
    assert_eq!(read(&bytes, 1).1, fields);
}

#[test]
fn what_no_server_may_send_is_refused() {
    let frame = |kind, flags, stream, payload: &[u8]| {
        let mut out = Vec::new();
        frame::header(&mut out, payload.len(), kind, flags, stream);
        out.extend_from_slice(payload);
        out
    };
    let block = |block: &[u8], end_stream: bool| {
        frame(kind::HEADERS, flag::END_HEADERS | u8::from(end_stream), 1, block)
    };
    let rows = [
        frame(kind::PUSH_PROMISE, flag::END_HEADERS, 1, &[b"\0\0\0\x02", OK].concat()),
        frame(kind::HEADERS, flag::END_HEADERS, 2, OK),
        frame(kind::HEADERS, flag::END_HEADERS, 5, OK),
        frame(kind::DATA, 0, 5, b""),
        frame(kind::RST_STREAM, 0, 5, &[0; 4]),
        frame(kind::PRIORITY_UPDATE, 0, 0, &[0, 0, 0, 1]),
        block(b"", false),
        block(FIELD, false),
        block(INTERIM, true),
        block(b"\x88\x88", true),
        block(b"\0\x01x\x01y\x88", true),
        block(b"\x82", true),
        block(b"\x08\x0220", true),
        block(b"\x08\x03abc", true),
        block(b"\x88\0\x01X\x01y", true),
        block(b"\x88\0\x01x\x02\n1", true),
        block(b"\x88\0\x01x\x02 1", true),
        block(b"\x88\0\0\x01y", true),
        block(b"\x88\0\x0aconnection\x01x", true),
        block(b"\x88\0\x11transfer-encoding\x01x", true),
    ];
    for bytes in rows {
        let (_, _, error) = read(&bytes, usize::MAX);
        assert_eq!(error.map(|error| error.code), Some(ErrorCode::PROTOCOL_ERROR), "{bytes:?}");
    }
    let mut decoder = Decoder::new();
    let mut ping = Vec::new();
    frame::ping(&mut ping, [0; 8]);
    assert!(decoder.decode(&ping, &mut |_, _| {}).is_err());
}
