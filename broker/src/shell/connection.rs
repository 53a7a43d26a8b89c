//! The task of one connection: it reads, and it writes what other tasks leave to it.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::hub::{Hub, Wire};
use crate::core::time::Instant;
use crate::core::{ConnectionId, Taken};

/// How long a connection that is closing may take to accept its last bytes and hang up.
const CLOSING_PATIENCE: Duration = Duration::from_secs(5);

/// How many bytes one read takes at most.
const READ_SIZE: usize = 64 * 1024;

thread_local! {
    /// Reads go here, so that a connection with nothing to say holds no buffer.
    static READ_BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_SIZE].into());
}

/// Where a connection's own task writes.
pub(super) trait Outlet: Send {
    /// Writes all of it.
    fn write(&mut self, bytes: &[u8]) -> impl Future<Output = io::Result<()>> + Send;

    /// Tells the peer that nothing more comes.
    fn finish(&mut self) -> impl Future<Output = ()> + Send;
}

/// A plain socket, which other tasks write to as well, each in its turn.
pub(super) struct Shared(pub(super) Arc<Wire>);

impl Outlet for Shared {
    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(socket) = &self.0.socket else { return Ok(()) };
        let mut rest = bytes;
        while !rest.is_empty() {
            match socket.try_write(rest) {
                Ok(length) => rest = rest.get(length..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    socket.writable().await?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn finish(&mut self) {
        if let Some(socket) = &self.0.socket {
            socket.finish();
        }
    }
}

/// A stream that only this task writes to.
pub(super) struct Own<W>(pub(super) W);

impl<W: AsyncWrite + Unpin + Send> Outlet for Own<W> {
    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes).await?;
        self.0.flush().await
    }

    async fn finish(&mut self) {
        // The peer may be gone already, which is just as well.
        let _ = self.0.shutdown().await;
    }
}

/// Serves a client until either end closes the connection.
pub(super) async fn serve(
    hub: Arc<Hub>,
    reader: impl AsyncRead + Unpin,
    outlet: impl Outlet,
    (id, wire): (ConnectionId, Arc<Wire>),
) {
    // However this ends, the core learns of it.
    let _entry = Entry { hub: &hub, id };
    let mut inlet = Inlet { hub: &hub, id, wire: &wire, reader, partial: Vec::new() };
    tokio::select! {
        () = inlet.read_all() => {}
        () = write_all(&hub, id, &wire, outlet) => {}
        () = lose_patience(&wire) => {}
    }
}

struct Entry<'a> {
    hub: &'a Hub,
    id: ConnectionId,
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.hub.closed(self.id);
    }
}

/// The reading side.
struct Inlet<'a, R> {
    hub: &'a Hub,
    id: ConnectionId,
    wire: &'a Wire,
    reader: R,
    /// The beginning of a packet whose end has not come.
    partial: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Inlet<'_, R> {
    /// Reads until the end, whether that comes in peace or not. Of a connection that is closing
    /// too: to close with bytes unread would reset it and could cost the peer its last packet.
    async fn read_all(&mut self) {
        while let Some(mut is_congested) = poll_fn(|cx| self.poll_read(cx)).await {
            // Who does not take answers may ask no more questions.
            while is_congested {
                if self.hub.is_congested(self.id) {
                    self.wire.relieved.notified().await;
                } else {
                    // What came behind a CONNECT has waited for its answer.
                    is_congested = self.take(&[], self.hub.now());
                }
            }
        }
    }

    /// Reads once and carries the packets to where they go; tells whether the client might be
    /// congested, or nothing at the end.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Option<bool>> {
        READ_BUFFER.with_borrow_mut(|buffer| {
            let mut buffer = ReadBuf::new(buffer);
            let read = ready!(Pin::new(&mut self.reader).poll_read(cx, &mut buffer));
            let bytes = buffer.filled();
            if read.is_err() || bytes.is_empty() {
                return Poll::Ready(None);
            }
            Poll::Ready(Some(self.take(bytes, self.hub.now())))
        })
    }

    fn take(&mut self, bytes: &[u8], now: Instant) -> bool {
        if self.partial.is_empty() {
            let (used, is_congested) = self.hub.receive(self.id, bytes, now);
            self.partial.extend_from_slice(&bytes[used..]);
            return is_congested;
        }
        self.partial.extend_from_slice(bytes);
        let (used, is_congested) = self.hub.receive(self.id, &self.partial, now);
        self.partial.drain(..used);
        if self.partial.is_empty() {
            self.partial = Vec::new();
        }
        is_congested
    }
}

/// Writes, each time it is woken, what there is to write; when the core has closed the
/// connection, says so to the peer and waits for it to hang up.
async fn write_all(hub: &Hub, id: ConnectionId, wire: &Wire, mut outlet: impl Outlet) {
    loop {
        wire.wake.notified().await;
        let mut bytes = wire.take_rest();
        if bytes.is_empty() && hub.take(id, &mut bytes) == Taken::ByAnother {
            // Who is writing wakes this task if there is more to do.
            continue;
        }
        while !bytes.is_empty() {
            wire.relieved.notify_one();
            if outlet.write(&bytes).await.is_err() {
                return;
            }
            hub.written(id, &mut bytes);
        }
        if hub.is_closing(id) {
            outlet.finish().await;
            return std::future::pending().await;
        }
    }
}

/// Waits until the core has closed the connection, and then as long as is decent.
async fn lose_patience(wire: &Wire) {
    wire.closing.notified().await;
    tokio::time::sleep(CLOSING_PATIENCE).await;
}
