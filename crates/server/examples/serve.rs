//! The engine without Node: what benchmarks, valgrind and gdb run.
//!
//! `serve [-p PORT] [-H HOST] [-i N] [-w N] [--accept acceptor|per-loop]
//! [--unix PATH] [--inline] [--max-connections N] [--queue N] [--no-sigint]
//! [--drain MS] [--access-log FILE] [--leak BYTES] [--tls-cert FILE --tls-key FILE]`
//!
//! It answers like `reactor-rs serve`, and `/inline` with a pre-rendered response. `--inline` makes
//! `/` pre-rendered as well, and has 1 MiB at `/large`. SIGINT and SIGTERM drain, a second one forces. `--no-sigint` leaves
//! SIGINT alone, so that Ctrl-C reaches a debugger. `--leak` loses memory, to see that a memory
//! check finds it.
#![allow(clippy::print_stderr, reason = "it is a program")]

use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};
use reactor_server::{
    AcceptMode, AccessLog, App, Config, Endpoint, Inline, Listen, LogFormat, LogTarget, Server,
    Stop, Target, Tls,
};
use reactor_tls::config::{self, Pem, Unknown};
use reactor_tls::{CACHE, Clock, Resumption, SystemClock, TIMEOUT};

const NO_SIGINT: &str = "--no-sigint";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("serve: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    // Before any thread starts, so that all of them inherit it.
    let mut signals = SigSet::from_iter([Signal::SIGTERM]);
    if !std::env::args().any(|arg| arg == NO_SIGINT) {
        signals.add(Signal::SIGINT);
    }
    signals.thread_block().map_err(|e| e.to_string())?;

    let server = Server::start(config()?).map_err(|e| e.to_string())?;
    eprintln!("listening on {}", server.address());
    signals.wait().map_err(|e| e.to_string())?;
    server.stop(Stop::Drain);
    let stopped = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stopped);
    server.on_stopped(Box::new(move || {
        flag.store(true, Ordering::Release);
        // Ends the wait below.
        let _ = nix::sys::signal::kill(nix::unistd::Pid::this(), Signal::SIGTERM);
    }));
    signals.wait().map_err(|e| e.to_string())?;
    if !stopped.load(Ordering::Acquire) {
        server.stop(Stop::Force);
    }
    server.wait();
    drop(server);
    until_alone();
    Ok(())
}

/// Waits until no other thread runs, a second at most. The last of the server's ends by itself,
/// and a memory check that saw it in the midst of that would take its stack for a leak.
fn until_alone() {
    for _ in 0..200 {
        let threads = std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
        if threads <= 1 {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn config() -> Result<Config, String> {
    let mut config = Config::default();
    let (mut host, mut port, mut unix) = ("127.0.0.1".to_owned(), 8080, None);
    let (mut cert, mut key) = (Vec::new(), Vec::new());
    let mut inline_root = false;
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        if arg == "--inline" {
            inline_root = true;
            continue;
        }
        if arg == NO_SIGINT {
            continue;
        }
        let value = args.next().ok_or_else(|| format!("{arg} needs a value"))?;
        match arg.as_str() {
            "-p" => port = number(&arg, &value)?,
            "-H" => host = value,
            "-i" => config.io_threads = number(&arg, &value)?,
            "-w" => config.worker_threads = number(&arg, &value)?,
            "--queue" => config.queue = number(&arg, &value)?,
            "--max-connections" => config.max_connections = Some(number(&arg, &value)?),
            "--access-log" => {
                let target = LogTarget::File(value.into());
                config.access_log =
                    Some(AccessLog { target, format: LogFormat::default(), trace: None });
            }
            "--drain" => {
                config.timeouts.drain = Duration::from_millis(number(&arg, &value)?);
            }
            "--leak" => {
                // Otherwise the compiler leaves out what is not used.
                std::mem::forget(std::hint::black_box(vec![0_u8; number(&arg, &value)?]));
            }
            "--unix" => unix = Some(value),
            "--tls-cert" => cert.push(pem(&value)?),
            "--tls-key" => key.push(pem(&value)?),
            "--accept" => {
                config.accept = match value.as_str() {
                    "acceptor" => AcceptMode::Acceptor,
                    "per-loop" => AcceptMode::PerLoop,
                    _ => return Err(format!("--accept {value}: acceptor or per-loop")),
                }
            }
            _ => return Err(format!("unknown option {arg}")),
        }
    }
    let listen = match unix {
        Some(path) => Listen::Unix(path.into()),
        None => Listen::Tcp { host, port },
    };
    let tls = if cert.is_empty() { None } else { Some(tls(&cert, &key)?) };
    config.listen = vec![Endpoint { tls, ..listen.into() }];
    config.app = app(inline_root).map_err(|e| e.to_string())?;
    Ok(config)
}

fn pem(path: &str) -> Result<Pem, String> {
    let text = std::fs::read(path).map_err(|error| format!("{path}: {error}"))?;
    Ok(Pem::new(path, text))
}

fn tls(certificates: &[Pem], keys: &[Pem]) -> Result<Arc<Tls>, String> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let resumption = Arc::new(Resumption::new(Arc::clone(&clock), TIMEOUT, CACHE, &[]));
    let entry = config::Entry {
        certificates: certificates.to_vec(),
        keys: keys.to_vec(),
        server_order: true,
        protocols: vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        ..config::Entry::default()
    };
    let config = reactor_tls::Config::new(&[entry], Unknown::Default, &resumption, &clock);
    let config = config.map_err(|error| error.to_string())?;
    Ok(Arc::new(Tls::new(Arc::new(config), Tls::HANDSHAKE_TIMEOUT)))
}

fn number<T: FromStr>(option: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("{option} {value}: not a number in range"))
}

fn app(inline_root: bool) -> Result<App, Box<dyn std::error::Error>> {
    let hello = || Inline::new(200, &[("Content-Type", b"text/plain")], "Hello, World!");
    let mut app = if inline_root {
        let mut app = App::new();
        app.route(Some("GET"), "/", Target::Inline(hello()?))?;
        let large = Inline::new(200, &[("Content-Type", b"text/plain")], vec![b'x'; 1 << 20])?;
        app.route(Some("GET"), "/large", Target::Inline(large))?;
        app
    } else {
        App::builtin()
    };
    app.route(Some("GET"), "/inline", Target::Inline(hello()?))?;
    Ok(app)
}
