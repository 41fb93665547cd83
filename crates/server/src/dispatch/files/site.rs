//! A folder as the target of a route.
//!
//! A loop answers by itself where it need not wait: the folder's names and the file's pages are in
//! memory, as those of a busy site are. Otherwise a worker answers. What it has found the loops
//! use for a second, because there are file systems that never say what is in memory: overlayfs,
//! which containers have, and all of them before Linux 5.12.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use reactor_proto::{CodingSet, Wishes};
use reactor_sys::is_out_of_descriptors;

use crate::dispatch::files::answer::{Asked, Fault, answer, fail};
use crate::dispatch::files::folder::Folder;
use crate::dispatch::files::lookup::Lookup;
use crate::dispatch::files::mode::Mode;
use crate::dispatch::files::packed::Packed;
use crate::dispatch::files::resource::Resource;
use crate::exchange::handler::Handler;
use crate::exchange::request::Request;
use crate::exchange::response::Response;

/// Files that one loop keeps open for a folder. Each may have several descriptors.
const MOST_OPEN: usize = 512;

/// How long a path is known to lead to the same file. In milliseconds.
const KNOWN_FOR: u64 = 1000;

/// A file that nobody has asked for so long is closed when others are found. In milliseconds.
const IDLE: u64 = 10_000;

/// A longer path is looked up each time. Only attacks have many of them. In bytes.
const LONGEST_KNOWN: usize = 512;

/// How often a worker looks a file up again that changes under its hands.
const TRIES: usize = 4;

/// A folder that workers serve.
pub(crate) struct Site {
    folder: Arc<Folder>,
    packed: Arc<Packed>,
    /// What workers have found, as in [`LoopSite`].
    told: Mutex<[Known; 2]>,
    /// Where the time of `told` begins.
    start: Instant,
}

/// What of a request a site looks at.
pub(crate) struct Wanted<'a> {
    /// The whole path, as it was looked up in the table.
    pub(crate) path: &'a [u8],
    /// What the route's wildcard matched.
    pub(crate) rest: &'a [u8],
    pub(crate) asked: Asked<'a>,
}

impl Site {
    pub(crate) fn new(folder: &Arc<Folder>, packed: &Arc<Packed>) -> Self {
        let (folder, packed) = (Arc::clone(folder), Arc::clone(packed));
        Self { folder, packed, told: Mutex::default(), start: Instant::now() }
    }

    /// Who may read answers in browsers, as `Access-Control-Allow-Origin` says it.
    pub(crate) fn cors(&self) -> Option<&str> {
        self.folder.cors()
    }

    fn look_up(&self, wanted: &Wanted<'_>, codings: CodingSet, mode: Mode) -> Lookup {
        let is_navigation = wanted.asked.wishes.wants_navigation();
        self.folder.look_up(wanted.path, wanted.rest, is_navigation, codings, mode)
    }

    /// Tells the loops what a worker has found.
    fn tell(&self, wanted: &Wanted<'_>, resource: &Arc<Resource>) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told[wanted.place()].set(wanted.rest, resource, self.now());
    }

    /// What a worker has found less than a second ago, and how many milliseconds ago.
    fn told(&self, wanted: &Wanted<'_>) -> Option<(Arc<Resource>, u64)> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let mut codings = wanted.asked.wishes.codings().taken();
        told[wanted.place()].get(wanted.rest, &mut codings, self.now())
    }

    /// Closes what workers have found.
    fn close_told(&self) {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = Default::default();
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Whether there was no descriptor left. Those of files that are kept open can be spared.
fn is_full(found: &Lookup) -> bool {
    matches!(found, Lookup::Failed(error) if is_out_of_descriptors(error))
}

impl Wanted<'_> {
    /// Which of two [`Known`] it is in. To a navigation a path may be a page of the application.
    fn place(&self) -> usize {
        usize::from(self.asked.wishes.wants_navigation())
    }
}

impl Handler for Site {
    fn handle(&self, request: &Request, response: &mut Response) {
        let text = request.text();
        let path = match &text[request.head_bytes().len()..] {
            [] => request.path(),
            normal => normal,
        };
        let from_path = &text[request.head().path().start as usize..];
        let mut wanted = Wanted {
            path,
            rest: request.params().raw("*", from_path).unwrap_or_default(),
            asked: Asked {
                wishes: Wishes::of(request.fields()),
                is_get: request.method() == "GET",
                query: request.query(),
                is_fresh: true,
                turn: 0,
                now: 0,
            },
        };
        for tries in 1.. {
            let codings = wanted.asked.wishes.codings().taken();
            let mode = Mode::Blocking;
            let mut found = self.look_up(&wanted, codings, mode);
            if is_full(&found) {
                self.close_told();
                found = self.look_up(&wanted, codings, mode);
            }
            let resource = match &found {
                Lookup::Found(resource) => Some(Arc::clone(resource)),
                _ => None,
            };
            match answer(found, &wanted.asked, &self.packed, mode, path, response) {
                Ok(()) => return resource.iter().for_each(|resource| self.tell(&wanted, resource)),
                Err(Fault::Failed(error)) => return fail(response, path, &error),
                Err(_) if tries == TRIES => {
                    let error = std::io::Error::other("it changes all the time");
                    return fail(response, path, &error);
                }
                Err(_) => response.clear(),
            }
            wanted.asked.is_fresh = true;
        }
    }
}

/// A folder that one loop serves.
pub(crate) struct LoopSite {
    site: Arc<Site>,
    /// Files found before, for navigations and for all other requests. Only one loop locks it.
    known: Mutex<[Known; 2]>,
}

impl LoopSite {
    pub(crate) fn new(site: Arc<Site>) -> Self {
        Self { site, known: Mutex::default() }
    }

    pub(crate) fn cors(&self) -> Option<&str> {
        self.site.cors()
    }

    /// Answers if it need not wait. False if a worker has to. Then the response is as it was.
    pub(crate) fn answer(&self, wanted: &Wanted<'_>, response: &mut Response) -> bool {
        let Wanted { rest, asked, .. } = wanted;
        let now = asked.now;
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = &mut all[wanted.place()];
        let mut codings = asked.wishes.codings().taken();
        if let Some((resource, _)) = known.get(rest, &mut codings, now) {
            let asked = Asked { is_fresh: false, ..*asked };
            let found = Lookup::Found(resource);
            match answer(found, &asked, &self.site.packed, Mode::Cached, rest, response) {
                Ok(()) => return true,
                Err(Fault::Changed) => response.clear(),
                Err(_) => {
                    response.clear();
                    return self.answer_as_told(wanted, known, response);
                }
            }
        }
        let mut found = self.site.look_up(wanted, codings, Mode::Cached);
        if is_full(&found) {
            *all = Default::default();
            self.site.close_told();
            found = self.site.look_up(wanted, codings, Mode::Cached);
        }
        let known = &mut all[wanted.place()];
        if let Lookup::Found(resource) = &found {
            known.put(rest, resource, now);
        }
        if answer(found, asked, &self.site.packed, Mode::Cached, wanted.path, response).is_ok() {
            return true;
        }
        response.clear();
        self.answer_as_told(wanted, known, response)
    }

    /// Answers with what a worker has found a moment ago. The worker may have kept bytes that this
    /// loop could not read without waiting.
    fn answer_as_told(
        &self,
        wanted: &Wanted<'_>,
        known: &mut Known,
        response: &mut Response,
    ) -> bool {
        let Some((resource, age)) = self.site.told(wanted) else { return false };
        let asked = Asked { is_fresh: false, ..wanted.asked };
        known.set(wanted.rest, &resource, asked.now.saturating_sub(age));
        let found = Lookup::Found(resource);
        if answer(found, &asked, &self.site.packed, Mode::Cached, wanted.rest, response).is_ok() {
            return true;
        }
        response.clear();
        false
    }
}

/// Files by the path that led to them. The oldest go first, unless they are used.
#[derive(Default)]
struct Known {
    files: HashMap<Box<[u8]>, KnownFile>,
    order: VecDeque<Box<[u8]>>,
    /// When idle files were closed last.
    swept_at: u64,
}

struct KnownFile {
    resource: Arc<Resource>,
    found_at: u64,
    is_used: bool,
}

impl Known {
    /// The file that the path leads to, if that is known, and so is whether it is there in all of
    /// these codings; and how many milliseconds ago it was found. If not, adds those codings that
    /// others have asked for.
    fn get(
        &mut self,
        path: &[u8],
        codings: &mut CodingSet,
        now: u64,
    ) -> Option<(Arc<Resource>, u64)> {
        let known = self.files.get_mut(path)?;
        known.is_used = true;
        let sought = known.resource.sought();
        let is_sought = sought.has_all(*codings);
        *codings = codings.and(sought);
        let age = now.saturating_sub(known.found_at);
        (is_sought && age < KNOWN_FOR).then(|| (Arc::clone(&known.resource), age))
    }

    /// Keeps what was found. If it is what is known already, that stays, with what is kept for it.
    fn put(&mut self, path: &[u8], resource: &Arc<Resource>, now: u64) {
        match self.files.get_mut(path) {
            Some(known) if known.resource.is_same(resource) => known.found_at = now,
            _ => self.set(path, resource, now),
        }
    }

    /// Keeps what was found, in the place of what was known.
    fn set(&mut self, path: &[u8], resource: &Arc<Resource>, now: u64) {
        if let Some(known) = self.files.get_mut(path) {
            known.resource = Arc::clone(resource);
            known.found_at = now;
            return;
        }
        if path.len() > LONGEST_KNOWN {
            return;
        }
        self.close_idle(now);
        while self.order.len() >= MOST_OPEN
            && let Some(oldest) = self.order.pop_front()
        {
            match self.files.get_mut(&oldest) {
                Some(known) if known.is_used => {
                    known.is_used = false;
                    self.order.push_back(oldest);
                }
                _ => {
                    self.files.remove(&oldest);
                }
            }
        }
        let known = KnownFile { resource: Arc::clone(resource), found_at: now, is_used: false };
        self.files.insert(path.into(), known);
        self.order.push_back(path.into());
    }

    /// Closes files that nobody asks for, so that one that was deleted does not take room on the
    /// disk for long.
    fn close_idle(&mut self, now: u64) {
        if now.saturating_sub(self.swept_at) < IDLE {
            return;
        }
        self.swept_at = now;
        self.files.retain(|_, known| now.saturating_sub(known.found_at) < IDLE);
        self.order.retain(|path| self.files.contains_key(path));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource() -> Arc<Resource> {
        let program = std::env::current_exe().expect("it runs");
        let path = program.into_os_string().into_encoded_bytes();
        Arc::new(Folder::open_alone(&path, Mode::Blocking).expect("it runs"))
    }

    #[test]
    fn what_is_known_has_an_end_in_number_length_and_time() {
        let (one, other) = (resource(), resource());
        let mut known = Known::default();
        let get = |known: &mut Known, path: &str, now| {
            known.get(path.as_bytes(), &mut CodingSet::default(), now)
        };
        known.put(b"a", &one, 5);
        known.put(b"a", &other, 7);
        let (found, age) = get(&mut known, "a", 9).expect("it is known");
        assert!(Arc::ptr_eq(&found, &one) && age == 2, "it is the same file");
        known.set(b"a", &other, 7);
        assert!(get(&mut known, "a", 9).is_some_and(|(found, _)| Arc::ptr_eq(&found, &other)));
        assert!(get(&mut known, "a", 7 + KNOWN_FOR).is_none());

        known.put(&[b'x'; LONGEST_KNOWN + 1], &one, 9);
        assert_eq!((known.files.len(), known.order.len()), (1, 1));
        for number in 0..2 * MOST_OPEN {
            known.put(format!("{number}").as_bytes(), &one, 10);
            let _ = get(&mut known, "0", 10);
            assert_eq!(known.files.len(), known.order.len());
            assert!(known.files.len() <= MOST_OPEN);
        }
        assert!(get(&mut known, "0", 10).is_some(), "it was used");
        assert!(get(&mut known, "1", 10).is_none());

        for number in 0..MOST_OPEN {
            known.put(format!("later {number}").as_bytes(), &one, 10 + IDLE);
        }
        assert_eq!(known.files.len(), MOST_OPEN, "the idle ones went");
        assert!(known.files.keys().all(|path| path.starts_with(b"later")));
    }
}
