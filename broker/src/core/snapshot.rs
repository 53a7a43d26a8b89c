//! What outlives a run of the broker: changes for a store, and what it gives back.

use std::sync::Arc;
use std::time::Duration;

use mqtt_protocol::delivery::Stage;
use mqtt_protocol::{PacketId, TopicFilter};

use super::Core;
use super::message::{Message, Queued};
use super::session::{Options, Session, SessionId, StoredWill};
use super::time::Instant;
use super::timers::Timer;

/// One change of what a store keeps.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A message is retained, in place of its topic's earlier one.
    Retained(Arc<Message>),
    /// The topic's retained message is gone.
    RetainedCleared(Box<str>),
    /// A session is without connection, in this state.
    Session(Box<SavedSession>),
    /// The session of this client is over.
    SessionEnded(Box<str>),
}

/// All of a session that is without connection.
#[derive(Clone, Debug, PartialEq)]
pub struct SavedSession {
    /// Its key.
    pub client_id: Box<str>,
    /// The user it belongs to.
    pub user: Option<Box<str>>,
    /// When it lost its connection.
    pub since: Instant,
    /// How long it lives from then on; `None` is for ever.
    pub expiry: Option<Duration>,
    /// Its subscriptions, by the text of the filter.
    pub subscriptions: Vec<(Box<str>, Options)>,
    /// Messages that wait.
    pub queue: Vec<Queued>,
    /// Messages that were begun and not finished.
    pub in_flight: Vec<(PacketId, Stage, Queued)>,
    /// The identifier the next message gets.
    pub next_id: PacketId,
    /// Identifiers of QoS 2 messages of the client whose PUBREL has not come.
    pub unreleased: Vec<PacketId>,
    /// Its will, if that is still to be published.
    pub will: Option<StoredWill>,
}

impl Core {
    /// Hands a session that has no connection to the store.
    pub(super) fn save_session(&mut self, id: SessionId) {
        let Some(session) = self.session(id) else { return };
        session.is_stored = true;
        let saved = session.save();
        self.store(Change::Session(Box::new(saved)));
    }

    /// Hands every session to the store, once none has a connection.
    pub(super) fn save_sessions(&mut self) {
        let ids = self.sessions.iter().map(|(number, _)| SessionId::new(number as u32));
        for id in ids.collect::<Vec<_>>() {
            self.save_session(id);
        }
    }

    /// Takes back a retained message, before the first client is there.
    pub fn restore_retained(&mut self, message: Message, now: Instant) {
        // What was retained in other times waits for them to return.
        if self.config.limits.retain_available {
            self.keep_retained(Arc::new(message), now);
        }
    }

    /// Takes back a session, before the first client is there.
    pub fn restore_session(&mut self, saved: SavedSession, now: Instant) {
        let (since, expiry) = (saved.since, saved.expiry);
        let will_delay = saved.will.as_ref().map(|will| will.delay);
        self.epoch += 1;
        let mut session = Session::new(
            &saved.client_id,
            saved.user.as_deref().map(Arc::from),
            &self.config.limits,
        );
        session.epoch = self.epoch;
        let client_id = session.client_id.clone();
        let subscriptions = saved.subscriptions.clone();
        session.restore(saved);
        let id = SessionId::new(self.sessions.insert(session) as u32);
        self.client_ids.insert(client_id, id);
        for (filter, options) in subscriptions {
            if let Ok(filter) = TopicFilter::new(&filter) {
                // A limit that has become tighter costs the subscriptions beyond it.
                let _ = self.subscribe(id, filter, options);
            }
        }
        if let Some(delay) = will_delay {
            self.set_timer((since + delay).max(now), Timer::Will(id, self.epoch));
        }
        if let Some(expiry) = expiry {
            self.set_timer((since + expiry).max(now), Timer::SessionExpiry(id, self.epoch));
        }
    }
}

impl Session {
    fn save(&self) -> SavedSession {
        let subscriptions = self.subscriptions.iter();
        let in_flight = self.outgoing.iter();
        SavedSession {
            client_id: (*self.client_id).into(),
            user: self.user.as_deref().map(Box::from),
            since: self.away_since,
            expiry: self.expiry,
            subscriptions: subscriptions
                .map(|(filter, options)| (filter.into(), options))
                .collect(),
            queue: self.queue.iter().cloned().collect(),
            in_flight: in_flight
                .filter_map(|(packet_id, entry)| {
                    Some((packet_id, entry.stage, entry.message.clone()?))
                })
                .collect(),
            next_id: self.outgoing.next_id(),
            unreleased: self.incoming.unreleased().collect(),
            will: self.will.as_deref().cloned(),
        }
    }

    fn restore(&mut self, saved: SavedSession) {
        self.away_since = saved.since;
        self.is_stored = true;
        self.expiry = saved.expiry;
        self.will = saved.will.map(Box::new);
        if saved.in_flight.is_empty() {
            self.outgoing.continue_from(saved.next_id);
        }
        for (packet_id, stage, queued) in saved.in_flight {
            // They are in the order they were begun in.
            let _ = self.outgoing.restore(packet_id, stage, Some(queued));
        }
        for queued in saved.queue {
            self.queue.restore(queued);
        }
        for packet_id in saved.unreleased {
            self.incoming.restore(packet_id);
        }
    }
}
