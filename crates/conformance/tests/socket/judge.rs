//! Compares responses and what handlers saw with what a case expects.

use std::time::{SystemTime, UNIX_EPOCH};

use reactor_conformance::{App, Case, Expected, Response, Sight};

use crate::apps::Seen;
use crate::client::Talk;
use crate::date;

/// How old the Date of a response may be, in seconds. Servers render it once a second.
const STALE: u64 = 2;

/// What holds for every response on a connection that was opened at `since`.
pub(crate) fn common(response: &Response, since: SystemTime) -> Result<(), String> {
    if response.status < 200 {
        return Ok(());
    }
    let Some(text) = response.get("date") else {
        return Err(format!("not exactly one Date: {response:?}"));
    };
    let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).map_or(0, |age| age.as_secs());
    let (since, now) = (seconds(since), seconds(SystemTime::now()));
    match date::seconds(text) {
        Some(date) if (since - STALE..=now).contains(&date) => {}
        Some(date) => return Err(format!("Date is {date}, not {since} to {now}")),
        None => return Err(format!("Date is no date: {}", text.escape_ascii())),
    }
    if response.closes() && response.connection("keep-alive") {
        return Err("Connection says both close and keep-alive".into());
    }
    if response.status >= 400 {
        return explains(response);
    }
    Ok(())
}

/// An error must say in one line of text what is wrong; an answer to HEAD has no body.
fn explains(response: &Response) -> Result<(), String> {
    let is_text = response.get("content-type").is_some_and(|kind| kind.starts_with(b"text/plain"));
    if !is_text {
        return Err(format!("an error that is not text/plain: {response:?}"));
    }
    let text = std::str::from_utf8(&response.body).map_err(|_| "an error that is not UTF-8")?;
    let lines = text.trim_end().lines().count();
    if lines > 1 { Err(format!("an error of {lines} lines: {text:?}")) } else { Ok(()) }
}

/// What the case expects of its answer `index`. `earlier` are all responses up to this one.
pub(crate) fn answer(
    case: &Case,
    index: usize,
    response: &Response,
    earlier: &[Response],
) -> Result<(), String> {
    let due = &case.answers[index];
    for (name, value) in &due.with {
        match (response.get(name), value) {
            (None, _) => return Err(format!("{name} is missing: {response:?}")),
            (Some(got), Some(value)) if got != value => {
                return Err(format!("{name} is \"{}\"", got.escape_ascii()));
            }
            _ => {}
        }
    }
    for name in &due.without {
        if response.has(name) {
            return Err(format!("{name} should not be there: {response:?}"));
        }
    }
    if let Some(index) = due.fields_as {
        let fields = |response: &Response| -> Vec<(String, Vec<u8>)> {
            let others =
                response.fields.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("date"));
            others.cloned().collect()
        };
        let like = earlier.get(index).ok_or("the answer to compare with is missing")?;
        if fields(like) != fields(response) {
            return Err(format!("{:?} is not {:?}", response.fields, like.fields));
        }
    }
    let old = case.bytes.windows(9).any(|bytes| bytes == b" HTTP/1.0");
    if response.chunked && old {
        return Err("a chunked answer to an HTTP/1.0 client".into());
    }
    if response.until_close && !(old && case.app == App::Lanes) {
        return Err("a body that only the end of the connection ends".into());
    }
    if !due.to_head && response.status >= 400 && response.body.is_empty() {
        return Err("an error without a word".into());
    }
    let content = match (&due.content, &due.sight) {
        (Some(content), _) => Some(content.clone()),
        // The echo of the request shows that the answers are not mixed up.
        (None, Sight::Exactly(Expected { method, target, body, .. }))
            if case.app != App::Routes && !due.to_head && response.status == 200 =>
        {
            Some(Seen::echo(method, target, body))
        }
        _ => None,
    };
    match content {
        Some(content) if content != response.body => {
            Err(format!("the body is \"{}\"", response.body.escape_ascii()))
        }
        _ => Ok(()),
    }
}

/// What the handlers saw on the connection: each expected request once and nothing else.
pub(crate) fn handlers(case: &Case, talk: &Talk, mut seen: Vec<Seen>) -> Result<(), String> {
    let mut once = 0;
    let mut free = 0;
    for (answer, came) in case.answers.iter().zip(&talk.came) {
        match &answer.sight {
            _ if !came => {}
            Sight::Never => {}
            Sight::Once => once += 1,
            Sight::Free => free += 1,
            Sight::Exactly(expected) => take(&mut seen, expected)?,
        }
    }
    if talk.after_served {
        let after = Expected {
            method: b"GET".to_vec(),
            target: b"/after".to_vec(),
            host: Some(b"after".to_vec()),
            ..Expected::default()
        };
        take(&mut seen, &after)?;
    }
    if let Some(wrong) =
        seen.iter().find(|seen| seen.target == b"/canary" || seen.target == b"/after")
    {
        return Err(format!("a handler saw what must not be served: {wrong:?}"));
    }
    if (once..=once + free).contains(&seen.len()) {
        Ok(())
    } else {
        Err(format!("handlers saw {} requests too many or too few: {seen:?}", seen.len()))
    }
}

/// Takes a request that is as expected out of `seen`.
fn take(seen: &mut Vec<Seen>, expected: &Expected) -> Result<(), String> {
    match seen.iter().position(|seen| matches(seen, expected)) {
        Some(index) => {
            seen.swap_remove(index);
            Ok(())
        }
        None => Err(format!("no handler saw {expected:?}, but {seen:?}")),
    }
}

fn matches(seen: &Seen, expected: &Expected) -> bool {
    let values = |name: &str| -> Vec<&[u8]> {
        let named = |(field, _): &&(Vec<u8>, Vec<u8>)| field.eq_ignore_ascii_case(name.as_bytes());
        seen.fields.iter().filter(named).map(|(_, value)| value.as_slice()).collect()
    };
    seen.method == expected.method
        && seen.target == expected.target
        && seen.body == expected.body
        && expected.host.as_ref().is_none_or(|host| seen.host.as_ref() == Some(host))
        && expected.fields.iter().all(|(name, value)| values(name) == [value.as_slice()])
        && expected.lacks.iter().all(|name| values(name).is_empty())
}
