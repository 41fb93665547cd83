//! The four forms of a request target (RFC 9112 §3.2).

use super::{Head, Method, RequestError, Span, authority, class};

/// Where the target at `start` ends: at the first byte that it may not hold.
#[inline]
pub(crate) fn end(buf: &[u8], start: usize) -> usize {
    let end = class::target_end(buf, start);
    if buf.get(end) == Some(&b'\\') { past_backslashes(buf, start, end) } else { end }
}

/// Where a target with a `\` at `end` ends. A query may hold `\`, and browsers send it
/// unencoded; a path may not.
#[cold]
fn past_backslashes(buf: &[u8], start: usize, mut end: usize) -> usize {
    if memchr::memchr(b'?', &buf[start..end]).is_some() {
        while buf.get(end) == Some(&b'\\') {
            end = class::target_end(buf, end + 1);
        }
    }
    end
}

/// Splits the target `head.target`, whose bytes are all allowed in a target, into path,
/// query and authority. `head.method` decides which forms are allowed.
#[inline]
pub(crate) fn parse(buf: &[u8], head: &mut Head) -> Result<(), RequestError> {
    let Span { start, end } = head.target;
    head.authority = None;
    head.secure = false;
    if head.method == Method::Connect {
        return connect(buf, head);
    }
    if buf[start as usize] == b'/' {
        split_query(buf, start as usize, end as usize, head);
        return Ok(());
    }
    other_forms(buf, head)
}

/// Authority-form. The port is not optional, because no scheme implies a default
/// (RFC 9110 §9.3.6).
#[cold]
fn connect(buf: &[u8], head: &mut Head) -> Result<(), RequestError> {
    match authority::parse(head.target.of(buf)) {
        Some(found) if found.has_port => {
            head.authority = Some(head.target);
            head.path = head.target;
            head.query = None;
            Ok(())
        }
        _ => Err(RequestError::TargetAuthorityInvalid),
    }
}

/// Absolute-form and asterisk-form.
#[cold]
fn other_forms(buf: &[u8], head: &mut Head) -> Result<(), RequestError> {
    let target = head.target.of(buf);
    if target == b"*" {
        if head.method != Method::Options {
            return Err(RequestError::TargetFormInvalid);
        }
        head.path = head.target;
        head.query = None;
        return Ok(());
    }
    let has_scheme = |scheme: &[u8]| {
        target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    // Whether the connection may ask for https cannot be told here; the caller decides.
    head.secure = has_scheme(b"https://");
    let scheme: &[u8] = if head.secure { b"https://" } else { b"http://" };
    if !has_scheme(scheme) {
        return Err(RequestError::TargetFormInvalid);
    }
    let rest = &target[scheme.len()..];
    let len = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    if authority::parse(&rest[..len]).is_none() {
        return Err(RequestError::TargetAuthorityInvalid);
    }
    let start = head.target.start as usize + scheme.len();
    head.authority = Some(Span::new(start, start + len));
    split_query(buf, start + len, head.target.end as usize, head);
    Ok(())
}

#[inline]
fn split_query(buf: &[u8], start: usize, end: usize, head: &mut Head) {
    if let Some(at) = memchr::memchr(b'?', &buf[start..end]) {
        head.path = Span::new(start, start + at);
        head.query = Some(Span::new(start + at + 1, end));
    } else {
        head.path = Span::new(start, end);
        head.query = None;
    }
}
