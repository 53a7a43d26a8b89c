//! The one thread that writes to the store; what gathers while it writes is one commit.

use std::collections::HashMap;
use std::io;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use tracing::{error, warn};

use super::{Batch, Store, StoreError};
use crate::core::Durability;
use crate::core::change::Change;

/// How large a commit gets before the rest waits for the next, in bytes.
const MAXIMUM_COMMIT: usize = 16 * 1024 * 1024;

/// How long a retained message may wait that nobody was promised anything about: its topic mostly
/// has a new one soon.
const RETAINED_INTERVAL: Duration = Duration::from_secs(1);

/// How often it is looked whether there is room on the disk again.
const ROOM_INTERVAL: Duration = Duration::from_secs(1);

/// How long nothing has to happen until the store prepares for a quick start.
const REST: Duration = Duration::from_millis(200);

/// What the writing thread tells.
#[derive(Debug)]
pub enum Event {
    /// So many changes are kept, counted from the first.
    Committed(u64),
    /// The disk is full: messages are to be refused.
    Full,
    /// There is room again.
    Roomy,
    /// The store cannot be used any more: nothing is safe that was not yet told to be.
    Failed(StoreError),
}

/// The way to the writing thread.
#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    inbox: Mutex<Inbox>,
    filled: Condvar,
}

#[derive(Debug, Default)]
struct Inbox {
    /// Changes that belong together.
    groups: Vec<Vec<Change>>,
    is_finished: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    /// Starts the thread, which tells what it has done.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub fn start(
        store: impl Store + 'static,
        durability: Durability,
        tell: impl FnMut(Event) + Send + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let pause = match durability {
            Durability::Sync | Durability::Off => Duration::ZERO,
            Durability::OneSecond => Duration::from_secs(1),
        };
        let worker = Worker {
            store,
            shared: shared.clone(),
            tell,
            pause,
            groups: Vec::new(),
            batch: Batch::default(),
            made: 0,
            size: 0,
            later: HashMap::new(),
            later_due: None,
            room_due: None,
            rest_due: None,
            is_stuck: false,
        };
        let thread = Builder::new().name("store".into()).spawn(move || worker.run())?;
        Ok(Self { shared, thread })
    }

    /// Hands over changes that belong together, to be written after those before them.
    pub fn submit(&self, changes: Vec<Change>) {
        let mut inbox = self.shared.lock();
        let was_empty = inbox.groups.is_empty();
        inbox.groups.push(changes);
        drop(inbox);
        if was_empty {
            self.shared.filled.notify_one();
        }
    }

    /// Waits until everything handed over is written.
    pub fn finish(self) {
        self.shared.lock().is_finished = true;
        self.shared.filled.notify_one();
        if self.thread.join().is_err() {
            error!("the store's thread has panicked");
        }
    }
}

struct Worker<S, T> {
    store: S,
    shared: Arc<Shared>,
    tell: T,
    /// How long it waits between two commits.
    pause: Duration,
    /// What was taken from the inbox and is not in a batch yet, latest first.
    groups: Vec<Vec<Change>>,
    batch: Batch,
    /// How many changes are in this batch and those before it.
    made: u64,
    /// How large the batch is, in bytes.
    size: usize,
    /// The latest change of each topic's retained message that may wait, and until when.
    later: HashMap<Box<str>, Change>,
    later_due: Option<Instant>,
    /// When to look for room on the disk; set while that is full.
    room_due: Option<Instant>,
    /// When it has been quiet for long enough.
    rest_due: Option<Instant>,
    /// Whether not even the room in reserve was enough.
    is_stuck: bool,
}

/// What the thread woke up for.
enum Woken {
    Changes,
    /// Retained messages have waited long enough.
    Later,
    /// It is time to look for room on a full disk.
    Room,
    /// Nothing has happened for a while.
    Rest,
    /// The broker stops.
    Finished,
}

impl<S: Store, T: FnMut(Event)> Worker<S, T> {
    fn run(mut self) {
        loop {
            let result = match self.wait() {
                Woken::Changes => {
                    self.gather();
                    self.write()
                }
                Woken::Later => {
                    self.add_later();
                    self.write()
                }
                Woken::Room => self.look_for_room(),
                Woken::Rest => self.rest(),
                Woken::Finished => {
                    self.finish();
                    return;
                }
            };
            if let Err(error) = result {
                return (self.tell)(Event::Failed(error));
            }
        }
    }

    /// Waits for something to do.
    fn wait(&mut self) -> Woken {
        let shared = self.shared.clone();
        let mut inbox = shared.lock();
        loop {
            let now = Instant::now();
            let is_due = |due: Option<Instant>| due.is_some_and(|due| due <= now);
            if is_due(self.room_due) {
                return Woken::Room;
            }
            if self.groups.is_empty() {
                self.groups = mem::take(&mut inbox.groups);
                self.groups.reverse();
            }
            if !self.groups.is_empty() {
                return Woken::Changes;
            }
            if inbox.is_finished {
                return Woken::Finished;
            }
            if is_due(self.later_due) {
                return Woken::Later;
            }
            if is_due(self.rest_due) {
                return Woken::Rest;
            }
            let due = [self.room_due, self.later_due, self.rest_due].into_iter().flatten().min();
            let patience = due.map_or(Duration::MAX, |due| due - now);
            inbox = match shared.filled.wait_timeout(inbox, patience) {
                Ok((inbox, _)) => inbox,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }

    /// Makes a batch of what has come, up to its size.
    fn gather(&mut self) {
        while self.size < MAXIMUM_COMMIT
            && let Some(group) = self.groups.pop()
        {
            self.made += group.len() as u64;
            for change in group {
                self.add(change);
            }
        }
    }

    fn add(&mut self, change: Change) {
        let topic = match &change {
            Change::Retained { message, is_promised } => {
                Some((message.topic().as_str().into(), *is_promised))
            }
            Change::RetainedCleared { topic, is_promised } => Some((topic.clone(), *is_promised)),
            _ => None,
        };
        match topic {
            Some((topic, false)) => {
                self.later.insert(topic, change);
                self.later_due.get_or_insert_with(|| Instant::now() + RETAINED_INTERVAL);
                return;
            }
            Some((topic, true)) => drop(self.later.remove(&topic)),
            None => {}
        }
        self.size += change.size();
        self.batch.add(change);
    }

    fn add_later(&mut self) {
        for (_, change) in self.later.drain() {
            self.batch.add(change);
        }
        self.later_due = None;
    }

    /// Commits the batch. If the disk is full that takes the room in reserve, and if that is not
    /// enough the batch waits and grows until there is room.
    fn write(&mut self) -> Result<(), StoreError> {
        if self.is_stuck {
            return Ok(());
        }
        if !self.batch.is_empty() && !self.commit()? {
            self.is_stuck = true;
            return Ok(());
        }
        self.batch = self.batch.next();
        self.size = 0;
        self.rest_due = Some(Instant::now() + REST);
        (self.tell)(Event::Committed(self.made));
        if !self.pause.is_zero() {
            self.sleep();
        }
        Ok(())
    }

    /// Commits the batch; tells whether there was room.
    fn commit(&mut self) -> Result<bool, StoreError> {
        match self.store.commit(&self.batch) {
            Ok(()) => return Ok(true),
            Err(StoreError::Full) => self.begin_full()?,
            Err(error) => return Err(error),
        }
        match self.store.commit(&self.batch) {
            Ok(()) => Ok(true),
            Err(StoreError::Full) => self.begin_full().map(|()| false),
            Err(error) => Err(error),
        }
    }

    /// Waits until the next commit is due, or the broker stops.
    fn sleep(&self) {
        let end = Instant::now() + self.pause;
        let mut inbox = self.shared.lock();
        while let Some(left) = end.checked_duration_since(Instant::now())
            && !inbox.is_finished
        {
            inbox = match self.shared.filled.wait_timeout(inbox, left) {
                Ok((inbox, _)) => inbox,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }

    /// Takes note that the disk is full, and frees the room in reserve.
    fn begin_full(&mut self) -> Result<(), StoreError> {
        if self.room_due.is_none() {
            warn!("the disk is full: messages of QoS 1 and 2 are refused until there is room");
            (self.tell)(Event::Full);
        }
        self.room_due = Some(Instant::now() + ROOM_INTERVAL);
        self.rest_due = None;
        self.store.reopen()
    }

    /// Looks whether there is room again on a disk that was full.
    fn look_for_room(&mut self) -> Result<(), StoreError> {
        if !self.store.reserve() {
            self.room_due = Some(Instant::now() + ROOM_INTERVAL);
            return Ok(());
        }
        self.room_due = None;
        self.is_stuck = false;
        self.write()?;
        if self.room_due.is_none() {
            warn!("there is room on the disk again");
            (self.tell)(Event::Roomy);
        }
        Ok(())
    }

    /// Uses the quiet to prepare for a quick start.
    fn rest(&mut self) -> Result<(), StoreError> {
        self.rest_due = None;
        match self.store.rest() {
            Err(StoreError::Full) => self.begin_full(),
            result => result,
        }
    }

    /// The broker stops: what was to wait is written, too.
    fn finish(&mut self) {
        self.add_later();
        if let Err(error) = self.write().and_then(|()| self.store.rest()) {
            error!(%error, "cannot write to the store");
        }
    }
}
