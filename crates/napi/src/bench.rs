//! The load client as JavaScript sees it: start, progress, stop, result.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use napi::bindgen_prelude::{
    AsyncTask, Object, Uint8Array, retain_current_module_for_unload_safety,
};
use napi::{Env, Error, Result, Status, Task};
use napi_derive::napi;
use reactor_load::{Http2, Kind, Peer, Plan, Request, Run, StartError, WebSocket};
use reactor_tls::Version;
use reactor_tls::client::{Client, ClientOptions};
use reactor_tls::config::Pem;
use serde::Serialize;

use crate::options::NativeField;
use crate::running::{self, Running};
use crate::server::Failure;
use crate::tls::NativePem;

/// The server to load, and how. Checked by `ts/bench/bench.ts`; times are milliseconds.
#[napi(object)]
pub struct NativeBenchOptions {
    /// Path of a unix socket. Wins over `hostname` and `port`.
    pub unix: Option<String>,
    /// Host name or IP address.
    pub hostname: String,
    /// TCP port.
    pub port: u16,
    /// The Host field, where `headers` has none.
    pub host: String,
    /// Request target: path and query.
    pub target: String,
    /// Request method.
    pub method: String,
    /// Request fields, in order.
    pub headers: Vec<NativeField>,
    /// Request body.
    pub body: Uint8Array,
    /// Client threads.
    pub threads: u32,
    /// Connections over all threads.
    pub connections: u32,
    /// Requests that one connection may have under way.
    pub pipeline: u32,
    /// HTTP/2 with so many streams at once; absent: HTTP/1.1.
    pub streams: Option<u32>,
    /// Connections carry more than one request.
    pub keep_alive: bool,
    /// Absent: until `requests` are done.
    pub duration: Option<u32>,
    /// Absent: until `duration` is over.
    pub requests: Option<i64>,
    /// Requests a second; absent: a closed loop.
    pub rate: Option<u32>,
    /// How long the run goes before it counts anything.
    pub warmup: u32,
    /// For a connection to open, and for an answer to arrive.
    pub timeout: u32,
    /// The one right status; absent: any from 200 to 399.
    pub expect_status: Option<u16>,
    /// The one right body; absent: any.
    pub expect_body: Option<Uint8Array>,
    /// Absent: without TLS.
    pub tls: Option<NativeBenchTls>,
    /// Each connection begins with a header of the PROXY protocol: 1 or 2, its version.
    pub proxy_protocol: Option<u32>,
    /// Absent: requests.
    pub web_socket: Option<NativeBenchWebSocket>,
}

/// Messages instead of requests; `method`, `body` and `keep_alive` say nothing then.
#[napi(object)]
pub struct NativeBenchWebSocket {
    /// The message.
    pub payload: Uint8Array,
    /// Not text.
    pub binary: bool,
    /// Compressed.
    pub compress: bool,
    /// One connection sends, the others receive.
    pub subscribers: bool,
}

/// How the client speaks TLS. Checked by `ts/bench/tls.ts`.
#[napi(object)]
pub struct NativeBenchTls {
    /// The name that is asked for.
    pub server_name: String,
    /// Authorities that are trusted.
    pub ca: Vec<NativePem>,
    /// The client's chain.
    pub cert: Option<NativePem>,
    /// Its private key, not encrypted.
    pub key: Option<NativePem>,
    /// Any certificate will do.
    pub insecure: bool,
    /// `TLSv1.2` or `TLSv1.3`. Absent: both.
    pub version: Option<String>,
    /// Names with colons between. Absent: all.
    pub ciphers: Option<String>,
    /// Sessions are taken up again.
    pub resume: bool,
}

impl NativeBenchTls {
    fn into_client(self, protocol: &[u8]) -> std::result::Result<Client, Failure> {
        let options = ClientOptions {
            insecure: self.insecure,
            authorities: self.ca.into_iter().map(pem).collect(),
            certificates: self.cert.map(pem),
            key: self.key.map(pem),
            version: self.version.map(|version| match version.as_str() {
                "TLSv1.2" => Version::Tls12,
                _ => Version::Tls13,
            }),
            ciphers: self.ciphers,
            protocols: vec![protocol.to_vec()],
            resume: self.resume,
        };
        Client::new(&self.server_name, &options)
            .map_err(|error| Failure::new("ERR_REACTOR_TLS", error.to_string()))
    }
}

impl NativeBenchOptions {
    fn into_plan(self) -> std::result::Result<Plan, Failure> {
        let fields: Vec<(&str, &[u8])> =
            self.headers.iter().map(|field| (field.name.as_str(), &field.value[..])).collect();
        let websocket = self.web_socket.map(|given| WebSocket {
            kind: if given.binary { Kind::Binary } else { Kind::Text },
            payload: given.payload.to_vec(),
            compress: given.compress,
            subscribers: given.subscribers,
        });
        let request = match &websocket {
            Some(websocket) => websocket.request(&self.target, &self.host, &fields),
            None => Request::new(
                &self.method,
                &self.target,
                &self.host,
                &fields,
                &self.body,
                self.keep_alive,
            ),
        }
        .map_err(|error| Failure::new("ERR_REACTOR_INVALID_OPTION", error.to_string()))?;
        let http2 = match self.streams {
            Some(streams) => Some(Http2::new(
                &self.method,
                &self.target,
                &self.host,
                self.tls.is_some(),
                &fields,
                &self.body,
                streams as usize,
            )),
            None => None,
        };
        let http2 = http2
            .transpose()
            .map_err(|error| Failure::new("ERR_REACTOR_INVALID_OPTION", error.to_string()))?;
        let protocol: &[u8] = if http2.is_some() { b"h2" } else { b"http/1.1" };
        let peer = match self.unix {
            Some(path) => Peer::Unix(PathBuf::from(path)),
            None => Peer::Tcp { host: self.hostname, port: self.port },
        };
        let tls = self.tls.map(|tls| tls.into_client(protocol)).transpose()?.map(Arc::new);
        let ms = |n: u32| Duration::from_millis(n.into());
        Ok(Plan {
            tls,
            proxy_protocol: self.proxy_protocol.map(|version| if version == 1 { 1 } else { 2 }),
            websocket,
            http2,
            threads: self.threads as usize,
            connections: self.connections as usize,
            pipeline: self.pipeline as usize,
            duration: self.duration.map(ms),
            requests: self.requests.map(|n| u64::try_from(n).unwrap_or(0)),
            rate: self.rate,
            warmup: ms(self.warmup),
            timeout: ms(self.timeout),
            expect_status: self.expect_status,
            expect_body: self.expect_body.map(|body| body.to_vec()),
            ..Plan::new(peer, request)
        })
    }
}

fn pem(given: NativePem) -> Pem {
    Pem::new(given.from, given.text.to_vec())
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

/// Starts a load run on threads of its own. Rejects with `code` and a one-line
/// `message`.
///
/// Runs on Node's thread pool, because resolving a host name may take seconds.
#[napi(ts_return_type = "Promise<NativeBench>")]
pub fn start_bench(env: Env, options: NativeBenchOptions) -> Result<AsyncTask<StartBench>> {
    // The run's threads run code of this library and may outlive the environment.
    retain_current_module_for_unload_safety();
    let plan = options.into_plan().map_err(|failure| failure.into_error(env))?;
    Ok(AsyncTask::new(StartBench(Some(plan))))
}

/// A start under way on Node's thread pool.
pub struct StartBench(Option<Plan>);

impl Task for StartBench {
    type Output = std::result::Result<Run, Failure>;
    type JsValue = NativeBench;

    fn compute(&mut self) -> Result<Self::Output> {
        let plan = self.0.take().ok_or_else(|| Error::from_status(Status::GenericFailure))?;
        Ok(Run::start(plan).map_err(Failure::from))
    }

    fn resolve(&mut self, env: Env, output: Self::Output) -> Result<NativeBench> {
        let run = Arc::new(output.map_err(|failure| failure.into_error(env))?);
        let id = running::keep(&env, Running::Load(Arc::clone(&run)))?;
        Ok(NativeBench { run, id })
    }
}

/// A load run.
#[napi]
pub struct NativeBench {
    run: Arc<Run>,
    id: u32,
}

#[napi]
impl NativeBench {
    /// The figures so far, as JSON.
    #[napi]
    pub fn progress(&self) -> Result<String> {
        json(&self.run.progress())
    }

    /// Ends the run now.
    #[napi]
    pub fn stop(&self) {
        self.run.stop();
    }

    /// Resolves with the report, as JSON, when the run has ended. Call it once.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn result<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let (deferred, promise) = env.create_deferred::<String, _>()?;
        let (run, id) = (Arc::downgrade(&self.run), self.id);
        // The outer closure runs on the run's last thread, the inner one on the JavaScript
        // thread.
        self.run.on_end(Box::new(move || {
            deferred.resolve(move |env| {
                let report = run.upgrade().and_then(|run| run.report());
                running::forget(id);
                match report {
                    Some(Ok(report)) => json(&report),
                    Some(Err(error)) => {
                        Err(Failure::new("ERR_REACTOR_BENCH", error.to_string()).into_error(env))
                    }
                    None => Err(Error::from_status(Status::GenericFailure)),
                }
            });
        }));
        Ok(promise)
    }
}

fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| Error::new(Status::GenericFailure, error.to_string()))
}
