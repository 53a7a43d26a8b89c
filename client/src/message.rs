//! Messages, both ways: owned ones, and those a caller lends for the length of a call.

use std::any::Any;
use std::ffi::CStr;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Weak};

use mqtt_protocol::{
    Binary, Publish, PublishProperties, QoS, ReasonCode, Text, TopicName, UserPropertyList,
};

use crate::{Error, ErrorKind, Moment, OwnedText};

/// A message with everything that belongs to it.
#[derive(Clone)]
pub struct Message {
    /// The topic, a NUL, the payload, a NUL: C borrows both as they are.
    bytes: Bytes,
    topic_length: usize,
    /// The payload, if it is not in `bytes`.
    lent: Option<Lent>,
    /// The QoS it is or was sent with.
    pub qos: QoS,
    /// Whether it is to be retained, or was retained when it came.
    pub retain: bool,
    /// Whether it may have been delivered before.
    pub duplicate: bool,
    /// Its properties, if it has any.
    pub properties: Option<Box<Properties>>,
    /// When it was read from the socket; zero for a message made here.
    pub timestamp: Moment,
    /// What the program attached to it, to come back when it is published.
    pub attachment: Option<Attachment>,
    /// How to acknowledge it, at QoS 1 and 2.
    pub(crate) receipt: Option<Receipt>,
}

/// A payload that is not copied: whoever lends it gets it back when the last message with it is gone.
#[derive(Clone)]
pub struct Lent(pub Arc<dyn AsRef<[u8]> + Send + Sync>);

/// What an acknowledgement needs to know of its message.
#[derive(Clone)]
pub(crate) struct Receipt {
    /// Names the message in its session.
    pub(crate) token: u64,
    /// Whom to tell, if it is the program that acknowledges.
    pub(crate) by_program: Option<Weak<dyn Acknowledge>>,
}

/// Where a program's acknowledgements go.
pub(crate) trait Acknowledge: Send + Sync {
    fn acknowledge(&self, token: u64, reason: ReasonCode) -> Result<(), Error>;
}

/// Something of the program's own that comes back with the outcome.
#[derive(Clone)]
pub struct Attachment(pub Arc<dyn Any + Send + Sync>);

/// The properties of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties {
    /// Whether the payload is UTF-8.
    pub payload_is_utf8: bool,
    /// The lifetime in seconds: of a received message, what was left of it.
    pub expiry_secs: Option<u32>,
    /// What the payload is.
    pub content_type: Option<OwnedText>,
    /// Where an answer is wanted; a topic name.
    pub response_topic: Option<OwnedText>,
    /// What the answer is to carry, at most 65,535 bytes.
    pub correlation: Option<Box<[u8]>>,
    /// Names and values of the program's own.
    pub user: Vec<(OwnedText, OwnedText)>,
}

impl Message {
    /// A QoS 0 message without properties.
    ///
    /// # Errors
    /// The topic is no topic name.
    pub fn new(topic: &str, payload: &[u8]) -> Result<Self, Error> {
        Ok(Draft::new(TopicName::new(topic)?, payload).to_message())
    }

    /// The same with a payload that is not copied.
    ///
    /// # Errors
    /// The topic is no topic name.
    pub fn with_lent(topic: &str, payload: Lent) -> Result<Self, Error> {
        Ok(Self { lent: Some(payload), ..Self::new(topic, &[])? })
    }

    /// A message as it came.
    pub(crate) fn received(topic: TopicName<'_>, publish: &Publish<'_>, now: Moment) -> Self {
        Self {
            bytes: Bytes::new(topic, publish.payload),
            topic_length: topic.len(),
            lent: None,
            qos: publish.delivery.qos(),
            retain: publish.retain,
            duplicate: publish.delivery.is_duplicate(),
            properties: Properties::received(&publish.properties).map(Box::new),
            timestamp: now,
            attachment: None,
            receipt: None,
        }
    }

    /// The topic.
    pub fn topic(&self) -> TopicName<'_> {
        let (topic, _) = self.bytes.split_at(self.topic_length);
        let topic = str::from_utf8(topic).ok().and_then(|topic| TopicName::new(topic).ok());
        topic.expect("a message is made from a topic name")
    }

    /// The topic as C takes it.
    pub fn topic_c_str(&self) -> &CStr {
        let (topic, _) = self.bytes.split_at(self.topic_length + 1);
        CStr::from_bytes_with_nul(topic).expect("a topic name holds no NUL, and one follows it")
    }

    /// The payload. A NUL follows it, unless it is lent.
    pub fn payload(&self) -> &[u8] {
        match &self.lent {
            Some(lent) => (*lent.0).as_ref(),
            None => {
                let with_nul = self.bytes.split_at(self.topic_length + 1).1;
                with_nul.split_last().map_or(&[], |(_, payload)| payload)
            }
        }
    }

    /// The message in the memory of one that is done with, if there is such memory.
    pub(crate) fn shared(self, spare: Option<Arc<Self>>) -> Arc<Self> {
        let Some(mut spare) = spare else { return Arc::new(self) };
        match Arc::get_mut(&mut spare) {
            Some(place) => *place = self,
            None => return Arc::new(self),
        }
        spare
    }

    /// Whether it keeps no other memory than its own.
    pub(crate) fn is_small(&self) -> bool {
        matches!(self.bytes, Bytes::Small { .. })
            && self.lent.is_none()
            && self.properties.is_none()
    }

    /// How many bytes topic and payload have.
    pub(crate) fn size(&self) -> usize {
        match &self.lent {
            Some(_) => self.topic_length + self.payload().len(),
            None => self.bytes.len() - 2,
        }
    }

    /// The properties, which it has from here on.
    pub fn properties_mut(&mut self) -> &mut Properties {
        self.properties.get_or_insert_default()
    }

    /// Acknowledges a message of a subscription whose messages the program acknowledges.
    ///
    /// # Errors
    /// It is no such message, it was acknowledged, or its connection is gone.
    pub fn acknowledge(&self, reason: ReasonCode) -> Result<(), Error> {
        let receipt = self.receipt.as_ref();
        let program =
            receipt.and_then(|receipt| Some((receipt.token, receipt.by_program.as_ref()?)));
        let (token, client) = program
            .and_then(|(token, client)| Some((token, client.upgrade()?)))
            .ok_or(Error::new(ErrorKind::State, "the message is not waiting to be acknowledged"))?;
        client.acknowledge(token, reason)
    }

    /// The message as something to be published.
    pub fn draft(&self) -> Draft<'_> {
        Draft {
            topic: self.topic(),
            payload: self.payload(),
            lent: self.lent.as_ref(),
            qos: self.qos,
            retain: self.retain,
            properties: self.properties.as_deref(),
            attachment: self.attachment.as_ref(),
        }
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("topic", &self.topic().as_str())
            .field("payload", &self.payload())
            .field("qos", &self.qos)
            .field("retain", &self.retain)
            .field("duplicate", &self.duplicate)
            .field("properties", &self.properties)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Lent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lent")
    }
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Attachment")
    }
}

/// The bytes of a message. Those of a small one are part of it, which spares an allocation.
#[derive(Clone)]
enum Bytes {
    Small { length: u8, bytes: [u8; SMALL] },
    Large(Box<[u8]>),
}

const SMALL: usize = 126;

impl Bytes {
    fn new(topic: TopicName<'_>, payload: &[u8]) -> Self {
        let length = topic.len() + payload.len() + 2;
        if length > SMALL {
            let mut bytes = Vec::with_capacity(length);
            for part in [topic.as_bytes(), &[0], payload, &[0]] {
                bytes.extend_from_slice(part);
            }
            return Self::Large(bytes.into_boxed_slice());
        }
        let mut bytes = [0; SMALL];
        let (name, rest) = bytes.split_at_mut(topic.len());
        name.copy_from_slice(topic.as_bytes());
        rest.split_at_mut(1).1.split_at_mut(payload.len()).0.copy_from_slice(payload);
        Self::Small { length: length as u8, bytes }
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Small { length, bytes } => bytes.split_at((*length).into()).0,
            Self::Large(bytes) => bytes,
        }
    }
}

/// A message to be published that its caller lends: nothing is copied if it can be sent at once.
#[derive(Clone, Copy, Debug)]
pub struct Draft<'a> {
    /// The topic.
    pub topic: TopicName<'a>,
    /// The payload.
    pub payload: &'a [u8],
    /// What keeps the payload alive, if it need not be copied.
    pub lent: Option<&'a Lent>,
    /// The QoS to send it with.
    pub qos: QoS,
    /// Whether the server is to keep it for those who subscribe later.
    pub retain: bool,
    /// Its properties.
    pub properties: Option<&'a Properties>,
    /// What is to come back when it is published.
    pub attachment: Option<&'a Attachment>,
}

impl<'a> Draft<'a> {
    /// A QoS 0 message without properties.
    pub const fn new(topic: TopicName<'a>, payload: &'a [u8]) -> Self {
        let (qos, retain) = (QoS::AtMostOnce, false);
        Self { topic, payload, lent: None, qos, retain, properties: None, attachment: None }
    }

    /// The lifetime in seconds.
    pub(crate) fn expiry_secs(&self) -> Option<u32> {
        self.properties?.expiry_secs
    }

    /// A message of its own.
    pub fn to_message(&self) -> Message {
        Message {
            bytes: Bytes::new(self.topic, if self.lent.is_some() { &[] } else { self.payload }),
            topic_length: self.topic.len(),
            lent: self.lent.cloned(),
            qos: self.qos,
            retain: self.retain,
            duplicate: false,
            properties: self.properties.cloned().map(Box::new),
            timestamp: Moment::default(),
            attachment: self.attachment.cloned(),
            receipt: None,
        }
    }
}

impl Properties {
    /// The properties of a message that came; `None` if it has none.
    fn received(properties: &PublishProperties<'_>) -> Option<Self> {
        if *properties == PublishProperties::default() {
            return None;
        }
        Some(Self {
            payload_is_utf8: properties.payload_format_indicator == Some(true),
            expiry_secs: properties.message_expiry_interval,
            content_type: properties.content_type.map(OwnedText::from),
            response_topic: properties.response_topic.and_then(|topic| OwnedText::new(&topic).ok()),
            correlation: properties.correlation_data.map(|data| data.as_bytes().into()),
            user: owned_pairs(properties.user_properties.iter()),
        })
    }

    /// Sets the response topic.
    ///
    /// # Errors
    /// It is no topic name. [MQTT-3.3.2-13] [MQTT-3.3.2-14]
    pub fn set_response_topic(&mut self, topic: &str) -> Result<(), Error> {
        let name = TopicName::new(topic)?;
        self.response_topic = Some(OwnedText::new(&name)?);
        Ok(())
    }

    /// Sets the correlation data.
    ///
    /// # Errors
    /// It is longer than 65,535 bytes.
    pub fn set_correlation(&mut self, data: &[u8]) -> Result<(), Error> {
        let data = Binary::new(data)
            .map_err(|too_long| Error::new(ErrorKind::Argument, too_long.to_string()))?;
        self.correlation = Some(data.as_bytes().into());
        Ok(())
    }

    /// Adds a user property.
    ///
    /// # Errors
    /// One of the two is no text for a packet.
    pub fn add_user(&mut self, name: &str, value: &str) -> Result<(), Error> {
        self.user.push((OwnedText::new(name)?, OwnedText::new(value)?));
        Ok(())
    }

    /// The properties as a packet takes them, with what is left of the lifetime.
    pub(crate) fn publish_properties<'a>(
        &'a self,
        expiry_secs: Option<u32>,
        user: &'a UserPropertyList,
    ) -> PublishProperties<'a> {
        let topic = self.response_topic.as_ref();
        PublishProperties {
            payload_format_indicator: self.payload_is_utf8.then_some(true),
            message_expiry_interval: expiry_secs,
            content_type: self.content_type.as_ref().map(OwnedText::as_text),
            response_topic: topic.and_then(|topic| TopicName::new(topic.as_str()).ok()),
            correlation_data: self.correlation.as_ref().and_then(|data| Binary::new(data).ok()),
            user_properties: user.view(),
        }
    }
}

/// Names and values as they came, kept.
pub(crate) fn owned_pairs<'a>(
    pairs: impl Iterator<Item = (&'a str, &'a str)>,
) -> Vec<(OwnedText, OwnedText)> {
    let owned = |text| Text::new(text).map(OwnedText::from).unwrap_or_default();
    pairs.map(|(name, value)| (owned(name), owned(value))).collect()
}

/// Names and values as a packet takes them.
pub(crate) fn user_property_list(pairs: &[(OwnedText, OwnedText)]) -> UserPropertyList {
    let mut list = UserPropertyList::new();
    for (name, value) in pairs {
        list.push(name.as_text(), value.as_text());
    }
    list
}
