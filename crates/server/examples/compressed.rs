//! What `bench/compressed.mjs` counts: a file's text from a handler, compressed or not.
//!
//! `compressed FILE [CODING]` serves on a free port of the loopback address until SIGTERM.
#![allow(clippy::print_stderr, reason = "it is a program")]

use std::sync::Arc;

use nix::sys::signal::{SigSet, Signal};
use reactor_server::{App, Compress, Config, Listen, Request, Response, Server, Stop, Target};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let signals = SigSet::from_iter([Signal::SIGTERM]);
    signals.thread_block()?;
    let mut args = std::env::args().skip(1);
    let text = std::fs::read(args.next().ok_or("usage: compressed FILE [CODING]")?)?;
    let coding = args.next();
    let compress = coding.map(|name| Compress::default().with_codings([name.as_str()]));
    let mut app = App::new();
    let handler = move |_: &Request, response: &mut Response| {
        response.json();
        response.body(&text);
    };
    app.route(Some("GET"), "/", Target::worker(handler))?;
    let server = Server::start(Config {
        listen: vec![Listen::Tcp { host: "127.0.0.1".to_owned(), port: 0 }.into()],
        io_threads: 1,
        worker_threads: 1,
        compress: compress.map(Arc::new),
        app,
        ..Config::default()
    })?;
    eprintln!("listening on {}", server.address());
    signals.wait()?;
    server.stop(Stop::Force);
    server.wait();
    Ok(())
}
