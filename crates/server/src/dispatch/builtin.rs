//! What the server answers when it is given nothing to serve. Worker threads run it, as they run
//! any handler.

use crate::dispatch::app::{App, Target};
use crate::exchange::request::Request;
use crate::exchange::response::Response;

impl App {
    /// What `reactor-rs serve` answers when it is given no target.
    #[must_use]
    pub fn builtin() -> Self {
        let mut app = Self::new();
        let mut add = |method: Option<&str>, pattern: &str, target: Target| {
            let added = app.route(method, pattern, target);
            debug_assert!(added.is_ok(), "the built-in routes are sound");
        };
        add(Some("GET"), "/", Target::worker(hello));
        add(None, "/echo", Target::worker(echo));
        add(None, "/echo/head", Target::worker(echo_head));
        add(Some("GET"), "/healthz", Target::worker(healthz));
        add(Some("GET"), "/stats", Target::Stats);
        app
    }
}

fn hello(_: &Request, response: &mut Response) {
    text(response);
    response.body(b"Hello, World!");
}

/// The body as it came, with its content type. It is chunked if the request was.
fn echo(request: &Request, response: &mut Response) {
    let content_type = request.get("content-type").unwrap_or(b"application/octet-stream");
    // Cannot fail: the decoder accepts no value that a response could not have.
    let _ = response.field("Content-Type", content_type);
    response.body(request.body());
    if request.get("transfer-encoding").is_some() {
        response.chunked();
    }
}

fn echo_head(request: &Request, response: &mut Response) {
    text(response);
    response.body(request.head_bytes());
}

fn healthz(_: &Request, response: &mut Response) {
    text(response);
    response.body(b"ok\n");
}

fn text(response: &mut Response) {
    let added = response.field("Content-Type", "text/plain");
    debug_assert!(added.is_ok());
}
