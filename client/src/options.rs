//! Options: how a client connects, and its limits.

use std::fmt;
use std::net::IpAddr;
use std::num::{NonZeroU16, NonZeroU32};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mqtt_protocol::Version;

use crate::older;
use crate::url::ServerUrl;
use crate::{Error, ErrorKind, HttpHeader, Message, OwnedText, Proxy, Server, Tls};

/// How a client connects, and its limits. [`Options::new`] has the defaults.
#[derive(Clone)]
pub struct Options {
    /// Where the server is.
    pub server: Server,
    /// Servers to turn to, in their order, when that one cannot be reached. All are logged in to alike.
    pub further_servers: Vec<Server>,
    /// Whether a server that names another one to use is believed.
    pub follows_redirects: bool,
    /// Through what servers on the network are reached.
    pub proxy: Option<Proxy>,
    /// The address that connections are made from.
    pub bind_address: Option<IpAddr>,
    /// The version of the protocol. What an older one has no words for is refused.
    pub version: Version,
    /// The name of the session; empty to be given one.
    pub client_id: OwnedText,
    /// Who connects.
    pub user_name: Option<OwnedText>,
    /// Proof of it, at most 65,535 bytes.
    pub password: Option<Vec<u8>>,
    /// Whether the client proves with SCRAM-SHA-256 that it knows the password, which then does not
    /// travel, and the server that it knows it, too.
    pub uses_scram: bool,
    /// The method of enhanced authentication whose steps the program takes, told by
    /// [`Event::AuthenticationStep`](crate::Event::AuthenticationStep).
    pub authentication_method: Option<OwnedText>,
    /// The longest silence on the connection in seconds; 0 for any.
    pub keep_alive_secs: u16,
    /// Whether the first connection begins with a new session. Before version 5.0 also whether the
    /// session ends with the connection.
    pub clean_start: bool,
    /// Whether a session that the server has from an earlier run counts as this client's: whoever
    /// says so vouches that nothing of it was unfinished at this end.
    pub adopts_session: bool,
    /// How long the server keeps the session without a connection; `u32::MAX` for ever.
    pub session_expiry_secs: u32,
    /// Where the session is kept, if it is to outlive the process.
    pub session_file: Option<PathBuf>,
    /// What the server publishes when the client is gone.
    pub will: Option<Will>,
    /// User properties of CONNECT.
    pub user_properties: Vec<(OwnedText, OwnedText)>,
    /// How many QoS 1 and 2 messages the server may have unacknowledged here.
    pub receive_maximum: NonZeroU16,
    /// How many QoS 1 and 2 messages may be unacknowledged by the server.
    pub maximum_in_flight: NonZeroU16,
    /// The largest packet that is accepted, in bytes.
    pub maximum_packet_size: NonZeroU32,
    /// How many topic aliases are accepted.
    pub received_aliases: u16,
    /// How many topic aliases are used.
    pub sent_aliases: u16,
    /// What may wait to be sent.
    pub queue: QueueLimit,
    /// What may wait to be taken by the program.
    pub event_queue: EventLimit,
    /// The pause before connecting again; `None` for never.
    pub reconnect: Option<Reconnect>,
    /// How long one attempt to connect may take.
    pub connect_timeout: Duration,
    /// How long the answer to a subscribe or unsubscribe may take.
    pub answer_timeout: Duration,
    /// How TLS is used, if the URL asks for it.
    pub tls: Tls,
    /// Header fields for the HTTP request that opens a WebSocket.
    pub http_headers: Vec<HttpHeader>,
    /// Where the log goes.
    pub log: Option<Log>,
}

/// The message a server publishes for a client that is gone.
#[derive(Clone, Debug)]
pub struct Will {
    /// The message; its payload has at most 65,535 bytes.
    pub message: Message,
    /// How long the server waits for the client to come back.
    pub delay_secs: u32,
}

/// What may wait to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimit {
    /// So many messages.
    pub messages: usize,
    /// So many bytes of topics and payloads.
    pub bytes: usize,
    /// Whether the oldest message makes room for a new one, which is refused otherwise.
    pub drops_oldest: bool,
    /// Whether QoS 0 messages wait for a connection.
    pub holds_qos_0: bool,
}

/// What may wait to be taken by the program; beyond it nothing is read from the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventLimit {
    /// So many events.
    pub events: usize,
    /// So many bytes of topics and payloads.
    pub bytes: usize,
}

/// The pause before connecting again: random, up to a bound that doubles from `minimum` to `maximum`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reconnect {
    /// The first bound.
    pub minimum: Duration,
    /// The last bound.
    pub maximum: Duration,
}

/// Where the log goes, and how much of it.
#[derive(Clone)]
pub struct Log {
    /// The least important level that is wanted.
    pub level: LogLevel,
    /// Takes a line; it must not use the client.
    pub write: Arc<LogWriter>,
}

/// Takes a line of the log, on any thread.
pub type LogWriter = dyn Fn(LogLevel, &str) + Send + Sync;

/// How important a line of the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names say it")]
pub enum LogLevel {
    Error = 1,
    Warning = 2,
    Information = 3,
    Debug = 4,
    Trace = 5,
}

const MIB: usize = 1024 * 1024;

impl Options {
    /// The defaults, for the server at a URL.
    ///
    /// # Errors
    /// The URL is malformed, or of a kind this build does not have.
    pub fn new(url: &str) -> Result<Self, Error> {
        let ServerUrl { server, user_name, password } = ServerUrl::parse(url)?;
        Ok(Self {
            server,
            further_servers: Vec::new(),
            follows_redirects: false,
            proxy: None,
            bind_address: None,
            version: Version::V5_0,
            client_id: OwnedText::default(),
            user_name: user_name.map(|name| OwnedText::new(&name)).transpose()?,
            password: password.map(String::into_bytes),
            uses_scram: false,
            authentication_method: None,
            keep_alive_secs: 60,
            clean_start: true,
            adopts_session: false,
            session_expiry_secs: 0,
            session_file: None,
            will: None,
            user_properties: Vec::new(),
            receive_maximum: NonZeroU16::new(1024).expect("1024 is not 0"),
            maximum_in_flight: NonZeroU16::new(1024).expect("1024 is not 0"),
            maximum_packet_size: NonZeroU32::new(16 * MIB as u32).expect("16 MiB is not 0"),
            received_aliases: 32,
            sent_aliases: 32,
            queue: QueueLimit {
                messages: 10_000,
                bytes: 16 * MIB,
                drops_oldest: false,
                holds_qos_0: true,
            },
            event_queue: EventLimit { events: 100_000, bytes: 64 * MIB },
            reconnect: Some(Reconnect {
                minimum: Duration::from_millis(500),
                maximum: Duration::from_secs(60),
            }),
            connect_timeout: Duration::from_secs(30),
            answer_timeout: Duration::from_secs(30),
            tls: Tls::default(),
            http_headers: Vec::new(),
            log: None,
        })
    }

    /// Checks what no single setting shows to be wrong.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let too_long = |what: &[u8]| what.len() > usize::from(u16::MAX);
        let will = self.will.as_ref().map_or(&[][..], |will| will.message.payload());
        if too_long(will) {
            return Err(Error::new(ErrorKind::Argument, "a will has at most 65535 bytes"));
        }
        if self.password.as_deref().is_some_and(too_long) {
            return Err(Error::new(ErrorKind::Argument, "a password has at most 65535 bytes"));
        }
        if self.uses_scram && self.authentication_method.is_some() {
            let message = "there is one authentication method, SCRAM or one's own";
            return Err(Error::new(ErrorKind::Argument, message));
        }
        older::check_options(self)
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A password does not belong into a log.
        f.debug_struct("Options")
            .field("server", &self.server)
            .field("client_id", &self.client_id)
            .field("user_name", &self.user_name)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("level", &self.level).finish_non_exhaustive()
    }
}
