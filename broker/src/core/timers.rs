//! What is due when. An entry that has lost its meaning is recognised when it comes up.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

use super::connection::ConnectionId;
use super::session::SessionId;
use super::time::Instant;

/// Something to look at when its time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// CONNECT has to be there.
    Handshake(ConnectionId),
    /// The client has to have been heard.
    KeepAlive(ConnectionId),
    /// The will of a session without connection is to be published, if the epoch is still this.
    Will(SessionId, u64),
    /// A session without connection ends, if the epoch is still this.
    SessionExpiry(SessionId, u64),
    /// Retained messages are to be looked through for expired ones.
    RetainedExpiry,
}

#[derive(Debug, Default)]
pub(super) struct Timers(BinaryHeap<Reverse<(Instant, Timer)>>);

impl Timers {
    pub(super) fn set(&mut self, at: Instant, timer: Timer) {
        self.0.push(Reverse((at, timer)));
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.0.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes the earliest timer that is due.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Timer> {
        let entry = self.0.peek_mut().filter(|entry| entry.0.0 <= now)?;
        let Reverse((_, timer)) = PeekMut::pop(entry);
        Some(timer)
    }
}
