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

    /// The bytes of a step without properties, of which there is one or more for each message.
    /// [MQTT-2.1.3-1] [MQTT-3.6.1-1]
    pub fn append_plain(
        kind: PacketType,
        version: Version,
        packet_id: PacketId,
        reason: ReasonCode,
        out: &mut Vec<u8>,
    ) {
        let first = (kind as u8) << 4 | kind.reserved_flags().unwrap_or(0);
        let [high, low] = packet_id.number().to_be_bytes();
        if reason == ReasonCode::Success || !version.has_properties() {
            out.extend_from_slice(&[first, 2, high, low]);
        } else {
            out.extend_from_slice(&[first, 3, high, low, reason.code()]);
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Packet;

    /// [MQTT-2.1.3-1] [MQTT-3.6.1-1]
    #[test]
    fn plain_steps_are_the_packets_they_stand_for() {
        let packet_id = PacketId::FIRST;
        for reason in [ReasonCode::Success, ReasonCode::PacketIdentifierNotFound] {
            for packet in [
                Packet::PubAck(Ack::new(packet_id, reason)),
                Packet::PubRec(Ack::new(packet_id, reason)),
                Packet::PubRel(Ack::new(packet_id, reason)),
                Packet::PubComp(Ack::new(packet_id, reason)),
            ] {
                for version in [Version::V3_1, Version::V3_1_1, Version::V5_0] {
                    let (mut plain, mut whole) = (Vec::new(), Vec::new());
                    let kind = packet.packet_type();
                    Ack::append_plain(kind, version, packet_id, reason, &mut plain);
                    packet.encode_as(version, usize::MAX, &mut whole).unwrap();
                    assert_eq!(plain, whole);
                }
            }
        }
    }
}
