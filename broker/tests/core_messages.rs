//! Messages on their way through the broker: QoS, duplicates, properties, expiry, aliases.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod dialogue;

use std::time::Duration;

use dialogue::*;
use mqtt_protocol::QoS::{AtLeastOnce, AtMostOnce, ExactlyOnce};
use mqtt_protocol::*;

/// A broker with someone who receives `topic` at this QoS, and someone to publish.
fn pair(qos: QoS) -> (Broker, Client, Client) {
    let mut broker = Broker::new();
    let subscriber = broker.connect("subscriber");
    broker.subscribe(subscriber, "topic", qos);
    let publisher = broker.connect("publisher");
    (broker, subscriber, publisher)
}

/// [MQTT-4.3.1-1] [MQTT-3.3.4-1]
#[test]
fn a_qos_0_message_is_delivered_and_not_answered() {
    let (mut broker, subscriber, publisher) = pair(ExactlyOnce);
    broker.publish(publisher, "topic", "hello");
    let packet = broker.receive(subscriber);
    assert_eq!(as_publish(&packet), &publish("topic", "hello"));
    assert_eq!(broker.received(publisher), []);
}

/// [MQTT-4.3.2-2] [MQTT-4.3.2-4] [MQTT-2.2.1-5]
#[test]
fn a_qos_1_message_is_acknowledged_on_both_sides() {
    let (mut broker, subscriber, publisher) = pair(ExactlyOnce);
    broker.send(publisher, &publish_at(AtLeastOnce, 9, "topic", "hello").into());
    assert_eq!(broker.received(publisher), [Packet::PubAck(ack(9))]);
    let packet = broker.receive(subscriber);
    assert_eq!(as_publish(&packet), &publish_at(AtLeastOnce, 1, "topic", "hello"));
    broker.send(subscriber, &Packet::PubAck(ack(1)));
    assert_eq!(broker.received(subscriber), []);
}

/// [MQTT-4.3.3-2] [MQTT-4.3.3-4] [MQTT-4.3.3-8] [MQTT-4.3.3-11]
#[test]
fn a_qos_2_message_takes_four_steps_on_both_sides() {
    let (mut broker, subscriber, publisher) = pair(ExactlyOnce);
    broker.send(publisher, &publish_at(ExactlyOnce, 9, "topic", "hello").into());
    assert_eq!(broker.received(publisher), [Packet::PubRec(ack(9))]);
    broker.send(publisher, &Packet::PubRel(ack(9)));
    assert_eq!(broker.received(publisher), [Packet::PubComp(ack(9))]);

    let packet = broker.receive(subscriber);
    assert_eq!(as_publish(&packet), &publish_at(ExactlyOnce, 1, "topic", "hello"));
    broker.send(subscriber, &Packet::PubRec(ack(1)));
    assert_eq!(broker.received(subscriber), [Packet::PubRel(ack(1))]);
    broker.send(subscriber, &Packet::PubComp(ack(1)));
    assert_eq!(broker.received(subscriber), []);
}

/// [MQTT-3.8.4-8]
#[test]
fn a_message_is_delivered_with_the_lower_of_the_two_qos() {
    for granted in [AtMostOnce, AtLeastOnce, ExactlyOnce] {
        for published in [AtMostOnce, AtLeastOnce, ExactlyOnce] {
            let (mut broker, subscriber, publisher) = pair(granted);
            broker.send(publisher, &publish_at(published, 9, "topic", "hello").into());
            let packet = broker.receive(subscriber);
            assert_eq!(as_publish(&packet).delivery.qos(), granted.min(published));
        }
    }
}

/// [MQTT-3.3.1-3]
#[test]
fn the_duplicate_flag_of_the_publisher_is_not_passed_on() {
    for qos in [AtLeastOnce, ExactlyOnce] {
        let (mut broker, subscriber, publisher) = pair(ExactlyOnce);
        let mut again = publish_at(qos, 9, "topic", "hello");
        again.delivery = match qos {
            AtLeastOnce => Delivery::AtLeastOnce { packet_id: id(9), duplicate: true },
            _ => Delivery::ExactlyOnce { packet_id: id(9), duplicate: true },
        };
        broker.send(publisher, &again.into());
        let packet = broker.receive(subscriber);
        assert!(!as_publish(&packet).delivery.is_duplicate());
    }
}

/// [MQTT-4.3.2-5]
#[test]
fn an_acknowledged_identifier_means_a_new_message_at_qos_1() {
    let (mut broker, subscriber, publisher) = pair(AtMostOnce);
    broker.publish_1(publisher, "topic", "one");
    broker.publish_1(publisher, "topic", "two");
    assert_eq!(broker.messages(subscriber), ["one", "two"]);
}

/// [MQTT-4.3.3-10] [MQTT-4.3.3-12]
#[test]
fn a_repeated_qos_2_message_is_answered_again_and_delivered_once() {
    let (mut broker, subscriber, publisher) = pair(AtMostOnce);
    for _ in 0..3 {
        broker.send(publisher, &publish_at(ExactlyOnce, 9, "topic", "once").into());
        assert_eq!(broker.received(publisher), [Packet::PubRec(ack(9))]);
    }
    broker.send(publisher, &Packet::PubRel(ack(9)));
    assert_eq!(broker.received(publisher), [Packet::PubComp(ack(9))]);
    assert_eq!(broker.messages(subscriber), ["once"]);
    broker.publish_2(publisher, "topic", "the same identifier, a new message");
    assert_eq!(broker.messages(subscriber).len(), 1);
}

/// [MQTT-4.3.3-10] [MQTT-4.4.0-1]
#[test]
fn a_qos_2_message_repeated_on_a_new_connection_is_delivered_once() {
    let (mut broker, subscriber, _) = pair(AtMostOnce);
    let (publisher, _) = broker.resume("lasting");
    broker.send(publisher, &publish_at(ExactlyOnce, 9, "topic", "once").into());
    broker.lose(publisher);
    let (publisher, present) = broker.resume("lasting");
    assert!(present);
    broker.send(publisher, &publish_at(ExactlyOnce, 9, "topic", "once").into());
    assert_eq!(broker.received(publisher), [Packet::PubRec(ack(9))]);
    assert_eq!(broker.messages(subscriber), ["once"]);
}

/// [MQTT-4.3.3-11]
#[test]
fn a_pubrel_without_message_is_answered_as_not_found() {
    let (mut broker, _, publisher) = pair(AtMostOnce);
    broker.send(publisher, &Packet::PubRel(ack(5)));
    let expected = Ack::new(id(5), ReasonCode::PacketIdentifierNotFound);
    assert_eq!(broker.received(publisher), [Packet::PubComp(expected)]);
}

/// [MQTT-4.3.3-9]
#[test]
fn a_refused_qos_2_identifier_means_a_new_message() {
    let (mut broker, subscriber, publisher) = pair(AtMostOnce);
    broker.send(publisher, &publish_at(ExactlyOnce, 9, "$not/allowed", "x").into());
    let refused = Ack::new(id(9), ReasonCode::NotAuthorized);
    assert_eq!(broker.received(publisher), [Packet::PubRec(refused)]);
    broker.publish_2(publisher, "topic", "welcome");
    assert_eq!(broker.messages(subscriber), ["welcome"]);
}

/// [MQTT-4.6.0-5] [MQTT-4.6.0-6]
#[test]
fn messages_arrive_in_the_order_they_were_published() {
    for qos in [AtMostOnce, AtLeastOnce, ExactlyOnce] {
        let (mut broker, subscriber, publisher) = pair(qos);
        let payloads: Vec<String> = (0..100).map(|number| number.to_string()).collect();
        for (number, payload) in (1..).zip(&payloads) {
            broker.send(publisher, &publish_at(qos, number, "topic", payload).into());
        }
        assert_eq!(broker.messages(subscriber), payloads);
    }
}

/// The socket has just taken all there was, and some still wait in the session. [MQTT-4.6.0-5]
/// [MQTT-4.6.0-6]
#[test]
fn a_message_does_not_overtake_those_that_wait() {
    for qos in [AtLeastOnce, ExactlyOnce] {
        let (mut broker, subscriber, publisher) = pair(qos);
        broker.stop_reading(subscriber);
        let filler = "x".repeat(10_000);
        let numbered: Vec<String> = (0..20).map(|number| format!("{number} {filler}")).collect();
        for (packet_id, payload) in (1..).zip(&numbered) {
            broker.send(publisher, &publish_at(qos, packet_id, "topic", payload).into());
        }
        let mut taken = Vec::new();
        broker.core.written(subscriber, &mut taken, broker.now);
        assert!(taken.len() < 15 * filler.len(), "some wait in the session");
        broker.send(publisher, &publish_at(qos, 21, "topic", "20 ").into());
        broker.read_on(subscriber);
        let number = |payload: &String| payload.split(' ').next().unwrap().parse::<u32>().unwrap();
        let numbers: Vec<u32> = broker.messages(subscriber).iter().map(number).collect();
        assert!(numbers.is_sorted() && numbers.ends_with(&[19, 20]), "{numbers:?}");
    }
}

/// [MQTT-3.3.2-4] [MQTT-3.3.2-15] [MQTT-3.3.2-16] [MQTT-3.3.2-17] [MQTT-3.3.2-18]
/// [MQTT-3.3.2-20]
#[test]
fn properties_are_passed_on_unchanged_live_queued_and_retained() {
    let mut list = UserPropertyList::new();
    for (name, value) in [("b", "1"), ("a", "2"), ("b", "1"), ("", "")] {
        list.push(Text::new(name).unwrap(), Text::new(value).unwrap());
    }
    let properties = PublishProperties {
        payload_format_indicator: Some(true),
        message_expiry_interval: Some(60),
        content_type: Some(Text::new("text/plain").unwrap()),
        response_topic: Some(TopicName::new("answers/here").unwrap()),
        correlation_data: Some(Binary::new(&[0, 255, 7]).unwrap()),
        user_properties: list.view(),
    };
    let (mut broker, live, publisher) = pair(AtLeastOnce);
    let (queued, _) = broker.resume("queued");
    broker.subscribe(queued, "topic", AtLeastOnce);
    broker.lose(queued);
    let message = Publish {
        properties: properties.clone(),
        retain: true,
        ..publish_at(AtLeastOnce, 9, "topic", "hello")
    };
    broker.send(publisher, &message.into());

    let (queued, _) = broker.resume("queued");
    let retained = broker.connect("retained");
    broker.subscribe(retained, "topic", AtMostOnce);
    for client in [live, queued, retained] {
        let packet = broker.receive(client);
        assert_eq!(as_publish(&packet).properties, properties);
    }
}

/// A client asks, another answers where it was told to. [MQTT-3.3.2-15] [MQTT-3.3.2-16]
#[test]
fn a_request_is_answered_at_its_response_topic() {
    let mut broker = Broker::new();
    let requester = broker.connect("requester");
    broker.subscribe(requester, "answers/requester", AtMostOnce);
    let responder = broker.connect("responder");
    broker.subscribe(responder, "requests", AtMostOnce);
    let mut request = publish("requests", "what time is it");
    request.properties.response_topic = Some(TopicName::new("answers/requester").unwrap());
    request.properties.correlation_data = Some(Binary::new(b"42").unwrap());
    broker.send(requester, &request.into());

    let packet = broker.receive(responder);
    let asked = &as_publish(&packet).properties;
    let mut answer = publish(asked.response_topic.unwrap().as_str(), "late");
    answer.properties.correlation_data = asked.correlation_data;
    broker.send(responder, &answer.clone().into());
    assert_eq!(as_publish(&broker.receive(requester)), &answer);
}

fn expiring(qos: QoS, payload: &str, secs: u32) -> Packet<'_> {
    let mut message = publish_at(qos, 9, "topic", payload);
    message.properties.message_expiry_interval = Some(secs);
    message.into()
}

/// [MQTT-3.3.2-5] [MQTT-3.3.2-6]
#[test]
fn a_message_that_waits_grows_old_and_expires() {
    let (mut broker, _, publisher) = pair(AtMostOnce);
    let (subscriber, _) = broker.resume("away");
    broker.subscribe(subscriber, "topic", AtLeastOnce);
    broker.lose(subscriber);
    broker.send(publisher, &expiring(AtLeastOnce, "ten", 10));
    broker.send(publisher, &expiring(AtLeastOnce, "sixty", 60));
    broker.pass(Duration::from_millis(10_000));
    let (subscriber, _) = broker.resume("away");
    let packets = broker.received(subscriber);
    assert_eq!(packets.iter().map(payload).collect::<Vec<_>>(), ["sixty"]);
    assert_eq!(as_publish(&packets[0]).properties.message_expiry_interval, Some(50));
}

/// [MQTT-4.3.3-7] [MQTT-4.3.3-13]
#[test]
fn a_message_that_was_sent_does_not_expire() {
    let (mut broker, _, publisher) = pair(AtMostOnce);
    let (subscriber, _) = broker.resume("away");
    broker.subscribe(subscriber, "topic", ExactlyOnce);
    broker.send(publisher, &expiring(ExactlyOnce, "sent", 10));
    assert_eq!(broker.messages(subscriber), ["sent"]);
    broker.lose(subscriber);
    broker.pass_secs(100);
    let (subscriber, _) = broker.resume("away");
    assert_eq!(broker.messages(subscriber), ["sent"]);
}

/// A message nobody can have any more makes room for one that somebody can. [MQTT-3.3.2-5]
#[test]
fn expired_messages_take_no_room_in_a_queue() {
    let mut broker = Broker::with_limits(mqtt_broker::core::limits::Limits {
        maximum_queued_messages: 2,
        ..Default::default()
    });
    let (subscriber, _) = broker.resume("away");
    broker.subscribe(subscriber, "topic", AtLeastOnce);
    broker.lose(subscriber);
    let publisher = broker.connect("publisher");
    broker.send(publisher, &expiring(AtLeastOnce, "old", 10));
    broker.send(publisher, &expiring(AtLeastOnce, "old, too", 10));
    broker.pass_secs(10);
    broker.send(publisher, &expiring(AtLeastOnce, "young", 10));
    let (subscriber, _) = broker.resume("away");
    assert_eq!(broker.messages(subscriber), ["young"]);
}

fn with_alias<'a>(topic: PublishTopic<'a>, payload: &'a str) -> Packet<'a> {
    Publish { topic, ..publish("unused", payload) }.into()
}

fn alias(number: u16) -> TopicAlias {
    TopicAlias::new(number).unwrap()
}

/// [MQTT-3.3.2-12] [MQTT-3.1.2-27]
#[test]
fn an_alias_stands_for_its_topic_and_goes_no_further() {
    let (mut broker, subscriber, publisher) = pair(AtMostOnce);
    for number in 1..=64 {
        let name = TopicName::new("topic").unwrap();
        broker.send(publisher, &with_alias(PublishTopic::Define(name, alias(number)), "defined"));
        broker.send(publisher, &with_alias(PublishTopic::Alias(alias(number)), "used"));
    }
    let packets = broker.received(subscriber);
    assert_eq!(packets.len(), 128);
    assert!(packets.iter().all(|packet| topic(packet) == "topic"));
}

#[test]
fn an_alias_does_not_reach_the_retained_messages() {
    let (mut broker, _, publisher) = pair(AtMostOnce);
    let name = TopicName::new("topic").unwrap();
    let topic_and_alias = PublishTopic::Define(name, alias(1));
    let message = Publish { topic: topic_and_alias, retain: true, ..publish("unused", "x") };
    broker.send(publisher, &message.into());
    let late = broker.connect("late");
    broker.subscribe(late, "#", AtMostOnce);
    assert_eq!(topic(&broker.receive(late)), "topic");
}

/// [MQTT-3.3.2-7]
#[test]
fn an_alias_ends_with_its_connection() {
    let (mut broker, _, _) = pair(AtMostOnce);
    let (publisher, _) = broker.resume("publisher");
    let name = TopicName::new("topic").unwrap();
    broker.send(publisher, &with_alias(PublishTopic::Define(name, alias(1)), "defined"));
    let (publisher, _) = broker.resume("publisher");
    broker.send(publisher, &with_alias(PublishTopic::Alias(alias(1)), "used"));
    assert_eq!(broker.refusal(publisher), Some(ReasonCode::ProtocolError));
}

#[test]
fn an_alias_beyond_the_maximum_closes_the_connection() {
    let name = TopicName::new("topic").unwrap();
    for topic in [PublishTopic::Define(name, alias(65)), PublishTopic::Alias(alias(65_535))] {
        let (mut broker, _, publisher) = pair(AtMostOnce);
        broker.send(publisher, &with_alias(topic, "x"));
        assert_eq!(broker.refusal(publisher), Some(ReasonCode::TopicAliasInvalid));
    }
}

/// [MQTT-3.1.2-26] [MQTT-3.3.2-7] [MQTT-3.3.2-8] [MQTT-3.3.2-11]
#[test]
fn a_client_that_knows_aliases_is_sent_them_up_to_its_maximum() {
    let (mut broker, _, publisher) = pair(AtMostOnce);
    for _ in 0..2 {
        let mut connect = connect("alias");
        connect.properties.topic_alias_maximum = Some(2);
        let client = broker.connect_with(&connect);
        broker.subscribe(client, "+", AtMostOnce);
        for name in ["a", "b", "c", "a", "b", "c"] {
            broker.publish(publisher, name, "x");
        }
        let packets = broker.received(client);
        let topics: Vec<_> = packets.iter().map(|packet| as_publish(packet).topic).collect();
        let name = |name| TopicName::new(name).unwrap();
        assert_eq!(
            topics,
            [
                PublishTopic::Define(name("a"), alias(1)),
                PublishTopic::Define(name("b"), alias(2)),
                PublishTopic::Name(name("c")),
                PublishTopic::Alias(alias(1)),
                PublishTopic::Alias(alias(2)),
                PublishTopic::Name(name("c")),
            ]
        );
    }
}

/// [MQTT-3.3.4-6]
#[test]
fn a_client_that_sends_a_subscription_identifier_is_disconnected() {
    let (mut broker, _, publisher) = pair(AtMostOnce);
    let mut scratch = Vec::new();
    let identifiers = SubscriptionIdentifier::new(1);
    let subscription_identifiers = SubscriptionIdentifiers::encode(identifiers, &mut scratch);
    let message = Publish { subscription_identifiers, ..publish("topic", "x") };
    broker.send(publisher, &message.into());
    assert_eq!(broker.refusal(publisher), Some(ReasonCode::ProtocolError));
}

/// [MQTT-4.7.2-1]
#[test]
fn nobody_publishes_to_dollar_topics() {
    let (mut broker, _, publisher) = pair(AtMostOnce);
    let subscriber = broker.connect("dollar");
    broker.subscribe(subscriber, "$SYS/#", AtMostOnce);
    assert_eq!(broker.publish_1(publisher, "$SYS/uptime", "0"), ReasonCode::NotAuthorized);
    broker.publish(publisher, "$SYS/uptime", "0");
    assert_eq!(broker.received(subscriber), []);
    assert!(!broker.is_closed(publisher));
}
