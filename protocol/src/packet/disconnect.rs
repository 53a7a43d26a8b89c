//! DISCONNECT: the last packet of either end.

use super::{PacketType, outcome};
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

    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let (reason, properties) = outcome::read(PacketType::Disconnect, reader)?;
        Ok(Self { reason, properties })
    }

    pub(super) fn length(&self, version: Version) -> usize {
        outcome::length(self.reason, &self.properties, version)
    }

    pub(super) fn write(&self, version: Version, out: &mut Vec<u8>) {
        outcome::write(self.reason, &self.properties, version, out);
    }
}
