//! Back-pressure: who is read no further, and until when.

mod dialogue;

use std::time::Duration;

use dialogue::*;
use mqtt_broker::core::limits::Limits;
use mqtt_broker::core::origin::Origin;
use mqtt_protocol::QoS::AtMostOnce;
use mqtt_protocol::{Connect, Packet};

const KIB: usize = 1024;

fn limits() -> Limits {
    Limits { maximum_outbox: 64 * KIB, ..Limits::default() }
}

/// A publisher, and a receiver who does not read.
fn pressed() -> (Broker, Client, Client) {
    let mut broker = Broker::with_limits(limits());
    let receiver = broker.connect("receiver");
    broker.subscribe(receiver, "a", AtMostOnce);
    broker.stop_reading(receiver);
    let publisher = broker.connect("publisher");
    // What the socket of the receiver has taken already is no pressure.
    publish_kib(&mut broker, publisher);
    (broker, publisher, receiver)
}

fn publish_kib(broker: &mut Broker, publisher: Client) {
    broker.publish(publisher, "a", &"x".repeat(KIB));
}

/// Publishes until the publisher is held; gives how many messages that took.
fn publish_until_held(broker: &mut Broker, publisher: Client) -> usize {
    let mut count = 0;
    while broker.held.is_empty() {
        publish_kib(broker, publisher);
        count += 1;
        assert!(count <= 64, "the outbox would be full");
    }
    count
}

#[test]
fn publishers_wait_for_a_receiver_who_reads() {
    let (mut broker, publisher, receiver) = pressed();
    let count = publish_until_held(&mut broker, publisher);
    assert_eq!(broker.held, [publisher]);
    broker.read_on(receiver);
    assert!(broker.held.is_empty());
    for _ in 0..=count {
        as_publish(&broker.receive(receiver));
    }
    assert_eq!(broker.core.dropped_messages(), 0);
}

#[test]
fn nobody_waits_for_a_receiver_who_takes_nothing() {
    let (mut broker, publisher, receiver) = pressed();
    publish_until_held(&mut broker, publisher);
    broker.pass(Duration::from_millis(49));
    assert_eq!(broker.held, [publisher]);
    broker.pass(Duration::from_millis(1));
    assert!(broker.held.is_empty());
    for _ in 0..100 {
        publish_kib(&mut broker, publisher);
    }
    assert!(broker.held.is_empty());
    assert!(broker.core.dropped_messages() > 0);

    // It reads again, and then stops again.
    broker.read_on(receiver);
    broker.stop_reading(receiver);
    publish_kib(&mut broker, publisher);
    publish_until_held(&mut broker, publisher);
}

#[test]
fn nobody_waits_for_a_receiver_who_is_gone() {
    let (mut broker, publisher, receiver) = pressed();
    publish_until_held(&mut broker, publisher);
    broker.lose(receiver);
    assert!(broker.held.is_empty());
}

#[test]
fn a_receiver_without_a_word_for_long_is_waited_for_anew() {
    let (mut broker, publisher, receiver) = pressed();
    publish_until_held(&mut broker, publisher);
    broker.pass(Duration::from_millis(30));
    broker.read_on(receiver);
    broker.stop_reading(receiver);
    publish_kib(&mut broker, publisher);
    publish_until_held(&mut broker, publisher);
    broker.pass(Duration::from_millis(30));
    assert_eq!(broker.held, [publisher], "the first wait's end is not the second's");
}

/// Nothing of what many publishers have sent at once is lost: who is held is not heard to the end.
#[test]
fn what_is_behind_the_message_that_was_one_too_many_waits() {
    let (mut broker, publisher, receiver) = pressed();
    let mut batch = Vec::new();
    for _ in 0..100 {
        let payload = "x".repeat(KIB);
        Packet::Publish(publish("a", &payload)).encode(&mut batch).unwrap();
    }
    let received = broker.core.receive(publisher, &batch, broker.now);
    assert!(received.is_held && received.consumed < batch.len(), "{received:?}");
    broker.read_on(receiver);
    let rest = broker.core.receive(publisher, &batch[received.consumed..], broker.now);
    assert!(rest.consumed > 0);
    assert_eq!(broker.core.dropped_messages(), 0);
}

/// A client of another machine, connected.
fn remote(broker: &mut Broker) -> Client {
    let origin = Origin::of([192, 0, 2, 1].into());
    let client = broker.core.open_from(origin, broker.now);
    broker.send(client, &Packet::Connect(Connect { keep_alive_secs: 10, ..connect("a") }));
    assert!(matches!(broker.receive(client), Packet::ConnAck(_)));
    client
}

#[test]
fn who_sends_too_many_requests_is_read_no_further_for_a_while() {
    let limits = Limits { maximum_requests_per_second: 10, ..Limits::default() };
    let mut broker = Broker::with_limits(limits);
    let client = remote(&mut broker);
    let questions = [0xC0, 0].repeat(1000);
    // CONNECT was the first of this second.
    for heard in [9, 1, 1] {
        let received = broker.core.receive(client, &questions, broker.now);
        assert_eq!((received.consumed, received.is_held), (2 * heard, true));
        broker.settle();
        assert_eq!(broker.received(client).len(), heard);
        broker.held = vec![client];
        broker.pass(Duration::from_millis(99));
        assert_eq!(broker.held, [client]);
        broker.pass(Duration::from_millis(1));
        assert!(broker.held.is_empty());
    }
    broker.pass_secs(5);
    let received = broker.core.receive(client, &questions, broker.now);
    assert_eq!(received.consumed, 2 * 10);
}

#[test]
fn who_sends_too_many_bytes_is_read_no_further_until_they_are_made_up_for() {
    let limits = Limits { maximum_bytes_per_second: 1000, ..Limits::default() };
    let mut broker = Broker::with_limits(limits);
    let client = remote(&mut broker);
    // Longer than the keep alive: it is not the client's silence.
    broker.publish(client, "a", &"x".repeat(100_000));
    assert_eq!(broker.held, [client]);
    broker.pass_secs(98);
    assert_eq!(broker.held, [client]);
    broker.pass_secs(2);
    assert!(broker.held.is_empty());
    assert!(!broker.is_closed(client));
    broker.pass_secs(1000);
    assert!(broker.is_closed(client), "silence is");
}

#[test]
fn acknowledgements_and_clients_of_this_machine_are_not_measured() {
    let limits = Limits { maximum_requests_per_second: 1, ..Limits::default() };
    let mut broker = Broker::with_limits(limits);
    let client = remote(&mut broker);
    broker.pass_secs(1);
    let puback = [0x40, 2, 0, 1].repeat(100);
    assert!(!broker.core.receive(client, &puback, broker.now).is_held);
    let local = broker.connect("b");
    let questions = [0xC0, 0].repeat(1000);
    assert!(!broker.core.receive(local, &questions, broker.now).is_held);
}
