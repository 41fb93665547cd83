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
use crate::observe::routes::{BUILT_IN, Labels};

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
    /// The lanes' route for what has no other, if there is one.
    fall_through: Option<u32>,
}

/// What requests count under whose route takes what no other does.
const FALL_THROUGH: &str = "fetch";

/// Compressed files that are kept, in bytes.
const PACKED: usize = 64 * 1024 * 1024;

impl Default for App {
    fn default() -> Self {
        let packed = Arc::new(Packed::new(PACKED));
        let (routes, check) = (Vec::new(), Routes::new());
        Self { routes, check, packed, plain: HashSet::new(), fall_through: None }
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

    /// The lanes' route with this number takes what no other does. Requests to it count under
    /// `fetch`, and not under the pattern that has led to it.
    pub fn fall_through(&mut self, route: u32) -> &mut Self {
        self.fall_through = Some(route);
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
        let mut labels: Vec<Arc<str>> = vec![BUILT_IN.into()];
        for (method, pattern, target) in &self.routes {
            let label = match target {
                Target::Lane(route) if self.fall_through == Some(*route) => FALL_THROUGH,
                _ => pattern,
            };
            // One that has no place counts with others that have none.
            let place = u16::try_from(labels.len()).unwrap_or(u16::MAX);
            labels.push(label.into());
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
            let routed = Routed { compiled, label: place };
            let inserted = routes.insert(method.as_deref(), pattern, routed);
            debug_assert!(inserted.is_ok(), "route() let a bad route in");
        }
        Table { routes, labels: Labels::new(labels) }
    }

    /// The same with health checks, unless the application answers under their paths itself.
    pub(crate) fn compile_with(
        &self,
        stats: &Arc<dyn Handler>,
        compress: Option<&Compress>,
        checks: &HealthChecks,
    ) -> Table {
        let mut table = self.compile(stats, compress);
        for (path, question) in [(&checks.ready, Question::Ready), (&checks.live, Question::Live)] {
            if let Some(path) = path
                && !self.routes.iter().any(|(_, pattern, _)| pattern == path)
            {
                // It fails where both have the same path: then the first is there.
                let compiled = Compiled::Health(question);
                // They count with what else the server answers by itself.
                let _ = table.routes.insert(Some("GET"), path, Routed { compiled, label: 0 });
            }
        }
        table
    }
}

/// The table of routes that one loop owns.
pub(crate) struct Table {
    pub(crate) routes: Routes<Routed>,
    /// What requests count under.
    pub(crate) labels: Labels,
}

/// A target, and the place of its label.
pub(crate) struct Routed {
    pub(crate) compiled: Compiled,
    pub(crate) label: u16,
}

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
