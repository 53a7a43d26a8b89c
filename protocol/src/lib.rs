//! MQTT 5.0 on the wire: bytes to packets and back, and the rules both ends share.
//!
//! [`decode`] turns bytes into a [`Packet`] that borrows from them, asks for more, or
//! names the reason code with which the connection has to end; it is total, so any
//! bytes at all give one of the three. [`Packet::encode`] is its inverse. What client
//! and server do alike lives here too: [`delivery`] runs QoS 1 and 2 for a sender and
//! for a receiver, [`alias`] keeps topic aliases, [`topic`] knows names, filters and
//! how they match.
//!
//! Deliberately absent: sockets, clocks, and everything that depends on which end of
//! the connection one is. A packet that is wrong by itself cannot be written down: a
//! QoS 0 PUBLISH has no place for a packet identifier, a [`TopicName`] exists only if
//! it is valid, each packet type has its own property struct.
//!
//! ```
//! use mqtt_protocol::{Decoded, Packet, Publish, TopicName, decode};
//!
//! let publish = Publish::at_most_once(TopicName::new("room/timeline")?, b"paused");
//! let mut bytes = Vec::new();
//! Packet::from(publish.clone()).encode(&mut bytes)?;
//!
//! let Decoded::Packet { packet, length } = decode(&bytes, usize::MAX)? else {
//!     panic!("the packet is complete");
//! };
//! assert_eq!((packet, length), (Packet::Publish(publish), bytes.len()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

pub mod alias;
pub mod delivery;
mod error;
mod packet;
mod property;
mod qos;
mod reason;
mod text;
pub mod topic;
mod version;
mod wire;

pub use error::{DecodeError, EncodeError};
pub use packet::*;
pub use property::{
    SubscriptionIdentifier, SubscriptionIdentifiers, UserProperties, UserPropertyList,
};
pub use qos::{MaximumQoS, PacketId, QoS};
pub use reason::ReasonCode;
pub use text::{Binary, InvalidText, Text, TooLong};
pub use topic::{InvalidTopic, OwnedTopicName, TopicFilter, TopicName};
pub use version::Version;
pub use wire::MAXIMUM_PACKET_SIZE;
