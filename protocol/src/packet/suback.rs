//! SUBACK and UNSUBACK: what became of each filter of a request.

use super::{PacketType, ReasonProperties, read_packet_id, reason_code};
use crate::property::Properties;
use crate::wire::Reader;
use crate::{DecodeError, PacketId, ReasonCode, Version};

/// The answer to SUBSCRIBE or UNSUBSCRIBE, one code for each filter, in their order. The
/// answer to UNSUBSCRIBE has none before version 5.0.
/// [MQTT-2.2.1-6] [MQTT-3.9.3-1] [MQTT-3.11.3-1]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubAck<'a> {
    /// The identifier of the request.
    pub packet_id: PacketId,
    /// More about it.
    pub properties: ReasonProperties<'a>,
    /// The QoS granted, or why not.
    pub reasons: Vec<ReasonCode>,
}

impl<'a> SubAck<'a> {
    pub(super) fn read(kind: PacketType, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let packet_id = read_packet_id(reader)?;
        let properties = ReasonProperties::read(reader)?;
        if kind == PacketType::UnsubAck && !reader.version().has_properties() {
            return Ok(Self { packet_id, properties, reasons: Vec::new() });
        }
        let codes = reader.take(reader.rest().len())?;
        if codes.is_empty() {
            return Err(DecodeError::protocol("an answer without reason codes"));
        }
        let has_one_failure = !reader.version().has_properties();
        if has_one_failure && codes.iter().any(|&code| code > ReasonCode::UnspecifiedError.code()) {
            return Err(DecodeError::protocol("a return code that SUBACK does not have"));
        }
        let reasons =
            codes.iter().map(|&code| reason_code(code, kind)).collect::<Result<_, _>>()?;
        Ok(Self { packet_id, properties, reasons })
    }

    pub(super) fn length(&self, kind: PacketType, version: Version) -> usize {
        2 + self.properties.block_length(version) + self.codes(kind, version).count()
    }

    pub(super) fn write(&self, kind: PacketType, version: Version, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.packet_id.number().to_be_bytes());
        self.properties.write_block(version, out);
        out.extend(self.codes(kind, version));
    }

    /// The codes on the wire. Before version 5.0 failure has one code only, and UNSUBACK has no
    /// code for anything.
    fn codes(&self, kind: PacketType, version: Version) -> impl Iterator<Item = u8> {
        let is_old = !version.has_properties();
        let has_codes = !(is_old && kind == PacketType::UnsubAck);
        self.reasons.iter().filter(move |_| has_codes).map(move |reason| {
            let failure = ReasonCode::UnspecifiedError.code();
            if is_old { reason.code().min(failure) } else { reason.code() }
        })
    }
}
