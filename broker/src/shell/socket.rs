//! The plain sockets, which any task may write to without waiting.

use std::io;

use tokio::net::{tcp, unix};

/// The writing half of a plain socket.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(tcp::OwnedWriteHalf),
    Unix(unix::OwnedWriteHalf),
}

impl Socket {
    /// Writes what the socket takes at once.
    pub(super) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.try_write(bytes),
            Self::Unix(socket) => socket.try_write(bytes),
        }
    }

    /// Waits until the socket may take something.
    pub(super) async fn writable(&self) -> io::Result<()> {
        match self {
            Self::Tcp(socket) => socket.writable().await,
            Self::Unix(socket) => socket.writable().await,
        }
    }

    /// Tells the peer that nothing more comes.
    pub(super) fn finish(&self) {
        let _ = match self {
            Self::Tcp(socket) => {
                rustix::net::shutdown(socket.as_ref(), rustix::net::Shutdown::Write)
            }
            Self::Unix(socket) => {
                rustix::net::shutdown(socket.as_ref(), rustix::net::Shutdown::Write)
            }
        };
    }
}
