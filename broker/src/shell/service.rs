//! The service manager: what it hands over to the broker, and what it is told.
//!
//! Sockets that were listening before the broker was go on to when it stops: connections wait there
//! while one broker takes the place of another.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::net::{self, SocketAddr};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{self as unix, UnixDatagram};
use std::path::Path;

use listenfd::ListenFd;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{debug, warn};

/// Sockets that listen already.
#[derive(Debug, Default)]
pub struct Inherited {
    network: Vec<net::TcpListener>,
    unix: Vec<unix::UnixListener>,
}

impl Inherited {
    /// Takes those that the service manager has left for this process, as `LISTEN_FDS` says.
    pub fn from_environment() -> Self {
        let mut left = ListenFd::from_env();
        let mut inherited = Self::default();
        for index in 0..left.len() {
            if let Ok(Some(socket)) = left.take_tcp_listener(index) {
                inherited.network.push(socket);
            } else if let Ok(Some(socket)) = left.take_unix_listener(index) {
                inherited.unix.push(socket);
            } else {
                warn!(index, "the service manager has left something that is no listening socket");
            }
        }
        inherited
    }

    /// Takes the one that listens at an address.
    pub(super) fn network(&mut self, address: SocketAddr) -> Option<net::TcpListener> {
        let is_it = |socket: &net::TcpListener| socket.local_addr().is_ok_and(|it| it == address);
        let index = self.network.iter().position(is_it)?;
        Some(self.network.swap_remove(index))
    }

    /// Takes the one that listens at a path.
    pub(super) fn unix(&mut self, path: &Path) -> Option<unix::UnixListener> {
        let is_it = |socket: &unix::UnixListener| {
            socket.local_addr().is_ok_and(|it| it.as_pathname() == Some(path))
        };
        let index = self.unix.iter().position(is_it)?;
        Some(self.unix.swap_remove(index))
    }

    /// Says which of them no `--listen` is for.
    pub(super) fn mind_the_rest(&self) {
        for socket in &self.network {
            if let Ok(address) = socket.local_addr() {
                warn!(%address, "nothing listens at a socket of the service manager");
            }
        }
        for socket in &self.unix {
            warn!(address = ?socket.local_addr(), "nothing listens at a socket of the service manager");
        }
    }
}

/// Tells the service manager how the broker is, such as `READY=1`, if there is one that wants to
/// know.
pub fn notify(state: &str) {
    let Some(socket) = env::var_os("NOTIFY_SOCKET") else { return };
    if let Err(error) = send(&socket, state) {
        debug!(%error, "cannot tell the service manager {state}");
    }
}

fn send(socket: &OsStr, state: &str) -> io::Result<()> {
    let address = match socket.as_bytes() {
        [b'@', name @ ..] => unix::SocketAddr::from_abstract_name(name)?,
        _ => unix::SocketAddr::from_pathname(socket)?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address)?;
    Ok(())
}

/// Allows the process as many descriptors as the system lets it have, and tells how many.
pub fn raise_descriptor_limit() -> Option<usize> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current < maximum || current.is_some() && maximum.is_none() {
        let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
        if let Err(error) = raised {
            debug!(%error, "cannot raise the number of descriptors");
        }
    }
    getrlimit(Resource::Nofile).current.and_then(|count| usize::try_from(count).ok())
}
