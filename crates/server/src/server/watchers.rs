//! The small servers and the handlers through which people watch a server.

use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Instant;

use reactor_sys::SocketMode;

use crate::dispatch::app::{App, Target};
use crate::exchange::handler::Handler;
use crate::exchange::request::Request;
use crate::exchange::response::Response;
use crate::observe::health::Question;
use crate::server::config::{AcceptMode, Config, Endpoint, Listen};
use crate::server::control;
use crate::server::error::StartError;
use crate::server::metrics::{self, program};
use crate::server::own_hosts::OwnHosts;
use crate::server::running::Server;
use crate::server::shared::Shared;

/// What answers [`Target::Stats`].
pub(super) fn stats(shared: &Arc<Shared>) -> Arc<dyn Handler> {
    Arc::new(StatsHandler(Arc::downgrade(shared)))
}

/// Serves metrics, and what else people and probes want to know of the server.
pub(super) fn serve_metrics(
    shared: &Arc<Shared>,
    endpoint: &Endpoint,
) -> Result<Server, StartError> {
    let name = match &endpoint.listen {
        Listen::Tcp { host, .. } => Some(host.as_str()),
        _ => None,
    };
    let mut site = Site::new(shared, name);
    site.page("/metrics", metrics);
    site.page("/snapshot", snapshot);
    site.probe("/readyz", |shared, response| health(shared, response, Question::Ready));
    site.probe("/livez", |shared, response| health(shared, response, Question::Live));
    if shared.dashboard.is_some() {
        site.page("/", dashboard);
    }
    if shared.program.is_some() {
        site.threads = program::THREADS;
    }
    site.serve(endpoint.clone()).map_err(StartError::of_option("metrics"))
}

/// Serves the control socket.
pub(super) fn serve_control(shared: &Arc<Shared>, path: &Path) -> Result<Server, StartError> {
    let mut site = Site::new(shared, None);
    site.page("/", snapshot);
    let mode = Some(SocketMode::Exactly(0o600));
    let endpoint = Endpoint { socket_mode: mode, ..Listen::Unix(path.to_owned()).into() };
    site.serve(endpoint).map_err(StartError::of_option("control"))
}

/// What answers a page. The fields are the server's, the request's are of no interest.
type Answer = fn(&Shared, &mut Response);

/// The pages of a small server. It has threads of its own, and answers however busy the other
/// server's threads are.
struct Site {
    shared: Weak<Shared>,
    hosts: Arc<OwnHosts>,
    app: App,
    /// How many pages are made at once.
    threads: usize,
}

impl Site {
    /// `name` is the host name that its listener was given, if any.
    fn new(shared: &Arc<Shared>, name: Option<&str>) -> Self {
        let hosts = Arc::new(OwnHosts::new(name));
        Self { shared: Arc::downgrade(shared), hosts, app: App::new(), threads: 1 }
    }

    /// Adds a page. It answers to the host names of this machine only.
    fn page(&mut self, path: &str, answer: Answer) {
        self.add(path, answer, Some(Arc::clone(&self.hosts)));
    }

    /// Adds a page that tells no secret. It answers to any name, as balancers and clusters ask.
    fn probe(&mut self, path: &str, answer: Answer) {
        self.add(path, answer, None);
    }

    fn add(&mut self, path: &str, answer: Answer, hosts: Option<Arc<OwnHosts>>) {
        let page = Page { shared: self.shared.clone(), hosts, answer };
        let added = self.app.route(Some("GET"), path, Target::worker(page));
        debug_assert!(added.is_ok());
    }

    fn serve(self, endpoint: Endpoint) -> Result<Server, StartError> {
        Server::start(Config {
            listen: vec![endpoint],
            io_threads: 1,
            worker_threads: self.threads,
            accept: AcceptMode::PerLoop,
            queue: 64,
            max_connections: Some(64),
            body_memory: 0,
            thread_prefix: "rxw",
            app: self.app,
            ..Config::default()
        })
    }
}

/// A page of a small server.
struct Page {
    shared: Weak<Shared>,
    /// Whom it answers to; anybody without it.
    hosts: Option<Arc<OwnHosts>>,
    answer: Answer,
}

impl Handler for Page {
    fn handle(&self, request: &Request, response: &mut Response) {
        if self.hosts.as_ref().is_some_and(|hosts| !hosts.admits(request, response)) {
            return;
        }
        let Some(shared) = self.shared.upgrade() else {
            // The server has stopped.
            let _ = response.status(503);
            return;
        };
        // Cannot fail: it is valid. What answers puts its type beside it.
        let _ = response.field("Cache-Control", "no-store");
        (self.answer)(&shared, response);
    }
}

/// Answers `/metrics`.
fn metrics(shared: &Shared, response: &mut Response) {
    // Cannot fail: both are valid.
    let _ = response.field("Content-Type", metrics::CONTENT_TYPE);
    let page = metrics::render(
        &shared.stats(),
        &shared.counters,
        &shared.lanes(),
        shared.program.as_ref(),
    );
    response.body_vec(page.into_bytes());
}

/// Answers a health check, where no client of the server is in its way.
fn health(shared: &Shared, response: &mut Response, question: Question) {
    let (is_well, words) = shared.health.answer(question, Instant::now());
    // Cannot fail: all of it is valid.
    let _ = response.status(if is_well { 200 } else { 503 });
    response.text();
    let _ = response.field("Cache-Control", "no-store");
    response.body(words);
}

/// Answers with everything that is counted, as one line of JSON.
fn snapshot(shared: &Shared, response: &mut Response) {
    if let Some(watch) = &shared.watch {
        watch.look();
    }
    // Cannot fail: both are valid.
    let _ = response.field("Content-Type", "application/json");
    let address = shared.addresses[0].to_string();
    let (stats, lanes) = (shared.stats(), shared.lanes());
    response.body_vec(control::snapshot(address, &stats, &shared.counters, &lanes));
}

/// Answers with the page that shows [`snapshot`] to people. It may run what it brings along and
/// ask its own listener, and nothing else.
fn dashboard(shared: &Shared, response: &mut Response) {
    let Some(page) = &shared.dashboard else { return };
    // Cannot fail: all are valid.
    for (name, value) in [
        ("Content-Type", "text/html; charset=utf-8"),
        (
            "Content-Security-Policy",
            "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
             img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'",
        ),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
    ] {
        let _ = response.field(name, value);
    }
    response.body_shared(Arc::clone(page));
}

/// Answers routes to the statistics.
struct StatsHandler(Weak<Shared>);

impl Handler for StatsHandler {
    fn handle(&self, _: &Request, response: &mut Response) {
        let json = self.0.upgrade().and_then(|shared| serde_json::to_vec(&shared.stats()).ok());
        // Cannot fail: both are valid.
        let _ = response.field("Content-Type", "application/json");
        let _ = response.field("Cache-Control", "no-store");
        response.body_vec(json.unwrap_or_else(|| b"{}".to_vec()));
    }
}
