//! Back-pressure: who is read no further, so that what waits for others does not grow.
//!
//! A client is held, that is, no more is read from it, while
//! - it does not take the answers to what it asked;
//! - its password is being checked;
//! - it has sent more than the limits allow it in a second;
//! - a message of its own has met a receiver for whom much waits, and who still reads.
//!
//! A receiver that takes nothing for a while is stuck and holds nobody: what no longer fits its
//! outbox is dropped.

use std::time::Duration;

use super::connection::{Connection, State};
use super::limits::Limits;
use super::time::Instant;
use super::timers::Timer;
use super::{ConnectionId, Core, Output};

/// How long publishers wait for a receiver that takes nothing.
const PATIENCE: Duration = Duration::from_millis(50);

/// Publishers are held from this part of the outbox's limit on.
const PRESSURE_PART: usize = 4;

/// The clients that are held until a connection has taken what waits for it.
#[derive(Debug, Default)]
pub(super) struct Held {
    clients: Vec<ConnectionId>,
    /// When patience with the connection ends.
    deadline: Option<Instant>,
    is_stuck: bool,
}

/// Whether publishers should wait for the connection.
pub(super) fn is_felt(connection: &Connection, limits: &Limits) -> bool {
    connection.outbox.bytes.len() >= limits.maximum_outbox / PRESSURE_PART
        && !connection.held.as_ref().is_some_and(|held| held.is_stuck)
}

impl Core {
    /// Whether a client that was just heard is held, until [`Output::Resume`].
    pub(super) fn hold(
        &mut self,
        id: ConnectionId,
        resumes_at: Option<Instant>,
        now: Instant,
    ) -> bool {
        let receiver = self.pressed.take();
        match self.state(id) {
            None | Some(State::Closing) => return false,
            Some(State::Checking) => return true,
            Some(_) => {}
        }
        if let Some(resumes_at) = resumes_at {
            self.hold_until(id, resumes_at);
            return true;
        }
        if self.owes_too_much(id) {
            self.connections[id.index()].held.get_or_insert_default().clients.push(id);
            return true;
        }
        let Some(receiver) = receiver else { return false };
        let Some(connection) = self.connection(receiver) else { return false };
        let held = connection.held.get_or_insert_default();
        held.clients.push(id);
        if held.deadline.is_none() {
            held.deadline = Some(now + PATIENCE);
            self.set_timer(now + PATIENCE, Timer::Stuck(receiver));
        }
        true
    }

    /// How many requests of the client are heard before it is held.
    pub(super) fn allowance(&self, id: ConnectionId, now: Instant) -> u32 {
        let meter = self.connections.get(id.index()).and_then(|connection| connection.meter);
        meter.map_or(u32::MAX, |meter| meter.allowance(&self.config.limits, now).max(1))
    }

    /// Counts what a client has sent; tells from when on it may send more, if that is too much.
    pub(super) fn measure(
        &mut self,
        id: ConnectionId,
        [allowance, left]: [u32; 2],
        bytes: usize,
        now: Instant,
    ) -> Option<Instant> {
        let limits = &self.config.limits;
        let meter = self.connections.get_mut(id.index())?.meter.as_mut()?;
        meter.count(allowance - left, bytes, limits, now);
        let is_too_much = left == 0 || meter.is_out_of_bytes(limits, now);
        is_too_much.then(|| meter.resumes_at())
    }

    /// Holds a client that sends too much. That it is not heard meanwhile is not its silence.
    fn hold_until(&mut self, id: ConnectionId, resumes_at: Instant) {
        self.tally.clients_held += 1;
        if let Some(connection) = self.connection(id) {
            connection.last_heard = resumes_at;
            self.set_timer(resumes_at, Timer::Allowance(id));
        }
    }

    /// Whether so much waits to be written that no more should be read from the client: it asks
    /// and does not take the answers. What is published for it does not fill its outbox that far.
    fn owes_too_much(&self, id: ConnectionId) -> bool {
        let limits = &self.config.limits;
        let limit = limits.maximum_outbox + limits.maximum_packet_size as usize;
        self.connections.get(id.index()).is_some_and(|one| one.outbox.bytes.len() > limit)
    }

    /// The connection has taken what waited for it, or never will: those held for it are read
    /// again.
    pub(super) fn relieve(&mut self, id: ConnectionId) {
        let held = self.connection(id).and_then(|connection| connection.held.take());
        for client in held.map_or_else(Vec::new, |held| held.clients) {
            self.resume_reading(client);
        }
    }

    /// Lets a client be read again.
    pub(super) fn resume_reading(&mut self, id: ConnectionId) {
        if self.state(id).is_some() {
            self.outputs.push_back(Output::Resume(id));
        }
    }

    /// Ends the patience with a receiver, if that is due. For its own answers it goes on waiting.
    pub(super) fn check_stuck(&mut self, id: ConnectionId, now: Instant) {
        let Some(connection) = self.connection(id) else { return };
        let Some(held) = &mut connection.held else { return };
        if held.deadline.is_none_or(|deadline| deadline > now) {
            return;
        }
        held.deadline = None;
        held.is_stuck = true;
        let publishers: Vec<_> = held.clients.extract_if(.., |client| *client != id).collect();
        for publisher in publishers {
            self.resume_reading(publisher);
        }
    }

    /// Whether somebody still has to be told that a receiver is stuck.
    pub(super) fn holds_somebody(&self, id: ConnectionId) -> bool {
        let connection = self.connections.get(id.index());
        let same = connection.filter(|connection| connection.generation == id.generation);
        same.and_then(|connection| connection.held.as_ref()?.deadline).is_some()
    }
}
