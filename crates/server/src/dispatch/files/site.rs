//! A folder as the target of a route.
//!
//! A loop answers by itself where it need not wait: the folder's names and the file's pages are in
//! memory, as those of a busy site are. Otherwise a worker answers.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use reactor_proto::{CodingSet, Wishes};

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

/// How often a worker looks a file up again that changes under its hands.
const TRIES: usize = 4;

/// A folder that workers serve.
pub(crate) struct Site {
    folder: Arc<Folder>,
    packed: Arc<Packed>,
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
        Self { folder: Arc::clone(folder), packed: Arc::clone(packed) }
    }

    /// Who may read answers in browsers, as `Access-Control-Allow-Origin` says it.
    pub(crate) fn cors(&self) -> Option<&str> {
        self.folder.cors()
    }

    fn look_up(&self, wanted: &Wanted<'_>, codings: CodingSet, mode: Mode) -> Lookup {
        let is_navigation = wanted.asked.wishes.wants_navigation();
        self.folder.look_up(wanted.path, wanted.rest, is_navigation, codings, mode)
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
            let found = self.look_up(&wanted, codings, Mode::Blocking);
            let mode = Mode::Blocking;
            match answer(found, &wanted.asked, &self.packed, mode, path, response) {
                Ok(()) => return,
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
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = &mut known[usize::from(asked.wishes.wants_navigation())];
        let mut codings = asked.wishes.codings().taken();
        if let Some(resource) = known.get(rest, &mut codings, now) {
            let asked = Asked { is_fresh: false, ..*asked };
            let found = Lookup::Found(resource);
            match answer(found, &asked, &self.site.packed, Mode::Cached, rest, response) {
                Ok(()) => return true,
                Err(Fault::Changed) => response.clear(),
                Err(_) => {
                    response.clear();
                    return false;
                }
            }
        }
        let found = self.site.look_up(wanted, codings, Mode::Cached);
        if let Lookup::Found(resource) = &found {
            known.put(rest, resource, now);
        }
        let done =
            answer(found, asked, &self.site.packed, Mode::Cached, wanted.path, response).is_ok();
        if !done {
            response.clear();
        }
        done
    }
}

/// Files by the path that led to them. The oldest go first, unless they are used.
#[derive(Default)]
struct Known {
    files: HashMap<Box<[u8]>, KnownFile>,
    order: VecDeque<Box<[u8]>>,
}

struct KnownFile {
    resource: Arc<Resource>,
    found_at: u64,
    is_used: bool,
}

impl Known {
    /// The file that the path leads to, if that is known, and so is whether it is there in all of
    /// these codings. If not, adds those that others have asked for.
    fn get(&mut self, path: &[u8], codings: &mut CodingSet, now: u64) -> Option<Arc<Resource>> {
        let known = self.files.get_mut(path)?;
        known.is_used = true;
        let sought = known.resource.sought();
        let is_sought = sought.has_all(*codings);
        *codings = codings.and(sought);
        let is_known = is_sought && now.wrapping_sub(known.found_at) < KNOWN_FOR;
        is_known.then(|| Arc::clone(&known.resource))
    }

    fn put(&mut self, path: &[u8], resource: &Arc<Resource>, now: u64) {
        if let Some(known) = self.files.get_mut(path) {
            known.found_at = now;
            if !known.resource.is_same(resource) {
                known.resource = Arc::clone(resource);
            }
            return;
        }
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
}
