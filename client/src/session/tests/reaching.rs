//! Several servers, those that name others, and operations that are taken back or not answered.

use mqtt_protocol::{ConnAckProperties, Disconnect, DisconnectProperties, Text};

use super::*;
use crate::Server;

fn options_of(urls: &[&str]) -> Options {
    let further_servers = urls[1..].iter().map(|url| Server::new(url).unwrap()).collect();
    Options { further_servers, ..Options::new(urls[0]).unwrap() }
}

fn server(dialogue: &Dialogue) -> String {
    dialogue.session.server().unwrap().to_string()
}

fn fail(dialogue: &mut Dialogue) {
    let error = Error::new(ErrorKind::Tcp, "nobody there");
    dialogue.session.handle_open_failed(error, dialogue.now);
}

fn named(reference: &str) -> ConnAckProperties<'_> {
    ConnAckProperties {
        server_reference: Some(Text::new(reference).unwrap()),
        ..ConnAckProperties::default()
    }
}

fn use_another(reference: &str) -> Packet<'_> {
    let refused = ConnAck::refuse(ReasonCode::UseAnotherServer);
    Packet::ConnAck(ConnAck { properties: named(reference), ..refused })
}

#[test]
fn the_next_server_is_tried_at_once_and_each_attempt_is_told() {
    let mut dialogue = Dialogue::new(options_of(&["mqtt://a", "mqtt://b"]));
    assert_eq!(server(&dialogue), "a:1883");
    fail(&mut dialogue);
    dialogue.pass(Duration::ZERO);
    assert_eq!((server(&dialogue), dialogue.session.demand()), ("b:1883".into(), Demand::Open));
    dialogue.connect(false, ConnAckProperties::default());
    assert_eq!(dialogue.events(), ["connect failed: Tcp, retry true", "connected"]);
    dialogue.break_and_wait();
    assert_eq!(server(&dialogue), "b:1883", "the server that was there may be back");
}

#[test]
fn without_reconnecting_each_server_is_tried_once() {
    let options = Options { reconnect: None, ..options_of(&["mqtt://a", "mqtt://b"]) };
    let mut dialogue = Dialogue::new(options);
    fail(&mut dialogue);
    dialogue.pass(Duration::ZERO);
    assert_eq!(server(&dialogue), "b:1883");
    fail(&mut dialogue);
    assert_eq!(
        dialogue.events(),
        ["connect failed: Tcp, retry true", "connect failed: Tcp, retry false", "stopped: Tcp"]
    );
}

#[test]
fn a_server_that_others_name_is_told_and_not_followed() {
    let mut dialogue = Dialogue::new(options());
    dialogue.session.handle_opened(dialogue.now);
    dialogue.server(use_another("other:1"));
    let events = dialogue.events();
    assert_eq!(events, ["redirect other:1", "connect failed: Refused, retry true"]);
    dialogue.wait_for_attempt();
    assert_eq!(server(&dialogue), "server:1883");
}

#[test]
fn a_server_that_others_name_is_followed_if_the_program_wants_it() {
    let mut dialogue = Dialogue::new(Options { follows_redirects: true, ..options() });
    dialogue.session.handle_opened(dialogue.now);
    dialogue.server(use_another("other:1"));
    dialogue.pass(Duration::ZERO);
    assert_eq!((server(&dialogue), dialogue.session.demand()), ("other:1".into(), Demand::Open));
    dialogue.connect(false, ConnAckProperties::default());

    let reference = Some(Text::new("third").unwrap());
    let properties = DisconnectProperties { server_reference: reference, ..Default::default() };
    let moved = Disconnect { properties, ..Disconnect::new(ReasonCode::ServerMoved) };
    dialogue.server(Packet::Disconnect(moved));
    dialogue.pass(Duration::ZERO);
    assert_eq!((server(&dialogue), dialogue.session.demand()), ("third:1".into(), Demand::Open));
}

#[test]
fn what_waits_can_be_taken_back() {
    let mut dialogue = Dialogue::new(options());
    let publish = dialogue.publish(QoS::AtLeastOnce, "a").unwrap();
    let subscribe = dialogue.subscribe("b");
    dialogue.publish(QoS::AtLeastOnce, "c").unwrap();
    dialogue.session.cancel(publish, dialogue.now).unwrap();
    dialogue.session.cancel(subscribe, dialogue.now).unwrap();
    assert_eq!(dialogue.events(), ["published 1: Cancelled", "subscribed 2: Cancelled"]);
    let again = dialogue.session.cancel(publish, dialogue.now).unwrap_err();
    assert_eq!(again.kind, ErrorKind::NotFound);
    dialogue.connect(false, ConnAckProperties::default());
    dialogue.client(&[super::publish(once(1), "c")]);
}

#[test]
fn what_was_sent_cannot_be_taken_back() {
    let mut dialogue = Dialogue::connected();
    let op = dialogue.publish(QoS::AtLeastOnce, "a").unwrap();
    let error = dialogue.session.cancel(op, dialogue.now).unwrap_err();
    assert_eq!(error.kind, ErrorKind::State);
    assert!(dialogue.events().is_empty(), "its outcome is yet to come");
}

#[test]
fn a_subscribe_that_is_not_answered_fails_in_time_and_keeps_its_identifier() {
    let mut dialogue = Dialogue::connected();
    dialogue.subscribe("a");
    dialogue.output();
    dialogue.pass(Duration::from_secs(29));
    assert!(dialogue.events().is_empty());
    dialogue.pass(Duration::from_secs(2));
    assert_eq!(dialogue.events(), ["subscribed 1: Timeout"]);
    // The answer that comes late is for nobody.
    dialogue.server(suback(1, &[ReasonCode::Success]));
    assert!(dialogue.events().is_empty());
    assert!(dialogue.session.is_connected());
}
