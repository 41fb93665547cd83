//! A file that was found, open, in all codings that the folder has it in.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reactor_proto::{Coding, CodingSet, date};
use reactor_sys::{FileStat, Open, file_stat, read_cached};

use crate::dispatch::files::fields::FileLines;
use crate::dispatch::files::mime;
use crate::dispatch::files::root::{Base, Missed, Opened};

/// A shorter file is not worth compressing: it fits into one packet as it is.
pub(crate) const COMPRESS_FROM: u64 = 1024;

/// A file to be served.
#[derive(Debug)]
pub(crate) struct Resource {
    /// By [`Coding::index`]. The one for [`Coding::Identity`] is always there.
    variants: [Option<Variant>; Coding::COUNT],
    /// Content-Type first, then the other fields that do not depend on the coding:
    /// Cache-Control, X-Content-Type-Options, the user's. Each is `Name: value\r\n`.
    lines: Box<[u8]>,
    /// How long the line of Content-Type is.
    type_line: usize,
    /// What the answer is depends on Accept-Encoding: the file has siblings or may be compressed.
    varies: bool,
    /// Whether it may be compressed when it is asked for: the options and its type allow it, no
    /// field says `no-transform`, and it is long enough.
    compressible: bool,
    /// The codings in which a file was looked for beside it.
    sought: CodingSet,
}

/// Which codings a file may be sent in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offer {
    /// Files of codings beside it.
    pub(crate) siblings: bool,
    /// The codings that whoever asks takes. Where its type compresses well, others are not looked
    /// for: to find that a file is not there costs as much as to open one.
    pub(crate) wanted: CodingSet,
    /// Compressing it when it is asked for.
    pub(crate) compress: bool,
}

impl Resource {
    /// Makes a resource of the file that was opened at `path` beneath `base`, and of its siblings.
    /// A sibling that is older than the file is left out: it was made from an earlier version.
    pub(crate) fn new(
        opened: Opened,
        base: &Base,
        path: &[u8],
        fields: FileLines,
        offer: Offer,
        how: Open,
    ) -> Result<Self, Missed> {
        let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
        let packed = is_coded(name);
        let content_type = fields.content_type;
        let compressible =
            !packed && content_type.is_some_and(|name| mime::is_compressible(name.as_bytes()));
        let mut siblings: [Option<Opened>; Coding::COUNT] = [const { None }; Coding::COUNT];
        let mut sought = CodingSet::all();
        // Whatever this request takes: the answer to another one may be another.
        let mut varies = false;
        if offer.siblings && !packed && (compressible || !content_type.is_some_and(is_packed)) {
            if compressible {
                sought = offer.wanted;
                varies = true;
            }
            let mut beside = Vec::with_capacity(path.len() + LONGEST_ENDING);
            beside.extend_from_slice(path);
            for (coding, ending) in ENDINGS.into_iter().filter(|(coding, _)| sought.has(*coding)) {
                beside.truncate(path.len());
                beside.extend_from_slice(ending);
                match base.open_file(&beside, how) {
                    Ok(found) if found.stat.mtime >= opened.stat.mtime => {
                        siblings[coding.index()] = Some(found);
                    }
                    Err(Missed::WouldBlock) => return Err(Missed::WouldBlock),
                    // The file itself is there, whatever is wrong with its siblings.
                    Ok(_) | Err(Missed::Nothing | Missed::Failed(_)) => {}
                }
            }
        }
        let compressible = compressible
            && offer.compress
            && !fields.no_transform
            && opened.stat.size >= COMPRESS_FROM;
        varies |= compressible || siblings.iter().any(Option::is_some);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let [_, rest @ ..] = siblings;
        let mut variants: [Option<Variant>; Coding::COUNT] = [const { None }; Coding::COUNT];
        let files = [Some(opened)].into_iter().chain(rest);
        for ((place, coding), file) in variants.iter_mut().zip(Coding::ALL).zip(files) {
            *place = file.map(|file| Variant::new(file, coding, varies, now));
        }
        let FileLines { lines, type_line, .. } = fields;
        Ok(Self { variants, lines: lines.into(), type_line, varies, compressible, sought })
    }

    /// The bytes in `coding`, if there is a file of them.
    pub(crate) fn variant(&self, coding: Coding) -> Option<&Variant> {
        self.variants[coding.index()].as_ref()
    }

    /// The codings that there are files of, and `identity`.
    pub(crate) fn codings(&self) -> CodingSet {
        let mut codings = CodingSet::default();
        for coding in Coding::ALL.into_iter().filter(|&coding| self.variant(coding).is_some()) {
            codings.insert(coding);
        }
        codings
    }

    /// The codings in which a file was looked for. Of others nothing is known.
    pub(crate) fn sought(&self) -> CodingSet {
        self.sought
    }

    /// The fields that are the same for every coding.
    pub(crate) fn lines(&self) -> &[u8] {
        &self.lines
    }

    /// As [`lines`](Self::lines), but without Content-Type.
    pub(crate) fn lines_without_type(&self) -> &[u8] {
        &self.lines[self.type_line..]
    }

    /// The value of Content-Type, as the parts of a multipart answer have it.
    pub(crate) fn content_type(&self) -> &[u8] {
        let line = self.lines[..self.type_line].trim_ascii_end();
        line.strip_prefix(b"Content-Type: ").unwrap_or_default()
    }

    /// Whether answers need `Vary: Accept-Encoding`. The variants' lines have it already.
    pub(crate) fn varies(&self) -> bool {
        self.varies
    }

    /// Whether the bytes may be compressed when they are asked for.
    pub(crate) fn is_compressible(&self) -> bool {
        self.compressible
    }

    /// Whether the file is as it was when it was opened; see [`Variant::is_current`].
    pub(crate) fn is_current(&self) -> bool {
        let file = self.variant(Coding::Identity);
        file.is_some_and(|file| file.is_current().unwrap_or(false))
    }

    /// Whether nothing that both look-ups found has changed between them. Then `other` may be
    /// dropped and this one stays, with what is cached for it.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let same = |one: &Option<Variant>, other: &Option<Variant>| match (one, other) {
            (Some(one), Some(other)) => one.stat == other.stat && one.lines == other.lines,
            (None, None) => true,
            _ => false,
        };
        let mut pairs = self.variants.iter().zip(&other.variants);
        pairs.all(|(one, other)| same(one, other))
            && self.lines == other.lines
            && self.sought == other.sought
    }
}

/// One file of a [`Resource`].
#[derive(Debug)]
pub(crate) struct Variant {
    file: Arc<File>,
    stat: FileStat,
    /// As the field has it: `"x"` or `W/"x"`.
    etag: Option<Box<[u8]>>,
    /// ETag, Last-Modified, Content-Encoding, Vary, as far as it has them.
    lines: Box<[u8]>,
    /// As Last-Modified has it.
    modified: Option<u64>,
    /// Its bytes, if they are few.
    content: OnceLock<Content>,
    /// The turn of a loop in which it was last seen to be as it was.
    seen_in: AtomicU64,
    /// When its pages were last seen to be in memory, in milliseconds of a loop's clock, plus one.
    warm_at: AtomicU64,
}

impl Variant {
    fn new(opened: Opened, coding: Coding, varies: bool, now: Duration) -> Self {
        let Opened { file, stat } = opened;
        let etag = etag(&stat, coding, now);
        let seconds = u64::try_from(stat.mtime.0).ok();
        let modified = seconds.filter(|&at| has_time(&stat) && at <= now.as_secs());
        let mut lines = Vec::with_capacity(160);
        let mut line = |name: &[u8], value: &[u8]| {
            lines.extend_from_slice(name);
            lines.extend_from_slice(value);
            lines.extend_from_slice(b"\r\n");
        };
        if let Some(etag) = &etag {
            line(b"ETag: ", etag.as_bytes());
        }
        if let Some(modified) = modified {
            line(b"Last-Modified: ", &date::format(modified));
        }
        if coding != Coding::Identity {
            line(b"Content-Encoding: ", coding.name().as_bytes());
        }
        if varies {
            line(b"Vary: ", b"Accept-Encoding");
        }
        let etag = etag.map(|etag| etag.into_bytes().into());
        let (content, seen_in, warm_at) = (OnceLock::new(), AtomicU64::new(0), AtomicU64::new(0));
        let (file, lines) = (Arc::new(file), lines.into());
        Self { file, stat, etag, lines, modified, content, seen_in, warm_at }
    }

    /// The open file.
    pub(crate) fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// What the kernel said of it when it was opened.
    pub(crate) fn stat(&self) -> &FileStat {
        &self.stat
    }

    /// Bytes that it has.
    pub(crate) fn size(&self) -> u64 {
        self.stat.size
    }

    /// Its entity tag. None where its time is the epoch, which is what systems write that know
    /// no time.
    pub(crate) fn etag(&self) -> Option<&[u8]> {
        self.etag.as_deref()
    }

    /// When it was modified, in seconds since 1970. None as for [`etag`](Self::etag), and in the
    /// future (RFC 9110 §8.8.2.1).
    pub(crate) fn modified(&self) -> Option<u64> {
        self.modified
    }

    /// ETag, Last-Modified, Content-Encoding and Vary, as far as it has them.
    pub(crate) fn lines(&self) -> &[u8] {
        &self.lines
    }

    /// Whether the open file is as it was when it was opened, and still has a name (fstat(2)).
    /// It says nothing of the path: that may lead to another file by now. Look the path up again
    /// to know.
    pub(crate) fn is_current(&self) -> io::Result<bool> {
        let now = file_stat(self.file.as_fd())?;
        Ok(now.nlink > 0
            && (now.size, now.mtime, now.ctime)
                == (self.stat.size, self.stat.mtime, self.stat.ctime))
    }

    /// The same, but looks at most once a turn of a loop. What comes in one turn comes at the same
    /// time. `turn` is unique among all loops, and never 0.
    pub(crate) fn is_current_in(&self, turn: u64) -> io::Result<bool> {
        if self.seen_in.load(Ordering::Relaxed) == turn {
            return Ok(true);
        }
        let is_current = self.is_current()?;
        if is_current {
            self.seen_in.store(turn, Ordering::Relaxed);
        }
        Ok(is_current)
    }

    /// Whether its pages are in memory, or were less than a second before `now`, in milliseconds
    /// of a loop's clock. It looks at some of them; the kernel reads files ahead.
    pub(crate) fn is_warm(&self, now: u64) -> bool {
        let warm_at = self.warm_at.load(Ordering::Relaxed);
        if warm_at > 0 && now.wrapping_sub(warm_at - 1) < WARM_FOR {
            return true;
        }
        let steps = (0..self.size()).step_by(LOOK_EACH).chain([self.size().saturating_sub(1)]);
        let is_warm = |at| read_cached(self.file.as_fd(), &mut [0], at).is_ok_and(|n| n == 1);
        let all = self.size() <= MOST_WARM && steps.into_iter().all(is_warm);
        if all {
            self.warm_at.store(now.wrapping_add(1), Ordering::Relaxed);
        }
        all
    }

    /// Its bytes, if they are kept.
    pub(crate) fn content(&self) -> Option<&Arc<[u8]>> {
        self.content.get().map(|content| &content.0)
    }

    /// Keeps its bytes, as far as there is room. Those of a file that was written a moment ago are
    /// not kept: it may change again and look the same.
    pub(crate) fn keep(&self, bytes: &[u8]) {
        let is_strong = self.etag.as_ref().is_some_and(|tag| tag.starts_with(b"\""));
        if is_strong
            && self.content.get().is_none()
            && let Some(content) = Content::new(bytes)
        {
            let _ = self.content.set(content);
        }
    }

    /// The entity tag of these bytes when they are sent in `coding`.
    pub(crate) fn etag_for(&self, coding: Coding) -> Option<Box<[u8]>> {
        let etag = self.etag.as_deref()?;
        if coding == Coding::Identity {
            return Some(etag.into());
        }
        let open = etag.strip_suffix(b"\"")?;
        Some([open, b"-", coding.name().as_bytes(), b"\""].concat().into())
    }
}

/// How long pages surely stay in memory that were just used. In milliseconds.
const WARM_FOR: u64 = 1000;

/// A larger file is looked at as it is sent. In bytes.
const MOST_WARM: u64 = 4 * 1024 * 1024;

/// One page of so many bytes is looked at.
const LOOK_EACH: usize = 64 * 1024;

/// Bytes of a file in memory.
#[derive(Debug)]
struct Content(Arc<[u8]>);

/// Bytes that all of them may have.
const MOST_CONTENT: usize = 64 * 1024 * 1024;

/// Bytes that all of them have.
static CONTENT: AtomicUsize = AtomicUsize::new(0);

impl Content {
    fn new(bytes: &[u8]) -> Option<Self> {
        let before = CONTENT.fetch_add(bytes.len(), Ordering::Relaxed);
        if before + bytes.len() > MOST_CONTENT {
            CONTENT.fetch_sub(bytes.len(), Ordering::Relaxed);
            return None;
        }
        Some(Self(bytes.into()))
    }
}

impl Drop for Content {
    fn drop(&mut self) {
        CONTENT.fetch_sub(self.0.len(), Ordering::Relaxed);
    }
}

/// The endings of files that are another one in a coding, the densest first.
const ENDINGS: [(Coding, &[u8]); 3] =
    [(Coding::Brotli, b".br"), (Coding::Zstd, b".zst"), (Coding::Gzip, b".gz")];
const LONGEST_ENDING: usize = 4;

/// Whether a file of this name is in a coding already. It is sent as what it is, an archive: it
/// gets no Content-Encoding and has no siblings of its own.
fn is_coded(name: &[u8]) -> bool {
    ENDINGS.iter().any(|(_, ending)| name.ends_with(ending))
}

/// Whether files of this type, unless it compresses well, are compressed by themselves. Nobody puts
/// compressed ones beside them, and a look for three files that are not there costs as much as to
/// open the one that is.
fn is_packed(content_type: &str) -> bool {
    let families = ["image/", "video/", "audio/", "font/woff", "application/zip"];
    families.iter().any(|family| content_type.starts_with(family))
}

/// Whether the time of a file means something. Systems that make the same package on every
/// machine write the epoch, or the second after it.
fn has_time(stat: &FileStat) -> bool {
    stat.mtime.0 > 1
}

/// The entity tag of a file's bytes (RFC 9110 §8.8.3). It is weak for a second after the file was
/// written, because within one tick of the kernel's clock it may change again and keep its time.
fn etag(stat: &FileStat, coding: Coding, now: Duration) -> Option<String> {
    if !has_time(stat) {
        return None;
    }
    // The inode's number says nothing to others in there.
    let (seconds, nanoseconds) = stat.mtime;
    let words = [seconds.cast_unsigned(), u64::from(nanoseconds), stat.size, stat.ino];
    let hash = words.into_iter().fold(0, |hash, word| mixed(hash ^ word));
    let modified = Duration::new(seconds.cast_unsigned(), nanoseconds);
    let weak = if modified + Duration::from_secs(1) > now { "W/" } else { "" };
    Some(match coding {
        Coding::Identity => format!("{weak}\"{hash:016x}\""),
        coding => format!("{weak}\"{hash:016x}-{}\"", coding.name()),
    })
}

/// Stirs the bits of a word, so that words that differ little give words that differ much (the
/// finalizer of SplitMix64). It is a bijection: no two words give the same.
fn mixed(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use reactor_sys::FileKind;

    use super::*;

    fn stat(mtime: (i64, u32), size: u64, ino: u64) -> FileStat {
        FileStat { dev: 1, ino, size, mtime, ctime: mtime, nlink: 1, kind: FileKind::File }
    }

    #[test]
    fn a_tag_tells_versions_and_codings_apart() {
        let now = Duration::from_secs(2_000);
        let mut tags = Vec::new();
        for seconds in [2, 3, 1_000] {
            for nanoseconds in [0, 1, 999_999_999] {
                for size in [0, 1, 65_536] {
                    for ino in [1, 2, 1 << 40] {
                        let stat = stat((seconds, nanoseconds), size, ino);
                        for coding in Coding::ALL {
                            tags.push(etag(&stat, coding, now).expect("it has a time"));
                            assert_eq!(tags.last(), etag(&stat, coding, now).as_ref());
                        }
                    }
                }
            }
        }
        assert!(tags.iter().all(|tag| tag.starts_with('"') && tag.len() <= 23), "{tags:?}");
        let len = tags.len();
        tags.sort();
        tags.dedup();
        assert_eq!(tags.len(), len);
    }

    #[test]
    fn a_tag_is_weak_for_a_second_and_none_at_the_epoch() {
        let tag = |mtime, now| etag(&stat(mtime, 1, 1), Coding::Gzip, now);
        let weak = |mtime, now| tag(mtime, now).expect("it has a time").starts_with("W/\"");
        assert!(weak((100, 5), Duration::new(100, 5)));
        assert!(weak((100, 5), Duration::new(101, 4)));
        assert!(!weak((100, 5), Duration::new(101, 5)));
        assert!(weak((200, 0), Duration::new(100, 0)), "in the future");
        for mtime in [(0, 0), (0, 5), (1, 0), (-5, 0)] {
            assert_eq!(tag(mtime, Duration::from_secs(100)), None);
        }
    }
}
