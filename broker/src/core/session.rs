//! A session: what the broker keeps of a client, connected or not.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use mqtt_protocol::delivery::{Incoming, Outgoing};
use mqtt_protocol::{QoS, RetainHandling, SubscriptionIdentifier};

use super::connection::ConnectionId;
use super::limits::Limits;
use super::message::{Message, Queued};
use super::time::Instant;

/// Names a session while it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SessionId(u32);

impl SessionId {
    pub(super) const fn new(number: u32) -> Self {
        Self(number)
    }

    pub(super) const fn number(self) -> u32 {
        self.0
    }
}

/// The state the standard calls Session State. [MQTT-4.1.0-1]
#[derive(Debug)]
pub(super) struct Session {
    /// The key of the session. [MQTT-3.1.3-2]
    pub(super) client_id: Box<str>,
    /// The client's connection, while it has one.
    pub(super) connection: Option<ConnectionId>,
    /// When the last connection was lost.
    pub(super) away_since: Instant,
    /// Counts the connections, so that timers set for an earlier one do nothing.
    pub(super) epoch: u64,
    /// How long the session outlives the connection; `None` is for ever.
    pub(super) expiry: Option<Duration>,
    /// By the text of the filter.
    pub(super) subscriptions: HashMap<Box<str>, Options>,
    /// Messages begun towards the client.
    pub(super) outgoing: Outgoing<Queued>,
    /// Messages begun by the client.
    pub(super) incoming: Incoming,
    /// Messages that wait to be begun.
    pub(super) queue: VecDeque<Queued>,
    /// The room that the queue takes.
    queued_bytes: usize,
    /// How many messages in the queue are of QoS 0: retained ones, and what came behind them.
    queued_at_most_once: usize,
    /// What to publish when the client is gone.
    pub(super) will: Option<StoredWill>,
}

/// The options of one subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The highest QoS to deliver with.
    pub maximum_qos: QoS,
    /// Whether the client's own messages are left out.
    pub no_local: bool,
    /// Whether messages keep their RETAIN flag.
    pub retain_as_published: bool,
    /// When retained messages are sent.
    pub retain_handling: RetainHandling,
    /// The number messages for it carry.
    pub identifier: Option<SubscriptionIdentifier>,
}

/// A will, kept until it is published or forgotten. [MQTT-3.1.2-7]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredWill {
    /// How long after the connection's end it is published.
    pub delay: Duration,
    /// The lifetime it has from then on.
    pub lifetime: Option<Duration>,
    /// The message.
    pub message: Message,
}

impl Session {
    pub(super) fn new(client_id: &str, limits: &Limits) -> Self {
        Self {
            client_id: client_id.into(),
            connection: None,
            away_since: Instant::default(),
            epoch: 0,
            expiry: Some(Duration::ZERO),
            subscriptions: HashMap::new(),
            outgoing: Outgoing::new(0),
            incoming: Incoming::new(limits.receive_maximum),
            queue: VecDeque::new(),
            queued_bytes: 0,
            queued_at_most_once: 0,
            will: None,
        }
    }

    /// Whether it outlives its connection. [MQTT-3.1.2-23]
    pub(super) fn is_persistent(&self) -> bool {
        self.expiry != Some(Duration::ZERO)
    }

    /// Whether QoS 0 messages wait, so that a further one has to queue behind them.
    pub(super) fn has_queued_at_most_once(&self) -> bool {
        self.queued_at_most_once > 0
    }

    /// Queues a message if the limits allow it, and tells whether they did.
    pub(super) fn enqueue(&mut self, queued: Queued, limits: &Limits) -> bool {
        let bytes = self.queued_bytes + queued.message.size();
        let has_room = self.queue.is_empty()
            || self.queue.len() < limits.maximum_queued_messages
                && bytes <= limits.maximum_queued_bytes;
        if has_room {
            self.enqueue_without_limit(queued);
        }
        has_room
    }

    /// Queues a retained message, of which there are no more than the broker retains.
    pub(super) fn enqueue_without_limit(&mut self, queued: Queued) {
        self.queued_bytes += queued.message.size();
        self.queued_at_most_once += usize::from(queued.qos == QoS::AtMostOnce);
        self.queue.push_back(queued);
    }

    /// Takes the message that waited longest.
    pub(super) fn dequeue(&mut self) -> Option<Queued> {
        let queued = self.queue.pop_front()?;
        self.queued_bytes -= queued.message.size();
        self.queued_at_most_once -= usize::from(queued.qos == QoS::AtMostOnce);
        Some(queued)
    }

    /// Drops what is not kept for a client that is away.
    pub(super) fn drop_at_most_once(&mut self) {
        for queued in std::mem::take(&mut self.queue) {
            if queued.qos > QoS::AtMostOnce {
                self.queue.push_back(queued);
            }
        }
        self.queued_at_most_once = 0;
        self.queued_bytes = self.queue.iter().map(|queued| queued.message.size()).sum();
    }
}
