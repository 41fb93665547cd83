//! An application: its routes, and what each leads to.

use std::fmt;
use std::sync::Arc;

use reactor_proto::response;
use reactor_route::{RouteError, Routes};

use crate::exchange::field_error::FieldError;
use crate::exchange::task::{Request, Response, append_field, check_status, is_upgrade};

/// Answers requests on a worker thread. Closures
/// `Fn(&Request, &mut Response)` are handlers.
///
/// A handler may block: only its own thread waits. A handler that panics costs its own request a
/// 500 and nothing else.
pub trait Handler: Send + Sync + 'static {
    /// Fills in the response.
    fn handle(&self, request: &Request, response: &mut Response);
}

impl<F: Fn(&Request, &mut Response) + Send + Sync + 'static> Handler for F {
    fn handle(&self, request: &Request, response: &mut Response) {
        self(request, response);
    }
}

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
    /// To the server's statistics as JSON, made on a worker thread.
    Stats,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline(inline) => f.debug_tuple("Inline").field(&inline.status).finish(),
            Self::Worker(_) => f.write_str("Worker"),
            Self::Lane(route) => f.debug_tuple("Lane").field(route).finish(),
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

/// A pre-rendered response.
#[derive(Clone, Debug)]
pub struct Inline {
    pub(crate) status: u16,
    /// The status line and all fields but `Date` and `Connection`.
    pub(crate) head: Vec<u8>,
    pub(crate) body: Arc<[u8]>,
    /// It has an Upgrade field, so that Connection has to name it.
    pub(crate) upgrade: bool,
}

impl Inline {
    /// Renders a response, with its `Content-Length`. `Date` and `Connection` are added when it is
    /// sent.
    ///
    /// # Errors
    /// [`FieldError`] for a status outside 200 to 999, for a name that is no
    /// token, a value with control characters, and for the fields that the
    /// server itself writes.
    pub fn new(
        status: u16,
        fields: &[(&str, &[u8])],
        body: impl Into<Vec<u8>>,
    ) -> Result<Self, FieldError> {
        Self::with_phrase(status, b"", fields, body)
    }

    /// The same with a reason phrase; an empty one is that of the status.
    ///
    /// # Errors
    /// As [`Inline::new`], and for a phrase with control characters.
    pub fn with_phrase(
        status: u16,
        phrase: &[u8],
        fields: &[(&str, &[u8])],
        body: impl Into<Vec<u8>>,
    ) -> Result<Self, FieldError> {
        check_status(status)?;
        let mut head = Vec::new();
        let mut body: Vec<u8> = body.into();
        response::status_line_with(&mut head, status, phrase)?;
        let mut upgrade = false;
        for (name, value) in fields {
            upgrade |= is_upgrade(name);
            append_field(&mut head, name, value)?;
        }
        if !response::has_content(status) {
            body.clear();
        }
        if response::has_body(status) {
            response::content_length(&mut head, body.len() as u64);
        }
        Ok(Self { status, head, body: body.into(), upgrade })
    }
}

/// A table of routes.
#[derive(Clone, Debug)]
pub struct App {
    routes: Vec<(Option<String>, String, Target)>,
    /// The same routes. Each further one is checked against them, so that compiling cannot fail.
    check: Routes<()>,
}

impl Default for App {
    fn default() -> Self {
        Self { routes: Vec::new(), check: Routes::new() }
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

    /// Whether some route leads to a worker thread.
    pub(crate) fn has_workers(&self) -> bool {
        let mut targets = self.routes.iter().map(|(_, _, target)| target);
        targets.any(|target| matches!(target, Target::Worker(_) | Target::Stats))
    }

    /// The table that one I/O loop owns. `stats` is what answers
    /// [`Target::Stats`].
    pub(crate) fn compile(&self, stats: &Arc<dyn Handler>) -> Table {
        let mut routes = Routes::new();
        for (method, pattern, target) in &self.routes {
            let compiled = match target {
                Target::Inline(inline) => Compiled::Inline(Arc::new(inline.clone())),
                Target::Worker(handler) => Compiled::Worker(HandlerCell::new(handler)),
                Target::Lane(route) => Compiled::Lane(*route),
                Target::Stats => Compiled::Worker(HandlerCell::new(stats)),
            };
            let inserted = routes.insert(method.as_deref(), pattern, compiled);
            debug_assert!(inserted.is_ok(), "route() let a bad route in");
        }
        routes
    }
}

pub(crate) type Table = Routes<Compiled>;

/// A target as one loop sees it.
pub(crate) enum Compiled {
    Inline(Arc<Inline>),
    Worker(Arc<HandlerCell>),
    Lane(u32),
}

/// A handler with a reference count of the loop's own. Only that loop counts, so that the count
/// stays in its core's cache.
pub(crate) struct HandlerCell {
    handler: Arc<dyn Handler>,
}

impl HandlerCell {
    fn new(handler: &Arc<dyn Handler>) -> Arc<Self> {
        Arc::new(Self { handler: Arc::clone(handler) })
    }

    pub(crate) fn handle(&self, request: &Request, response: &mut Response) {
        self.handler.handle(request, response);
    }
}
