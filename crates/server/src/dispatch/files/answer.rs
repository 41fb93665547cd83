//! From a file that was found to the response: which coding, which part, or none of it.

use std::borrow::Cow;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use reactor_proto::semantics::{date, reason};
use reactor_proto::{Coding, CodingSet, Ranges, Validators, Verdict, Wishes};

use crate::dispatch::files::lookup::Lookup;
use crate::dispatch::files::mode::Mode;
use crate::dispatch::files::multipart;
use crate::dispatch::files::packed::{Pack, Packed};
use crate::dispatch::files::resource::{Resource, Variant};
use crate::exchange::body::Body;
use crate::exchange::response::Response;
use crate::observe::notice;

/// A file that is smaller is sent together with its head. In bytes.
const SMALL: u64 = 16 * 1024;

/// The bytes of files up to this size are kept in memory. In bytes.
const KEPT: u64 = 32 * 1024;

/// What of a request decides how a file is sent.
pub(crate) struct Asked<'a> {
    pub(crate) wishes: Wishes<'a>,
    /// The method is GET; else HEAD.
    pub(crate) is_get: bool,
    /// The query, for redirects.
    pub(crate) query: Option<&'a [u8]>,
    /// Whether the file was found just now. One that was found before may have changed.
    pub(crate) is_fresh: bool,
    /// The turn of the loop; see [`Variant::is_current_in`]. 0 for a worker.
    pub(crate) turn: u64,
    /// The clock of the loop, in milliseconds.
    pub(crate) now: u64,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Fault {
    /// It is to be made by somebody who may wait.
    Wait,
    /// The file has changed since it was found: to be looked up again.
    Changed,
    /// The file cannot be read.
    Failed(io::Error),
}

/// Answers with what a look-up has found.
pub(crate) fn answer(
    found: Lookup,
    asked: &Asked<'_>,
    packed: &Packed,
    mode: Mode,
    name: &[u8],
    response: &mut Response,
) -> Result<(), Fault> {
    match found {
        Lookup::Found(resource) => send(&resource, asked, packed, mode, response),
        Lookup::NotFound(Some(page)) => send_page(&page, asked, packed, mode, response),
        Lookup::NotFound(None) => {
            say(response, 404, "nothing is served under this path");
            Ok(())
        }
        Lookup::Redirect(mut location) => {
            if let Some(query) = asked.query {
                location.push(b'?');
                location.extend_from_slice(query);
            }
            say(response, 301, "this is served under another path");
            // A path in a request is visible ASCII.
            response.field_line("Location", &location);
            Ok(())
        }
        Lookup::Listing(page) => {
            response.lines(LISTING_LINES);
            response.body_vec(page);
            Ok(())
        }
        Lookup::WouldBlock => Err(Fault::Wait),
        Lookup::Failed(error) => {
            fail(response, name, &error);
            Ok(())
        }
    }
}

const LISTING_LINES: &[u8] = b"Content-Type: text/html; charset=utf-8\r\n\
    Cache-Control: no-cache\r\n\
    X-Content-Type-Options: nosniff\r\n\
    Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n";

/// Answers with one line of text, as the server's own answers do.
pub(crate) fn say(response: &mut Response, status: u16, words: &str) {
    response.clear();
    response.set_status(status);
    response.lines(b"Content-Type: text/plain\r\n");
    response.body(format!("{status} {}: {words}\n", reason(status)));
}

/// The file cannot be read.
pub(crate) fn fail(response: &mut Response, name: &[u8], error: &io::Error) {
    notice::file_failed(name, error);
    say(response, 500, "the file cannot be read");
}

/// How the bytes are sent.
enum Chosen<'r> {
    File(&'r Variant, Coding),
    /// Compressed for this and later answers.
    Packed(Arc<[u8]>, Coding),
}

/// Answers with a file: conditions, then ranges, then all of it (RFC 9110 §13.2.2 and §14.2).
fn send(
    resource: &Resource,
    asked: &Asked<'_>,
    packed: &Packed,
    mode: Mode,
    response: &mut Response,
) -> Result<(), Fault> {
    let Asked { wishes, is_get, .. } = asked;
    let original = identity(resource)?;
    let is_ranged = *is_get && wishes.is_ranged() && has_part(wishes, original);
    let Some(chosen) = choose(resource, original, wishes, is_ranged, packed, mode)? else {
        say(response, 406, "the file is in no coding that Accept-Encoding takes");
        response.lines(VARY);
        return Ok(());
    };
    let (source, coding) = match &chosen {
        Chosen::File(variant, coding) => (*variant, *coding),
        Chosen::Packed(_, coding) => (original, *coding),
    };
    check(source, asked)?;
    let tag = match &chosen {
        Chosen::File(variant, _) => variant.etag().map(Cow::Borrowed),
        Chosen::Packed(..) => original.etag_for(coding).map(|tag| Cow::Owned(tag.into_vec())),
    };
    if wishes.is_conditional() {
        let validators = validators_of(tag.as_deref(), source);
        match wishes.evaluate(true, &validators) {
            Verdict::Serve => {}
            Verdict::NotModified => {
                response.set_status(304);
                response.lines(resource.lines_without_type());
                write_validators(tag.as_deref(), source, resource.varies(), response);
                return Ok(());
            }
            Verdict::PreconditionFailed => {
                say(response, 412, "the file is not as a condition of the request wants it");
                if resource.varies() {
                    response.lines(VARY);
                }
                return Ok(());
            }
        }
        if is_ranged && send_part(resource, source, wishes, &validators, response) {
            return Ok(());
        }
    }
    match chosen {
        Chosen::File(variant, Coding::Identity) => {
            response.lines(resource.lines());
            response.lines(b"Accept-Ranges: bytes\r\n");
            response.lines(variant.lines());
            set_body(variant, asked, mode, response)
        }
        Chosen::File(variant, _) => {
            response.lines(resource.lines());
            response.lines(variant.lines());
            set_body(variant, asked, mode, response)
        }
        Chosen::Packed(bytes, coding) => {
            response.lines(resource.lines());
            write_validators(tag.as_deref(), source, true, response);
            write_coding(coding, response);
            response.body_shared(bytes);
            Ok(())
        }
    }
}

/// Whether a range of the file as it is answers the request. If not, the Range has no effect, not
/// even on the coding: it is not right, or the client does not take the file as it is.
fn has_part(wishes: &Wishes<'_>, original: &Variant) -> bool {
    let validators = validators_of(original.etag(), original);
    wishes.codings().accepts(Coding::Identity)
        && wishes.ranges(original.size(), &validators) != Ranges::Whole
}

fn validators_of<'a>(etag: Option<&'a [u8]>, source: &Variant) -> Validators<'a> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    Validators { etag, modified: source.modified(), now }
}

/// Answers 404 with a page of the folder. It is no representation of what was asked for, so there
/// are no conditions and no ranges.
fn send_page(
    page: &Resource,
    asked: &Asked<'_>,
    packed: &Packed,
    mode: Mode,
    response: &mut Response,
) -> Result<(), Fault> {
    let original = identity(page)?;
    let chosen = choose(page, original, &asked.wishes, false, packed, mode)?
        .unwrap_or(Chosen::File(original, Coding::Identity));
    response.set_status(404);
    response.lines(page.lines());
    if page.varies() {
        response.lines(VARY);
    }
    match chosen {
        Chosen::File(variant, coding) => {
            check(variant, asked)?;
            write_coding(coding, response);
            set_body(variant, asked, mode, response)
        }
        Chosen::Packed(bytes, coding) => {
            write_coding(coding, response);
            response.body_shared(bytes);
            Ok(())
        }
    }
}

/// Whether the file is as it was found.
fn check(variant: &Variant, asked: &Asked<'_>) -> Result<(), Fault> {
    if asked.is_fresh || variant.is_current_in(asked.turn).map_err(Fault::Failed)? {
        return Ok(());
    }
    Err(Fault::Changed)
}

fn identity(resource: &Resource) -> Result<&Variant, Fault> {
    let missing = || Fault::Failed(io::ErrorKind::NotFound.into());
    resource.variant(Coding::Identity).ok_or_else(missing)
}

/// Chooses the coding. None: the client accepts none.
fn choose<'r>(
    resource: &'r Resource,
    original: &'r Variant,
    wishes: &Wishes<'_>,
    is_ranged: bool,
    packed: &Packed,
    mode: Mode,
) -> Result<Option<Chosen<'r>>, Fault> {
    let identity = CodingSet::default().with(Coding::Identity);
    let codings = wishes.codings();
    let (mut available, mut makeable) = (identity, CodingSet::default());
    if resource.varies() && !is_ranged {
        available = resource.codings();
        // What was changed a moment ago may change again and look the same.
        if resource.is_compressible() && original.etag().is_some_and(|tag| tag.starts_with(b"\"")) {
            makeable = packed.codings();
        }
    }
    loop {
        let all = Coding::ALL.into_iter().filter(|&one| available.has(one) || makeable.has(one));
        let Some(coding) = codings.best(all.collect()) else { return Ok(None) };
        if let Some(variant) = resource.variant(coding).filter(|_| available.has(coding)) {
            return Ok(Some(Chosen::File(variant, coding)));
        }
        match packed.get(original, coding) {
            Pack::Ready(bytes) => return Ok(Some(Chosen::Packed(bytes, coding))),
            Pack::Missing if mode == Mode::Cached => return Err(Fault::Wait),
            Pack::Missing => match packed.make(original, coding).map_err(Fault::Failed)? {
                Some(bytes) => return Ok(Some(Chosen::Packed(bytes, coding))),
                None => makeable = CodingSet::default(),
            },
            // Another worker is at it, or it would be no smaller.
            Pack::Making | Pack::Useless => makeable = CodingSet::default(),
        }
    }
}

/// Answers with ranges of the file. False if all of it is to be sent.
fn send_part(
    resource: &Resource,
    original: &Variant,
    wishes: &Wishes<'_>,
    validators: &Validators<'_>,
    response: &mut Response,
) -> bool {
    let size = original.size();
    let ranges = match wishes.ranges(size, validators) {
        Ranges::Whole => return false,
        Ranges::Unsatisfiable => {
            say(response, 416, "no range begins within the file");
            response.field_line("Content-Range", format!("bytes */{size}").as_bytes());
            return true;
        }
        ranges => ranges,
    };
    response.set_status(206);
    match ranges {
        Ranges::One(range) => {
            response.lines(resource.lines());
            let bytes = format!("bytes {}-{}/{size}", range.start, range.end - 1);
            response.field_line("Content-Range", bytes.as_bytes());
            response.body_file(Arc::clone(original.file()), range);
        }
        Ranges::Many(list) => {
            let multipart = multipart::of(original.file(), size, resource.content_type(), &list);
            response.field_line("Content-Type", multipart.content_type.as_bytes());
            response.lines(resource.lines_without_type());
            response.body_parts(multipart.parts);
        }
        Ranges::Whole | Ranges::Unsatisfiable => {}
    }
    response.lines(b"Accept-Ranges: bytes\r\n");
    write_validators(validators.etag, original, resource.varies(), response);
    true
}

/// Sets the body to all of a file.
fn set_body(
    variant: &Variant,
    asked: &Asked<'_>,
    mode: Mode,
    response: &mut Response,
) -> Result<(), Fault> {
    let size = variant.size();
    if !asked.is_get || size > KEPT {
        let file = Arc::clone(variant.file());
        if asked.is_get && mode == Mode::Cached && variant.is_warm(asked.now) {
            response.body_warm_file(file, size);
        } else {
            response.body_file(file, 0..size);
        }
        return Ok(());
    }
    if let Some(content) = variant.content() {
        if size < SMALL {
            response.body(content);
        } else {
            response.body_shared(Arc::clone(content));
        }
        return Ok(());
    }
    let Body::Bytes(buf) = response.content_mut() else { return Ok(()) };
    // At most KEPT.
    #[allow(clippy::cast_possible_truncation)]
    buf.resize(size as usize, 0);
    let read = match mode {
        Mode::Cached => reactor_sys::read_cached(variant.file().as_fd(), buf, 0),
        Mode::Blocking => variant.file().read_exact_at(buf, 0).map(|()| buf.len()),
    };
    match read {
        Ok(read) if read == buf.len() => {
            // Of many files each is asked for once. A loop keeps what is asked for again, a worker
            // what loops may be unable to read.
            if !asked.is_fresh || mode == Mode::Blocking {
                variant.keep(buf);
            }
            Ok(())
        }
        Ok(_) => Err(Fault::Changed),
        Err(error) => Err(match error.kind() {
            io::ErrorKind::WouldBlock => Fault::Wait,
            io::ErrorKind::UnexpectedEof => Fault::Changed,
            _ => Fault::Failed(error),
        }),
    }
}

const VARY: &[u8] = b"Vary: Accept-Encoding\r\n";

fn write_validators(tag: Option<&[u8]>, source: &Variant, varies: bool, response: &mut Response) {
    if let Some(tag) = tag {
        response.lines(b"ETag: ");
        response.lines(tag);
        response.lines(b"\r\n");
    }
    if let Some(modified) = source.modified() {
        response.lines(b"Last-Modified: ");
        response.lines(&date::format(modified));
        response.lines(b"\r\n");
    }
    if varies {
        response.lines(VARY);
    }
}

fn write_coding(coding: Coding, response: &mut Response) {
    if coding != Coding::Identity {
        response.lines(b"Content-Encoding: ");
        response.lines(coding.name().as_bytes());
        response.lines(b"\r\n");
    }
}
