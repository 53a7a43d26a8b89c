//! A message that outlives the packet it came in: retained, queued, or a will.

use std::sync::Arc;
use std::time::Duration;

use mqtt_protocol::{
    Delivery, OwnedTopicName, Publish, PublishFrame, PublishProperties, PublishTopic, QoS,
    SubscriptionIdentifier, SubscriptionIdentifiers, TopicName, Will, WillProperties,
};

use super::change::Sequence;
use super::time::Instant;

/// A message where it is: in its packet, or in a [`Message`].
#[derive(Clone, Copy, Debug)]
pub struct MessageView<'a> {
    /// Its topic.
    pub topic: TopicName<'a>,
    /// The QoS it was published with.
    pub qos: QoS,
    /// Whether it was published to be retained.
    pub retain: bool,
    /// Its properties, with what is left of its lifetime.
    pub properties: &'a PublishProperties<'a>,
    /// Its payload.
    pub payload: &'a [u8],
    /// The packet it came in, if that can be passed on.
    pub frame: Option<PublishFrame<&'a [u8]>>,
}

impl<'a> MessageView<'a> {
    /// The message in a packet, whose alias, if it has one, stands for `topic`.
    pub fn new(topic: TopicName<'a>, publish: &'a Publish<'a>) -> Self {
        Self {
            frame: None,
            topic,
            qos: publish.delivery.qos(),
            retain: publish.retain,
            properties: &publish.properties,
            payload: publish.payload,
        }
    }

    /// A copy that needs nothing else to live.
    pub fn to_message(&self, now: Instant) -> Message {
        let mut properties = self.properties.clone();
        let lifetime = properties.message_expiry_interval.take();
        let mut bytes = Vec::new();
        properties.to_bytes(&mut bytes);
        Message {
            topic: self.topic.into(),
            properties: bytes.into(),
            payload: self.payload.into(),
            qos: self.qos,
            retain: self.retain,
            expires: lifetime.map(|secs| now + Duration::from_secs(secs.into())),
            publisher: None,
        }
    }

    /// The packet that delivers it. All properties are passed on as they came. [MQTT-3.3.2-4]
    /// [MQTT-3.3.2-15] [MQTT-3.3.2-16] [MQTT-3.3.2-17] [MQTT-3.3.2-18] [MQTT-3.3.2-20]
    ///
    /// DUP and RETAIN are those of this delivery. [MQTT-3.3.1-3]
    pub fn publish(
        &self,
        delivery: Delivery,
        retain: bool,
        subscription_identifiers: SubscriptionIdentifiers<'a>,
    ) -> Publish<'a> {
        Publish {
            delivery,
            retain,
            topic: PublishTopic::Name(self.topic),
            properties: self.properties.clone(),
            subscription_identifiers,
            payload: self.payload,
        }
    }
}

/// A message, whole and its own master.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    topic: OwnedTopicName,
    /// A property block as [`PublishProperties::to_bytes`] writes it, without the expiry.
    properties: Box<[u8]>,
    payload: Box<[u8]>,
    /// The QoS it was published with.
    pub qos: QoS,
    /// Whether it was published to be retained.
    pub retain: bool,
    /// When it ceases to be of interest.
    pub expires: Option<Instant>,
    /// Who published it, if it is retained: it goes out only as long as they may publish it.
    pub publisher: Option<Arc<Publisher>>,
}

/// Who has published a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publisher {
    /// The user, if it was one.
    pub user: Option<Arc<str>>,
    /// The client.
    pub client_id: Arc<str>,
}

impl Message {
    /// The message that a will becomes, and the lifetime it has once it is published.
    pub fn from_will(will: &Will<'_>) -> (Self, Option<Duration>) {
        let WillProperties {
            will_delay_interval: _,
            payload_format_indicator,
            message_expiry_interval,
            content_type,
            response_topic,
            correlation_data,
            user_properties,
        } = will.properties;
        // [MQTT-3.1.3-10]
        let properties = PublishProperties {
            payload_format_indicator,
            message_expiry_interval: None,
            content_type,
            response_topic,
            correlation_data,
            user_properties,
        };
        let view = MessageView {
            topic: will.topic,
            qos: will.qos,
            retain: will.retain,
            properties: &properties,
            payload: will.payload.as_bytes(),
            frame: None,
        };
        let lifetime = message_expiry_interval.map(|secs| Duration::from_secs(secs.into()));
        (view.to_message(Instant::default()), lifetime)
    }

    /// Puts a message together from what [`parts`](Self::parts) gave.
    pub fn from_parts(parts: MessageParts<'_>) -> Option<Self> {
        let topic = TopicName::new(parts.topic).ok()?;
        PublishProperties::from_bytes(parts.properties).ok()?;
        Some(Self {
            topic: topic.into(),
            properties: parts.properties.into(),
            payload: parts.payload.into(),
            qos: parts.qos,
            retain: parts.retain,
            expires: parts.expires,
            publisher: parts.publisher.cloned().map(Arc::new),
        })
    }

    /// All there is to a message, for a store.
    pub fn parts(&self) -> MessageParts<'_> {
        MessageParts {
            topic: self.topic().as_str(),
            properties: &self.properties,
            payload: &self.payload,
            qos: self.qos,
            retain: self.retain,
            expires: self.expires,
            publisher: self.publisher.as_deref(),
        }
    }

    /// Its topic.
    pub fn topic(&self) -> TopicName<'_> {
        self.topic.name()
    }

    /// How much of a queue's room it takes, in bytes.
    pub fn size(&self) -> usize {
        self.topic().len() + self.properties.len() + self.payload.len()
    }

    /// Whether its time is over. [MQTT-3.3.2-5]
    pub fn is_expired(&self, now: Instant) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    /// Its properties, with what is left of its lifetime at this moment. [MQTT-3.3.2-6]
    pub fn properties(&self, now: Instant) -> PublishProperties<'_> {
        let mut properties = PublishProperties::from_bytes(&self.properties)
            .expect("they were written by the codec");
        properties.message_expiry_interval = self.expires.map(|at| seconds_left(at, now));
        properties
    }

    /// The message with the [`properties`](Self::properties) of a moment.
    pub fn view<'a>(&'a self, properties: &'a PublishProperties<'a>) -> MessageView<'a> {
        MessageView {
            topic: self.topic(),
            qos: self.qos,
            retain: self.retain,
            properties,
            payload: &self.payload,
            frame: None,
        }
    }
}

/// What a message consists of.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "they are the fields of Message")]
pub struct MessageParts<'a> {
    pub topic: &'a str,
    pub properties: &'a [u8],
    pub payload: &'a [u8],
    pub qos: QoS,
    pub retain: bool,
    pub expires: Option<Instant>,
    pub publisher: Option<&'a Publisher>,
}

/// What is left of a lifetime, begun seconds counted whole.
fn seconds_left(expires: Instant, now: Instant) -> u32 {
    let left = expires.since(now);
    let secs = left.as_secs() + u64::from(left.subsec_nanos() > 0);
    u32::try_from(secs).unwrap_or(u32::MAX)
}

/// A message on its way to one session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    /// The message, shared by all sessions it goes to.
    pub message: Arc<Message>,
    /// The QoS it is delivered with: that of the message or the subscription, the lower.
    pub qos: QoS,
    /// The RETAIN flag it is delivered with.
    pub retain: bool,
    /// The identifiers of the subscriptions it is for.
    pub identifiers: Box<[SubscriptionIdentifier]>,
    /// What the store knows it by.
    pub sequence: Sequence,
}
