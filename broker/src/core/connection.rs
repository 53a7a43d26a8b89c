//! A connection: what lasts as long as the network connection and no longer, and its outbox.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use mqtt_protocol::alias::{ReceivedAliases, SentAliases};
use mqtt_protocol::{
    Ack, ConnAck, Connect, Delivery, Disconnect, EncodeError, OwnedTopicName, Packet, PacketId,
    PacketType, Publish, PublishFrame, PublishTopic, ReasonCode, Version,
};

use super::authentication::Exchange;
use super::keeping::Withheld;
use super::limits::Limits;
use super::origin::{Block, Origin};
use super::pressure::Held;
use super::rate::Meter;
use super::route::Route;
use super::session::SessionId;
use super::time::Instant;

/// Names a connection; never used for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId {
    pub(super) index: u32,
    pub(super) generation: u32,
}

impl ConnectionId {
    /// A small number that no other connection has at the same time.
    pub const fn index(self) -> usize {
        self.index as usize
    }
}

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) generation: u32,
    pub(super) state: State,
    /// How much the client sends; one of this machine is not measured.
    pub(super) meter: Option<Meter>,
    /// The form of what goes back and forth: that of the client's CONNECT.
    pub(super) version: Version,
    /// Who answers for what it does, if it is not from this machine.
    pub(super) block: Option<Block>,
    pub(super) outbox: Outbox,
    /// What the store has to have before it may leave.
    pub(super) withheld: Option<Box<Withheld>>,
    /// Who is not read until the client takes what waits in the outbox.
    pub(super) held: Option<Box<Held>>,
    /// Who the client has proved to be.
    pub(super) user: Option<Arc<str>>,
    /// Whether a certificate has proved it, before CONNECT.
    pub(super) is_certified: bool,
    /// The authentication method of CONNECT. [MQTT-4.12.0-5]
    pub(super) method: Option<&'static str>,
    /// The proof of who the client is, while it is under way.
    pub(super) exchange: Option<Box<Exchange>>,
    /// When the client was last heard. [MQTT-3.1.2-22]
    pub(super) last_heard: Instant,
    /// How long it may stay silent; `None` is for ever.
    pub(super) patience: Option<Duration>,
    /// What it takes to receive messages from the client, once it has published one.
    pub(super) publishing: Option<Box<Publishing>>,
    /// The highest alias the client may define.
    pub(super) topic_alias_maximum: u16,
    /// What the client is sent instead of topic names, if it takes any.
    pub(super) sent_aliases: Option<Box<SentAliases>>,
    /// The largest packet the client takes, in bytes. [MQTT-3.1.2-24]
    maximum_packet_size: usize,
    wants_problem_information: bool,
}

/// The length of a step of an exchange, at most.
const LARGEST_STEP: usize = 5;

/// What it takes to receive messages from a client.
#[derive(Debug)]
pub(super) struct Publishing {
    pub(super) aliases: ReceivedAliases,
    /// The topic of the last message, which mostly is that of the next, and where it went.
    pub(super) topic: Option<OwnedTopicName>,
    pub(super) route: Route,
}

impl Publishing {
    /// For a client that may define aliases up to this one.
    pub(super) fn new(topic_alias_maximum: u16) -> Self {
        Self {
            aliases: ReceivedAliases::new(topic_alias_maximum),
            topic: None,
            route: Route::default(),
        }
    }
}

/// ```text
///  Handshake ──────────────CONNECT accepted──► Open ──DISCONNECT, error, takeover, timeout──► Closing
///      ├──► Authenticating ──AUTH accepted────────┤                                               │
///      ├──► Checking ────────password accepted────┘                                               │
///      └───────┴─refused, error, timeout──────────────────────────────────────────────────────────┘
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// CONNECT has not come. [MQTT-3.1.0-1]
    Handshake,
    /// The client is to prove with AUTH who it is.
    Authenticating,
    /// The shell checks the client's password; what comes in waits.
    Checking,
    /// The client uses this session.
    Open(SessionId),
    /// What is in the outbox is the last that is sent, what comes in is ignored.
    /// [MQTT-3.14.4-1] [MQTT-3.1.4-6]
    Closing,
}

impl State {
    /// Whether CONNECT has not come, or has not been answered.
    pub(super) const fn is_before_connack(self) -> bool {
        matches!(self, Self::Handshake | Self::Authenticating | Self::Checking)
    }
}

impl Connection {
    pub(super) fn new(generation: u32, origin: Origin, now: Instant) -> Self {
        Self {
            generation,
            state: State::Handshake,
            block: origin.block(),
            meter: origin.block().map(|_| Meter::default()),
            version: Version::default(),
            outbox: Outbox::default(),
            withheld: None,
            held: None,
            user: None,
            is_certified: false,
            method: None,
            exchange: None,
            last_heard: now,
            patience: None,
            publishing: None,
            topic_alias_maximum: 0,
            sent_aliases: None,
            maximum_packet_size: usize::MAX,
            wants_problem_information: true,
        }
    }

    /// Takes over how the client wants to be spoken to, be it only to be refused.
    pub(super) fn speak_as(&mut self, connect: &Connect<'_>) {
        self.version = connect.version;
        let maximum = connect.properties.maximum_packet_size;
        self.maximum_packet_size = maximum.map_or(usize::MAX, |bytes| bytes.get() as usize);
    }

    /// Takes over what the client asks of the connection.
    pub(super) fn accept(&mut self, session: SessionId, connect: &Connect<'_>, limits: &Limits) {
        let asked = &connect.properties;
        self.state = State::Open(session);
        // Silence of one and a half times the interval is too much: the client's, unless CONNACK names
        // another. [MQTT-3.1.2-22] [MQTT-3.2.2-22]
        let keep_alive = limits.server_keep_alive(connect).unwrap_or(connect.keep_alive_secs);
        let keep_alive = u64::from(keep_alive);
        self.patience = (keep_alive > 0).then(|| Duration::from_millis(keep_alive * 1500));
        self.topic_alias_maximum = limits.topic_alias_maximum;
        let aliases = asked.topic_alias_maximum.unwrap_or(0);
        let aliases = aliases.min(limits.maximum_sent_aliases);
        self.sent_aliases = (aliases > 0).then(|| Box::new(SentAliases::new(aliases)));
        self.wants_problem_information = asked.request_problem_information.unwrap_or(true);
    }

    /// The session, while the connection is open.
    pub(super) const fn session(&self) -> Option<SessionId> {
        match self.state {
            State::Open(session) => Some(session),
            _ => None,
        }
    }

    /// Sends CONNACK, without what is only for people if it would be too large.
    /// [MQTT-3.2.2-19] [MQTT-3.2.2-20]
    pub(super) fn send_connack(&mut self, connack: ConnAck<'_>) {
        self.send_stripped_if_too_large(&Packet::ConnAck(connack));
    }

    /// Sends DISCONNECT, which ends the connection. [MQTT-3.14.2-3] [MQTT-3.14.2-4]
    /// Before version 5.0 a server could only hang up.
    pub(super) fn send_disconnect(&mut self, disconnect: Disconnect<'_>) {
        if !self.version.has_properties() {
            return;
        }
        self.send_stripped_if_too_large(&Packet::Disconnect(disconnect));
    }

    /// Sends an answer to a request, with Reason String and User Properties only if the client
    /// wants them and has room for them. [MQTT-3.1.2-29]
    pub(super) fn send_answer(&mut self, packet: &Packet<'_>) {
        if self.wants_problem_information {
            self.send_stripped_if_too_large(packet);
        } else {
            self.send_stripped(packet);
        }
    }

    /// Sends a step of an exchange, which never has properties.
    pub(super) fn send_step(&mut self, kind: PacketType, packet_id: PacketId, reason: ReasonCode) {
        // [MQTT-3.1.2-24]
        if self.maximum_packet_size >= LARGEST_STEP {
            Ack::append_plain(kind, self.version, packet_id, reason, &mut self.outbox.bytes);
        }
    }

    /// Whether the client takes so large a packet. [MQTT-3.1.2-24]
    pub(super) fn takes(&self, packet: &Packet<'_>) -> bool {
        packet.length() <= self.maximum_packet_size
    }

    fn send_stripped_if_too_large(&mut self, packet: &Packet<'_>) {
        let maximum = self.maximum_packet_size;
        if packet.encode_as(self.version, maximum, &mut self.outbox.bytes).is_err() {
            self.send_stripped(packet);
        }
    }

    fn send_stripped(&mut self, packet: &Packet<'_>) {
        let mut packet = packet.clone();
        packet.strip_diagnostics();
        // An answer that is too large even so cannot be given at all. [MQTT-3.1.2-24]
        let _ = packet.encode_as(self.version, self.maximum_packet_size, &mut self.outbox.bytes);
    }

    /// Whether messages are sent to the client as they are sent to others: without aliases.
    pub(super) const fn takes_frames(&self) -> bool {
        self.sent_aliases.is_none()
    }

    /// Sends a copy of a message.
    ///
    /// # Errors
    /// The client does not take packets that large. [MQTT-3.1.2-24]
    pub(super) fn send_frame(
        &mut self,
        frame: &PublishFrame<impl AsRef<[u8]>>,
        delivery: Delivery,
        retain: bool,
    ) -> Result<(), EncodeError> {
        frame.append(delivery, retain, self.maximum_packet_size, &mut self.outbox.bytes)
    }

    /// Sends a message, with an alias for its topic if the client knows any.
    ///
    /// # Errors
    /// The client does not take packets that large. [MQTT-3.1.2-24]
    pub(super) fn send_publish(&mut self, mut publish: Publish<'_>) -> Result<(), EncodeError> {
        if let (PublishTopic::Name(name), Some(aliases)) = (publish.topic, &mut self.sent_aliases) {
            publish.topic = aliases.choose(name);
        }
        let topic = publish.topic;
        let packet = Packet::Publish(publish);
        let sent = packet.encode_as(self.version, self.maximum_packet_size, &mut self.outbox.bytes);
        if let (Err(_), Some(aliases)) = (sent, &mut self.sent_aliases) {
            aliases.forget(topic);
        }
        sent
    }
}

/// The connections whose CONNECT has not come or has not been answered, oldest first.
#[derive(Debug, Default)]
pub(super) struct Unconnected {
    /// Some of them may have gone on since.
    pub(super) arrived: VecDeque<ConnectionId>,
    pub(super) count: usize,
}

/// The bytes for one connection, appended here and written elsewhere.
///
/// Who takes them has the right to write until there are none left; meanwhile bytes are only
/// appended, so they never cross on the wire.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    pub(super) bytes: Vec<u8>,
    pub(super) right: WriteRight,
}

/// Buffers between two uses, so that an outbox need not grow anew for each batch and an idle
/// connection holds none.
#[derive(Debug, Default)]
pub(super) struct SpareBuffers {
    buffers: Vec<Vec<u8>>,
    /// What they can hold together.
    capacity: usize,
}

/// How much room spare buffers take, at most, in bytes.
const SPARE_CAPACITY: usize = 4 * 1024 * 1024;

impl SpareBuffers {
    /// Sees to it that bytes can be appended to the outbox.
    pub(super) fn lend(&mut self, outbox: &mut Outbox) {
        if outbox.bytes.capacity() == 0
            && let Some(buffer) = self.buffers.pop()
        {
            self.capacity -= buffer.capacity();
            outbox.bytes = buffer;
        }
    }

    /// Takes a buffer that is no longer needed. More than there are connections would
    /// never be used at once.
    pub(super) fn take_back(&mut self, mut buffer: Vec<u8>, connections: usize) {
        buffer.clear();
        let capacity = self.capacity + buffer.capacity();
        let is_welcome = self.buffers.len() < connections && capacity <= SPARE_CAPACITY;
        if buffer.capacity() > 0 && is_welcome {
            self.capacity = capacity;
            self.buffers.push(buffer);
        }
    }
}

/// Who has the right to write the bytes of an outbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum WriteRight {
    /// Nobody, and nobody need have it while there are no bytes.
    #[default]
    Free,
    /// It was offered by [`Output::Flush`](super::Output::Flush).
    Offered,
    /// Somebody took it.
    Taken,
    /// Nobody, before the store has what CONNACK promises.
    Withheld,
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use mqtt_protocol::{
        Auth, AuthProperties, ConnAckProperties, DisconnectProperties, ReasonProperties, SubAck,
        Text, UserPropertyList,
    };

    use super::*;

    /// What comes of sending a packet to a client with such wishes.
    fn sent(packet: &Packet<'_>, wants_reasons: Option<bool>, maximum: usize) -> Vec<u8> {
        let mut connect = Connect::default();
        connect.properties.request_problem_information = wants_reasons;
        connect.properties.maximum_packet_size = NonZeroU32::new(maximum as u32);
        let mut connection = Connection::new(0, Origin::Local, Instant::from_nanos(0));
        connection.speak_as(&connect);
        connection.accept(SessionId::new(0), &connect, &Limits::default());
        match packet.clone() {
            Packet::ConnAck(connack) => connection.send_connack(connack),
            Packet::Disconnect(disconnect) => connection.send_disconnect(disconnect),
            answer => connection.send_answer(&answer),
        }
        connection.outbox.bytes
    }

    fn bytes(packet: &Packet<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        packet.encode(&mut bytes).unwrap();
        bytes
    }

    /// Calls `check` with each packet that may be explained, explained and not.
    fn for_each_packet(check: impl Fn(&Packet<'_>, &Packet<'_>)) {
        let (reason, packet_id) = (ReasonCode::Success, PacketId::FIRST);
        let reason_string = Text::new("because").ok();
        let mut list = UserPropertyList::new();
        list.push(Text::new("name").unwrap(), Text::new("value").unwrap());
        let user_properties = list.view();

        let properties = ReasonProperties { reason_string, user_properties };
        let ack = Ack { packet_id, reason, properties: properties.clone() };
        let suback = SubAck { packet_id, properties, reasons: vec![reason] };
        let properties =
            ConnAckProperties { reason_string, user_properties, ..ConnAckProperties::default() };
        let connack = ConnAck { session_present: false, reason, properties };
        let properties = DisconnectProperties {
            reason_string,
            user_properties,
            ..DisconnectProperties::default()
        };
        let disconnect = Disconnect { reason, properties };
        let properties =
            AuthProperties { reason_string, user_properties, ..AuthProperties::default() };
        let auth = Auth { reason, properties };
        for explained in [
            Packet::ConnAck(connack),
            Packet::PubAck(ack.clone()),
            Packet::PubRec(ack.clone()),
            Packet::PubRel(ack.clone()),
            Packet::PubComp(ack),
            Packet::SubAck(suback.clone()),
            Packet::UnsubAck(suback),
            Packet::Disconnect(disconnect),
            Packet::Auth(auth),
        ] {
            let mut plain = explained.clone();
            plain.strip_diagnostics();
            check(&explained, &plain);
        }
    }

    /// [MQTT-3.1.2-29]
    #[test]
    fn answers_say_why_to_those_who_want_to_know() {
        for_each_packet(|explained, plain| {
            for wants_reasons in [None, Some(true)] {
                assert_eq!(sent(explained, wants_reasons, 1000), bytes(explained));
            }
            let always = matches!(explained, Packet::ConnAck(_) | Packet::Disconnect(_));
            let expected = if always { explained } else { plain };
            assert_eq!(sent(explained, Some(false), 1000), bytes(expected));
        });
    }

    /// [MQTT-3.2.2-19] [MQTT-3.2.2-20] [MQTT-3.4.2-2] [MQTT-3.4.2-3] [MQTT-3.5.2-2]
    /// [MQTT-3.5.2-3] [MQTT-3.6.2-2] [MQTT-3.6.2-3] [MQTT-3.7.2-2] [MQTT-3.7.2-3]
    /// [MQTT-3.9.2-1] [MQTT-3.9.2-2] [MQTT-3.11.2-1] [MQTT-3.11.2-2] [MQTT-3.14.2-3]
    /// [MQTT-3.14.2-4] [MQTT-3.15.2-2] [MQTT-3.15.2-3] [MQTT-3.1.2-24]
    #[test]
    fn what_is_only_for_people_is_left_off_where_there_is_no_room() {
        for_each_packet(|explained, plain| {
            let (length, least) = (explained.length(), plain.length());
            assert_eq!(sent(explained, None, length), bytes(explained));
            assert_eq!(sent(explained, None, length - 1), bytes(plain));
            assert_eq!(sent(explained, None, least), bytes(plain));
            assert_eq!(sent(explained, None, least - 1), [], "not at all, if there is none");
        });
    }
}
