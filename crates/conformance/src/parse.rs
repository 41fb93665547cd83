//! The corpus format: one keyword per line. `corpus/README.md` describes it.

use crate::case::{After, Answer, App, Asks, Case, Decided, Expected, Layer, Sight};
use crate::escape::unescape;

/// Reads all cases of one file. An error is the line's number and what is wrong with it.
pub(crate) fn cases(file: &str, text: &str) -> Result<Vec<Case>, (usize, String)> {
    let mut cases = Vec::new();
    for block in blocks(text)? {
        if block.variants.is_empty() {
            cases.push(block.case(file, &block.name, None)?);
        }
        for (name, value) in &block.variants {
            let name = format!("{} {name}", block.name);
            cases.push(block.case(file, &name, Some(value))?);
        }
    }
    Ok(cases)
}

/// A `case` line and the lines under it, not yet read.
struct Block<'t> {
    line: usize,
    row: Option<u8>,
    name: String,
    variants: Vec<(&'t str, &'t str)>,
    lines: Vec<(usize, &'t str)>,
}

fn blocks(text: &str) -> Result<Vec<Block<'_>>, (usize, String)> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (keyword, rest) = word(line);
        if keyword == "case" {
            let (row, name) = word(rest);
            let row = match row {
                "-" => None,
                row => {
                    Some(row.parse().map_err(|_| (number, format!("row {row:?} is no number")))?)
                }
            };
            if name.is_empty() {
                return Err((number, "a case needs a name".into()));
            }
            let name = name.to_owned();
            blocks.push(Block { line: number, row, name, variants: Vec::new(), lines: Vec::new() });
            continue;
        }
        let Some(block) = blocks.last_mut() else {
            return Err((number, format!("`{keyword}` before the first case")));
        };
        if keyword == "vary" {
            let (name, value) = rest.split_once("  ").unwrap_or((rest, ""));
            if value.is_empty() && name.contains(' ') {
                return Err((number, "two spaces must part a name and its value".into()));
            }
            block.variants.push((name, value.trim_start()));
        } else {
            block.lines.push((number, line));
        }
    }
    Ok(blocks)
}

impl Block<'_> {
    /// The case, with `value` in the place of every `{}`.
    fn case(&self, file: &str, name: &str, value: Option<&str>) -> Result<Case, (usize, String)> {
        let mut case = Case {
            name: name.to_owned(),
            row: self.row,
            source: format!("{file}:{}", self.line),
            bytes: Vec::new(),
            waits: Vec::new(),
            eof: false,
            layer: Layer::Both,
            app: App::Any,
            limits: Vec::new(),
            by: None,
            lazy: false,
            answers: Vec::new(),
        };
        let mut used = false;
        for &(number, line) in &self.lines {
            let line = match value {
                Some(value) if line.contains("{}") => {
                    used = true;
                    line.replace("{}", value)
                }
                _ => line.to_owned(),
            };
            directive(&mut case, &line).map_err(|what| (number, what))?;
        }
        if value.is_some() && !used {
            return Err((self.line, "`vary` without a {} to fill".into()));
        }
        if case.bytes.is_empty() {
            return Err((self.line, "a case needs bytes".into()));
        }
        Ok(case)
    }
}

/// Applies one line to the case.
fn directive(case: &mut Case, line: &str) -> Result<(), String> {
    let (keyword, rest) = word(line);
    match keyword {
        "|" => {
            let text = unescape(line.strip_prefix("| ").unwrap_or_default())?;
            let base = case.bytes.len();
            case.waits.extend(text.waits.iter().map(|at| base + at));
            case.bytes.extend(text.bytes);
        }
        "eof" => case.eof = true,
        "lazy" => case.lazy = true,
        "by" => case.by = Some(number(rest)?),
        "limit" => {
            let (name, value) = word(rest);
            case.limits.push((name.to_owned(), number(value)?));
        }
        "app" => {
            case.app = match rest {
                "any" => App::Any,
                "routes" => App::Routes,
                "lanes" => App::Lanes,
                _ => return Err(format!("no application is called {rest:?}")),
            };
        }
        "only" => {
            case.layer = match rest {
                "codec" => Layer::Codec,
                "socket" => Layer::Socket,
                _ => return Err(format!("`only` takes codec or socket, not {rest:?}")),
            };
        }
        "->" => case.answers.push(answer(rest)?),
        "times" => {
            let last = case.answers.last().ok_or("`times` before any answer")?;
            let more = number::<usize>(rest)?.saturating_sub(1);
            case.answers.extend(vec![last.clone(); more]);
        }
        _ => {
            let last = case.answers.last_mut().ok_or(format!("`{keyword}` before any answer"))?;
            demand(last, keyword, rest)?;
        }
    }
    Ok(())
}

/// Reads `STATUS,STATUS? above|anywhere keep|close|either`.
fn answer(text: &str) -> Result<Answer, String> {
    let (statuses, mut flags) = word(text);
    let optional = statuses.ends_with('?');
    let statuses = statuses.trim_end_matches('?').split(',').map(number);
    let statuses: Vec<u16> = statuses.collect::<Result<_, _>>()?;
    let mixed = statuses.iter().any(|status| *status < 400) && statuses.iter().any(|s| *s >= 400);
    let rejects = statuses.iter().any(|status| *status >= 400);
    let mut answer = Answer {
        statuses,
        optional,
        decided: Decided::Codec,
        after: match (mixed, rejects) {
            (true, _) => After::Either,
            (false, true) => After::Close,
            (false, false) => After::Keep,
        },
        to_head: false,
        sight: match (mixed, rejects) {
            (true, _) => Sight::Free,
            (false, true) => Sight::Never,
            (false, false) => Sight::Once,
        },
        asks: Vec::new(),
        with: Vec::new(),
        without: Vec::new(),
        content: None,
        fields_as: None,
    };
    if answer.is_interim() {
        answer.sight = Sight::Never;
    }
    while !flags.is_empty() {
        let (flag, rest) = word(flags);
        match flag {
            "above" => answer.decided = Decided::Above,
            "anywhere" => answer.decided = Decided::Anywhere,
            "keep" => answer.after = After::Keep,
            "close" => answer.after = After::Close,
            "either" => answer.after = After::Either,
            _ => return Err(format!("unknown flag {flag:?} on an answer")),
        }
        flags = rest;
    }
    Ok(answer)
}

/// Applies one line under an answer to it.
fn demand(answer: &mut Answer, keyword: &str, rest: &str) -> Result<(), String> {
    match keyword {
        "saw" => {
            let (method, target) = word(rest);
            let expected = Expected {
                method: unescape(method)?.bytes,
                target: unescape(target)?.bytes,
                ..Expected::default()
            };
            answer.to_head = expected.method == b"HEAD";
            answer.sight = Sight::Exactly(expected);
        }
        "unseen" => answer.sight = Sight::Never,
        "perhaps-seen" => answer.sight = Sight::Free,
        "head" => answer.to_head = true,
        "with" => {
            let (name, value) = word(rest);
            let value = if value.is_empty() { None } else { Some(unescape(value)?.bytes) };
            answer.with.push((name.to_owned(), value));
        }
        "without" => answer.without.push(rest.to_owned()),
        "content" => answer.content = Some(unescape(rest)?.bytes),
        "fields-as" => answer.fields_as = Some(number(rest)?),
        "asks" => answer.asks.push(match rest {
            "upgrade" => Asks::Upgrade,
            "no-upgrade" => Asks::NoUpgrade,
            "continue" => Asks::Continue,
            "no-continue" => Asks::NoContinue,
            _ => return Err(format!("a request cannot ask {rest:?}")),
        }),
        "body" | "host" | "field" | "lacks" => {
            let Sight::Exactly(expected) = &mut answer.sight else {
                return Err(format!("`{keyword}` needs `saw` above it"));
            };
            match keyword {
                "body" => expected.body = unescape(rest)?.bytes,
                "host" => expected.host = Some(unescape(rest)?.bytes),
                "field" => {
                    let (name, value) = word(rest);
                    expected.fields.push((name.to_owned(), unescape(value)?.bytes));
                }
                _ => expected.lacks.push(rest.to_owned()),
            }
        }
        _ => return Err(format!("unknown keyword {keyword:?}")),
    }
    Ok(())
}

/// The first word, and the rest without the spaces between.
fn word(text: &str) -> (&str, &str) {
    match text.split_once(' ') {
        Some((word, rest)) => (word, rest.trim_start()),
        None => (text, ""),
    }
}

fn number<N: std::str::FromStr>(text: &str) -> Result<N, String> {
    text.parse().map_err(|_| format!("{text:?} is no number"))
}
