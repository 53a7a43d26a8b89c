//! What a broker does not do, or was told not to, and how clients get to know.

mod dialogue;

use dialogue::*;
use mqtt_broker::core::limits::Limits;
use mqtt_protocol::QoS::{AtLeastOnce, AtMostOnce, ExactlyOnce};
use mqtt_protocol::*;

fn connack(packet: &Packet<'static>) -> ConnAck<'static> {
    match packet {
        Packet::ConnAck(connack) => connack.clone(),
        other => panic!("no CONNACK: {other:?}"),
    }
}

/// A broker that takes messages up to this QoS.
fn modest(maximum_qos: QoS) -> Broker {
    Broker::with_limits(Limits { maximum_qos, ..Limits::default() })
}

/// A broker that retains nothing.
fn forgetful() -> Broker {
    Broker::with_limits(Limits { retain_available: false, ..Limits::default() })
}

/// [MQTT-3.2.2-9]
#[test]
fn connack_says_what_the_broker_does_not_do() {
    for (maximum_qos, announced) in [
        (AtMostOnce, Some(MaximumQoS::AtMostOnce)),
        (AtLeastOnce, Some(MaximumQoS::AtLeastOnce)),
        (ExactlyOnce, None),
    ] {
        let (_, packet) = modest(maximum_qos).try_connect(&connect("a"));
        let properties = connack(&packet).properties;
        assert_eq!(properties.maximum_qos, announced);
        assert_eq!(properties.retain_available, None);
    }
    let (_, packet) = forgetful().try_connect(&connect("a"));
    assert_eq!(connack(&packet).properties.retain_available, Some(false));
}

/// [MQTT-3.2.2-10]
#[test]
fn a_subscription_is_granted_what_there_is() {
    for maximum_qos in [AtMostOnce, AtLeastOnce, ExactlyOnce] {
        for wish in [AtMostOnce, AtLeastOnce, ExactlyOnce] {
            let mut broker = modest(maximum_qos);
            let client = broker.connect("a");
            let reason = broker.try_subscribe(client, subscription("t", wish), None);
            assert_eq!(reason.code(), wish.min(maximum_qos) as u8);
            broker.publish(client, "t", "x");
            assert_eq!(broker.messages(client), ["x"]);
        }
    }
}

#[test]
fn a_message_of_too_high_a_qos_ends_the_connection() {
    for (maximum_qos, qos) in
        [(AtMostOnce, AtLeastOnce), (AtMostOnce, ExactlyOnce), (AtLeastOnce, ExactlyOnce)]
    {
        let mut broker = modest(maximum_qos);
        let client = broker.connect("a");
        broker.send(client, &publish_at(qos, 1, "t", "x").into());
        assert_eq!(broker.refusal(client), Some(ReasonCode::QoSNotSupported));
    }
}

/// [MQTT-3.2.2-12]
#[test]
fn a_will_of_too_high_a_qos_is_refused() {
    let mut broker = modest(AtLeastOnce);
    for (qos, reason) in
        [(AtLeastOnce, ReasonCode::Success), (ExactlyOnce, ReasonCode::QoSNotSupported)]
    {
        let will = Some(Will { qos, ..will("w", "gone", None) });
        let (client, packet) = broker.try_connect(&Connect { will, ..connect("a") });
        assert_eq!(connack(&packet).reason, reason);
        assert_eq!(broker.is_closed(client), reason.is_error());
    }
}

/// [MQTT-3.2.2-13]
#[test]
fn what_would_be_retained_is_refused_where_nothing_is() {
    let mut broker = forgetful();
    let client = broker.connect("a");
    broker.send(client, &retained("t", "x"));
    assert_eq!(broker.refusal(client), Some(ReasonCode::RetainNotSupported));

    let will = Some(Will { retain: true, ..will("w", "gone", None) });
    let (client, packet) = broker.try_connect(&Connect { will, ..connect("a") });
    assert_eq!(connack(&packet).reason, ReasonCode::RetainNotSupported);
    assert!(broker.is_closed(client));
}

/// What was retained before the broker was told not to is neither sent nor forgotten.
#[test]
fn what_was_retained_in_other_times_waits_for_them_to_return() {
    let mut broker = Broker::new();
    let client = broker.connect("a");
    broker.send(client, &retained("t", "x"));
    let mut kept = Kept::default();
    broker.stored.drain(..).for_each(|change| kept.apply(change));

    let mut broker = forgetful();
    kept.restore(&mut broker.core, broker.now);
    let client = broker.connect("a");
    broker.subscribe(client, "t", AtMostOnce);
    assert_eq!(broker.received(client), []);
    assert_eq!(broker.stored, [], "the store is not told to forget it");
}

#[test]
fn a_broker_that_redirects_serves_nobody_and_names_the_other_server() {
    let mut broker = Broker::new();
    broker.core.redirect_to("other.example:8883");
    let (client, packet) = broker.try_connect(&connect("a"));
    let connack = connack(&packet);
    assert_eq!(connack.reason, ReasonCode::UseAnotherServer);
    assert_eq!(connack.properties.server_reference, Text::new("other.example:8883").ok());
    assert!(broker.is_closed(client));
    assert_eq!(broker.core.session_count(), 0);

    let old = Connect { version: Version::V3_1_1, ..connect("a") };
    let client = broker.open();
    broker.send(client, &Packet::Connect(old));
    assert_eq!(broker.received_bytes(client), b"\x20\x02\x00\x03");
}

/// [MQTT-3.1.3-5] [MQTT-3.1.3-8]
#[test]
fn a_client_id_of_23_bytes_is_short_enough_whatever_the_limits() {
    let limits =
        Limits { maximum_client_id_length: 5, maximum_topic_length: 1, ..Limits::default() };
    let mut broker = Broker::with_limits(limits);
    broker.connect(&"Z".repeat(23));
    broker.connect("9");
    let (client, packet) = broker.try_connect(&connect(&"z".repeat(24)));
    assert_eq!(connack(&packet).reason, ReasonCode::ClientIdentifierNotValid);
    assert!(broker.is_closed(client));
}

/// [MQTT-3.1.2-24]
#[test]
fn a_request_whose_answer_is_too_large_is_not_carried_out() {
    let filters: Vec<String> = (0..40).map(|number| number.to_string()).collect();
    let filters: Vec<_> = filters.iter().map(|it| TopicFilter::new(it).expect("it is")).collect();
    let subscribe = |count: usize| {
        let wishes = filters[..count].iter().map(|&filter| Subscription::new(filter, AtMostOnce));
        Packet::Subscribe(Subscribe {
            packet_id: id(5),
            properties: SubscribeProperties::default(),
            subscriptions: wishes.collect(),
        })
    };
    let unsubscribe = |count: usize| {
        Packet::Unsubscribe(Unsubscribe {
            packet_id: id(5),
            properties: UnsubscribeProperties::default(),
            filters: filters[..count].to_vec(),
        })
    };
    let mut small = connect("a");
    small.properties.maximum_packet_size = 35.try_into().ok();
    small.properties.session_expiry_interval = Some(100);
    // An answer with 30 codes is 35 bytes long.
    for (fits, does_not) in [(subscribe(30), subscribe(31)), (unsubscribe(30), unsubscribe(31))] {
        let mut broker = Broker::new();
        let client = broker.connect_with(&small);
        broker.send(client, &fits);
        assert!(matches!(broker.receive(client), Packet::SubAck(_) | Packet::UnsubAck(_)));
        broker.send(client, &does_not);
        assert_eq!(broker.refusal(client), Some(ReasonCode::PacketTooLarge));

        let (client, _) = broker.try_connect(&small);
        broker.publish(client, "30", "x");
        assert_eq!(broker.received(client), [], "the 31st filter was not subscribed to");
    }
}

/// [MQTT-3.14.2-1]
#[test]
fn a_client_does_not_leave_as_only_a_server_may() {
    let clients: Vec<u8> = [0x00, 0x04, 0x8C]
        .into_iter()
        .chain(0x80..=0x83)
        .chain([0x90])
        .chain(0x93..=0x99)
        .collect();
    let all = ReasonCode::ALL.iter().filter(|it| it.may_stand_in(PacketType::Disconnect));
    for &reason in all {
        let mut broker = Broker::new();
        let client = broker.connect("a");
        broker.send(client, &disconnect(reason));
        let is_clients = clients.contains(&reason.code());
        let refusal = (!is_clients).then_some(ReasonCode::ProtocolError);
        assert_eq!(broker.refusal(client), refusal, "{reason}");
    }
}

#[test]
fn a_client_does_not_name_another_server() {
    let mut broker = Broker::new();
    let client = broker.connect("a");
    let mut farewell = Disconnect::new(ReasonCode::Success);
    farewell.properties.server_reference = Text::new("other.example").ok();
    broker.send(client, &Packet::Disconnect(farewell));
    assert_eq!(broker.refusal(client), Some(ReasonCode::ProtocolError));
}

/// Before 5.0 there is no code for a CONNECT that is malformed, and no CONNACK for one.
#[test]
fn a_malformed_connect_of_an_older_version_is_answered_by_the_end_alone() {
    for (connect, answer) in [
        // The reserved flag is set.
        (&b"\x10\x0D\x00\x04MQTT\x04\x03\x00\x00\x00\x01a"[..], &b""[..]),
        (b"\x10\x0F\x00\x06MQIsdp\x03\x03\x00\x00\x00\x01a", b""),
        // Bytes are left over.
        (b"\x10\x0E\x00\x04MQTT\x04\x02\x00\x00\x00\x01ab", b""),
        // It is larger than any CONNECT may be.
        (b"\x10\xFF\xFF\x7F\x00\x04MQTT\x04\x02", b""),
        // This has a code: a session that lasts and has no name.
        (b"\x10\x0C\x00\x04MQTT\x04\x00\x00\x00\x00\x00", b"\x20\x02\x00\x02"),
    ] {
        let mut broker = Broker::new();
        let client = broker.open();
        broker.send_bytes(client, connect);
        assert!(broker.is_closed(client), "{connect:02x?}");
        assert_eq!(broker.received_bytes(client), answer, "{connect:02x?}");
    }
}
