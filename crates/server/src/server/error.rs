//! Errors that the user of the server sees.

use std::fmt;
use std::io;
use std::path::PathBuf;

use reactor_sys::{Address, BindError};

use crate::observe::access_log::LogError;
use crate::server::config::ConfigError;

/// Why a server did not start. It displays as one line that names the address or the option, and
/// the cause.
#[derive(Debug)]
pub enum StartError {
    /// A number in the configuration is out of its range.
    Config(ConfigError),
    /// The listening socket could not be made.
    Bind(BindError),
    /// The access log could not be opened.
    Log {
        /// Its path; `-` is standard output.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// What an option asks for besides the server itself could not be made.
    Option {
        /// The field of [`Config`](crate::Config): `metrics` or `control`.
        option: &'static str,
        /// Why.
        source: Box<Self>,
    },
    /// A thread, an epoll instance or an eventfd could not be made.
    System {
        /// What was being made.
        what: &'static str,
        /// The system's reason.
        source: io::Error,
    },
}

impl StartError {
    /// What could not be made, for `map_err`.
    pub(super) fn system(what: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::System { what, source }
    }

    /// Which option asked for what could not be had, for `map_err`.
    pub(super) fn of_option(option: &'static str) -> impl Fn(Self) -> Self {
        move |source| Self::Option { option, source: Box::new(source) }
    }

    /// A code that stays the same from release to release.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Config(_) => "ERR_REACTOR_OPTION_RANGE",
            Self::Option { source, .. } => source.code(),
            Self::System { .. } => "ERR_REACTOR_START",
            Self::Log { .. } => "ERR_REACTOR_LOG",
            Self::Bind(BindError::HostNotFound { .. }) => "ERR_REACTOR_HOST_NOT_FOUND",
            Self::Bind(BindError::NotASocket { .. }) => "ERR_REACTOR_SOCKET_PATH",
            Self::Bind(BindError::Tcp { source, .. }) => bind_code(source, "ERR_REACTOR_START"),
            Self::Bind(BindError::Unix { source, .. }) => {
                bind_code(source, "ERR_REACTOR_SOCKET_PATH")
            }
            Self::Bind(BindError::Inherited { .. }) => "ERR_REACTOR_DESCRIPTOR",
        }
    }
}

/// Error numbers that `std` has no name for. They are the same on every platform that we build for.
const EBADF: i32 = 9;
const ENOTSOCK: i32 = 88;
const EDESTADDRREQ: i32 = 89;
const ESOCKTNOSUPPORT: i32 = 94;
const EAFNOSUPPORT: i32 = 97;
const EISCONN: i32 = 106;

fn bind_code(source: &io::Error, otherwise: &'static str) -> &'static str {
    match source.kind() {
        io::ErrorKind::AddrInUse => "ERR_REACTOR_ADDRESS_IN_USE",
        io::ErrorKind::PermissionDenied => "ERR_REACTOR_PERMISSION",
        io::ErrorKind::AddrNotAvailable => "ERR_REACTOR_ADDRESS_NOT_AVAILABLE",
        _ => otherwise,
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Option { option, source } => write!(f, "{option}: {source}"),
            Self::System { what, source } => write!(f, "cannot make {what}: {source}"),
            Self::Log { path, source } => {
                write!(f, "cannot open the access log '{}': ", path.display())?;
                match source.kind() {
                    io::ErrorKind::NotFound => f.write_str("its folder does not exist"),
                    // An error without a number is this crate's own, and says what is wrong.
                    io::ErrorKind::PermissionDenied if source.raw_os_error().is_some() => {
                        f.write_str("permission denied")
                    }
                    io::ErrorKind::IsADirectory => f.write_str("it is a folder"),
                    _ => source.fmt(f),
                }
            }
            Self::Bind(BindError::HostNotFound { host, source }) => {
                write!(f, "cannot listen on host '{host}': no address found ({source})")
            }
            Self::Bind(BindError::NotASocket { path }) => write!(
                f,
                "cannot listen on '{}': a file that is no socket is already there; \
                 remove it or choose another path",
                path.display()
            ),
            Self::Bind(BindError::Inherited { fd, source }) => {
                write!(f, "cannot listen on descriptor {fd}: ")?;
                match source.raw_os_error() {
                    Some(EBADF) => f.write_str("this process has no such descriptor open"),
                    Some(ENOTSOCK) => f.write_str("it is no socket"),
                    Some(ESOCKTNOSUPPORT) => f.write_str("it is no stream socket"),
                    Some(EDESTADDRREQ) => f.write_str("it is bound to no address"),
                    Some(EAFNOSUPPORT) => f.write_str("it is no socket of TCP, and no unix socket"),
                    Some(EISCONN) => {
                        f.write_str("it is a connection; a socket that listens is needed")
                    }
                    _ => source.fmt(f),
                }
            }
            Self::Bind(BindError::Tcp { addr, source }) => {
                write!(f, "cannot listen on {addr}: ")?;
                match source.kind() {
                    io::ErrorKind::AddrInUse => f.write_str(
                        "the address is already in use; \
                         stop the other server or choose another port",
                    ),
                    io::ErrorKind::PermissionDenied => f.write_str(
                        "permission denied; \
                         ports below 1024 need the CAP_NET_BIND_SERVICE capability",
                    ),
                    io::ErrorKind::AddrNotAvailable => {
                        f.write_str("this machine has no such address")
                    }
                    _ => source.fmt(f),
                }
            }
            Self::Bind(BindError::Unix { path, source }) => {
                // An abstract name is written as its address is.
                write!(f, "cannot listen on '{}': ", Address::Unix(path.clone()))?;
                match source.kind() {
                    io::ErrorKind::AddrInUse => f.write_str(
                        "another server is listening there; stop it or choose another path",
                    ),
                    // unix(7), sun_path
                    io::ErrorKind::InvalidFilename => {
                        f.write_str("the path of a unix socket has at most 107 bytes")
                    }
                    io::ErrorKind::NotFound => f.write_str("its folder does not exist"),
                    _ => source.fmt(f),
                }
            }
        }
    }
}

impl std::error::Error for StartError {}

impl From<BindError> for StartError {
    fn from(error: BindError) -> Self {
        Self::Bind(error)
    }
}

impl From<ConfigError> for StartError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl From<LogError> for StartError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Open { path, source } => Self::Log { path, source },
            LogError::Thread(source) => Self::System { what: "a thread", source },
        }
    }
}
