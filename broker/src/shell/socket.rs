//! The plain sockets, which any task may write to without waiting.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream, tcp, unix};

use super::wire::Wire;

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

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(socket) => AsRef::<TcpStream>::as_ref(socket).poll_write_ready(cx),
            Self::Unix(socket) => AsRef::<UnixStream>::as_ref(socket).poll_write_ready(cx),
        }
    }

    /// Tells the peer that nothing more comes.
    fn finish(&self) {
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

/// A plain socket as its own task sees it: it alone reads, and it writes in its turn.
#[derive(Debug)]
pub(super) struct Plain<R> {
    pub(super) reader: R,
    /// Holds the writing half.
    pub(super) wire: Arc<Wire>,
}

impl<R: AsyncRead + Unpin> AsyncRead for Plain<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.reader).poll_read(cx, buffer)
    }
}

impl<R: Unpin> AsyncWrite for Plain<R> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Some(socket) = &self.wire.socket else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        loop {
            match socket.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(socket.poll_write_ready(cx))?;
                }
                result => return Poll::Ready(result),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(socket) = &self.wire.socket {
            socket.finish();
        }
        Poll::Ready(Ok(()))
    }
}
