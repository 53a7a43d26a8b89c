//! Where all connections meet: the core behind its lock, and the sockets it speaks of.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::Instant as ShellInstant;

use super::checks::Checks;
use super::log;
use super::socket::Socket;
use super::wire::{Call, Wire};
use crate::core::limits::Limits;
use crate::core::origin::Origin;
use crate::core::tally::Figure;
use crate::core::time::Instant;
use crate::core::{Access, ConnectionId, Core, Output, Received, Taken};
use crate::store::Writer;
use crate::users::PasswordCheck;

/// What all tasks of the broker share.
pub(super) struct Hub {
    state: Mutex<State>,
    clock: Clock,
    timer: Notify,
    drained: Notify,
    /// Where passwords go to be checked; the core bounds how many are there at once.
    checks: UnboundedSender<Check>,
}

/// A password to check, and whose it is.
pub(super) type Check = (ConnectionId, PasswordCheck);

/// Tells the core's time.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    start: ShellInstant,
    /// The core's time at the start: wall time, so that moments before it can be told apart.
    beginning: Instant,
}

impl Clock {
    /// A clock that starts now, at this wall time since the Unix epoch.
    pub(super) fn start(unix: Duration) -> Self {
        let beginning = Instant::default() + unix;
        Self { start: ShellInstant::now(), beginning }
    }

    /// The moment it was started.
    pub(super) const fn beginning(&self) -> Instant {
        self.beginning
    }

    fn now(&self) -> Instant {
        self.beginning + self.start.elapsed()
    }

    fn shell_instant(&self, at: Instant) -> ShellInstant {
        self.start + at.since(self.beginning)
    }
}

struct State {
    core: Core,
    /// The sockets, by the index of the connection.
    wires: Vec<Option<Arc<Wire>>>,
    /// How many sockets there are.
    open: usize,
    store: Option<Writer>,
    /// When the timer task wakes next.
    wake_at: Option<Instant>,
}

impl Hub {
    pub(super) fn new(core: Core, store: Option<Writer>, clock: Clock) -> (Self, Checks) {
        let state = State { core, wires: Vec::new(), open: 0, store, wake_at: None };
        let (checks, ordered) = unbounded_channel();
        let hub = Self {
            state: Mutex::new(state),
            clock,
            timer: Notify::new(),
            drained: Notify::new(),
            checks,
        };
        (hub, Checks(ordered))
    }

    /// The core's time.
    pub(super) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// A panic in one connection's pass does not take the others with it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a connection that was accepted at a moment.
    pub(super) fn open(
        &self,
        socket: Option<Socket>,
        origin: Origin,
        accepted: Instant,
    ) -> (ConnectionId, Arc<Wire>) {
        let wire = Arc::new(Wire::new(socket));
        let mut state = self.lock();
        let id = state.core.open_from(origin, accepted);
        if state.wires.len() <= id.index() {
            state.wires.resize(id.index() + 1, None);
        }
        state.wires[id.index()] = Some(wire.clone());
        state.open += 1;
        self.act(state);
        (id, wire)
    }

    /// A certificate has proved who a client is that has said nothing yet.
    pub(super) fn certify(&self, id: ConnectionId, user: Arc<str>) {
        self.lock().core.certify(id, user);
    }

    /// Carries what was read at `now` through the core and to its receivers.
    pub(super) fn receive(&self, from: ConnectionId, bytes: &[u8], now: Instant) -> Received {
        let mut state = self.lock();
        let received = state.core.receive(from, bytes, now);
        self.act(state);
        received
    }

    /// The store has kept so many changes: what waited for them goes out.
    pub(super) fn committed(&self, changes: u64) {
        let mut state = self.lock();
        state.core.handle_committed(changes, self.now());
        self.act(state);
    }

    /// Whether the store has room for messages.
    pub(super) fn set_store_full(&self, is_full: bool) {
        self.lock().core.set_store_full(is_full);
    }

    /// How many connections there are.
    pub(super) fn connection_count(&self) -> usize {
        self.lock().open
    }

    /// The process has so many bytes of memory, of so many that there are for it.
    pub(super) fn memory(&self, used: usize, available: usize) {
        let mut state = self.lock();
        state.core.handle_memory(used, available);
        self.act(state);
    }

    /// What an operator looks at.
    pub(super) fn figures(&self) -> Vec<Figure> {
        self.lock().core.figures(self.now())
    }

    /// From here on this is who may connect and do what, and what clients are granted.
    pub(super) fn change(&self, access: Access, limits: Limits) {
        let mut state = self.lock();
        state.core.change_limits(limits);
        state.core.change_access(access, self.now());
        self.act(state);
    }

    /// A password was checked: its client is answered, and heard again.
    pub(super) fn password_checked(&self, id: ConnectionId, is_right: bool) {
        let mut state = self.lock();
        state.core.handle_password_checked(id, is_right, self.now());
        self.act(state);
    }

    /// The network connection is gone.
    pub(super) fn closed(&self, id: ConnectionId) {
        let mut state = self.lock();
        state.core.handle_closed(id, self.now());
        state.wires[id.index()] = None;
        state.open -= 1;
        if state.open == 0 {
            self.drained.notify_waiters();
        }
        self.act(state);
    }

    /// Runs the core's timers until the broker stops.
    pub(super) async fn run_timers(&self) {
        loop {
            let wake_at = self.lock().core.next_timeout();
            let sleep = async {
                match wake_at {
                    Some(at) => tokio::time::sleep_until(self.clock.shell_instant(at)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = sleep => {
                    let mut state = self.lock();
                    state.core.handle_timeout(self.now());
                    self.act(state);
                }
                () = self.timer.notified() => {}
            }
        }
    }

    /// Says goodbye to every client and waits, up to `patience`, until all are gone. Then the
    /// store is complete.
    pub(super) async fn shut_down(&self, patience: Duration) {
        let drained = self.drained.notified();
        tokio::pin!(drained);
        drained.as_mut().enable();
        let is_empty = {
            let mut state = self.lock();
            state.core.shut_down(self.now());
            let is_empty = state.open == 0;
            self.act(state);
            is_empty
        };
        if !is_empty {
            let _ = tokio::time::timeout(patience, drained).await;
        }
        let store = self.lock().store.take();
        if let Some(store) = store {
            store.finish();
        }
    }

    /// Does what the core orders, the lock released while bytes go to sockets.
    fn act(&self, mut state: MutexGuard<'_, State>) {
        let mut taken: Vec<(ConnectionId, Arc<Wire>, Vec<u8>)> = Vec::new();
        let mut notices = Vec::new();
        while let Some(output) = state.core.poll_output() {
            match output {
                Output::Flush(id) => {
                    let Some(wire) = state.wire(id) else { continue };
                    let mut bytes = Vec::new();
                    if wire.socket.is_none() {
                        wire.call(Call::WRITE);
                    } else if state.core.take_outbox(id, &mut bytes) == Taken::Bytes {
                        taken.push((id, wire, bytes));
                    }
                }
                // The connection's own task writes the last bytes and closes.
                Output::Close(id) => {
                    let Some(wire) = state.wire(id) else { continue };
                    wire.call(Call::CLOSE);
                }
                Output::Resume(id) => {
                    let Some(wire) = state.wire(id) else { continue };
                    wire.call(Call::RESUME);
                }
                // Without a receiver the broker is ending.
                Output::CheckPassword(id, check) => drop(self.checks.send((id, check))),
                Output::Note(notice) => notices.push(notice),
            }
        }
        state.store_changes();
        self.wake_timers(&mut state);
        drop(state);
        for (id, wire, bytes) in taken {
            self.write(id, &wire, bytes);
        }
        for notice in notices {
            log::write(*notice);
        }
    }

    /// Wakes the timer task if it would wake too late.
    fn wake_timers(&self, state: &mut State) {
        let next = state.core.next_timeout();
        if next.is_some_and(|next| state.wake_at.is_none_or(|wake_at| next < wake_at)) {
            self.timer.notify_one();
        }
        state.wake_at = next;
    }

    /// Writes the bytes taken, and what gathers meanwhile, as far as the socket takes them; the
    /// rest is the connection's own task's.
    fn write(&self, id: ConnectionId, wire: &Wire, mut bytes: Vec<u8>) {
        let Some(socket) = &wire.socket else { return };
        while !bytes.is_empty() {
            let mut written = 0;
            while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
                match socket.try_write(rest) {
                    Ok(length) => written += length,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        bytes.drain(..written);
                        return wire.leave_rest(bytes);
                    }
                    // The reading side of the connection learns of it and ends.
                    Err(_) => break,
                }
            }
            self.written(id, &mut bytes);
        }
    }

    /// The bytes were written; gives what has gathered meanwhile, or gives back the right to
    /// write if that is nothing.
    pub(super) fn written(&self, id: ConnectionId, bytes: &mut Vec<u8>) {
        let mut state = self.lock();
        state.core.written(id, bytes, self.now());
        if bytes.is_empty()
            && state.core.is_closing(id)
            && let Some(wire) = state.wire(id)
        {
            wire.call(Call::WRITE);
        }
        self.act(state);
    }

    /// Takes what is in the outbox, if nobody else has the right to.
    pub(super) fn take(&self, id: ConnectionId, bytes: &mut Vec<u8>) -> Taken {
        self.lock().core.take_outbox(id, bytes)
    }
}

impl State {
    fn wire(&self, id: ConnectionId) -> Option<Arc<Wire>> {
        self.wires.get(id.index())?.clone()
    }

    /// Hands over what has changed, in its order.
    fn store_changes(&mut self) {
        let changes = self.core.take_changes();
        if let Some(store) = self.store.as_ref().filter(|_| !changes.is_empty()) {
            store.submit(changes);
        }
    }
}
