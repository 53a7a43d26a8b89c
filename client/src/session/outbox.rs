//! The outbox: bytes for the socket, and which messages they carry.

use std::collections::VecDeque;

use crate::{Attachment, Op};

/// Bytes that wait for the socket. They are numbered from the beginning of the connection, so that the
/// shell can tell how far it has written.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    /// How many bytes the shell has taken.
    taken: u64,
    /// QoS 0 messages whose program wants to know, in their order.
    marks: VecDeque<Mark>,
}

/// A message that is done when its last byte is written.
#[derive(Debug)]
pub(super) struct Mark {
    end: u64,
    pub(super) op: Op,
    pub(super) attachment: Option<Attachment>,
}

/// How many bytes may wait before messages stay in the queue.
const LIMIT: usize = 1024 * 1024;

impl Outbox {
    pub(super) fn has_room(&self) -> bool {
        self.bytes.len() < LIMIT
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Marks the end of a message.
    pub(super) fn mark(&mut self, op: Op, attachment: Option<Attachment>) {
        let end = self.taken + self.bytes.len() as u64;
        self.marks.push_back(Mark { end, op, attachment });
    }

    pub(super) fn is_marked(&self, op: Op) -> bool {
        self.marks.iter().any(|mark| mark.op == op)
    }

    pub(super) fn has_marks(&self) -> bool {
        !self.marks.is_empty()
    }

    /// Moves the bytes to `bytes`, which is empty.
    pub(super) fn take(&mut self, bytes: &mut Vec<u8>) {
        debug_assert!(bytes.is_empty());
        std::mem::swap(&mut self.bytes, bytes);
        self.taken += bytes.len() as u64;
    }

    /// The next message whose last byte is among the first `written` of the connection.
    pub(super) fn next_written(&mut self, written: u64) -> Option<Mark> {
        if self.marks.front()?.end > written {
            return None;
        }
        self.marks.pop_front()
    }

    /// Forgets all, for a new connection, and gives back what was not written.
    pub(super) fn reset(&mut self) -> VecDeque<Mark> {
        self.bytes.clear();
        self.taken = 0;
        std::mem::take(&mut self.marks)
    }
}
