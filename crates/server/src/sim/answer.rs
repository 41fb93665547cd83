//! A strict reader of what the server sends.

use super::request::BODY_LIMIT;
use std::io::Read as _;

use reactor_proto::Coding;

/// What a client reads of a body in this coding, and whether that is all.
fn decoded(coding: Coding, bytes: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    let end = match coding {
        Coding::Gzip => {
            let mut inflate = zlib_rs::Inflate::new(true, 15 + 16);
            body.resize(BODY_LIMIT + 5_000, 0);
            let status = inflate.decompress(bytes, &mut body, zlib_rs::InflateFlush::SyncFlush);
            body.truncate(inflate.total_out() as usize);
            matches!(status, Ok(zlib_rs::Status::StreamEnd))
        }
        _ => brotli_decompressor::Decompressor::new(bytes, 4096).read_to_end(&mut body).is_ok(),
    };
    (body, end)
}

/// One response, informational ones included.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) close: bool,
    pub(super) keep_alive: bool,
    pub(super) date: Option<String>,
    pub(super) id: Option<u32>,
    pub(super) version: Option<u32>,
    pub(super) chunked: bool,
    pub(super) length: Option<usize>,
    /// As it was before it was compressed.
    pub(super) body: Vec<u8>,
    pub(super) coding: Option<Coding>,
    /// The lines of its trailers.
    pub(super) trailers: String,
    varies: bool,
}

/// Whether more bytes may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Open,
    /// The server has ended its stream.
    Orderly,
    /// The connection was broken off.
    Broken,
}

/// How much of an answer there is.
pub(super) enum Parsed {
    /// Its head is not complete.
    Nothing,
    /// Its head. If no more bytes may come, also the part of its body that has come.
    Begun(Answer),
    /// All of it, and its length in bytes.
    Whole(Answer, usize),
}

impl Answer {
    /// The answer at the start of `input`. The end of the stream ends a body that nothing else
    /// frames.
    pub(super) fn parse(input: &[u8], head_only: bool, end: End) -> Result<Parsed, String> {
        let window = &input[..input.len().min(1_000)];
        let Some(head_len) = window.windows(4).position(|four| four == b"\r\n\r\n") else {
            return if window.len() < 1_000 {
                Ok(Parsed::Nothing)
            } else {
                Err("an endless head".into())
            };
        };
        let head = std::str::from_utf8(&input[..head_len]).map_err(|e| e.to_string())?;
        let mut answer = Self::default();
        let mut lines = head.split("\r\n");
        let status_line = lines.next().unwrap_or_default();
        let status = status_line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
        answer.status = status
            .and_then(|status| status.parse().ok())
            .ok_or_else(|| format!("no status line: {status_line:?}"))?;
        for line in lines {
            answer.field(line)?;
        }
        let start = head_len + 4;
        if answer.status == 103 {
            return Ok(Parsed::Whole(answer, start));
        }
        if answer.status == 100 {
            return if head.contains("\r\n") {
                Err(format!("fields in a 100: {head:?}"))
            } else {
                Ok(Parsed::Whole(answer, start))
            };
        }
        if answer.coding.is_some() && !answer.varies {
            return Err("caches are not told of the coding".into());
        }
        let used = answer.read_body(input, start, head_only, end)?;
        if let Some(coding) = answer.coding
            && !head_only
        {
            let (body, is_whole) = decoded(coding, &answer.body);
            if used.is_some() && !is_whole {
                return Err("the end of what is compressed is missing".into());
            }
            answer.body = body;
        }
        Ok(match used {
            Some(used) => Parsed::Whole(answer, used),
            None => Parsed::Begun(answer),
        })
    }

    fn field(&mut self, line: &str) -> Result<(), String> {
        let (name, value) = line.split_once(": ").ok_or_else(|| format!("no field: {line:?}"))?;
        let number = || value.parse().map_err(|_| format!("no number: {line:?}"));
        let new = match name {
            "Connection" => {
                let new = !self.close && !self.keep_alive;
                match value {
                    "close" => self.close = true,
                    "keep-alive" => self.keep_alive = true,
                    _ => return Err(format!("unknown option: {line:?}")),
                }
                new
            }
            "Date" => self.date.replace(value.to_owned()).is_none(),
            "X-Id" => self.id.replace(number()?).is_none(),
            "X-Version" => self.version.replace(number()?).is_none(),
            "Content-Length" => self.length.replace(number()? as usize).is_none(),
            "Transfer-Encoding" if value == "chunked" => {
                !std::mem::replace(&mut self.chunked, true)
            }
            "Content-Encoding" => {
                let coding = Coding::from_token(value.as_bytes());
                let coding = coding.ok_or_else(|| format!("no coding: {line:?}"))?;
                self.coding.replace(coding).is_none()
            }
            "Vary" if value == "Accept-Encoding" => !std::mem::replace(&mut self.varies, true),
            "Content-Type" | "Allow" | "Retry-After" => true,
            _ => return Err(format!("unknown field: {line:?}")),
        };
        if new { Ok(()) } else { Err(format!("a second {name}")) }
    }

    /// How long the answer is; None while it is incomplete.
    fn read_body(
        &mut self,
        input: &[u8],
        start: usize,
        head_only: bool,
        end: End,
    ) -> Result<Option<usize>, String> {
        if matches!(self.status, 204 | 304) {
            if self.length.is_some() || self.chunked {
                return Err(format!("a {} with the length of a body", self.status));
            }
            return Ok(Some(start));
        }
        if self.chunked && self.length.is_some() {
            return Err("a body is framed by a length or by chunks".into());
        }
        if self.is_until_close() && !self.close {
            return Err("a body without an end".into());
        }
        if head_only {
            return Ok(Some(start));
        }
        if self.chunked {
            return self.read_chunks(input, start);
        }
        let behind = self.length.map_or(input.len(), |length| start + length);
        let there = behind.min(input.len());
        let whole = if self.is_until_close() { end == End::Orderly } else { there == behind };
        if whole || end != End::Open {
            self.body = input[start..there].to_vec();
        }
        Ok(whole.then_some(behind))
    }

    /// Only the end of the connection ends it (RFC 9112 section 6.3, rule 8).
    pub(super) fn is_until_close(&self) -> bool {
        !self.chunked && self.length.is_none() && !matches!(self.status, 204 | 304)
    }

    fn read_chunks(&mut self, input: &[u8], start: usize) -> Result<Option<usize>, String> {
        let mut at = start;
        loop {
            let line = &input[at..input.len().min(at + 20)];
            let Some(digits) = line.windows(2).position(|two| two == b"\r\n") else {
                return if line.len() < 20 {
                    Ok(None)
                } else {
                    Err("an endless chunk line".into())
                };
            };
            let size = std::str::from_utf8(&line[..digits]).ok();
            let size = size.and_then(|digits| usize::from_str_radix(digits, 16).ok());
            let size = size.ok_or_else(|| format!("no chunk size: {line:?}"))?;
            let data = at + digits + 2;
            if size == 0 {
                return self.read_trailers(input, data);
            }
            let Some(chunk) = input.get(data..data + size + 2) else {
                let there = &input[data..input.len().min(data + size)];
                self.body.extend_from_slice(there);
                return Ok(None);
            };
            if !chunk.ends_with(b"\r\n") {
                return Err("a chunk is longer than it says".into());
            }
            self.body.extend_from_slice(&chunk[..size]);
            at = data + size + 2;
        }
    }

    /// The lines behind the last chunk, up to the blank one.
    fn read_trailers(&mut self, input: &[u8], start: usize) -> Result<Option<usize>, String> {
        let rest = &input[start..];
        if rest.starts_with(b"\r\n") {
            return Ok(Some(start + 2));
        }
        let Some(end) = rest.windows(4).position(|four| four == b"\r\n\r\n") else {
            let is_long = rest.len() > 100 || rest.len() > 1 && rest[0] == b'\r';
            return if is_long { Err("endless trailers".into()) } else { Ok(None) };
        };
        self.trailers = String::from_utf8_lossy(&rest[..end + 2]).into_owned();
        Ok(Some(start + end + 4))
    }
}
