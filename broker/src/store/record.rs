//! The form in which things are written: times are wall times, the rest as in the core.

use std::sync::Arc;
use std::time::Duration;

use mqtt_protocol::delivery::Stage;
use mqtt_protocol::{PacketId, QoS, RetainHandling, SubscriptionIdentifier};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::core::change::{Change, Progress, SavedSession, Sequence, SessionNumber};
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

/// A session; its key is its number.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SessionRecord {
    client_id: String,
    /// The user it belongs to.
    user: Option<String>,
    /// When it lost its connection, since the Unix epoch.
    since: Option<Duration>,
    expiry: Option<Duration>,
    will: Option<WillRecord>,
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
        Self {
            client_id: saved.client_id.to_string(),
            user: saved.user.as_deref().map(str::to_owned),
            since: saved.since.map(|since| clock.at(since)),
            expiry: saved.expiry,
            will: saved.will.as_ref().map(|will| WillRecord {
                delay: will.delay,
                lifetime: will.lifetime,
                message: MessageRecord::new(&will.message, clock),
            }),
        }
    }

    pub(super) fn into_saved(self, clock: WallClock) -> Result<SavedSession, StoreError> {
        Ok(SavedSession {
            client_id: self.client_id.into(),
            user: self.user.map(String::into_boxed_str),
            // A clock that was set back does not make a session younger than new.
            since: self.since.map(|since| clock.moment(since).min(clock.at)),
            expiry: self.expiry,
            will: self.will.map(|will| will.read(clock)).transpose()?,
        })
    }
}

impl WillRecord {
    fn read(self, clock: WallClock) -> Result<StoredWill, StoreError> {
        let message = self.message.into_message(clock)?;
        Ok(StoredWill { delay: self.delay, lifetime: self.lifetime, message })
    }
}

/// A subscription; its key is the session's number, and the filter.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SubscriptionRecord {
    maximum_qos: u8,
    no_local: bool,
    retain_as_published: bool,
    retain_handling: u8,
    identifier: Option<u32>,
}

impl Record for SubscriptionRecord {
    const NAME: &'static str = "a subscription";
}

impl SubscriptionRecord {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            maximum_qos: options.maximum_qos as u8,
            no_local: options.no_local,
            retain_as_published: options.retain_as_published,
            retain_handling: options.retain_handling as u8,
            identifier: options.identifier.map(SubscriptionIdentifier::number),
        }
    }

    pub(super) fn into_options(self) -> Result<Options, StoreError> {
        let corrupt = || StoreError::Corrupt(Self::NAME);
        let identifier =
            self.identifier.map(|number| SubscriptionIdentifier::new(number).ok_or_else(corrupt));
        Ok(Options {
            maximum_qos: QoS::new(self.maximum_qos).ok_or_else(corrupt)?,
            no_local: self.no_local,
            retain_as_published: self.retain_as_published,
            retain_handling: RetainHandling::new(self.retain_handling).ok_or_else(corrupt)?,
            identifier: identifier.transpose()?,
        })
    }
}

/// A message on its way to a client; its key is its sequence.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct DeliveryRecord {
    pub(super) session: SessionNumber,
    qos: u8,
    retain: bool,
    identifiers: Vec<u32>,
    progress: ProgressRecord,
    /// The message, if it is small; else it is in a table of its own, once for all its receivers.
    pub(super) message: Option<MessageRecord>,
}

/// How far a delivery has come.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum ProgressRecord {
    Waiting,
    AtLeastOnce(u16),
    ExactlyOnce(u16),
    Released(u16),
}

impl Record for DeliveryRecord {
    const NAME: &'static str = "a delivery";
}

impl DeliveryRecord {
    pub(super) fn new(
        session: SessionNumber,
        queued: &Queued,
        progress: Progress,
        message: Option<MessageRecord>,
    ) -> Self {
        Self {
            session,
            qos: queued.qos as u8,
            retain: queued.retain,
            identifiers: queued.identifiers.iter().map(|identifier| identifier.number()).collect(),
            progress: ProgressRecord::new(progress),
            message,
        }
    }

    pub(super) fn into_change(
        self,
        sequence: Sequence,
        message: Arc<Message>,
    ) -> Result<Change, StoreError> {
        let corrupt = || StoreError::Corrupt(Self::NAME);
        let identifiers = self.identifiers.into_iter().map(SubscriptionIdentifier::new);
        let queued = Queued {
            message,
            qos: QoS::new(self.qos).ok_or_else(corrupt)?,
            retain: self.retain,
            identifiers: identifiers.collect::<Option<_>>().ok_or_else(corrupt)?,
            sequence,
        };
        let progress = self.progress.read().ok_or_else(corrupt)?;
        Ok(Change::Delivery(self.session, queued, progress))
    }
}

impl ProgressRecord {
    const fn new(progress: Progress) -> Self {
        match progress {
            Progress::Waiting => Self::Waiting,
            Progress::Begun(id, Stage::AwaitPubAck) => Self::AtLeastOnce(id.number()),
            Progress::Begun(id, Stage::AwaitPubRec) => Self::ExactlyOnce(id.number()),
            Progress::Begun(id, Stage::AwaitPubComp) => Self::Released(id.number()),
        }
    }

    fn read(self) -> Option<Progress> {
        let (number, stage) = match self {
            Self::Waiting => return Some(Progress::Waiting),
            Self::AtLeastOnce(number) => (number, Stage::AwaitPubAck),
            Self::ExactlyOnce(number) => (number, Stage::AwaitPubRec),
            Self::Released(number) => (number, Stage::AwaitPubComp),
        };
        Some(Progress::Begun(PacketId::new(number)?, stage))
    }
}
