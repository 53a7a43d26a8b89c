//! What is bounded, and what a client is told that reaches a bound; the clock; the end.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod dialogue;

use std::time::Duration;

use dialogue::*;
use mqtt_broker::core::limits::Limits;
use mqtt_protocol::QoS::{AtLeastOnce, AtMostOnce};
use mqtt_protocol::*;

/// [MQTT-3.1.2-22]
#[test]
fn a_client_without_keep_alive_may_be_silent_for_ever() {
    let mut broker = Broker::new();
    let client = broker.connect_with(&Connect { keep_alive_secs: 0, ..connect("a") });
    broker.pass_secs(1_000_000);
    broker.send(client, &Packet::PingReq);
    assert_eq!(broker.receive(client), Packet::PingResp);
}

/// [MQTT-3.2.2-22] [MQTT-3.1.2-22]
#[test]
fn a_keep_alive_beyond_the_longest_is_cut_to_it() {
    let limits = Limits { maximum_keep_alive_secs: 60, ..Limits::default() };
    for (asked, named, patience_secs) in
        [(0, Some(60), 90), (10, None, 15), (60, None, 90), (61, Some(60), 90)]
    {
        let mut broker = Broker::with_limits(limits.clone());
        let connect = Connect { keep_alive_secs: asked, ..connect("a") };
        let (client, packet) = broker.try_connect(&connect);
        let Packet::ConnAck(connack) = packet else { panic!("no CONNACK") };
        assert_eq!(connack.properties.server_keep_alive, named);
        broker.pass_secs(patience_secs - 1);
        assert!(!broker.is_closed(client));
        broker.pass_secs(1);
        assert_eq!(broker.refusal(client), Some(ReasonCode::KeepAliveTimeout));
    }
}

/// It could not be told.
#[test]
fn a_keep_alive_of_an_older_client_is_its_own() {
    let limits = Limits { maximum_keep_alive_secs: 60, ..Limits::default() };
    let mut broker = Broker::with_limits(limits);
    let client = broker.open();
    let older = Connect { version: Version::V3_1_1, ..connect("a") };
    broker.send(client, &Packet::Connect(older));
    broker.pass_secs(1_000_000);
    assert!(!broker.is_closed(client));
}

#[test]
fn connack_announces_what_is_granted() {
    let limits = Limits {
        receive_maximum: 7,
        maximum_packet_size: 5000,
        topic_alias_maximum: 3,
        maximum_session_expiry: Duration::from_secs(60),
        ..Limits::default()
    };
    for (asked, announced) in
        [(None, None), (Some(30), None), (Some(61), Some(60)), (Some(u32::MAX), Some(60))]
    {
        let mut broker = Broker::with_limits(limits.clone());
        let mut connect = connect("a");
        connect.properties.session_expiry_interval = asked;
        let (_, packet) = broker.try_connect(&connect);
        let Packet::ConnAck(ConnAck { properties, .. }) = packet else { panic!("no CONNACK") };
        assert_eq!(properties.session_expiry_interval, announced);
        assert_eq!(properties.receive_maximum.map(u16::from), Some(7));
        assert_eq!(properties.maximum_packet_size.map(u32::from), Some(5000));
        assert_eq!(properties.topic_alias_maximum, Some(3));
    }
}

/// [MQTT-4.1.0-2]
#[test]
fn a_session_ends_when_the_broker_said_it_would() {
    let limits = Limits { maximum_session_expiry: Duration::from_secs(60), ..Limits::default() };
    let mut broker = Broker::with_limits(limits);
    let (client, _) = broker.resume("a");
    let mut farewell = Disconnect::new(ReasonCode::Success);
    farewell.properties.session_expiry_interval = Some(u32::MAX);
    broker.send(client, &Packet::Disconnect(farewell));
    broker.pass_secs(59);
    assert_eq!(broker.core.session_count(), 1);
    broker.pass_secs(1);
    assert_eq!(broker.core.session_count(), 0);
}

#[test]
fn a_session_for_ever_is_one_where_that_is_granted() {
    let limits = Limits { maximum_session_expiry: Duration::MAX, ..Limits::default() };
    let mut broker = Broker::with_limits(limits);
    let mut connect = connect("a");
    connect.properties.session_expiry_interval = Some(u32::MAX);
    let client = broker.connect_with(&connect);
    broker.lose(client);
    broker.pass_secs(u64::from(u32::MAX) + 1);
    assert_eq!(broker.core.session_count(), 1);
}

#[test]
fn a_packet_that_is_too_large_is_refused_by_its_length_alone() {
    let limits = Limits { maximum_packet_size: 1000, ..Limits::default() };
    let mut broker = Broker::with_limits(limits);
    let client = broker.connect("a");
    broker.send_bytes(client, &[0x30, 0xE9, 0x07]);
    assert_eq!(broker.refusal(client), Some(ReasonCode::PacketTooLarge));
}

#[test]
fn a_connect_that_is_too_large_is_refused_by_its_length_alone() {
    let mut broker = Broker::new();
    let client = broker.open();
    broker.send_bytes(client, &[0x10, 0xFF, 0xFF, 0xFF, 0x7F]);
    assert_eq!(broker.refusal(client), Some(ReasonCode::PacketTooLarge));
}

#[test]
fn topics_that_are_too_long_or_too_deep_are_invalid() {
    let mut broker = Broker::new();
    let client = broker.connect("a");
    let deep = "/".repeat(128);
    let long = "x".repeat(1025);
    for topic in [&deep, &long] {
        assert_eq!(broker.publish_1(client, topic, "x"), ReasonCode::TopicNameInvalid);
        let reason = broker.try_subscribe(client, subscription(topic, AtMostOnce), None);
        assert_eq!(reason, ReasonCode::TopicFilterInvalid);
        let will = Some(will(topic, "x", None));
        let (_, packet) = broker.try_connect(&Connect { will, ..connect("b") });
        assert_eq!(packet, Packet::ConnAck(ConnAck::refuse(ReasonCode::TopicNameInvalid)));
    }
    for topic in [&deep[1..], &long[1..]] {
        broker.subscribe(client, topic, AtMostOnce);
        broker.publish(client, topic, "x");
        assert_eq!(broker.messages(client), ["x"]);
    }
}

#[test]
fn a_session_has_a_bounded_number_of_subscriptions() {
    let limits = Limits { maximum_subscriptions: 2, ..Limits::default() };
    let mut broker = Broker::with_limits(limits);
    let client = broker.connect("a");
    let mut subscribe =
        |filter| broker.try_subscribe(client, subscription(filter, AtLeastOnce), None);
    assert_eq!(subscribe("a"), ReasonCode::GrantedQoS1);
    assert_eq!(subscribe("b"), ReasonCode::GrantedQoS1);
    assert_eq!(subscribe("c"), ReasonCode::QuotaExceeded);
    assert_eq!(subscribe("a"), ReasonCode::GrantedQoS1, "it replaces one");
    broker.unsubscribe(client, &["a"]);
    let reason = broker.try_subscribe(client, subscription("c", AtLeastOnce), None);
    assert_eq!(reason, ReasonCode::GrantedQoS1);
}

#[test]
fn a_bounded_number_of_messages_is_retained() {
    let limits = Limits { maximum_retained_messages: 2, ..Limits::default() };
    let mut broker = Broker::with_limits(limits);
    let client = broker.connect("a");
    let mut retain = |topic, payload| {
        let message = Publish { retain: true, ..publish_at(AtLeastOnce, 9, topic, payload) };
        broker.send(client, &message.into());
        match broker.receive(client) {
            Packet::PubAck(ack) => ack.reason,
            other => panic!("no PUBACK: {other:?}"),
        }
    };
    assert!(!retain("a", "x").is_error());
    assert!(!retain("b", "x").is_error());
    assert_eq!(retain("c", "x"), ReasonCode::QuotaExceeded);
    assert!(!retain("b", "y").is_error(), "it replaces one");
    assert!(!retain("c", "").is_error(), "it clears what is not there");
    assert!(!retain("b", "").is_error());
    assert!(!retain("c", "x").is_error());
}

#[test]
fn there_is_a_bounded_number_of_sessions() {
    let limits = Limits { maximum_sessions: 2, ..Limits::default() };
    let mut broker = Broker::with_limits(limits);
    broker.connect("a");
    let (b, _) = broker.resume("b");
    let refused = Packet::ConnAck(ConnAck::refuse(ReasonCode::QuotaExceeded));
    assert_eq!(broker.try_connect(&connect("c")).1, refused);
    assert_eq!(broker.try_connect(&connect("")).1, refused);
    broker.lose(b);
    assert_eq!(broker.try_connect(&connect("c")).1, refused, "b may come back");
    assert!(broker.resume("b").1);
}

/// Timers of the past do not pile up: what a client leaves behind when it comes and goes is
/// bounded.
#[test]
fn a_client_that_comes_and_goes_leaves_few_timers() {
    let mut broker = Broker::new();
    for _ in 0..10_000 {
        let mut connect = connect("a");
        connect.keep_alive_secs = u16::MAX;
        connect.properties.session_expiry_interval = Some(u32::MAX);
        let client = broker.connect_with(&connect);
        broker.lose(client);
    }
    let timers = broker.core.timer_count();
    assert!(timers < 1000, "{timers}");
}

fn clock_request<'a>(response_topic: Option<&'a str>, correlation: &'a [u8]) -> Publish<'a> {
    let mut request = publish_at(AtLeastOnce, 9, "$clock/now", "");
    request.properties.response_topic = response_topic.map(|it| TopicName::new(it).unwrap());
    request.properties.correlation_data = Some(Binary::new(correlation).unwrap());
    request
}

#[test]
fn the_clock_answers_who_asked_and_nobody_else() {
    let mut broker = Broker::new();
    let asker = broker.connect("asker");
    let curious = broker.connect("curious");
    for client in [asker, curious] {
        broker.subscribe(client, "answer/+", AtLeastOnce);
    }
    broker.pass(Duration::from_millis(1500));
    broker.send(asker, &clock_request(Some("answer/asker"), b"42").into());
    let packets = broker.received(asker);
    let [answer, puback] = packets.as_slice() else { panic!("{packets:?}") };
    assert_eq!(*puback, Packet::PubAck(ack(9)));
    let answer = as_publish(answer);
    assert_eq!(answer.properties.correlation_data, Some(Binary::new(b"42").unwrap()));
    let json = std::str::from_utf8(answer.payload).unwrap();
    let expected = r#"{"clock":"run","received":1800000001.500000,"sent":1800000001.500000}"#;
    assert_eq!(json, expected);
    assert_eq!(broker.received(curious), []);
}

#[test]
fn the_clock_refuses_a_request_without_a_place_for_its_answer() {
    let mut broker = Broker::new();
    let asker = broker.connect("asker");
    broker.subscribe(asker, "#", AtMostOnce);
    broker.send(asker, &clock_request(None, b"").into());
    let refused = Ack::new(id(9), ReasonCode::ImplementationSpecificError);
    assert_eq!(broker.received(asker), [Packet::PubAck(refused)]);
}

/// [MQTT-3.14.0-1] [MQTT-3.14.4-1] [MQTT-3.14.4-2]
#[test]
fn a_broker_that_stops_tells_its_clients() {
    let mut broker = Broker::new();
    let client = broker.connect("a");
    let early = broker.open();
    broker.core.shut_down(broker.now);
    broker.settle();
    assert_eq!(broker.refusal(client), Some(ReasonCode::ServerShuttingDown));
    assert_eq!(broker.refusal(early), None, "no DISCONNECT before CONNACK");
    assert_eq!(broker.core.connected_clients(), 0);
}

/// A connection that is gone and whose place is taken gets nothing done in its successor's name.
#[test]
fn bytes_of_a_connection_that_is_gone_are_ignored() {
    let mut broker = Broker::new();
    let gone = broker.connect("a");
    broker.lose(gone);
    let successor = broker.connect("b");
    assert_eq!(gone.index(), successor.index());
    for bytes in [&[0xFF; 4][..], &[0xC0, 0], &[0x30]] {
        broker.send_bytes(gone, bytes);
    }
    assert!(!broker.is_closed(successor));
    assert_eq!(broker.received(successor), []);
}

/// Who comes has to be able to come in, however many only stand in the door.
#[test]
fn of_too_many_that_do_not_connect_the_oldest_is_closed() {
    let limits = Limits { maximum_unconnected: 3, ..Limits::default() };
    let mut broker = Broker::with_limits(limits);
    let oldest = broker.open();
    let connected = broker.connect("a");
    let waiting = [broker.open(), broker.open()];
    assert!(!broker.is_closed(oldest));
    let newest = broker.open();
    broker.settle();
    assert!(broker.is_closed(oldest));
    assert_eq!(broker.received_bytes(oldest), []);
    for open in [connected, waiting[0], waiting[1], newest] {
        assert!(!broker.is_closed(open));
    }
    // Whoever has gone on or left makes room.
    broker.lose(waiting[0]);
    broker.send(waiting[1], &Packet::Connect(connect("b")));
    for _ in 0..2 {
        broker.open();
        broker.settle();
    }
    assert!(!broker.is_closed(newest));
    broker.open();
    broker.settle();
    assert!(broker.is_closed(newest));
}

#[test]
fn retained_messages_have_bounded_sizes_and_a_bounded_sum() {
    let limits =
        Limits { maximum_retained_size: 100, maximum_retained_bytes: 250, ..Limits::default() };
    let mut broker = Broker::with_limits(limits);
    let client = broker.connect("a");
    let mut retain = |topic: &str, length: usize| {
        let payload = "x".repeat(length);
        let message = Publish { retain: true, ..publish(topic, &payload) };
        let delivery = Delivery::AtLeastOnce { packet_id: PacketId::FIRST, duplicate: false };
        broker.send(client, &Publish { delivery, ..message }.into());
        let Packet::PubAck(ack) = broker.receive(client) else { panic!("no PUBACK") };
        !ack.reason.is_error()
    };
    assert!(!retain("a", 99), "topic and properties count, too");
    assert!(retain("a", 98));
    assert!(retain("b", 98));
    assert!(!retain("c", 98));
    assert!(retain("a", 48), "one takes the room of the other");
    assert!(retain("c", 98));
    assert!(retain("b", 0));
    assert!(retain("d", 98));
}

/// A broker with a session in which much waits.
fn with_much_waiting() -> Broker {
    let mut broker = Broker::with_limits(Limits { maximum_memory: 20_000, ..Limits::default() });
    let (away, _) = broker.resume("away");
    broker.subscribe(away, "a", AtLeastOnce);
    broker.lose(away);
    let publisher = broker.connect("publisher");
    broker.publish_1(publisher, "a", &"x".repeat(10_000));
    broker
}

#[test]
fn what_would_need_more_memory_is_refused_when_it_is_short() {
    let mut broker = with_much_waiting();
    let client = broker.connect("client");
    broker.subscribe(client, "b", AtMostOnce);
    broker.core.handle_memory(20_001, usize::MAX);
    assert_eq!(broker.publish_1(client, "d", "x"), ReasonCode::QuotaExceeded);
    let reason = broker.try_subscribe(client, subscription("c", AtMostOnce), None);
    assert_eq!(reason, ReasonCode::QuotaExceeded);
    let refused = Packet::ConnAck(ConnAck::refuse(ReasonCode::QuotaExceeded));
    assert_eq!(broker.try_connect(&connect("new")).1, refused);
    // Who is here goes on.
    broker.publish(client, "b", "at most once");
    assert_eq!(broker.messages(client), ["at most once"]);
    // It has to fall a little below before it is enough.
    broker.core.handle_memory(19_999, usize::MAX);
    assert_eq!(broker.publish_1(client, "d", "x"), ReasonCode::QuotaExceeded);
    // Who takes what waits helps.
    assert!(broker.resume("away").1);
    broker.core.handle_memory(19_999, usize::MAX);
    assert!(!broker.publish_1(client, "d", "x").is_error());
}

/// It could not be told that its message is lost.
#[test]
fn an_older_client_is_closed_rather_than_deceived() {
    let mut broker = with_much_waiting();
    let client = broker.open();
    let older = Connect { version: Version::V3_1_1, ..connect("older") };
    broker.send(client, &Packet::Connect(older));
    broker.core.handle_memory(20_001, usize::MAX);
    broker.publish(client, "b", "at most once");
    assert!(!broker.is_closed(client));
    broker.send_bytes(client, b"\x32\x06\x00\x01b\x00\x01x");
    assert!(broker.is_closed(client));
}

/// What clients do not have, refusing them does not bring back.
#[test]
fn memory_that_is_not_kept_for_clients_is_not_short() {
    let mut broker = Broker::with_limits(Limits { maximum_memory: 20_000, ..Limits::default() });
    let client = broker.connect("a");
    broker.core.handle_memory(1_000_000, usize::MAX);
    assert!(!broker.publish_1(client, "d", "x").is_error());
}
