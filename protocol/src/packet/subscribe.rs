//! SUBSCRIBE and UNSUBSCRIBE: which topics a client wants, and how.

use super::read_packet_id;
use crate::property::{Properties, SubscriptionIdentifier, properties};
use crate::wire::{Reader, prefixed_length, put_prefixed};
use crate::{DecodeError, PacketId, QoS, TopicFilter, Version};

/// A client's wish to receive messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribe<'a> {
    /// The identifier SUBACK repeats.
    pub packet_id: PacketId,
    /// What holds for all its subscriptions.
    pub properties: SubscribeProperties<'a>,
    /// At least one. [MQTT-3.8.3-2]
    pub subscriptions: Vec<Subscription<'a>>,
}

properties! {
    /// The properties of SUBSCRIBE.
    SubscribeProperties {
        /// The number that messages for these subscriptions will carry.
        subscription_identifier: SubscriptionIdentifier = 0x0B,
    }
}

/// One topic filter with its options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscription<'a> {
    /// Which topics. [MQTT-3.8.3-1]
    pub filter: TopicFilter<'a>,
    /// The highest QoS to deliver with.
    pub maximum_qos: QoS,
    /// Whether the client's own messages are left out; not with a shared filter. [MQTT-3.8.3-4]
    pub no_local: bool,
    /// Whether messages keep the RETAIN flag they were published with.
    pub retain_as_published: bool,
    /// When retained messages are sent.
    pub retain_handling: RetainHandling,
}

impl<'a> Subscription<'a> {
    /// A subscription with the default options.
    pub const fn new(filter: TopicFilter<'a>, maximum_qos: QoS) -> Self {
        Self {
            filter,
            maximum_qos,
            no_local: false,
            retain_as_published: false,
            retain_handling: RetainHandling::Send,
        }
    }
}

/// When a new subscription is answered with the retained messages it matches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum RetainHandling {
    /// Each time.
    #[default]
    Send = 0,
    /// Only if there was no such subscription.
    SendIfNew = 1,
    /// Never.
    DoNotSend = 2,
}

impl RetainHandling {
    /// The handling with this number; 3 and above do not exist.
    pub const fn new(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Send),
            1 => Some(Self::SendIfNew),
            2 => Some(Self::DoNotSend),
            _ => None,
        }
    }
}

const QOS: u8 = 0x03;
const NO_LOCAL: u8 = 0x04;
const RETAIN_AS_PUBLISHED: u8 = 0x08;
const RETAIN_HANDLING_SHIFT: u8 = 4;
const RESERVED: u8 = 0xC0;

impl<'a> Subscribe<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let packet_id = read_packet_id(reader)?;
        let properties = SubscribeProperties::read(reader)?;
        let mut subscriptions = Vec::new();
        while !reader.is_empty() {
            subscriptions.push(Subscription::read(reader)?);
        }
        // [MQTT-3.8.3-2]
        if subscriptions.is_empty() {
            return Err(DecodeError::protocol("SUBSCRIBE without a topic filter"));
        }
        Ok(Self { packet_id, properties, subscriptions })
    }

    pub(super) fn length(&self, version: Version) -> usize {
        let options = 1;
        let subscriptions = self.subscriptions.iter();
        2 + self.properties.block_length(version)
            + subscriptions
                .map(|one| prefixed_length(one.filter.as_str().as_bytes()) + options)
                .sum::<usize>()
    }

    pub(super) fn write(&self, version: Version, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.packet_id.number().to_be_bytes());
        self.properties.write_block(version, out);
        for subscription in &self.subscriptions {
            put_prefixed(out, subscription.filter.as_str().as_bytes());
            out.push(subscription.options(version));
        }
    }
}

impl<'a> Subscription<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let filter = read_filter(reader)?;
        let options = reader.u8()?;
        // [MQTT-3.8.3-5]
        let reserved = if reader.version().has_properties() { RESERVED } else { !QOS };
        if options & reserved != 0 {
            return Err(DecodeError::malformed("reserved subscription options are set"));
        }
        let no_local = options & NO_LOCAL != 0;
        // [MQTT-3.8.3-4]
        if no_local && filter.share_name().is_some() {
            return Err(DecodeError::protocol("No Local on a shared subscription"));
        }
        Ok(Self {
            filter,
            maximum_qos: QoS::new(options & QOS)
                .ok_or(DecodeError::protocol("a subscription with QoS 3"))?,
            no_local,
            retain_as_published: options & RETAIN_AS_PUBLISHED != 0,
            retain_handling: RetainHandling::new(options >> RETAIN_HANDLING_SHIFT)
                .ok_or(DecodeError::protocol("a Retain Handling of 3"))?,
        })
    }

    fn options(&self, version: Version) -> u8 {
        if !version.has_properties() {
            return self.maximum_qos as u8;
        }
        self.maximum_qos as u8
            | if self.no_local { NO_LOCAL } else { 0 }
            | if self.retain_as_published { RETAIN_AS_PUBLISHED } else { 0 }
            | (self.retain_handling as u8) << RETAIN_HANDLING_SHIFT
    }
}

/// A client's wish to receive messages no longer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsubscribe<'a> {
    /// The identifier UNSUBACK repeats.
    pub packet_id: PacketId,
    /// More about it.
    pub properties: UnsubscribeProperties<'a>,
    /// At least one. [MQTT-3.10.3-2]
    pub filters: Vec<TopicFilter<'a>>,
}

properties! {
    /// The properties of UNSUBSCRIBE.
    UnsubscribeProperties {}
}

impl<'a> Unsubscribe<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let packet_id = read_packet_id(reader)?;
        let properties = UnsubscribeProperties::read(reader)?;
        let mut filters = Vec::new();
        while !reader.is_empty() {
            filters.push(read_filter(reader)?);
        }
        // [MQTT-3.10.3-2]
        if filters.is_empty() {
            return Err(DecodeError::protocol("UNSUBSCRIBE without a topic filter"));
        }
        Ok(Self { packet_id, properties, filters })
    }

    pub(super) fn length(&self, version: Version) -> usize {
        let filters = self.filters.iter();
        2 + self.properties.block_length(version)
            + filters.map(|filter| prefixed_length(filter.as_str().as_bytes())).sum::<usize>()
    }

    pub(super) fn write(&self, version: Version, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.packet_id.number().to_be_bytes());
        self.properties.write_block(version, out);
        for filter in &self.filters {
            put_prefixed(out, filter.as_str().as_bytes());
        }
    }
}

/// [MQTT-3.8.3-1] [MQTT-3.10.3-1]
fn read_filter<'a>(reader: &mut Reader<'a>) -> Result<TopicFilter<'a>, DecodeError> {
    TopicFilter::from_text(reader.text()?)
        .map_err(|_| DecodeError::malformed("the topic filter is not well formed"))
}
