//! A broker core with hand-driven clients: packets in, packets out, time as a variable.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

use std::collections::HashMap;
use std::time::Duration;

use mqtt_broker::core::change::Change;
use mqtt_broker::core::limits::Limits;
use mqtt_broker::core::notice::Notice;
use mqtt_broker::core::time::{Instant, WallClock};
use mqtt_broker::core::{Access, Config, ConnectionId, Core, Durability, Output, Taken};
use mqtt_broker::store::Batch;
use mqtt_broker::users::PasswordCheck;
use mqtt_protocol::delivery::AcknowledgedQoS;
use mqtt_protocol::*;

/// A client is named by the number of its connection.
pub type Client = ConnectionId;

pub struct Broker {
    pub core: Core,
    pub now: Instant,
    limits: Limits,
    /// What each connection was sent and has not been looked at.
    sent: HashMap<Client, Inbox>,
    /// What was taken for clients that do not read.
    stuck: HashMap<Client, Vec<u8>>,
    closed: Vec<Client>,
    /// Who should not be read; what they send is taken all the same.
    pub held: Vec<Client>,
    pub stored: Vec<Change>,
    durability: Durability,
    /// Passwords the shell is to check.
    pub checks: Vec<(Client, PasswordCheck)>,
    /// What there is for the log.
    pub noted: Vec<Notice>,
}

/// The bytes a client was sent.
#[derive(Default)]
struct Inbox {
    fresh: Vec<u8>,
    /// Tests are short: what packets borrow from is not given back.
    looked_at: &'static [u8],
}

impl Broker {
    pub fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    pub fn with_limits(limits: Limits) -> Self {
        Self::with(limits, Access::default())
    }

    pub fn with(limits: Limits, access: Access) -> Self {
        Self::that_keeps(limits, access, Durability::OneSecond)
    }

    /// A broker that acknowledges nothing before [`commit`](Self::commit).
    pub fn durable() -> Self {
        Self::that_keeps(Limits::default(), Access::default(), Durability::Sync)
    }

    fn that_keeps(limits: Limits, access: Access, durability: Durability) -> Self {
        let now = Instant::from_nanos(1_000_000_000);
        let wall_clock = WallClock { unix: Duration::from_secs(1_800_000_000), at: now };
        let config =
            Config { limits: limits.clone(), wall_clock, run_id: "run".into(), access, durability };
        Self {
            core: Core::new(config),
            now,
            limits,
            sent: HashMap::new(),
            stuck: HashMap::new(),
            closed: Vec::new(),
            held: Vec::new(),
            stored: Vec::new(),
            durability,
            checks: Vec::new(),
            noted: Vec::new(),
        }
    }

    /// The broker stops in good order and another one goes on with what it has stored.
    pub fn restart(mut self) -> Self {
        self.core.shut_down(self.now);
        self.settle();
        self.stop_at_once()
    }

    /// The broker is gone without a word and another one goes on with what it has stored.
    pub fn stop_at_once(self) -> Self {
        self.go_on_as(Access::default())
    }

    /// Another one goes on with what it has stored, and lets these in.
    pub fn go_on_as(self, access: Access) -> Self {
        let mut next = Self::that_keeps(self.limits, access, self.durability);
        next.now = self.now;
        let mut kept = Kept::default();
        self.stored.iter().for_each(|change| kept.apply(change.clone()));
        kept.restore(&mut next.core, next.now);
        next.stored = self.stored;
        next.pass(Duration::ZERO);
        next
    }

    /// What has been told to the store is on disk.
    pub fn commit(&mut self) {
        self.core.handle_committed(self.core.changes_made(), self.now);
        self.settle();
    }

    /// Opens a connection and says nothing.
    pub fn open(&mut self) -> Client {
        self.core.open(self.now)
    }

    /// Connects with a clean start and checks that the broker agrees.
    pub fn connect(&mut self, client_id: &str) -> Client {
        self.connect_with(&Connect { clean_start: true, ..connect(client_id) })
    }

    /// Connects and checks that the broker agrees.
    pub fn connect_with(&mut self, connect: &Connect<'_>) -> Client {
        let (client, connack) = self.try_connect(connect);
        assert!(matches!(&connack, Packet::ConnAck(ack) if ack.reason == ReasonCode::Success));
        client
    }

    /// Connects with a session that outlives the connection; tells whether there was one.
    pub fn resume(&mut self, client_id: &str) -> (Client, bool) {
        let mut connect = connect(client_id);
        connect.properties.session_expiry_interval = Some(1000);
        let (client, connack) = self.try_connect(&connect);
        let Packet::ConnAck(connack) = connack else { panic!("no CONNACK") };
        (client, connack.session_present)
    }

    pub fn try_connect(&mut self, connect: &Connect<'_>) -> (Client, Packet<'static>) {
        let client = self.open();
        self.send(client, &Packet::Connect(connect.clone()));
        let packet = self.receive(client);
        (client, packet)
    }

    /// The client sends a packet.
    pub fn send(&mut self, from: Client, packet: &Packet<'_>) {
        let mut bytes = Vec::new();
        packet.encode(&mut bytes).unwrap();
        self.send_bytes(from, &bytes);
    }

    pub fn send_bytes(&mut self, from: Client, bytes: &[u8]) {
        let received = self.core.receive(from, bytes, self.now);
        if received.is_held {
            self.held.push(from);
        }
        assert_eq!(received.consumed, bytes.len(), "the packet is complete");
        self.settle();
    }

    /// The client's network connection is gone, without a word.
    pub fn lose(&mut self, client: Client) {
        self.core.handle_closed(client, self.now);
        self.settle();
    }

    /// Time passes, and what is due in it happens at its time.
    pub fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(due) = self.core.next_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.core.handle_timeout(self.now);
            self.settle();
        }
        self.now = end;
    }

    pub fn pass_secs(&mut self, secs: u64) {
        self.pass(Duration::from_secs(secs));
    }

    /// Does what the shell does: writes outboxes and closes connections.
    pub fn settle(&mut self) {
        while let Some(output) = self.core.poll_output() {
            match output {
                Output::Flush(client) => self.write(client),
                Output::Close(client) => {
                    self.write(client);
                    self.closed.push(client);
                    self.core.handle_closed(client, self.now);
                }
                Output::Resume(client) => self.held.retain(|held| *held != client),
                Output::CheckPassword(client, check) => self.checks.push((client, check)),
                Output::Note(notice) => self.noted.push(*notice),
            }
        }
        self.stored.extend(self.core.take_changes());
    }

    fn write(&mut self, client: Client) {
        let mut buffer = Vec::new();
        if let Some(stuck) = self.stuck.get_mut(&client) {
            if self.core.take_outbox(client, &mut buffer) == Taken::Bytes {
                stuck.append(&mut buffer);
            }
        } else if self.core.take_outbox(client, &mut buffer) == Taken::Bytes {
            self.write_out(client, buffer);
        }
    }

    fn write_out(&mut self, client: Client, mut buffer: Vec<u8>) {
        while !buffer.is_empty() {
            self.sent.entry(client).or_default().fresh.extend_from_slice(&buffer);
            self.core.written(client, &mut buffer, self.now);
        }
    }

    /// The client reads nothing until [`read_on`](Self::read_on): its socket is full.
    pub fn stop_reading(&mut self, client: Client) {
        self.stuck.insert(client, Vec::new());
    }

    pub fn read_on(&mut self, client: Client) {
        let buffer = self.stuck.remove(&client).unwrap_or_default();
        self.write_out(client, buffer);
        self.settle();
    }

    /// The next packet the client was sent.
    pub fn receive(&mut self, client: Client) -> Packet<'static> {
        self.try_receive(client).expect("the client was sent nothing")
    }

    /// The next packet the client was sent, if there is one.
    pub fn try_receive(&mut self, client: Client) -> Option<Packet<'static>> {
        let inbox = self.sent.entry(client).or_default();
        if inbox.looked_at.is_empty() {
            inbox.looked_at = std::mem::take(&mut inbox.fresh).leak();
        }
        if inbox.looked_at.is_empty() {
            return None;
        }
        match decode(inbox.looked_at, usize::MAX).expect("the broker sends packets") {
            Decoded::Packet { packet, length } => {
                inbox.looked_at = &inbox.looked_at[length..];
                Some(packet)
            }
            Decoded::Incomplete { .. } => panic!("the broker sent half a packet"),
        }
    }

    /// The bytes the client was sent, whatever they mean.
    pub fn received_bytes(&mut self, client: Client) -> Vec<u8> {
        let inbox = self.sent.entry(client).or_default();
        let looked_at = std::mem::take(&mut inbox.looked_at);
        [looked_at, &std::mem::take(&mut inbox.fresh)].concat()
    }

    /// All packets the client was sent.
    pub fn received(&mut self, client: Client) -> Vec<Packet<'static>> {
        std::iter::from_fn(|| self.try_receive(client)).collect()
    }

    /// The payloads of the messages the client was sent; no other packets are there.
    pub fn messages(&mut self, client: Client) -> Vec<String> {
        self.received(client).iter().map(payload).collect()
    }

    pub fn is_closed(&self, client: Client) -> bool {
        self.closed.contains(&client)
    }

    /// The DISCONNECT or CONNACK the client was sent last, before it was closed.
    pub fn refusal(&mut self, client: Client) -> Option<ReasonCode> {
        assert!(self.is_closed(client), "the connection is open");
        match self.received(client).last() {
            Some(Packet::Disconnect(disconnect)) => Some(disconnect.reason),
            Some(Packet::ConnAck(connack)) => Some(connack.reason),
            _ => None,
        }
    }

    /// Subscribes with default options and takes the SUBACK.
    pub fn subscribe(&mut self, client: Client, filter: &str, qos: QoS) {
        self.subscribe_with(client, subscription(filter, qos));
    }

    pub fn subscribe_with(&mut self, client: Client, subscription: Subscription<'_>) {
        let reason = self.try_subscribe(client, subscription, None);
        assert!(!reason.is_error(), "{reason}");
    }

    /// Subscribes with an identifier.
    pub fn subscribe_as(&mut self, client: Client, filter: &str, qos: QoS, identifier: u32) {
        let reason = self.try_subscribe(client, subscription(filter, qos), Some(identifier));
        assert!(!reason.is_error(), "{reason}");
    }

    /// Unsubscribes and gives the reasons in the UNSUBACK.
    pub fn unsubscribe(&mut self, client: Client, filters: &[&str]) -> Vec<ReasonCode> {
        let filters = filters.iter().map(|filter| TopicFilter::new(filter).unwrap()).collect();
        let properties = UnsubscribeProperties::default();
        let unsubscribe = Unsubscribe { packet_id: id(78), properties, filters };
        self.send(client, &Packet::Unsubscribe(unsubscribe));
        match self.receive(client) {
            Packet::UnsubAck(unsuback) if unsuback.packet_id == id(78) => unsuback.reasons,
            other => panic!("no UNSUBACK: {other:?}"),
        }
    }

    pub fn try_subscribe(
        &mut self,
        client: Client,
        subscription: Subscription<'_>,
        identifier: Option<u32>,
    ) -> ReasonCode {
        let properties = SubscribeProperties {
            subscription_identifier: identifier
                .map(|number| SubscriptionIdentifier::new(number).unwrap()),
            ..SubscribeProperties::default()
        };
        let subscriptions = vec![subscription];
        self.send(
            client,
            &Packet::Subscribe(Subscribe { packet_id: id(77), properties, subscriptions }),
        );
        match self.receive(client) {
            Packet::SubAck(suback) if suback.packet_id == id(77) => suback.reasons[0],
            other => panic!("no SUBACK: {other:?}"),
        }
    }

    /// Publishes at QoS 0.
    pub fn publish(&mut self, client: Client, topic: &str, payload: &str) {
        self.send(client, &publish(topic, payload).into());
    }

    /// Publishes at QoS 1 and gives the reason in the PUBACK.
    pub fn publish_1(&mut self, client: Client, topic: &str, payload: &str) -> ReasonCode {
        let delivery = AcknowledgedQoS::AtLeastOnce.delivery(id(9));
        self.send(client, &Publish { delivery, ..publish(topic, payload) }.into());
        match self.receive(client) {
            Packet::PubAck(ack) => ack.reason,
            other => panic!("no PUBACK: {other:?}"),
        }
    }

    /// Publishes at QoS 2, all four steps.
    pub fn publish_2(&mut self, client: Client, topic: &str, payload: &str) {
        let delivery = AcknowledgedQoS::ExactlyOnce.delivery(id(9));
        self.send(client, &Publish { delivery, ..publish(topic, payload) }.into());
        assert!(matches!(self.receive(client), Packet::PubRec(ack) if !ack.reason.is_error()));
        self.send(client, &Packet::PubRel(Ack::new(id(9), ReasonCode::Success)));
        assert_eq!(self.receive(client), Packet::PubComp(Ack::new(id(9), ReasonCode::Success)));
    }
}

/// What a store holds.
#[derive(Default)]
pub struct Kept(Batch);

impl Kept {
    pub fn apply(&mut self, change: Change) {
        self.0.add(change);
    }

    pub fn restore(&self, core: &mut Core, now: Instant) {
        let mut restoring = core.restore(now);
        self.0.changes().for_each(|change| restoring.apply(change));
    }
}

pub fn subscription(filter: &str, qos: QoS) -> Subscription<'_> {
    Subscription::new(TopicFilter::new(filter).unwrap(), qos)
}

pub fn connect(client_id: &str) -> Connect<'_> {
    Connect { client_id: Text::new(client_id).unwrap(), ..Connect::default() }
}

pub fn will<'a>(topic: &'a str, payload: &'a str, delay: Option<u32>) -> Will<'a> {
    Will {
        qos: QoS::AtMostOnce,
        retain: false,
        properties: WillProperties { will_delay_interval: delay, ..WillProperties::default() },
        topic: TopicName::new(topic).unwrap(),
        payload: Binary::new(payload.as_bytes()).unwrap(),
    }
}

pub fn publish<'a>(topic: &'a str, payload: &'a str) -> Publish<'a> {
    Publish::at_most_once(TopicName::new(topic).unwrap(), payload.as_bytes())
}

/// A first transmission.
pub fn publish_at<'a>(qos: QoS, number: u16, topic: &'a str, payload: &'a str) -> Publish<'a> {
    let delivery = AcknowledgedQoS::new(qos).map(|qos| qos.delivery(id(number)));
    Publish { delivery: delivery.unwrap_or(Delivery::AtMostOnce), ..publish(topic, payload) }
}

pub fn retained<'a>(topic: &'a str, payload: &'a str) -> Packet<'a> {
    Publish { retain: true, ..publish(topic, payload) }.into()
}

pub fn id(number: u16) -> PacketId {
    PacketId::new(number).unwrap()
}

pub fn ack(number: u16) -> Ack<'static> {
    Ack::new(id(number), ReasonCode::Success)
}

pub fn disconnect(reason: ReasonCode) -> Packet<'static> {
    Packet::Disconnect(Disconnect::new(reason))
}

pub fn as_publish<'a>(packet: &'a Packet<'static>) -> &'a Publish<'static> {
    match packet {
        Packet::Publish(publish) => publish,
        other => panic!("not a PUBLISH: {other:?}"),
    }
}

/// Topics by name, for a client that knows no aliases.
pub fn topic(packet: &Packet<'static>) -> &'static str {
    match as_publish(packet).topic {
        PublishTopic::Name(name) => name.as_str(),
        other => panic!("an alias: {other:?}"),
    }
}

pub fn payload(packet: &Packet<'static>) -> String {
    String::from_utf8(as_publish(packet).payload.to_vec()).unwrap()
}
