//! DISCONNECT: the last packet of either end.

use super::{PacketType, reason_code};
use crate::property::properties;
use crate::wire::Reader;
use crate::{DecodeError, ReasonCode, Text, Version};

/// Why a connection ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disconnect<'a> {
    /// The reason.
    pub reason: ReasonCode,
    /// More about it.
    pub properties: DisconnectProperties<'a>,
}

properties! {
    /// The properties of DISCONNECT.
    DisconnectProperties {
        /// A client's last word on how many seconds its session stays.
        session_expiry_interval: u32 = 0x11,
        /// Why, for people.
        reason_string: Text<'a> = 0x1F,
        /// Another server to use.
        server_reference: Text<'a> = 0x1C,
    }
}

impl<'a> Disconnect<'a> {
    /// A DISCONNECT without properties.
    pub fn new(reason: ReasonCode) -> Self {
        Self { reason, properties: DisconnectProperties::default() }
    }

    /// Reason and properties may be left out, from the end, if they say nothing.
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let mut disconnect = Self::new(ReasonCode::Success);
        if !reader.version().has_properties() {
            return Ok(disconnect);
        }
        if !reader.is_empty() {
            disconnect.reason = reason_code(reader.u8()?, PacketType::Disconnect)?;
        }
        if !reader.is_empty() {
            disconnect.properties = DisconnectProperties::read(reader)?;
        }
        Ok(disconnect)
    }

    pub(super) fn length(&self, version: Version) -> usize {
        match (self.reason, self.properties.length()) {
            _ if !version.has_properties() => 0,
            (ReasonCode::Success, 0) => 0,
            (_, 0) => 1,
            _ => 1 + self.properties.block_length(version),
        }
    }

    pub(super) fn write(&self, version: Version, out: &mut Vec<u8>) {
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
