//! The messages that wait in a session, in their order, and the room they take.

use std::collections::VecDeque;

use mqtt_protocol::QoS;

use super::limits::Limits;
use super::message::Queued;
use super::time::Instant;

/// What a session's client is to be sent when it can take it.
#[derive(Debug, Default)]
pub(super) struct Queue {
    entries: VecDeque<Entry>,
    /// How many messages that were published meanwhile are in it, and their bytes.
    live: usize,
    live_bytes: usize,
    at_most_once: usize,
}

#[derive(Debug)]
struct Entry {
    queued: Queued,
    origin: Origin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// It was published while the subscription was there.
    Live,
    /// It was retained when the client subscribed; the limits of the queue are not for it.
    Retained,
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many bytes of messages wait that were published meanwhile.
    pub(super) const fn bytes(&self) -> usize {
        self.live_bytes
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Queued> {
        self.entries.iter().map(|entry| &entry.queued)
    }

    /// How many retained messages wait.
    pub(super) fn waiting_retained(&self) -> usize {
        self.entries.len() - self.live
    }

    /// Whether a QoS 0 message has to wait, too: behind others of its kind, and behind retained
    /// messages, lest an older state of its topic comes last.
    pub(super) fn holds_back_at_most_once(&self) -> bool {
        self.at_most_once > 0 || self.waiting_retained() > 0
    }

    /// Adds a message if the limits allow it, and tells whether they did. One that has expired
    /// makes room, and is handed to `forget`. [MQTT-3.3.2-5]
    pub(super) fn push(
        &mut self,
        queued: Queued,
        limits: &Limits,
        now: Instant,
        mut forget: impl FnMut(Queued),
    ) -> bool {
        while !self.has_room(&queued, limits) {
            if !self.front().is_some_and(|front| front.message.is_expired(now)) {
                return false;
            }
            self.pop().into_iter().for_each(&mut forget);
        }
        self.add(queued, Origin::Live);
        true
    }

    fn has_room(&self, queued: &Queued, limits: &Limits) -> bool {
        let bytes = self.live_bytes + queued.message.size();
        self.live == 0
            || self.live < limits.maximum_queued_messages && bytes <= limits.maximum_queued_bytes
    }

    /// Adds a message that was retained when the client subscribed.
    pub(super) fn push_retained(&mut self, queued: Queued) {
        self.add(queued, Origin::Retained);
    }

    /// Puts back a message that a store had kept.
    pub(super) fn restore(&mut self, queued: Queued) {
        self.add(queued, Origin::Live);
    }

    fn add(&mut self, queued: Queued, origin: Origin) {
        if origin == Origin::Live {
            self.live += 1;
            self.live_bytes += queued.message.size();
        }
        self.at_most_once += usize::from(queued.qos == QoS::AtMostOnce);
        self.entries.push_back(Entry { queued, origin });
    }

    /// The message that has waited longest.
    pub(super) fn front(&self) -> Option<&Queued> {
        self.entries.front().map(|entry| &entry.queued)
    }

    /// Takes the message that has waited longest.
    pub(super) fn pop(&mut self) -> Option<Queued> {
        let Entry { queued, origin } = self.entries.pop_front()?;
        if origin == Origin::Live {
            self.live -= 1;
            self.live_bytes -= queued.message.size();
        }
        self.at_most_once -= usize::from(queued.qos == QoS::AtMostOnce);
        Some(queued)
    }

    /// Drops what is not to be delivered any more.
    pub(super) fn retain(&mut self, mut may_stay: impl FnMut(&Queued) -> bool) {
        for Entry { queued, origin } in std::mem::take(self).entries {
            if may_stay(&queued) {
                self.add(queued, origin);
            }
        }
    }

    /// Drops what is not kept for a client that is away.
    pub(super) fn drop_at_most_once(&mut self) {
        if self.at_most_once > 0 {
            self.retain(|queued| queued.qos > QoS::AtMostOnce);
        }
    }
}
