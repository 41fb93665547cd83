//! Any bytes as what a server answers, read by the load client's decoder: the same
//! outcome however they are cut, with a remembered head and without. The lowest bit of
//! the first byte says whether the requests were HEAD, the others choose the length of
//! the segments.

#![no_main]

use libfuzzer_sys::fuzz_target;
use reactor_proto::client::{Decoder, HeadCache, MAX_HEAD, ResponseError, ResponseHead};

/// What a connection brought: each response with its body, what there was of one more,
/// and the fault that ended it.
#[derive(Debug, Default, PartialEq)]
struct Story {
    responses: Vec<(ResponseHead, Vec<u8>)>,
    rest: Vec<u8>,
    error: Option<ResponseError>,
}

/// Reads the segments; `forgets` means that no head is ever known.
fn read<'b>(segments: impl IntoIterator<Item = &'b [u8]>, to_head: bool, forgets: bool) -> Story {
    let (mut decoder, mut cache) = (Decoder::default(), HeadCache::new(to_head));
    let mut story = Story::default();
    for segment in segments {
        let mut input = segment;
        while !input.is_empty() {
            if forgets {
                cache = HeadCache::new(to_head);
            }
            let step = match decoder.decode(input, &mut cache) {
                Ok(step) => step,
                Err(error) => {
                    story.error = Some(error);
                    return story;
                }
            };
            // Without progress a reader would spin.
            assert!(step.used > 0 && step.used <= input.len());
            assert!(step.body.start <= step.body.end && step.body.end <= step.used);
            story.rest.extend_from_slice(&input[step.body]);
            if let Some(head) = step.end {
                assert!((200..=999).contains(&head.status) && head.status != 101);
                assert!(!decoder.is_inside());
                assert!(!to_head || story.rest.is_empty());
                story.responses.push((head, std::mem::take(&mut story.rest)));
            }
            input = &input[step.used..];
        }
    }
    match decoder.finish() {
        Ok(None) => assert!(story.rest.is_empty()),
        Ok(Some(head)) => {
            // Only the end of the connection tells a part of it from the whole.
            assert!(!head.keep_alive);
            story.responses.push((head, std::mem::take(&mut story.rest)));
        }
        Err(error) => story.error = Some(error),
    }
    story
}

fuzz_target!(|data: &[u8]| {
    let [mode, bytes @ ..] = data else { return };
    let (to_head, size) = (mode & 1 == 1, usize::from(mode >> 1).max(1));
    let whole = read([bytes], to_head, false);
    let decoded: usize = whole.responses.iter().map(|(_, body)| body.len()).sum();
    assert!(decoded + whole.rest.len() <= bytes.len() && bytes.len() < MAX_HEAD);
    assert_eq!(read(bytes.chunks(size), to_head, false), whole);
    assert_eq!(read(bytes.chunks(size), to_head, true), whole);
    // A second connection that brings the same finds a head it knows.
    assert_eq!(read([bytes], to_head, true), whole);
});
