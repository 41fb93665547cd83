//! The lines of a head: request line and field lines, byte by byte.
//!
//! The verdict must depend on the bytes alone, not on how they were split into segments.
//! Two rules ensure that. A line is judged only when its LF has come, or when it exceeds a
//! limit, which more input cannot undo. And within a line the limit is checked before the
//! syntax, because without the LF only the limit can be checked.

use memchr::memchr;

use crate::semantics::{Field, Head, Limits, Method, RequestError, Span, Version, class, target};

/// How much of an incomplete head has been judged. So bytes that arrive one by one cost
/// about as much as the same bytes at once.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Progress {
    /// Start of the line that is not complete yet; 0 is the request line.
    line: u32,
    /// Up to here there is no LF past `line`.
    scanned: u32,
    /// Field lines before `line`.
    fields: u32,
}

impl Progress {
    /// Whether nothing of this head has been looked at.
    #[inline]
    pub(crate) fn is_fresh(self) -> bool {
        self.scanned == 0
    }
}

/// Parses the complete lines of the head at the start of `buf`. Returns the head's length
/// when the blank line has come. `head` then has everything but the meaning of its fields,
/// which `meaning` adds.
#[inline]
pub(crate) fn parse(
    buf: &[u8],
    progress: &mut Progress,
    head: &mut Head,
    limits: &Limits,
) -> Result<Option<usize>, RequestError> {
    if progress.is_fresh() {
        return lines(buf, progress, head, limits);
    }
    let fresh = buf.get(progress.scanned as usize..).unwrap_or_default();
    if memchr(b'\n', fresh).is_none() {
        overdue(buf, progress.line as usize, limits)?;
        progress.scanned = offset(buf.len());
        return Ok(None);
    }
    // The caller may have used `head` for other connections since, so the fields of earlier
    // lines are lost. A complete head is therefore read again from its start. Every line is
    // read twice at most.
    match lines(buf, progress, head, limits)? {
        None => Ok(None),
        Some(_) => lines(buf, &mut Progress::default(), head, limits),
    }
}

fn lines(
    buf: &[u8],
    progress: &mut Progress,
    head: &mut Head,
    limits: &Limits,
) -> Result<Option<usize>, RequestError> {
    head.fields.clear();
    let mut at = progress.line as usize;
    let mut count = progress.fields as usize;
    if at == 0 {
        match request_line(buf, head) {
            Ok(next) if next - 2 <= longest_request_line(limits) => at = next,
            other => {
                refuse(buf, 0, count, other.err(), limits)?;
                return Ok(unfinished(buf, 0, count, progress));
            }
        }
    }
    let longest = longest_head(limits);
    loop {
        if let Some(b"\r\n") = buf.get(at..at + 2) {
            let len = at + 2;
            return if len <= longest { Ok(Some(len)) } else { Err(RequestError::HeadTooLarge) };
        }
        match field_line(buf, at, count) {
            Ok((field, next)) if next <= longest && count < limits.fields => {
                head.fields.push(field);
                count += 1;
                at = next;
            }
            other => {
                refuse(buf, at, count, other.err(), limits)?;
                return Ok(unfinished(buf, at, count, progress));
            }
        }
    }
}

/// Remembers where the line that is not complete yet starts.
#[cold]
fn unfinished(buf: &[u8], line: usize, count: usize, progress: &mut Progress) -> Option<usize> {
    *progress = Progress { line: offset(line), scanned: offset(buf.len()), fields: offset(count) };
    None
}

/// Reads `METHOD SP target SP HTTP/d.d CRLF` and returns the offset past it.
#[inline]
fn request_line(buf: &[u8], head: &mut Head) -> Result<usize, RequestError> {
    let method_end = class::token_end(buf, 0);
    if method_end == 0 || buf.get(method_end) != Some(&b' ') {
        return Err(fault(buf, method_end, RequestError::MethodInvalid));
    }
    let start = method_end + 1;
    let end = target::end(buf, start);
    if start == end || buf.get(end) != Some(&b' ') {
        let other = match buf.get(end) {
            Some(b' ' | b'\t') => RequestError::RequestLineInvalid,
            _ => RequestError::TargetInvalid,
        };
        return Err(fault(buf, end, other));
    }
    head.version = match buf.get(end + 1..end + 11) {
        Some(b"HTTP/1.1\r\n") => Version::Http11,
        tail => version(tail, &buf[end + 1..])?,
    };
    head.method = Method::from_token(&buf[..method_end]);
    head.method_token = Span::new(0, method_end);
    head.target = Span::new(start, end);
    // After the version: the preface of HTTP/2 is `PRI *`, and its fault is the version.
    target::parse(buf, head)?;
    Ok(end + 11)
}

/// Any version other than the usual one. `rest` follows the target; `tail` is its first ten
/// bytes, if there are so many.
#[cold]
fn version(tail: Option<&[u8]>, rest: &[u8]) -> Result<Version, RequestError> {
    match tail {
        Some([b'H', b'T', b'T', b'P', b'/', major, b'.', minor, b'\r', b'\n'])
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            match (major, minor) {
                (b'1', b'0') => Ok(Version::Http10),
                (b'1', _) => Ok(Version::Http11),
                _ => Err(RequestError::VersionUnsupported),
            }
        }
        _ => {
            let stop = memchr::memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
            Err(match rest.get(stop..stop + 2) {
                Some(b"\r\n") => RequestError::VersionInvalid,
                _ => fault(rest, stop, RequestError::VersionInvalid),
            })
        }
    }
}

/// Reads `name ":" OWS value OWS CRLF` at `at`; `count` fields came before.
#[inline]
fn field_line(buf: &[u8], at: usize, count: usize) -> Result<(Field, usize), RequestError> {
    let name_end = class::token_end(buf, at);
    if name_end == at || buf.get(name_end) != Some(&b':') {
        return Err(name_fault(buf, at, name_end, count));
    }
    let mut start = name_end + 1;
    while let Some(&byte) = buf.get(start)
        && class::is_ows(byte)
    {
        start += 1;
    }
    let line_end = class::value_end(buf, start);
    if buf.get(line_end..line_end + 2) != Some(b"\r\n") {
        return Err(fault(buf, line_end, RequestError::FieldValueInvalid));
    }
    let mut end = line_end;
    while end > start && class::is_ows(buf[end - 1]) {
        end -= 1;
    }
    let field = Field { name: Span::new(at, name_end), value: Span::new(start, end) };
    Ok((field, line_end + 2))
}

#[cold]
fn name_fault(buf: &[u8], at: usize, name_end: usize, count: usize) -> RequestError {
    let other = match buf.get(name_end) {
        Some(b' ' | b'\t') if name_end == at && count == 0 => RequestError::LeadingWhitespace,
        Some(b' ' | b'\t') if name_end == at => RequestError::FieldFolded,
        Some(b' ' | b'\t') => {
            let mut next = name_end;
            while buf.get(next).copied().is_some_and(class::is_ows) {
                next += 1;
            }
            match buf.get(next) {
                Some(b':') => RequestError::FieldNameWhitespace,
                _ => RequestError::FieldNameInvalid,
            }
        }
        Some(b':') => RequestError::FieldNameEmpty,
        Some(b'\r') => RequestError::FieldColonMissing,
        _ => RequestError::FieldNameInvalid,
    };
    fault(buf, name_end, other)
}

/// The fault at `at`: a malformed line end, or else `other`. A CRLF where the line had to go
/// on is `other` as well; in a request line it means that a part is missing.
#[cold]
fn fault(buf: &[u8], at: usize, other: RequestError) -> RequestError {
    match (buf.get(at), buf.get(at + 1)) {
        (Some(b'\n'), _) => RequestError::BareLf,
        (Some(b'\r'), Some(b'\n')) => match other {
            RequestError::MethodInvalid | RequestError::TargetInvalid => {
                RequestError::RequestLineInvalid
            }
            other => other,
        },
        (Some(b'\r'), _) => RequestError::BareCr,
        _ => other,
    }
}

/// Refuses the line at `line` if it is complete or over a limit. Otherwise the parser only
/// met the end of the input so far.
#[cold]
fn refuse(
    buf: &[u8],
    line: usize,
    count: usize,
    fault: Option<RequestError>,
    limits: &Limits,
) -> Result<(), RequestError> {
    let Some(lf) = memchr(b'\n', &buf[line..]).map(|at| line + at) else {
        return overdue(buf, line, limits);
    };
    if line == 0 {
        let len = if lf > 0 && buf[lf - 1] == b'\r' { lf - 1 } else { lf };
        let longest = longest_request_line(limits);
        Err(match fault {
            Some(fault) if len <= longest => fault,
            _ => too_long(buf, longest),
        })
    } else if lf >= longest_head(limits) {
        Err(RequestError::HeadTooLarge)
    } else if count >= limits.fields {
        Err(RequestError::TooManyFields)
    } else {
        Err(fault.unwrap_or(RequestError::HeadTooLarge))
    }
}

/// Refuses the line at `line`, whose LF has not come, if it is over a limit already.
fn overdue(buf: &[u8], line: usize, limits: &Limits) -> Result<(), RequestError> {
    if line > 0 {
        return if buf.len() < longest_head(limits) {
            Ok(())
        } else {
            Err(RequestError::HeadTooLarge)
        };
    }
    let longest = longest_request_line(limits);
    // One byte over may be the CR of a line that just fits.
    let fits = match buf.get(longest) {
        None => true,
        Some(b'\r') => buf.len() == longest + 1,
        Some(_) => false,
    };
    if fits { Ok(()) } else { Err(too_long(buf, longest)) }
}

/// The fault of a request line over the limit. If its method has not ended, the method is
/// too long, for which RFC 9112 §3 has another status.
#[cold]
fn too_long(buf: &[u8], longest: usize) -> RequestError {
    match memchr(b' ', &buf[..=longest]) {
        Some(_) => RequestError::RequestLineTooLong,
        None => RequestError::MethodTooLong,
    }
}

fn longest_head(limits: &Limits) -> usize {
    limits.head.min(u32::MAX as usize)
}

/// A request line must also fit the head, with its own CRLF.
fn longest_request_line(limits: &Limits) -> usize {
    limits.request_line.min(longest_head(limits).saturating_sub(2))
}

/// Saturates only for a caller that ignores the decoder's errors: longer heads are refused
/// before.
fn offset(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
