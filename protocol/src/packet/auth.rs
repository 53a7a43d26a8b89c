//! AUTH: one step of enhanced authentication.

use std::fmt;

use super::{PacketType, reason_code};
use crate::property::{Properties, properties};
use crate::wire::Reader;
use crate::{Binary, DecodeError, ReasonCode, Text, Version};

/// A step of enhanced authentication, of either end.
#[derive(Clone, PartialEq, Eq)]
pub struct Auth<'a> {
    /// Success, Continue authentication, or Re-authenticate.
    pub reason: ReasonCode,
    /// The method, and data of it.
    pub properties: AuthProperties<'a>,
}

properties! {
    /// The properties of AUTH.
    AuthProperties {
        /// The method; the same in all of one connection.
        authentication_method: Text<'a> = 0x15,
        /// Data of that method.
        authentication_data: Binary<'a> = 0x16,
        /// Why, for people.
        reason_string: Text<'a> = 0x1F,
    }
}

/// Shows everything but the data, which may be a secret.
impl fmt::Debug for Auth<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut properties = self.properties.clone();
        let data = properties.authentication_data.take();
        f.debug_struct("Auth")
            .field("reason", &self.reason)
            .field("properties", &properties)
            .field("has_authentication_data", &data.is_some())
            .finish()
    }
}

impl<'a> Auth<'a> {
    /// With nothing in it at all, the packet says Success.
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        if reader.is_empty() {
            return Ok(Self { reason: ReasonCode::Success, properties: AuthProperties::default() });
        }
        let reason = reason_code(reader.u8()?, PacketType::Auth)?;
        let properties = AuthProperties::read(reader)?;
        if properties.authentication_method.is_none() {
            return Err(DecodeError::protocol("AUTH without an authentication method"));
        }
        Ok(Self { reason, properties })
    }

    pub(super) fn length(&self, version: Version) -> usize {
        match (self.reason, self.properties.length()) {
            (ReasonCode::Success, 0) => 0,
            _ => 1 + self.properties.block_length(version),
        }
    }

    pub(super) fn write(&self, version: Version, out: &mut Vec<u8>) {
        if self.length(version) > 0 {
            out.push(self.reason.code());
            self.properties.write_block(version, out);
        }
    }
}
