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
    /// A client that has sent too much may send more.
    Allowance(ConnectionId),
    /// The client has to have taken something, or holds nobody any more.
    Stuck(ConnectionId),
    /// The will of a session without connection is to be published, if the epoch is still this.
    Will(SessionId, u64),
    /// A session without connection ends, if the epoch is still this.
    SessionExpiry(SessionId, u64),
    /// Figures are to be published.
    Figures,
    /// Retained messages are to be looked through for expired ones.
    RetainedExpiry,
}

#[derive(Debug, Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, Timer)>>,
    /// Meaningless entries are looked for when there are more than so many.
    crowded: usize,
}

/// Below this many entries it is not worth to look for meaningless ones.
const ALWAYS_FEW: usize = 64;

impl Timers {
    pub(super) fn set(&mut self, at: Instant, timer: Timer) {
        self.heap.push(Reverse((at, timer)));
    }

    /// Whether so many entries have gathered that meaningless ones should be forgotten.
    pub(super) fn is_crowded(&self) -> bool {
        self.heap.len() > self.crowded.max(ALWAYS_FEW)
    }

    /// Forgets the entries without meaning. As many as are left have to come before it is worth
    /// to look again, so that an entry costs the same however many there are.
    pub(super) fn retain(&mut self, has_meaning: impl Fn(Timer) -> bool) {
        self.heap.retain(|Reverse((_, timer))| has_meaning(*timer));
        self.crowded = 2 * self.heap.len();
    }

    pub(super) fn len(&self) -> usize {
        self.heap.len()
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes the earliest timer that is due.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Timer> {
        let entry = self.heap.peek_mut().filter(|entry| entry.0.0 <= now)?;
        let Reverse((_, timer)) = PeekMut::pop(entry);
        Some(timer)
    }
}
