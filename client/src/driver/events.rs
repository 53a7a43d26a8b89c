//! The queue of events, and how a program is told that some wait.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::{Errno, read, write};

use crate::{Error, ErrorKind, Event, EventLimit, Message, Op};

/// Events between the library's thread and the program's.
///
/// The descriptor is readable while events wait, but it is only touched if somebody watches it: a
/// thread that waits in [`sleep`](Self::sleep), or a program that has asked for it.
pub(super) struct Events {
    queue: Mutex<Queue>,
    /// Told when the outcome of a waited-for operation comes, and when `status` changes.
    changed: Condvar,
    descriptor: OwnedFd,
    /// Whether somebody wants a waiting thread to come back without an event.
    is_woken: AtomicBool,
    wakeup: Mutex<Option<Box<dyn Fn() + Send>>>,
}

struct Queue {
    events: VecDeque<Event>,
    bytes: usize,
    limit: EventLimit,
    /// Messages that the program is done with.
    spares: Vec<Arc<Message>>,
    /// Threads that wait for the descriptor.
    sleepers: usize,
    /// Whether the program has the descriptor.
    is_watched: bool,
    /// Operations for whose outcome a thread waits.
    waited: HashMap<Op, Option<Event>>,
    status: Status,
}

/// How the client stands, as far as the events tell.
#[derive(Clone, Debug)]
pub(super) enum Status {
    /// It tries to connect; the latest attempt has failed.
    Connecting(Option<Error>),
    Connected,
    Stopped(Option<Error>),
}

/// What is to be done after events were put in.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pushed {
    /// Whether the wakeup function is to be called.
    pub(super) rings: bool,
    /// Whether no more should be read from the socket.
    pub(super) is_full: bool,
}

/// What [`Events::take`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// Some events; `was_full` if the socket may be read again.
    Some { was_full: bool },
    /// None; `was_woken` if a waiting thread should come back.
    None { was_woken: bool },
}

/// How many messages are kept to be used again: somewhat more than one read brings.
pub(super) const MAXIMUM_SPARES: usize = 2048;

impl Events {
    pub(super) fn new(limit: EventLimit) -> Result<Self, Error> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let descriptor = eventfd(0, flags).map_err(|error| {
            Error::system(ErrorKind::Internal, "cannot make a descriptor", &error.into())
        })?;
        Ok(Self {
            queue: Mutex::new(Queue {
                events: VecDeque::new(),
                bytes: 0,
                limit,
                spares: Vec::new(),
                sleepers: 0,
                is_watched: false,
                waited: HashMap::new(),
                status: Status::Connecting(None),
            }),
            changed: Condvar::new(),
            descriptor,
            is_woken: AtomicBool::new(false),
            wakeup: Mutex::new(None),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts events in.
    pub(super) fn push(&self, batch: &mut Vec<Event>) -> Pushed {
        let mut queue = self.lock();
        let was_empty = queue.events.is_empty();
        for event in batch.drain(..) {
            let changes_status = queue.note(&event);
            let rest = queue.give_to_waiter(event);
            if changes_status || rest.is_none() {
                self.changed.notify_all();
            }
            if let Some(event) = rest {
                queue.bytes += size(&event);
                queue.events.push_back(event);
            }
        }
        let rings = was_empty && !queue.events.is_empty();
        if rings && (queue.is_watched || queue.sleepers > 0) {
            self.raise();
        }
        Pushed { rings, is_full: queue.is_full() }
    }

    /// Calls the wakeup function.
    pub(super) fn ring(&self) {
        let wakeup = self.wakeup.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(wakeup) = &*wakeup {
            wakeup();
        }
    }

    /// Sets the wakeup function; when this returns the earlier one is not running.
    pub(super) fn set_wakeup(&self, wakeup: Option<Box<dyn Fn() + Send>>) {
        *self.wakeup.lock().unwrap_or_else(PoisonError::into_inner) = wakeup;
        if !self.lock().events.is_empty() {
            self.ring();
        }
    }

    /// Moves all events into `batch`, which is empty, and gives `spent` messages to be used again.
    pub(super) fn take(&self, batch: &mut VecDeque<Event>, spent: &mut Vec<Arc<Message>>) -> Taken {
        let mut queue = self.lock();
        if queue.spares.len() + spent.len() <= MAXIMUM_SPARES {
            queue.spares.append(spent);
        }
        if queue.events.is_empty() {
            self.lower();
            return Taken::None { was_woken: self.is_woken.swap(false, Ordering::SeqCst) };
        }
        let was_full = queue.is_full();
        std::mem::swap(&mut queue.events, batch);
        queue.bytes = 0;
        Taken::Some { was_full }
    }

    /// Moves the messages that the program is done with into `spares`.
    pub(super) fn take_spares(&self, spares: &mut Vec<Arc<Message>>) {
        let mut queue = self.lock();
        if spares.is_empty() {
            std::mem::swap(&mut queue.spares, spares);
        }
    }

    /// Waits until events may have come, a wake, or the deadline.
    pub(super) fn sleep(&self, deadline: Option<Instant>) {
        {
            let mut queue = self.lock();
            if !queue.events.is_empty() || self.is_woken.load(Ordering::SeqCst) {
                return;
            }
            queue.sleepers += 1;
        }
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        let mut watched = [PollFd::new(&self.descriptor, PollFlags::IN)];
        // A signal ends the wait early, and the caller looks at its deadline.
        let _: Result<usize, Errno> = poll(&mut watched, left.as_ref());
        self.lock().sleepers -= 1;
    }

    /// Makes a waiting thread come back, or the next one. Fit for a signal handler.
    pub(super) fn wake(&self) {
        self.is_woken.store(true, Ordering::SeqCst);
        self.raise();
    }

    /// The descriptor; from here on it is readable while events wait.
    pub(super) fn watch(&self) -> BorrowedFd<'_> {
        let mut queue = self.lock();
        queue.is_watched = true;
        if !queue.events.is_empty() {
            self.raise();
        }
        self.descriptor.as_fd()
    }

    fn raise(&self) {
        // It fails only when the counter is at its end, and then it is readable.
        let _ = write(&self.descriptor, &1_u64.to_ne_bytes());
    }

    fn lower(&self) {
        // It fails only when there is nothing to lower.
        let _ = read(&self.descriptor, &mut [0_u8; 8]);
    }

    /// Takes the outcome of an operation out of the queue, or notes that a thread waits for it.
    ///
    /// `is_running` tells whether it can come at all.
    pub(super) fn claim(&self, op: Op, is_running: bool) -> Result<Option<Event>, Error> {
        let mut queue = self.lock();
        if let Some(event) = take_op(&mut queue.events, op) {
            queue.bytes = queue.bytes.saturating_sub(size(&event));
            return Ok(Some(event));
        }
        if !is_running {
            return Err(Error::new(ErrorKind::NotFound, "the operation is over or unknown"));
        }
        if queue.waited.contains_key(&op) {
            return Err(Error::new(ErrorKind::State, "another thread waits for the operation"));
        }
        queue.waited.insert(op, None);
        Ok(None)
    }

    /// Waits for the outcome of an operation that was claimed.
    pub(super) fn wait(&self, op: Op, deadline: Option<Instant>) -> Result<Event, Error> {
        let mut queue = self.lock();
        loop {
            if let Some(Some(_)) = queue.waited.get(&op)
                && let Some(Some(event)) = queue.waited.remove(&op)
            {
                return Ok(event);
            }
            queue = match self.wait_for_change(queue, deadline) {
                Ok(queue) => queue,
                Err(mut queue) => {
                    queue.waited.remove(&op);
                    return Err(Error::new(ErrorKind::Timeout, "the operation is still running"));
                }
            };
        }
    }

    /// Waits until the client is connected or has stopped.
    pub(super) fn wait_connected(&self, deadline: Option<Instant>) -> Result<(), Error> {
        let mut queue = self.lock();
        loop {
            match &queue.status {
                Status::Connected => return Ok(()),
                Status::Stopped(error) => {
                    let stopped = || Error::new(ErrorKind::State, "the client has disconnected");
                    return Err(error.clone().unwrap_or_else(stopped));
                }
                Status::Connecting(_) => {}
            }
            queue = match self.wait_for_change(queue, deadline) {
                Ok(queue) => queue,
                Err(queue) => return Err(queue.not_connected()),
            };
        }
    }

    /// Waits until the client has stopped; whether it has.
    pub(super) fn wait_stopped(&self, deadline: Option<Instant>) -> bool {
        let mut queue = self.lock();
        loop {
            if let Status::Stopped(_) = queue.status {
                return true;
            }
            queue = match self.wait_for_change(queue, deadline) {
                Ok(queue) => queue,
                Err(_) => return false,
            };
        }
    }

    /// Notes that the client tries to connect again.
    pub(super) fn note_reconnect(&self) {
        let mut queue = self.lock();
        if let Status::Stopped(_) = queue.status {
            queue.status = Status::Connecting(None);
        }
    }

    fn wait_for_change<'a>(
        &self,
        queue: MutexGuard<'a, Queue>,
        deadline: Option<Instant>,
    ) -> Result<MutexGuard<'a, Queue>, MutexGuard<'a, Queue>> {
        let Some(deadline) = deadline else {
            return Ok(self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner));
        };
        let left = deadline.saturating_duration_since(Instant::now());
        if left == Duration::ZERO {
            return Err(queue);
        }
        let waited = self.changed.wait_timeout(queue, left);
        Ok(waited.unwrap_or_else(PoisonError::into_inner).0)
    }
}

impl Queue {
    fn is_full(&self) -> bool {
        self.events.len() >= self.limit.events || self.bytes >= self.limit.bytes
    }

    /// Takes note of what an event says of the client; whether it says something.
    fn note(&mut self, event: &Event) -> bool {
        self.status = match event {
            Event::Connected { .. } => Status::Connected,
            Event::ConnectFailed { error, .. } => Status::Connecting(Some(error.clone())),
            Event::Disconnected { error, .. } => Status::Connecting(error.clone()),
            Event::Stopped { error } => Status::Stopped(error.clone()),
            _ => return false,
        };
        true
    }

    /// Gives an outcome to the thread that waits for it; gives it back if there is none.
    fn give_to_waiter(&mut self, event: Event) -> Option<Event> {
        let slot = event.op().and_then(|op| self.waited.get_mut(&op));
        match slot {
            Some(slot) => {
                *slot = Some(event);
                None
            }
            None => Some(event),
        }
    }

    fn not_connected(&self) -> Error {
        match &self.status {
            Status::Connecting(Some(error)) => {
                let message = format!("not connected in time: {error}");
                Error { kind: ErrorKind::Timeout, message: message.into(), ..error.clone() }
            }
            _ => Error::new(ErrorKind::Timeout, "not connected in time"),
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("waiting", &self.lock().events.len()).finish_non_exhaustive()
    }
}

/// Takes the outcome of an operation out of some events.
pub(super) fn take_op(events: &mut VecDeque<Event>, op: Op) -> Option<Event> {
    let index = events.iter().position(|event| event.op() == Some(op))?;
    events.remove(index)
}

/// How many bytes an event keeps alive.
fn size(event: &Event) -> usize {
    event.message().map_or(0, |message| message.size())
}
