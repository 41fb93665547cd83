//! Tells a service manager of this process (sd_notify(3)).

use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Where a service manager listens.
#[derive(Clone, Debug)]
pub struct Notify(SocketAddr);

impl Notify {
    /// What the variable `NOTIFY_SOCKET` says: a path, or `@` and an abstract name (unix(7)).
    ///
    /// # Errors
    /// An address of another family, or that is too long.
    pub fn to(socket: &str) -> io::Result<Self> {
        let address = match socket.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None if socket.starts_with('/') => SocketAddr::from_pathname(socket)?,
            None => return Err(io::ErrorKind::Unsupported.into()),
        };
        Ok(Self(address))
    }

    /// Sends lines such as `READY=1`. It never waits: if the manager has not read for long, the
    /// message is lost.
    ///
    /// # Errors
    /// Those of socket(2) and sendto(2).
    pub fn send(&self, state: &str) -> io::Result<()> {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        socket.send_to_addr(state.as_bytes(), &self.0).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manager_gets_what_is_sent_by_path_and_by_name() {
        let name = format!("reactor-notify-{}", std::process::id());
        let path = std::env::temp_dir().join(&name);
        let _ = std::fs::remove_file(&path);
        let by_path = UnixDatagram::bind(&path).unwrap();
        let by_name =
            UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        for (socket, manager) in
            [(path.to_str().unwrap(), &by_path), (&*format!("@{name}"), &by_name)]
        {
            Notify::to(socket).unwrap().send("READY=1\nSTATUS=all is well").unwrap();
            let mut buf = [0; 64];
            let len = manager.recv(&mut buf).unwrap();
            assert_eq!(&buf[..len], b"READY=1\nSTATUS=all is well");
        }
        std::fs::remove_file(&path).unwrap();
        assert!(Notify::to(path.to_str().unwrap()).unwrap().send("READY=1").is_err(), "it is gone");
        assert!(Notify::to("vsock:2:1").is_err());
    }

    #[test]
    fn a_manager_that_does_not_read_holds_nothing_up() {
        let name = format!("reactor-notify-full-{}", std::process::id());
        let manager =
            UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let notify = Notify::to(&format!("@{name}")).unwrap();
        let lost = (0..10_000).find_map(|_| notify.send("WATCHDOG=1").err());
        assert_eq!(lost.map(|error| error.kind()), Some(io::ErrorKind::WouldBlock));
        drop(manager);
    }
}
