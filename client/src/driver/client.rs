//! The client as a program holds it.

use std::fmt;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mqtt_protocol::TopicFilter;

use super::shared::Shared;
use crate::session::Session;
use crate::{
    Counts, Draft, Error, ErrorKind, Event, Farewell, Limits, Message, Op, Options, OwnedText,
    Request, Subscribe,
};

/// A client: it connects by itself and stays connected until it is dropped.
///
/// Every method may be called from any thread; draining events is for one thread at a time. Dropping
/// it never waits for the network, and closes without DISCONNECT unless
/// [`disconnect`](Self::disconnect) was called.
pub struct Client {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// How much longer than the program's limit a disconnect may take, to write the last bytes.
const FLUSH_TIME: Duration = Duration::from_millis(50);

impl Client {
    /// Makes a client and begins to connect; returns before it is connected.
    ///
    /// # Errors
    /// The options contradict each other, or the system has no thread or descriptor left.
    pub fn new(options: Options) -> Result<Self, Error> {
        options.check()?;
        let shared = Shared::new(options)?;
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
        self.shared.quick_call(|session, now| session.publish(draft, is_reported, now))
    }

    /// Subscribes; legal before the client is connected. The subscription is renewed when a
    /// reconnect finds the session lost.
    ///
    /// With `is_reported` exactly one [`Event::SubscribeDone`] follows; without, only if it fails.
    ///
    /// # Errors
    /// The client has stopped, or too many requests are unanswered.
    pub fn subscribe(&self, subscribe: &Subscribe<'_>, is_reported: bool) -> Result<Op, Error> {
        self.shared.call(|session, now| session.subscribe(subscribe, is_reported, now))
    }

    /// Ends subscriptions; legal before the client is connected.
    ///
    /// With `is_reported` exactly one [`Event::UnsubscribeDone`] follows; without, only if it fails.
    ///
    /// # Errors
    /// The client has stopped, or too many requests are unanswered.
    pub fn unsubscribe(&self, filters: &[TopicFilter<'_>], is_reported: bool) -> Result<Op, Error> {
        self.shared.call(|session, now| session.unsubscribe(filters, is_reported, now))
    }

    /// Proves anew, on the open connection, that the client knows the password, and has the server
    /// prove it, too.
    ///
    /// With `is_reported` exactly one [`Event::AuthenticationDone`] follows; without, only if it
    /// fails. Where it fails the connection ends.
    ///
    /// # Errors
    /// There is no connection, it has not begun with SCRAM, or this is under way already.
    pub fn reauthenticate(&self, is_reported: bool) -> Result<Op, Error> {
        self.shared.call(|session, _| session.reauthenticate(is_reported))
    }

    /// Takes back an operation that was not begun to be sent, or a request. Its outcome is that it was
    /// cancelled.
    ///
    /// # Errors
    /// It is on its way, or over, or unknown.
    pub fn cancel(&self, op: Op) -> Result<(), Error> {
        self.shared.call(|session, now| session.cancel(op, now))
    }

    /// Answers an [`Event::AuthenticationStep`] that asks for it.
    ///
    /// # Errors
    /// The step is over, or its connection is gone.
    pub fn continue_authentication(&self, step: u64, data: &[u8]) -> Result<(), Error> {
        self.shared.urgent_call(|session, _| session.continue_authentication(step, data))
    }

    /// Ends the authentication that an [`Event::AuthenticationStep`] asks about, and the connection.
    ///
    /// # Errors
    /// The step is over, or its connection is gone.
    pub fn fail_authentication(&self, step: u64) -> Result<(), Error> {
        self.shared.urgent_call(|session, now| session.fail_own_authentication(step, now))
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
        let is_waiting = timeout != Some(Duration::ZERO);
        let mut deadline = None;
        loop {
            match self.shared.take_event() {
                Ok(event) => return Some(event),
                Err(was_woken) if was_woken || !is_waiting => return None,
                Err(_) => {}
            }
            // What is there already is taken without looking at the clock.
            deadline = deadline
                .or_else(|| timeout.and_then(|timeout| Instant::now().checked_add(timeout)));
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return None;
            }
            self.shared.events.sleep(deadline);
        }
    }

    /// Takes back an event that the program is done with. It need not do so, but its memory then serves
    /// messages to come.
    pub fn take_back(&self, event: Event) {
        self.shared.take_back(event);
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
        // A wakeup function may release the client on the library's own thread.
        if let Some(thread) = self.thread.take().filter(|_| !self.shared.is_on_its_thread()) {
            // It waits for nothing, so this does not take long; it cannot fail.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("server", &self.shared.routes.server())
            .finish_non_exhaustive()
    }
}
