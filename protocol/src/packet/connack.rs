//! CONNACK: whether a client may stay, and what the server grants it.

use std::num::{NonZeroU16, NonZeroU32};

use super::{PacketType, reason_code};
use crate::property::{Properties, properties};
use crate::wire::Reader;
use crate::{Binary, DecodeError, MaximumQoS, ReasonCode, Text, Version};

/// The answer to CONNECT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnAck<'a> {
    /// Whether the server goes on with a stored session.
    pub session_present: bool,
    /// Whether the client is accepted.
    pub reason: ReasonCode,
    /// What the server grants.
    pub properties: ConnAckProperties<'a>,
}

properties! {
    /// The properties of CONNACK.
    ConnAckProperties {
        /// For how many seconds the session outlives the connection, if not as the client asked.
        session_expiry_interval: u32 = 0x11,
        /// How many QoS 1 and 2 messages the server takes at once; none is 65,535.
        receive_maximum: NonZeroU16 = 0x21,
        /// The highest QoS the server takes; none is 2.
        maximum_qos: MaximumQoS = 0x24,
        /// Whether the server keeps retained messages; none is yes.
        retain_available: bool = 0x25,
        /// The largest packet the server takes, in bytes; none is no limit.
        maximum_packet_size: NonZeroU32 = 0x27,
        /// The name the server gave a client that had none.
        assigned_client_identifier: Text<'a> = 0x12,
        /// The highest topic alias the server takes; none is 0.
        topic_alias_maximum: u16 = 0x22,
        /// Why, for people.
        reason_string: Text<'a> = 0x1F,
        /// Whether filters may have wildcards; none is yes.
        wildcard_subscription_available: bool = 0x28,
        /// Whether subscriptions may have identifiers; none is yes.
        subscription_identifiers_available: bool = 0x29,
        /// Whether subscriptions may be shared; none is yes.
        shared_subscription_available: bool = 0x2A,
        /// The keep alive in seconds that holds in place of the client's.
        server_keep_alive: u16 = 0x13,
        /// What response topics may begin with.
        response_information: Text<'a> = 0x1A,
        /// Another server to use.
        server_reference: Text<'a> = 0x1C,
        /// The method of enhanced authentication.
        authentication_method: Text<'a> = 0x15,
        /// Data of that method.
        authentication_data: Binary<'a> = 0x16,
    }
}

impl<'a> ConnAck<'a> {
    /// A refusal without properties. [MQTT-3.2.2-6]
    pub fn refuse(reason: ReasonCode) -> Self {
        Self { session_present: false, reason, properties: ConnAckProperties::default() }
    }

    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        // [MQTT-3.2.2-1]
        let session_present = match reader.u8()? {
            0 => false,
            1 => true,
            _ => return Err(DecodeError::malformed("reserved flags in CONNACK")),
        };
        let reason = match reader.version() {
            Version::V5_0 => reason_code(reader.u8()?, PacketType::ConnAck)?,
            Version::V3_1 | Version::V3_1_1 => from_return_code(reader.u8()?)?,
        };
        // [MQTT-3.2.2-6]
        if session_present && reason != ReasonCode::Success {
            return Err(DecodeError::protocol("a refusal with a session present"));
        }
        let properties = ConnAckProperties::read(reader)?;
        if properties.authentication_data.is_some() && properties.authentication_method.is_none() {
            return Err(DecodeError::protocol("authentication data without a method"));
        }
        Ok(Self { session_present, reason, properties })
    }

    pub(super) fn length(&self, version: Version) -> usize {
        2 + self.properties.block_length(version)
    }

    pub(super) fn write(&self, version: Version, out: &mut Vec<u8>) {
        out.push(u8::from(self.session_present));
        out.push(match version {
            Version::V5_0 => self.reason.code(),
            Version::V3_1 | Version::V3_1_1 => return_code(self.reason),
        });
        self.properties.write_block(version, out);
    }
}

/// The return codes of the older versions, by their numbers.
const RETURN_CODES: [ReasonCode; 6] = [
    ReasonCode::Success,
    ReasonCode::UnsupportedProtocolVersion,
    ReasonCode::ClientIdentifierNotValid,
    ReasonCode::ServerUnavailable,
    ReasonCode::BadUserNameOrPassword,
    ReasonCode::NotAuthorized,
];

fn from_return_code(code: u8) -> Result<ReasonCode, DecodeError> {
    let reason = RETURN_CODES.get(usize::from(code)).copied();
    reason.ok_or(DecodeError::protocol("a return code that CONNACK does not have"))
}

/// The return code that says the same, or next to it.
fn return_code(reason: ReasonCode) -> u8 {
    let nearest = match reason {
        ReasonCode::Banned | ReasonCode::BadAuthenticationMethod => ReasonCode::NotAuthorized,
        other => other,
    };
    let code = RETURN_CODES.iter().position(|&other| other == nearest);
    code.map_or(3, |code| code as u8)
}
