//! The session: everything a client decides, without a socket, a clock or chance.
//!
//! Its shell tells it what happens and when ([`Session::handle_opened`], [`Session::handle_input`],
//! [`Session::handle_timeout`], the program's calls), and asks what to do: what the connection should
//! be ([`Session::demand`]), what to write ([`Session::take_output`]), what to tell the program
//! ([`Session::take_events`]), when to come back ([`Session::next_timeout`]).
//!
//! ```text
//!             ┌───────────────── pause is over, reconnect ──────────────────┐
//!             ▼                                                             │
//!  new ──► Opening ──opened──► Greeting ──CONNACK──► Connected ──lost──► Waiting
//!             │                   │                   │  │                  ▲
//!             │                   │        disconnect │  │ a packet breaks  │
//!             │                   │                   ▼  │ the protocol     │
//!             │                   │             Leaving  │                  │
//!             │                   │       nothing owed │ ▼                  │
//!             │                   │      or time is up └► Closing ──────────┤
//!             └────── fails ──────┴──────────── fails ──────────────────────┘
//!                                      or Stopped, if no attempt is to follow
//! ```

mod acks;
mod auth;
mod backoff;
mod connection;
mod greeting;
mod journal;
mod keep_alive;
mod outbox;
mod outliving;
mod own_auth;
mod publish;
mod queue;
mod receive;
mod requests;
mod servers;
mod subscribe;
mod subscriptions;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Weak};
use std::time::Duration;

use mqtt_protocol::alias::{ReceivedAliases, SentAliases};
use mqtt_protocol::delivery::{Incoming, Outgoing};
use mqtt_protocol::{Binary, Packet, QoS, ReasonCode, Version};

use crate::message::Acknowledge;
use crate::{Error, ErrorKind, Event, LogLevel, Message, Moment, Op, Options, OwnedText, Server};
use acks::Acks;
pub(crate) use auth::{Authentication, Salting};
use backoff::Backoff;
use journal::Journal;
pub(crate) use journal::{HEADER, Saved, WallClock};
use keep_alive::KeepAlive;
use outbox::Outbox;
use own_auth::OwnAuthentication;
pub use publish::Request;
use queue::{Queue, Queued};
use requests::Requests;
use servers::Servers;
pub use subscribe::Subscribe;
use subscriptions::Subscriptions;

/// A client's side of MQTT; what the standard calls Session State is part of it. [MQTT-4.1.0-1]
#[derive(Debug)]
pub(crate) struct Session {
    options: Options,
    phase: Phase,
    servers: Servers,
    /// What the server knows it by, from the first connection to the last. [MQTT-3.1.3-2]
    client_id: OwnedText,
    memory: Memory,
    authentication: Option<Authentication>,
    own_authentication: Option<OwnAuthentication>,
    /// What the server granted; `None` before the first CONNACK.
    limits: Option<Limits>,
    connected_at: Moment,
    outbox: Outbox,
    events: Vec<Event>,
    /// Memory of messages that the program is done with.
    spares: Vec<Arc<Message>>,
    lines: Vec<(LogLevel, String)>,
    last_op: u64,
    queue: Queue,
    outgoing: Outgoing<Queued>,
    sent_aliases: SentAliases,
    incoming: Incoming,
    received_aliases: ReceivedAliases,
    acks: Acks,
    acknowledger: Weak<dyn Acknowledge>,
    subscriptions: Subscriptions,
    requests: Requests,
    keep_alive: KeepAlive,
    backoff: Option<Backoff>,
    counts: Counts,
    /// Whether the program left before all was done.
    left_something: bool,
    /// What outlives the process, if anything does.
    journal: Option<Journal>,
    /// Why the journal can no longer be kept.
    broken: Option<Error>,
}

/// What this end remembers of earlier connections, and so what CONNECT asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Memory {
    /// Nothing, and the session is to be a new one.
    Fresh,
    /// Nothing, but what the server may remember is not to be thrown away.
    Unknown,
    /// A session that is to go on.
    Kept,
}

/// Where the session stands.
#[derive(Debug)]
enum Phase {
    /// No connection is wanted.
    Stopped,
    /// The pause between two attempts.
    Waiting {
        until: Moment,
    },
    /// The shell is opening a connection.
    Opening {
        deadline: Moment,
    },
    /// CONNECT has been written, CONNACK is to come.
    Greeting {
        deadline: Moment,
    },
    Connected,
    /// The program wants to go; what is owed to it or to the server comes first.
    Leaving {
        deadline: Moment,
        farewell: Farewell,
    },
    /// DISCONNECT is in the outbox; the connection ends when it is written.
    Closing {
        deadline: Moment,
        ending: Ending,
    },
}

/// How a connection, or an attempt at one, ends.
#[derive(Debug)]
struct Ending {
    /// Whether there was a connection that was told to the program.
    was_connected: bool,
    /// Why; `None` if the program wanted it.
    error: Option<Error>,
    /// Whether another attempt would end in the same way.
    is_final: bool,
    /// Whether the server has sent the client elsewhere, and if so whether it goes there at once.
    is_sent_on: Option<bool>,
    user_properties: Vec<(OwnedText, OwnedText)>,
}

/// What the shell's connection should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Demand {
    /// Closed.
    None,
    /// Being opened.
    Open,
    /// Open.
    Keep,
    /// Closed, as soon as the outbox is written.
    FlushAndClose,
}

/// What a program says when it goes.
#[derive(Clone, Debug)]
pub struct Farewell {
    /// The reason.
    pub reason: ReasonCode,
    /// The reason in words.
    pub reason_string: Option<OwnedText>,
    /// How long the server is to keep the session, if not as long as CONNECT said.
    pub session_expiry_secs: Option<u32>,
    /// Names and values of the program's own.
    pub user_properties: Vec<(OwnedText, OwnedText)>,
}

impl Default for Farewell {
    fn default() -> Self {
        Self {
            reason: ReasonCode::Success,
            reason_string: None,
            session_expiry_secs: None,
            user_properties: Vec::new(),
        }
    }
}

/// What a server grants with CONNACK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The highest QoS it accepts.
    pub maximum_qos: QoS,
    /// Whether it keeps retained messages.
    pub has_retain: bool,
    /// The largest packet it accepts, in bytes.
    pub maximum_packet_size: u32,
    /// How many QoS 1 and 2 messages it takes at once.
    pub receive_maximum: u16,
    /// How many topic aliases it takes.
    pub topic_aliases: u16,
    /// The keep alive that holds, in seconds.
    pub keep_alive_secs: u16,
    /// How long it keeps the session, in seconds.
    pub session_expiry_secs: u32,
    /// Whether filters may have wildcards.
    pub has_wildcards: bool,
    /// Whether subscriptions may be shared.
    pub has_shared_subscriptions: bool,
    /// Whether subscriptions may have identifiers.
    pub has_subscription_identifiers: bool,
}

/// Counts of a client's work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages that wait to be sent.
    pub queued_messages: usize,
    /// Bytes of their topics and payloads.
    pub queued_bytes: usize,
    /// Messages the server has not acknowledged.
    pub in_flight: usize,
    /// Messages sent.
    pub sent: u64,
    /// Messages received.
    pub received: u64,
    /// Connections after the first.
    pub reconnects: u64,
    /// Messages given up by the queue's policy.
    pub dropped: u64,
}

/// Whom the end of a publish concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Report {
    /// Nobody, unless it fails.
    Failure,
    /// The program, under this operation.
    Always(Op),
    /// A request, whose answer is what the program waits for.
    Request(Op),
}

impl Report {
    /// The operation that the program knows it by.
    fn op(self) -> Option<Op> {
        match self {
            Self::Always(op) | Self::Request(op) => Some(op),
            Self::Failure => None,
        }
    }
}

impl Session {
    /// A session that wants to connect. `seed` is any number unlike other clients'.
    pub(crate) fn new(
        options: Options,
        acknowledger: Weak<dyn Acknowledge>,
        seed: u64,
        now: Moment,
    ) -> Self {
        let mut outgoing = Outgoing::new(options.maximum_in_flight.get());
        if options.adopts_session {
            // The server may remember QoS 2 identifiers of an earlier run; chance keeps clear of them.
            outgoing.continue_from(
                mqtt_protocol::PacketId::new(seed as u16).unwrap_or(mqtt_protocol::PacketId::FIRST),
            );
        }
        Self {
            phase: Phase::Opening { deadline: now + options.connect_timeout },
            servers: Servers::new(&options),
            client_id: options.client_id.clone(),
            memory: match (options.clean_start, options.adopts_session) {
                (true, _) => Memory::Fresh,
                (false, false) => Memory::Unknown,
                (false, true) => Memory::Kept,
            },
            authentication: None,
            own_authentication: options.authentication_method.clone().map(OwnAuthentication::new),
            limits: None,
            connected_at: now,
            outbox: Outbox::default(),
            events: Vec::new(),
            spares: Vec::new(),
            lines: Vec::new(),
            last_op: 0,
            queue: Queue::new(options.queue),
            outgoing,
            sent_aliases: SentAliases::default(),
            incoming: incoming(&options),
            received_aliases: ReceivedAliases::default(),
            acks: Acks::default(),
            acknowledger,
            subscriptions: Subscriptions::default(),
            requests: Requests::new(seed),
            keep_alive: KeepAlive::new(0, now),
            backoff: options.reconnect.map(|limits| Backoff::new(limits, seed)),
            counts: Counts::default(),
            left_something: false,
            journal: None,
            broken: None,
            options,
        }
    }

    /// What the shell's connection should be.
    pub(crate) fn demand(&self) -> Demand {
        match self.phase {
            Phase::Stopped | Phase::Waiting { .. } => Demand::None,
            Phase::Opening { .. } => Demand::Open,
            Phase::Greeting { .. } | Phase::Connected | Phase::Leaving { .. } => Demand::Keep,
            Phase::Closing { .. } => Demand::FlushAndClose,
        }
    }

    /// The server that a connection is to be opened to.
    pub(crate) fn server(&self) -> Option<&Server> {
        self.servers.current()
    }

    /// Whether the server has accepted the client; before, nothing is sent but what that takes.
    /// [MQTT-3.1.2-30]
    pub(crate) fn is_connected(&self) -> bool {
        matches!(self.phase, Phase::Connected | Phase::Leaving { .. })
    }

    /// When [`handle_timeout`](Self::handle_timeout) has to be called.
    pub(crate) fn next_timeout(&self) -> Option<Moment> {
        let phase = match &self.phase {
            Phase::Stopped => None,
            Phase::Waiting { until } => Some(*until),
            Phase::Opening { deadline } | Phase::Greeting { deadline } => Some(*deadline),
            Phase::Connected => self.keep_alive.next().map(|(at, _)| at),
            Phase::Leaving { deadline, .. } => {
                let keep_alive = self.keep_alive.next().map(|(at, _)| at);
                [Some(*deadline), keep_alive].into_iter().flatten().min()
            }
            Phase::Closing { deadline, .. } => Some(*deadline),
        };
        let answer = self.subscriptions.next_timeout();
        [phase, answer, self.requests.next_timeout()].into_iter().flatten().min()
    }

    /// Moves what there is to be written into `bytes`, which is empty.
    ///
    /// Returns whether [`handle_written`](Self::handle_written) is to be told how far it got.
    pub(crate) fn take_output(&mut self, bytes: &mut Vec<u8>, now: Moment) -> bool {
        self.send_queued(now);
        self.leave_if_done(now);
        if !self.outbox.is_empty() {
            self.outbox.take(bytes);
            self.keep_alive.sent(now);
        }
        self.outbox.has_marks()
    }

    /// Moves what is to be told to the program into `events`.
    pub(crate) fn take_events(&mut self, events: &mut Vec<Event>) {
        events.append(&mut self.events);
    }

    /// Messages that the program is done with, whose memory the next ones may have.
    pub(crate) fn spares(&mut self) -> &mut Vec<Arc<Message>> {
        &mut self.spares
    }

    /// Whether there is something for the shell to do.
    pub(crate) fn has_output(&self) -> bool {
        !self.outbox.is_empty() || !self.events.is_empty()
    }

    /// How many bytes there are to be written.
    pub(crate) fn output_length(&self) -> usize {
        self.outbox.len()
    }

    /// Lines for the log.
    pub(crate) fn take_lines(&mut self) -> Vec<(LogLevel, String)> {
        std::mem::take(&mut self.lines)
    }

    /// Whether the program left before all was done.
    pub(crate) fn left_something(&self) -> bool {
        self.left_something
    }

    /// The client id, given by the program or by the server.
    pub(crate) fn client_id(&self) -> &OwnedText {
        &self.client_id
    }

    /// What the server granted at the latest connection.
    pub(crate) fn limits(&self) -> Option<&Limits> {
        self.limits.as_ref()
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts {
            queued_messages: self.queue.len(),
            queued_bytes: self.queue.bytes(),
            in_flight: self.outgoing.len(),
            ..self.counts
        }
    }

    /// Whether the operation's outcome has yet to come.
    pub(crate) fn is_running(&self, op: Op) -> bool {
        let concerns = |report: Report| report.op() == Some(op);
        self.outbox.is_marked(op)
            || self.queue.iter().any(|queued| concerns(queued.report))
            || self.outgoing.iter().any(|(_, sent)| concerns(sent.message.report))
            || self.subscriptions.is_running(op)
            || self.is_authenticating(op)
            || self.requests.contains(op)
    }

    /// Tells whether the socket is being read; while it is not, silence means nothing.
    pub(crate) fn set_reading(&mut self, is_reading: bool, now: Moment) {
        self.keep_alive.set_deaf(!is_reading, now);
    }

    fn next_op(&mut self) -> Op {
        self.last_op += 1;
        Op(self.last_op)
    }

    fn log(&mut self, level: LogLevel, line: impl FnOnce() -> String) {
        if self.options.log.as_ref().is_some_and(|log| level <= log.level) {
            self.lines.push((level, line()));
        }
    }

    /// Writes a packet for which the server's limit leaves room in any case, and that no window
    /// delays. [MQTT-3.3.4-8] [MQTT-4.9.0-3]
    fn send(&mut self, mut packet: Packet<'_>) {
        let (version, maximum) = (self.version(), self.maximum_packet_size());
        if packet.encode_as(version, maximum, self.outbox.bytes()).is_err() {
            // [MQTT-3.2.2-15]
            packet.strip_diagnostics();
            let _ = packet.encode_as(version, maximum, self.outbox.bytes());
        }
    }

    /// The form of packets; what they mean is said in terms of 5.0.
    fn version(&self) -> Version {
        self.options.version
    }

    /// The largest packet the server takes. [MQTT-3.2.2-15]
    fn maximum_packet_size(&self) -> usize {
        self.limits.map_or(usize::MAX, |limits| limits.maximum_packet_size as usize)
    }
}

/// Nothing received yet. A server of an older version cannot be told of a Receive Maximum.
fn incoming(options: &Options) -> Incoming {
    let announced = options.receive_maximum.get();
    Incoming::new(if options.version.has_properties() { announced } else { u16::MAX })
}

fn violation(detail: &'static str) -> mqtt_protocol::DecodeError {
    mqtt_protocol::DecodeError { reason: ReasonCode::ProtocolError, detail }
}
