//! The server as JavaScript sees it: start, address, stats, reload, stop.

use std::os::fd::IntoRawFd;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use napi::bindgen_prelude::{AsyncTask, Object, retain_current_module_for_unload_safety};
use napi::{Env, Error, JsError, JsValue, Result, Status, Task};
use napi_derive::napi;
use reactor_server::{Address, Bound, Config, Ownership, Server, StartError, Stop, Tls};
use reactor_sys::{Listener, Notify};

use crate::guard;
use crate::lane::sockets::publishing;
use crate::options::{self, NativeOptions, NativeRoute, NativeTuning};
use crate::registry;
use crate::running::{self, Running};
use crate::tls::{self, NativeTls};
use crate::watchdog::Watchdog;

/// An error on its way to JavaScript: a stable code and one clear line.
pub struct Failure {
    code: &'static str,
    message: String,
    /// The option that it is about, where the code does not say so.
    option: Option<&'static str>,
}

impl Failure {
    pub(crate) fn new(code: &'static str, message: String) -> Self {
        Self { code, message, option: None }
    }

    pub(crate) fn route(message: String) -> Self {
        Self::new("ERR_REACTOR_INVALID_ROUTE", message)
    }

    /// A JavaScript `Error` with our `code`, and with an `option` where one is known. napi's
    /// own conversion would set `code` to the name of its status.
    pub(crate) fn into_error(self, env: Env) -> Error {
        let error = JsError::from(Error::new(self.code, self.message)).into_unknown(env);
        if let Some(option) = self.option
            && let Ok(mut object) = error.coerce_to_object()
        {
            // The message names the option as well, so a failure here loses little.
            let _ = object.set("option", option);
        }
        error.into()
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let code = match error {
            // The code that TypeScript uses for a number out of range.
            StartError::Config(_) => "ERR_REACTOR_INVALID_OPTION",
            _ => error.code(),
        };
        let option = match error {
            StartError::Option { option, .. } => Some(option),
            _ => None,
        };
        Self { code, message: error.to_string(), option }
    }
}

/// Cores that this process may use; at least 1. Its CPU affinity and the CPU quota of its
/// control groups (version 1 and 2) count.
#[napi]
pub fn available_cores() -> u32 {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    u32::try_from(cores).unwrap_or(u32::MAX)
}

/// The Content-Type of a file with this name, or path: by its extension. Null if it is not known.
#[napi]
#[allow(clippy::needless_pass_by_value, reason = "what JavaScript gives is owned")]
pub fn content_type_of(name: String) -> Option<&'static str> {
    reactor_server::content_type(name.as_bytes())
}

/// Whether a server listens on the unix socket at this path, or is about to. The file of
/// a server that no longer runs is removed; a live server's file never is.
#[napi]
#[allow(clippy::needless_pass_by_value, reason = "what JavaScript gives is owned")]
pub fn is_socket_alive(path: String) -> bool {
    // If that cannot be found out, the file stays.
    Listener::is_alive(Path::new(&path)).unwrap_or(true)
}

/// Starts a server whose handlers run behind the lanes with these numbers. A lane whose
/// thread has ended is left out. Rejects with `code` and a one-line `message`.
///
/// Runs on Node's thread pool, because resolving a host name may take seconds.
#[napi(ts_return_type = "Promise<NativeServer>")]
pub fn start(env: Env, options: NativeOptions, lanes: Vec<u32>) -> Result<AsyncTask<Start>> {
    // The server's threads run code of this library and may outlive the environment that
    // loaded it, so the library must never be unmapped.
    retain_current_module_for_unload_safety();
    let lanes = lanes.into_iter().filter_map(registry::find).collect();
    let config = options.into_config(lanes).map_err(|failure| failure.into_error(env))?;
    Ok(AsyncTask::new(Start::new(config, None)))
}

/// Binds at once what [`NativeBound::start`] will listen on, so that the address is known.
/// For an IP address, a unix socket or a descriptor: these need no resolving. Throws what
/// `start` rejects with.
#[napi]
pub fn bind(env: Env, options: NativeOptions) -> Result<NativeBound> {
    let bound = options
        .into_config(Vec::new())
        .and_then(|config| Server::bind(&config).map_err(Failure::from))
        .map_err(|failure| failure.into_error(env))?;
    Ok(NativeBound { address: bound.address().clone(), bound: Mutex::new(Some(bound)) })
}

/// Bound sockets that no server accepts from yet.
#[napi]
pub struct NativeBound {
    address: Address,
    /// In a mutex, so that `start` needs no mutable borrow: JavaScript may ask for the
    /// address while the start is under way.
    bound: Mutex<Option<Bound>>,
}

#[napi]
impl NativeBound {
    /// The bound address: the real port where 0 was asked for.
    #[napi]
    pub fn address(&self) -> NativeAddress {
        NativeAddress::of(&self.address)
    }

    /// Starts a server on the bound sockets, once. Otherwise it is as the function `start`;
    /// the options must name the same address.
    #[napi(ts_return_type = "Promise<NativeServer>")]
    pub fn start(
        &self,
        env: Env,
        options: NativeOptions,
        lanes: Vec<u32>,
    ) -> Result<AsyncTask<Start>> {
        retain_current_module_for_unload_safety();
        let lanes = lanes.into_iter().filter_map(registry::find).collect();
        let config = options.into_config(lanes).map_err(|failure| failure.into_error(env))?;
        Ok(AsyncTask::new(Start::new(config, self.take())))
    }

    /// Closes the sockets. No-op after `start`.
    #[napi]
    pub fn close(&self) {
        if let Some(bound) = self.take() {
            bound.close();
        }
    }

    fn take(&self) -> Option<Bound> {
        self.bound.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A start under way on Node's thread pool.
pub struct Start {
    config: Option<Config>,
    bound: Option<Bound>,
    /// How each endpoint is secured.
    tls: Vec<Option<Arc<Tls>>>,
}

impl Start {
    fn new(config: Config, bound: Option<Bound>) -> Self {
        let tls = config.listen.iter().map(|endpoint| endpoint.tls.clone()).collect();
        Self { config: Some(config), bound, tls }
    }
}

impl Task for Start {
    type Output = std::result::Result<Server, Failure>;
    type JsValue = NativeServer;

    fn compute(&mut self) -> Result<Self::Output> {
        let mut config =
            self.config.take().ok_or_else(|| Error::from_status(Status::GenericFailure))?;
        let bound = match self.bound.take() {
            Some(bound) => Ok(bound),
            None => Server::bind(&config),
        };
        let started = bound.and_then(|bound| {
            find_redirects(&mut config, bound.addresses());
            Server::start_on(config, bound)
        });
        Ok(started.map_err(Failure::from))
    }

    fn resolve(&mut self, env: Env, output: Self::Output) -> Result<NativeServer> {
        let server = Arc::new(output.map_err(|failure| failure.into_error(env))?);
        let id = running::keep(&env, Running::Server(Arc::clone(&server)))?;
        Ok(NativeServer { server, tls: std::mem::take(&mut self.tls), id })
    }
}

/// Redirects to port 0 mean the port that the first endpoint with TLS has got.
fn find_redirects(config: &mut Config, addresses: &[Address]) {
    let secured =
        config.listen.iter().zip(addresses).filter(|(endpoint, _)| endpoint.tls.is_some());
    let port = secured
        .filter_map(|(_, address)| match address {
            Address::Tcp(address) => Some(address.port()),
            Address::Unix(_) => None,
        })
        .next();
    for endpoint in &mut config.listen {
        if let Some(redirect) = &mut endpoint.redirect
            && redirect.port == Some(0)
        {
            redirect.port = port;
        }
    }
}

/// A socket that a server listens on.
#[napi(object)]
pub struct NativeDescriptor {
    /// The number of its endpoint; -1 for metrics.
    pub endpoint: i32,
    /// The descriptor. It is the server's, which closes it when it stops.
    pub fd: i32,
}

/// A running server.
#[napi]
pub struct NativeServer {
    pub(crate) server: Arc<Server>,
    /// How each endpoint is secured.
    tls: Vec<Option<Arc<Tls>>>,
    id: u32,
}

/// Where a server listens: `hostname` and `port`, or `unix`.
#[napi(object)]
pub struct NativeAddress {
    /// IP address of a TCP listener.
    pub hostname: Option<String>,
    /// Port of a TCP listener.
    pub port: Option<u16>,
    /// Path of a unix socket.
    pub unix: Option<String>,
}

impl NativeAddress {
    fn of(address: &Address) -> Self {
        match address {
            Address::Tcp(addr) => {
                Self { hostname: Some(addr.ip().to_string()), port: Some(addr.port()), unix: None }
            }
            Address::Unix(path) => {
                Self { hostname: None, port: None, unix: Some(path.to_string_lossy().into_owned()) }
            }
        }
    }
}

#[napi]
impl NativeServer {
    /// The bound address: the real port where 0 was asked for.
    #[napi]
    pub fn address(&self) -> NativeAddress {
        NativeAddress::of(self.server.address())
    }

    /// The address of each endpoint, in the order of the options.
    #[napi]
    pub fn addresses(&self) -> Vec<NativeAddress> {
        self.server.addresses().iter().map(NativeAddress::of).collect()
    }

    /// The address that metrics are served at, if they are served.
    #[napi]
    pub fn metrics_address(&self) -> Option<NativeAddress> {
        self.server.metrics_address().map(NativeAddress::of)
    }

    /// What the ids of this server's requests begin with, in the access log.
    #[napi]
    pub fn start_id(&self) -> String {
        format!("{:016x}", self.server.start_id())
    }

    /// Opens the access log's file anew. Throws if that fails; the log then goes on into the
    /// old file.
    #[napi]
    pub fn reopen_log(&self, env: Env) -> Result<()> {
        self.server.reopen_log().map_err(|error| Failure::from(error).into_error(env))
    }

    /// Replaces the lanes. Each place holds a lane's number. A place is empty with `null`,
    /// and where the lane's thread has ended. Requests of a lane that lost its place get
    /// 503, and its streaming responses are cut off.
    #[napi]
    pub fn set_lanes(&self, lanes: Vec<Option<u32>>) {
        let lanes: Vec<_> = lanes.into_iter().map(|id| id.and_then(registry::find)).collect();
        self.server.set_lanes(&lanes);
    }

    pub(crate) fn ownership(&self) -> Option<Arc<Ownership>> {
        self.server.ownership()
    }

    /// Publishes a message to the WebSockets that have subscribed to a topic. `flags` are those of a
    /// message's record. Returns how many subscribers there are.
    #[napi]
    #[allow(clippy::needless_pass_by_value, reason = "Node-API gives a string of our own")]
    pub fn publish(&self, topic: String, data: &[u8], flags: u32) -> u32 {
        let count = self.server.publish(topic.as_bytes(), data, publishing(flags));
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// How many WebSockets have subscribed to a topic.
    #[napi]
    #[allow(clippy::needless_pass_by_value, reason = "Node-API gives a string of our own")]
    pub fn subscriber_count(&self, topic: String) -> u32 {
        u32::try_from(self.server.subscribers(topic.as_bytes())).unwrap_or(u32::MAX)
    }

    /// A snapshot of the counters, as JSON.
    #[napi]
    pub fn stats(&self) -> Result<String> {
        serde_json::to_string(&self.server.stats())
            .map_err(|error| Error::new(Status::GenericFailure, error.to_string()))
    }

    /// Replaces the certificates and settings of an endpoint with TLS, for connections that come
    /// from now on. Returns what works, but is probably not meant. Throws where something is wrong,
    /// and changes nothing then. The session timeout stays as it was.
    #[napi]
    pub fn reload_tls(&self, env: Env, endpoint: u32, tls: NativeTls) -> Result<Vec<String>> {
        let before = self.tls.get(endpoint as usize).and_then(Option::as_ref);
        before
            .ok_or_else(|| tls::failure(format!("endpoint {endpoint} is in clear")))
            .and_then(|before| tls.replace(before))
            .map_err(|failure| failure.into_error(env))
    }

    /// Counts settings that were to replace those of an endpoint, and were wrong.
    #[napi]
    pub fn note_tls_failure(&self, endpoint: u32) {
        if let Some(Some(tls)) = self.tls.get(endpoint as usize) {
            tls.note_reload_failure();
        }
    }

    /// What works in the settings of an endpoint with TLS, but is probably not meant.
    #[napi]
    pub fn tls_warnings(&self, endpoint: u32) -> Vec<String> {
        let tls = self.tls.get(endpoint as usize).and_then(Option::as_ref);
        tls.map(|tls| tls.current().warnings().to_vec()).unwrap_or_default()
    }

    /// Replaces the routes. Requests under way finish with the old routes.
    #[napi]
    pub fn reload(&self, env: Env, routes: Option<Vec<NativeRoute>>) -> Result<()> {
        let app = options::app(routes).map_err(|failure| failure.into_error(env))?;
        self.server.reload(app);
        Ok(())
    }

    /// Replaces the routes and the lanes that they lead to. The old lanes finish the
    /// requests that they have and get no more; the new lanes get those that come. No
    /// request is routed by old routes and given to a new lane, or the other way around.
    #[napi]
    pub fn swap(
        &self,
        env: Env,
        routes: Option<Vec<NativeRoute>>,
        lanes: Vec<Option<u32>>,
    ) -> Result<()> {
        let app = options::app(routes).map_err(|failure| failure.into_error(env))?;
        let lanes: Vec<_> = lanes.into_iter().map(|id| id.and_then(registry::find)).collect();
        self.server.swap(app, &lanes);
        Ok(())
    }

    /// Changes limits and timeouts, also for open connections.
    #[napi]
    pub fn retune(&self, tuning: NativeTuning) {
        self.server.retune(tuning.into_tuning());
    }

    /// Opens a connection to the server without its listener. The caller owns the
    /// descriptor.
    #[napi]
    pub fn connect(&self) -> Result<i32> {
        self.server
            .connect()
            .map(IntoRawFd::into_raw_fd)
            .map_err(|error| Error::new(Status::GenericFailure, error.to_string()))
    }

    /// Serves a connection that another process has accepted for this one, at the endpoint with this
    /// number. The descriptor stays open. False if the connection is not served.
    #[napi]
    pub fn hand_over(&self, fd: i32, endpoint: u32) -> bool {
        // The client of a connection that cannot be taken has left.
        self.server.hand_over(fd, endpoint as usize).unwrap_or(false)
    }

    /// The sockets that the server listens on, for a successor to inherit. None once it stops.
    #[napi]
    pub fn descriptors(&self) -> Vec<NativeDescriptor> {
        let number = |endpoint| i32::try_from(endpoint).unwrap_or(i32::MAX);
        let found = self.server.descriptors().into_iter();
        found
            .map(|(endpoint, fd)| NativeDescriptor { endpoint: endpoint.map_or(-1, number), fd })
            .collect()
    }

    /// Closes connections that wait for their next request.
    #[napi]
    pub fn close_idle_connections(&self) {
        self.server.close_idle_connections();
    }

    /// Closes every connection, also those with requests under way. The server goes on.
    #[napi]
    pub fn close_all_connections(&self) {
        self.server.close_all_connections();
    }

    /// Makes SIGINT and SIGTERM stop the server also while JavaScript is stuck: after `delay`, or
    /// at a second signal, and by force at one more. The process then ends without JavaScript. For
    /// a process that runs only this server and already listens for both. In milliseconds.
    #[napi]
    pub fn guard_signals(&self, drain: u32, delay: u32) -> Result<()> {
        let [drain, delay] = [drain, delay].map(|ms| Duration::from_millis(ms.into()));
        guard::guard(Arc::clone(&self.server), drain, delay)
            .map_err(|error| Error::new(Status::GenericFailure, error.to_string()))
    }

    /// Whether new clients are wanted, as health checks tell.
    #[napi]
    pub fn is_ready(&self) -> bool {
        self.server.is_ready()
    }

    /// Says whether the program is ready for clients. Health checks tell of it.
    #[napi]
    pub fn set_ready(&self, ready: bool) {
        self.server.set_ready(ready);
    }

    /// Says that the server stops soon: health checks tell of it, answers close their connections.
    /// All else goes on until `stop`.
    #[napi]
    pub fn lame_duck(&self) {
        self.server.lame_duck();
    }

    /// Feeds the service manager at this socket from a thread of its own, while the I/O threads are
    /// well. The manager expects it every `period` milliseconds at least. With `handlers` it is not
    /// fed either while a handler has held up its thread for so many milliseconds.
    #[napi]
    #[allow(clippy::needless_pass_by_value, reason = "what JavaScript gives is owned")]
    pub fn feed_watchdog(&self, socket: String, period: u32, handlers: Option<u32>) -> Result<()> {
        let ms = |ms: u32| Duration::from_millis(ms.into());
        Notify::to(&socket)
            .map(|notify| Watchdog { notify, period: ms(period), handlers: handlers.map(ms) })
            .and_then(|watchdog| watchdog.start(&self.server))
            .map_err(|error| Error::new(Status::GenericFailure, error.to_string()))
    }

    /// A drain takes no longer than so many milliseconds, from now on or from when it begins.
    #[napi]
    pub fn drain_within(&self, ms: u32) {
        self.server.drain_within(Duration::from_millis(ms.into()));
    }

    /// Stops the server: drains it, or with `force` cuts every connection. The promise
    /// resolves when it is fully stopped. May be called again, to force.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn stop<'env>(&self, env: &'env Env, force: bool) -> Result<Object<'env>> {
        self.stop_by(env, if force { Stop::Force } else { Stop::Drain })
    }

    /// As `stop(false)`, for a server whose sockets a successor has inherited. It accepts no more,
    /// and leaves those who wait, and the files of unix sockets, to the successor.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn retire<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        self.stop_by(env, Stop::Retire)
    }

    fn stop_by<'env>(&self, env: &'env Env, how: Stop) -> Result<Object<'env>> {
        let (deferred, promise) = env.create_deferred::<(), _>()?;
        let id = self.id;
        // The outer closure runs on an engine thread, the inner one on the JavaScript thread.
        self.server.on_stopped(Box::new(move || {
            deferred.resolve(move |_| {
                running::forget(id);
                Ok(())
            });
        }));
        self.server.stop(how);
        Ok(promise)
    }
}
