//! What the standard demands of a client and no other dialogue is about.

use mqtt_protocol::{
    Auth, AuthProperties, Connect, Disconnect, SubscriptionIdentifier, SubscriptionIdentifiers,
    Text,
};

use super::*;
use crate::Message;

/// [MQTT-3.1.2-4]
#[test]
fn a_clean_start_begins_with_nothing_from_before() {
    let mut dialogue = Dialogue::connected();
    dialogue.server(publish(exactly_once(7), "a"));
    dialogue.publish(QoS::ExactlyOnce, "b").unwrap();
    dialogue.output();
    dialogue.break_and_wait();
    let bytes = dialogue.connect(false, ConnAckProperties::default());
    let [Packet::Connect(Connect { clean_start: true, .. })] = &packets(&bytes)[..] else {
        panic!("no clean start: {bytes:02x?}");
    };
    dialogue.client(&[]);
    dialogue.events();
    dialogue.server(publish(exactly_once(7), "new"));
    assert_eq!(dialogue.events(), ["message new"]);
}

/// [MQTT-4.1.0-1]
#[test]
fn what_is_begun_is_remembered_for_as_long_as_the_connection_lasts() {
    let mut dialogue =
        Dialogue::connected_with(Options { keep_alive_secs: 0, ..options() }, Default::default());
    dialogue.server(publish(exactly_once(5), "a"));
    let token = dialogue.messages()[0].receipt.as_ref().unwrap().token;
    dialogue.session.acknowledge(token, ReasonCode::Success).unwrap();
    dialogue.publish(QoS::ExactlyOnce, "b").unwrap();
    dialogue.client(&[Packet::PubRec(ack(5)), publish(exactly_once(1), "b")]);
    dialogue.pass(Duration::from_secs(1_000_000));
    dialogue.server(publish(again(exactly_once(5)), "a"));
    assert_eq!(dialogue.events(), [""; 0], "the program has it");
    dialogue.server(Packet::PubRec(ack(1)));
    dialogue.client(&[Packet::PubRec(ack(5)), Packet::PubRel(ack(1))]);
}

/// A message that is passed on leaves behind what was only between the server and us.
/// [MQTT-3.3.4-6]
#[test]
fn no_message_of_ours_has_a_subscription_identifier() {
    let mut dialogue = Dialogue::connected();
    let mut scratch = Vec::new();
    let identifiers = SubscriptionIdentifier::new(5);
    let subscription_identifiers = SubscriptionIdentifiers::encode(identifiers, &mut scratch);
    let message = Publish::at_most_once(TopicName::new("a").unwrap(), b"x");
    dialogue.server(Packet::Publish(Publish { subscription_identifiers, ..message }));
    let received = dialogue.messages().remove(0);
    dialogue.session.publish(&received.draft(), true, dialogue.now).unwrap();
    let bytes = dialogue.output();
    let [Packet::Publish(passed_on)] = &packets(&bytes)[..] else { panic!("one message goes out") };
    assert!(passed_on.subscription_identifiers.is_empty());
}

/// [MQTT-4.3.3-7]
#[test]
fn a_qos_2_message_that_was_sent_does_not_expire() {
    let options = Options { session_expiry_secs: 3600, ..options() };
    let mut dialogue = Dialogue::connected_with(options, ConnAckProperties::default());
    let mut message = Message::new("a", b"x").unwrap();
    message.qos = QoS::ExactlyOnce;
    message.properties_mut().expiry_secs = Some(10);
    dialogue.session.publish(&message.draft(), true, dialogue.now).unwrap();
    dialogue.output();
    dialogue.now = dialogue.now + Duration::from_secs(100);
    dialogue.break_and_wait();
    dialogue.connect(true, ConnAckProperties::default());
    let bytes = dialogue.output();
    let [Packet::Publish(again)] = &packets(&bytes)[..] else { panic!("it is sent again") };
    assert_eq!(again.delivery, super::again(exactly_once(1)));
    assert_eq!(again.properties.message_expiry_interval, Some(1), "0 would end it at once");
}

/// [MQTT-4.3.3-13]
#[test]
fn an_exchange_is_finished_when_the_message_is_long_expired() {
    let mut dialogue = Dialogue::connected();
    let message = Publish::at_most_once(TopicName::new("a").unwrap(), b"x");
    let mut message = Publish { delivery: exactly_once(5), ..message };
    message.properties.message_expiry_interval = Some(1);
    dialogue.server(Packet::Publish(message));
    let token = dialogue.messages()[0].receipt.as_ref().unwrap().token;
    dialogue.now = dialogue.now + Duration::from_secs(100);
    dialogue.session.acknowledge(token, ReasonCode::Success).unwrap();
    dialogue.client(&[Packet::PubRec(ack(5))]);
    dialogue.server(Packet::PubRel(ack(5)));
    dialogue.client(&[Packet::PubComp(ack(5))]);
}

/// [MQTT-4.12.0-7]
#[test]
fn auth_of_a_server_that_was_given_no_method_is_not_answered_with_auth() {
    let properties = AuthProperties {
        authentication_method: Some(Text::new("GS2-KRB5").unwrap()),
        ..AuthProperties::default()
    };
    let auth = Auth { reason: ReasonCode::ContinueAuthentication, properties };
    let farewell = [Packet::Disconnect(Disconnect::new(ReasonCode::ProtocolError))];

    let mut connected = Dialogue::connected();
    connected.server(Packet::Auth(auth.clone()));
    connected.client(&farewell);

    let mut greeting = Dialogue::new(options());
    greeting.session.handle_opened(greeting.now);
    greeting.output();
    greeting.server(Packet::Auth(auth));
    greeting.client(&farewell);
}
