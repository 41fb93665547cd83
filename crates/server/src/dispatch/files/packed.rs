//! Files that were compressed when they were asked for, kept for the next request.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reactor_compress::{Effort, compress_whole, supports};
use reactor_proto::{Coding, CodingSet};

use crate::dispatch::files::resource::Variant;

/// A larger file is sent as it is. In bytes.
const LARGEST: u64 = 8 * 1024 * 1024;

/// What an entry costs besides its bytes.
const WEIGHT: usize = 256;

/// Compressed files, the most recently used ones, up to a number of bytes.
pub(crate) struct Packed {
    most: usize,
    codings: CodingSet,
    inner: Mutex<Inner>,
}

impl fmt::Debug for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packed").field("most", &self.most).finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Inner {
    entries: HashMap<Key, Entry>,
    /// The entries that are made, by when they were last used.
    by_use: BTreeMap<u64, Key>,
    uses: u64,
    held: usize,
}

/// The same bytes in the same coding. A file that changes has another time or size.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, u32),
    coding: Coding,
}

enum Entry {
    Making,
    /// None: it would be no smaller.
    Made(u64, Option<Arc<[u8]>>),
}

/// What there is of a file in a coding.
pub(crate) enum Pack {
    Ready(Arc<[u8]>),
    Missing,
    /// A worker compresses it just now.
    Making,
    /// It would be no smaller.
    Useless,
}

impl Packed {
    /// Keeps up to `most` bytes.
    pub(crate) fn new(most: usize) -> Self {
        let codings = Coding::ALL.into_iter().filter(|&coding| supports(coding)).collect();
        Self { most, codings, inner: Mutex::default() }
    }

    /// The codings that files are compressed in.
    pub(crate) fn codings(&self) -> CodingSet {
        self.codings
    }

    /// Looks for a file in a coding.
    pub(crate) fn get(&self, file: &Variant, coding: Coding) -> Pack {
        if file.size() > LARGEST {
            return Pack::Useless;
        }
        let key = Key::of(file, coding);
        let mut guard = self.lock();
        let inner = &mut *guard;
        match inner.entries.get_mut(&key) {
            None => Pack::Missing,
            Some(Entry::Making) => Pack::Making,
            Some(Entry::Made(used, bytes)) => {
                let before = std::mem::replace(used, inner.uses);
                inner.by_use.remove(&before);
                inner.by_use.insert(inner.uses, key);
                inner.uses += 1;
                bytes.as_ref().map_or(Pack::Useless, |bytes| Pack::Ready(Arc::clone(bytes)))
            }
        }
    }

    /// Compresses a file. None if that makes it no smaller, or another worker is at it.
    ///
    /// # Errors
    /// Those of reading it.
    pub(crate) fn make(&self, file: &Variant, coding: Coding) -> io::Result<Option<Arc<[u8]>>> {
        let key = Key::of(file, coding);
        if self.lock().entries.contains_key(&key) {
            return Ok(None);
        }
        self.lock().entries.insert(key, Entry::Making);
        let making = Making { packed: self, key };
        let bytes = compress(file, coding)?;
        making.done(bytes.clone());
        Ok(bytes)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A file that is being compressed. If that fails, the next request tries again.
struct Making<'p> {
    packed: &'p Packed,
    key: Key,
}

impl Making<'_> {
    fn done(self, bytes: Option<Arc<[u8]>>) {
        let mut guard = self.packed.lock();
        let inner = &mut *guard;
        let used = inner.uses;
        inner.uses += 1;
        inner.held += WEIGHT + bytes.as_ref().map_or(0, |bytes| bytes.len());
        inner.entries.insert(self.key, Entry::Made(used, bytes));
        inner.by_use.insert(used, self.key);
        while inner.held > self.packed.most
            && let Some((_, oldest)) = inner.by_use.pop_first()
        {
            if let Some(Entry::Made(_, bytes)) = inner.entries.remove(&oldest) {
                inner.held -= WEIGHT + bytes.map_or(0, |bytes| bytes.len());
            }
        }
        drop(guard);
        std::mem::forget(self);
    }
}

impl Drop for Making<'_> {
    fn drop(&mut self) {
        self.packed.lock().entries.remove(&self.key);
    }
}

impl Key {
    fn of(file: &Variant, coding: Coding) -> Self {
        let stat = file.stat();
        let (device, inode) = (stat.dev, stat.ino);
        Self { device, inode, size: stat.size, modified: stat.mtime, coding }
    }
}

/// All of a file in a coding. None if that is hardly smaller.
fn compress(file: &Variant, coding: Coding) -> io::Result<Option<Arc<[u8]>>> {
    // At most LARGEST.
    let mut bytes = vec![0; usize::try_from(file.size()).unwrap_or(usize::MAX)];
    file.file().read_exact_at(&mut bytes, 0)?;
    // What was read may be part old and part new.
    if !file.is_current()? {
        return Ok(None);
    }
    let mut out = Vec::new();
    let done = compress_whole(coding, Effort::Cached, &bytes, &mut out).is_ok();
    let is_smaller = out.len() < bytes.len() - bytes.len() / 16;
    Ok((done && is_smaller).then(|| out.into()))
}
