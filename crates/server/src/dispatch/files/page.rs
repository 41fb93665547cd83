//! A file that many paths lead to: the page of a 404, or of an application with its own routes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::dispatch::files::resource::Resource;
use crate::dispatch::files::root::{FRESH, Missed};

/// A path in the folder, and what it has led to within the last second. Paths that nothing is at
/// are without number, so no cache by paths would help these files.
#[derive(Debug)]
pub(crate) struct Page {
    path: Vec<u8>,
    kept: Mutex<Option<Kept>>,
}

#[derive(Clone, Debug)]
struct Kept {
    looked: Instant,
    found: Option<Arc<Resource>>,
}

impl Page {
    pub(crate) fn new(path: Vec<u8>) -> Self {
        Self { path, kept: Mutex::new(None) }
    }

    pub(crate) fn path(&self) -> &[u8] {
        &self.path
    }

    /// The file, opened by `open` if the last look is older than a second or the file has changed.
    /// None where it is not there.
    pub(crate) fn get(
        &self,
        now: Instant,
        open: impl FnOnce(&[u8]) -> Result<Resource, Missed>,
    ) -> Result<Option<Arc<Resource>>, Missed> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(kept) = &kept
            && now.saturating_duration_since(kept.looked) < FRESH
            && kept.found.as_ref().is_none_or(|found| found.is_current())
        {
            return Ok(kept.found.clone());
        }
        let before = kept.and_then(|kept| kept.found);
        let found = match open(&self.path) {
            // The same one stays, with what others keep for it.
            Ok(found) => Some(match before {
                Some(before) if before.is_same(&found) => before,
                _ => Arc::new(found),
            }),
            Err(Missed::Nothing) => None,
            Err(missed) => return Err(missed),
        };
        let kept = Kept { looked: now, found: found.clone() };
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
        Ok(found)
    }
}
