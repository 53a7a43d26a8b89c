//! The way to one connection's client, as all tasks see it.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Context;

use futures_util::task::AtomicWaker;

use super::socket::Socket;

/// A connection's socket, and the bell at its task.
#[derive(Debug)]
pub(super) struct Wire {
    /// A plain socket, to which whoever took the outbox may write. Without it only the
    /// connection's own task can write.
    pub(super) socket: Option<Socket>,
    task: AtomicWaker,
    calls: AtomicU8,
    /// What the socket did not take at once. Not empty only while the right to write is on its
    /// way to the connection's own task.
    rest: Mutex<Vec<u8>>,
}

/// What others want of a connection's task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Call(u8);

impl Call {
    /// There is something to write.
    pub(super) const WRITE: Self = Self(1);
    /// The client may be read again.
    pub(super) const RESUME: Self = Self(2);
    /// The core has closed the connection.
    pub(super) const CLOSE: Self = Self(4);

    pub(super) const fn contains(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl Wire {
    pub(super) fn new(socket: Option<Socket>) -> Self {
        Self {
            socket,
            task: AtomicWaker::new(),
            calls: AtomicU8::new(0),
            rest: Mutex::new(Vec::new()),
        }
    }

    /// Wants something of the connection's task.
    pub(super) fn call(&self, call: Call) {
        self.calls.fetch_or(call.0, Ordering::AcqRel);
        self.task.wake();
    }

    /// Takes the calls that have come; the task of `cx` is woken for later ones.
    pub(super) fn take_calls(&self, cx: &Context<'_>) -> Call {
        self.task.register(cx.waker());
        Call(self.calls.swap(0, Ordering::AcqRel))
    }

    /// Leaves the rest, and the right to write, to the connection's own task.
    pub(super) fn leave_rest(&self, bytes: Vec<u8>) {
        *self.lock_rest() = bytes;
        self.call(Call::WRITE);
    }

    /// Takes the rest, and with it the right to write, if any was left.
    pub(super) fn take_rest(&self) -> Vec<u8> {
        std::mem::take(&mut *self.lock_rest())
    }

    fn lock_rest(&self) -> MutexGuard<'_, Vec<u8>> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
