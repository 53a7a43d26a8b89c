//! A session: what the broker keeps of a client, connected or not.

use std::sync::Arc;
use std::time::Duration;

use mqtt_protocol::delivery::{Incoming, Outgoing};
use mqtt_protocol::{QoS, RetainHandling, Subscription, SubscriptionIdentifier};

use super::change::SessionNumber;
use super::connection::ConnectionId;
use super::limits::Limits;
use super::message::{Message, Publisher, Queued};
use super::queue::Queue;
use super::subscriptions::Subscriptions;
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
    pub(super) client_id: Arc<str>,
    /// Who it belongs to: what waits for one user is not for another.
    pub(super) user: Option<Arc<str>>,
    /// The same as its retained messages name it, once there is one.
    publisher: Option<Arc<Publisher>>,
    /// The client's connection, while it has one.
    pub(super) connection: Option<ConnectionId>,
    /// When the last connection was lost.
    pub(super) away_since: Instant,
    /// Counts the connections, so that timers set for an earlier one do nothing.
    pub(super) epoch: u64,
    /// How long the session outlives the connection; `None` is for ever.
    pub(super) expiry: Option<Duration>,
    pub(super) subscriptions: Subscriptions,
    /// Messages begun towards the client; what is needed to send them again, in a session that
    /// outlives its connection.
    pub(super) outgoing: Outgoing<Option<Queued>>,
    /// Messages begun by the client.
    pub(super) incoming: Incoming,
    /// Messages that wait to be begun.
    pub(super) queue: Queue,
    /// What to publish when the client is gone.
    pub(super) will: Option<Box<StoredWill>>,
    /// What the store knows it by, if it does.
    pub(super) number: Option<SessionNumber>,
    /// How many messages it did not get since its client has connected.
    pub(super) dropped: u64,
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

impl Options {
    pub(super) const fn new(
        wish: &Subscription<'_>,
        identifier: Option<SubscriptionIdentifier>,
    ) -> Self {
        Self {
            maximum_qos: wish.maximum_qos,
            no_local: wish.no_local,
            retain_as_published: wish.retain_as_published,
            retain_handling: wish.retain_handling,
            identifier,
        }
    }
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
    pub(super) fn new(client_id: &str, user: Option<Arc<str>>, limits: &Limits) -> Self {
        Self {
            client_id: client_id.into(),
            user,
            publisher: None,
            connection: None,
            away_since: Instant::default(),
            epoch: 0,
            expiry: Some(Duration::ZERO),
            subscriptions: Subscriptions::default(),
            outgoing: Outgoing::new(0),
            incoming: Incoming::new(limits.receive_maximum),
            queue: Queue::default(),
            will: None,
            number: None,
            dropped: 0,
        }
    }

    /// Who publishes what its client does.
    pub(super) fn publisher(&mut self) -> Arc<Publisher> {
        let Self { publisher, user, client_id, .. } = self;
        let made = || Publisher { user: user.clone(), client_id: client_id.clone() };
        publisher.get_or_insert_with(|| Arc::new(made())).clone()
    }

    /// Whether it outlives its connection. [MQTT-3.1.2-23]
    pub(super) fn is_persistent(&self) -> bool {
        self.expiry != Some(Duration::ZERO)
    }

    /// What the store knows it by, if that is told of its subscriptions and messages, too.
    pub(super) fn keeps_messages(&self) -> Option<SessionNumber> {
        self.number.filter(|_| self.is_persistent())
    }
}
