//! The form in which messages and sessions are written: times are wall times, the rest as in the core.

use std::sync::Arc;
use std::time::Duration;

use mqtt_protocol::delivery::Stage;
use mqtt_protocol::{PacketId, QoS, RetainHandling, SubscriptionIdentifier};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::core::SavedSession;
use crate::core::message::{Message, MessageParts, Publisher, Queued};
use crate::core::session::{Options, StoredWill};
use crate::core::time::WallClock;

/// Something that is written as bytes.
pub(super) trait Record: Serialize + DeserializeOwned {
    /// What it is, for an error.
    const NAME: &'static str;

    fn to_bytes(&self) -> Result<Vec<u8>, StoreError> {
        postcard::to_stdvec(self).map_err(|_| StoreError::Corrupt(Self::NAME))
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, StoreError> {
        postcard::from_bytes(bytes).map_err(|_| StoreError::Corrupt(Self::NAME))
    }
}

/// A message.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct MessageRecord {
    topic: String,
    properties: Vec<u8>,
    payload: Vec<u8>,
    qos: u8,
    retain: bool,
    /// Since the Unix epoch.
    expires: Option<Duration>,
    publisher: Option<PublisherRecord>,
}

#[derive(Debug, Serialize, Deserialize)]
struct PublisherRecord {
    user: Option<String>,
    client_id: String,
}

impl Record for MessageRecord {
    const NAME: &'static str = "a message";
}

impl MessageRecord {
    pub(super) fn new(message: &Message, clock: WallClock) -> Self {
        let parts = message.parts();
        Self {
            topic: parts.topic.into(),
            properties: parts.properties.into(),
            payload: parts.payload.into(),
            qos: parts.qos as u8,
            retain: parts.retain,
            expires: parts.expires.map(|at| clock.at(at)),
            publisher: parts.publisher.map(PublisherRecord::new),
        }
    }

    pub(super) fn into_message(self, clock: WallClock) -> Result<Message, StoreError> {
        let corrupt = StoreError::Corrupt(Self::NAME);
        let qos = QoS::new(self.qos);
        let publisher = self.publisher.map(PublisherRecord::read);
        let parts = qos.map(|qos| MessageParts {
            topic: &self.topic,
            properties: &self.properties,
            payload: &self.payload,
            qos,
            retain: self.retain,
            expires: self.expires.map(|unix| clock.moment(unix)),
            publisher: publisher.as_ref(),
        });
        parts.and_then(Message::from_parts).ok_or(corrupt)
    }
}

impl PublisherRecord {
    fn new(publisher: &Publisher) -> Self {
        let user = publisher.user.as_deref().map(str::to_owned);
        Self { user, client_id: publisher.client_id.as_ref().into() }
    }

    fn read(self) -> Publisher {
        Publisher { user: self.user.map(Arc::from), client_id: self.client_id.into() }
    }
}

/// A session; its key is the client id.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SessionRecord {
    /// When it lost its connection, since the Unix epoch.
    since: Duration,
    /// The user it belongs to.
    user: Option<String>,
    expiry: Option<Duration>,
    subscriptions: Vec<SubscriptionRecord>,
    queue: Vec<QueuedRecord>,
    in_flight: Vec<(u16, StageRecord, QueuedRecord)>,
    next_id: u16,
    unreleased: Vec<u16>,
    will: Option<WillRecord>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SubscriptionRecord {
    filter: String,
    maximum_qos: u8,
    no_local: bool,
    retain_as_published: bool,
    retain_handling: u8,
    identifier: Option<u32>,
}

#[derive(Debug, Serialize, Deserialize)]
struct QueuedRecord {
    message: MessageRecord,
    qos: u8,
    retain: bool,
    identifiers: Vec<u32>,
}

/// How far a delivery has come.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum StageRecord {
    AtLeastOnce,
    ExactlyOnce,
    Released,
}

#[derive(Debug, Serialize, Deserialize)]
struct WillRecord {
    delay: Duration,
    lifetime: Option<Duration>,
    message: MessageRecord,
}

impl Record for SessionRecord {
    const NAME: &'static str = "a session";
}

impl SessionRecord {
    pub(super) fn new(saved: &SavedSession, clock: WallClock) -> Self {
        let in_flight = saved.in_flight.iter();
        Self {
            since: clock.at(saved.since),
            user: saved.user.as_deref().map(str::to_owned),
            expiry: saved.expiry,
            subscriptions: saved.subscriptions.iter().map(subscription_record).collect(),
            queue: saved.queue.iter().map(|queued| QueuedRecord::new(queued, clock)).collect(),
            in_flight: in_flight
                .map(|(packet_id, stage, queued)| {
                    let queued = QueuedRecord::new(queued, clock);
                    (packet_id.number(), stage_record(*stage), queued)
                })
                .collect(),
            next_id: saved.next_id.number(),
            unreleased: saved.unreleased.iter().map(|id| id.number()).collect(),
            will: saved.will.as_ref().map(|will| WillRecord {
                delay: will.delay,
                lifetime: will.lifetime,
                message: MessageRecord::new(&will.message, clock),
            }),
        }
    }

    pub(super) fn into_saved(
        self,
        client_id: &str,
        clock: WallClock,
    ) -> Result<SavedSession, StoreError> {
        self.read(client_id, clock).ok_or(StoreError::Corrupt(Self::NAME))
    }

    fn read(self, client_id: &str, clock: WallClock) -> Option<SavedSession> {
        let in_flight = self.in_flight.into_iter();
        Some(SavedSession {
            client_id: client_id.into(),
            user: self.user.map(String::into_boxed_str),
            // A clock that was set back does not make a session younger than new.
            since: clock.moment(self.since).min(clock.at),
            expiry: self.expiry,
            subscriptions: self
                .subscriptions
                .into_iter()
                .map(SubscriptionRecord::read)
                .collect::<Option<_>>()?,
            queue: self
                .queue
                .into_iter()
                .map(|queued| queued.read(clock))
                .collect::<Option<_>>()?,
            in_flight: in_flight
                .map(|(packet_id, stage, queued)| {
                    Some((PacketId::new(packet_id)?, stage.read(), queued.read(clock)?))
                })
                .collect::<Option<_>>()?,
            next_id: PacketId::new(self.next_id)?,
            unreleased: self.unreleased.into_iter().map(PacketId::new).collect::<Option<_>>()?,
            will: match self.will {
                Some(will) => Some(will.read(clock)?),
                None => None,
            },
        })
    }
}

fn subscription_record((filter, options): &(Box<str>, Options)) -> SubscriptionRecord {
    SubscriptionRecord {
        filter: filter.to_string(),
        maximum_qos: options.maximum_qos as u8,
        no_local: options.no_local,
        retain_as_published: options.retain_as_published,
        retain_handling: options.retain_handling as u8,
        identifier: options.identifier.map(SubscriptionIdentifier::number),
    }
}

impl SubscriptionRecord {
    fn read(self) -> Option<(Box<str>, Options)> {
        let identifier = match self.identifier {
            Some(number) => Some(SubscriptionIdentifier::new(number)?),
            None => None,
        };
        let options = Options {
            maximum_qos: QoS::new(self.maximum_qos)?,
            no_local: self.no_local,
            retain_as_published: self.retain_as_published,
            retain_handling: RetainHandling::new(self.retain_handling)?,
            identifier,
        };
        Some((self.filter.into(), options))
    }
}

impl QueuedRecord {
    fn new(queued: &Queued, clock: WallClock) -> Self {
        Self {
            message: MessageRecord::new(&queued.message, clock),
            qos: queued.qos as u8,
            retain: queued.retain,
            identifiers: queued.identifiers.iter().map(|identifier| identifier.number()).collect(),
        }
    }

    fn read(self, clock: WallClock) -> Option<Queued> {
        let identifiers = self.identifiers.into_iter().map(SubscriptionIdentifier::new);
        Some(Queued {
            message: Arc::new(self.message.into_message(clock).ok()?),
            qos: QoS::new(self.qos)?,
            retain: self.retain,
            identifiers: identifiers.collect::<Option<_>>()?,
        })
    }
}

impl WillRecord {
    fn read(self, clock: WallClock) -> Option<StoredWill> {
        let message = self.message.into_message(clock).ok()?;
        Some(StoredWill { delay: self.delay, lifetime: self.lifetime, message })
    }
}

const fn stage_record(stage: Stage) -> StageRecord {
    match stage {
        Stage::AwaitPubAck => StageRecord::AtLeastOnce,
        Stage::AwaitPubRec => StageRecord::ExactlyOnce,
        Stage::AwaitPubComp => StageRecord::Released,
    }
}

impl StageRecord {
    const fn read(self) -> Stage {
        match self {
            Self::AtLeastOnce => Stage::AwaitPubAck,
            Self::ExactlyOnce => Stage::AwaitPubRec,
            Self::Released => Stage::AwaitPubComp,
        }
    }
}
