//! PUBLISH: a message on its way.

use super::{PacketType, read_packet_id};
use crate::property::{
    Properties, SUBSCRIPTION_IDENTIFIER, TopicAlias, Value, properties, read_once,
};
use crate::wire::{Reader, checked_text, prefixed_length, put_prefixed, put_varint, varint_length};
use crate::{
    Binary, DecodeError, PacketId, QoS, SubscriptionIdentifiers, Text, TopicName, Version,
};

/// A message, published or delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish<'a> {
    /// QoS, and what comes with it.
    pub delivery: Delivery,
    /// Whether it is, or becomes, the topic's retained message.
    pub retain: bool,
    /// The topic. [MQTT-3.3.2-1]
    pub topic: PublishTopic<'a>,
    /// The message's properties.
    pub properties: PublishProperties<'a>,
    /// The subscriptions it is delivered for; only a server sends any.
    pub subscription_identifiers: SubscriptionIdentifiers<'a>,
    /// The message itself.
    pub payload: &'a [u8],
}

/// The QoS of a PUBLISH with what only exists at that QoS.
///
/// At QoS 0 there is no packet identifier and no duplicate. [MQTT-2.2.1-2] [MQTT-3.3.1-2]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are explained at the enum's methods")]
pub enum Delivery {
    /// QoS 0.
    AtMostOnce,
    /// QoS 1.
    AtLeastOnce { packet_id: PacketId, duplicate: bool },
    /// QoS 2.
    ExactlyOnce { packet_id: PacketId, duplicate: bool },
}

impl Delivery {
    /// The QoS alone.
    pub const fn qos(self) -> QoS {
        match self {
            Self::AtMostOnce => QoS::AtMostOnce,
            Self::AtLeastOnce { .. } => QoS::AtLeastOnce,
            Self::ExactlyOnce { .. } => QoS::ExactlyOnce,
        }
    }

    /// The identifier of the exchange, at QoS 1 and 2.
    pub const fn packet_id(self) -> Option<PacketId> {
        match self {
            Self::AtMostOnce => None,
            Self::AtLeastOnce { packet_id, .. } | Self::ExactlyOnce { packet_id, .. } => {
                Some(packet_id)
            }
        }
    }

    /// Whether the packet was sent before. [MQTT-3.3.1-1]
    pub const fn is_duplicate(self) -> bool {
        match self {
            Self::AtMostOnce => false,
            Self::AtLeastOnce { duplicate, .. } | Self::ExactlyOnce { duplicate, .. } => duplicate,
        }
    }
}

/// How a PUBLISH names its topic: one of the two, or both, is always there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublishTopic<'a> {
    /// By its name.
    Name(TopicName<'a>),
    /// By its name, for which the alias stands from here on.
    Define(TopicName<'a>, TopicAlias),
    /// By an alias that was defined before.
    Alias(TopicAlias),
}

impl<'a> PublishTopic<'a> {
    const fn name(self) -> Option<TopicName<'a>> {
        match self {
            Self::Name(name) | Self::Define(name, _) => Some(name),
            Self::Alias(_) => None,
        }
    }

    const fn alias(self) -> Option<TopicAlias> {
        match self {
            Self::Name(_) => None,
            Self::Define(_, alias) | Self::Alias(alias) => Some(alias),
        }
    }
}

properties! {
    /// The properties of a message: all that a server forwards.
    PublishProperties {
        /// Whether the payload is UTF-8.
        payload_format_indicator: bool = 0x01,
        /// The message's lifetime in seconds.
        message_expiry_interval: u32 = 0x02,
        /// What the payload is. [MQTT-3.3.2-19]
        content_type: Text<'a> = 0x03,
        /// Where an answer is expected. [MQTT-3.3.2-13] [MQTT-3.3.2-14]
        response_topic: TopicName<'a> = 0x08,
        /// What the answer is to carry.
        correlation_data: Binary<'a> = 0x09,
    }
}

impl<'a> PublishProperties<'a> {
    /// Writes the properties in a form that [`from_bytes`](Self::from_bytes) reads again.
    pub fn to_bytes(&self, out: &mut Vec<u8>) {
        self.write_block(Version::V5_0, out);
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    /// The bytes are something else.
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let properties = Self::read(&mut reader)?;
        reader.end()?;
        Ok(properties)
    }
}

const RETAIN: u8 = 0x01;
const QOS_SHIFT: u8 = 1;
const DUPLICATE: u8 = 0x08;
const TOPIC_ALIAS: u8 = 0x23;

impl<'a> Publish<'a> {
    /// A QoS 0 message without properties. [MQTT-4.3.1-1]
    pub fn at_most_once(topic: TopicName<'a>, payload: &'a [u8]) -> Self {
        Self {
            delivery: Delivery::AtMostOnce,
            retain: false,
            topic: PublishTopic::Name(topic),
            properties: PublishProperties::default(),
            subscription_identifiers: SubscriptionIdentifiers::NONE,
            payload,
        }
    }

    pub(super) fn read(
        flags: u8,
        known: Option<TopicName<'a>>,
        reader: &mut Reader<'a>,
    ) -> Result<Self, DecodeError> {
        let name = read_name(known, reader)?;
        let delivery = read_delivery(flags, reader)?;
        let mut alias = None;
        let mut subscription_identifiers = SubscriptionIdentifiers::NONE;
        let block = reader.clone();
        let properties = PublishProperties::read_with(reader, |id, reader| {
            match id {
                TOPIC_ALIAS => read_once(&mut alias, reader)?,
                SUBSCRIPTION_IDENTIFIER => {
                    subscription_identifiers.read_next(property_block(&block)?, reader)?;
                }
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        let payload = reader.rest();
        let topic = topic(name, alias)?;
        Ok(Self {
            delivery,
            retain: flags & RETAIN != 0,
            topic,
            properties,
            subscription_identifiers,
            payload,
        })
    }

    pub(super) fn flags(&self) -> u8 {
        flags(self.delivery, self.retain)
    }

    fn properties_length(&self) -> usize {
        self.properties.length()
            + self.topic.alias().map_or(0, |alias| 1 + alias.length())
            + self.subscription_identifiers.encoded_length()
    }

    pub(super) fn length(&self, version: Version) -> usize {
        let block = if version.has_properties() {
            let properties = self.properties_length();
            varint_length(properties) + properties
        } else {
            0
        };
        prefixed_length(self.topic.name().map_or(&[], |name| name.as_str().as_bytes()))
            + self.delivery.packet_id().map_or(0, |_| 2)
            + block
            + self.payload.len()
    }

    pub(super) fn write(&self, version: Version, out: &mut Vec<u8>) {
        put_prefixed(out, self.topic.name().map_or(&[], |name| name.as_str().as_bytes()));
        if let Some(packet_id) = self.delivery.packet_id() {
            out.extend_from_slice(&packet_id.number().to_be_bytes());
        }
        if version.has_properties() {
            put_varint(out, self.properties_length());
            self.properties.write(out);
            crate::property::write(TOPIC_ALIAS, &self.topic.alias(), out);
            self.subscription_identifiers.write(out);
        }
        out.extend_from_slice(self.payload);
    }
}

const fn flags(delivery: Delivery, retain: bool) -> u8 {
    let duplicate = if delivery.is_duplicate() { DUPLICATE } else { 0 };
    duplicate | (delivery.qos() as u8) << QOS_SHIFT | retain as u8
}

/// The first byte of the fixed header.
pub(super) const fn first_byte(delivery: Delivery, retain: bool) -> u8 {
    (PacketType::Publish as u8) << 4 | flags(delivery, retain)
}

/// The QoS bits with the identifier they call for. [MQTT-2.2.1-2] [MQTT-3.3.1-2] [MQTT-3.3.1-4]
fn read_delivery(flags: u8, reader: &mut Reader<'_>) -> Result<Delivery, DecodeError> {
    let duplicate = flags & DUPLICATE != 0;
    match QoS::new(flags >> QOS_SHIFT & 0b11) {
        Some(QoS::AtMostOnce) if duplicate => Err(DecodeError::malformed("a duplicate at QoS 0")),
        Some(QoS::AtMostOnce) => Ok(Delivery::AtMostOnce),
        Some(QoS::AtLeastOnce) => {
            Ok(Delivery::AtLeastOnce { packet_id: read_packet_id(reader)?, duplicate })
        }
        Some(QoS::ExactlyOnce) => {
            Ok(Delivery::ExactlyOnce { packet_id: read_packet_id(reader)?, duplicate })
        }
        None => Err(DecodeError::malformed("a QoS of 3")),
    }
}

fn property_block<'a>(block: &Reader<'a>) -> Result<&'a [u8], DecodeError> {
    let mut reader = block.clone();
    let length = reader.varint()?;
    reader.take(length)
}

/// The topic's name, unless it is empty. [MQTT-3.3.2-2]
fn read_name<'a>(
    known: Option<TopicName<'a>>,
    reader: &mut Reader<'a>,
) -> Result<Option<TopicName<'a>>, DecodeError> {
    let name = reader.binary()?;
    if known.is_some_and(|known| known.as_bytes() == name.as_bytes()) {
        return Ok(known);
    }
    let name = checked_text(name)?;
    if name.is_empty() {
        return Ok(None);
    }
    TopicName::from_text(name)
        .map(Some)
        .map_err(|_| DecodeError::malformed("the topic name has a wildcard"))
}

/// The topic by name, alias, or both. [MQTT-3.3.2-1]
fn topic(
    name: Option<TopicName<'_>>,
    alias: Option<TopicAlias>,
) -> Result<PublishTopic<'_>, DecodeError> {
    match (name, alias) {
        (Some(name), None) => Ok(PublishTopic::Name(name)),
        (Some(name), Some(alias)) => Ok(PublishTopic::Define(name, alias)),
        (None, Some(alias)) => Ok(PublishTopic::Alias(alias)),
        (None, None) => Err(DecodeError::protocol("a message without topic and alias")),
    }
}
