//! The small servers and the handlers through which people watch a server.

use std::path::Path;
use std::sync::{Arc, Weak};

use reactor_sys::SocketMode;

use crate::dispatch::app::{App, Target};
use crate::exchange::handler::Handler;
use crate::exchange::request::Request;
use crate::exchange::response::Response;
use crate::server::config::{AcceptMode, Config, Endpoint, Listen};
use crate::server::control;
use crate::server::error::StartError;
use crate::server::metrics;
use crate::server::own_hosts::OwnHosts;
use crate::server::running::Server;
use crate::server::shared::Shared;

/// What answers [`Target::Stats`].
pub(super) fn stats(shared: &Arc<Shared>) -> Arc<dyn Handler> {
    Arc::new(StatsHandler(Arc::downgrade(shared)))
}

/// Serves `/metrics`.
pub(super) fn serve_metrics(shared: &Arc<Shared>, listen: &Listen) -> Result<Server, StartError> {
    let name = match listen {
        Listen::Tcp { host, .. } => Some(host.as_str()),
        Listen::Unix(_) | Listen::Inherited(_) => None,
    };
    let handler = MetricsHandler(Arc::downgrade(shared), OwnHosts::new(name));
    serve(listen.clone(), None, "/metrics", handler).map_err(StartError::of_option("metrics"))
}

/// Serves the control socket.
pub(super) fn serve_control(shared: &Arc<Shared>, path: &Path) -> Result<Server, StartError> {
    let handler = ControlHandler(Arc::downgrade(shared), OwnHosts::new(None));
    let mode = Some(SocketMode::Exactly(0o600));
    serve(Listen::Unix(path.to_owned()), mode, "/", handler)
        .map_err(StartError::of_option("control"))
}

/// A small server with threads of its own: it answers however busy the other server's threads
/// are.
fn serve(
    listen: Listen,
    socket_mode: Option<SocketMode>,
    path: &str,
    handler: impl Handler,
) -> Result<Server, StartError> {
    let mut app = App::new();
    let added = app.route(Some("GET"), path, Target::worker(handler));
    debug_assert!(added.is_ok());
    Server::start(Config {
        listen: vec![Endpoint { socket_mode, ..listen.into() }],
        io_threads: 1,
        worker_threads: 1,
        accept: AcceptMode::PerLoop,
        queue: 64,
        max_connections: Some(64),
        body_memory: 0,
        thread_prefix: "rxw",
        app,
        ..Config::default()
    })
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

/// Answers `/metrics`.
struct MetricsHandler(Weak<Shared>, OwnHosts);

impl Handler for MetricsHandler {
    fn handle(&self, request: &Request, response: &mut Response) {
        if !self.1.admits(request, response) {
            return;
        }
        let Some(shared) = self.0.upgrade() else {
            // The server has stopped.
            let _ = response.status(503);
            return;
        };
        // Cannot fail: both are valid.
        let _ = response.field("Content-Type", metrics::CONTENT_TYPE);
        let page = metrics::render(&shared.stats(), &shared.counters, &shared.lanes());
        response.body_vec(page.into_bytes());
    }
}

/// Answers on the control socket.
struct ControlHandler(Weak<Shared>, OwnHosts);

impl Handler for ControlHandler {
    fn handle(&self, request: &Request, response: &mut Response) {
        if !self.1.admits(request, response) {
            return;
        }
        let shared = self.0.upgrade();
        let Some((shared, watch)) = shared.as_ref().and_then(|s| Some((s, s.watch.as_ref()?)))
        else {
            // The server has stopped.
            let _ = response.status(503);
            return;
        };
        // Cannot fail: both are valid.
        let _ = response.field("Content-Type", "application/json");
        let address = shared.addresses[0].to_string();
        let (stats, lanes) = (shared.stats(), shared.lanes());
        response.body_vec(control::snapshot(address, &stats, &shared.counters, &lanes, watch));
    }
}
