//! Changes that are kept together: of several of one thing only the last is left.

use std::collections::BTreeMap;
use std::sync::Arc;

use mqtt_protocol::PacketId;

use crate::core::change::{Change, Progress, SavedSession, Sequence, SessionNumber};
use crate::core::message::{Message, Queued};
use crate::core::session::Options;

/// What is to become of a thing: it is kept, or forgotten.
type Fate<T> = Option<T>;

/// Changes by what they are about.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Whether all that was kept before is to be forgotten.
    pub(super) starts_over: bool,
    pub(super) sessions: BTreeMap<SessionNumber, Fate<Box<SavedSession>>>,
    pub(super) subscriptions: BTreeMap<(SessionNumber, Box<str>), Fate<Options>>,
    pub(super) received: BTreeMap<(SessionNumber, PacketId), Fate<()>>,
    pub(super) deliveries: BTreeMap<Sequence, Fate<(SessionNumber, Queued, Progress)>>,
    pub(super) retained: BTreeMap<Box<str>, Fate<Arc<Message>>>,
    /// The latest message in it.
    latest: u64,
    /// The latest message of which the store may know something: what has come and gone since
    /// leaves nothing to do. Without one, it may know anything.
    known: Option<u64>,
}

impl Batch {
    /// Adds a change to those before it.
    pub fn add(&mut self, change: Change) {
        match change {
            Change::StartOver => *self = Self { starts_over: true, ..Self::default() },
            Change::Retained { message, .. } => {
                let topic = message.topic().as_str().into();
                self.retained.insert(topic, Some(message));
            }
            Change::RetainedCleared { topic, .. } => drop(self.retained.insert(topic, None)),
            Change::Session(number, saved) => drop(self.sessions.insert(number, Some(saved))),
            Change::SessionEnded(number) => self.end_session(number),
            Change::Subscribed(number, filter, options) => {
                self.subscriptions.insert((number, filter), Some(options));
            }
            Change::Unsubscribed(number, filter) => {
                self.subscriptions.insert((number, filter), None);
            }
            Change::Received(number, id) => drop(self.received.insert((number, id), Some(()))),
            Change::Released(number, id) => drop(self.received.insert((number, id), None)),
            Change::Delivery(number, queued, progress) => self.deliver(number, queued, progress),
            Change::Delivered(sequence) => self.end_delivery(sequence),
        }
    }

    /// Whether there is nothing to do.
    pub(super) fn is_empty(&self) -> bool {
        !self.starts_over
            && self.sessions.is_empty()
            && self.subscriptions.is_empty()
            && self.received.is_empty()
            && self.deliveries.is_empty()
            && self.retained.is_empty()
    }

    /// The batch that follows when this one is kept.
    pub(super) fn next(&self) -> Self {
        let known = if self.latest > 0 { Some(self.latest) } else { self.known };
        Self { known, ..Self::default() }
    }

    /// The changes that would make what is left.
    pub fn changes(&self) -> impl Iterator<Item = Change> {
        let sessions = self
            .sessions
            .iter()
            .filter_map(|(&number, saved)| Some(Change::Session(number, saved.clone()?)));
        let subscriptions = self.subscriptions.iter().filter_map(|((number, filter), options)| {
            Some(Change::Subscribed(*number, filter.clone(), (*options)?))
        });
        let received = self.received.iter().filter(|(_, fate)| fate.is_some());
        let received =
            received.map(|(&(number, packet_id), _)| Change::Received(number, packet_id));
        let deliveries = self.deliveries.values().flatten().cloned();
        let deliveries =
            deliveries.map(|(number, queued, progress)| Change::Delivery(number, queued, progress));
        let retained = self.retained.values().flatten().cloned();
        let retained = retained.map(|message| Change::Retained { message, is_promised: true });
        sessions.chain(subscriptions).chain(received).chain(deliveries).chain(retained)
    }

    /// What the session had goes with it.
    fn end_session(&mut self, number: SessionNumber) {
        self.sessions.insert(number, None);
        let filters = self.subscriptions.range((number, "".into())..(number + 1, "".into()));
        let filters: Vec<_> = filters.map(|(key, _)| key.clone()).collect();
        for key in filters {
            self.subscriptions.remove(&key);
        }
        let received =
            self.received.range((number, PacketId::FIRST)..(number + 1, PacketId::FIRST));
        let received: Vec<_> = received.map(|(key, _)| *key).collect();
        for key in received {
            self.received.remove(&key);
        }
    }

    fn deliver(&mut self, number: SessionNumber, queued: Queued, progress: Progress) {
        self.latest = self.latest.max(queued.sequence.message);
        self.deliveries.insert(queued.sequence, Some((number, queued, progress)));
    }

    fn end_delivery(&mut self, sequence: Sequence) {
        if self.known.is_some_and(|known| sequence.message > known) {
            self.deliveries.remove(&sequence);
        } else {
            self.deliveries.insert(sequence, None);
        }
    }
}
