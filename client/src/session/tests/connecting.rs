//! CONNECT, CONNACK, and what follows when the one does not lead to the other.

use std::num::NonZeroU32;

use mqtt_protocol::{Connect, Disconnect, Text};

use super::*;
use crate::{OwnedText, Will};

fn connect(bytes: &[u8]) -> Connect<'_> {
    match packets(bytes).remove(0) {
        Packet::Connect(connect) => connect,
        other => panic!("the first packet is CONNECT, not {other:?}"),
    }
}

fn refusal(reason: ReasonCode) -> Packet<'static> {
    Packet::ConnAck(ConnAck::refuse(reason))
}

/// [MQTT-3.1.0-1]
#[test]
fn connect_is_the_first_packet() {
    let mut dialogue = Dialogue::new(options());
    dialogue.publish(QoS::AtLeastOnce, "early").unwrap();
    assert!(dialogue.output().is_empty(), "nothing is written without a connection");
    dialogue.session.handle_opened(dialogue.now);
    let bytes = dialogue.output();
    assert_eq!(packets(&bytes).len(), 1, "nothing but CONNECT goes out before CONNACK");
    let connect = connect(&bytes);
    assert!(connect.clean_start);
    assert_eq!(connect.keep_alive_secs, 60);
    assert_eq!(connect.client_id.as_str(), "");
}

/// [MQTT-3.1.2-1] [MQTT-3.1.2-9] [MQTT-3.1.2-17] [MQTT-3.1.2-19] [MQTT-3.1.3-1] [MQTT-3.1.3-3]
#[test]
fn connect_has_what_the_options_have_in_its_order() {
    let text = |text| OwnedText::new(text).unwrap();
    let mut message = crate::Message::new("gone", b"ann").unwrap();
    message.qos = QoS::ExactlyOnce;
    message.retain = true;
    let options = Options {
        client_id: text("id"),
        user_name: Some(text("user")),
        password: Some(b"\0secret".to_vec()),
        will: Some(Will { message, delay_secs: 0 }),
        received_aliases: 0,
        ..options()
    };
    let mut dialogue = Dialogue::new(options);
    dialogue.session.handle_opened(dialogue.now);
    let expected = b"\x10\x32\0\x04MQTT\x05\xF6\0\x3C\x08\x21\x04\0\x27\x01\0\0\0\0\x02id\
        \0\0\x04gone\0\x03ann\0\x04user\0\x07\0secret";
    assert_eq!(dialogue.output(), expected);
}

/// [MQTT-3.1.2-11] [MQTT-3.1.2-13] [MQTT-3.1.2-16] [MQTT-3.1.2-18] [MQTT-3.1.3-3]
#[test]
fn connect_has_nothing_that_the_options_have_not() {
    let mut dialogue = Dialogue::new(Options { received_aliases: 0, ..options() });
    dialogue.session.handle_opened(dialogue.now);
    let expected = b"\x10\x15\0\x04MQTT\x05\x02\0\x3C\x08\x21\x04\0\x27\x01\0\0\0\0\0";
    assert_eq!(dialogue.output(), expected);

    let password = Some(b"x".to_vec());
    let mut dialogue = Dialogue::new(Options { password, ..options() });
    dialogue.session.handle_opened(dialogue.now);
    let bytes = dialogue.output();
    let connect = connect(&bytes);
    assert!(connect.user_name.is_none() && connect.password.is_some() && connect.will.is_none());
}

#[test]
fn a_will_travels_with_its_properties() {
    let mut options = options();
    let mut message = crate::Message::new("gone", b"ann").unwrap();
    message.qos = QoS::AtLeastOnce;
    message.retain = true;
    message.properties_mut().add_user("a", "b").unwrap();
    options.will = Some(Will { message, delay_secs: 5 });
    let mut dialogue = Dialogue::new(options);
    dialogue.session.handle_opened(dialogue.now);
    let bytes = dialogue.output();
    let will = connect(&bytes).will.unwrap();
    assert_eq!((will.qos, will.retain, will.topic.as_str()), (QoS::AtLeastOnce, true, "gone"));
    assert_eq!(will.properties.will_delay_interval, Some(5));
    assert_eq!(will.properties.user_properties.iter().collect::<Vec<_>>(), [("a", "b")]);
}

/// [MQTT-3.1.3-2] [MQTT-3.2.2-16]
#[test]
fn an_assigned_client_id_is_kept() {
    let mut dialogue = Dialogue::new(options());
    dialogue.connect(
        false,
        ConnAckProperties {
            assigned_client_identifier: Some(Text::new("given").unwrap()),
            ..Default::default()
        },
    );
    assert_eq!(dialogue.session.client_id().as_str(), "given");
    dialogue.break_and_wait();
    let bytes = dialogue.connect(false, ConnAckProperties::default());
    assert_eq!(connect(&bytes).client_id.as_str(), "given");
}

#[test]
fn each_attempt_ends_in_one_event() {
    let mut dialogue = Dialogue::new(options());
    dialogue.session.handle_open_failed(Error::new(ErrorKind::Tcp, "refused"), dialogue.now);
    assert_eq!(dialogue.events(), ["connect failed: Tcp, retry true"]);
    dialogue.wait_for_attempt();
    dialogue.session.handle_opened(dialogue.now);
    dialogue.session.handle_closed(Error::new(ErrorKind::Lost, "closed"), dialogue.now);
    assert_eq!(dialogue.events(), ["connect failed: Lost, retry true"]);
    dialogue.wait_for_attempt();
    dialogue.session.handle_opened(dialogue.now);
    dialogue.server(refusal(ReasonCode::ServerBusy));
    assert_eq!(dialogue.events(), ["connect failed: Refused, retry true"]);
    dialogue.wait_for_attempt();
    dialogue.pass(Duration::from_secs(30));
    assert_eq!(dialogue.events(), ["connect failed: Timeout, retry true"]);
    dialogue.wait_for_attempt();
    dialogue.connect(false, ConnAckProperties::default());
    assert_eq!(dialogue.events(), ["connected"]);
}

/// [MQTT-4.13.2-1]
#[test]
fn a_refusal_that_waiting_does_not_heal_is_the_last() {
    for reason in [
        ReasonCode::BadUserNameOrPassword,
        ReasonCode::NotAuthorized,
        ReasonCode::ClientIdentifierNotValid,
        ReasonCode::UnsupportedProtocolVersion,
        ReasonCode::Banned,
        ReasonCode::ServerMoved,
    ] {
        let mut dialogue = Dialogue::new(options());
        let op = dialogue.publish(QoS::AtLeastOnce, "a").unwrap();
        dialogue.session.handle_opened(dialogue.now);
        dialogue.server(refusal(reason));
        let published = format!("published {}: Refused", op.0);
        let expected = ["connect failed: Refused, retry false", &published, "stopped: Refused"];
        assert_eq!(dialogue.events(), expected);
        assert_eq!(dialogue.session.demand(), Demand::None);
        assert_eq!(dialogue.session.next_timeout(), None);

        dialogue.session.reconnect(dialogue.now);
        assert_eq!(dialogue.session.demand(), Demand::Open);
    }
}

#[test]
fn without_reconnect_the_first_failure_is_the_last() {
    let mut dialogue = Dialogue::new(Options { reconnect: None, ..options() });
    dialogue.session.handle_open_failed(Error::new(ErrorKind::Dns, "unknown"), dialogue.now);
    assert_eq!(dialogue.events(), ["connect failed: Dns, retry false", "stopped: Dns"]);
}

/// [MQTT-3.2.2-4]
#[test]
fn a_session_nobody_asked_for_ends_the_connection() {
    let mut dialogue = Dialogue::new(options());
    dialogue.connect(true, ConnAckProperties::default());
    dialogue.client(&[Packet::Disconnect(Disconnect::new(ReasonCode::ProtocolError))]);
    assert_eq!(dialogue.session.demand(), Demand::FlushAndClose);
    dialogue.session.handle_closed(Error::new(ErrorKind::Lost, "closed"), dialogue.now);
    assert_eq!(dialogue.events(), ["connect failed: Protocol, retry true"]);
}

/// [MQTT-3.2.2-4]
#[test]
fn a_session_that_ended_with_its_connection_cannot_be_present() {
    let mut dialogue = Dialogue::connected();
    dialogue.break_and_wait();
    let bytes = dialogue.connect(true, ConnAckProperties::default());
    assert!(connect(&bytes).clean_start, "with no expiry the session is gone");
    dialogue.client(&[Packet::Disconnect(Disconnect::new(ReasonCode::ProtocolError))]);
}

/// A program that wants what the server has cannot have it without this end's part of the session.
/// [MQTT-3.2.2-4]
#[test]
fn a_session_of_an_earlier_run_is_not_taken_for_ours() {
    let mut dialogue = Dialogue::new(Options { clean_start: false, ..options() });
    let bytes = dialogue.connect(true, ConnAckProperties::default());
    assert!(!connect(&bytes).clean_start);
    dialogue.client(&[Packet::Disconnect(Disconnect::new(ReasonCode::ProtocolError))]);
    dialogue.session.handle_closed(Error::new(ErrorKind::Lost, "closed"), dialogue.now);
    let expected = ["connect failed: Protocol, retry false", "stopped: Protocol"];
    assert_eq!(dialogue.events(), expected, "another attempt would find it again");

    let mut dialogue = Dialogue::new(Options { clean_start: false, ..options() });
    dialogue.connect(false, ConnAckProperties::default());
    assert_eq!(dialogue.events(), ["connected"]);
}

/// [MQTT-3.2.2-4]
#[test]
fn a_session_that_the_program_vouches_for_is_gone_on_with() {
    let options = Options { clean_start: false, adopts_session: true, ..options() };
    let mut dialogue = Dialogue::new(options);
    let bytes = dialogue.connect(true, ConnAckProperties::default());
    assert!(!connect(&bytes).clean_start);
    assert_eq!(dialogue.events(), ["connected, session present"]);
}

/// [MQTT-3.1.2-23]
#[test]
fn a_session_that_lives_on_is_gone_on_with() {
    let options = Options { session_expiry_secs: 60, ..options() };
    let mut dialogue = Dialogue::connected_with(options, ConnAckProperties::default());
    dialogue.break_and_wait();
    let bytes = dialogue.connect(true, ConnAckProperties::default());
    assert!(!connect(&bytes).clean_start);
    assert_eq!(dialogue.events(), ["disconnected: Lost, retry true", "connected, session present"]);
}

/// [MQTT-3.2.2-5]
#[test]
fn a_session_the_server_has_lost_is_forgotten() {
    let options = Options { session_expiry_secs: 60, ..options() };
    let mut dialogue = Dialogue::connected_with(options, ConnAckProperties::default());
    dialogue.server(publish(exactly_once(7), "a"));
    dialogue.events();
    dialogue.break_and_wait();
    dialogue.connect(false, ConnAckProperties::default());
    dialogue.events();
    dialogue.server(publish(again(exactly_once(7)), "a"));
    assert_eq!(dialogue.events(), ["message a"], "identifier 7 means nothing any more");
}

/// [MQTT-3.2.0-1] [MQTT-3.14.0-1]
#[test]
fn nothing_comes_before_connack() {
    for packet in [
        Packet::PingResp,
        publish(Delivery::AtMostOnce, "a"),
        Packet::Disconnect(Disconnect::new(ReasonCode::ServerBusy)),
    ] {
        let mut dialogue = Dialogue::new(options());
        dialogue.session.handle_opened(dialogue.now);
        dialogue.output();
        dialogue.server(packet);
        dialogue.client(&[Packet::Disconnect(Disconnect::new(ReasonCode::ProtocolError))]);
    }
}

/// [MQTT-3.2.0-2] [MQTT-4.13.1-1]
#[test]
fn packets_of_a_client_and_a_second_connack_end_the_connection() {
    for packet in
        [refusal(ReasonCode::Success), Packet::PingReq, Packet::Connect(Connect::default())]
    {
        let mut dialogue = Dialogue::connected();
        dialogue.server(packet);
        dialogue.client(&[Packet::Disconnect(Disconnect::new(ReasonCode::ProtocolError))]);
        assert_eq!(dialogue.session.demand(), Demand::FlushAndClose);
        dialogue.session.handle_closed(Error::new(ErrorKind::Lost, "closed"), dialogue.now);
        assert_eq!(dialogue.events(), ["disconnected: Protocol, retry true"]);
    }
}

/// [MQTT-4.13.1-1]
#[test]
fn a_malformed_packet_ends_the_connection() {
    let mut dialogue = Dialogue::connected();
    assert_eq!(dialogue.session.handle_input(&[0x36, 0x00], dialogue.now), 2);
    dialogue.client(&[Packet::Disconnect(Disconnect::new(ReasonCode::MalformedPacket))]);
    dialogue.server(publish(Delivery::AtMostOnce, "late"));
    assert_eq!(dialogue.events(), [""; 0], "nothing is listened to any more");
}

/// [MQTT-3.1.2-24]
#[test]
fn a_packet_larger_than_announced_ends_the_connection() {
    let options = Options { maximum_packet_size: NonZeroU32::new(20).unwrap(), ..options() };
    let mut dialogue = Dialogue::connected_with(options, ConnAckProperties::default());
    dialogue.session.handle_input(&[0x30, 0x7F], dialogue.now);
    dialogue.client(&[Packet::Disconnect(Disconnect::new(ReasonCode::PacketTooLarge))]);
}

#[test]
fn a_server_that_does_not_read_the_farewell_is_left_all_the_same() {
    let mut dialogue = Dialogue::connected();
    dialogue.server(Packet::PingReq);
    dialogue.pass(Duration::from_secs(1));
    assert_eq!(dialogue.session.demand(), Demand::None);
    assert_eq!(dialogue.events(), ["disconnected: Protocol, retry true"]);
}

/// [MQTT-3.1.2-20] [MQTT-3.1.2-21] [MQTT-3.2.2-21]
#[test]
fn the_servers_keep_alive_holds() {
    let granted = ConnAckProperties { server_keep_alive: Some(8), ..Default::default() };
    let mut dialogue = Dialogue::connected_with(options(), granted);
    dialogue.pass(Duration::from_secs(5));
    dialogue.client(&[]);
    dialogue.pass(Duration::from_secs(1));
    dialogue.client(&[Packet::PingReq]);
    dialogue.server(Packet::PingResp);
    dialogue.pass(Duration::from_secs(6));
    dialogue.client(&[Packet::PingReq]);
}

#[test]
fn a_server_that_falls_silent_is_given_up() {
    let mut dialogue = Dialogue::connected();
    dialogue.pass(Duration::from_secs(45));
    dialogue.client(&[Packet::PingReq]);
    dialogue.pass(Duration::from_secs(30));
    assert_eq!(dialogue.events(), ["disconnected: KeepAlive, retry true"]);
}

/// [MQTT-3.14.4-1] [MQTT-4.13.2-1]
#[test]
fn a_server_that_disconnects_is_not_answered() {
    let mut dialogue = Dialogue::connected();
    dialogue.server(Packet::Disconnect(Disconnect::new(ReasonCode::ServerShuttingDown)));
    assert_eq!(dialogue.session.demand(), Demand::None);
    dialogue.client(&[]);
    assert_eq!(dialogue.events(), ["disconnected: Refused, retry true"]);
}

#[test]
fn a_client_whose_session_was_taken_over_does_not_fight_for_it() {
    let mut dialogue = Dialogue::connected();
    dialogue.server(Packet::Disconnect(Disconnect::new(ReasonCode::SessionTakenOver)));
    assert_eq!(dialogue.events(), ["disconnected: Refused, retry false", "stopped: Refused"]);
}

/// [MQTT-3.14.2-1]
#[test]
fn a_server_gives_no_reason_that_only_clients_have() {
    let mut dialogue = Dialogue::connected();
    dialogue.server(Packet::Disconnect(Disconnect::new(ReasonCode::DisconnectWithWill)));
    dialogue.client(&[Packet::Disconnect(Disconnect::new(ReasonCode::ProtocolError))]);
}

/// [MQTT-3.14.2-2]
#[test]
fn a_server_does_not_set_the_session_expiry() {
    let mut disconnect = Disconnect::new(ReasonCode::ServerShuttingDown);
    disconnect.properties.session_expiry_interval = Some(1);
    let mut dialogue = Dialogue::connected();
    dialogue.server(Packet::Disconnect(disconnect));
    dialogue.client(&[Packet::Disconnect(Disconnect::new(ReasonCode::ProtocolError))]);
}

#[test]
fn another_server_is_reported() {
    let mut refusal = ConnAck::refuse(ReasonCode::UseAnotherServer);
    refusal.properties.server_reference = Some(Text::new("other:1883").unwrap());
    let mut dialogue = Dialogue::new(options());
    dialogue.session.handle_opened(dialogue.now);
    dialogue.server(Packet::ConnAck(refusal));
    let expected = ["redirect other:1883", "connect failed: Refused, retry true"];
    assert_eq!(dialogue.events(), expected);
}
