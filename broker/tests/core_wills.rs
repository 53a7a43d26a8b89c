//! Wills: what they say, how they are published, and who may leave which.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod dialogue;

use dialogue::*;
use mqtt_protocol::QoS::{AtLeastOnce, AtMostOnce, ExactlyOnce};
use mqtt_protocol::*;

fn connect_with_will<'a>(client_id: &'a str, will: Will<'a>) -> Connect<'a> {
    Connect { will: Some(will), ..connect(client_id) }
}

/// [MQTT-3.1.2-7] [MQTT-3.1.2-14] [MQTT-3.1.3-10]
#[test]
fn a_will_is_published_with_its_qos_and_properties() {
    let mut list = UserPropertyList::new();
    for (name, value) in [("b", "1"), ("a", "2"), ("b", "1")] {
        list.push(Text::new(name).unwrap(), Text::new(value).unwrap());
    }
    let mut will = Will { qos: ExactlyOnce, ..will("will/a", "gone", None) };
    will.properties = WillProperties {
        will_delay_interval: None,
        payload_format_indicator: Some(true),
        message_expiry_interval: Some(60),
        content_type: Some(Text::new("text/plain").unwrap()),
        response_topic: Some(TopicName::new("condolences").unwrap()),
        correlation_data: Some(Binary::new(b"42").unwrap()),
        user_properties: list.view(),
    };
    let mut broker = Broker::new();
    let watcher = broker.connect("watcher");
    broker.subscribe(watcher, "will/+", AtLeastOnce);
    let client = broker.connect_with(&connect_with_will("a", will.clone()));
    broker.pass_secs(100);
    broker.lose(client);

    let packet = broker.receive(watcher);
    let message = as_publish(&packet);
    assert_eq!((message.delivery.qos(), message.retain), (AtLeastOnce, false));
    let expected = PublishProperties {
        payload_format_indicator: will.properties.payload_format_indicator,
        message_expiry_interval: will.properties.message_expiry_interval,
        content_type: will.properties.content_type,
        response_topic: will.properties.response_topic,
        correlation_data: will.properties.correlation_data,
        user_properties: will.properties.user_properties,
    };
    assert_eq!(message.properties, expected);
    assert_eq!(broker.core.retained_count(), 0);
}

/// [MQTT-3.1.2-15]
#[test]
fn a_retained_will_replaces_or_clears_the_retained_message() {
    for (payload, expected) in [("gone", vec!["gone"]), ("", vec![])] {
        let mut broker = Broker::new();
        let client = broker.connect_with(&connect_with_will(
            "a",
            Will { retain: true, ..will("a", payload, None) },
        ));
        broker.send(client, &retained("a", "here"));
        broker.lose(client);
        let watcher = broker.connect("watcher");
        broker.subscribe(watcher, "#", AtMostOnce);
        assert_eq!(broker.messages(watcher), expected);
    }
}

/// [MQTT-3.1.2-8] [MQTT-3.1.4-3]
#[test]
fn a_takeover_publishes_the_will_unless_the_session_goes_on_in_time() {
    for (clean_start, delay, published) in
        [(true, 0, true), (true, 10, true), (false, 0, true), (false, 10, false)]
    {
        let mut broker = Broker::new();
        let watcher = broker.connect("watcher");
        broker.subscribe(watcher, "will/a", AtMostOnce);
        let mut first = connect_with_will("a", will("will/a", "gone", Some(delay)));
        first.properties.session_expiry_interval = Some(1000);
        broker.connect_with(&first);
        broker.connect_with(&Connect { will: None, clean_start, ..first });
        let expected = if published { vec!["gone"] } else { vec![] };
        assert_eq!(broker.messages(watcher), expected);
        broker.pass_secs(2000);
        assert_eq!(broker.messages(watcher), [""; 0]);
    }
}

/// [MQTT-3.1.2-8] [MQTT-3.1.2-22]
#[test]
fn silence_and_bad_packets_publish_the_will() {
    for is_silent in [true, false] {
        let mut broker = Broker::new();
        let watcher = broker.connect("watcher");
        broker.subscribe(watcher, "will/a", AtMostOnce);
        let mut connect = connect_with_will("a", will("will/a", "gone", None));
        connect.keep_alive_secs = 10;
        let client = broker.connect_with(&connect);
        if is_silent {
            broker.pass_secs(15);
        } else {
            broker.send(client, &Packet::PingResp);
        }
        assert!(broker.is_closed(client));
        assert_eq!(broker.messages(watcher), ["gone"]);
    }
}

/// [MQTT-3.1.2-8]
#[test]
fn a_will_that_waits_survives_a_restart_and_keeps_its_time() {
    let mut broker = Broker::new();
    let mut connect = connect_with_will("a", will("will/a", "gone", Some(100)));
    connect.properties.session_expiry_interval = Some(1000);
    let client = broker.connect_with(&connect);
    broker.lose(client);
    broker.pass_secs(60);
    let mut broker = broker.restart();
    let watcher = broker.connect("watcher");
    broker.subscribe(watcher, "will/a", AtMostOnce);
    broker.pass_secs(39);
    assert_eq!(broker.messages(watcher), [""; 0]);
    broker.pass_secs(1);
    assert_eq!(broker.messages(watcher), ["gone"]);
}

#[test]
fn a_will_to_a_topic_nobody_may_publish_to_is_refused() {
    let mut broker = Broker::new();
    let (client, packet) =
        broker.try_connect(&connect_with_will("a", will("$SYS/uptime", "0", None)));
    assert_eq!(packet, Packet::ConnAck(ConnAck::refuse(ReasonCode::TopicNameInvalid)));
    assert!(broker.is_closed(client));
    assert_eq!(broker.core.session_count(), 0);
}

/// [MQTT-3.8.3-3]
#[test]
fn the_end_of_a_session_leaves_its_will_to_others() {
    let mut broker = Broker::new();
    let mut connect = connect_with_will("a", will("will/a", "gone", Some(5000)));
    connect.properties.session_expiry_interval = Some(10);
    let client = broker.connect_with(&connect);
    broker.subscribe(client, "will/#", AtLeastOnce);
    let watcher = broker.connect("watcher");
    broker.subscribe(watcher, "will/a", AtMostOnce);
    broker.lose(client);
    broker.pass_secs(10);
    assert_eq!(broker.core.session_count(), 1);
    assert_eq!(broker.messages(watcher), ["gone"]);
}
