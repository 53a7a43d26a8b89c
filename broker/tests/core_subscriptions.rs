//! SUBSCRIBE and UNSUBSCRIBE: overlapping, No Local, shared, and their answers.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod dialogue;

use dialogue::*;
use mqtt_protocol::QoS::{AtLeastOnce, AtMostOnce, ExactlyOnce};
use mqtt_protocol::*;

/// [MQTT-3.8.4-1] [MQTT-3.8.4-2] [MQTT-3.8.4-5] [MQTT-3.8.4-6] [MQTT-3.8.4-7] [MQTT-3.9.3-1]
/// [MQTT-2.2.1-6]
#[test]
fn one_subscribe_with_several_filters_gets_one_answer_in_their_order() {
    let limits =
        mqtt_broker::core::limits::Limits { maximum_topic_levels: 3, ..Default::default() };
    let mut broker = Broker::with_limits(limits);
    let client = broker.connect("subscriber");
    let subscriptions = vec![
        subscription("a", ExactlyOnce),
        subscription("much/too/deep/a/filter", ExactlyOnce),
        subscription("b/+", AtMostOnce),
        subscription("c/#", AtLeastOnce),
    ];
    let properties = SubscribeProperties::default();
    broker.send(
        client,
        &Packet::Subscribe(Subscribe { packet_id: id(5), properties, subscriptions }),
    );
    let Packet::SubAck(suback) = broker.receive(client) else { panic!("no SUBACK") };
    assert_eq!(suback.packet_id, id(5));
    let expected = [
        ReasonCode::GrantedQoS2,
        ReasonCode::TopicFilterInvalid,
        ReasonCode::Success,
        ReasonCode::GrantedQoS1,
    ];
    assert_eq!(suback.reasons, expected);
    for topic in ["a", "b/x", "c"] {
        broker.publish(client, topic, topic);
    }
    assert_eq!(broker.messages(client), ["a", "b/x", "c"]);
}

/// [MQTT-3.3.4-2] [MQTT-3.3.4-3] [MQTT-3.3.4-4]
#[test]
fn overlapping_subscriptions_get_one_copy_with_the_highest_qos_and_all_identifiers() {
    let mut broker = Broker::new();
    let client = broker.connect("subscriber");
    broker.subscribe_as(client, "#", AtMostOnce, 1);
    broker.subscribe_as(client, "a/+", ExactlyOnce, 268_435_455);
    broker.subscribe(client, "+/b", AtLeastOnce);
    broker.subscribe_as(client, "a/b", AtLeastOnce, 3);
    broker.subscribe_as(client, "a/c", AtLeastOnce, 4);
    let publisher = broker.connect("publisher");
    broker.publish_2(publisher, "a/b", "x");
    let packets = broker.received(client);
    assert_eq!(packets.len(), 1);
    let publish = as_publish(&packets[0]);
    assert_eq!(publish.delivery.qos(), ExactlyOnce);
    let identifiers = publish.subscription_identifiers.iter();
    let mut identifiers: Vec<u32> = identifiers.map(SubscriptionIdentifier::number).collect();
    identifiers.sort_unstable();
    assert_eq!(identifiers, [1, 3, 268_435_455]);
}

/// [MQTT-3.3.4-3]
#[test]
fn the_identifier_stays_with_a_message_that_waits() {
    let mut broker = Broker::new();
    let (client, _) = broker.resume("subscriber");
    broker.subscribe_as(client, "a", AtLeastOnce, 5);
    broker.lose(client);
    let publisher = broker.connect("publisher");
    broker.publish_1(publisher, "a", "x");
    let (client, _) = broker.resume("subscriber");
    let packet = broker.receive(client);
    let identifiers = as_publish(&packet).subscription_identifiers.iter();
    assert_eq!(identifiers.map(SubscriptionIdentifier::number).collect::<Vec<_>>(), [5]);
}

/// [MQTT-3.8.4-3] [MQTT-3.8.4-4]
#[test]
fn the_same_filter_again_replaces_the_subscription_and_loses_nothing() {
    let mut broker = Broker::new();
    let client = broker.connect("subscriber");
    broker.subscribe_as(client, "a", AtMostOnce, 1);
    let publisher = broker.connect("publisher");
    broker.publish_1(publisher, "a", "one");
    assert_eq!(as_publish(&broker.receive(client)).delivery.qos(), AtMostOnce);
    broker.subscribe_as(client, "a", AtLeastOnce, 2);
    broker.publish_1(publisher, "a", "two");
    let packets = broker.received(client);
    assert_eq!(packets.len(), 1);
    let publish = as_publish(&packets[0]);
    assert_eq!(publish.delivery.qos(), AtLeastOnce);
    let identifiers = publish.subscription_identifiers.iter();
    assert_eq!(identifiers.map(SubscriptionIdentifier::number).collect::<Vec<_>>(), [2]);
}

/// [MQTT-3.8.3-3]
#[test]
fn no_local_leaves_out_the_clients_own_messages_only() {
    let mut broker = Broker::new();
    let client = broker.connect("subscriber");
    let wish = Subscription { no_local: true, ..subscription("a", AtMostOnce) };
    broker.subscribe_with(client, wish);
    let other = broker.connect("other");
    broker.publish(client, "a", "own");
    broker.publish(other, "a", "other's");
    assert_eq!(broker.messages(client), ["other's"]);
    broker.subscribe(client, "+", AtMostOnce);
    broker.publish(client, "a", "own, for the other subscription");
    assert_eq!(broker.messages(client).len(), 1);
}

/// [MQTT-3.8.3-4]
#[test]
fn no_local_on_a_shared_subscription_closes_the_connection() {
    let mut broker = Broker::new();
    let client = broker.connect("subscriber");
    let wish = Subscription { no_local: true, ..subscription("$share/g/a", AtMostOnce) };
    let properties = SubscribeProperties::default();
    let subscribe = Subscribe { packet_id: id(5), properties, subscriptions: vec![wish] };
    broker.send(client, &Packet::Subscribe(subscribe));
    assert_eq!(broker.refusal(client), Some(ReasonCode::ProtocolError));
}

/// [MQTT-4.7.2-1]
#[test]
fn wildcards_at_the_front_do_not_see_the_clock() {
    let mut broker = Broker::new();
    let client = broker.connect("subscriber");
    for filter in ["#", "+/now", "$clock/#", "$clock/now"] {
        broker.subscribe(client, filter, AtMostOnce);
    }
    let mut request = publish("$clock/now", "");
    request.properties.response_topic = Some(TopicName::new("$answer/here").unwrap());
    broker.send(client, &request.into());
    assert_eq!(broker.messages(client), [""; 0]);
}

/// [MQTT-3.10.4-1] [MQTT-3.10.4-2] [MQTT-3.10.4-4] [MQTT-3.10.4-5] [MQTT-3.10.4-6]
/// [MQTT-3.11.3-1] [MQTT-3.11.3-2] [MQTT-2.2.1-6]
#[test]
fn unsubscribe_ends_exactly_the_filters_it_names() {
    let mut broker = Broker::new();
    let client = broker.connect("subscriber");
    broker.subscribe(client, "a/+", AtMostOnce);
    broker.subscribe(client, "b", AtMostOnce);
    broker.subscribe(client, "$share/g/c", AtMostOnce);
    let reasons = broker.unsubscribe(client, &["a/x", "b", "a/#", "$share/g/c", "c", "b"]);
    let none = ReasonCode::NoSubscriptionExisted;
    let expected = [none, ReasonCode::Success, none, ReasonCode::Success, none, none];
    assert_eq!(reasons, expected);
    for topic in ["a/x", "b", "c"] {
        broker.publish(client, topic, topic);
    }
    assert_eq!(broker.messages(client), ["a/x"]);
}

/// [MQTT-3.10.4-2] [MQTT-3.10.4-3]
#[test]
fn what_was_begun_is_finished_after_unsubscribe() {
    let mut broker = Broker::new();
    let (client, _) = broker.resume("subscriber");
    broker.subscribe(client, "a", ExactlyOnce);
    let publisher = broker.connect("publisher");
    broker.publish_2(publisher, "a", "begun");
    assert_eq!(broker.messages(client), ["begun"]);
    assert_eq!(broker.unsubscribe(client, &["a"]), [ReasonCode::Success]);
    broker.publish_2(publisher, "a", "not begun");
    broker.lose(client);
    let (client, _) = broker.resume("subscriber");
    let packet = broker.receive(client);
    assert_eq!(payload(&packet), "begun");
    let packet_id = as_publish(&packet).delivery.packet_id().unwrap();
    let ack = Ack::new(packet_id, ReasonCode::Success);
    broker.send(client, &Packet::PubRec(ack.clone()));
    assert_eq!(broker.received(client), [Packet::PubRel(ack.clone())]);
    broker.send(client, &Packet::PubComp(ack));
    assert_eq!(broker.received(client), []);
}

/// Three members of a group, and what each has received.
fn group(broker: &mut Broker, qos: QoS) -> [Client; 3] {
    ["one", "two", "three"].map(|name| {
        let (client, _) = broker.resume(name);
        broker.subscribe(client, "$share/group/a", qos);
        client
    })
}

/// [MQTT-4.8.2-1] [MQTT-4.8.2-3]
#[test]
fn members_of_a_group_take_turns() {
    let mut broker = Broker::new();
    let members = group(&mut broker, AtMostOnce);
    let alone = broker.connect("alone");
    broker.subscribe(alone, "a", AtMostOnce);
    for number in 0..9 {
        broker.publish(alone, "a", &number.to_string());
    }
    for member in members {
        assert_eq!(broker.messages(member).len(), 3);
    }
    assert_eq!(broker.messages(alone).len(), 9);
}

#[test]
fn groups_with_other_names_or_filters_are_other_groups() {
    let mut broker = Broker::new();
    let client = broker.connect("subscriber");
    for filter in ["$share/one/a", "$share/two/a", "$share/one/+", "a"] {
        broker.subscribe(client, filter, AtMostOnce);
    }
    broker.publish(client, "a", "x");
    assert_eq!(broker.messages(client).len(), 4, "one for each group, one for itself");
}

#[test]
fn members_that_are_away_are_passed_over_while_one_is_there() {
    let mut broker = Broker::new();
    let [one, two, three] = group(&mut broker, AtLeastOnce);
    broker.lose(one);
    broker.lose(three);
    let publisher = broker.connect("publisher");
    for number in 0..4 {
        broker.publish_1(publisher, "a", &number.to_string());
    }
    assert_eq!(broker.messages(two).len(), 4);
    broker.lose(two);
    for number in 4..7 {
        broker.publish_1(publisher, "a", &number.to_string());
    }
    let mut queued = Vec::new();
    for name in ["one", "two", "three"] {
        let (client, _) = broker.resume(name);
        let packets = broker.received(client);
        let first_sent = packets.iter().filter(|it| !as_publish(it).delivery.is_duplicate());
        queued.extend(first_sent.map(payload));
    }
    queued.sort();
    assert_eq!(queued, ["4", "5", "6"], "each waits for one member");
}

/// [MQTT-4.8.2-3]
#[test]
fn each_member_is_served_with_its_own_qos() {
    let mut broker = Broker::new();
    let [one, two, _] = group(&mut broker, AtMostOnce);
    broker.subscribe(two, "$share/group/a", ExactlyOnce);
    let publisher = broker.connect("publisher");
    for _ in 0..3 {
        broker.publish_1(publisher, "a", "x");
    }
    assert_eq!(as_publish(&broker.receive(one)).delivery.qos(), AtMostOnce);
    assert_eq!(as_publish(&broker.receive(two)).delivery.qos(), AtLeastOnce);
}

/// [MQTT-4.8.2-4] [MQTT-4.8.2-5] [MQTT-4.8.2-6]
#[test]
fn what_was_begun_with_a_member_goes_to_no_other() {
    let mut broker = Broker::new();
    let members = group(&mut broker, ExactlyOnce);
    let publisher = broker.connect("publisher");
    for payload in ["one", "two", "three"] {
        broker.publish_2(publisher, "a", payload);
    }
    let [one, two, three] = members;
    assert_eq!(broker.messages(one), ["one"]);
    assert_eq!(broker.messages(two), ["two"]);
    assert_eq!(broker.messages(three), ["three"]);
    // One drops and comes back, two refuses, three's session ends.
    broker.lose(one);
    broker.send(two, &Packet::PubRec(Ack::new(id(1), ReasonCode::UnspecifiedError)));
    broker.lose(three);
    let three = broker.connect("three");
    let (one, _) = broker.resume("one");
    assert_eq!(broker.messages(one), ["one"]);
    assert_eq!(broker.messages(two), [""; 0]);
    assert_eq!(broker.messages(three), [""; 0]);
}

/// [MQTT-4.8.2-6]
#[test]
fn what_a_member_refuses_goes_to_nobody_again() {
    let refusal = Ack::new(id(1), ReasonCode::NotAuthorized);
    for (qos, answer) in
        [(AtLeastOnce, Packet::PubAck(refusal.clone())), (ExactlyOnce, Packet::PubRec(refusal))]
    {
        let mut broker = Broker::new();
        let [one, two, three] = group(&mut broker, qos);
        let publisher = broker.connect("publisher");
        broker.publish_2(publisher, "a", "x");
        assert_eq!(broker.messages(one), ["x"]);
        broker.send(one, &answer);
        broker.lose(one);
        let (one, _) = broker.resume("one");
        for member in [one, two, three] {
            assert_eq!(broker.messages(member), [""; 0], "at QoS {qos}");
        }
    }
}

#[test]
fn a_shared_subscription_gets_no_retained_messages() {
    let mut broker = Broker::new();
    let client = broker.connect("subscriber");
    broker.send(client, &retained("a", "x"));
    broker.subscribe(client, "$share/group/a", AtMostOnce);
    assert_eq!(broker.messages(client), [""; 0]);
}

#[test]
fn a_group_goes_on_without_members_that_leave() {
    let mut broker = Broker::new();
    let [one, two, three] = group(&mut broker, AtMostOnce);
    broker.unsubscribe(one, &["$share/group/a"]);
    broker.connect("three");
    let publisher = broker.connect("publisher");
    for _ in 0..4 {
        broker.publish(publisher, "a", "x");
    }
    assert_eq!(broker.messages(two).len(), 4);
    broker.unsubscribe(two, &["$share/group/a"]);
    let reason = broker.publish_1(publisher, "a", "x");
    assert_eq!(reason, ReasonCode::NoMatchingSubscribers);
    assert_eq!(broker.received(one), []);
    assert_eq!(broker.refusal(three), Some(ReasonCode::SessionTakenOver));
}
