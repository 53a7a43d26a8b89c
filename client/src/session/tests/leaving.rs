//! Leaving: what comes before DISCONNECT, and what becomes of the rest.

use mqtt_protocol::Disconnect;

use super::*;
use crate::Farewell;

fn leave(dialogue: &mut Dialogue, patience: Duration) {
    let deadline = dialogue.now + patience;
    dialogue.session.disconnect(Farewell::default(), deadline, dialogue.now).unwrap();
}

fn closed(dialogue: &mut Dialogue) {
    assert_eq!(dialogue.session.demand(), Demand::FlushAndClose);
    dialogue.session.handle_closed(Error::new(ErrorKind::Lost, "closed"), dialogue.now);
}

const FAREWELL: ReasonCode = ReasonCode::Success;

/// [MQTT-3.14.4-1] [MQTT-3.14.4-2]
#[test]
fn the_farewell_is_the_last_packet() {
    let mut dialogue = Dialogue::connected();
    dialogue.publish(QoS::AtMostOnce, "a").unwrap();
    leave(&mut dialogue, Duration::ZERO);
    assert_eq!(dialogue.publish(QoS::AtMostOnce, "b").unwrap_err().kind, ErrorKind::State);
    dialogue.client(&[
        publish(Delivery::AtMostOnce, "a"),
        Packet::Disconnect(Disconnect::new(FAREWELL)),
    ]);
    dialogue.server(publish(Delivery::AtMostOnce, "late"));
    closed(&mut dialogue);
    let expected = ["published 1: ok", "disconnected: ok, retry false", "stopped: ok"];
    assert_eq!(dialogue.events(), expected);
    assert_eq!(dialogue.session.demand(), Demand::None);
}

#[test]
fn what_is_owed_comes_before_the_farewell() {
    let mut dialogue = Dialogue::connected_with(options(), window(1));
    dialogue.publish(QoS::AtLeastOnce, "a").unwrap();
    dialogue.publish(QoS::AtLeastOnce, "b").unwrap();
    leave(&mut dialogue, Duration::from_secs(5));
    dialogue.client(&[publish(once(1), "a")]);
    dialogue.server(Packet::PubAck(ack(1)));
    dialogue.client(&[publish(once(2), "b")]);
    dialogue.server(Packet::PubAck(ack(2)));
    dialogue.client(&[Packet::Disconnect(Disconnect::new(FAREWELL))]);
    closed(&mut dialogue);
    assert!(!dialogue.session.left_something());
}

#[test]
fn the_farewell_does_not_wait_for_ever() {
    let mut dialogue = Dialogue::connected();
    dialogue.publish(QoS::AtLeastOnce, "a").unwrap();
    dialogue.output();
    leave(&mut dialogue, Duration::from_millis(150));
    dialogue.pass(Duration::from_millis(150));
    dialogue.client(&[Packet::Disconnect(Disconnect::new(FAREWELL))]);
    closed(&mut dialogue);
    assert!(dialogue.session.left_something());
    let expected = ["disconnected: ok, retry false", "published 1: Cancelled", "stopped: ok"];
    assert_eq!(dialogue.events(), expected);
}

#[test]
fn without_a_connection_there_is_nothing_to_wait_for() {
    let mut opening = Dialogue::new(options());
    opening.publish(QoS::AtLeastOnce, "a").unwrap();
    leave(&mut opening, Duration::from_secs(5));
    let expected =
        ["connect failed: Cancelled, retry false", "published 1: Cancelled", "stopped: ok"];
    assert_eq!(opening.events(), expected);

    let mut waiting = Dialogue::new(options());
    waiting.session.handle_open_failed(Error::new(ErrorKind::Tcp, "refused"), waiting.now);
    waiting.events();
    leave(&mut waiting, Duration::from_secs(5));
    assert_eq!(waiting.events(), ["stopped: ok"]);
    assert_eq!(waiting.session.demand(), Demand::None);
}

#[test]
fn a_connection_that_breaks_while_leaving_is_not_opened_again() {
    let mut dialogue = Dialogue::connected();
    dialogue.publish(QoS::AtLeastOnce, "a").unwrap();
    dialogue.output();
    leave(&mut dialogue, Duration::from_secs(5));
    dialogue.session.handle_closed(Error::new(ErrorKind::Lost, "broken"), dialogue.now);
    let expected = ["disconnected: Lost, retry false", "published 1: Lost", "stopped: Lost"];
    assert_eq!(dialogue.events(), expected);
}

#[test]
fn reconnect_begins_again_after_a_farewell() {
    let options = Options { session_expiry_secs: 60, ..options() };
    let mut dialogue = Dialogue::connected_with(options, ConnAckProperties::default());
    leave(&mut dialogue, Duration::ZERO);
    dialogue.output();
    closed(&mut dialogue);
    dialogue.session.reconnect(dialogue.now);
    dialogue.written = 0;
    let bytes = dialogue.connect(true, ConnAckProperties::default());
    let [Packet::Connect(connect)] = &packets(&bytes)[..] else { panic!("CONNECT comes first") };
    assert!(!connect.clean_start, "the session was kept");
}

#[test]
fn a_farewell_may_end_the_session() {
    let options = Options { session_expiry_secs: 60, ..options() };
    let mut dialogue = Dialogue::connected_with(options, ConnAckProperties::default());
    let farewell = Farewell { session_expiry_secs: Some(0), ..Farewell::default() };
    dialogue.session.disconnect(farewell, dialogue.now, dialogue.now).unwrap();
    let mut expected = Disconnect::new(FAREWELL);
    expected.properties.session_expiry_interval = Some(0);
    dialogue.client(&[Packet::Disconnect(expected)]);
    closed(&mut dialogue);
    dialogue.session.reconnect(dialogue.now);
    dialogue.written = 0;
    let bytes = dialogue.connect(false, ConnAckProperties::default());
    let [Packet::Connect(connect)] = &packets(&bytes)[..] else { panic!("CONNECT comes first") };
    assert!(connect.clean_start);
}

/// [MQTT-3.2.2-15] [MQTT-3.14.2-3] [MQTT-3.14.2-4]
#[test]
fn a_farewell_says_no_more_than_the_server_takes() {
    let words = || Farewell {
        reason_string: Some(crate::OwnedText::new("until tomorrow").unwrap()),
        user_properties: vec![Default::default()],
        ..Farewell::default()
    };
    for (maximum, has_words) in [(26, true), (25, false)] {
        let maximum_packet_size = std::num::NonZeroU32::new(maximum);
        let granted = ConnAckProperties { maximum_packet_size, ..Default::default() };
        let mut dialogue = Dialogue::connected_with(options(), granted);
        dialogue.session.disconnect(words(), dialogue.now, dialogue.now).unwrap();
        let bytes = dialogue.output();
        let [Packet::Disconnect(farewell)] = &packets(&bytes)[..] else { panic!("{bytes:02x?}") };
        assert_eq!(farewell.properties.reason_string.is_some(), has_words, "{maximum}");
        assert_eq!(farewell.properties.user_properties.is_empty(), !has_words);
    }
}

/// [MQTT-3.14.2-1]
#[test]
fn a_farewell_that_a_client_may_not_say_is_refused() {
    let mut dialogue = Dialogue::connected();
    for farewell in [
        Farewell { reason: ReasonCode::Banned, ..Farewell::default() },
        Farewell { reason: ReasonCode::ServerBusy, ..Farewell::default() },
        Farewell { session_expiry_secs: Some(60), ..Farewell::default() },
    ] {
        let refused = dialogue.session.disconnect(farewell, dialogue.now, dialogue.now);
        assert_eq!(refused.unwrap_err().kind, ErrorKind::Argument);
    }
    dialogue.client(&[]);
    assert!(dialogue.session.is_connected());
}
