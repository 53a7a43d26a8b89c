//! Connections and sessions: CONNECT to DISCONNECT, takeover, expiry, wills, keep alive.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod dialogue;

use std::time::Duration;

use dialogue::*;
use mqtt_broker::core::change::Change;
use mqtt_protocol::*;

/// [MQTT-3.1.4-5] [MQTT-3.2.2-2]
#[test]
fn a_clean_start_is_confirmed_without_a_session() {
    let mut broker = Broker::new();
    let (_, packet) = broker.try_connect(&Connect { clean_start: true, ..connect("a") });
    let Packet::ConnAck(connack) = packet else { panic!("no CONNACK") };
    assert_eq!((connack.reason, connack.session_present), (ReasonCode::Success, false));
}

/// [MQTT-3.1.0-1]
#[test]
fn anything_but_connect_first_closes_the_connection() {
    for packet in [Packet::PingReq, publish("a", "b").into(), disconnect(ReasonCode::Success)] {
        let mut broker = Broker::new();
        let client = broker.open();
        broker.send(client, &packet);
        assert_eq!(broker.refusal(client), None);
    }
}

/// [MQTT-3.1.0-2]
#[test]
fn a_second_connect_closes_the_connection() {
    let mut broker = Broker::new();
    let client = broker.connect("a");
    broker.send(client, &Packet::Connect(connect("a")));
    assert_eq!(broker.refusal(client), Some(ReasonCode::ProtocolError));
}

/// [MQTT-3.1.0-2] [MQTT-3.14.2-1]
#[test]
fn a_second_connect_of_an_unknown_version_closes_the_connection_with_a_code_for_that() {
    let mut broker = Broker::new();
    let client = broker.connect("a");
    broker.send_bytes(client, b"\x10\x0D\x00\x04MQTT\x63\x02\x00\x00\x00\x00\x00");
    assert_eq!(broker.refusal(client), Some(ReasonCode::ProtocolError));
}

/// [MQTT-3.1.4-6]
#[test]
fn what_follows_a_refused_connect_is_not_processed() {
    let mut broker = Broker::new();
    let subscriber = broker.connect("subscriber");
    broker.subscribe(subscriber, "#", QoS::AtMostOnce);
    let client = broker.open();
    let mut refused = connect("a");
    refused.properties.authentication_method = Some(Text::new("UNKNOWN").unwrap());
    let mut bytes = Vec::new();
    Packet::Connect(refused).encode(&mut bytes).unwrap();
    Packet::from(publish("a", "b")).encode(&mut bytes).unwrap();
    broker.send_bytes(client, &bytes);
    assert_eq!(broker.refusal(client), Some(ReasonCode::BadAuthenticationMethod));
    assert_eq!(broker.messages(subscriber), [""; 0]);
}

#[test]
fn a_packet_that_only_a_server_sends_closes_the_connection() {
    for packet in [Packet::PingResp, Packet::ConnAck(ConnAck::refuse(ReasonCode::Success))] {
        let mut broker = Broker::new();
        let client = broker.connect("a");
        broker.send(client, &packet);
        assert_eq!(broker.refusal(client), Some(ReasonCode::ProtocolError));
    }
}

#[test]
fn a_connect_that_does_not_come_closes_the_connection() {
    let mut broker = Broker::new();
    let client = broker.open();
    broker.pass_secs(9);
    assert!(!broker.is_closed(client));
    broker.pass_secs(1);
    assert!(broker.is_closed(client));
}

/// [MQTT-3.1.3-6] [MQTT-3.1.3-7] [MQTT-3.2.2-16]
#[test]
fn a_client_without_id_is_given_one() {
    let mut broker = Broker::new();
    let mut ids = Vec::new();
    for _ in 0..2 {
        let (_, packet) = broker.try_connect(&connect(""));
        let Packet::ConnAck(connack) = packet else { panic!("no CONNACK") };
        ids.push(connack.properties.assigned_client_identifier.unwrap());
    }
    assert_ne!(ids[0], ids[1]);

    // Somebody has chosen the one that would be next.
    let next = ids[1].replace('2', "3");
    let taken = broker.connect(&next);
    let (_, packet) = broker.try_connect(&connect(""));
    let Packet::ConnAck(connack) = packet else { panic!("no CONNACK") };
    assert_ne!(connack.properties.assigned_client_identifier.unwrap().as_str(), next);
    assert!(!broker.is_closed(taken));
}

/// [MQTT-3.1.4-3]
#[test]
fn a_client_id_in_use_is_taken_over() {
    let mut broker = Broker::new();
    let older = broker.connect("a");
    let newer = broker.connect("a");
    assert_eq!(broker.refusal(older), Some(ReasonCode::SessionTakenOver));
    broker.send(newer, &Packet::PingReq);
    assert_eq!(broker.receive(newer), Packet::PingResp);
}

/// [MQTT-3.1.2-5] [MQTT-3.1.2-23] [MQTT-3.2.2-3]
#[test]
fn a_session_goes_on_within_its_expiry() {
    let mut broker = Broker::new();
    let (client, present) = broker.resume("a");
    assert!(!present);
    broker.subscribe(client, "topic", QoS::AtLeastOnce);
    broker.lose(client);
    let publisher = broker.connect("publisher");
    broker.publish_1(publisher, "topic", "while away");
    broker.publish(publisher, "topic", "lost at QoS 0");
    broker.pass_secs(999);
    let (client, present) = broker.resume("a");
    assert!(present);
    assert_eq!(broker.messages(client), ["while away"]);
}

/// [MQTT-4.1.0-2]
#[test]
fn a_session_ends_when_it_expires() {
    let mut broker = Broker::new();
    let (client, _) = broker.resume("a");
    broker.lose(client);
    broker.pass_secs(1000);
    assert_eq!(broker.core.session_count(), 0);
    assert!(!broker.resume("a").1);
}

/// [MQTT-3.1.2-4] [MQTT-3.2.2-2]
#[test]
fn a_clean_start_forgets_the_session() {
    let mut broker = Broker::new();
    let (client, _) = broker.resume("a");
    broker.subscribe(client, "topic", QoS::AtLeastOnce);
    broker.lose(client);
    let client = broker.connect("a");
    let publisher = broker.connect("publisher");
    assert_eq!(broker.publish_1(publisher, "topic", "x"), ReasonCode::NoMatchingSubscribers);
    assert_eq!(broker.messages(client), [""; 0]);
}

#[test]
fn disconnect_can_shorten_the_session_but_not_revive_it() {
    let mut broker = Broker::new();
    let (client, _) = broker.resume("a");
    let mut farewell = Disconnect::new(ReasonCode::Success);
    farewell.properties.session_expiry_interval = Some(0);
    broker.send(client, &Packet::Disconnect(farewell.clone()));
    assert_eq!(broker.core.session_count(), 0);

    let client = broker.connect("b");
    farewell.properties.session_expiry_interval = Some(10);
    broker.send(client, &Packet::Disconnect(farewell));
    assert_eq!(broker.refusal(client), Some(ReasonCode::ProtocolError));
}

/// [MQTT-3.1.2-22]
#[test]
fn silence_of_one_and_a_half_keep_alives_closes_the_connection() {
    let mut broker = Broker::new();
    let client = broker.connect_with(&Connect { keep_alive_secs: 10, ..connect("a") });
    broker.pass_secs(14);
    broker.send(client, &Packet::PingReq);
    assert_eq!(broker.receive(client), Packet::PingResp);
    broker.pass(Duration::from_millis(14_999));
    assert!(!broker.is_closed(client));
    broker.pass(Duration::from_millis(1));
    assert_eq!(broker.refusal(client), Some(ReasonCode::KeepAliveTimeout));
}

/// [MQTT-3.1.2-22]
#[test]
fn a_packet_that_never_ends_keeps_nothing_alive() {
    let mut broker = Broker::new();
    let client = broker.connect_with(&Connect { keep_alive_secs: 10, ..connect("a") });
    let mut bytes = Vec::new();
    Packet::from(publish("topic", "long")).encode(&mut bytes).unwrap();
    for length in 1..=3 {
        broker.core.receive(client, &bytes[..length], broker.now);
        broker.pass_secs(5);
    }
    assert_eq!(broker.refusal(client), Some(ReasonCode::KeepAliveTimeout));
}

fn watcher(broker: &mut Broker) -> Client {
    let client = broker.connect("watcher");
    broker.subscribe(client, "will/#", QoS::AtMostOnce);
    client
}

/// [MQTT-3.1.2-8]
#[test]
fn a_will_is_published_when_the_connection_is_lost() {
    let mut broker = Broker::new();
    let watcher = watcher(&mut broker);
    let will = Some(will("will/a", "gone", None));
    let client = broker.connect_with(&Connect { will: will.clone(), ..connect("a") });
    broker.lose(client);
    assert_eq!(broker.messages(watcher), ["gone"]);
    broker.connect_with(&Connect { will: None, ..connect("a") });
    broker.pass_secs(100_000);
    assert_eq!(broker.messages(watcher), [""; 0], "once is enough [MQTT-3.1.2-10]");
}

/// [MQTT-3.1.2-10] [MQTT-3.14.4-3]
#[test]
fn a_normal_disconnect_forgets_the_will_and_disconnect_with_will_does_not() {
    for (reason, expected) in
        [(ReasonCode::Success, vec![]), (ReasonCode::DisconnectWithWill, vec!["gone"])]
    {
        let mut broker = Broker::new();
        let watcher = watcher(&mut broker);
        let will = Some(will("will/a", "gone", None));
        let client = broker.connect_with(&Connect { will, ..connect("a") });
        broker.send(client, &disconnect(reason));
        assert_eq!(broker.messages(watcher), expected);
    }
}

fn lasting(client_id: &str, expiry: u32, delay: u32) -> Connect<'_> {
    let mut connect = connect(client_id);
    connect.properties.session_expiry_interval = Some(expiry);
    connect.will = Some(will("will/a", "gone", Some(delay)));
    connect
}

/// [MQTT-3.1.2-8]
#[test]
fn a_will_waits_for_its_delay_or_the_end_of_the_session() {
    for (expiry, delay, due) in [(100, 10, 10), (10, 100, 10), (0, 100, 0)] {
        let mut broker = Broker::new();
        let watcher = watcher(&mut broker);
        let client = broker.connect_with(&lasting("a", expiry, delay));
        broker.lose(client);
        if due > 0 {
            broker.pass(Duration::from_millis(due * 1000 - 1));
            assert_eq!(broker.messages(watcher), [""; 0]);
            broker.pass(Duration::from_millis(1));
        }
        assert_eq!(broker.messages(watcher), ["gone"]);
        broker.pass_secs(1000);
        assert_eq!(broker.messages(watcher), [""; 0]);
    }
}

/// [MQTT-3.1.3-9]
#[test]
fn a_client_that_comes_back_in_time_cancels_its_will() {
    let mut broker = Broker::new();
    let watcher = watcher(&mut broker);
    let client = broker.connect_with(&lasting("a", 100, 10));
    broker.lose(client);
    broker.pass_secs(9);
    let client = broker.connect_with(&lasting("a", 100, 10));
    broker.pass_secs(50);
    broker.connect_with(&Connect { will: None, ..lasting("a", 100, 10) });
    broker.lose(client);
    broker.pass_secs(1000);
    assert_eq!(broker.messages(watcher), [""; 0]);
}

/// [MQTT-3.1.2-8] [MQTT-3.1.3-9]
#[test]
fn each_loss_gives_the_will_its_whole_delay() {
    let mut broker = Broker::new();
    let watcher = watcher(&mut broker);
    for _ in 0..5 {
        let client = broker.connect_with(&lasting("a", 100, 10));
        broker.lose(client);
        broker.pass_secs(6);
        assert_eq!(broker.messages(watcher), [""; 0]);
    }
    broker.pass_secs(4);
    assert_eq!(broker.messages(watcher), ["gone"]);
}

/// [MQTT-3.1.2-15]
#[test]
fn a_will_can_be_retained() {
    let mut broker = Broker::new();
    let will = Some(Will { retain: true, ..will("will/a", "gone", None) });
    let client = broker.connect_with(&Connect { will, ..connect("a") });
    broker.lose(client);
    let watcher = watcher(&mut broker);
    let packet = broker.receive(watcher);
    assert!(as_publish(&packet).retain);
}

/// The state a session is in when it is saved is the state it is restored in.
#[test]
fn a_saved_session_goes_on_in_another_broker() {
    let mut broker = Broker::new();
    let mut connect = lasting("a", 1000, 500);
    connect.properties.receive_maximum = std::num::NonZeroU16::new(1);
    let client = broker.connect_with(&connect);
    broker.subscribe(client, "topic", QoS::ExactlyOnce);
    let publisher = broker.connect("publisher");
    broker.publish_2(publisher, "topic", "in flight");
    broker.publish_1(publisher, "topic", "queued");
    assert_eq!(broker.messages(client), ["in flight"]);
    let mut second = broker.restart();
    let watcher = watcher(&mut second);
    let (client, present) = second.resume("a");
    assert!(present);
    let packets = second.received(client);
    assert_eq!(packets.iter().map(payload).collect::<Vec<_>>(), ["in flight", "queued"]);
    assert!(as_publish(&packets[0]).delivery.is_duplicate());
    second.pass_secs(600);
    assert_eq!(second.messages(watcher), [""; 0], "the will was cancelled");
}

#[test]
fn a_store_hears_of_the_end_of_sessions_it_has_heard_of() {
    let mut broker = Broker::new();
    let client = broker.connect("fleeting");
    broker.lose(client);
    assert_eq!(broker.stored, []);

    let (client, _) = broker.resume("lasting");
    broker.lose(client);
    broker.pass_secs(1000);
    assert!(matches!(broker.stored.first(), Some(Change::Session(1, _))));
    assert_eq!(broker.stored.last(), Some(&Change::SessionEnded(1)));
}
