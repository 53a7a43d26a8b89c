//! What waits until the store has it, what does not, and what is left when the broker is gone.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod dialogue;

use dialogue::*;
use mqtt_protocol::QoS::{AtLeastOnce, AtMostOnce, ExactlyOnce};
use mqtt_protocol::*;

/// A broker, a client whose session is kept and has subscribed to `t`, and a publisher.
fn durable(qos: QoS) -> (Broker, Client, Client) {
    let mut broker = Broker::durable();
    let client = broker.open();
    broker.send(client, &Packet::Connect(lasting()));
    broker.commit();
    broker.receive(client);
    broker.send(client, &subscribe(1, "t", qos));
    broker.commit();
    broker.receive(client);
    let publisher = broker.connect("publisher");
    (broker, client, publisher)
}

fn lasting() -> Connect<'static> {
    let mut connect = connect("lasting");
    connect.properties.session_expiry_interval = Some(1000);
    connect
}

fn subscribe(packet_id: u16, filter: &str, qos: QoS) -> Packet<'_> {
    Packet::Subscribe(Subscribe {
        packet_id: id(packet_id),
        properties: SubscribeProperties::default(),
        subscriptions: vec![subscription(filter, qos)],
    })
}

fn message(topic: &str, delivery: Delivery) -> Packet<'_> {
    Publish { delivery, ..publish(topic, "m") }.into()
}

fn once(number: u16) -> Delivery {
    Delivery::AtLeastOnce { packet_id: id(number), duplicate: false }
}

fn exactly(number: u16) -> Delivery {
    Delivery::ExactlyOnce { packet_id: id(number), duplicate: false }
}

#[test]
fn a_puback_means_that_the_message_is_on_disk() {
    let (mut broker, client, publisher) = durable(AtLeastOnce);
    broker.send(publisher, &message("t", once(7)));
    assert_eq!(broker.messages(client), ["m"], "its receiver need not wait");
    assert_eq!(broker.received(publisher), []);
    broker.commit();
    assert_eq!(broker.receive(publisher).packet_type(), PacketType::PubAck);
}

#[test]
fn what_nobody_keeps_is_acknowledged_at_once() {
    let (mut broker, client, publisher) = durable(AtMostOnce);
    broker.send(publisher, &message("t", once(7)));
    assert_eq!(broker.received(publisher).len(), 1);
    broker.send(publisher, &message("elsewhere", exactly(8)));
    assert_eq!(broker.received(publisher).len(), 1);
    broker.send(client, &Packet::PingReq);
    assert_eq!(broker.received(client).len(), 2);
}

/// [MQTT-4.6.0-2] [MQTT-4.6.0-3]
#[test]
fn acknowledgements_leave_in_the_order_of_the_messages() {
    let (mut broker, _, publisher) = durable(AtLeastOnce);
    broker.send(publisher, &message("t", once(1)));
    broker.send(publisher, &message("elsewhere", once(2)));
    broker.send(publisher, &Packet::PingReq);
    assert_eq!(broker.received(publisher), [Packet::PingResp], "that is about no message");
    broker.send(publisher, &message("t", once(3)));
    broker.commit();
    let acks = broker.received(publisher).into_iter().map(|packet| match packet {
        Packet::PubAck(ack) => ack.packet_id.number(),
        other => panic!("{other:?}"),
    });
    assert_eq!(acks.collect::<Vec<_>>(), [1, 2, 3]);
}

/// An identifier that a client remembers is not used for another message after a crash.
/// [MQTT-4.3.3-2]
#[test]
fn a_qos_2_message_leaves_when_its_identifier_is_on_disk() {
    let (mut broker, client, publisher) = durable(ExactlyOnce);
    broker.send(publisher, &message("t", exactly(7)));
    assert_eq!(broker.received(client), []);
    broker.commit();
    let Packet::Publish(publish) = broker.receive(client) else { panic!("no message") };
    let packet_id = publish.delivery.packet_id().unwrap();

    broker.send(client, &Packet::PubRec(Ack::new(packet_id, ReasonCode::Success)));
    assert_eq!(broker.received(client), [], "nor does the PUBREL");
    broker.commit();
    assert_eq!(broker.receive(client), Packet::PubRel(Ack::new(packet_id, ReasonCode::Success)));
}

#[test]
fn a_qos_2_exchange_is_on_disk_at_each_step() {
    let mut broker = Broker::durable();
    let client = broker.open();
    broker.send(client, &Packet::Connect(lasting()));
    assert_eq!(broker.received(client), [], "nor is a session confirmed before");
    broker.commit();
    broker.receive(client);
    broker.send(client, &message("elsewhere", exactly(7)));
    assert_eq!(broker.received(client), []);
    broker.commit();
    assert_eq!(broker.receive(client).packet_type(), PacketType::PubRec);
    broker.send(client, &Packet::PubRel(Ack::new(id(7), ReasonCode::Success)));
    assert_eq!(broker.received(client), []);
    broker.commit();
    assert_eq!(broker.receive(client).packet_type(), PacketType::PubComp);
}

/// [MQTT-3.8.4-1]
#[test]
fn retained_messages_follow_the_suback() {
    let (mut broker, client, publisher) = durable(AtLeastOnce);
    broker.send(publisher, &Publish { retain: true, ..publish("kept", "old") }.into());
    broker.send(client, &subscribe(2, "kept", AtLeastOnce));
    broker.send(client, &Packet::PingReq);
    assert_eq!(broker.received(client), [Packet::PingResp]);
    broker.commit();
    assert_eq!(broker.receive(client).packet_type(), PacketType::SubAck);
    assert_eq!(broker.messages(client), ["old"]);
}

/// [MQTT-3.2.0-1]
#[test]
fn nothing_leaves_before_a_connack_that_waits() {
    let (mut broker, client, publisher) = durable(AtLeastOnce);
    broker.lose(client);
    let client = broker.open();
    broker.send(client, &Packet::Connect(lasting()));
    broker.send(publisher, &message("t", once(7)));
    broker.send(publisher, &message("t", Delivery::AtMostOnce));
    assert_eq!(broker.received(client), []);
    broker.commit();
    assert_eq!(broker.receive(client).packet_type(), PacketType::ConnAck);
    assert_eq!(broker.messages(client), ["m", "m"]);
}

#[test]
fn a_client_that_goes_before_its_connack_leaves_nothing_behind() {
    let mut broker = Broker::durable();
    let client = broker.open();
    broker.send(client, &Packet::Connect(lasting()));
    let second = broker.open();
    broker.send(second, &Packet::Connect(lasting()));
    assert!(broker.is_closed(client));
    broker.commit();
    assert_eq!(broker.received(client), []);
    assert_eq!(broker.receive(second).packet_type(), PacketType::ConnAck);
}

/// Subscription, message in flight, identifier, retained message and will outlive a broker that is
/// gone without a word. [MQTT-4.1.0-1] [MQTT-3.1.2-8]
#[test]
fn a_broker_that_is_gone_at_once_has_forgotten_nothing() {
    let (mut broker, client, publisher) = durable(ExactlyOnce);
    let with_will = broker.open();
    let will = Some(will("t", "gone", None));
    broker.send(with_will, &Packet::Connect(Connect { will, ..connect("mortal") }));
    broker.send(publisher, &message("t", exactly(7)));
    broker.send(publisher, &Publish { retain: true, ..publish("kept", "old") }.into());
    broker.commit();
    broker.received(client);

    let mut broker = broker.stop_at_once();
    broker.commit();
    let client = broker.open();
    broker.send(client, &Packet::Connect(lasting()));
    broker.commit();
    let Packet::ConnAck(connack) = broker.receive(client) else { panic!("no CONNACK") };
    assert!(connack.session_present);
    let packet = broker.receive(client);
    assert!(as_publish(&packet).delivery.is_duplicate(), "it has gone out before");
    assert_eq!(payload(&packet), "m");
    broker.send(client, &subscribe(3, "kept", AtMostOnce));
    broker.commit();
    assert_eq!(broker.receive(client).packet_type(), PacketType::SubAck);
    assert_eq!(broker.messages(client), ["old"]);
}

#[test]
fn a_store_without_room_has_messages_refused_and_deliveries_go_on() {
    let (mut broker, client, publisher) = durable(AtLeastOnce);
    broker.core.set_store_full(true);
    for delivery in [once(7), exactly(8)] {
        broker.send(publisher, &message("t", delivery));
        let reason = match broker.receive(publisher) {
            Packet::PubAck(ack) | Packet::PubRec(ack) => ack.reason,
            other => panic!("{other:?}"),
        };
        assert_eq!(reason, ReasonCode::QuotaExceeded);
    }
    assert_eq!(broker.received(client), []);
    broker.send(publisher, &message("t", Delivery::AtMostOnce));
    assert_eq!(broker.messages(client), ["m"]);

    let older = broker.open();
    let connect = Connect { version: Version::V3_1_1, clean_start: true, ..connect("older") };
    broker.send(older, &Packet::Connect(connect));
    let mut bytes = Vec::new();
    message("t", once(9)).encode_as(Version::V3_1_1, usize::MAX, &mut bytes).unwrap();
    broker.send_bytes(older, &bytes);
    assert!(broker.is_closed(older), "its PUBACK would say that all is well");

    broker.core.set_store_full(false);
    broker.send(publisher, &message("t", once(7)));
    broker.commit();
    assert_eq!(broker.received(publisher).len(), 1);
}
