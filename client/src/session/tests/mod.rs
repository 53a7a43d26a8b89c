//! Dialogues with a server: packets in, packets out, time as a variable.

mod auth;
mod connecting;
mod duties;
mod leaving;
mod older;
mod outliving;
mod own_auth;
mod publishing;
mod reaching;
mod receiving;
mod requesting;
mod subscribing;

use std::num::NonZeroU16;
use std::sync::Weak;
use std::time::Duration;

use mqtt_protocol::{
    Ack, ConnAck, ConnAckProperties, Decoded, Delivery, Packet, PacketId, Publish, QoS, ReasonCode,
    SubAck, TopicFilter, TopicName, Version, decode_as,
};

use super::{Demand, Session};
use crate::message::Acknowledge;
use crate::{Draft, Error, ErrorKind, Event, Moment, Op, Options, Subscribe};

/// Nobody: these tests acknowledge through the session itself.
struct Nobody;

impl Acknowledge for Nobody {
    fn acknowledge(&self, _: u64, _: ReasonCode) -> Result<(), Error> {
        unreachable!("no message of these tests knows its client")
    }
}

/// A session and the server it talks to, played by the test.
struct Dialogue {
    session: Session,
    now: Moment,
    written: u64,
}

fn options() -> Options {
    Options::new("mqtt://server").unwrap()
}

impl Dialogue {
    /// A session that is to connect.
    fn new(options: Options) -> Self {
        let now = Moment::from_nanos(1_000_000_000);
        let session = Session::new(options, Weak::<Nobody>::new(), 42, now);
        Self { session, now, written: 0 }
    }

    /// A session whose server has accepted it.
    fn connected() -> Self {
        Self::connected_with(options(), ConnAckProperties::default())
    }

    fn connected_with(options: Options, granted: ConnAckProperties<'_>) -> Self {
        let mut dialogue = Self::new(options);
        dialogue.connect(false, granted);
        dialogue.events();
        dialogue
    }

    /// Opens a connection and lets the server accept it. Returns what CONNECT was.
    fn connect(&mut self, session_present: bool, properties: ConnAckProperties<'_>) -> Vec<u8> {
        assert_eq!(self.session.demand(), Demand::Open);
        self.session.handle_opened(self.now);
        let connect = self.output();
        self.server(Packet::ConnAck(ConnAck {
            session_present,
            reason: ReasonCode::Success,
            properties,
        }));
        connect
    }

    /// The connection breaks; the pause before the next attempt passes.
    fn break_and_wait(&mut self) {
        self.session.handle_closed(Error::new(ErrorKind::Lost, "broken"), self.now);
        self.written = 0;
        self.wait_for_attempt();
    }

    fn wait_for_attempt(&mut self) {
        while self.session.demand() == Demand::None {
            self.now = self.session.next_timeout().expect("another attempt follows").max(self.now);
            self.session.handle_timeout(self.now);
        }
        assert_eq!(self.session.demand(), Demand::Open);
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        while let Some(at) = self.session.next_timeout().filter(|at| *at <= self.now) {
            self.session.handle_timeout(at.max(self.now));
        }
    }

    /// The server sends a packet.
    #[allow(clippy::needless_pass_by_value, reason = "a dialogue reads better without references")]
    fn server(&mut self, packet: Packet<'_>) {
        let mut bytes = Vec::new();
        packet.encode_as(self.session.version(), usize::MAX, &mut bytes).unwrap();
        assert_eq!(self.session.handle_input(&bytes, self.now), bytes.len());
    }

    /// What the client writes, all of which reaches the socket.
    fn output(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.session.take_output(&mut bytes, self.now);
        self.written += bytes.len() as u64;
        self.session.handle_written(self.written, self.now);
        bytes
    }

    /// The client has sent exactly these packets.
    #[track_caller]
    fn client(&mut self, expected: &[Packet<'_>]) {
        let bytes = self.output();
        assert_eq!(packets_as(self.session.version(), &bytes), expected);
    }

    /// What the program is told, in words.
    fn events(&mut self) -> Vec<String> {
        let mut events = Vec::new();
        self.session.take_events(&mut events);
        events.iter().map(describe).collect()
    }

    fn messages(&mut self) -> Vec<std::sync::Arc<crate::Message>> {
        let mut events = Vec::new();
        self.session.take_events(&mut events);
        events.iter().filter_map(|event| event.message().cloned()).collect()
    }

    fn publish(&mut self, qos: QoS, topic: &str) -> Result<Op, Error> {
        let mut draft = Draft::new(TopicName::new(topic).unwrap(), topic.as_bytes());
        draft.qos = qos;
        self.session.publish(&draft, true, self.now)
    }

    fn subscribe(&mut self, filter: &str) -> Op {
        let filter = TopicFilter::new(filter).unwrap();
        let subscribe = Subscribe::new(filter, QoS::AtLeastOnce);
        self.session.subscribe(&subscribe, true, self.now).unwrap()
    }
}

/// The packets in some bytes.
#[track_caller]
fn packets(bytes: &[u8]) -> Vec<Packet<'_>> {
    packets_as(Version::V5_0, bytes)
}

#[track_caller]
fn packets_as(version: Version, mut bytes: &[u8]) -> Vec<Packet<'_>> {
    let mut packets = Vec::new();
    while !bytes.is_empty() {
        let Ok(Decoded::Packet { packet, length }) = decode_as(version, bytes, usize::MAX) else {
            panic!("the client writes whole and valid packets, not {bytes:02x?}");
        };
        packets.push(packet);
        bytes = &bytes[length..];
    }
    packets
}

fn describe(event: &Event) -> String {
    let outcome = |error: Option<&Error>| match error {
        Some(error) => format!("{:?}", error.kind),
        None => "ok".to_owned(),
    };
    let op = event.op().map_or("-".to_owned(), |op| op.0.to_string());
    match event {
        Event::Connected { session_present: true, .. } => "connected, session present".to_owned(),
        Event::Connected { .. } => "connected".to_owned(),
        Event::ConnectFailed { error, retry } => {
            format!("connect failed: {:?}, retry {}", error.kind, retry.is_some())
        }
        Event::Disconnected { error, retry, .. } => {
            format!("disconnected: {}, retry {}", outcome(error.as_ref()), retry.is_some())
        }
        Event::Stopped { error } => format!("stopped: {}", outcome(error.as_ref())),
        Event::Message { message, .. } => format!("message {}", message.topic()),
        Event::PublishDone { .. } => format!("published {op}: {}", outcome(event.error())),
        Event::SubscribeDone { .. } => format!("subscribed {op}: {}", outcome(event.error())),
        Event::UnsubscribeDone { .. } => format!("unsubscribed {op}: {}", outcome(event.error())),
        Event::Reply { .. } => format!("reply {op}: {}", outcome(event.error())),
        Event::AuthenticationDone { .. } => {
            format!("authenticated {op}: {}", outcome(event.error()))
        }
        Event::AuthenticationStep { .. } => "authentication step".to_owned(),
        Event::Writable => "writable".to_owned(),
        Event::SubscriptionLost { filter, .. } => format!("lost {filter}"),
        Event::Redirect { reference, .. } => format!("redirect {reference}"),
    }
}

fn id(number: u16) -> PacketId {
    PacketId::new(number).unwrap()
}

fn ack(number: u16) -> Ack<'static> {
    Ack::new(id(number), ReasonCode::Success)
}

fn window(messages: u16) -> ConnAckProperties<'static> {
    ConnAckProperties { receive_maximum: NonZeroU16::new(messages), ..Default::default() }
}

/// A PUBLISH whose payload is its topic.
fn publish(delivery: Delivery, topic: &str) -> Packet<'_> {
    let message = Publish::at_most_once(TopicName::new(topic).unwrap(), topic.as_bytes());
    Packet::Publish(Publish { delivery, ..message })
}

fn once(number: u16) -> Delivery {
    Delivery::AtLeastOnce { packet_id: id(number), duplicate: false }
}

fn exactly_once(number: u16) -> Delivery {
    Delivery::ExactlyOnce { packet_id: id(number), duplicate: false }
}

fn again(delivery: Delivery) -> Delivery {
    match delivery {
        Delivery::AtMostOnce => delivery,
        Delivery::AtLeastOnce { packet_id, .. } => {
            Delivery::AtLeastOnce { packet_id, duplicate: true }
        }
        Delivery::ExactlyOnce { packet_id, .. } => {
            Delivery::ExactlyOnce { packet_id, duplicate: true }
        }
    }
}

fn suback(number: u16, reasons: &[ReasonCode]) -> Packet<'static> {
    Packet::SubAck(SubAck {
        packet_id: id(number),
        properties: Default::default(),
        reasons: reasons.to_vec(),
    })
}
