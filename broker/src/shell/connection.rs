//! The task of one connection: it reads, and it writes what other tasks leave to it.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::addresses::Place;
use super::hub::Hub;
use super::wire::{Call, Wire};
use crate::core::{ConnectionId, Taken};

/// How long a connection that is closing may take to accept its last bytes and hang up.
const CLOSING_PATIENCE: Duration = Duration::from_secs(5);

/// How many bytes one read takes at most.
const READ_SIZE: usize = 64 * 1024;

thread_local! {
    /// Reads go here, so that a connection with nothing to say holds no buffer.
    static READ_BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_SIZE].into());
}

/// Serves a client until either end closes the connection.
///
/// It is written as one small future, because there is one for each idle connection.
pub(super) struct Client<S> {
    hub: Arc<Hub>,
    id: ConnectionId,
    wire: Arc<Wire>,
    stream: S,
    /// Held as long as the connection lasts.
    _place: Place,
    /// The beginning of a packet whose end has not come.
    partial: Vec<u8>,
    /// Whether no more is read for the time being.
    is_held: bool,
    writing: Writing,
    /// What is being written; how much of it was.
    outgoing: Vec<u8>,
    written: usize,
    /// When patience with a connection that the core has closed ends.
    farewell: Option<Pin<Box<Sleep>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writing {
    /// There is nothing to write that would be for this task.
    Idle,
    /// There may be something to write.
    Due,
    /// The peer is being told that nothing more comes.
    Finishing,
    /// The peer was told.
    Finished,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(super) fn new(
        hub: Arc<Hub>,
        id: ConnectionId,
        wire: Arc<Wire>,
        stream: S,
        place: Place,
    ) -> Self {
        Self {
            hub,
            id,
            wire,
            stream,
            _place: place,
            partial: Vec::new(),
            is_held: false,
            writing: Writing::Idle,
            outgoing: Vec::new(),
            written: 0,
            farewell: None,
        }
    }

    /// Takes note of what others want of this task.
    fn answer_calls(&mut self, cx: &Context<'_>) {
        let calls = self.wire.take_calls(cx);
        if calls.contains(Call::WRITE) && self.writing == Writing::Idle {
            self.writing = Writing::Due;
        }
        if calls.contains(Call::RESUME) && self.is_held {
            self.is_held = false;
            // What came behind the packet at which the client was held.
            self.take(&[]);
        }
        if calls.contains(Call::CLOSE) && self.farewell.is_none() {
            self.farewell = Some(Box::pin(sleep(CLOSING_PATIENCE)));
            self.is_held = false;
            self.writing = Writing::Due;
        }
    }

    /// Writes what there is to write; when the core has closed the connection, says so to the peer.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.writing == Writing::Due {
            if self.outgoing.is_empty() {
                self.writing = self.take_outgoing();
                continue;
            }
            while let Some(rest) = self.outgoing.get(self.written..).filter(|rest| !rest.is_empty())
            {
                match ready!(Pin::new(&mut self.stream).poll_write(cx, rest))? {
                    0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    length => self.written += length,
                }
            }
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
            self.written = 0;
            self.hub.written(self.id, &mut self.outgoing);
            if self.outgoing.is_empty() && self.farewell.is_none() {
                self.writing = Writing::Idle;
            }
        }
        if self.writing == Writing::Finishing {
            // The peer may be gone already, which is just as well.
            let _ = ready!(Pin::new(&mut self.stream).poll_shutdown(cx));
            self.writing = Writing::Finished;
        }
        Poll::Ready(Ok(()))
    }

    /// Takes what is for this task to write, and tells what follows from it.
    fn take_outgoing(&mut self) -> Writing {
        self.outgoing = self.wire.take_rest();
        if !self.outgoing.is_empty() {
            return Writing::Due;
        }
        match self.hub.take(self.id, &mut self.outgoing) {
            Taken::Bytes => Writing::Due,
            // Who is writing calls this task if there is more to do.
            Taken::ByAnother => Writing::Idle,
            Taken::Nothing if self.farewell.is_some() => Writing::Finishing,
            Taken::Nothing => Writing::Idle,
        }
    }

    /// Reads, and carries the packets to where they go. Ready at the end, whether that comes in
    /// peace or not.
    ///
    /// A connection that is closing is read, too: to close with bytes unread would reset it and
    /// could cost the peer its last packet.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        READ_BUFFER.with_borrow_mut(|buffer| {
            while !self.is_held {
                let mut buffer = ReadBuf::new(buffer);
                let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer));
                if read.is_err() || buffer.filled().is_empty() {
                    return Poll::Ready(());
                }
                self.take(buffer.filled());
            }
            Poll::Pending
        })
    }

    fn take(&mut self, bytes: &[u8]) {
        let now = self.hub.now();
        if self.partial.is_empty() {
            let received = self.hub.receive(self.id, bytes, now);
            self.is_held = received.is_held;
            self.partial.extend_from_slice(&bytes[received.consumed..]);
            return;
        }
        self.partial.extend_from_slice(bytes);
        let received = self.hub.receive(self.id, &self.partial, now);
        self.is_held = received.is_held;
        self.partial.drain(..received.consumed);
        if self.partial.is_empty() {
            self.partial = Vec::new();
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Future for Client<S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let client = &mut *self;
        client.answer_calls(cx);
        if let Poll::Ready(Err(_)) = client.poll_write(cx) {
            return Poll::Ready(());
        }
        if client.poll_read(cx).is_ready() {
            return Poll::Ready(());
        }
        match &mut client.farewell {
            Some(farewell) => farewell.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }
}

impl<S> Drop for Client<S> {
    /// However it ends, the core learns of it.
    fn drop(&mut self) {
        self.hub.closed(self.id);
    }
}
