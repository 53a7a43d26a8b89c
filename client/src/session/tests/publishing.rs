//! Publishing: QoS, the window, the queue, limits, and what survives a broken connection.

use std::num::NonZeroU32;

use mqtt_protocol::{MaximumQoS, PublishTopic, TopicAlias};

use super::*;
use crate::{Message, QueueLimit};

const NOT_FOUND: ReasonCode = ReasonCode::PacketIdentifierNotFound;

/// [MQTT-4.3.1-1]
#[test]
fn a_qos_0_message_is_done_when_it_is_written() {
    let mut dialogue = Dialogue::connected();
    dialogue.publish(QoS::AtMostOnce, "a").unwrap();
    assert_eq!(dialogue.events(), [""; 0]);
    dialogue.client(&[publish(Delivery::AtMostOnce, "a")]);
    assert_eq!(dialogue.events(), ["published 1: ok"]);
}

#[test]
fn a_qos_0_message_is_stamped_by_the_write_of_its_last_byte() {
    let mut dialogue = Dialogue::connected();
    dialogue.publish(QoS::AtMostOnce, "a").unwrap();
    let first = dialogue.written;
    let mut bytes = Vec::new();
    assert!(dialogue.session.take_output(&mut bytes, dialogue.now), "somebody wants to know");
    let stamp = |nanos| Moment::from_nanos(nanos);
    dialogue.session.handle_written(first + bytes.len() as u64 - 1, stamp(5));
    assert_eq!(dialogue.events(), [""; 0]);
    dialogue.session.handle_written(first + bytes.len() as u64, stamp(6));
    let mut events = Vec::new();
    dialogue.session.take_events(&mut events);
    assert!(matches!(events[..], [Event::PublishDone { timestamp, .. }] if timestamp == stamp(6)));
}

/// [MQTT-4.3.2-1] [MQTT-4.3.2-2] [MQTT-4.3.2-3]
#[test]
fn a_qos_1_message_is_done_when_it_is_acknowledged() {
    let mut dialogue = Dialogue::connected();
    dialogue.publish(QoS::AtLeastOnce, "a").unwrap();
    dialogue.client(&[publish(once(1), "a")]);
    assert_eq!(dialogue.events(), [""; 0]);
    dialogue.server(Packet::PubAck(ack(1)));
    assert_eq!(dialogue.events(), ["published 1: ok"]);
    dialogue.server(Packet::PubAck(ack(1)));
    assert_eq!(dialogue.events(), [""; 0], "there is one outcome");
}

/// [MQTT-4.3.3-1] [MQTT-4.3.3-2] [MQTT-4.3.3-4] [MQTT-4.3.3-5]
#[test]
fn a_qos_2_message_is_done_when_it_is_completed() {
    let mut dialogue = Dialogue::connected();
    dialogue.publish(QoS::ExactlyOnce, "a").unwrap();
    dialogue.client(&[publish(exactly_once(1), "a")]);
    dialogue.server(Packet::PubRec(ack(1)));
    dialogue.client(&[Packet::PubRel(ack(1))]);
    assert_eq!(dialogue.events(), [""; 0]);
    dialogue.server(Packet::PubComp(ack(1)));
    assert_eq!(dialogue.events(), ["published 1: ok"]);
}

/// [MQTT-4.6.0-4]
#[test]
fn pubrels_follow_the_order_of_the_pubrecs() {
    let mut dialogue = Dialogue::connected();
    for topic in ["a", "b", "c"] {
        dialogue.publish(QoS::ExactlyOnce, topic).unwrap();
    }
    dialogue.output();
    for number in [2, 3, 1] {
        dialogue.server(Packet::PubRec(ack(number)));
    }
    dialogue.client(&[2, 3, 1].map(|number| Packet::PubRel(ack(number))));
}

/// [MQTT-4.4.0-2]
#[test]
fn a_refused_message_is_over() {
    let mut dialogue = Dialogue::connected();
    dialogue.publish(QoS::AtLeastOnce, "a").unwrap();
    dialogue.publish(QoS::ExactlyOnce, "b").unwrap();
    dialogue.output();
    dialogue.server(Packet::PubAck(Ack::new(id(1), ReasonCode::NotAuthorized)));
    dialogue.server(Packet::PubRec(Ack::new(id(2), ReasonCode::QuotaExceeded)));
    assert_eq!(dialogue.events(), ["published 1: Refused", "published 2: Refused"]);
    dialogue.client(&[]);
}

#[test]
fn an_unknown_pubrec_is_answered_and_no_more() {
    let mut dialogue = Dialogue::connected();
    dialogue.server(Packet::PubRec(ack(9)));
    let release = Ack::new(id(9), NOT_FOUND);
    dialogue.client(&[Packet::PubRel(release)]);
}

/// [MQTT-3.3.4-7] [MQTT-3.3.4-8] [MQTT-4.9.0-1] [MQTT-4.9.0-2] [MQTT-4.9.0-3]
#[test]
fn the_servers_receive_maximum_is_kept() {
    let mut dialogue = Dialogue::connected_with(options(), window(2));
    for topic in ["a", "b", "c"] {
        dialogue.publish(QoS::AtLeastOnce, topic).unwrap();
    }
    dialogue.client(&[publish(once(1), "a"), publish(once(2), "b")]);
    dialogue.subscribe("x");
    assert_eq!(packets(&dialogue.output()).len(), 1, "other packets do not wait");
    for (packet, answer) in [
        (Packet::PubRec(ack(77)), Packet::PubRel(Ack::new(id(77), NOT_FOUND))),
        (Packet::PubRel(ack(78)), Packet::PubComp(Ack::new(id(78), NOT_FOUND))),
    ] {
        dialogue.server(packet);
        dialogue.client(&[answer]);
    }
    dialogue.server(Packet::PubAck(ack(1)));
    // SUBSCRIBE has taken identifier 3.
    dialogue.client(&[publish(once(4), "c")]);
}

/// [MQTT-3.1.2-23] [MQTT-4.6.0-1] [MQTT-4.4.0-1] [MQTT-3.3.1-1] [MQTT-4.3.2-3] [MQTT-4.3.3-3]
/// [MQTT-4.3.3-5] [MQTT-4.3.3-6]
#[test]
fn what_is_unfinished_is_sent_again_after_a_reconnect() {
    let options = Options { session_expiry_secs: 60, ..options() };
    let mut dialogue = Dialogue::connected_with(options, ConnAckProperties::default());
    dialogue.publish(QoS::AtLeastOnce, "a").unwrap();
    dialogue.publish(QoS::ExactlyOnce, "b").unwrap();
    dialogue.publish(QoS::ExactlyOnce, "c").unwrap();
    dialogue.output();
    dialogue.server(Packet::PubRec(ack(2)));
    dialogue.break_and_wait();
    dialogue.publish(QoS::AtLeastOnce, "d").unwrap();
    dialogue.connect(true, ConnAckProperties::default());
    dialogue.client(&[
        Packet::PubRel(ack(2)),
        publish(again(once(1)), "a"),
        publish(again(exactly_once(3)), "c"),
        publish(once(4), "d"),
    ]);
}

/// [MQTT-3.2.2-5]
#[test]
fn a_lost_session_is_published_anew_but_never_twice_at_qos_2() {
    let mut dialogue = Dialogue::connected();
    dialogue.publish(QoS::AtLeastOnce, "a").unwrap();
    dialogue.publish(QoS::ExactlyOnce, "b").unwrap();
    dialogue.publish(QoS::ExactlyOnce, "c").unwrap();
    dialogue.output();
    dialogue.server(Packet::PubRec(ack(2)));
    dialogue.break_and_wait();
    dialogue.events();
    dialogue.connect(false, ConnAckProperties::default());
    let expected = ["connected", "published 3: Lost", "published 2: ok"];
    assert_eq!(dialogue.events(), expected);
    dialogue.client(&[publish(once(4), "a")]);
}

#[test]
fn a_qos_0_message_that_was_not_written_is_lost_with_the_connection() {
    let mut dialogue = Dialogue::connected();
    dialogue.publish(QoS::AtMostOnce, "a").unwrap();
    dialogue.break_and_wait();
    assert_eq!(dialogue.events(), ["published 1: Lost", "disconnected: Lost, retry true"]);
}

#[test]
fn the_queue_keeps_its_order_while_there_is_no_connection() {
    let mut dialogue = Dialogue::new(options());
    for (qos, topic) in [(QoS::AtLeastOnce, "a"), (QoS::AtMostOnce, "b"), (QoS::ExactlyOnce, "c")] {
        dialogue.publish(qos, topic).unwrap();
    }
    dialogue.connect(false, ConnAckProperties::default());
    dialogue.client(&[
        publish(once(1), "a"),
        publish(Delivery::AtMostOnce, "b"),
        publish(exactly_once(2), "c"),
    ]);
}

#[test]
fn qos_0_messages_need_not_wait_for_a_connection() {
    let mut options = options();
    options.queue.holds_qos_0 = false;
    let mut dialogue = Dialogue::new(options);
    assert_eq!(dialogue.publish(QoS::AtMostOnce, "a").unwrap_err().kind, ErrorKind::State);
    dialogue.publish(QoS::AtLeastOnce, "b").unwrap();
    dialogue.connect(false, ConnAckProperties::default());
    dialogue.client(&[publish(once(1), "b")]);
}

#[test]
fn a_full_queue_refuses_and_tells_when_it_has_room() {
    let mut options = options();
    options.queue.messages = 2;
    let mut dialogue = Dialogue::new(options);
    dialogue.publish(QoS::AtLeastOnce, "a").unwrap();
    dialogue.publish(QoS::AtLeastOnce, "b").unwrap();
    assert_eq!(dialogue.publish(QoS::AtLeastOnce, "c").unwrap_err().kind, ErrorKind::Full);
    dialogue.connect(false, ConnAckProperties::default());
    assert_eq!(dialogue.events(), ["connected", "writable"]);
    dialogue.output();
    assert_eq!(dialogue.events(), [""; 0], "it is told once");
}

#[test]
fn a_queue_is_bounded_in_bytes_too() {
    let mut options = options();
    options.queue.bytes = 10;
    let mut dialogue = Dialogue::new(options);
    dialogue.publish(QoS::AtLeastOnce, "1234").unwrap();
    assert_eq!(dialogue.publish(QoS::AtLeastOnce, "1234").unwrap_err().kind, ErrorKind::Full);
    assert_eq!(dialogue.publish(QoS::AtLeastOnce, "123456").unwrap_err().kind, ErrorKind::Full);
}

#[test]
fn the_oldest_messages_make_room_if_that_is_the_policy() {
    let queue = QueueLimit { messages: 2, bytes: 100, drops_oldest: true, holds_qos_0: true };
    let mut dialogue = Dialogue::new(Options { queue, ..options() });
    for topic in ["a", "b", "c"] {
        dialogue.publish(QoS::AtLeastOnce, topic).unwrap();
    }
    assert_eq!(dialogue.events(), ["published 1: Dropped"]);
    assert_eq!(dialogue.session.counts().dropped, 1);
    dialogue.connect(false, ConnAckProperties::default());
    dialogue.client(&[publish(once(1), "b"), publish(once(2), "c")]);
}

#[test]
fn a_message_larger_than_the_whole_queue_drops_nothing() {
    let queue = QueueLimit { messages: 2, bytes: 4, drops_oldest: true, holds_qos_0: true };
    let mut dialogue = Dialogue::new(Options { queue, ..options() });
    dialogue.publish(QoS::AtLeastOnce, "a").unwrap();
    assert_eq!(dialogue.publish(QoS::AtLeastOnce, "large").unwrap_err().kind, ErrorKind::Full);
    assert_eq!(dialogue.events(), [""; 0]);
}

fn expiring(topic: &str, secs: u32) -> Message {
    let mut message = Message::new(topic, b"").unwrap();
    message.qos = QoS::AtLeastOnce;
    message.properties_mut().expiry_secs = Some(secs);
    message
}

#[test]
fn lifetimes_count_down_in_the_queue() {
    let mut dialogue = Dialogue::new(options());
    for message in [expiring("a", 10), expiring("b", 60)] {
        dialogue.session.publish(&message.draft(), true, dialogue.now).unwrap();
    }
    dialogue.now = dialogue.now + Duration::from_secs(10);
    dialogue.connect(false, ConnAckProperties::default());
    assert_eq!(dialogue.events(), ["connected", "published 1: Expired"]);
    let bytes = dialogue.output();
    let [Packet::Publish(message)] = &packets(&bytes)[..] else { panic!("one message is left") };
    assert_eq!(message.properties.message_expiry_interval, Some(50));
}

/// [MQTT-3.2.2-11] [MQTT-3.2.2-14]
#[test]
fn what_the_server_does_not_offer_is_not_sent() {
    let granted = ConnAckProperties {
        maximum_qos: Some(MaximumQoS::AtLeastOnce),
        retain_available: Some(false),
        ..Default::default()
    };
    let mut dialogue = Dialogue::new(options());
    dialogue.publish(QoS::ExactlyOnce, "early").unwrap();
    dialogue.connect(false, granted);
    assert_eq!(dialogue.events(), ["connected", "published 1: Unsupported"]);
    assert_eq!(dialogue.publish(QoS::ExactlyOnce, "a").unwrap_err().kind, ErrorKind::Unsupported);
    let mut draft = Draft::new(TopicName::new("a").unwrap(), b"");
    draft.retain = true;
    let error = dialogue.session.publish(&draft, true, dialogue.now).unwrap_err();
    assert_eq!(error.reason, Some(ReasonCode::RetainNotSupported));
    dialogue.client(&[]);
}

/// [MQTT-3.2.2-15]
#[test]
fn a_packet_too_large_for_the_server_is_not_sent() {
    let granted =
        ConnAckProperties { maximum_packet_size: NonZeroU32::new(16), ..Default::default() };
    let mut dialogue = Dialogue::new(options());
    // Each has 17 bytes.
    dialogue.publish(QoS::AtLeastOnce, "large").unwrap();
    dialogue.connect(false, granted);
    assert_eq!(dialogue.events(), ["connected", "published 1: TooLarge"]);
    assert_eq!(dialogue.publish(QoS::AtMostOnce, "larger").unwrap_err().kind, ErrorKind::TooLarge);
    dialogue.publish(QoS::AtLeastOnce, "fits").unwrap();
    dialogue.client(&[publish(once(1), "fits")]);
}

/// [MQTT-3.2.2-17] [MQTT-3.2.2-18] [MQTT-3.3.2-7] [MQTT-3.3.2-9]
#[test]
fn aliases_are_used_as_far_as_the_server_takes_them_and_defined_anew_on_each_connection() {
    let granted = || ConnAckProperties { topic_alias_maximum: Some(1), ..Default::default() };
    let options = Options { session_expiry_secs: 60, ..options() };
    let mut dialogue = Dialogue::connected_with(options, granted());
    let topics = |dialogue: &mut Dialogue| -> Vec<String> {
        for topic in ["a", "a", "b"] {
            dialogue.publish(QoS::AtMostOnce, topic).unwrap();
        }
        let bytes = dialogue.output();
        let topic = |packet: &Packet<'_>| match packet {
            Packet::Publish(message) => match message.topic {
                PublishTopic::Name(name) => name.to_string(),
                PublishTopic::Define(name, alias) => format!("{name}={}", alias.number()),
                PublishTopic::Alias(alias) => format!("={}", alias.number()),
            },
            other => panic!("{other:?} is no message"),
        };
        packets(&bytes).iter().map(topic).collect()
    };
    assert_eq!(topics(&mut dialogue), ["a=1", "=1", "b"]);
    for session_present in [false, true] {
        dialogue.break_and_wait();
        dialogue.connect(session_present, granted());
        assert_eq!(topics(&mut dialogue), ["a=1", "=1", "b"]);
    }
    dialogue.break_and_wait();
    dialogue.connect(false, ConnAckProperties::default());
    assert_eq!(topics(&mut dialogue), ["a", "a", "b"]);
    assert_eq!(TopicAlias::new(0), None);
}

/// [MQTT-2.2.1-3]
#[test]
fn a_subscribe_keeps_its_identifier_from_messages() {
    let mut dialogue = Dialogue::connected();
    dialogue.subscribe("x");
    dialogue.output();
    for _ in 0..u16::MAX {
        dialogue.publish(QoS::AtLeastOnce, "a").unwrap();
        let bytes = dialogue.output();
        let [Packet::Publish(message)] = &packets(&bytes)[..] else {
            panic!("one message goes out")
        };
        let packet_id = message.delivery.packet_id().unwrap();
        assert_ne!(packet_id, id(1), "the SUBSCRIBE has it");
        dialogue.server(Packet::PubAck(Ack::new(packet_id, ReasonCode::Success)));
    }
}

#[test]
fn an_unreported_message_is_told_of_only_if_it_fails() {
    let mut dialogue = Dialogue::connected();
    for _ in 0..2 {
        let mut draft = Draft::new(TopicName::new("a").unwrap(), b"");
        draft.qos = QoS::AtLeastOnce;
        dialogue.session.publish(&draft, false, dialogue.now).unwrap();
    }
    dialogue.output();
    dialogue.server(Packet::PubAck(ack(1)));
    dialogue.server(Packet::PubAck(Ack::new(id(2), ReasonCode::QuotaExceeded)));
    assert_eq!(dialogue.events(), ["published -: Refused"]);
}

#[test]
fn the_session_knows_which_operations_run() {
    let mut dialogue = Dialogue::connected_with(options(), window(1));
    let written = dialogue.publish(QoS::AtMostOnce, "a").unwrap();
    let begun = dialogue.publish(QoS::AtLeastOnce, "b").unwrap();
    let queued = dialogue.publish(QoS::AtLeastOnce, "c").unwrap();
    let asked = dialogue.subscribe("x");
    for op in [written, begun, queued, asked] {
        assert!(dialogue.session.is_running(op), "{op:?}");
    }
    dialogue.output();
    dialogue.server(Packet::PubAck(ack(1)));
    assert!(!dialogue.session.is_running(written));
    assert!(!dialogue.session.is_running(begun));
    assert!(dialogue.session.is_running(queued));
}
