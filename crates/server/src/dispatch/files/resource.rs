//! A file that was found, open, in all codings that the folder has it in.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use reactor_proto::{Coding, CodingSet};
use reactor_sys::{FileStat, file_stat};

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
}

impl Resource {
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

    /// Whether nothing that both look-ups found has changed between them. Then `other` may be
    /// dropped and this one stays, with what is cached for it.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let stats = |resource: &Self| {
            resource.variants.each_ref().map(|variant| variant.as_ref().map(|found| found.stat))
        };
        stats(self) == stats(other) && self.lines == other.lines
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
}

impl Variant {
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
