//! The application that is simulated.

use super::request::{INLINE, pattern, pattern_file};
use crate::dispatch::app::App;
use crate::dispatch::app::Target;
use crate::exchange::body::{FileRange, Part};
use crate::exchange::inline::Inline;
use crate::exchange::request::Request;
use crate::exchange::response::Response;

/// `version` tells it from earlier applications, `generation` from those with other lanes.
pub(super) fn app(version: u32, generation: u32) -> App {
    let mut app = App::new();
    let mut add = |method, path: &str, target| {
        app.route(method, path, target).expect("the routes are sound");
    };
    let tagged = move |request: &Request, response: &mut Response| {
        let id = request.get("x-id").expect("every request has a number");
        response.field("X-Id", id).unwrap();
        response.field("X-Version", version.to_string()).unwrap();
        response.field("Content-Type", "text/plain").unwrap();
    };
    let number = |request: &Request, name| -> usize {
        request.param(name).expect("the route has it").parse().expect("a number")
    };
    let echo = move |request: &Request, response: &mut Response| {
        tagged(request, response);
        response.body(request.body());
        if request.get("transfer-encoding").is_some() {
            response.chunked();
        }
    };
    let sized = move |request: &Request, response: &mut Response| {
        tagged(request, response);
        set_body(response, id(request), number(request, "bytes"));
        if number(request, "chunked") == 1 {
            response.chunked();
        }
    };
    let empty = move |request: &Request, response: &mut Response| {
        tagged(request, response);
        response.status(number(request, "status") as u16).unwrap();
        // Must not be sent.
        response.body("nothing");
    };
    add(None, "/echo/:id", Target::worker(echo));
    add(None, "/size/:bytes/:chunked", Target::worker(sized));
    add(None, "/empty/:status", Target::worker(empty));
    add(None, "/lane/:id", Target::Lane(generation));
    for (index, size) in INLINE.into_iter().enumerate() {
        let inline =
            Inline::new(200, &[("Content-Type", b"text/plain")], pattern(index as u32, size))
                .unwrap();
        add(None, &format!("/inline/{index}"), Target::Inline(inline));
    }
    let inline = Inline::new(200, &[], version.to_string()).unwrap();
    add(Some("GET"), "/version", Target::Inline(inline));
    app
}

/// The body that a request of this number is answered with: a copy, shared bytes, or a part
/// of a file.
fn set_body(response: &mut Response, id: u32, bytes: usize) {
    let body = pattern(id, bytes);
    // Several parts of files count for much, and then few requests are taken at once.
    match if id % 61 == 5 { 3 } else { id % 3 } {
        0 => response.body(body),
        1 => response.body_shared(body.into()),
        3 => {
            let (file, from) = pattern_file(id);
            let (first, second) = (bytes / 3, bytes / 2);
            let part = |from_at: usize, to: usize| {
                let range = from + from_at as u64..from + to as u64;
                Part::File(FileRange::new(file.clone(), range))
            };
            let between = Part::Bytes(body[first..second].to_vec());
            response.body_parts(vec![part(0, first), between, part(second, bytes)]);
        }
        _ => {
            let (file, from) = pattern_file(id);
            response.body_file(file, from..from + bytes as u64);
        }
    }
}

/// The number that the client gave the request.
pub(super) fn id(request: &Request) -> u32 {
    let id = request.get("x-id").expect("every request has a number");
    std::str::from_utf8(id).unwrap().parse().unwrap()
}
