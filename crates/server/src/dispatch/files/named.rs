//! A file that a handler answers with.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use reactor_proto::semantics::date;
use reactor_proto::{Coding, Ranges, Validators, Verdict, Wishes};

use crate::dispatch::files::answer::{fail, say};
use crate::dispatch::files::folder::Folder;
use crate::dispatch::files::mode::Mode;
use crate::dispatch::files::multipart;
use crate::dispatch::files::resource::{Resource, Variant};
use crate::exchange::body::NamedFile;
use crate::exchange::handler::Handler;
use crate::exchange::request::Request;
use crate::exchange::response::Response;

/// Opens the files of responses, on worker threads.
pub(crate) struct Opener;

impl Handler for Opener {
    fn handle(&self, request: &Request, response: &mut Response) {
        let done = open(request, response, Mode::Blocking);
        debug_assert!(done, "a worker may wait");
    }
}

/// Opens the file that is the response's body. False if that would have to wait, which a worker
/// may.
pub(crate) fn open(request: &Request, response: &mut Response, mode: Mode) -> bool {
    let Some(named) = response.take_named_file() else { return true };
    let error = match Folder::open_alone(&named.path, mode) {
        Ok(resource) => match resource.variant(Coding::Identity) {
            Some(file) => {
                send(&resource, file, &named, request, response);
                return true;
            }
            None => io::ErrorKind::NotFound.into(),
        },
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            response.body_named(named);
            return false;
        }
        Err(error) => error,
    };
    fail(response, &named.path, &error);
    true
}

fn send(
    resource: &Resource,
    file: &Variant,
    named: &NamedFile,
    request: &Request,
    response: &mut Response,
) {
    let size = file.size();
    let from = named.range.start.min(size);
    let range = from..named.range.end.clamp(from, size);
    let is_all = range == (0..size);
    if response.fields().get("content-type").is_none() {
        response.field_line("Content-Type", resource.content_type());
    }
    let is_own = response.status_code() == 200
        && is_all
        && response.fields().get("content-range").is_none()
        && response.fields().get("content-encoding").is_none();
    if !is_own {
        response.body_file(file.file().clone(), range);
        return;
    }
    if response.fields().get("etag").is_none()
        && let Some(tag) = file.etag()
    {
        response.field_line("ETag", tag);
    }
    if response.fields().get("last-modified").is_none()
        && let Some(modified) = file.modified()
    {
        response.field_line("Last-Modified", &date::format(modified));
    }
    if response.fields().get("accept-ranges").is_none() {
        response.field_line("Accept-Ranges", b"bytes");
    }
    let wishes = Wishes::of(request.fields());
    let is_get = request.method() == "GET";
    if wishes.is_conditional() && (is_get || request.method() == "HEAD") {
        answer_wishes(&wishes, is_get, resource, file, response);
    } else {
        response.body_file(file.file().clone(), range);
    }
}

/// Answers a request with conditions or ranges. The fields are there.
fn answer_wishes(
    wishes: &Wishes<'_>,
    is_get: bool,
    resource: &Resource,
    file: &Variant,
    response: &mut Response,
) {
    let size = file.size();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    let tag = response.fields().get("etag").map(<[u8]>::to_vec);
    let modified = response.fields().get("last-modified");
    let modified = modified.and_then(|value| date::parse(value, now));
    let validators = Validators { etag: tag.as_deref(), modified, now };
    match wishes.evaluate(true, &validators) {
        Verdict::Serve => {}
        Verdict::NotModified => {
            response.set_status(304);
            response.fields_mut().remove("content-type");
            return;
        }
        Verdict::PreconditionFailed => {
            return say(response, 412, "the file is not as a condition of the request wants it");
        }
    }
    let ranges = if is_get { wishes.ranges(size, &validators) } else { Ranges::Whole };
    match ranges {
        Ranges::Whole => response.body_file(file.file().clone(), 0..size),
        Ranges::Unsatisfiable => {
            say(response, 416, "no range begins within the file");
            response.field_line("Content-Range", format!("bytes */{size}").as_bytes());
        }
        Ranges::One(range) => {
            response.set_status(206);
            let place = format!("bytes {}-{}/{size}", range.start, range.end - 1);
            response.field_line("Content-Range", place.as_bytes());
            response.body_file(file.file().clone(), range);
        }
        Ranges::Many(list) => {
            let content_type = response.fields().get("content-type");
            let content_type = content_type.unwrap_or(resource.content_type()).to_vec();
            let multipart = multipart::of(file.file(), size, &content_type, &list);
            response.set_status(206);
            response.fields_mut().remove("content-type");
            response.field_line("Content-Type", multipart.content_type.as_bytes());
            response.body_parts(multipart.parts);
        }
    }
}
