//! The fields that a folder's options put on its files.

use crate::dispatch::files::glob::Glob;
use crate::dispatch::files::hashed_name::has_hash;
use crate::dispatch::files::mime;
use crate::dispatch::files::options::FolderOptions;
use crate::exchange::field_error::FieldError;
use crate::exchange::fields::FieldList;

/// Fields that follow from the file and its coding. No option may say them.
const OWN: [&str; 5] =
    ["content-encoding", "content-range", "accept-ranges", "etag", "last-modified"];

/// The Content-Type of bytes that nothing is known of (RFC 9110 §8.3).
const UNKNOWN: &str = "application/octet-stream";

/// The fields of [`FolderOptions`], checked.
#[derive(Debug)]
pub(crate) struct FieldRules {
    cache_control: Option<Line>,
    immutable: Option<Line>,
    nosniff: Line,
    cors: Option<Line>,
    by_path: Vec<(Glob, Vec<Line>)>,
}

/// A field as a line with its end.
#[derive(Clone, Debug)]
struct Line {
    name: String,
    text: Vec<u8>,
}

impl Line {
    fn new(name: &str, value: &[u8]) -> Result<Self, FieldError> {
        if OWN.iter().any(|own| name.eq_ignore_ascii_case(own)) {
            return Err(FieldError::Reserved(name.to_owned()));
        }
        let mut list = FieldList::default();
        list.push_own(name, value)?;
        Ok(Self { name: name.to_owned(), text: list.lines().to_vec() })
    }

    fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

/// The fields of one file.
pub(crate) struct FileLines {
    /// Content-Type first.
    pub(crate) lines: Vec<u8>,
    /// How long the line of Content-Type is.
    pub(crate) type_line: usize,
    /// What the table of types says of the file's name, whatever the line says.
    pub(crate) content_type: Option<&'static str>,
    /// Cache-Control says `no-transform`: the bytes are sent as they are (RFC 9111 §5.2.2.6).
    pub(crate) no_transform: bool,
}

impl FileLines {
    /// Content-Type alone.
    pub(crate) fn of_type(name: &[u8]) -> Self {
        let content_type = mime::content_type(name);
        let lines = type_line(content_type);
        Self { type_line: lines.len(), lines, content_type, no_transform: false }
    }
}

/// A line of Content-Type, with room for others.
fn type_line(content_type: Option<&'static str>) -> Vec<u8> {
    let mut line = Vec::with_capacity(256);
    // The table's values are valid.
    line.extend_from_slice(b"Content-Type: ");
    line.extend_from_slice(content_type.unwrap_or(UNKNOWN).as_bytes());
    line.extend_from_slice(b"\r\n");
    line
}

impl FieldRules {
    /// Checks names and values.
    ///
    /// # Errors
    /// The name of the field that cannot be sent, and why.
    pub(crate) fn new(options: &FolderOptions) -> Result<Self, (String, FieldError)> {
        let line = |name: &str, value: &[u8]| {
            Line::new(name, value).map_err(|error| (name.to_owned(), error))
        };
        let optional = |name: &str, value: &Option<String>| {
            value.as_ref().map(|value| line(name, value.as_bytes())).transpose()
        };
        let mut by_path = Vec::with_capacity(options.fields.len());
        for (pattern, fields) in &options.fields {
            let lines: Result<Vec<Line>, _> =
                fields.iter().map(|(name, value)| line(name, value)).collect();
            by_path.push((Glob::new(pattern), lines?));
        }
        Ok(Self {
            cache_control: optional("Cache-Control", &options.cache_control)?,
            immutable: optional("Cache-Control", &options.immutable)?,
            nosniff: line("X-Content-Type-Options", b"nosniff")?,
            cors: optional("Access-Control-Allow-Origin", &options.cors)?,
            by_path,
        })
    }

    /// The fields of the file at `path` in the folder. A pattern's field takes the place of the
    /// folder's own and of those of patterns before it.
    pub(crate) fn of(&self, path: &[u8]) -> FileLines {
        let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
        let cache_control = match &self.immutable {
            Some(immutable) if has_hash(name) => Some(immutable),
            _ => self.cache_control.as_ref(),
        };
        let own = [cache_control, Some(&self.nosniff), self.cors.as_ref()];
        let mut lines: Vec<&Line> = own.into_iter().flatten().collect();
        for (glob, fields) in &self.by_path {
            if glob.matches(path) {
                lines.retain(|line| !fields.iter().any(|field| field.is(&line.name)));
                lines.extend(fields);
            }
        }
        let content_type = mime::content_type(name);
        // Whoever names several types in one rule means the last.
        let mut out = match lines.iter().rfind(|line| line.is("Content-Type")) {
            Some(line) => line.text.clone(),
            None => type_line(content_type),
        };
        let type_line = out.len();
        let mut no_transform = false;
        for line in lines.into_iter().filter(|line| !line.is("Content-Type")) {
            no_transform |= line.is("Cache-Control") && has_no_transform(&line.text);
            out.extend_from_slice(&line.text);
        }
        FileLines { lines: out, type_line, content_type, no_transform }
    }
}

fn has_no_transform(line: &[u8]) -> bool {
    line.windows(b"no-transform".len()).any(|part| part.eq_ignore_ascii_case(b"no-transform"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(options: &FolderOptions) -> FieldRules {
        FieldRules::new(options).expect("they are right")
    }

    fn text(rules: &FieldRules, path: &str) -> String {
        String::from_utf8(rules.of(path.as_bytes()).lines).expect("ASCII")
    }

    #[test]
    fn a_file_has_type_cache_control_and_nosniff() {
        let options = FolderOptions {
            immutable: Some("immutable".into()),
            cors: Some("*".into()),
            ..FolderOptions::default()
        };
        let rules = rules(&options);
        let rest = "X-Content-Type-Options: nosniff\r\nAccess-Control-Allow-Origin: *\r\n";
        assert_eq!(
            text(&rules, "a/app.js"),
            format!(
                "Content-Type: text/javascript; charset=utf-8\r\nCache-Control: no-cache\r\n{rest}"
            )
        );
        assert_eq!(
            text(&rules, "a/app-BxK3s9aQ.js"),
            format!(
                "Content-Type: text/javascript; charset=utf-8\r\nCache-Control: immutable\r\n{rest}"
            )
        );
    }

    #[test]
    fn later_patterns_win() {
        let field = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
        let options = FolderOptions {
            fields: vec![
                ("**".into(), vec![field("X-A", "1"), field("Link", "<a>"), field("Link", "<b>")]),
                ("**/*.js".into(), vec![field("x-a", "2"), field("cache-control", "No-Transform")]),
                ("*.js".into(), vec![field("content-type", "text/y")]),
            ],
            ..FolderOptions::default()
        };
        let rules = rules(&options);
        assert_eq!(
            text(&rules, "x.css"),
            "Content-Type: text/css; charset=utf-8\r\nCache-Control: no-cache\r\nX-Content-Type-Options: nosniff\r\n\
             X-A: 1\r\nLink: <a>\r\nLink: <b>\r\n"
        );
        assert_eq!(
            text(&rules, "x.js"),
            "content-type: text/y\r\nX-Content-Type-Options: nosniff\r\n\
             Link: <a>\r\nLink: <b>\r\nx-a: 2\r\ncache-control: No-Transform\r\n"
        );
        let lines = rules.of(b"x.js");
        assert_eq!(&lines.lines[..lines.type_line], b"content-type: text/y\r\n");
        assert!(lines.no_transform && !rules.of(b"x.css").no_transform);
    }

    #[test]
    fn fields_that_cannot_be_sent_are_refused() {
        for (name, value) in
            [("a b", "x"), ("A", "x\ny"), ("Content-Length", "3"), ("etag", "x"), ("Date", "x")]
        {
            let fields = vec![(name.to_owned(), value.as_bytes().to_vec())];
            let options =
                FolderOptions { fields: vec![("**".into(), fields)], ..FolderOptions::default() };
            assert_eq!(FieldRules::new(&options).expect_err(name).0, name);
        }
        let options = FolderOptions { cors: Some("a\r\nb: c".into()), ..FolderOptions::default() };
        assert!(FieldRules::new(&options).is_err());
    }
}
