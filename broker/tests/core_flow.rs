//! Flow control and recovery: windows, refusals, what is sent again, sizes, queues.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod dialogue;

use std::num::{NonZeroU16, NonZeroU32};

use dialogue::*;
use mqtt_broker::core::limits::Limits;
use mqtt_protocol::QoS::{AtLeastOnce, AtMostOnce, ExactlyOnce};
use mqtt_protocol::*;

/// Connects with a session that lasts and a window of so many messages.
fn resume_with(broker: &mut Broker, client_id: &str, receive_maximum: u16) -> Client {
    let mut connect = connect(client_id);
    connect.properties.session_expiry_interval = Some(1000);
    connect.properties.receive_maximum = NonZeroU16::new(receive_maximum);
    broker.connect_with(&connect)
}

/// A subscriber with a window of two, and `0` to `4` published to it at this QoS.
fn full_window(qos: QoS) -> (Broker, Client) {
    let mut broker = Broker::new();
    let client = resume_with(&mut broker, "subscriber", 2);
    broker.subscribe(client, "topic", qos);
    let publisher = broker.connect("publisher");
    for number in 0..5 {
        broker.publish_2(publisher, "topic", &number.to_string());
    }
    (broker, client)
}

fn refusal(number: u16) -> Ack<'static> {
    Ack::new(id(number), ReasonCode::UnspecifiedError)
}

/// [MQTT-3.3.4-9] [MQTT-4.4.0-2] [MQTT-4.9.0-1] [MQTT-4.9.0-2]
#[test]
fn a_full_window_opens_with_each_puback_whatever_it_says() {
    let (mut broker, client) = full_window(AtLeastOnce);
    assert_eq!(broker.messages(client), ["0", "1"]);
    broker.send(client, &Packet::PubAck(ack(2)));
    assert_eq!(broker.messages(client), ["2"]);
    broker.send(client, &Packet::PubAck(refusal(1)));
    assert_eq!(broker.messages(client), ["3"]);
    broker.send(client, &Packet::PubAck(ack(1)));
    assert_eq!(broker.messages(client), [""; 0], "a second PUBACK frees nothing");
    broker.send(client, &Packet::PubAck(ack(3)));
    assert_eq!(broker.messages(client), ["4"]);
}

/// [MQTT-3.3.4-9] [MQTT-4.3.3-4]
#[test]
fn at_qos_2_the_window_opens_with_pubcomp_and_not_with_pubrec() {
    let (mut broker, client) = full_window(ExactlyOnce);
    assert_eq!(broker.messages(client), ["0", "1"]);
    broker.send(client, &Packet::PubRec(ack(1)));
    assert_eq!(broker.received(client), [Packet::PubRel(ack(1))]);
    broker.send(client, &Packet::PubComp(ack(1)));
    assert_eq!(broker.messages(client), ["2"]);
}

/// [MQTT-4.3.3-4] [MQTT-4.4.0-2]
#[test]
fn a_refusing_pubrec_opens_the_window_and_gets_no_pubrel() {
    for reason in [ReasonCode::UnspecifiedError, ReasonCode::PayloadFormatInvalid] {
        let (mut broker, client) = full_window(ExactlyOnce);
        assert_eq!(broker.messages(client), ["0", "1"]);
        broker.send(client, &Packet::PubRec(Ack::new(id(2), reason)));
        assert_eq!(broker.messages(client), ["2"]);
        broker.lose(client);
        let client = resume_with(&mut broker, "subscriber", 10);
        assert_eq!(broker.messages(client), ["0", "2", "3", "4"], "and is not sent again");
    }
}

/// [MQTT-3.3.4-10] [MQTT-4.9.0-3]
#[test]
fn a_full_window_delays_nothing_but_messages() {
    let (mut broker, client) = full_window(AtLeastOnce);
    assert_eq!(broker.messages(client), ["0", "1"]);
    broker.send(client, &Packet::PingReq);
    assert_eq!(broker.receive(client), Packet::PingResp);
    broker.subscribe(client, "other", AtMostOnce);
    assert_eq!(broker.publish_1(client, "nobody", "x"), ReasonCode::NoMatchingSubscribers);
    broker.publish(client, "other", "QoS 0 needs no slot");
    assert_eq!(broker.messages(client), ["QoS 0 needs no slot"]);
    assert_eq!(broker.unsubscribe(client, &["other"]), [ReasonCode::Success]);
}

#[test]
fn a_client_that_overruns_the_window_is_disconnected() {
    let limits = Limits { receive_maximum: 2, ..Limits::default() };
    let mut broker = Broker::with_limits(limits);
    let (client, packet) = broker.try_connect(&connect("publisher"));
    let Packet::ConnAck(connack) = packet else { panic!("no CONNACK") };
    assert_eq!(connack.properties.receive_maximum, NonZeroU16::new(2));
    for number in [1, 2, 1, 2] {
        broker.send(client, &publish_at(ExactlyOnce, number, "a", "x").into());
    }
    assert!(!broker.is_closed(client), "repeats take no slot");
    for _ in 0..10 {
        broker.send(client, &publish_at(AtLeastOnce, 3, "a", "x").into());
        if broker.is_closed(client) {
            break;
        }
    }
    assert_eq!(broker.refusal(client), Some(ReasonCode::ReceiveMaximumExceeded));
}

/// [MQTT-4.4.0-1] [MQTT-3.3.1-1] [MQTT-4.3.2-3] [MQTT-4.3.3-3] [MQTT-4.3.3-5] [MQTT-4.3.3-6]
/// [MQTT-2.2.1-4]
#[test]
fn a_new_connection_gets_again_what_is_unfinished_in_its_order() {
    let mut broker = Broker::new();
    let client = resume_with(&mut broker, "subscriber", 10);
    broker.subscribe(client, "one", AtLeastOnce);
    broker.subscribe(client, "two", ExactlyOnce);
    let publisher = broker.connect("publisher");
    for topic in ["one", "two", "two", "one", "two"] {
        broker.publish_2(publisher, topic, topic);
    }
    assert_eq!(broker.received(client).len(), 5);
    broker.send(client, &Packet::PubAck(ack(1)));
    broker.send(client, &Packet::PubRec(ack(2)));
    broker.received(client);
    broker.pass_secs(100);
    assert_eq!(broker.received(client), [], "nothing is sent again on the same connection");

    broker.lose(client);
    broker.publish_2(publisher, "two", "new");
    let client = resume_with(&mut broker, "subscriber", 10);
    assert_eq!(broker.receive(client), Packet::PubRel(ack(2)));
    let packets = broker.received(client);
    let deliveries: Vec<Delivery> = packets.iter().map(|it| as_publish(it).delivery).collect();
    let again = |number| Delivery::ExactlyOnce { packet_id: id(number), duplicate: true };
    let expected = [
        again(3),
        Delivery::AtLeastOnce { packet_id: id(4), duplicate: true },
        again(5),
        Delivery::ExactlyOnce { packet_id: id(6), duplicate: false },
    ];
    assert_eq!(deliveries, expected);
}

/// [MQTT-3.3.4-9]
#[test]
fn what_is_sent_again_keeps_to_the_window_of_the_new_connection() {
    let mut broker = Broker::new();
    let client = resume_with(&mut broker, "subscriber", 4);
    broker.subscribe(client, "topic", AtLeastOnce);
    let publisher = broker.connect("publisher");
    for number in 0..6 {
        broker.publish_1(publisher, "topic", &number.to_string());
    }
    assert_eq!(broker.messages(client).len(), 4);
    broker.lose(client);
    let client = resume_with(&mut broker, "subscriber", 1);
    for number in 0..6 {
        assert_eq!(broker.messages(client), [number.to_string()]);
        broker.send(client, &Packet::PubAck(ack(number + 1)));
    }
    assert_eq!(broker.received(client), []);
}

#[test]
fn what_is_unfinished_survives_a_restart() {
    let (mut broker, client) = full_window(ExactlyOnce);
    assert_eq!(broker.messages(client), ["0", "1"]);
    broker.send(client, &Packet::PubRec(ack(1)));
    let mut broker = broker.restart();
    let client = resume_with(&mut broker, "subscriber", 10);
    assert_eq!(broker.receive(client), Packet::PubRel(ack(1)));
    let packets = broker.received(client);
    assert_eq!(packets.iter().map(payload).collect::<Vec<_>>(), ["1", "2", "3", "4"]);
    let duplicates = packets.iter().map(|packet| as_publish(packet).delivery.is_duplicate());
    assert_eq!(duplicates.collect::<Vec<_>>(), [true, false, false, false]);
}

#[test]
fn what_was_queued_for_a_client_that_is_away_survives_a_restart() {
    let mut broker = Broker::new();
    let (client, _) = broker.resume("subscriber");
    broker.subscribe(client, "topic", AtLeastOnce);
    broker.lose(client);
    let publisher = broker.connect("publisher");
    broker.publish_1(publisher, "topic", "while away");
    let mut broker = broker.restart();
    let (client, present) = broker.resume("subscriber");
    assert!(present);
    assert_eq!(broker.messages(client), ["while away"]);
}

/// [MQTT-4.1.0-2]
#[test]
fn a_restart_does_not_lengthen_the_life_of_a_session() {
    let mut broker = Broker::new();
    let (client, _) = broker.resume("subscriber");
    broker.subscribe(client, "topic", AtLeastOnce);
    broker.lose(client);
    broker.pass_secs(600);
    let mut broker = broker.restart();
    broker.pass_secs(399);
    assert_eq!(broker.core.session_count(), 1);
    broker.pass_secs(1);
    assert_eq!(broker.core.session_count(), 0);
}

/// [MQTT-4.3.3-10]
#[test]
fn a_qos_2_message_that_awaits_its_release_survives_a_restart() {
    let mut broker = Broker::new();
    let (client, _) = broker.resume("publisher");
    broker.send(client, &publish_at(ExactlyOnce, 9, "topic", "x").into());
    let mut broker = broker.restart();
    let subscriber = broker.connect("subscriber");
    broker.subscribe(subscriber, "#", AtMostOnce);
    let (client, _) = broker.resume("publisher");
    broker.send(client, &publish_at(ExactlyOnce, 9, "topic", "x").into());
    assert_eq!(broker.messages(subscriber), [""; 0]);
    broker.received(client);
    broker.send(client, &Packet::PubRel(ack(9)));
    assert_eq!(broker.received(client), [Packet::PubComp(ack(9))]);
}

/// [MQTT-4.3.3-4] [MQTT-4.3.3-5]
#[test]
fn acknowledgements_out_of_place_do_no_harm() {
    let (mut broker, client) = full_window(ExactlyOnce);
    broker.received(client);
    broker.send(client, &Packet::PubAck(ack(1)));
    broker.send(client, &Packet::PubComp(ack(1)));
    broker.send(client, &Packet::PubRec(refusal(100)));
    assert_eq!(broker.received(client), []);
    broker.send(client, &Packet::PubRec(ack(100)));
    let not_found = Ack::new(id(100), ReasonCode::PacketIdentifierNotFound);
    assert_eq!(broker.received(client), [Packet::PubRel(not_found)]);
    broker.send(client, &Packet::PubRec(ack(1)));
    assert_eq!(broker.received(client), [Packet::PubRel(ack(1))]);
}

fn small_client(broker: &mut Broker, maximum: u32) -> Client {
    let mut connect = connect("small");
    connect.properties.session_expiry_interval = Some(1000);
    connect.properties.receive_maximum = NonZeroU16::new(1);
    connect.properties.maximum_packet_size = NonZeroU32::new(maximum);
    broker.connect_with(&connect)
}

/// [MQTT-3.1.2-24] [MQTT-3.1.2-25]
#[test]
fn a_message_too_large_for_a_client_is_dropped_for_it_alone() {
    for qos in [AtMostOnce, AtLeastOnce, ExactlyOnce] {
        let mut broker = Broker::new();
        let small = small_client(&mut broker, 50);
        broker.subscribe(small, "topic", qos);
        let large = broker.connect("large");
        broker.subscribe(large, "topic", qos);
        let publisher = broker.connect("publisher");
        // Two bytes of header, seven of topic, the identifier, and one that says: no properties.
        let before_payload = if qos == AtMostOnce { 10 } else { 12 };
        let [fits, long] = [50, 51].map(|length| "x".repeat(length - before_payload));
        broker.publish_2(publisher, "topic", &long);
        broker.publish_2(publisher, "topic", &fits);
        assert_eq!(broker.messages(small), [fits.as_str()], "at QoS {qos}");
        assert_eq!(broker.messages(large), [long, fits]);
    }
}

/// [MQTT-3.1.2-25]
#[test]
fn a_message_that_has_become_too_large_to_send_again_counts_as_delivered() {
    let mut broker = Broker::new();
    let client = resume_with(&mut broker, "small", 1);
    broker.subscribe(client, "topic", AtLeastOnce);
    let publisher = broker.connect("publisher");
    broker.publish_1(publisher, "topic", &"x".repeat(50));
    broker.publish_1(publisher, "topic", "short");
    broker.received(client);
    broker.lose(client);
    let client = small_client(&mut broker, 50);
    assert_eq!(broker.messages(client), ["short"]);
}

/// [MQTT-3.1.2-24]
#[test]
fn a_client_that_cannot_take_a_connack_is_refused() {
    for (maximum, is_told) in [(15, true), (5, true), (4, false), (1, false)] {
        let mut broker = Broker::new();
        let mut connect = connect("a");
        connect.properties.maximum_packet_size = NonZeroU32::new(maximum);
        let client = broker.open();
        broker.send(client, &Packet::Connect(connect));
        let refusal = is_told.then_some(ReasonCode::PacketTooLarge);
        assert_eq!(broker.refusal(client), refusal);
        assert_eq!(broker.core.session_count(), 0);
    }
}

/// [MQTT-3.14.2-3]
#[test]
fn a_reason_string_that_does_not_fit_is_left_off() {
    for (maximum, has_reason) in [(20, false), (1000, true)] {
        let mut broker = Broker::new();
        let client = small_client(&mut broker, maximum);
        broker.send(client, &Packet::PingResp);
        let packets = broker.received(client);
        let Some(Packet::Disconnect(disconnect)) = packets.last() else { panic!("{packets:?}") };
        assert_eq!(disconnect.reason, ReasonCode::ProtocolError);
        assert_eq!(disconnect.properties.reason_string.is_some(), has_reason);
    }
}

/// [MQTT-3.1.2-29]
#[test]
fn without_problem_information_only_some_packets_have_reasons() {
    let mut broker = Broker::new();
    let mut quiet = connect("quiet");
    quiet.properties.request_problem_information = Some(false);
    let client = broker.connect_with(&quiet);
    broker.subscribe(client, "topic", AtMostOnce);
    let mut list = UserPropertyList::new();
    list.push(Text::new("name").unwrap(), Text::new("value").unwrap());
    let mut message = publish("topic", "x");
    message.properties.user_properties = list.view();
    broker.send(client, &message.clone().into());
    assert_eq!(as_publish(&broker.receive(client)), &message, "messages keep their properties");
    let refused = publish_at(AtLeastOnce, 9, "$not/allowed", "x");
    broker.send(client, &refused.into());
    let Packet::PubAck(puback) = broker.receive(client) else { panic!("no PUBACK") };
    assert!(puback.reason.is_error());
    assert_eq!(puback.properties, ReasonProperties::default());
    broker.send(client, &Packet::PingResp);
    let Packet::Disconnect(disconnect) = broker.receive(client) else { panic!("no DISCONNECT") };
    assert!(disconnect.properties.reason_string.is_some());
}

fn queue_of(messages: usize, bytes: usize) -> Limits {
    Limits { maximum_queued_messages: messages, maximum_queued_bytes: bytes, ..Limits::default() }
}

#[test]
fn a_full_queue_drops_what_comes_last_and_counts_it() {
    // With 15 bytes there is room for two topics and payloads, but not for three.
    for limits in [queue_of(2, 1000), queue_of(1000, 15)] {
        let mut broker = Broker::with_limits(limits);
        let (client, _) = broker.resume("subscriber");
        broker.subscribe(client, "topic", AtLeastOnce);
        broker.lose(client);
        let publisher = broker.connect("publisher");
        for payload in ["1", "2", "3"] {
            broker.publish_1(publisher, "topic", payload);
        }
        assert_eq!(broker.core.dropped_messages(), 1);
        let (client, _) = broker.resume("subscriber");
        assert_eq!(broker.messages(client), ["1", "2"]);
        broker.publish_1(publisher, "topic", "4");
        assert_eq!(broker.messages(client), ["4"]);
    }
}

#[test]
fn a_client_that_does_not_read_loses_qos_0_messages_beyond_a_bound() {
    let limits = Limits { maximum_outbox: 1000, ..Limits::default() };
    let mut broker = Broker::with_limits(limits);
    let client = broker.connect("subscriber");
    broker.subscribe(client, "topic", AtMostOnce);
    let publisher = broker.connect("publisher");
    broker.stop_reading(client);
    let payload = "x".repeat(90);
    for _ in 0..100 {
        broker.publish(publisher, "topic", &payload);
    }
    broker.read_on(client);
    let count = broker.messages(client).len();
    assert!((10..20).contains(&count), "{count}");
    assert_eq!(broker.core.dropped_messages(), 100 - count as u64);
    broker.publish(publisher, "topic", "reading again");
    assert_eq!(broker.messages(client), ["reading again"]);
}

#[test]
fn a_client_that_does_not_read_gets_its_qos_1_messages_later() {
    let mut broker = Broker::new();
    let client = broker.connect("subscriber");
    broker.subscribe(client, "topic", AtLeastOnce);
    let publisher = broker.connect("publisher");
    broker.stop_reading(client);
    let payload = "x".repeat(1000);
    for _ in 0..500 {
        broker.publish_1(publisher, "topic", &payload);
    }
    broker.read_on(client);
    assert_eq!(broker.messages(client).len(), 500);
}
