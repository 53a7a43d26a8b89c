//! Clients of 3.1.1 and 3.1 beside those of 5.0: the same sessions, topics and messages.

mod dialogue;

use dialogue::*;
use mqtt_protocol::*;

fn old<'a>(client_id: &'a str, clean_start: bool) -> Connect<'a> {
    Connect { version: Version::V3_1_1, clean_start, ..connect(client_id) }
}

/// The bytes that were sent, because they do not have the form of 5.0.
fn bytes(broker: &mut Broker, client: Client) -> Vec<u8> {
    broker.received_bytes(client)
}

fn send(broker: &mut Broker, client: Client, packet: &Packet<'_>) {
    let mut bytes = Vec::new();
    packet.encode_as(Version::V3_1_1, usize::MAX, &mut bytes).expect("it is small");
    broker.send_bytes(client, &bytes);
}

fn open(broker: &mut Broker, connect: &Connect<'_>) -> Client {
    let client = broker.open();
    send(broker, client, &Packet::Connect(connect.clone()));
    client
}

#[test]
fn an_old_client_and_a_new_one_exchange_messages() {
    let mut broker = Broker::new();
    let older = open(&mut broker, &old("older", true));
    assert_eq!(bytes(&mut broker, older), b"\x20\x02\x00\x00");
    broker.send_bytes(older, b"\x82\x06\x00\x07\x00\x01a\x01");
    assert_eq!(bytes(&mut broker, older), b"\x90\x03\x00\x07\x01");

    let newer = broker.connect("newer");
    broker.subscribe(newer, "b", QoS::AtMostOnce);
    broker.publish(newer, "a", "x");
    assert_eq!(bytes(&mut broker, older), b"\x30\x04\x00\x01ax");
    broker.send_bytes(older, b"\x30\x04\x00\x01by");
    assert_eq!(broker.messages(newer), ["y"]);
}

#[test]
fn an_old_session_goes_on_in_a_new_connection() {
    let mut broker = Broker::new();
    let client = open(&mut broker, &old("a", false));
    broker.send_bytes(client, b"\x82\x06\x00\x07\x00\x01a\x01");
    broker.send_bytes(client, b"\xE0\x00");
    let publisher = broker.connect("publisher");
    broker.publish_1(publisher, "a", "while away");
    let (client, present) = broker.resume("a");
    assert!(present);
    assert_eq!(broker.messages(client), ["while away"]);
}

#[test]
fn a_refusal_has_the_form_of_the_version() {
    let mut broker = Broker::new();
    let mut connect = old("a", true);
    connect.will = Some(will("$SYS/a", "gone", None));
    let client = open(&mut broker, &connect);
    assert_eq!(bytes(&mut broker, client), b"\x20\x02\x00\x03");
    assert!(broker.is_closed(client));
}

/// Before 5.0 there is no DISCONNECT of a server.
#[test]
fn an_old_client_is_hung_up_on_without_a_word() {
    let mut broker = Broker::new();
    let older = open(&mut broker, &old("a", true));
    let _ = bytes(&mut broker, older);
    let _newer = broker.connect("a");
    assert!(broker.is_closed(older));
    assert_eq!(bytes(&mut broker, older), b"");
}
