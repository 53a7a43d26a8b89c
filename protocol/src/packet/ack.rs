//! PUBACK, PUBREC, PUBREL and PUBCOMP: the steps of QoS 1 and 2, all of one form.

use super::{PacketType, read_packet_id, reason_code};
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

    /// Reason and properties may be left out, from the end, if they say nothing.
    pub(super) fn read(kind: PacketType, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let mut ack = Self::new(read_packet_id(reader)?, ReasonCode::Success);
        if !reader.version().has_properties() {
            return Ok(ack);
        }
        if !reader.is_empty() {
            ack.reason = reason_code(reader.u8()?, kind)?;
        }
        if !reader.is_empty() {
            ack.properties = ReasonProperties::read(reader)?;
        }
        Ok(ack)
    }

    pub(super) fn length(&self, version: Version) -> usize {
        match (self.reason, self.properties.length()) {
            _ if !version.has_properties() => 2,
            (ReasonCode::Success, 0) => 2,
            (_, 0) => 3,
            _ => 3 + self.properties.block_length(version),
        }
    }

    pub(super) fn write(&self, version: Version, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.packet_id.number().to_be_bytes());
        if !version.has_properties() {
            return;
        }
        let has_properties = self.properties.length() > 0;
        if self.reason != ReasonCode::Success || has_properties {
            out.push(self.reason.code());
        }
        if has_properties {
            self.properties.write_block(version, out);
        }
    }
}
