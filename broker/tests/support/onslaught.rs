//! Whatever clients do, the broker stands, and what it sends keeps to the rules: decisions from bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mqtt_broker::core::limits::Limits;
use mqtt_broker::core::time::{Instant, WallClock};
use mqtt_broker::core::{Config, ConnectionId, Core, Durability, Output, Taken};
use mqtt_protocol::alias::ReceivedAliases;
use mqtt_protocol::delivery::AcknowledgedQoS;
use mqtt_protocol::*;

use crate::source::Source;

const CLIENT_IDS: [&str; 4] = ["a", "b", "c", ""];
const TOPICS: [&str; 6] = ["a", "a/b", "a/b/c", "b", "$clock/now", "$x"];
const FILTERS: [&str; 8] =
    ["#", "a/+", "a/#", "b", "$share/g/a/#", "$share/g/b", "$share/h/+", "$clock/#"];

/// Does what the bytes say and checks what comes of it.
pub(crate) fn check(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    let mut world = World::new();
    while !source.is_empty() {
        world.step(&mut source);
        assert!(world.core.connected_clients() <= world.clients.len());
        if let Some(retained) = &world.retained {
            assert_eq!(world.core.retained_count(), retained.len());
        }
    }
}

struct World {
    core: Core,
    now: Instant,
    clients: Vec<Client>,
    /// The retained messages there should be, while no bytes of unknown meaning were sent.
    retained: Option<BTreeMap<&'static str, u8>>,
}

/// A connection with what its client knows of it.
struct Client {
    id: ConnectionId,
    /// Bytes that are not a whole packet yet.
    partial: Vec<u8>,
    is_reading: bool,
    /// What was taken and is not written, because the client does not read.
    stuck: Vec<u8>,
    /// Nothing where the broker may have been led to speak another version.
    witness: Option<Witness>,
}

/// Watches what the broker sends to one client.
struct Witness {
    stage: Stage,
    /// Whether the client has said what it takes, which it can do once.
    has_agreed: bool,
    maximum_packet_size: usize,
    receive_maximum: usize,
    aliases: ReceivedAliases,
    /// The identifiers the client has not finished; nothing when it may have, unknown to us.
    unfinished: Option<BTreeSet<PacketId>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Silent,
    Open,
    Over,
}

impl World {
    fn new() -> Self {
        let limits = Limits {
            maximum_packet_size: 2000,
            receive_maximum: 3,
            maximum_in_flight: 4,
            topic_alias_maximum: 3,
            maximum_sent_aliases: 2,
            maximum_subscriptions: 4,
            maximum_queued_messages: 5,
            maximum_outbox: 500,
            maximum_retained_messages: 3,
            maximum_session_expiry: Duration::from_secs(100),
            maximum_sessions: 5,
            ..Limits::default()
        };
        let now = Instant::from_nanos(1);
        let wall_clock = WallClock { unix: Duration::from_secs(1_800_000_000), at: now };
        let core = Core::new(Config {
            limits,
            wall_clock,
            run_id: "run".into(),
            access: Default::default(),
            durability: Durability::Off,
        });
        Self { core, now, clients: Vec::new(), retained: Some(BTreeMap::new()) }
    }

    fn step(&mut self, source: &mut Source<'_>) {
        if self.clients.is_empty() || source.u8().is_multiple_of(16) {
            return self.open();
        }
        let client = source.index(self.clients.len());
        match source.u8() % 16 {
            0 => self.close(client),
            1 => self.send_anything(client, source.bytes()),
            2 => self.clients[client].is_reading = false,
            3 => self.read_on(client),
            4 => {
                self.now = self.now + Duration::from_millis(u64::from(source.u16()));
                self.core.handle_timeout(self.now);
                self.obey();
            }
            5..8 => self.connect(client, source),
            8 | 9 => self.subscribe(client, source),
            10..14 => self.publish(client, source),
            _ => self.acknowledge(client, source),
        }
    }

    fn open(&mut self) {
        if self.clients.len() < 8 {
            let id = self.core.open(self.now);
            let witness = Some(Witness::new());
            let (partial, stuck) = (Vec::new(), Vec::new());
            self.clients.push(Client { id, partial, is_reading: true, stuck, witness });
        }
    }

    fn close(&mut self, client: usize) {
        let client = self.clients.swap_remove(client);
        self.core.handle_closed(client.id, self.now);
        self.obey();
    }

    fn send_anything(&mut self, client: usize, bytes: &[u8]) {
        self.retained = None;
        let witness = &mut self.clients[client].witness;
        match witness {
            Some(witness) if witness.stage != Stage::Silent => witness.unfinished = None,
            _ => *witness = None,
        }
        self.send_bytes(client, bytes);
    }

    fn send(&mut self, client: usize, packet: &Packet<'_>) {
        let mut bytes = Vec::new();
        packet.encode(&mut bytes).expect("it is small");
        if !self.clients[client].partial.is_empty() {
            // It comes in the middle of something else.
            return self.send_anything(client, &bytes);
        }
        self.send_bytes(client, &bytes);
    }

    fn send_bytes(&mut self, client: usize, bytes: &[u8]) {
        self.clients[client].partial.extend_from_slice(bytes);
        // Who is held is heard all the same.
        loop {
            let Client { id, partial, .. } = &mut self.clients[client];
            let received = self.core.receive(*id, partial, self.now);
            partial.drain(..received.consumed);
            self.obey();
            if !received.is_held || received.consumed == 0 {
                return;
            }
        }
    }

    fn connect(&mut self, client: usize, source: &mut Source<'_>) {
        let client_id = CLIENT_IDS[source.index(CLIENT_IDS.len())];
        let properties = ConnectProperties {
            session_expiry_interval: source.option(|it| u32::from(it.u8())),
            receive_maximum: source
                .option(Source::u8)
                .and_then(|it| u16::from(it % 4).try_into().ok()),
            maximum_packet_size: source
                .option(Source::u8)
                .and_then(|it| u32::from(it).try_into().ok()),
            topic_alias_maximum: source.option(|it| u16::from(it.u8() % 4)),
            request_problem_information: source.option(Source::bool),
            ..ConnectProperties::default()
        };
        if let Some(witness) = &mut self.clients[client].witness {
            witness.agree(&properties);
        }
        let will = source.option(|source| Will {
            qos: qos(source),
            retain: false,
            properties: WillProperties {
                will_delay_interval: source.option(|it| u32::from(it.u8())),
                ..WillProperties::default()
            },
            topic: TopicName::new(TOPICS[source.index(TOPICS.len())]).expect("it is one"),
            payload: Binary::default(),
        });
        let connect = Connect {
            clean_start: source.bool(),
            keep_alive_secs: u16::from(source.u8() % 4),
            client_id: Text::new(client_id).expect("it is text"),
            properties,
            will,
            ..Connect::default()
        };
        self.send(client, &Packet::Connect(connect));
    }

    fn subscribe(&mut self, client: usize, source: &mut Source<'_>) {
        let filter = TopicFilter::new(FILTERS[source.index(FILTERS.len())]).expect("it is one");
        let packet_id = PacketId::FIRST;
        if source.u8().is_multiple_of(4) {
            let properties = UnsubscribeProperties::default();
            let unsubscribe = Unsubscribe { packet_id, properties, filters: vec![filter] };
            return self.send(client, &Packet::Unsubscribe(unsubscribe));
        }
        let subscription = Subscription {
            no_local: source.bool() && filter.share_name().is_none(),
            retain_as_published: source.bool(),
            retain_handling: RetainHandling::new(source.u8() % 3).expect("it is one"),
            ..Subscription::new(filter, qos(source))
        };
        let properties = SubscribeProperties {
            subscription_identifier: SubscriptionIdentifier::new(u32::from(source.u8())),
            ..SubscribeProperties::default()
        };
        let subscriptions = vec![subscription; 1 + source.index(3)];
        self.send(client, &Packet::Subscribe(Subscribe { packet_id, properties, subscriptions }));
    }

    fn publish(&mut self, client: usize, source: &mut Source<'_>) {
        let topic = TOPICS[source.index(TOPICS.len())];
        let name = TopicName::new(topic).expect("it is one");
        let delivery = AcknowledgedQoS::new(qos(source))
            .map_or(Delivery::AtMostOnce, |qos| qos.delivery(packet_id(source)));
        let alias = source.option(Source::u8).and_then(|it| TopicAlias::new(u16::from(it % 4)));
        let payload = [7; 64];
        let publish = Publish {
            delivery,
            retain: source.bool(),
            topic: match alias {
                Some(alias) if source.bool() => PublishTopic::Alias(alias),
                Some(alias) => PublishTopic::Define(name, alias),
                None => PublishTopic::Name(name),
            },
            properties: PublishProperties {
                message_expiry_interval: source.option(|it| u32::from(it.u8())),
                response_topic: source.option(|_| TopicName::new("b").expect("it is one")),
                ..PublishProperties::default()
            },
            ..Publish::at_most_once(name, &payload[..source.index(64)])
        };
        self.expect_retained(&publish, topic, client);
        self.send(client, &publish.into());
    }

    /// What is retained is known as long as it is published at QoS 0, by name and for ever.
    fn expect_retained(&mut self, publish: &Publish<'_>, topic: &'static str, client: usize) {
        let is_open = self.clients[client].witness.as_ref().is_some_and(Witness::is_open)
            && !self.core.is_closing(self.clients[client].id);
        let Some(retained) = self.retained.as_mut().filter(|_| publish.retain) else { return };
        let is_plain = matches!(publish.topic, PublishTopic::Name(_))
            && publish.delivery == Delivery::AtMostOnce
            && publish.properties.message_expiry_interval.is_none();
        if !is_plain || self.clients[client].stuck.len() + self.clients[client].partial.len() > 0 {
            self.retained = None;
        } else if is_open && !topic.starts_with('$') {
            if publish.payload.is_empty() {
                retained.remove(topic);
            } else if retained.len() < 3 || retained.contains_key(topic) {
                retained.insert(topic, 0);
            }
        }
    }

    fn acknowledge(&mut self, client: usize, source: &mut Source<'_>) {
        let packet_id = packet_id(source);
        let reason = if source.bool() { ReasonCode::Success } else { ReasonCode::UnspecifiedError };
        let ack = Ack::new(packet_id, reason);
        let Client { witness, stuck, .. } = &mut self.clients[client];
        if let Some(witness) = witness
            && let Some(unfinished) = &mut witness.unfinished
        {
            // Whether that finishes it depends on what it is an answer to. What the client has
            // not read and answers all the same is finished, too, and cannot be told here.
            if !unfinished.remove(&packet_id) && !stuck.is_empty() {
                witness.unfinished = None;
            }
        }
        let packet = match source.u8() % 6 {
            0 => Packet::PubAck(ack),
            1 => Packet::PubRec(ack),
            2 => Packet::PubRel(Ack::new(packet_id, ReasonCode::Success)),
            3 => Packet::PubComp(Ack::new(packet_id, ReasonCode::Success)),
            4 => Packet::PingReq,
            _ => Packet::Disconnect(Disconnect::new(ReasonCode::Success)),
        };
        self.send(client, &packet);
    }

    fn read_on(&mut self, client: usize) {
        self.clients[client].is_reading = true;
        let id = self.clients[client].id;
        let bytes = std::mem::take(&mut self.clients[client].stuck);
        if !bytes.is_empty() {
            self.write(id, bytes);
        }
        self.obey();
    }

    fn obey(&mut self) {
        while let Some(output) = self.core.poll_output() {
            match output {
                Output::Flush(id) | Output::Close(id) => {
                    let mut bytes = Vec::new();
                    if self.core.take_outbox(id, &mut bytes) == Taken::Bytes {
                        self.write(id, bytes);
                    }
                }
                Output::Resume(_) | Output::CheckPassword(..) | Output::Note(_) => {}
            }
        }
    }

    /// Writes until there is no more, or until the client does not read.
    fn write(&mut self, id: ConnectionId, mut bytes: Vec<u8>) {
        let Some(client) = self.clients.iter_mut().find(|client| client.id == id) else { return };
        while !bytes.is_empty() {
            if !client.is_reading {
                client.stuck.append(&mut bytes);
                return;
            }
            if let Some(witness) = &mut client.witness {
                witness.see(&bytes);
            }
            self.core.written(id, &mut bytes, self.now);
        }
    }
}

impl Witness {
    fn new() -> Self {
        Self {
            stage: Stage::Silent,
            has_agreed: false,
            maximum_packet_size: usize::MAX,
            receive_maximum: usize::MAX,
            aliases: ReceivedAliases::default(),
            unfinished: Some(BTreeSet::new()),
        }
    }

    fn is_open(&self) -> bool {
        self.stage == Stage::Open
    }

    fn agree(&mut self, asked: &ConnectProperties<'_>) {
        if std::mem::replace(&mut self.has_agreed, true) {
            return;
        }
        let size = asked.maximum_packet_size;
        self.maximum_packet_size = size.map_or(usize::MAX, |it| it.get() as usize);
        self.receive_maximum = asked.receive_maximum.map_or(usize::MAX, |it| it.get().into());
        self.aliases = ReceivedAliases::new(asked.topic_alias_maximum.unwrap_or(0));
    }

    fn see(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let Ok(Decoded::Packet { packet, length }) = decode(rest, self.maximum_packet_size)
            else {
                panic!("no packet that the client takes: {rest:?}");
            };
            self.see_packet(&packet);
            rest = &rest[length..];
        }
    }

    /// [MQTT-3.2.0-1] [MQTT-3.2.0-2] [MQTT-3.14.0-1] [MQTT-3.14.4-1]
    fn see_packet(&mut self, packet: &Packet<'_>) {
        match (self.stage, packet) {
            (Stage::Silent, Packet::ConnAck(connack)) => {
                self.stage = if connack.reason.is_error() { Stage::Over } else { Stage::Open };
            }
            (Stage::Open, Packet::Publish(publish)) => self.see_publish(publish),
            (Stage::Open, Packet::Disconnect(_)) => self.stage = Stage::Over,
            (
                Stage::Open,
                Packet::PubAck(_)
                | Packet::PubRec(_)
                | Packet::PubRel(_)
                | Packet::PubComp(_)
                | Packet::SubAck(_)
                | Packet::UnsubAck(_)
                | Packet::PingResp,
            ) => {}
            (_, other) => panic!("the broker may not send {other:?}"),
        }
    }

    /// [MQTT-2.2.1-4] [MQTT-3.1.2-26] [MQTT-3.3.4-9]
    fn see_publish(&mut self, publish: &Publish<'_>) {
        self.aliases.resolve(publish.topic).expect("an alias within the maximum");
        let Some(unfinished) = &mut self.unfinished else { return };
        if let Some(packet_id) = publish.delivery.packet_id() {
            assert!(unfinished.insert(packet_id), "{packet_id} is in use");
            assert!(unfinished.len() <= self.receive_maximum);
        }
    }
}

fn qos(source: &mut Source<'_>) -> QoS {
    QoS::new(source.u8() % 3).expect("it is one")
}

fn packet_id(source: &mut Source<'_>) -> PacketId {
    PacketId::new(1 + u16::from(source.u8() % 8)).expect("it is not 0")
}
