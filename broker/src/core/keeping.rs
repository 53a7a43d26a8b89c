//! What is to reach the store, in its order, and what waits until it has.
//!
//! ```text
//!  a packet ──► core ──changes, numbered──► writer ──commit──► disk
//!                │                            │
//!                └─ answer, withheld ◄────────┘ handle_committed(number)
//! ```
//!
//! Withheld is what promises something about the store: the answer to a packet that has changed
//! what is kept, and, to a session that is kept, a QoS 2 message or its PUBREL, whose identifier
//! the client remembers. All other packets leave at once.

use std::collections::VecDeque;

use mqtt_protocol::delivery::AcknowledgedQoS;
use mqtt_protocol::{Packet, PacketId, PacketType, ReasonCode};

use super::change::{Change, Progress, SavedSession, Sequence, SessionNumber};
use super::connection::{Connection, WriteRight};
use super::message::Queued;
use super::session::{Session, SessionId};
use super::time::Instant;
use super::{ConnectionId, Core};

/// When what is kept is on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// When the broker has stopped in good order.
    Off,
    /// A second later, at most.
    OneSecond,
    /// Before it is acknowledged.
    #[default]
    Sync,
}

/// The changes on their way to the store.
#[derive(Debug, Default)]
pub(super) struct Keeping {
    durability: Durability,
    changes: Vec<Change>,
    /// How many changes there have been, and how many of them are kept.
    made: u64,
    committed: u64,
    /// How many there had been before the packet that is being handled.
    before_packet: u64,
    /// The latest names given out.
    message: u64,
    session: SessionNumber,
    /// Connections from which something is withheld.
    withheld: Vec<ConnectionId>,
    /// Whether the store has no room.
    is_full: bool,
}

impl Keeping {
    pub(super) fn new(durability: Durability) -> Self {
        Self { durability, ..Self::default() }
    }

    /// Whether changes are told as they happen.
    pub(super) fn is_on(&self) -> bool {
        self.durability != Durability::Off
    }

    pub(super) fn is_full(&self) -> bool {
        self.is_full
    }

    /// Tells the store of a change.
    pub(super) fn note(&mut self, change: Change) {
        self.made += 1;
        self.changes.push(change);
    }

    pub(super) fn begin_packet(&mut self) {
        self.before_packet = self.made;
    }

    /// The change that an answer to the packet waits for.
    fn awaited(&self) -> Option<u64> {
        let is_kept = self.durability != Durability::Sync
            || self.made == self.before_packet
            || self.made == self.committed;
        (!is_kept).then_some(self.made)
    }

    /// The change to be noted next, if a delivery that it is about has to wait for it.
    pub(super) fn withholds(&self, qos: AcknowledgedQoS) -> Option<u64> {
        let waits = qos == AcknowledgedQoS::ExactlyOnce && self.durability == Durability::Sync;
        waits.then_some(self.made + 1)
    }

    /// A name for a message and its first copy.
    pub(super) fn next_sequence(&mut self) -> Sequence {
        self.message += 1;
        Sequence { message: self.message, copy: 0 }
    }

    fn next_session(&mut self) -> SessionNumber {
        self.session += 1;
        self.session
    }

    /// Takes note of names that an earlier run has given.
    pub(super) fn skip(&mut self, session: SessionNumber, sequence: Sequence) {
        self.session = self.session.max(session);
        self.message = self.message.max(sequence.message);
    }

    /// A delivery has come so far.
    pub(super) fn delivery(
        &mut self,
        keeps: Option<SessionNumber>,
        queued: &Queued,
        progress: Progress,
    ) {
        if let Some(number) = keeps {
            self.note(Change::Delivery(number, queued.clone(), progress));
        }
    }

    /// A delivery is over.
    pub(super) fn delivered(&mut self, keeps: Option<SessionNumber>, queued: &Queued) {
        if keeps.is_some() && queued.sequence != Sequence::default() {
            self.note(Change::Delivered(queued.sequence));
        }
    }

    /// Remembers a connection from which something is withheld.
    pub(super) fn watch(&mut self, id: ConnectionId, withheld: &mut Withheld) {
        if !withheld.is_watched {
            withheld.is_watched = true;
            self.withheld.push(id);
        }
    }
}

/// Packets that wait until the store has what they promise; they leave in their order.
#[derive(Debug, Default)]
pub(super) struct Withheld {
    /// Not even what is in the outbox leaves before this change is kept: CONNACK comes first.
    connack: Option<u64>,
    is_watched: bool,
    /// What waits in the session stays there until this change is kept: SUBACK comes first.
    suback: Option<u64>,
    bytes: Vec<u8>,
    marks: VecDeque<Mark>,
}

/// So many bytes wait for this change; so many PUBACKs are among them.
#[derive(Debug)]
struct Mark {
    change: u64,
    length: usize,
    pubacks: u16,
}

impl Withheld {
    fn mark(&mut self, mut mark: Mark) {
        if let Some(last) = self.marks.back_mut() {
            // Nothing overtakes.
            mark.change = mark.change.max(last.change);
            if last.change == mark.change {
                last.length += mark.length;
                last.pubacks += mark.pubacks;
                return;
            }
        }
        self.marks.push_back(mark);
    }

    fn is_empty(&self) -> bool {
        self.connack.is_none() && self.marks.is_empty()
    }
}

impl Connection {
    /// Withholds what `send` sends until a change is kept. It does without aliases: one that a
    /// withheld packet introduces could be used before that leaves.
    pub(super) fn withhold<R>(
        &mut self,
        change: u64,
        pubacks: u16,
        send: impl FnOnce(&mut Self) -> R,
    ) -> R {
        let mut withheld = self.withheld.take().unwrap_or_default();
        let aliases = self.sent_aliases.take();
        let before = withheld.bytes.len();
        std::mem::swap(&mut self.outbox.bytes, &mut withheld.bytes);
        let result = send(self);
        std::mem::swap(&mut self.outbox.bytes, &mut withheld.bytes);
        self.sent_aliases = aliases;
        let length = withheld.bytes.len() - before;
        if length > 0 || pubacks > 0 {
            withheld.mark(Mark { change, length, pubacks });
        }
        self.withheld = Some(withheld).filter(|withheld| !withheld.is_empty());
        result
    }

    /// Sends at once, or withholds until a change is kept.
    pub(super) fn send_or_withhold<R>(
        &mut self,
        change: Option<u64>,
        send: impl FnOnce(&mut Self) -> R,
    ) -> R {
        match change {
            None => send(self),
            Some(change) => self.withhold(change, 0, send),
        }
    }

    /// How many bytes wait to be written or for the store.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.outbox.bytes.len() + self.withheld.as_ref().map_or(0, |withheld| withheld.bytes.len())
    }

    /// Holds back what waits in the session until all that is withheld has left, a SUBACK last.
    pub(super) fn hold_queue(&mut self) {
        if let Some(withheld) = &mut self.withheld {
            withheld.suback = withheld.marks.back().map(|mark| mark.change);
        }
    }

    /// Whether what waits in the session is to wait on.
    pub(super) fn holds_queue(&self) -> bool {
        self.withheld.as_ref().is_some_and(|withheld| withheld.suback.is_some())
    }

    /// Forgets what is withheld, because the connection closes.
    pub(super) fn forget_withheld(&mut self) {
        self.withheld = None;
        if self.outbox.right == WriteRight::Withheld {
            self.outbox.right = WriteRight::Free;
            self.outbox.bytes.clear();
        }
    }

    /// Moves to the outbox what waits for nothing any more, and counts the PUBACKs among it.
    fn release(&mut self, committed: u64) -> u16 {
        let Some(withheld) = &mut self.withheld else { return 0 };
        if withheld.connack.is_some_and(|change| change <= committed) {
            withheld.connack = None;
            self.outbox.right = WriteRight::Free;
        }
        withheld.suback = withheld.suback.filter(|change| *change > committed);
        let (mut length, mut pubacks) = (0, 0);
        while let Some(mark) = withheld.marks.front().filter(|mark| mark.change <= committed) {
            length += mark.length;
            pubacks += mark.pubacks;
            withheld.marks.pop_front();
        }
        self.outbox.bytes.extend(withheld.bytes.drain(..length));
        if withheld.is_empty() {
            self.withheld = None;
        }
        pubacks
    }
}

impl Core {
    /// Takes the changes that are to be stored, all or none of them.
    pub fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.keeping.changes)
    }

    /// So many changes are stored, counted from the first.
    pub fn handle_committed(&mut self, changes: u64, now: Instant) {
        self.keeping.committed = changes;
        let mut withheld = std::mem::take(&mut self.keeping.withheld);
        withheld.retain(|&id| self.release(id, changes, now));
        // What was released may have led to more.
        withheld.append(&mut self.keeping.withheld);
        self.keeping.withheld = withheld;
    }

    /// How many changes there have been.
    pub fn changes_made(&self) -> u64 {
        self.keeping.made
    }

    /// Whether the store has no room: messages that it would have to keep are then refused.
    pub fn set_store_full(&mut self, is_full: bool) {
        self.keeping.is_full = is_full;
    }

    /// Lets go what was withheld from a connection; tells whether more is.
    fn release(&mut self, id: ConnectionId, committed: u64, now: Instant) -> bool {
        let Some(connection) = self.connections.get_mut(id.index()) else { return false };
        if connection.generation != id.generation {
            return false;
        }
        self.spare.lend(&mut connection.outbox);
        let pubacks = connection.release(committed);
        let is_withheld = connection.withheld.is_some();
        let session = connection.session();
        if let Some(session) = session.and_then(|session| self.session(session)) {
            (0..pubacks).for_each(|_| session.incoming.acknowledge());
        }
        self.flush(id);
        if let Some(session) = session {
            self.pump(session, now);
        }
        // If the pump has withheld something, it watches the connection as well.
        is_withheld
    }

    /// Answers a packet once the store has what it has changed.
    pub(super) fn answer_when_kept(&mut self, to: ConnectionId, packet: &Packet<'_>) {
        self.send_when_kept(to, 0, |connection| connection.send_answer(packet));
    }

    /// Sends a step of an exchange once the store has what the step before has changed; tells
    /// whether that is now. No window delays it. [MQTT-3.3.4-10] [MQTT-4.9.0-3]
    pub(super) fn step(
        &mut self,
        to: ConnectionId,
        kind: PacketType,
        packet_id: PacketId,
        reason: ReasonCode,
    ) -> bool {
        let pubacks = u16::from(kind == PacketType::PubAck);
        self.send_when_kept(to, pubacks, |connection| {
            connection.send_step(kind, packet_id, reason);
        })
    }

    fn send_when_kept(
        &mut self,
        to: ConnectionId,
        pubacks: u16,
        send: impl FnOnce(&mut Connection),
    ) -> bool {
        let awaited = self.keeping.awaited();
        let Some(connection) = self.connections.get_mut(to.index()) else { return true };
        if connection.generation != to.generation {
            return true;
        }
        let is_now = awaited.is_none() && connection.withheld.is_none();
        if is_now {
            self.spare.lend(&mut connection.outbox);
            send(connection);
        } else {
            connection.withhold(awaited.unwrap_or(0), pubacks, send);
        }
        self.flush(to);
        is_now
    }

    /// Lets nothing leave, not even CONNACK, before the store has all that it may speak of.
    pub(super) fn withhold_connack(&mut self, from: ConnectionId) {
        let Some(change) = self.keeping.awaited() else { return };
        if let Some(connection) = self.connection(from) {
            connection.outbox.right = WriteRight::Withheld;
            let connack = Some(change);
            connection.withheld = Some(Box::new(Withheld { connack, ..Withheld::default() }));
        }
    }

    /// Tells the store of a change of the retained messages.
    pub(super) fn note_retained(&mut self, change: Change) {
        if self.keeping.is_on() {
            self.keeping.note(change);
        }
    }

    /// Tells the store of a change of a session, if that is kept.
    pub(super) fn note_of(&mut self, id: SessionId, change: impl FnOnce(SessionNumber) -> Change) {
        if let Some(number) = self.session(id).and_then(|session| session.keeps_messages()) {
            self.keeping.note(change(number));
        }
    }

    /// Tells the store how a session is, if a restart is to find it: because it outlives its
    /// connection, or because its will does.
    pub(super) fn keep_session(&mut self, id: SessionId) {
        if !self.keeping.is_on() {
            return;
        }
        let Some(session) = self.sessions.get_mut(id.number() as usize) else { return };
        if !session.is_persistent() {
            self.keeping.forget(session);
            if session.will.is_none() {
                return;
            }
        }
        let keeping = &mut self.keeping;
        let number = *session.number.get_or_insert_with(|| keeping.next_session());
        keeping.note(Change::Session(number, Box::new(session.save())));
    }

    /// Tells the store all there is, because the broker stops and it was told nothing before.
    pub(super) fn keep_everything(&mut self) {
        self.keeping.note(Change::StartOver);
        let retained = self.retained.iter().cloned();
        for message in retained.collect::<Vec<_>>() {
            self.keeping.note(Change::Retained { message, is_promised: true });
        }
        for (_, session) in &mut self.sessions {
            if session.is_persistent() {
                self.keeping.keep_all_of(session);
            }
        }
    }
}

impl Keeping {
    /// Tells the store that a session is over.
    pub(super) fn forget(&mut self, session: &mut Session) {
        let Some(number) = session.number.take() else { return };
        let in_flight = session.outgoing.iter().filter_map(|(_, entry)| entry.message.as_ref());
        for queued in in_flight.chain(session.queue.iter()) {
            if queued.sequence != Sequence::default() {
                self.note(Change::Delivered(queued.sequence));
            }
        }
        self.note(Change::SessionEnded(number));
    }

    fn keep_all_of(&mut self, session: &mut Session) {
        let number = self.next_session();
        self.note(Change::Session(number, Box::new(session.save())));
        for (filter, options) in session.subscriptions.iter() {
            self.note(Change::Subscribed(number, filter.into(), options));
        }
        let unreleased: Vec<PacketId> = session.incoming.unreleased().collect();
        for packet_id in unreleased {
            self.note(Change::Received(number, packet_id));
        }
        let in_flight = session.outgoing.iter().filter_map(|(packet_id, entry)| {
            Some((entry.message.as_ref()?, Progress::Begun(packet_id, entry.stage)))
        });
        let waiting = session.queue.iter().map(|queued| (queued, Progress::Waiting));
        for (queued, progress) in in_flight.chain(waiting) {
            let sequence = self.next_sequence();
            self.note(Change::Delivery(number, Queued { sequence, ..queued.clone() }, progress));
        }
    }
}

impl Session {
    fn save(&self) -> SavedSession {
        SavedSession {
            client_id: (*self.client_id).into(),
            user: self.user.as_deref().map(Box::from),
            since: self.connection.is_none().then_some(self.away_since),
            expiry: self.expiry,
            will: self.will.as_deref().cloned(),
        }
    }
}
