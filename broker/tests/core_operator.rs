//! What the operator sees: figures below `$SYS`, reasons counted, words for the log.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod dialogue;

use dialogue::*;
use mqtt_broker::core::limits::Limits;
use mqtt_broker::core::notice::Notice;
use mqtt_protocol::QoS::{AtLeastOnce, AtMostOnce};
use mqtt_protocol::*;

/// A figure by its name and reason; 0 if there is none.
fn figure(broker: &Broker, name: &str, reason: Option<ReasonCode>) -> u64 {
    let reason = reason.map(|reason| reason as u8);
    let figures = broker.core.figures(broker.now);
    let found = figures.iter().find(|it| (it.name, it.reason) == (name, reason));
    found.map_or(0, |figure| figure.value)
}

#[test]
fn what_happens_is_counted() {
    let mut broker = Broker::new();
    let receiver = broker.connect("receiver");
    broker.subscribe(receiver, "a", AtMostOnce);
    let publisher = broker.connect("publisher");
    broker.publish(publisher, "a", "one");
    broker.publish(publisher, "nobody", "two");
    broker.lose(publisher);
    assert_eq!(broker.messages(receiver), ["one"]);
    for (name, expected) in [
        ("clients/connected", 1),
        ("connects/accepted", 2),
        ("messages/received", 2),
        ("messages/delivered", 1),
        ("messages/dropped", 0),
        ("connections/open", 1),
        ("connections/unconnected", 0),
    ] {
        assert_eq!(figure(&broker, name, None), expected, "{name}");
    }
    assert!(figure(&broker, "bytes/received", None) > 40);
    assert!(figure(&broker, "bytes/sent", None) > 20);
}

#[test]
fn refusals_are_counted_by_reason() {
    let limits = Limits { maximum_sessions: 1, maximum_subscriptions: 1, ..Limits::default() };
    let mut broker = Broker::with_limits(limits);
    let client = broker.connect("a");
    broker.try_connect(&connect("b"));
    broker.subscribe(client, "a", AtMostOnce);
    broker.try_subscribe(client, subscription("b", AtMostOnce), None);
    broker.publish_1(client, "$not/for/clients", "x");
    broker.connect("a");
    for (name, reason) in [
        ("connects/refused", ReasonCode::QuotaExceeded),
        ("subscriptions/refused", ReasonCode::QuotaExceeded),
        ("messages/refused", ReasonCode::NotAuthorized),
        ("disconnects", ReasonCode::SessionTakenOver),
    ] {
        assert_eq!(figure(&broker, name, Some(reason)), 1, "{name}");
    }
    let late = broker.open();
    broker.pass_secs(10);
    assert!(broker.is_closed(late));
    assert_eq!(figure(&broker, "connects/late", None), 1);
}

#[test]
fn who_subscribes_to_figures_has_them_at_once_and_from_time_to_time() {
    let mut broker = Broker::new();
    let operator = broker.connect("operator");
    broker.subscribe(operator, "$SYS/broker/clients/+", AtMostOnce);
    let topics = |broker: &mut Broker| -> Vec<String> {
        broker
            .received(operator)
            .iter()
            .map(|packet| match as_publish(packet).topic {
                PublishTopic::Name(name) => name.to_string(),
                _ => panic!("an alias"),
            })
            .collect()
    };
    let expected = ["$SYS/broker/clients/connected", "$SYS/broker/clients/held"];
    broker.pass_secs(0);
    assert_eq!(topics(&mut broker), expected);
    broker.pass_secs(9);
    assert_eq!(topics(&mut broker), [""; 0]);
    broker.pass_secs(1);
    assert_eq!(topics(&mut broker), expected);
    // With nobody to read them there is nothing to do.
    broker.unsubscribe(operator, &["$SYS/broker/clients/+"]);
    broker.pass_secs(10);
    let timers = broker.core.timer_count();
    broker.pass_secs(1000);
    assert!(broker.core.timer_count() <= timers);
    assert!(broker.received(operator).is_empty());
}

/// [MQTT-4.7.2-1]
#[test]
fn who_subscribes_to_everything_has_no_figures() {
    let mut broker = Broker::new();
    let operator = broker.connect("operator");
    broker.subscribe(operator, "$SYS/#", AtMostOnce);
    let curious = broker.connect("curious");
    broker.subscribe(curious, "#", AtMostOnce);
    broker.pass_secs(0);
    assert!(broker.received(operator).len() > 10);
    assert!(broker.received(curious).is_empty());
}

#[test]
fn the_ends_of_clients_are_noted() {
    let mut broker = Broker::new();
    let left = broker.connect("left");
    broker.send(left, &Packet::Disconnect(Disconnect::new(ReasonCode::Success)));
    let lost = broker.connect("lost");
    broker.lose(lost);
    broker.connect("again");
    broker.connect("again");
    let connected = |name: &str| Notice::Connected { client_id: name.into(), user: None };
    let expected = [
        connected("left"),
        Notice::Left { client_id: "left".into(), reason: ReasonCode::Success },
        connected("lost"),
        Notice::Lost("lost".into()),
        connected("again"),
        Notice::Disconnected { client_id: "again".into(), reason: ReasonCode::SessionTakenOver },
        connected("again"),
    ];
    assert_eq!(broker.noted, expected);
}

#[test]
fn the_first_message_that_a_client_does_not_get_is_noted() {
    let mut broker =
        Broker::with_limits(Limits { maximum_queued_messages: 1, ..Limits::default() });
    let (away, _) = broker.resume("away");
    broker.subscribe(away, "a", AtLeastOnce);
    broker.lose(away);
    let publisher = broker.connect("publisher");
    for _ in 0..5 {
        broker.publish_1(publisher, "a", "x");
    }
    assert_eq!(figure(&broker, "messages/dropped", None), 4);
    assert_eq!(figure(&broker, "messages/queued", None), 1);
    let dropping = Notice::Dropping("away".into());
    assert_eq!(broker.noted.iter().filter(|notice| **notice == dropping).count(), 1);
}
