//! Subscribing: what is asked, remembered, renewed, and where messages lead.

use std::sync::Arc;

use mqtt_protocol::{
    Disconnect, SubscribeProperties, Subscription, SubscriptionIdentifier, SubscriptionIdentifiers,
    Unsubscribe, UnsubscribeProperties,
};

use super::*;
use crate::Attachment;

fn subscribe_packet<'a>(number: u16, filters: &[&'a str], identifier: Option<u32>) -> Packet<'a> {
    let subscription =
        |filter: &&'a str| Subscription::new(TopicFilter::new(filter).unwrap(), QoS::AtLeastOnce);
    Packet::Subscribe(mqtt_protocol::Subscribe {
        packet_id: id(number),
        properties: SubscribeProperties {
            subscription_identifier: identifier.and_then(SubscriptionIdentifier::new),
            ..Default::default()
        },
        subscriptions: filters.iter().map(subscription).collect(),
    })
}

fn unsubscribe_packet(number: u16, filter: &str) -> Packet<'_> {
    Packet::Unsubscribe(Unsubscribe {
        packet_id: id(number),
        properties: UnsubscribeProperties::default(),
        filters: vec![TopicFilter::new(filter).unwrap()],
    })
}

fn unsuback(number: u16, reason: ReasonCode) -> Packet<'static> {
    Packet::UnsubAck(SubAck {
        packet_id: id(number),
        properties: Default::default(),
        reasons: vec![reason],
    })
}

fn with_attachment<'a>(filter: &'a str, attachment: &'static str) -> Subscribe<'a> {
    let subscribe = Subscribe::new(TopicFilter::new(filter).unwrap(), QoS::AtLeastOnce);
    Subscribe { attachment: Some(Attachment(Arc::new(attachment))), ..subscribe }
}

fn unsubscribe(dialogue: &mut Dialogue, filter: &str) {
    let filter = TopicFilter::new(filter).unwrap();
    dialogue.session.unsubscribe(&[filter], true, dialogue.now).unwrap();
}

/// Where the messages that came lead.
fn routes(dialogue: &mut Dialogue) -> Vec<Vec<&'static str>> {
    let mut events = Vec::new();
    dialogue.session.take_events(&mut events);
    let name = |route: &Attachment| *route.0.downcast_ref::<&'static str>().unwrap();
    let of = |event: &Event| match event {
        Event::Message { routes, .. } => Some(routes.iter().map(name).collect()),
        _ => None,
    };
    events.iter().filter_map(of).collect()
}

#[test]
fn a_subscribe_is_over_with_its_suback() {
    let mut dialogue = Dialogue::connected();
    dialogue.subscribe("a/#");
    dialogue.client(&[subscribe_packet(1, &["a/#"], None)]);
    dialogue.server(suback(1, &[ReasonCode::GrantedQoS1]));
    assert_eq!(dialogue.events(), ["subscribed 1: ok"]);
}

#[test]
fn a_refused_subscribe_fails_and_is_not_renewed() {
    let mut dialogue = Dialogue::connected();
    dialogue.subscribe("a");
    dialogue.output();
    dialogue.server(suback(1, &[ReasonCode::NotAuthorized]));
    assert_eq!(dialogue.events(), ["subscribed 1: Refused"]);
    dialogue.break_and_wait();
    dialogue.connect(false, ConnAckProperties::default());
    dialogue.client(&[]);
}

/// [MQTT-3.9.3-1] [MQTT-3.11.3-1]
#[test]
fn an_answer_with_the_wrong_number_of_codes_ends_the_connection() {
    let mut dialogue = Dialogue::connected();
    dialogue.subscribe("a");
    dialogue.output();
    dialogue.server(suback(1, &[ReasonCode::Success, ReasonCode::Success]));
    dialogue.client(&[Packet::Disconnect(Disconnect::new(ReasonCode::ProtocolError))]);
}

#[test]
fn a_subscribe_from_before_the_connection_waits_for_it() {
    let mut dialogue = Dialogue::new(options());
    dialogue.subscribe("a");
    dialogue.connect(false, ConnAckProperties::default());
    dialogue.client(&[subscribe_packet(1, &["a"], None)]);
}

#[test]
fn subscriptions_are_renewed_when_the_session_is_lost() {
    let mut dialogue = Dialogue::connected();
    dialogue.subscribe("a");
    dialogue.subscribe("b");
    dialogue.output();
    for number in [1, 2] {
        dialogue.server(suback(number, &[ReasonCode::GrantedQoS1]));
    }
    dialogue.break_and_wait();
    dialogue.events();
    dialogue.connect(false, ConnAckProperties::default());
    dialogue.client(&[subscribe_packet(3, &["a", "b"], None)]);
    dialogue.server(suback(3, &[ReasonCode::GrantedQoS1, ReasonCode::NotAuthorized]));
    assert_eq!(dialogue.events(), ["connected", "lost b"]);
}

#[test]
fn subscriptions_the_server_has_kept_are_not_renewed() {
    let options = Options { session_expiry_secs: 60, ..options() };
    let mut dialogue = Dialogue::connected_with(options, ConnAckProperties::default());
    dialogue.subscribe("a");
    dialogue.output();
    dialogue.server(suback(1, &[ReasonCode::GrantedQoS1]));
    dialogue.break_and_wait();
    dialogue.connect(true, ConnAckProperties::default());
    dialogue.client(&[]);
}

#[test]
fn a_subscription_for_once_is_not_renewed() {
    let mut dialogue = Dialogue::connected();
    let filter = TopicFilter::new("a").unwrap();
    let subscribe = Subscribe::new(filter, QoS::AtLeastOnce);
    let subscribe = Subscribe { is_renewed: false, ..subscribe };
    dialogue.session.subscribe(&subscribe, true, dialogue.now).unwrap();
    dialogue.output();
    dialogue.server(suback(1, &[ReasonCode::GrantedQoS1]));
    dialogue.break_and_wait();
    dialogue.connect(false, ConnAckProperties::default());
    dialogue.client(&[]);
}

#[test]
fn what_was_not_answered_is_asked_again_in_its_order() {
    let mut dialogue = Dialogue::connected();
    dialogue.subscribe("a");
    unsubscribe(&mut dialogue, "b");
    dialogue.output();
    dialogue.break_and_wait();
    dialogue.events();
    dialogue.connect(false, ConnAckProperties::default());
    dialogue.client(&[subscribe_packet(3, &["a"], None), unsubscribe_packet(4, "b")]);
    dialogue.server(suback(3, &[ReasonCode::GrantedQoS1]));
    dialogue.server(unsuback(4, ReasonCode::NoSubscriptionExisted));
    assert_eq!(dialogue.events(), ["connected", "subscribed 1: ok", "unsubscribed 2: ok"]);
}

#[test]
fn an_ended_subscription_is_forgotten() {
    let mut dialogue = Dialogue::connected();
    dialogue.subscribe("a");
    dialogue.output();
    dialogue.server(suback(1, &[ReasonCode::GrantedQoS1]));
    unsubscribe(&mut dialogue, "a");
    dialogue.client(&[unsubscribe_packet(2, "a")]);
    dialogue.server(unsuback(2, ReasonCode::Success));
    dialogue.break_and_wait();
    dialogue.connect(false, ConnAckProperties::default());
    dialogue.client(&[]);
}

#[test]
fn an_answer_of_the_wrong_kind_ends_the_connection() {
    let mut dialogue = Dialogue::connected();
    dialogue.subscribe("a");
    dialogue.output();
    dialogue.server(unsuback(1, ReasonCode::Success));
    dialogue.client(&[Packet::Disconnect(Disconnect::new(ReasonCode::ProtocolError))]);
}

#[test]
fn what_the_server_does_not_offer_is_not_asked_for() {
    let granted = ConnAckProperties {
        wildcard_subscription_available: Some(false),
        shared_subscription_available: Some(false),
        subscription_identifiers_available: Some(false),
        ..Default::default()
    };
    let mut dialogue = Dialogue::connected_with(options(), granted);
    dialogue.subscribe("a/#");
    dialogue.subscribe("$share/g/a");
    dialogue.client(&[]);
    let expected = ["subscribed 1: Unsupported", "subscribed 2: Unsupported"];
    assert_eq!(dialogue.events(), expected);
    dialogue.session.subscribe(&with_attachment("a", "first"), true, dialogue.now).unwrap();
    dialogue.client(&[subscribe_packet(1, &["a"], None)]);
    dialogue.server(publish(Delivery::AtMostOnce, "a"));
    assert_eq!(routes(&mut dialogue), [["first"]], "names are matched without identifiers");
}

/// [MQTT-3.8.3-4]
#[test]
fn no_local_and_a_shared_filter_exclude_each_other() {
    let mut dialogue = Dialogue::connected();
    let mut subscribe = Subscribe::new(TopicFilter::new("$share/g/a").unwrap(), QoS::AtMostOnce);
    subscribe.subscriptions[0].no_local = true;
    let error = dialogue.session.subscribe(&subscribe, true, dialogue.now).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Argument);
    dialogue.client(&[]);
}

#[test]
fn identifiers_lead_messages_to_their_subscriptions() {
    let mut dialogue = Dialogue::connected();
    dialogue.session.subscribe(&with_attachment("a/#", "first"), true, dialogue.now).unwrap();
    dialogue.session.subscribe(&with_attachment("+/b", "second"), true, dialogue.now).unwrap();
    dialogue
        .client(&[subscribe_packet(1, &["a/#"], Some(1)), subscribe_packet(2, &["+/b"], Some(2))]);
    let mut scratch = Vec::new();
    let topic = TopicName::new("a/b").unwrap();
    for numbers in [&[1][..], &[2], &[1, 2], &[9]] {
        let identifiers = numbers.iter().filter_map(|number| SubscriptionIdentifier::new(*number));
        let message = Publish::at_most_once(topic, b"");
        dialogue.server(Packet::Publish(Publish {
            subscription_identifiers: SubscriptionIdentifiers::encode(identifiers, &mut scratch),
            ..message
        }));
    }
    let expected = [vec!["first"], vec!["second"], vec!["first", "second"], vec![]];
    assert_eq!(routes(&mut dialogue), expected);
}

#[test]
fn the_program_acknowledges_what_it_asked_to() {
    let mut dialogue = Dialogue::connected();
    let subscribe = Subscribe::new(TopicFilter::new("a").unwrap(), QoS::AtLeastOnce);
    let subscribe = Subscribe { is_acknowledged_by_program: true, ..subscribe };
    dialogue.session.subscribe(&subscribe, false, dialogue.now).unwrap();
    dialogue.client(&[subscribe_packet(1, &["a"], Some(1))]);
    dialogue.server(publish(once(1), "a"));
    dialogue.server(publish(once(2), "b"));
    let by_program: Vec<bool> = dialogue
        .messages()
        .iter()
        .map(|message| message.receipt.as_ref().unwrap().by_program.is_some())
        .collect();
    assert_eq!(by_program, [true, false]);
}
