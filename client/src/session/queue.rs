//! The queue: messages that cannot be sent yet, bounded by count and bytes.

use std::collections::VecDeque;
use std::time::Duration;

use super::Report;
use crate::{Error, ErrorKind, Message, Moment, Op, QueueLimit};

/// Messages in the order in which they were published.
#[derive(Debug)]
pub(super) struct Queue {
    limit: QueueLimit,
    messages: VecDeque<Queued>,
    bytes: usize,
    /// Whether a message was refused and the program not told yet that there is room again.
    owes_writable: bool,
}

/// A message with whom to tell, and when its lifetime began.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) message: Message,
    pub(super) report: Report,
    pub(super) since: Moment,
    /// What the journal knows it by; 0 if it does not.
    pub(super) key: u64,
}

impl Queued {
    /// What is left of the lifetime in seconds; `None` for a message without one.
    pub(super) fn expiry_left(&self, now: Moment) -> Option<u32> {
        let lifetime = self.message.properties.as_deref()?.expiry_secs?;
        let age = u32::try_from(now.since(self.since).as_secs()).unwrap_or(u32::MAX);
        Some(lifetime.saturating_sub(age))
    }

    /// Whether its lifetime is over.
    pub(super) fn is_expired(&self, now: Moment) -> bool {
        let lifetime =
            self.message.properties.as_deref().and_then(|properties| properties.expiry_secs);
        lifetime.is_some_and(|secs| now.since(self.since) >= Duration::from_secs(secs.into()))
    }

    fn size(&self) -> usize {
        self.message.size()
    }
}

impl Queue {
    pub(super) fn new(limit: QueueLimit) -> Self {
        Self { limit, messages: VecDeque::new(), bytes: 0, owes_writable: false }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Queued> {
        self.messages.iter()
    }

    /// Adds a message at the end; `dropped` takes those that had to go for it.
    ///
    /// # Errors
    /// There is no room.
    pub(super) fn push(
        &mut self,
        queued: Queued,
        mut dropped: impl FnMut(Queued),
    ) -> Result<(), Error> {
        let size = queued.size();
        let fits_at_all = self.limit.messages > 0 && size <= self.limit.bytes;
        while self.messages.len() >= self.limit.messages || self.bytes + size > self.limit.bytes {
            match self.pop() {
                Some(oldest) if self.limit.drops_oldest && fits_at_all => dropped(oldest),
                Some(oldest) => {
                    self.push_front(oldest);
                    return Err(self.full());
                }
                None => return Err(self.full()),
            }
        }
        self.bytes += size;
        self.messages.push_back(queued);
        Ok(())
    }

    fn full(&mut self) -> Error {
        self.owes_writable = true;
        Error::new(ErrorKind::Full, "the queue of messages to be sent is full")
    }

    /// Adds a message that had its place in an earlier process, whatever the limits.
    pub(super) fn push_back(&mut self, queued: Queued) {
        self.bytes += queued.size();
        self.messages.push_back(queued);
    }

    /// Puts a message back in front; it had its place before.
    pub(super) fn push_front(&mut self, queued: Queued) {
        self.bytes += queued.size();
        self.messages.push_front(queued);
    }

    pub(super) fn front(&self) -> Option<&Queued> {
        self.messages.front()
    }

    pub(super) fn pop(&mut self) -> Option<Queued> {
        let queued = self.messages.pop_front()?;
        self.bytes -= queued.size();
        Some(queued)
    }

    /// Takes out the message of an operation.
    pub(super) fn take(&mut self, op: Op) -> Option<Queued> {
        let index = self.messages.iter().position(|queued| queued.report.op() == Some(op))?;
        let queued = self.messages.remove(index)?;
        self.bytes -= queued.size();
        Some(queued)
    }

    /// Whether the program is to be told that there is room again.
    pub(super) fn became_writable(&mut self) -> bool {
        let has_room =
            self.messages.len() <= self.limit.messages / 2 && self.bytes <= self.limit.bytes / 2;
        has_room && std::mem::take(&mut self.owes_writable)
    }
}
