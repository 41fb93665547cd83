//! What a peer may not send too much of.

use super::*;

const SMALL: Limits =
    Limits { message: 10, fragments: 4, empty_fragments: 2, controls: 3, ratio: 256 };

fn fault(frames: &[Vec<u8>]) -> Option<ReceiveError> {
    served(frames.iter().map(|frame| &frame[..]), SMALL).error
}

#[test]
fn a_message_has_a_largest_size() {
    assert_eq!(fault(&[masked(0x82, &[0; 10])]), None);
    assert_eq!(fault(&[masked(0x82, &[0; 11])]), Some(ReceiveError::MessageTooLarge));
    let parts = [masked(0x02, &[0; 6]), masked(0x00, &[0; 4]), masked(0x80, &[0; 1])];
    assert_eq!(fault(&parts), Some(ReceiveError::MessageTooLarge));
    assert_eq!(fault(&parts[..2]), None);
    // The next message counts from the start.
    assert_eq!(fault(&[masked(0x82, &[0; 10]), masked(0x82, &[0; 10])]), None);
}

#[test]
fn the_size_is_checked_before_the_payload_comes() {
    let frame = masked(0x82, &[0; 11]);
    assert_eq!(served([&frame[..2]], SMALL).error, Some(ReceiveError::MessageTooLarge));
}

#[test]
fn a_message_has_a_most_of_frames() {
    let mut frames = vec![masked(0x02, b"a")];
    frames.extend((0..3).map(|_| masked(0x00, b"b")));
    assert_eq!(fault(&frames), None);
    frames.push(masked(0x80, b"b"));
    assert_eq!(fault(&frames), Some(ReceiveError::TooManyFragments));
}

#[test]
fn a_message_has_a_most_of_empty_frames() {
    let frames = [masked(0x02, b""), masked(0x00, b""), masked(0x80, b"")];
    assert_eq!(fault(&frames[..2]), None);
    assert_eq!(fault(&frames), Some(ReceiveError::TooManyEmptyFragments));
    // Empty messages are no fragments.
    let whole: Vec<_> = (0..9).map(|_| masked(0x82, b"")).collect();
    assert_eq!(fault(&whole), None);
}

#[test]
fn a_message_has_a_most_of_control_frames_inside() {
    let mut frames = vec![masked(0x02, b"a")];
    frames.extend((0..3).map(|_| masked(0x89, b"")));
    assert_eq!(fault(&frames), None);
    frames.push(masked(0x8a, b""));
    assert_eq!(fault(&frames), Some(ReceiveError::TooManyControls));
    let between: Vec<_> = (0..9).map(|_| masked(0x89, b"")).collect();
    assert_eq!(fault(&between), None);
}

#[test]
fn no_limit_at_all_is_a_limit_too() {
    let limits = Limits { message: u64::MAX, ..Limits::default() };
    let frame =
        [&[0x02, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff][..], &KEY, &[0; 9]].concat();
    let story = served([&frame[..]], limits);
    assert_eq!((story.told.len(), story.error), (0, None));
}

#[test]
fn faults_have_the_close_codes_of_the_rfc() {
    use ReceiveError::*;
    let cases = [
        (ReservedBit, 1002),
        (MaskMissing, 1002),
        (LengthInvalid, 1002),
        (CloseCode, 1002),
        (CloseReason, 1007),
        (TextInvalid, 1007),
        (DeflateInvalid, 1007),
        (TooManyFragments, 1008),
        (TooManyControls, 1008),
        (MessageTooLarge, 1009),
        (DeflateRatio, 1009),
    ];
    for (error, code) in cases {
        assert_eq!(error.close_code(), code, "{error}");
        assert!(code::can_send(error.close_code()) && error.reason().len() <= 123);
    }
}
