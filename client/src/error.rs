//! What can go wrong, sorted by whose fault it is.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::{fmt, io};

use mqtt_protocol::{DecodeError, EncodeError, InvalidText, InvalidTopic, ReasonCode};

/// What class of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The caller: an argument is out of its range.
    Argument,
    /// The caller: text is not UTF-8, holds U+0000, or is too long.
    Text,
    /// The caller: a topic name or filter is malformed.
    Topic,
    /// The caller: a URL is malformed.
    Url,
    /// The caller: it cannot be done in this state.
    State,
    /// The caller: a queue is full.
    Full,
    /// The caller: there is no such thing.
    NotFound,
    /// The caller: this build or the server does not have it.
    Unsupported,
    /// The caller: the packet is larger than the server accepts.
    TooLarge,
    /// The program ended it.
    Cancelled,
    /// The message expired before it could be sent.
    Expired,
    /// The queue gave the message up for a newer one.
    Dropped,
    /// The time is up.
    Timeout,
    /// The server's name could not be resolved.
    Dns,
    /// The system: no connection, or an error of the socket.
    Tcp,
    /// The proxy does not let the client through.
    Proxy,
    /// No TLS, or a file for it is of no use.
    Tls,
    /// No WebSocket, or its rules were broken.
    WebSocket,
    /// The server said no.
    Refused,
    /// The connection was closed without a DISCONNECT.
    Lost,
    /// The server was silent for too long.
    KeepAlive,
    /// The server sent what the standard does not allow.
    Protocol,
    /// The session file cannot be read or written, or is not this client's.
    Store,
    /// The server has not proved that it knows the password.
    Authentication,
    /// A defect of this library.
    Internal,
}

/// A failure: its class, what the server said, the system's number, and a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What class of failure it is.
    pub kind: ErrorKind,
    /// What the server said, or what it was told.
    pub reason: Option<ReasonCode>,
    /// The operating system's error number.
    pub os_error: Option<i32>,
    /// The number of the alert with which the server refused TLS (RFC 8446, section 6).
    pub tls_alert: Option<u8>,
    /// What went wrong, in one sentence.
    pub message: Cow<'static, str>,
}

impl Error {
    /// A failure with a sentence.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, reason: None, os_error: None, tls_alert: None, message: message.into() }
    }

    /// The server's refusal of something, with what it says about it.
    pub(crate) fn refused(reason: ReasonCode, detail: Option<&str>) -> Self {
        let message = match detail {
            Some(detail) if !detail.is_empty() => format!("{reason}: {detail}"),
            _ => reason.to_string(),
        };
        Self { reason: Some(reason), ..Self::new(ErrorKind::Refused, message) }
    }

    /// What this end refuses to send because the server would not take it.
    pub(crate) fn unsupported(reason: ReasonCode) -> Self {
        let message = format!("the server does not offer it: {reason}");
        Self { reason: Some(reason), ..Self::new(ErrorKind::Unsupported, message) }
    }

    /// A failure of the system, while doing `what`.
    pub(crate) fn system(kind: ErrorKind, what: &str, error: &io::Error) -> Self {
        let message = format!("{what}: {error}");
        Self { os_error: error.raw_os_error(), ..Self::new(kind, message) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Error {}

impl From<DecodeError> for Error {
    fn from(error: DecodeError) -> Self {
        let message = format!("the server broke the protocol: {}", error.detail);
        Self { reason: Some(error.reason), ..Self::new(ErrorKind::Protocol, message) }
    }
}

impl From<InvalidText> for Error {
    fn from(error: InvalidText) -> Self {
        Self::new(ErrorKind::Text, error.to_string())
    }
}

impl From<InvalidTopic> for Error {
    fn from(error: InvalidTopic) -> Self {
        Self::new(ErrorKind::Topic, error.to_string())
    }
}

impl From<EncodeError> for Error {
    fn from(error: EncodeError) -> Self {
        match error {
            EncodeError::TooLarge => {
                Self::new(ErrorKind::TooLarge, "the packet is larger than the server accepts")
            }
            EncodeError::NoTopicFilter => Self::new(ErrorKind::Argument, error.to_string()),
        }
    }
}
