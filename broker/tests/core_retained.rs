//! Retained messages: kept, replaced, cleared, expired, and sent to who subscribes.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod dialogue;

use std::collections::BTreeSet;

use dialogue::*;
use mqtt_broker::core::limits::Limits;
use mqtt_protocol::QoS::{AtLeastOnce, AtMostOnce, ExactlyOnce};
use mqtt_protocol::*;

fn broker_with_publisher() -> (Broker, Client) {
    let mut broker = Broker::new();
    let publisher = broker.connect("publisher");
    (broker, publisher)
}

/// What a client gets that subscribes now.
fn found(broker: &mut Broker, filter: &str) -> Vec<String> {
    let client = broker.connect("finder");
    broker.subscribe(client, filter, AtMostOnce);
    let packets = broker.received(client);
    assert!(packets.iter().all(|packet| as_publish(packet).retain));
    packets.iter().map(payload).collect()
}

/// [MQTT-3.3.1-5] [MQTT-3.3.1-8]
#[test]
fn the_last_retained_message_of_a_topic_is_kept() {
    let (mut broker, publisher) = broker_with_publisher();
    broker.send(publisher, &retained("topic", "first"));
    broker.send(publisher, &retained("topic", "second"));
    for payload in ["not retained", ""] {
        broker.publish(publisher, "topic", payload);
        assert_eq!(found(&mut broker, "topic"), ["second"]);
    }
}

/// [MQTT-3.3.1-6] [MQTT-3.3.1-7]
#[test]
fn an_empty_payload_clears_the_topic_and_is_delivered() {
    let (mut broker, publisher) = broker_with_publisher();
    let subscriber = broker.connect("subscriber");
    broker.subscribe(subscriber, "topic", AtMostOnce);
    for payload in ["", "kept", ""] {
        broker.send(publisher, &retained("topic", payload));
    }
    broker.send(publisher, &retained("nothing there", ""));
    assert_eq!(broker.messages(subscriber), ["", "kept", ""]);
    assert_eq!(found(&mut broker, "#"), [""; 0]);
    assert_eq!(broker.core.retained_count(), 0);
}

/// [MQTT-3.3.1-12] [MQTT-3.3.1-13]
#[test]
fn the_retain_flag_reaches_those_who_asked_for_it_as_published() {
    let (mut broker, publisher) = broker_with_publisher();
    let plain = broker.connect("plain");
    broker.subscribe(plain, "topic", AtMostOnce);
    let keen = broker.connect("keen");
    let wish = Subscription { retain_as_published: true, ..subscription("topic", AtMostOnce) };
    broker.subscribe_with(keen, wish);
    broker.send(publisher, &retained("topic", "x"));
    broker.publish(publisher, "topic", "y");
    let mut flags = |client| -> Vec<bool> {
        broker.received(client).iter().map(|packet| as_publish(packet).retain).collect()
    };
    assert_eq!(flags(plain), [false, false]);
    assert_eq!(flags(keen), [true, false]);
}

/// [MQTT-3.3.1-9] [MQTT-3.3.1-10] [MQTT-3.3.1-11] [MQTT-3.8.4-4]
#[test]
fn retain_handling_says_when_retained_messages_are_sent() {
    for (retain_handling, first, again) in [
        (RetainHandling::Send, 1, 1),
        (RetainHandling::SendIfNew, 1, 0),
        (RetainHandling::DoNotSend, 0, 0),
    ] {
        let (mut broker, publisher) = broker_with_publisher();
        broker.send(publisher, &retained("topic", "x"));
        let client = broker.connect("subscriber");
        let wish = Subscription { retain_handling, ..subscription("topic", AtMostOnce) };
        broker.subscribe_with(client, wish);
        assert_eq!(broker.messages(client).len(), first);
        broker.subscribe_with(client, wish);
        assert_eq!(broker.messages(client).len(), again);
        broker.unsubscribe(client, &["topic"]);
        broker.subscribe_with(client, wish);
        assert_eq!(broker.messages(client).len(), first, "it is new again");
    }
}

/// [MQTT-3.8.4-8]
#[test]
fn a_retained_message_comes_with_the_lower_qos_and_the_identifier() {
    let (mut broker, publisher) = broker_with_publisher();
    let message = publish_at(AtLeastOnce, 9, "topic", "x");
    broker.send(publisher, &Publish { retain: true, ..message }.into());
    for (asked, expected) in
        [(AtMostOnce, AtMostOnce), (AtLeastOnce, AtLeastOnce), (ExactlyOnce, AtLeastOnce)]
    {
        let client = broker.connect("subscriber");
        broker.subscribe_as(client, "topic", asked, 7);
        let packet = broker.receive(client);
        assert_eq!(as_publish(&packet).delivery.qos(), expected);
        let identifiers = as_publish(&packet).subscription_identifiers.iter();
        assert_eq!(identifiers.map(SubscriptionIdentifier::number).collect::<Vec<_>>(), [7]);
    }
}

fn expiring<'a>(topic: &'a str, payload: &'a str, secs: u32) -> Packet<'a> {
    let mut message = Publish { retain: true, ..publish(topic, payload) };
    message.properties.message_expiry_interval = Some(secs);
    message.into()
}

/// [MQTT-3.3.2-5] [MQTT-3.3.2-6]
#[test]
fn a_retained_message_grows_old_and_expires() {
    let (mut broker, publisher) = broker_with_publisher();
    broker.send(publisher, &expiring("topic", "x", 10));
    broker.pass_secs(4);
    let client = broker.connect("subscriber");
    broker.subscribe(client, "topic", AtMostOnce);
    let packet = broker.receive(client);
    assert_eq!(as_publish(&packet).properties.message_expiry_interval, Some(6));
    broker.pass_secs(6);
    assert_eq!(found(&mut broker, "topic"), [""; 0]);
    broker.pass_secs(60);
    assert_eq!(broker.core.retained_count(), 0, "its room is given back");
}

/// [MQTT-3.3.2-6]
#[test]
fn a_retained_message_grows_old_while_the_broker_is_stopped_and_started() {
    let (mut broker, publisher) = broker_with_publisher();
    broker.send(publisher, &expiring("topic", "x", 10));
    broker.send(publisher, &retained("gone", "x"));
    broker.send(publisher, &retained("gone", ""));
    broker.pass_secs(4);
    let mut broker = broker.restart();
    assert_eq!(found(&mut broker, "#"), ["x"]);
    broker.pass_secs(6);
    assert_eq!(found(&mut broker, "#"), [""; 0]);
}

/// [MQTT-4.7.2-1]
#[test]
fn wildcards_find_retained_messages_level_by_level() {
    let (mut broker, publisher) = broker_with_publisher();
    for topic in ["a", "a/b", "a/b/c", "ab", "/a"] {
        broker.send(publisher, &retained(topic, topic));
    }
    for (filter, expected) in [
        ("#", vec!["/a", "a", "a/b", "a/b/c", "ab"]),
        ("a/#", vec!["a", "a/b", "a/b/c"]),
        ("+", vec!["a", "ab"]),
        ("+/+", vec!["/a", "a/b"]),
        ("a/+/c", vec!["a/b/c"]),
        ("a/b", vec!["a/b"]),
    ] {
        let found: BTreeSet<String> = found(&mut broker, filter).into_iter().collect();
        assert_eq!(found.into_iter().collect::<Vec<_>>(), expected, "{filter}");
    }
}

const MANY: usize = 10_000;

fn broker_with_many() -> Broker {
    let (mut broker, publisher) = broker_with_publisher();
    for number in 0..MANY {
        let topic = format!("many/{number}");
        let message = publish_at(AtLeastOnce, 9, &topic, "some payload that takes some room");
        broker.send(publisher, &Publish { retain: true, ..message }.into());
        broker.received(publisher);
    }
    broker
}

/// Neither the queue's limits nor those of the outbox hold for them.
#[test]
fn ten_thousand_retained_messages_arrive_at_qos_0() {
    let mut broker = broker_with_many();
    let client = broker.connect("subscriber");
    broker.stop_reading(client);
    let subscribe = Subscribe {
        packet_id: id(1),
        properties: SubscribeProperties::default(),
        subscriptions: vec![subscription("#", AtMostOnce)],
    };
    broker.send(client, &Packet::Subscribe(subscribe));
    broker.read_on(client);
    let packets = broker.received(client);
    let topics: BTreeSet<&str> = packets[1..].iter().map(topic).collect();
    assert_eq!(topics.len(), MANY);
    assert_eq!(broker.core.dropped_messages(), 0);
}

/// The client's Receive Maximum holds, the queue's limits do not. [MQTT-3.3.4-9]
#[test]
fn ten_thousand_retained_messages_arrive_at_qos_1() {
    let mut broker = broker_with_many();
    let mut connect = connect("subscriber");
    connect.properties.receive_maximum = std::num::NonZeroU16::new(100);
    let client = broker.connect_with(&connect);
    broker.subscribe(client, "#", AtLeastOnce);
    let mut topics = BTreeSet::new();
    loop {
        let packets = broker.received(client);
        if packets.is_empty() {
            break;
        }
        assert!(packets.len() <= 100);
        for packet in packets {
            topics.insert(topic(&packet));
            let packet_id = as_publish(&packet).delivery.packet_id().unwrap();
            broker.send(client, &Packet::PubAck(Ack::new(packet_id, ReasonCode::Success)));
        }
    }
    assert_eq!(topics.len(), MANY);
}

/// [MQTT-3.8.4-4]
#[test]
fn waiting_retained_messages_leave_the_queue_to_live_ones() {
    let limits = Limits { maximum_queued_messages: 2, ..Limits::default() };
    let mut broker = Broker::with_limits(limits);
    let publisher = broker.connect("publisher");
    for number in 0..10 {
        let topic = format!("old/{number}");
        let message = publish_at(AtLeastOnce, 9, &topic, "old");
        broker.send(publisher, &Publish { retain: true, ..message }.into());
    }
    broker.received(publisher);
    let mut connect = connect("subscriber");
    connect.properties.receive_maximum = std::num::NonZeroU16::new(1);
    let client = broker.connect_with(&connect);
    broker.subscribe(client, "#", AtLeastOnce);
    broker.publish_1(publisher, "live", "one");
    broker.publish_1(publisher, "live", "two");
    let mut payloads = Vec::new();
    while let Some(packet) = broker.try_receive(client) {
        payloads.push(payload(&packet));
        let packet_id = as_publish(&packet).delivery.packet_id().unwrap();
        broker.send(client, &Packet::PubAck(Ack::new(packet_id, ReasonCode::Success)));
    }
    assert_eq!(payloads.len(), 12);
    assert_eq!(payloads[10..], ["one", "two"]);
}

/// The last message a client gets for a topic is the last that was published to it.
#[test]
fn a_live_message_does_not_overtake_retained_ones() {
    let (mut broker, publisher) = broker_with_publisher();
    for topic in ["a", "b"] {
        let message = Publish { retain: true, ..publish_at(AtLeastOnce, 9, topic, "old") };
        broker.send(publisher, &message.into());
    }
    let mut connect = connect("subscriber");
    connect.properties.receive_maximum = std::num::NonZeroU16::new(1);
    let client = broker.connect_with(&connect);
    broker.subscribe(client, "+", AtLeastOnce);
    broker.publish(publisher, "b", "new");
    assert_eq!(broker.messages(client), ["old"]);
    broker.send(client, &Packet::PubAck(ack(1)));
    assert_eq!(broker.messages(client), ["old", "new"]);
}

/// Asking again and again without reading does not fill the memory: 0x97.
#[test]
fn retained_messages_that_wait_are_bounded() {
    let mut broker = broker_with_many();
    let client = broker.connect("subscriber");
    broker.stop_reading(client);
    let subscriptions = vec![subscription("#", AtLeastOnce); 100];
    let properties = SubscribeProperties::default();
    let subscribe = Subscribe { packet_id: id(1), properties, subscriptions };
    broker.send(client, &Packet::Subscribe(subscribe));
    broker.read_on(client);
    let packets = broker.received(client);
    let Packet::SubAck(suback) = &packets[0] else { panic!("no SUBACK") };
    let granted = suback.reasons.iter().filter(|reason| **reason == ReasonCode::GrantedQoS1);
    let granted = granted.count();
    assert!((1..=2).contains(&granted), "{granted}");
    assert!(suback.reasons[granted..].iter().all(|it| *it == ReasonCode::QuotaExceeded));
}
