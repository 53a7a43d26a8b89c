//! What can be wrong with bytes that came in, and with a packet that should go out.

use std::error::Error;
use std::fmt;

use crate::ReasonCode;

/// Bytes that are no valid packet: why, and the reason code to close with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// The code for CONNACK or DISCONNECT.
    pub reason: ReasonCode,
    /// What was wrong, for a log or a Reason String.
    pub detail: &'static str,
}

impl DecodeError {
    /// The bytes do not follow the format.
    pub(crate) const fn malformed(detail: &'static str) -> Self {
        Self { reason: ReasonCode::MalformedPacket, detail }
    }

    /// The format is right, the content is not allowed.
    pub(crate) const fn protocol(detail: &'static str) -> Self {
        Self { reason: ReasonCode::ProtocolError, detail }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason, self.detail)
    }
}

impl Error for DecodeError {}

/// Why a packet cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodeError {
    /// It is larger than the protocol allows, or than the receiver declared to accept.
    TooLarge,
    /// It is a SUBSCRIBE or UNSUBSCRIBE without a topic filter.
    NoTopicFilter,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "packet larger than the receiver accepts",
            Self::NoTopicFilter => "a request without a topic filter",
        })
    }
}

impl Error for EncodeError {}
