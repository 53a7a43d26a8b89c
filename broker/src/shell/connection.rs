//! The task of one connection: it reads, and writes what its socket did not take at once.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::time::Instant;

use super::hub::{Hub, Wire, Written};
use crate::core::ConnectionId;

/// How long a connection that is closing may take to accept its last bytes.
const CLOSING_PATIENCE: Duration = Duration::from_secs(5);

/// How many bytes one read takes at most.
const READ_SIZE: usize = 64 * 1024;

thread_local! {
    /// Reads go here, so that a connection with nothing to say holds no buffer.
    static READ_BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_SIZE].into());
}

/// Serves a client until either end closes the connection.
pub(super) async fn serve(hub: Arc<Hub>, stream: TcpStream) {
    // Batching is the broker's own; Nagle's would only delay it. A failure changes nothing else.
    let _ = stream.set_nodelay(true);
    let (reader, writer) = stream.into_split();
    let (id, wire) = hub.open(writer);
    let mut connection = Connection { hub, id, wire, reader, partial: Vec::new(), has_rest: false };
    connection.run().await;
}

struct Connection {
    hub: Arc<Hub>,
    id: ConnectionId,
    wire: Arc<Wire>,
    reader: OwnedReadHalf,
    /// The beginning of a packet whose end has not come.
    partial: Vec<u8>,
    /// Whether this task has the right to write, because the socket was full.
    has_rest: bool,
}

impl Drop for Connection {
    /// However the task ends, the core learns of it.
    fn drop(&mut self) {
        self.hub.closed(self.id);
    }
}

impl Connection {
    async fn run(&mut self) {
        let wire = self.wire.clone();
        let mut give_up_at = None;
        loop {
            let deadline = give_up_at;
            let is_open = deadline.is_none();
            let has_rest = self.has_rest;
            tokio::select! {
                read = poll_fn(|cx| self.poll_read(cx)), if is_open => match read {
                    Ok(()) => continue,
                    Err(Gone) => return,
                },
                () = wire.wake.notified() => {}
                _ = wire.socket.writable(), if has_rest => {}
                () = sleep_until(deadline) => return,
            }
            let all_is_written = self.write();
            if self.hub.is_closing(self.id) {
                if all_is_written {
                    return;
                }
                give_up_at.get_or_insert_with(|| Instant::now() + CLOSING_PATIENCE);
            }
        }
    }

    /// Reads once and carries the packets to where they go. An error is the end of the stream,
    /// whether in peace or not.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        READ_BUFFER.with_borrow_mut(|buffer| {
            let mut buffer = ReadBuf::new(buffer);
            let read = ready!(Pin::new(&mut self.reader).poll_read(cx, &mut buffer));
            let bytes = buffer.filled();
            if read.is_err() || bytes.is_empty() {
                return Poll::Ready(Err(Gone));
            }
            self.take(bytes);
            Poll::Ready(Ok(()))
        })
    }

    fn take(&mut self, bytes: &[u8]) {
        let now = self.hub.now();
        if self.partial.is_empty() {
            let received = self.hub.receive(self.id, bytes, now);
            self.partial.extend_from_slice(&bytes[received.consumed..]);
        } else {
            self.partial.extend_from_slice(bytes);
            let received = self.hub.receive(self.id, &self.partial, now);
            self.partial.drain(..received.consumed);
        }
        if self.partial.is_empty() {
            self.partial = Vec::new();
        }
    }

    /// Writes as much as the socket takes and tells whether that was all.
    fn write(&mut self) -> bool {
        self.has_rest |= !self.wire.lock_rest().is_empty();
        let mut bytes = Vec::new();
        if self.has_rest {
            if !self.wire.write_rest() {
                return false;
            }
        } else {
            match self.hub.take(self.id) {
                Some(taken) => bytes = taken,
                // Another task is writing; it wakes this one if there is more to do.
                None => return false,
            }
        }
        self.has_rest = self.hub.write(self.id, &self.wire, &mut bytes) == Written::Rest;
        !self.has_rest
    }
}

/// The stream has come to its end.
struct Gone;

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
