//! An application: its routes, and what each leads to.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use reactor_route::{RouteError, Routes};

use crate::dispatch::files::folder::Folder;
use crate::dispatch::files::packed::Packed;
use crate::dispatch::files::site::{LoopSite, Site};
use crate::exchange::compression::options::Compress;
use crate::exchange::handler::{Handler, HandlerCell};
use crate::exchange::inline::{Inline, InlineSet};
use crate::observe::health::{HealthChecks, Question};

/// Where a route leads.
#[derive(Clone)]
pub enum Target {
    /// To a pre-rendered response, written by the I/O loop itself.
    Inline(Inline),
    /// To a handler on a worker thread.
    Worker(Arc<dyn Handler>),
    /// To a lane. The number tells the lane's thread which of its routes it is; see
    /// [`Lane`](crate::Lane).
    Lane(u32),
    /// To files, which a loop sends by itself where it need not wait for a disk.
    Files(Arc<Folder>),
    /// To the server's statistics as JSON, made on a worker thread.
    Stats,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline(inline) => f.debug_tuple("Inline").field(&inline.status).finish(),
            Self::Worker(_) => f.write_str("Worker"),
            Self::Lane(route) => f.debug_tuple("Lane").field(route).finish(),
            Self::Files(folder) => f.debug_tuple("Files").field(folder).finish(),
            Self::Stats => f.write_str("Stats"),
        }
    }
}

impl Target {
    /// A worker target.
    pub fn worker(handler: impl Handler) -> Self {
        Self::Worker(Arc::new(handler))
    }
}

/// A table of routes.
#[derive(Clone, Debug)]
pub struct App {
    routes: Vec<(Option<String>, String, Target)>,
    /// The same routes. Each further one is checked against them, so that compiling cannot fail.
    check: Routes<()>,
    /// Files that were compressed, of all folders and loops.
    packed: Arc<Packed>,
    /// Lanes' routes whose answers are not compressed.
    plain: HashSet<u32>,
}

/// Compressed files that are kept, in bytes.
const PACKED: usize = 64 * 1024 * 1024;

impl Default for App {
    fn default() -> Self {
        let packed = Arc::new(Packed::new(PACKED));
        Self { routes: Vec::new(), check: Routes::new(), packed, plain: HashSet::new() }
    }
}

impl App {
    /// An application that answers everything with 404.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a route; `None` takes every method. Patterns are `/path`,
    /// `/users/:id` and `/assets/*`.
    ///
    /// # Errors
    /// [`RouteError`] for a pattern that is wrong, or taken already.
    pub fn route(
        &mut self,
        method: Option<&str>,
        pattern: &str,
        target: Target,
    ) -> Result<&mut Self, RouteError> {
        self.check.insert(method, pattern, ())?;
        self.routes.push((method.map(str::to_owned), pattern.to_owned(), target));
        Ok(self)
    }

    /// What the lanes' route with this number answers is not compressed.
    pub fn plain(&mut self, route: u32) -> &mut Self {
        self.plain.insert(route);
        self
    }

    /// Whether some route leads to a worker thread.
    pub(crate) fn has_workers(&self) -> bool {
        let mut targets = self.routes.iter().map(|(_, _, target)| target);
        targets.any(|target| matches!(target, Target::Worker(_) | Target::Files(_) | Target::Stats))
    }

    /// The table that one I/O loop owns. `stats` is what answers
    /// [`Target::Stats`].
    pub(crate) fn compile(&self, stats: &Arc<dyn Handler>, compress: Option<&Compress>) -> Table {
        let mut routes = Routes::new();
        for (method, pattern, target) in &self.routes {
            let compiled = match target {
                Target::Inline(inline) => {
                    let set = compress.map(|compress| compress.prepare(inline)).unwrap_or_default();
                    Compiled::Inline(Arc::new(inline.clone()), Arc::new(set))
                }
                Target::Worker(handler) => Compiled::Worker(HandlerCell::new(handler)),
                Target::Lane(route) => {
                    Compiled::Lane { route: *route, plain: self.plain.contains(route) }
                }
                Target::Files(folder) => {
                    let site = Arc::new(Site::new(folder, &self.packed));
                    let handler: Arc<dyn Handler> = Arc::clone(&site) as Arc<dyn Handler>;
                    let worker = HandlerCell::new(&handler);
                    Compiled::Files(Arc::new(FilesTarget { site: LoopSite::new(site), worker }))
                }
                Target::Stats => Compiled::Worker(HandlerCell::new(stats)),
            };
            let inserted = routes.insert(method.as_deref(), pattern, compiled);
            debug_assert!(inserted.is_ok(), "route() let a bad route in");
        }
        routes
    }

    /// The same with health checks, unless the application answers under their paths itself.
    pub(crate) fn compile_with(
        &self,
        stats: &Arc<dyn Handler>,
        compress: Option<&Compress>,
        checks: &HealthChecks,
    ) -> Table {
        let mut routes = self.compile(stats, compress);
        for (path, question) in [(&checks.ready, Question::Ready), (&checks.live, Question::Live)] {
            if let Some(path) = path
                && !self.routes.iter().any(|(_, pattern, _)| pattern == path)
            {
                // It fails where both have the same path: then the first is there.
                let _ = routes.insert(Some("GET"), path, Compiled::Health(question));
            }
        }
        routes
    }
}

pub(crate) type Table = Routes<Compiled>;

/// A target as one loop sees it.
pub(crate) enum Compiled {
    /// A response, and its forms in each coding.
    Inline(Arc<Inline>, Arc<InlineSet>),
    Worker(Arc<HandlerCell>),
    Files(Arc<FilesTarget>),
    /// A health check, which the loop answers itself.
    Health(Question),
    Lane {
        route: u32,
        /// What it answers is not compressed.
        plain: bool,
    },
}

/// A folder as one loop sees it, and what answers where the loop cannot.
pub(crate) struct FilesTarget {
    pub(crate) site: LoopSite,
    pub(crate) worker: Arc<HandlerCell>,
}
