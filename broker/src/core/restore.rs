//! Taking back what a store has kept, before the first client is there.

use std::collections::HashMap;
use std::sync::Arc;

use mqtt_protocol::TopicFilter;

use super::Core;
use super::change::{Change, Progress, SavedSession, Sequence, SessionNumber};
use super::message::{Message, Queued};
use super::session::{Session, SessionId};
use super::time::Instant;
use super::timers::Timer;

/// A core that takes back what a store has kept: sessions first, deliveries in their order.
#[derive(Debug)]
pub struct Restoring<'a> {
    core: &'a mut Core,
    sessions: HashMap<SessionNumber, SessionId>,
    now: Instant,
}

impl Core {
    /// Begins to take back what a store has kept.
    pub fn restore(&mut self, now: Instant) -> Restoring<'_> {
        Restoring { core: self, sessions: HashMap::new(), now }
    }
}

impl Restoring<'_> {
    /// Takes back one thing.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Retained { message, .. } => self.restore_retained(message),
            Change::Session(number, saved) => self.restore_session(number, *saved),
            Change::Subscribed(number, filter, options) => {
                if let (Some(&id), Ok(filter)) =
                    (self.sessions.get(&number), TopicFilter::new(&filter))
                {
                    // A limit that has become tighter costs the subscriptions beyond it.
                    let _ = self.core.subscribe(id, filter, options);
                }
            }
            Change::Received(number, packet_id) => {
                if let Some(session) = self.session(number) {
                    session.incoming.restore(packet_id);
                }
            }
            Change::Delivery(number, queued, progress) => {
                self.restore_delivery(number, queued, progress);
            }
            Change::StartOver
            | Change::RetainedCleared { .. }
            | Change::SessionEnded(_)
            | Change::Unsubscribed(..)
            | Change::Released(..)
            | Change::Delivered(_) => {}
        }
    }

    fn session(&mut self, number: SessionNumber) -> Option<&mut Session> {
        let id = *self.sessions.get(&number)?;
        self.core.session(id)
    }

    fn restore_retained(&mut self, message: Arc<Message>) {
        // What was retained in other times waits for them to return.
        if self.core.config.limits.retain_available {
            self.core.keep_retained(message, self.now);
        }
    }

    /// A session that had a connection to the end has lost it by now, at the latest.
    fn restore_session(&mut self, number: SessionNumber, saved: SavedSession) {
        let core = &mut *self.core;
        let since = saved.since.unwrap_or(self.now);
        core.epoch += 1;
        core.keeping.skip(number, Sequence::default());
        let user = saved.user.as_deref().map(Arc::from);
        let mut session = Session::new(&saved.client_id, user, &core.config.limits);
        session.epoch = core.epoch;
        session.away_since = since;
        session.number = core.keeping.is_on().then_some(number);
        session.expiry = saved.expiry;
        let will_delay = saved.will.as_ref().map(|will| will.delay);
        session.will = saved.will.map(Box::new);
        let client_id = session.client_id.clone();
        let id = SessionId::new(core.sessions.insert(session) as u32);
        core.client_ids.insert(client_id, id);
        if let Some(delay) = will_delay {
            core.set_timer((since + delay).max(self.now), Timer::Will(id, core.epoch));
        }
        if let Some(expiry) = saved.expiry {
            core.set_timer((since + expiry).max(self.now), Timer::SessionExpiry(id, core.epoch));
        }
        self.sessions.insert(number, id);
    }

    fn restore_delivery(&mut self, number: SessionNumber, mut queued: Queued, progress: Progress) {
        self.core.keeping.skip(number, queued.sequence);
        if !self.core.keeping.is_on() {
            queued.sequence = Sequence::default();
        }
        let Some(session) = self.session(number) else { return };
        match progress {
            Progress::Waiting => session.queue.restore(queued),
            // They are in the order they were begun in.
            Progress::Begun(packet_id, stage) => {
                let _ = session.outgoing.restore(packet_id, stage, Some(queued));
            }
        }
    }
}
