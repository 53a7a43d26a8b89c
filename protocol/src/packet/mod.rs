//! The fifteen packets: which there are, and how one is read and written.

mod ack;
mod auth;
mod connack;
mod connect;
mod disconnect;
mod frame;
mod outcome;
mod publish;
mod raw;
mod suback;
mod subscribe;

pub use ack::{Ack, ReasonProperties};
pub use auth::{Auth, AuthProperties};
pub use connack::{ConnAck, ConnAckProperties};
pub use connect::{Connect, ConnectProperties, Will, WillProperties};
pub use disconnect::{Disconnect, DisconnectProperties};
pub use frame::PublishFrame;
pub use publish::{Delivery, Publish, PublishProperties, PublishTopic};
pub use raw::{Decoded, RawPacket, Split, decode, decode_as, named_version, split};
pub use suback::SubAck;
pub use subscribe::{
    RetainHandling, Subscribe, SubscribeProperties, Subscription, Unsubscribe,
    UnsubscribeProperties,
};

pub use crate::property::TopicAlias;
use crate::wire::{MAXIMUM_VARINT, Reader, put_varint, varint_length};
use crate::{DecodeError, EncodeError, PacketId, ReasonCode, Version};

/// The type of a packet, by its number in the fixed header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs, reason = "the names say it")]
pub enum PacketType {
    Connect = 1,
    ConnAck = 2,
    Publish = 3,
    PubAck = 4,
    PubRec = 5,
    PubRel = 6,
    PubComp = 7,
    Subscribe = 8,
    SubAck = 9,
    Unsubscribe = 10,
    UnsubAck = 11,
    PingReq = 12,
    PingResp = 13,
    Disconnect = 14,
    Auth = 15,
}

impl PacketType {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 15] = [
        Self::Connect,
        Self::ConnAck,
        Self::Publish,
        Self::PubAck,
        Self::PubRec,
        Self::PubRel,
        Self::PubComp,
        Self::Subscribe,
        Self::SubAck,
        Self::Unsubscribe,
        Self::UnsubAck,
        Self::PingReq,
        Self::PingResp,
        Self::Disconnect,
        Self::Auth,
    ];

    /// The type with this number; 0 is reserved.
    pub fn new(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number).checked_sub(1)?).copied()
    }

    /// The flag bits the fixed header must have, unless they mean something. [MQTT-2.1.3-1]
    /// [MQTT-3.6.1-1] [MQTT-3.8.1-1] [MQTT-3.10.1-1] [MQTT-3.14.1-1] [MQTT-3.15.1-1]
    const fn reserved_flags(self) -> Option<u8> {
        match self {
            Self::Publish => None,
            Self::PubRel | Self::Subscribe | Self::Unsubscribe => Some(0b0010),
            _ => Some(0),
        }
    }
}

/// Any packet; what is in it borrows from the bytes it was read from, or from its sender.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the structs say it")]
pub enum Packet<'a> {
    Connect(Connect<'a>),
    ConnAck(ConnAck<'a>),
    Publish(Publish<'a>),
    PubAck(Ack<'a>),
    PubRec(Ack<'a>),
    PubRel(Ack<'a>),
    PubComp(Ack<'a>),
    Subscribe(Subscribe<'a>),
    SubAck(SubAck<'a>),
    Unsubscribe(Unsubscribe<'a>),
    UnsubAck(SubAck<'a>),
    PingReq,
    PingResp,
    Disconnect(Disconnect<'a>),
    Auth(Auth<'a>),
}

impl<'a> Packet<'a> {
    /// Its type.
    pub const fn packet_type(&self) -> PacketType {
        match self {
            Self::Connect(_) => PacketType::Connect,
            Self::ConnAck(_) => PacketType::ConnAck,
            Self::Publish(_) => PacketType::Publish,
            Self::PubAck(_) => PacketType::PubAck,
            Self::PubRec(_) => PacketType::PubRec,
            Self::PubRel(_) => PacketType::PubRel,
            Self::PubComp(_) => PacketType::PubComp,
            Self::Subscribe(_) => PacketType::Subscribe,
            Self::SubAck(_) => PacketType::SubAck,
            Self::Unsubscribe(_) => PacketType::Unsubscribe,
            Self::UnsubAck(_) => PacketType::UnsubAck,
            Self::PingReq => PacketType::PingReq,
            Self::PingResp => PacketType::PingResp,
            Self::Disconnect(_) => PacketType::Disconnect,
            Self::Auth(_) => PacketType::Auth,
        }
    }

    /// Its length on the wire in bytes, fixed header included.
    pub fn length(&self) -> usize {
        let body = self.body_length(Version::V5_0);
        1 + varint_length(body) + body
    }

    /// Appends the packet to `out`.
    ///
    /// # Errors
    /// It is larger than the protocol allows, or a request without a topic filter; `out` is then as
    /// it was.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.encode_within(usize::MAX, out)
    }

    /// Appends the packet to `out` if it is not larger than `maximum` bytes.
    ///
    /// # Errors
    /// It is larger, or a request without a topic filter; `out` is then as it was.
    pub fn encode_within(&self, maximum: usize, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.encode_as(Version::V5_0, maximum, out)
    }

    /// Appends the packet to `out` in the form of a version, if it is not larger than `maximum`
    /// bytes. What the version has no words for is left out.
    ///
    /// # Errors
    /// It is larger, or a request without a topic filter; `out` is then as it was.
    pub fn encode_as(
        &self,
        version: Version,
        maximum: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let body = self.body_length(version);
        let length = 1 + varint_length(body) + body;
        if body > MAXIMUM_VARINT || length > maximum {
            return Err(EncodeError::TooLarge);
        }
        if self.lacks_topic_filter() {
            return Err(EncodeError::NoTopicFilter);
        }
        out.reserve(length);
        let end = out.len() + length;
        out.push((self.packet_type() as u8) << 4 | self.flags());
        put_varint(out, body);
        self.write_body(version, out);
        debug_assert_eq!(out.len(), end, "the length of {self:?}");
        Ok(())
    }

    /// Takes away what is only there for people: Reason String and User Properties.
    ///
    /// That is how a packet other than PUBLISH shrinks to what its receiver accepts or wants.
    /// [MQTT-3.1.2-29] [MQTT-3.2.2-19] [MQTT-3.2.2-20] [MQTT-3.4.2-2] [MQTT-3.4.2-3]
    /// [MQTT-3.5.2-2] [MQTT-3.5.2-3] [MQTT-3.6.2-2] [MQTT-3.6.2-3] [MQTT-3.7.2-2]
    /// [MQTT-3.7.2-3] [MQTT-3.9.2-1] [MQTT-3.9.2-2] [MQTT-3.11.2-1] [MQTT-3.11.2-2]
    /// [MQTT-3.14.2-3] [MQTT-3.14.2-4] [MQTT-3.15.2-2] [MQTT-3.15.2-3]
    pub fn strip_diagnostics(&mut self) {
        let (reason_string, user_properties) = match self {
            Self::ConnAck(ConnAck { properties, .. }) => {
                (&mut properties.reason_string, &mut properties.user_properties)
            }
            Self::PubAck(Ack { properties, .. })
            | Self::PubRec(Ack { properties, .. })
            | Self::PubRel(Ack { properties, .. })
            | Self::PubComp(Ack { properties, .. })
            | Self::SubAck(SubAck { properties, .. })
            | Self::UnsubAck(SubAck { properties, .. }) => {
                (&mut properties.reason_string, &mut properties.user_properties)
            }
            Self::Disconnect(Disconnect { properties, .. }) => {
                (&mut properties.reason_string, &mut properties.user_properties)
            }
            Self::Auth(Auth { properties, .. }) => {
                (&mut properties.reason_string, &mut properties.user_properties)
            }
            _ => return,
        };
        *reason_string = None;
        *user_properties = crate::UserProperties::NONE;
    }

    /// [MQTT-3.8.3-2] [MQTT-3.10.3-2]
    fn lacks_topic_filter(&self) -> bool {
        match self {
            Self::Subscribe(subscribe) => subscribe.subscriptions.is_empty(),
            Self::Unsubscribe(unsubscribe) => unsubscribe.filters.is_empty(),
            _ => false,
        }
    }

    fn flags(&self) -> u8 {
        match self {
            Self::Publish(publish) => publish.flags(),
            _ => self.packet_type().reserved_flags().unwrap_or(0),
        }
    }

    fn body_length(&self, version: Version) -> usize {
        match self {
            Self::Connect(connect) => connect.length(),
            Self::ConnAck(connack) => connack.length(version),
            Self::Publish(publish) => publish.length(version),
            Self::PubAck(ack) | Self::PubRec(ack) | Self::PubRel(ack) | Self::PubComp(ack) => {
                ack.length(version)
            }
            Self::Subscribe(subscribe) => subscribe.length(version),
            Self::SubAck(suback) | Self::UnsubAck(suback) => {
                suback.length(self.packet_type(), version)
            }
            Self::Unsubscribe(unsubscribe) => unsubscribe.length(version),
            Self::PingReq | Self::PingResp => 0,
            Self::Disconnect(disconnect) => disconnect.length(version),
            Self::Auth(auth) => auth.length(version),
        }
    }

    fn write_body(&self, version: Version, out: &mut Vec<u8>) {
        match self {
            Self::Connect(connect) => connect.write(out),
            Self::ConnAck(connack) => connack.write(version, out),
            Self::Publish(publish) => publish.write(version, out),
            Self::PubAck(ack) | Self::PubRec(ack) | Self::PubRel(ack) | Self::PubComp(ack) => {
                ack.write(version, out);
            }
            Self::Subscribe(subscribe) => subscribe.write(version, out),
            Self::SubAck(suback) | Self::UnsubAck(suback) => {
                suback.write(self.packet_type(), version, out);
            }
            Self::Unsubscribe(unsubscribe) => unsubscribe.write(version, out),
            Self::PingReq | Self::PingResp => {}
            Self::Disconnect(disconnect) => disconnect.write(version, out),
            Self::Auth(auth) => auth.write(version, out),
        }
    }
}

impl<'a> From<Publish<'a>> for Packet<'a> {
    fn from(publish: Publish<'a>) -> Self {
        Self::Publish(publish)
    }
}

/// A packet identifier from the wire. [MQTT-2.2.1-3] [MQTT-2.2.1-4]
fn read_packet_id(reader: &mut Reader<'_>) -> Result<PacketId, DecodeError> {
    PacketId::new(reader.u16()?).ok_or(DecodeError::protocol("a Packet Identifier of 0"))
}

/// A reason code that this type of packet may carry. [MQTT-3.2.2-8] [MQTT-3.4.2-1]
/// [MQTT-3.5.2-1] [MQTT-3.6.2-1] [MQTT-3.7.2-1] [MQTT-3.9.3-2] [MQTT-3.11.3-2]
/// [MQTT-3.14.2-1] [MQTT-3.15.2-1]
fn reason_code(code: u8, packet: PacketType) -> Result<ReasonCode, DecodeError> {
    ReasonCode::new(code)
        .filter(|reason| reason.may_stand_in(packet))
        .ok_or(DecodeError::protocol("a reason code that this packet does not have"))
}
