//! The driver: one thread of the library's moves a session, any threads of the program use it.
//!
//! ```text
//!  program's threads          one lock            the library's thread
//!  publish, subscribe ────► session ◄──────────── bytes read, time
//!                              │ outbox ────────► bytes written
//!                              │ events
//!                              ▼
//!  next_event ◄───────────── queue of events       (its own lock)
//! ```
//!
//! The program's thread encodes into the outbox itself and wakes the library's thread only if that
//! sleeps. Locks are taken in the order consumer, session, queue.

mod clock;
mod events;
mod io;
mod transport;

use std::collections::VecDeque;
use std::fmt;
use std::os::fd::BorrowedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mqtt_protocol::{ReasonCode, TopicFilter};
use tokio::runtime::Builder;
use tokio::sync::Notify;

use crate::message::Acknowledge;
use crate::session::{Demand, Session};
use crate::{
    Counts, Draft, Error, ErrorKind, Event, Farewell, Limits, Log, LogLevel, Message, Moment, Op,
    Options, OwnedText, Request, Server, Subscribe,
};
use events::{Events, Taken};
use io::{Arrival, Io};

/// A client: it connects by itself and stays connected until it is dropped.
///
/// Every method may be called from any thread; draining events is for one thread at a time. Dropping
/// it never waits for the network, and closes without DISCONNECT unless
/// [`disconnect`](Self::disconnect) was called.
pub struct Client {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What the program's threads and the library's share.
struct Shared {
    core: Mutex<Core>,
    /// Wakes the library's thread.
    driver: Notify,
    events: Events,
    consumer: Mutex<Consumer>,
    server: Server,
    connect_timeout: Duration,
    log: Option<Log>,
}

/// The session, and how the library's thread stands to it.
struct Core {
    session: Session,
    /// Whether the library's thread has to be woken for what there is to write.
    is_asleep: bool,
    /// Whether the library's thread has to end.
    is_over: bool,
    /// Kept for its capacity.
    batch: Vec<Event>,
}

/// The program's end of the queue of events.
#[derive(Debug, Default)]
struct Consumer {
    batch: VecDeque<Event>,
    /// The message of the event that the program has.
    current: Option<u64>,
    /// Messages the program is done with, to be acknowledged together.
    done: Vec<u64>,
    acknowledged_at: Moment,
}

/// What the library's thread is to do next.
#[derive(Clone, Copy, Debug)]
struct Turn {
    demand: Demand,
    timeout: Option<Moment>,
    is_reading: bool,
    is_over: bool,
}

/// How many messages are acknowledged together.
const ACKS_AT_ONCE: usize = 64;

/// How long an acknowledgement may wait for others.
const ACK_PATIENCE: Duration = Duration::from_millis(1);

/// How much longer than the program's limit a disconnect may take, to write the last bytes.
const FLUSH_TIME: Duration = Duration::from_millis(50);

impl Client {
    /// Makes a client and begins to connect; returns before it is connected.
    ///
    /// # Errors
    /// The options contradict each other, or the system has no thread or descriptor left.
    pub fn new(options: Options) -> Result<Self, Error> {
        options.check()?;
        let events = Events::new(options.event_queue)?;
        let shared = Arc::new_cyclic(|weak: &Weak<Shared>| Shared {
            driver: Notify::new(),
            events,
            consumer: Mutex::default(),
            server: options.server.clone(),
            connect_timeout: options.connect_timeout,
            log: options.log.clone(),
            core: Mutex::new(Core {
                session: Session::new(options, weak.clone(), clock::seed(), clock::now()),
                is_asleep: false,
                is_over: false,
                batch: Vec::new(),
            }),
        });
        let on_thread = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("mqtt".to_owned())
            .spawn(move || on_thread.run())
            .map_err(|error| Error::system(ErrorKind::Internal, "cannot start a thread", &error))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Publishes a message; legal before the client is connected.
    ///
    /// With `is_reported` exactly one [`Event::PublishDone`] follows; without, only if it fails.
    ///
    /// # Errors
    /// The queue is full, the client has stopped, or the server would not take the message. Then
    /// there is no operation.
    pub fn publish(&self, draft: &Draft<'_>, is_reported: bool) -> Result<Op, Error> {
        self.shared.call(|session, now| session.publish(draft, is_reported, now))
    }

    /// Subscribes; legal before the client is connected. The subscription is renewed when a
    /// reconnect finds the session lost.
    ///
    /// With `is_reported` exactly one [`Event::SubscribeDone`] follows; without, only if it fails.
    ///
    /// # Errors
    /// The client has stopped, or too many requests are unanswered.
    pub fn subscribe(&self, subscribe: &Subscribe<'_>, is_reported: bool) -> Result<Op, Error> {
        self.shared.call(|session, _| session.subscribe(subscribe, is_reported))
    }

    /// Ends subscriptions; legal before the client is connected.
    ///
    /// With `is_reported` exactly one [`Event::UnsubscribeDone`] follows; without, only if it fails.
    ///
    /// # Errors
    /// The client has stopped, or too many requests are unanswered.
    pub fn unsubscribe(&self, filters: &[TopicFilter<'_>], is_reported: bool) -> Result<Op, Error> {
        self.shared.call(|session, _| session.unsubscribe(filters, is_reported))
    }

    /// Publishes a message that asks for an answer; exactly one [`Event::Reply`] follows.
    ///
    /// # Errors
    /// As for [`publish`](Self::publish), or its correlation data are those of another request.
    pub fn request(&self, request: Request<'_>) -> Result<Op, Error> {
        self.shared.urgent_call(|session, now| session.request(request, now))
    }

    /// Publishes the answer to a request, at its QoS.
    ///
    /// # Errors
    /// The message asks for no answer, or as for [`publish`](Self::publish).
    pub fn reply(&self, request: &Message, payload: &[u8]) -> Result<Op, Error> {
        let asked = request.properties.as_deref();
        let topic = asked.and_then(|asked| asked.response_topic.as_ref());
        let no_answer = Error::new(ErrorKind::NotFound, "the message asks for no answer");
        let mut answer = Message::new(topic.ok_or(no_answer)?.as_str(), payload)?;
        answer.qos = request.qos;
        if let Some(correlation) = asked.and_then(|asked| asked.correlation.clone()) {
            answer.properties_mut().correlation = Some(correlation);
        }
        self.publish(&answer.draft(), false)
    }

    /// Takes the next event, waiting for it up to `timeout` (`None`: as long as it takes).
    ///
    /// The event before it counts as done with: its message is acknowledged, unless the program
    /// does that itself. `None` when the time is up or [`wake`](Self::wake) was called.
    pub fn next_event(&self, timeout: Option<Duration>) -> Option<Event> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let is_waiting = timeout != Some(Duration::ZERO);
        loop {
            match self.shared.take_event() {
                Ok(event) => return Some(event),
                Err(was_woken) if was_woken || !is_waiting => return None,
                Err(_) => {}
            }
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return None;
            }
            self.shared.events.sleep(deadline);
        }
    }

    /// Makes a waiting [`next_event`](Self::next_event) return, or the next one that would wait. It
    /// may be called in a signal handler.
    pub fn wake(&self) {
        self.shared.events.wake();
    }

    /// A descriptor that is readable while events wait, as long as the client lives. It must not be
    /// read from or written to.
    pub fn event_fd(&self) -> BorrowedFd<'_> {
        self.shared.events.watch()
    }

    /// Sets a function to be called each time the queue of events becomes non-empty, mostly on the
    /// library's thread; it must only signal. When this returns, the earlier one is not running.
    pub fn set_wakeup(&self, wakeup: Option<Box<dyn Fn() + Send>>) {
        self.shared.events.set_wakeup(wakeup);
    }

    /// Waits for an operation and takes its outcome, so that no event tells of it.
    ///
    /// # Errors
    /// The time is up, or the operation is not known or was told already.
    pub fn wait(&self, op: Op, timeout: Option<Duration>) -> Result<Event, Error> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        match self.shared.claim(op)? {
            Some(event) => Ok(event),
            None => self.shared.events.wait(op, deadline),
        }
    }

    /// Waits until the client is connected.
    ///
    /// # Errors
    /// The time is up, or the client has stopped.
    pub fn wait_connected(&self, timeout: Option<Duration>) -> Result<(), Error> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        self.shared.events.wait_connected(deadline)
    }

    /// Whether the client is connected.
    pub fn is_connected(&self) -> bool {
        self.shared.lock().session.is_connected()
    }

    /// Connects at once: cuts the pause between attempts short, or begins again after a stop.
    pub fn reconnect(&self) {
        self.shared.events.note_reconnect();
        self.shared.urgent_call(Session::reconnect);
    }

    /// Sends what is queued, waits up to `timeout` for what is unacknowledged, sends DISCONNECT and
    /// closes. With a timeout of zero it does not wait at all.
    ///
    /// # Errors
    /// Not everything was done in time, or the farewell is none that a client may say.
    pub fn disconnect(&self, farewell: Farewell, timeout: Option<Duration>) -> Result<(), Error> {
        let forever = Duration::from_secs(u32::MAX.into());
        let patience = timeout.unwrap_or(forever);
        self.shared
            .urgent_call(|session, now| session.disconnect(farewell, now + patience, now))?;
        if patience.is_zero() {
            return Ok(());
        }
        let has_stopped =
            self.shared.events.wait_stopped(Instant::now().checked_add(patience + FLUSH_TIME));
        if !has_stopped || self.shared.lock().session.left_something() {
            return Err(Error::new(ErrorKind::Timeout, "not everything was sent in time"));
        }
        Ok(())
    }

    /// The client id, given by the program or by the server; empty before there is one.
    pub fn client_id(&self) -> OwnedText {
        self.shared.lock().session.client_id().clone()
    }

    /// What the server granted at the latest connection.
    pub fn limits(&self) -> Option<Limits> {
        self.shared.lock().session.limits().copied()
    }

    /// Counts of the client's work.
    pub fn counts(&self) -> Counts {
        self.shared.lock().session.counts()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.shared.lock().is_over = true;
        self.shared.driver.notify_one();
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
        {
            // It waits for nothing, so this does not take long; it cannot fail.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("server", &self.shared.server).finish_non_exhaustive()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Uses the session, and wakes the library's thread if there is something to write for it.
    fn call<R>(
        &self,
        work: impl FnOnce(&mut Session, Moment) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let now = clock::now();
        let mut core = self.lock();
        if core.is_over {
            return Err(Error::new(ErrorKind::Internal, "the client's thread has ended"));
        }
        let result = work(&mut core.session, now);
        let wakes = core.is_asleep && core.session.has_output();
        core.is_asleep &= !wakes;
        drop(core);
        if wakes {
            self.driver.notify_one();
        }
        result
    }

    /// Uses the session in a way that the library's thread has to look at in any case.
    fn urgent_call<R>(&self, work: impl FnOnce(&mut Session, Moment) -> R) -> R {
        let now = clock::now();
        let result = work(&mut self.lock().session, now);
        self.driver.notify_one();
        result
    }

    /// One pass of the library's thread; the program's functions run without the lock.
    fn turn(&self, io: &mut Io, arrival: Arrival) -> Turn {
        let (turn, lines, rings) = self.lock().turn(io, arrival, &self.events);
        for (level, line) in lines {
            self.log(level, &line);
        }
        if rings {
            self.events.ring();
        }
        turn
    }

    fn open_failed(&self, error: Error) {
        self.lock().session.handle_open_failed(error, clock::now());
    }

    fn closed(&self, error: Error) {
        self.lock().session.handle_closed(error, clock::now());
    }

    fn log(&self, level: LogLevel, line: &str) {
        if let Some(log) = self.log.as_ref().filter(|log| level <= log.level) {
            (log.write)(level, line);
        }
    }

    /// The next event; without one, whether [`Client::wake`] was called.
    fn take_event(&self) -> Result<Event, bool> {
        let mut consumer = self.consumer.lock().unwrap_or_else(PoisonError::into_inner);
        let current = consumer.current.take();
        consumer.done.extend(current);
        let is_time = || clock::now().since(consumer.acknowledged_at) >= ACK_PATIENCE;
        if consumer.done.len() >= ACKS_AT_ONCE
            || (!consumer.done.is_empty() && (consumer.batch.is_empty() || is_time()))
        {
            self.acknowledge_done(&mut consumer);
        }
        if consumer.batch.is_empty() {
            match self.events.take(&mut consumer.batch) {
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
    fn claim(&self, op: Op) -> Result<Option<Event>, Error> {
        let mut consumer = self.consumer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(event) = events::take_op(&mut consumer.batch, op) {
            return Ok(Some(event));
        }
        let core = self.lock();
        self.events.claim(op, core.session.is_running(op))
    }

    /// The library's thread.
    fn run(&self) {
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
    /// Tells the session what has happened, and collects what there is to do, to log, and whether the
    /// program has to be told.
    fn turn(
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
        match arrival {
            Arrival::Nothing => {}
            Arrival::Opened => session.handle_opened(now),
            Arrival::Read { stamp } => {
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
        session.take_events(&mut self.batch);
        let pushed = events.push(&mut self.batch);
        session.set_reading(!pushed.is_full, now);
        self.is_asleep = io.is_written();
        let turn = Turn {
            demand: session.demand(),
            timeout: session.next_timeout(),
            is_reading: !pushed.is_full,
            is_over: self.is_over,
        };
        (turn, session.take_lines(), pushed.rings)
    }
}
