//! CONNECT: who a client is, what it asks for, and its will.

use std::fmt;
use std::num::{NonZeroU16, NonZeroU32};

use crate::property::{Properties, properties};
use crate::wire::{Reader, prefixed_length, put_prefixed};
use crate::{Binary, DecodeError, QoS, ReasonCode, Text, TopicName, Version};

/// The first packet of a client on a connection. [MQTT-3.1.0-1]
///
/// Will QoS and Will Retain have no place without a will, nor user name and password without
/// their flag: [MQTT-3.1.2-9] [MQTT-3.1.2-11] [MQTT-3.1.2-13] [MQTT-3.1.2-16] [MQTT-3.1.2-17]
/// [MQTT-3.1.2-18] [MQTT-3.1.2-19].
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Connect<'a> {
    /// Whether to begin with a new session rather than go on with a stored one.
    pub clean_start: bool,
    /// The longest silence of the client, in seconds; 0 for any.
    pub keep_alive_secs: u16,
    /// The version this packet has the form of, and all that follow it.
    pub version: Version,
    /// The properties of the connection.
    pub properties: ConnectProperties<'a>,
    /// Names the session; empty to be given a name.
    pub client_id: Text<'a>,
    /// What to publish when the client is gone.
    pub will: Option<Will<'a>>,
    /// Who is connecting.
    pub user_name: Option<Text<'a>>,
    /// Proof of it.
    pub password: Option<Binary<'a>>,
}

properties! {
    /// The properties of CONNECT.
    ConnectProperties {
        /// For how many seconds the session outlives the connection; none is 0, 0xFFFFFFFF for ever.
        session_expiry_interval: u32 = 0x11,
        /// How many QoS 1 and 2 messages the client takes at once; none is 65,535.
        receive_maximum: NonZeroU16 = 0x21,
        /// The largest packet the client takes, in bytes; none is no limit.
        maximum_packet_size: NonZeroU32 = 0x27,
        /// The highest topic alias the client takes; none is 0.
        topic_alias_maximum: u16 = 0x22,
        /// Whether the client wants Response Information in CONNACK; none is no.
        request_response_information: bool = 0x19,
        /// Whether the client wants Reason Strings and User Properties; none is yes.
        request_problem_information: bool = 0x17,
        /// The method of enhanced authentication.
        authentication_method: Text<'a> = 0x15,
        /// Data of that method.
        authentication_data: Binary<'a> = 0x16,
    }
}

/// The message a server publishes for a client that is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Will<'a> {
    /// The QoS it is published with. [MQTT-3.1.2-12]
    pub qos: QoS,
    /// Whether it becomes the topic's retained message.
    pub retain: bool,
    /// Its properties.
    pub properties: WillProperties<'a>,
    /// Where it is published.
    pub topic: TopicName<'a>,
    /// What is published.
    pub payload: Binary<'a>,
}

properties! {
    /// The properties of a will.
    WillProperties {
        /// How many seconds after the connection the will is published; none is 0.
        will_delay_interval: u32 = 0x18,
        /// Whether the payload is UTF-8.
        payload_format_indicator: bool = 0x01,
        /// The message's lifetime in seconds.
        message_expiry_interval: u32 = 0x02,
        /// What the payload is.
        content_type: Text<'a> = 0x03,
        /// Where an answer is expected.
        response_topic: TopicName<'a> = 0x08,
        /// What the answer is to carry.
        correlation_data: Binary<'a> = 0x09,
    }
}

/// A Session Expiry Interval without end, which is what a session that is not clean had before
/// version 5.0.
const FOR_EVER: u32 = u32::MAX;

const RESERVED: u8 = 0x01;
const CLEAN_START: u8 = 0x02;
const WILL: u8 = 0x04;
const WILL_QOS_SHIFT: u8 = 3;
const WILL_QOS: u8 = 0x18;
const WILL_RETAIN: u8 = 0x20;
const PASSWORD: u8 = 0x40;
const USER_NAME: u8 = 0x80;

/// Shows everything but the secrets, of which it says only that they are there.
impl fmt::Debug for Connect<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut properties = self.properties.clone();
        let data = properties.authentication_data.take();
        f.debug_struct("Connect")
            .field("clean_start", &self.clean_start)
            .field("keep_alive_secs", &self.keep_alive_secs)
            .field("version", &self.version)
            .field("properties", &properties)
            .field("client_id", &self.client_id)
            .field("will", &self.will)
            .field("user_name", &self.user_name)
            .field("has_password", &self.password.is_some())
            .field("has_authentication_data", &data.is_some())
            .finish()
    }
}

impl<'a> Connect<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let version = read_version(reader)?;
        let flags = reader.u8()?;
        // [MQTT-3.1.2-3]
        if flags & RESERVED != 0 {
            return Err(DecodeError::malformed("the reserved connect flag is set"));
        }
        let keep_alive_secs = reader.u16()?;
        let clean_start = flags & CLEAN_START != 0;
        let mut properties = ConnectProperties::read(reader)?;
        if !version.has_properties() && !clean_start {
            properties.session_expiry_interval = Some(FOR_EVER);
        }
        if properties.authentication_data.is_some() && properties.authentication_method.is_none() {
            return Err(DecodeError::protocol("authentication data without a method"));
        }
        // The order of these fields is that of the payload. [MQTT-3.1.3-1]
        Ok(Self {
            clean_start,
            keep_alive_secs,
            version,
            properties,
            // [MQTT-3.1.3-3] [MQTT-3.1.3-4]
            client_id: read_client_id(reader, clean_start)?,
            will: Will::read(flags, reader)?,
            // [MQTT-3.1.3-12]
            user_name: (flags & USER_NAME != 0).then(|| reader.text()).transpose()?,
            password: (flags & PASSWORD != 0).then(|| reader.binary()).transpose()?,
        })
    }

    fn flags(&self) -> u8 {
        let mut flags = if self.clean_start { CLEAN_START } else { 0 };
        if let Some(will) = &self.will {
            flags |= WILL | (will.qos as u8) << WILL_QOS_SHIFT;
            flags |= if will.retain { WILL_RETAIN } else { 0 };
        }
        flags |= if self.user_name.is_some() { USER_NAME } else { 0 };
        flags | if self.password.is_some() { PASSWORD } else { 0 }
    }

    pub(super) fn length(&self) -> usize {
        let version = self.version;
        let protocol = prefixed_length(version.name_and_level().0) + 1;
        let flags_and_keep_alive = 3;
        protocol
            + flags_and_keep_alive
            + self.properties.block_length(version)
            + prefixed_length(self.client_id.as_bytes())
            + self.will.as_ref().map_or(0, |will| will.length(version))
            + self.user_name.map_or(0, |name| prefixed_length(name.as_bytes()))
            + self.password.map_or(0, |password| prefixed_length(&password))
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let version = self.version;
        // [MQTT-3.1.2-1]
        let (name, level) = version.name_and_level();
        put_prefixed(out, name);
        out.push(level);
        out.push(self.flags());
        out.extend_from_slice(&self.keep_alive_secs.to_be_bytes());
        self.properties.write_block(version, out);
        put_prefixed(out, self.client_id.as_bytes());
        if let Some(will) = &self.will {
            will.write(version, out);
        }
        if let Some(name) = self.user_name {
            put_prefixed(out, name.as_bytes());
        }
        if let Some(password) = self.password {
            put_prefixed(out, &password);
        }
    }
}

/// Reads name and level of the protocol; what follows has that version's form. [MQTT-3.1.2-1]
/// [MQTT-3.1.2-2]
pub(super) fn read_version(reader: &mut Reader<'_>) -> Result<Version, DecodeError> {
    let name = reader.binary()?;
    let level = reader.u8()?;
    let version = Version::from_name_and_level(&name, level).ok_or(DecodeError {
        reason: ReasonCode::UnsupportedProtocolVersion,
        detail: "no version of MQTT that is known",
    })?;
    reader.set_version(version);
    Ok(version)
}

/// Before version 5.0, only a session that does not last may be given a name by the server.
fn read_client_id<'a>(reader: &mut Reader<'a>, clean_start: bool) -> Result<Text<'a>, DecodeError> {
    let client_id = reader.text()?;
    if client_id.is_empty() && !clean_start && !reader.version().has_properties() {
        return Err(DecodeError {
            reason: ReasonCode::ClientIdentifierNotValid,
            detail: "a lasting session without a client identifier",
        });
    }
    Ok(client_id)
}

impl<'a> Will<'a> {
    fn read(flags: u8, reader: &mut Reader<'a>) -> Result<Option<Self>, DecodeError> {
        let qos = (flags & WILL_QOS) >> WILL_QOS_SHIFT;
        let retain = flags & WILL_RETAIN != 0;
        if flags & WILL == 0 {
            // [MQTT-3.1.2-11] [MQTT-3.1.2-13]
            if qos != 0 || retain {
                return Err(DecodeError::malformed("will flags without a will"));
            }
            return Ok(None);
        }
        Ok(Some(Self {
            // [MQTT-3.1.2-12]
            qos: QoS::new(qos).ok_or(DecodeError::malformed("a Will QoS of 3"))?,
            retain,
            properties: WillProperties::read(reader)?,
            // [MQTT-3.1.3-11]
            topic: TopicName::from_text(reader.text()?)
                .map_err(|_| DecodeError::malformed("the will topic is no topic name"))?,
            payload: reader.binary()?,
        }))
    }

    fn length(&self, version: Version) -> usize {
        self.properties.block_length(version)
            + prefixed_length(self.topic.as_bytes())
            + prefixed_length(&self.payload)
    }

    fn write(&self, version: Version, out: &mut Vec<u8>) {
        self.properties.write_block(version, out);
        put_prefixed(out, self.topic.as_bytes());
        put_prefixed(out, &self.payload);
    }
}
