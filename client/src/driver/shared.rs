//! What the program's threads and the library's share, and how each uses it.

use std::cell::Cell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use mqtt_protocol::ReasonCode;
use tokio::runtime::Builder;
use tokio::sync::Notify;

use super::clock;
use super::direct::Direct;
use super::events::{self, Events, MAXIMUM_SPARES, Taken};
use super::io::{self, Arrival, Io};
use super::store::Store;
use super::transport::Routes;
use crate::message::Acknowledge;
use crate::session::{Authentication, Demand, Salting, Session};
use crate::{Error, ErrorKind, Event, Log, LogLevel, Message, Moment, Op, Options};

/// What the program's threads and the library's share.
pub(super) struct Shared {
    core: Mutex<Core>,
    /// Wakes the library's thread.
    pub(super) driver: Notify,
    pub(super) events: Events,
    consumer: Mutex<Consumer>,
    pub(super) routes: Routes,
    log: Option<Log>,
}

/// The session, and how the library's thread stands to it.
pub(super) struct Core {
    pub(super) session: Session,
    /// Whether the library's thread has to be woken for what there is to write.
    is_asleep: bool,
    /// Whether the library's thread has to end.
    pub(super) is_over: bool,
    /// Kept for its capacity.
    batch: Vec<Event>,
    pub(super) direct: Direct,
    /// What outlives the process is written here.
    store: Option<Store>,
}

/// The program's end of the queue of events.
#[derive(Debug, Default)]
struct Consumer {
    batch: VecDeque<Event>,
    /// Messages it is done with, to be used again.
    spent: Vec<Arc<Message>>,
    /// The message of the event that the program has.
    current: Option<u64>,
    /// Messages the program is done with, to be acknowledged together.
    done: Vec<u64>,
    acknowledged_at: Moment,
}

/// What the library's thread is to do next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    pub(super) demand: Demand,
    pub(super) timeout: Option<Moment>,
    pub(super) is_reading: bool,
    pub(super) is_over: bool,
    /// A password is to be salted before anything else.
    is_salting: bool,
}

thread_local! {
    /// Where what this thread runs lies; 0 on threads of the program.
    static RUNNING: Cell<usize> = const { Cell::new(0) };
}

/// How many messages are acknowledged together.
const ACKS_AT_ONCE: usize = 64;

/// How long an acknowledgement may wait for others.
const ACK_PATIENCE: Duration = Duration::from_millis(1);

impl Shared {
    pub(super) fn new(options: Options) -> Result<Arc<Self>, Error> {
        let events = Events::new(options.event_queue)?;
        let routes = Routes::new(&options)?;
        let authentication = match options.uses_scram {
            true => Some(Authentication::new(&options, clock::secret()?)?),
            false => None,
        };
        let opened = options.session_file.as_deref().map(Store::open).transpose()?;
        let shared = Arc::new_cyclic(|weak: &Weak<Self>| Self {
            driver: Notify::new(),
            events,
            consumer: Mutex::default(),
            routes,
            log: options.log.clone(),
            core: Mutex::new(Core {
                session: Session::new(options, weak.clone(), clock::seed(), clock::now()),
                is_asleep: false,
                is_over: false,
                batch: Vec::new(),
                direct: Direct::default(),
                store: None,
            }),
        });
        shared.lock().session.set_authentication(authentication);
        if let Some((mut store, saved)) = opened {
            let mut core = shared.lock();
            core.session.outlive(saved, clock::wall(), clock::now())?;
            store.rewrite(&core.session.snapshot())?;
            core.store = Some(store);
        }
        Ok(shared)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Uses the session, and wakes the library's thread if there is something to write for it. The
    /// session is told the time within some milliseconds.
    pub(super) fn call<R>(
        &self,
        work: impl FnOnce(&mut Session, Moment) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let now = clock::about_now();
        let mut core = self.lock();
        if core.is_over {
            return Err(Error::new(ErrorKind::Internal, "the client's thread has ended"));
        }
        let result = work(&mut core.session, now);
        core.save(now);
        let wakes = core.is_asleep && core.session.has_output();
        core.is_asleep &= !wakes;
        drop(core);
        if wakes {
            self.driver.notify_one();
        }
        result
    }

    /// Uses the session to publish, and sends what there is to write itself if that is quick.
    pub(super) fn quick_call<R>(
        &self,
        work: impl FnOnce(&mut Session, Moment) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let now = clock::about_now();
        let mut core = self.lock();
        if core.is_over {
            return Err(Error::new(ErrorKind::Internal, "the client's thread has ended"));
        }
        let result = work(&mut core.session, now);
        core.save(now);
        let mut rings = false;
        if core.is_asleep && core.session.has_output() {
            rings = core.send_directly(&self.events);
        }
        let wakes = core.is_asleep && (core.session.has_output() || core.direct.has_rest());
        core.is_asleep &= !wakes;
        drop(core);
        if wakes {
            self.driver.notify_one();
        }
        if rings {
            self.events.ring();
        }
        result
    }

    /// Uses the session in a way that the library's thread has to look at in any case.
    pub(super) fn urgent_call<R>(&self, work: impl FnOnce(&mut Session, Moment) -> R) -> R {
        let now = clock::now();
        let mut core = self.lock();
        let result = work(&mut core.session, now);
        core.save(now);
        drop(core);
        self.driver.notify_one();
        result
    }

    /// One pass of the library's thread; the program's functions run without the lock.
    pub(super) fn turn(&self, io: &mut Io, arrival: Arrival) -> Turn {
        let (mut turn, mut lines, mut rings) = self.lock().turn(io, arrival, &self.events);
        // The lock is not held while the password is salted.
        let salting = turn.is_salting.then(|| self.lock().session.take_salting()).flatten();
        if let Some(Ok(salted)) = salting.map(Salting::salt) {
            let mut core = self.lock();
            core.session.handle_salted(salted);
            let (later, more, rings_again) = core.turn(io, Arrival::Nothing, &self.events);
            turn = later;
            lines.extend(more);
            rings |= rings_again;
        }
        for (level, line) in lines {
            self.log(level, &line);
        }
        if rings {
            self.events.ring();
        }
        turn
    }

    pub(super) fn open_failed(&self, error: Error) {
        self.lock().session.handle_open_failed(error, clock::now());
    }

    pub(super) fn log(&self, level: LogLevel, line: &str) {
        if let Some(log) = self.log.as_ref().filter(|log| level <= log.level) {
            (log.write)(level, line);
        }
    }

    /// The next event; without one, whether [`Client::wake`] was called.
    pub(super) fn take_event(&self) -> Result<Event, bool> {
        let mut consumer = self.consumer.lock().unwrap_or_else(PoisonError::into_inner);
        let current = consumer.current.take();
        consumer.done.extend(current);
        let is_time = || clock::about_now().since(consumer.acknowledged_at) >= ACK_PATIENCE;
        if consumer.done.len() >= ACKS_AT_ONCE
            || (!consumer.done.is_empty() && (consumer.batch.is_empty() || is_time()))
        {
            self.acknowledge_done(&mut consumer);
        }
        if consumer.batch.is_empty() {
            let Consumer { batch, spent, .. } = &mut *consumer;
            match self.events.take(batch, spent) {
                Taken::None { was_woken } => return Err(was_woken),
                Taken::Some { was_full: true } => self.driver.notify_one(),
                Taken::Some { was_full: false } => {}
            }
        }
        let event = consumer.batch.pop_front().ok_or(false)?;
        if let Event::Message { message, .. } = &event
            && let Some(receipt) = &message.receipt
            && receipt.by_program.is_none()
        {
            consumer.current = Some(receipt.token);
        }
        Ok(event)
    }

    /// Takes an event that the program is done with, for the memory of its message.
    pub(super) fn take_back(&self, event: Event) {
        let Event::Message { mut message, .. } = event else { return };
        if Arc::get_mut(&mut message).is_some_and(|message| message.is_small()) {
            let mut consumer = self.consumer.lock().unwrap_or_else(PoisonError::into_inner);
            if consumer.spent.len() < MAXIMUM_SPARES {
                consumer.spent.push(message);
            }
        }
    }

    fn acknowledge_done(&self, consumer: &mut Consumer) {
        // A message whose connection is gone will come again; there is nothing to acknowledge.
        let _ = self.call(|session, now| {
            consumer.acknowledged_at = now;
            for token in consumer.done.drain(..) {
                let _ = session.acknowledge(token, ReasonCode::Success);
            }
            Ok(())
        });
    }

    /// Takes the outcome of an operation if it is there, or else notes that a thread waits for it.
    pub(super) fn claim(&self, op: Op) -> Result<Option<Event>, Error> {
        let mut consumer = self.consumer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(event) = events::take_op(&mut consumer.batch, op) {
            return Ok(Some(event));
        }
        let core = self.lock();
        self.events.claim(op, core.session.is_running(op))
    }

    /// Whether the calling thread is the library's. To ask the standard library who it is would leave
    /// memory with each thread of the program that asks.
    pub(super) fn is_on_its_thread(&self) -> bool {
        RUNNING.get() == ptr::from_ref(self).addr()
    }

    /// The library's thread.
    pub(super) fn run(&self) {
        RUNNING.set(ptr::from_ref(self).addr());
        let result = catch_unwind(AssertUnwindSafe(|| self.run_driver()));
        let error = match result {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error,
            Err(_) => {
                Error::new(ErrorKind::Internal, "a defect in the library; the client has ended")
            }
        };
        self.log(LogLevel::Error, &error.message);
        self.lock().is_over = true;
        self.events.push(&mut vec![Event::Stopped { error: Some(error) }]);
        self.events.ring();
    }

    fn run_driver(&self) -> Result<(), Error> {
        let runtime = Builder::new_current_thread().enable_io().enable_time().build();
        let runtime = runtime
            .map_err(|error| Error::system(ErrorKind::Internal, "cannot begin to work", &error))?;
        runtime.block_on(io::run(self));
        // A name that is still being looked up is not waited for.
        runtime.shutdown_background();
        Ok(())
    }
}

impl Acknowledge for Shared {
    fn acknowledge(&self, token: u64, reason: ReasonCode) -> Result<(), Error> {
        self.call(|session, _| session.acknowledge(token, reason))
    }
}

impl Core {
    /// Writes what the session wants to outlive the process.
    fn save(&mut self, now: Moment) {
        let Some(store) = &mut self.store else { return };
        let Some(records) = self.session.take_records() else { return };
        let mut result = store.append(&records);
        if result.is_ok() && store.has_grown() {
            result = store.rewrite(&self.session.snapshot());
        }
        if let Err(error) = result {
            self.store = None;
            self.session.handle_store_failed(error, now);
        }
    }

    /// Sends what there is to write, if that is little. Tells whether the program has to be told of
    /// something.
    fn send_directly(&mut self, events: &Events) -> bool {
        let length = self.session.output_length();
        if self.session.demand() != Demand::Keep || !self.direct.is_open_for(length) {
            return false;
        }
        let mut bytes = Vec::new();
        let stamp = clock::now();
        self.session.take_output(&mut bytes, stamp);
        self.save(stamp);
        let total = self.direct.send(&bytes);
        self.session.handle_written(total, stamp);
        self.session.take_events(&mut self.batch);
        events.push(&mut self.batch).rings
    }

    /// Tells the session what has happened, and collects what there is to do, to log, and whether the
    /// program has to be told.
    pub(super) fn turn(
        &mut self,
        io: &mut Io,
        arrival: Arrival,
        events: &Events,
    ) -> (Turn, Vec<(LogLevel, String)>, bool) {
        let session = &mut self.session;
        let now = match &arrival {
            Arrival::Read { stamp } => *stamp,
            _ => clock::now(),
        };
        let (rest, written) = self.direct.hand_over();
        io.earlier += written;
        if !rest.is_empty() {
            io.output = rest;
        }
        match arrival {
            Arrival::Nothing => {}
            Arrival::Opened => session.handle_opened(now),
            Arrival::Read { stamp } => {
                self.direct.open();
                events.take_spares(session.spares());
                let used = session.handle_input(io.unread(), stamp);
                io.consume(used);
            }
            Arrival::Written { total, stamp } => session.handle_written(total, stamp),
            Arrival::Closed(error) => session.handle_closed(error, now),
        }
        if session.next_timeout().is_some_and(|at| at <= now) {
            session.handle_timeout(now);
        }
        if io.is_written() {
            session.take_output(&mut io.output, now);
        }
        // What is written to the server has to be in the file before.
        self.save(now);
        let session = &mut self.session;
        session.take_events(&mut self.batch);
        let pushed = events.push(&mut self.batch);
        session.set_reading(!pushed.is_full, now);
        self.is_asleep = io.is_written();
        self.direct.note_written(io.earlier);
        let turn = Turn {
            demand: session.demand(),
            timeout: session.next_timeout(),
            is_reading: !pushed.is_full,
            is_over: self.is_over,
            is_salting: session.is_salting(),
        };
        (turn, session.take_lines(), pushed.rings)
    }
}
