//! PUBACK, PUBREC, PUBREL and PUBCOMP: the steps of QoS 1 and 2, all of one form.

use super::{PacketType, outcome, read_packet_id};
use crate::property::properties;
use crate::wire::Reader;
use crate::{DecodeError, PacketId, ReasonCode, Text, Version};

/// One step of an exchange that a PUBLISH began. [MQTT-2.2.1-5]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack<'a> {
    /// The identifier of that PUBLISH.
    pub packet_id: PacketId,
    /// How it went.
    pub reason: ReasonCode,
    /// More about it.
    pub properties: ReasonProperties<'a>,
}

properties! {
    /// The properties of a packet that has only a reason to explain.
    ReasonProperties {
        /// Why, for people.
        reason_string: Text<'a> = 0x1F,
    }
}

impl<'a> Ack<'a> {
    /// A step without properties.
    pub fn new(packet_id: PacketId, reason: ReasonCode) -> Self {
        Self { packet_id, reason, properties: ReasonProperties::default() }
    }

    pub(super) fn read(kind: PacketType, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let packet_id = read_packet_id(reader)?;
        let (reason, properties) = outcome::read(kind, reader)?;
        Ok(Self { packet_id, reason, properties })
    }

    pub(super) fn length(&self, version: Version) -> usize {
        2 + outcome::length(self.reason, &self.properties, version)
    }

    pub(super) fn write(&self, version: Version, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.packet_id.number().to_be_bytes());
        outcome::write(self.reason, &self.properties, version, out);
    }
}
