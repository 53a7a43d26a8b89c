//! Statements of the standard that no other dialogue is about.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod dialogue;

use std::num::{NonZeroU16, NonZeroU32};

use dialogue::*;
use mqtt_protocol::QoS::{AtLeastOnce, AtMostOnce, ExactlyOnce};
use mqtt_protocol::*;

fn connack(packet: Packet<'static>) -> ConnAck<'static> {
    match packet {
        Packet::ConnAck(connack) => connack,
        other => panic!("no CONNACK: {other:?}"),
    }
}

/// [MQTT-3.1.2-6] [MQTT-3.1.4-4] [MQTT-3.2.2-3]
#[test]
fn a_client_without_a_session_gets_one_and_a_clean_start_another() {
    let mut broker = Broker::new();
    let (client, present) = broker.resume("a");
    assert!(!present, "there was none");
    broker.subscribe(client, "topic", AtLeastOnce);
    let (_, present) = broker.resume("a");
    assert!(present, "it is the one just made");

    let mut clean = Connect { clean_start: true, ..connect("a") };
    clean.properties.session_expiry_interval = Some(1000);
    let (client, packet) = broker.try_connect(&clean);
    assert!(!connack(packet).session_present);
    broker.publish(client, "topic", "for the former session");
    assert_eq!(broker.received(client), []);
    assert!(broker.resume("a").1, "the clean start has made one");
}

/// [MQTT-3.1.3-2]
#[test]
fn each_client_id_has_a_session_of_its_own() {
    let mut broker = Broker::new();
    let names = ["a", "A", "a ", "á"];
    for name in names {
        let (client, present) = broker.resume(name);
        assert!(!present, "{name:?} is not another one's name");
        broker.subscribe(client, name, AtLeastOnce);
        broker.lose(client);
    }
    let publisher = broker.connect("publisher");
    for name in names {
        broker.publish_1(publisher, name, name);
    }
    for name in names {
        let (client, present) = broker.resume(name);
        assert!(present);
        assert_eq!(broker.messages(client), [name]);
    }
}

/// [MQTT-3.1.3-5]
#[test]
fn letters_and_digits_make_a_client_id() {
    let mut broker = Broker::new();
    let characters: Vec<char> = ('0'..='9').chain('a'..='z').chain('A'..='Z').collect();
    for (place, &character) in characters.iter().enumerate() {
        let long: String = characters.iter().cycle().skip(place).take(23).collect();
        broker.connect(&character.to_string());
        broker.connect(&long);
    }
    assert_eq!(broker.core.connected_clients(), 2 * 62);
}

/// The client is told why, in one CONNACK, and the connection ends. [MQTT-3.1.3-8] [MQTT-3.1.4-1]
/// [MQTT-3.1.4-2] [MQTT-3.2.0-2] [MQTT-3.2.2-6] [MQTT-3.2.2-7] [MQTT-4.12.0-1] [MQTT-4.13.2-1]
#[test]
fn a_connect_that_is_not_accepted_is_answered_and_the_connection_closed() {
    let long = "x".repeat(1025);
    let mut with_method = connect("a");
    with_method.properties.authentication_method = Some(Text::new("GS2-KRB5").unwrap());
    let refused = [
        (connect(&long), ReasonCode::ClientIdentifierNotValid),
        (with_method, ReasonCode::BadAuthenticationMethod),
        (
            Connect { will: Some(will("$SYS/will", "gone", None)), ..connect("a") },
            ReasonCode::TopicNameInvalid,
        ),
    ];
    for (connect, reason) in refused {
        let mut broker = Broker::new();
        // The stored session does not make the refusal say that there is one.
        broker.resume("a");
        let client = broker.open();
        broker.send(client, &Packet::Connect(connect));
        assert_eq!(broker.received(client), [Packet::ConnAck(ConnAck::refuse(reason))]);
        assert!(broker.is_closed(client));
    }
}

/// [MQTT-3.1.4-1] [MQTT-3.1.2-2] [MQTT-3.1.2-3] [MQTT-4.13.1-1]
#[test]
fn a_connect_that_is_malformed_is_answered_and_the_connection_closed() {
    for (bytes, reason) in [
        (&b"\x10\x0E\x00\x04MQTT\x05\x03\x00\x00\x00\x00\x01a"[..], ReasonCode::MalformedPacket),
        (
            b"\x10\x0E\x00\x04MQTT\x06\x02\x00\x00\x00\x00\x01a",
            ReasonCode::UnsupportedProtocolVersion,
        ),
        (
            b"\x10\x11\x00\x04MQTT\x05\x02\x00\x00\x03\x21\x00\x00\x00\x01a",
            ReasonCode::ProtocolError,
        ),
    ] {
        let mut broker = Broker::new();
        let client = broker.open();
        broker.send_bytes(client, bytes);
        assert_eq!(broker.received(client), [Packet::ConnAck(ConnAck::refuse(reason))]);
        assert!(broker.is_closed(client));
    }
}

/// What waits for the client comes behind the CONNACK, however the two meet. [MQTT-3.2.0-1]
#[test]
fn connack_comes_before_all_else() {
    let mut broker = Broker::new();
    let (client, _) = broker.resume("a");
    broker.subscribe(client, "topic", ExactlyOnce);
    let publisher = broker.connect("publisher");
    broker.publish_2(publisher, "topic", "released");
    broker.publish_2(publisher, "topic", "begun");
    broker.received(client);
    broker.send(client, &Packet::PubRec(ack(1)));
    broker.lose(client);
    broker.publish_1(publisher, "topic", "queued");

    let client = broker.open();
    broker.publish_1(publisher, "topic", "before CONNECT");
    assert_eq!(broker.received(client), [], "nobody knows who it is");
    let mut connect = connect("a");
    connect.properties.session_expiry_interval = Some(1000);
    broker.send(client, &Packet::Connect(connect));
    assert!(connack(broker.receive(client)).session_present);
    assert_eq!(broker.receive(client), Packet::PubRel(ack(1)));
    assert_eq!(broker.messages(client), ["begun", "queued", "before CONNECT"]);
}

/// [MQTT-3.1.0-2] [MQTT-3.2.0-2]
#[test]
fn there_is_one_connack_whatever_the_client_asks() {
    let mut broker = Broker::new();
    let client = broker.open();
    for _ in 0..3 {
        broker.send(client, &Packet::Connect(connect("a")));
    }
    let packets = broker.received(client);
    let connacks = packets.iter().filter(|packet| matches!(packet, Packet::ConnAck(_)));
    assert_eq!(connacks.count(), 1, "{packets:?}");
    assert!(broker.is_closed(client));
}

/// [MQTT-3.1.2-28] [MQTT-4.12.0-6]
#[test]
fn connack_says_nothing_nobody_has_asked_for() {
    for asked in [None, Some(false)] {
        let mut broker = Broker::new();
        let mut connect = connect("a");
        connect.properties.request_response_information = asked;
        let (client, packet) = broker.try_connect(&connect);
        let properties = connack(packet).properties;
        assert_eq!(properties.response_information, None);
        assert_eq!(properties.authentication_method, None);
        assert_eq!(properties.authentication_data, None);
        assert_eq!(broker.received(client), [], "AUTH neither");
    }
}

/// [MQTT-4.12.0-6]
#[test]
fn auth_of_a_client_without_a_method_is_a_protocol_error() {
    let mut broker = Broker::new();
    let client = broker.connect("a");
    let properties = AuthProperties {
        authentication_method: Some(Text::new("GS2-KRB5").unwrap()),
        ..AuthProperties::default()
    };
    let auth = Auth { reason: ReasonCode::ReAuthenticate, properties };
    broker.send(client, &Packet::Auth(auth));
    let packets = broker.received(client);
    assert!(
        matches!(&packets[..], [Packet::Disconnect(it)] if it.reason == ReasonCode::ProtocolError)
    );
}

/// [MQTT-3.1.2-22] [MQTT-3.2.2-22]
#[test]
fn the_clients_keep_alive_holds_because_connack_names_no_other() {
    for keep_alive_secs in [1, 10, u16::MAX] {
        let mut broker = Broker::new();
        let (client, packet) = broker.try_connect(&Connect { keep_alive_secs, ..connect("a") });
        assert_eq!(connack(packet).properties.server_keep_alive, None);
        let patience = u64::from(keep_alive_secs) * 1500;
        broker.pass(std::time::Duration::from_millis(patience - 1));
        assert!(!broker.is_closed(client));
        broker.pass(std::time::Duration::from_millis(1));
        assert_eq!(broker.refusal(client), Some(ReasonCode::KeepAliveTimeout));
    }
}

/// Names that are alike are not the same. [MQTT-3.3.2-3] [MQTT-4.7.3-4]
#[test]
fn a_client_is_sent_what_its_filter_matches_and_nothing_else() {
    let topics = ["a", "A", "a/", "/a", "a/b", "a/b/c", "b/a", "á", "a\u{301}", "\u{FEFF}a", "a b"];
    for (filter, matched) in [
        ("a", &["a"][..]),
        ("a/", &["a/"]),
        ("+", &["a", "A", "á", "a\u{301}", "\u{FEFF}a", "a b"]),
        ("+/+", &["a/", "/a", "a/b", "b/a"]),
        ("a/#", &["a", "a/", "a/b", "a/b/c"]),
        ("á", &["á"]),
    ] {
        let mut broker = Broker::new();
        let client = broker.connect("subscriber");
        broker.subscribe(client, filter, AtMostOnce);
        let publisher = broker.connect("publisher");
        for name in topics {
            broker.publish(publisher, name, "x");
        }
        let names: Vec<&str> = broker.received(client).iter().map(topic).collect();
        assert_eq!(names, matched, "{filter:?}");
    }
}

/// [MQTT-3.12.4-1]
#[test]
fn each_pingreq_is_answered() {
    let mut broker = Broker::new();
    let client = broker.connect("a");
    broker.send_bytes(client, b"\xC0\x00\xC0\x00\xC0\x00");
    assert_eq!(broker.received(client), [Packet::PingResp, Packet::PingResp, Packet::PingResp]);
}

/// Whatever ends the connection. [MQTT-3.14.2-2]
#[test]
fn disconnect_leaves_the_session_expiry_to_the_client() {
    let ends: [fn(&mut Broker, Client); 4] = [
        |broker, client| broker.send(client, &Packet::PingResp),
        |broker, _| broker.pass_secs(15),
        |broker, _| {
            broker.connect("a");
        },
        |broker, _| {
            broker.core.shut_down(broker.now);
            broker.settle();
        },
    ];
    for end in ends {
        let mut broker = Broker::new();
        let mut connect = Connect { keep_alive_secs: 10, ..connect("a") };
        connect.properties.session_expiry_interval = Some(1000);
        let client = broker.connect_with(&connect);
        end(&mut broker, client);
        match &broker.received(client)[..] {
            [Packet::Disconnect(it)] => assert_eq!(it.properties.session_expiry_interval, None),
            other => panic!("no DISCONNECT: {other:?}"),
        }
    }
}

/// [MQTT-4.1.0-1]
#[test]
fn a_session_lasts_as_long_as_its_connection_whatever_its_expiry() {
    for expiry in [None, Some(0), Some(10)] {
        let mut broker = Broker::new();
        let mut connect = Connect { keep_alive_secs: 0, ..connect("a") };
        connect.properties.session_expiry_interval = expiry;
        // What the first connection left behind must not end the second one's session.
        let first = broker.connect_with(&connect);
        broker.lose(first);
        let client = broker.connect_with(&connect);
        broker.subscribe(client, "topic", ExactlyOnce);
        let publisher = broker.connect_with(&Connect { keep_alive_secs: 0, ..self::connect("b") });
        broker.publish_2(publisher, "topic", "begun");
        assert_eq!(broker.messages(client), ["begun"]);
        broker.pass_secs(1_000_000);
        broker.send(client, &Packet::PubRec(ack(1)));
        assert_eq!(broker.received(client), [Packet::PubRel(ack(1))]);
        broker.publish(publisher, "topic", "still subscribed");
        assert_eq!(broker.messages(client), ["still subscribed"]);
    }
}

/// [MQTT-4.5.0-1]
#[test]
fn a_message_that_is_acknowledged_is_in_every_session_it_is_for() {
    let mut broker = Broker::new();
    let narrow = |client_id| {
        let mut connect = connect(client_id);
        connect.properties.session_expiry_interval = Some(1000);
        connect.properties.receive_maximum = NonZeroU16::new(1);
        connect
    };
    for client_id in ["away", "full", "ready"] {
        let client = broker.connect_with(&narrow(client_id));
        broker.subscribe(client, "topic", AtLeastOnce);
        broker.lose(client);
    }
    let full = broker.connect_with(&narrow("full"));
    let publisher = broker.connect("publisher");
    broker.publish_1(publisher, "topic", "first");
    let ready = broker.connect_with(&narrow("ready"));
    assert_eq!(broker.messages(ready), ["first"]);
    broker.send(ready, &Packet::PubAck(ack(1)));
    assert_eq!(broker.publish_1(publisher, "topic", "second"), ReasonCode::Success);

    assert_eq!(broker.messages(ready), ["second"]);
    assert_eq!(broker.messages(full), ["first"]);
    broker.send(full, &Packet::PubAck(ack(1)));
    assert_eq!(broker.messages(full), ["second"]);
    let away = broker.connect_with(&narrow("away"));
    assert_eq!(broker.messages(away), ["first"]);
    broker.send(away, &Packet::PubAck(ack(1)));
    assert_eq!(broker.messages(away), ["second"]);
}

/// [MQTT-4.3.3-13]
#[test]
fn the_exchange_goes_on_when_the_message_is_long_expired() {
    let mut broker = Broker::new();
    let publisher = broker.connect_with(&Connect { keep_alive_secs: 0, ..connect("publisher") });
    let mut message = publish_at(ExactlyOnce, 9, "topic", "x");
    message.properties.message_expiry_interval = Some(10);
    broker.send(publisher, &message.clone().into());
    broker.pass_secs(100);
    broker.send(publisher, &message.into());
    let no_one = Ack::new(id(9), ReasonCode::NoMatchingSubscribers);
    assert_eq!(broker.received(publisher), [Packet::PubRec(no_one), Packet::PubRec(ack(9))]);
    broker.send(publisher, &Packet::PubRel(ack(9)));
    assert_eq!(broker.received(publisher), [Packet::PubComp(ack(9))]);
}

/// [MQTT-4.13.1-1] [MQTT-4.13.2-1]
#[test]
fn a_client_that_breaks_the_rules_is_told_and_cut_off() {
    for (bytes, reason) in [
        (&b"\x00\x00"[..], ReasonCode::MalformedPacket),
        (b"\x36\x04\x00\x01a\x00", ReasonCode::MalformedPacket),
        (b"\x80\x05\x00\x01\x00\x00\x00", ReasonCode::MalformedPacket),
        (b"\x30\x07\x00\x01a\x03\x23\x00\x00", ReasonCode::TopicAliasInvalid),
        (b"\x82\x03\x00\x01\x00", ReasonCode::ProtocolError),
        (b"\x30\x80\x80\x80\x7F", ReasonCode::PacketTooLarge),
    ] {
        let mut broker = Broker::new();
        let other = broker.connect("other");
        broker.subscribe(other, "#", AtMostOnce);
        let client = broker.connect("a");
        broker.send_bytes(client, &[bytes, b"\x30\x05\x00\x01a\x00x"].concat());
        assert_eq!(broker.refusal(client), Some(reason), "{bytes:02x?}");
        assert_eq!(broker.received(other), [], "what came behind is not processed");
        broker.send(other, &Packet::PingReq);
        assert_eq!(broker.received(other), [Packet::PingResp]);
    }
}

/// A code of 0x80 and above ends the connection from either end, and also where there is no room to
/// say so. [MQTT-4.13.2-1]
#[test]
fn an_error_closes_the_connection_even_if_it_cannot_be_told() {
    let mut broker = Broker::new();
    let client = broker.connect("a");
    broker.send(client, &disconnect(ReasonCode::UnspecifiedError));
    assert_eq!(broker.refusal(client), None);

    let mut connect = connect("b");
    connect.properties.maximum_packet_size = NonZeroU32::new(2);
    let client = broker.open();
    broker.send(client, &Packet::Connect(connect));
    assert_eq!(broker.refusal(client), None, "no packet that could tell has two bytes");
}
