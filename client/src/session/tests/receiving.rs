//! Receiving: when messages are handed on and acknowledged.

use std::num::NonZeroU16;

use mqtt_protocol::{Disconnect, PublishTopic, TopicAlias};

use super::*;

/// Acknowledges the messages, as the program does when it is done with them.
fn take(dialogue: &mut Dialogue) -> Vec<u64> {
    let messages = dialogue.messages();
    messages.iter().filter_map(|message| Some(message.receipt.as_ref()?.token)).collect()
}

fn done(dialogue: &mut Dialogue, token: u64) {
    dialogue.session.acknowledge(token, ReasonCode::Success).unwrap();
}

/// At QoS 0 nobody waits for an answer. [MQTT-3.3.4-1]
#[test]
fn a_message_comes_with_the_stamp_of_its_read() {
    let mut dialogue = Dialogue::connected();
    dialogue.now = Moment::from_nanos(77_000_000_000);
    dialogue.server(publish(Delivery::AtMostOnce, "a"));
    let messages = dialogue.messages();
    assert_eq!(messages[0].timestamp, dialogue.now);
    assert_eq!((messages[0].topic().as_str(), messages[0].payload()), ("a", &b"a"[..]));
    dialogue.client(&[]);
}

/// [MQTT-3.3.4-1] [MQTT-4.3.2-4] [MQTT-4.6.0-2] [MQTT-4.6.0-3]
#[test]
fn acknowledgements_wait_for_the_program_and_keep_the_order_of_arrival() {
    let mut dialogue = Dialogue::connected();
    dialogue.server(publish(once(1), "a"));
    dialogue.server(publish(exactly_once(2), "b"));
    dialogue.server(publish(once(3), "c"));
    dialogue.client(&[]);
    let tokens = take(&mut dialogue);
    done(&mut dialogue, tokens[2]);
    done(&mut dialogue, tokens[1]);
    dialogue.client(&[]);
    done(&mut dialogue, tokens[0]);
    dialogue.client(&[Packet::PubAck(ack(1)), Packet::PubRec(ack(2)), Packet::PubAck(ack(3))]);
}

#[test]
fn a_message_is_acknowledged_once() {
    let mut dialogue = Dialogue::connected();
    dialogue.server(publish(once(1), "a"));
    let tokens = take(&mut dialogue);
    done(&mut dialogue, tokens[0]);
    let again = dialogue.session.acknowledge(tokens[0], ReasonCode::Success);
    assert_eq!(again.unwrap_err().kind, ErrorKind::State);
}

/// [MQTT-4.3.3-8] [MQTT-4.3.3-10] [MQTT-4.3.3-11] [MQTT-4.3.3-12]
#[test]
fn a_qos_2_message_is_handed_on_once() {
    let mut dialogue = Dialogue::connected();
    dialogue.server(publish(exactly_once(5), "a"));
    let tokens = take(&mut dialogue);
    done(&mut dialogue, tokens[0]);
    dialogue.client(&[Packet::PubRec(ack(5))]);
    dialogue.server(publish(again(exactly_once(5)), "a"));
    assert_eq!(dialogue.events(), [""; 0]);
    dialogue.client(&[Packet::PubRec(ack(5))]);
    dialogue.server(Packet::PubRel(ack(5)));
    dialogue.client(&[Packet::PubComp(ack(5))]);
    dialogue.server(publish(exactly_once(5), "b"));
    assert_eq!(dialogue.events(), ["message b"]);
}

#[test]
fn a_pubrel_nobody_knows_is_answered_so() {
    let mut dialogue = Dialogue::connected();
    dialogue.server(Packet::PubRel(ack(5)));
    let unknown = Ack::new(id(5), ReasonCode::PacketIdentifierNotFound);
    dialogue.client(&[Packet::PubComp(unknown)]);
}

/// [MQTT-4.3.3-8] [MQTT-4.3.3-10]
#[test]
fn a_repeat_before_the_program_is_done_is_answered_once() {
    let mut dialogue = Dialogue::connected();
    dialogue.server(publish(exactly_once(5), "a"));
    dialogue.server(publish(again(exactly_once(5)), "a"));
    let tokens = take(&mut dialogue);
    assert_eq!(tokens.len(), 1);
    dialogue.client(&[]);
    done(&mut dialogue, tokens[0]);
    dialogue.client(&[Packet::PubRec(ack(5))]);
}

/// [MQTT-4.3.3-8] [MQTT-4.3.3-11]
#[test]
fn a_pubrel_that_did_not_wait_is_answered_after_pubrec() {
    let mut dialogue = Dialogue::connected();
    dialogue.server(publish(exactly_once(5), "a"));
    dialogue.server(Packet::PubRel(ack(5)));
    let tokens = take(&mut dialogue);
    dialogue.client(&[]);
    done(&mut dialogue, tokens[0]);
    dialogue.client(&[Packet::PubRec(ack(5)), Packet::PubComp(ack(5))]);
}

/// [MQTT-3.4.2-1] [MQTT-3.5.2-1]
#[test]
fn a_reason_that_only_a_server_has_is_no_acknowledgement() {
    let mut dialogue = Dialogue::connected();
    dialogue.server(publish(once(1), "a"));
    let tokens = take(&mut dialogue);
    for reason in [ReasonCode::NoMatchingSubscribers, ReasonCode::ServerBusy] {
        let refused = dialogue.session.acknowledge(tokens[0], reason).unwrap_err();
        assert_eq!(refused.kind, ErrorKind::Argument);
    }
    dialogue.client(&[]);
    done(&mut dialogue, tokens[0]);
    dialogue.client(&[Packet::PubAck(ack(1))]);
}

/// [MQTT-4.3.3-9]
#[test]
fn a_message_the_program_refuses_is_new_when_it_comes_again() {
    let mut dialogue = Dialogue::connected();
    dialogue.server(publish(exactly_once(5), "a"));
    let tokens = take(&mut dialogue);
    dialogue.session.acknowledge(tokens[0], ReasonCode::QuotaExceeded).unwrap();
    dialogue.client(&[Packet::PubRec(Ack::new(id(5), ReasonCode::QuotaExceeded))]);
    dialogue.server(publish(exactly_once(5), "b"));
    assert_eq!(dialogue.events(), ["message b"]);
}

fn resumed() -> Dialogue {
    let options = Options { session_expiry_secs: 60, ..options() };
    Dialogue::connected_with(options, ConnAckProperties::default())
}

#[test]
fn a_qos_1_message_of_a_lost_connection_is_not_acknowledged_on_the_next() {
    let mut dialogue = resumed();
    dialogue.server(publish(once(1), "a"));
    let tokens = take(&mut dialogue);
    dialogue.break_and_wait();
    dialogue.connect(true, ConnAckProperties::default());
    assert!(dialogue.session.acknowledge(tokens[0], ReasonCode::Success).is_err());
    dialogue.client(&[]);
    dialogue.server(publish(again(once(1)), "a"));
    let tokens = take(&mut dialogue);
    done(&mut dialogue, tokens[0]);
    dialogue.client(&[Packet::PubAck(ack(1))]);
}

/// [MQTT-3.1.2-23] [MQTT-4.3.3-10]
#[test]
fn a_qos_2_message_of_a_lost_connection_is_answered_when_it_comes_again() {
    let mut dialogue = resumed();
    dialogue.server(publish(exactly_once(1), "a"));
    let tokens = take(&mut dialogue);
    dialogue.break_and_wait();
    dialogue.connect(true, ConnAckProperties::default());
    dialogue.events();
    dialogue.server(publish(again(exactly_once(1)), "a"));
    assert_eq!(dialogue.events(), [""; 0], "the program has it");
    dialogue.client(&[]);
    done(&mut dialogue, tokens[0]);
    dialogue.client(&[Packet::PubRec(ack(1))]);
}

/// [MQTT-3.3.4-7]
#[test]
fn a_server_that_exceeds_our_receive_maximum_is_left() {
    let options = Options { receive_maximum: NonZeroU16::new(1).unwrap(), ..options() };
    let mut dialogue = Dialogue::connected_with(options, ConnAckProperties::default());
    dialogue.server(publish(once(1), "a"));
    dialogue.server(publish(once(2), "b"));
    dialogue.client(&[Packet::Disconnect(Disconnect::new(ReasonCode::ReceiveMaximumExceeded))]);
}

fn aliased(topic: PublishTopic<'_>) -> Packet<'_> {
    let message = Publish::at_most_once(TopicName::new("x").unwrap(), b"");
    Packet::Publish(Publish { topic, ..message })
}

/// [MQTT-3.3.2-10] [MQTT-3.3.2-12]
#[test]
fn aliases_up_to_our_maximum_are_understood_and_end_with_the_connection() {
    let name = TopicName::new("long/name").unwrap();
    let alias = TopicAlias::new(32).unwrap();
    let mut dialogue = Dialogue::connected();
    dialogue.server(aliased(PublishTopic::Define(name, alias)));
    dialogue.server(aliased(PublishTopic::Alias(alias)));
    assert_eq!(dialogue.events(), ["message long/name", "message long/name"]);
    dialogue.break_and_wait();
    dialogue.connect(false, ConnAckProperties::default());
    dialogue.server(aliased(PublishTopic::Alias(alias)));
    dialogue.client(&[Packet::Disconnect(Disconnect::new(ReasonCode::ProtocolError))]);
}

/// [MQTT-3.1.2-26]
#[test]
fn an_alias_above_our_maximum_ends_the_connection() {
    let name = TopicName::new("a").unwrap();
    let mut dialogue = Dialogue::connected();
    dialogue.server(aliased(PublishTopic::Define(name, TopicAlias::new(33).unwrap())));
    dialogue.client(&[Packet::Disconnect(Disconnect::new(ReasonCode::TopicAliasInvalid))]);
}

#[test]
fn packets_come_in_any_pieces() {
    let mut bytes = Vec::new();
    publish(Delivery::AtMostOnce, "a").encode(&mut bytes).unwrap();
    publish(Delivery::AtMostOnce, "b").encode(&mut bytes).unwrap();
    for cut in 0..bytes.len() {
        let mut dialogue = Dialogue::connected();
        let used = dialogue.session.handle_input(&bytes[..cut], dialogue.now);
        dialogue.session.handle_input(&bytes[used..], dialogue.now);
        assert_eq!(dialogue.events(), ["message a", "message b"]);
    }
}
