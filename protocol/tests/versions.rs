//! MQTT 3.1.1 and 3.1 on the wire: the same packets in the older form.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use mqtt_protocol::*;

fn read(version: Version, bytes: &[u8]) -> Result<Packet<'_>, DecodeError> {
    match decode_as(version, bytes, usize::MAX)? {
        Decoded::Packet { packet, length } => {
            assert_eq!(length, bytes.len());
            Ok(packet)
        }
        Decoded::Incomplete { .. } => panic!("the packet is complete"),
    }
}

fn write(version: Version, packet: &Packet<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet.encode_as(version, usize::MAX, &mut bytes).unwrap();
    bytes
}

/// The packet and its bytes are each other's inverse.
fn assert_same(version: Version, bytes: &[u8], packet: &Packet<'_>) {
    assert_eq!(&read(version, bytes).unwrap(), packet);
    assert_eq!(write(version, packet), bytes);
}

fn id(number: u16) -> PacketId {
    PacketId::new(number).unwrap()
}

#[test]
fn connect_names_its_version() {
    let connect = |version| {
        Packet::Connect(Connect {
            clean_start: true,
            keep_alive_secs: 60,
            version,
            client_id: Text::new("a").unwrap(),
            user_name: Some(Text::new("u").unwrap()),
            password: Some(Binary::new(b"p").unwrap()),
            ..Connect::default()
        })
    };
    let v3_1_1 = b"\x10\x13\x00\x04MQTT\x04\xC2\x00\x3C\x00\x01a\x00\x01u\x00\x01p";
    let v3_1 = b"\x10\x15\x00\x06MQIsdp\x03\xC2\x00\x3C\x00\x01a\x00\x01u\x00\x01p";
    assert_same(Version::V5_0, v3_1_1, &connect(Version::V3_1_1));
    assert_same(Version::V5_0, v3_1, &connect(Version::V3_1));
}

/// [MQTT-3.1.2-2]
#[test]
fn versions_that_do_not_exist_are_refused() {
    for (name, level) in [("MQTT", 3), ("MQTT", 6), ("MQIsdp", 4), ("mqtt", 5)] {
        let mut body = vec![0, name.len() as u8];
        body.extend_from_slice(name.as_bytes());
        body.extend_from_slice(&[level, 2, 0, 0, 0, 0, 0]);
        let mut bytes = vec![0x10, body.len() as u8];
        bytes.extend(body);
        let error = read(Version::V5_0, &bytes).unwrap_err();
        assert_eq!(error.reason, ReasonCode::UnsupportedProtocolVersion, "{name} {level}");
    }
}

#[test]
fn a_session_that_is_not_clean_lasts() {
    let bytes = b"\x10\x0D\x00\x04MQTT\x04\x00\x00\x3C\x00\x01a";
    let Packet::Connect(connect) = read(Version::V5_0, bytes).unwrap() else { panic!() };
    assert_eq!(connect.properties.session_expiry_interval, Some(u32::MAX));
}

#[test]
fn a_session_that_is_not_clean_needs_a_name() {
    let error = read(Version::V5_0, b"\x10\x0C\x00\x04MQTT\x04\x00\x00\x3C\x00\x00").unwrap_err();
    assert_eq!(error.reason, ReasonCode::ClientIdentifierNotValid);
}

#[test]
fn connack_has_return_codes() {
    let connack = |session_present, reason| {
        Packet::ConnAck(ConnAck { session_present, ..ConnAck::refuse(reason) })
    };
    let version = Version::V3_1_1;
    assert_same(version, b"\x20\x02\x01\x00", &connack(true, ReasonCode::Success));
    for (code, reason) in [
        (1, ReasonCode::UnsupportedProtocolVersion),
        (2, ReasonCode::ClientIdentifierNotValid),
        (3, ReasonCode::ServerUnavailable),
        (4, ReasonCode::BadUserNameOrPassword),
        (5, ReasonCode::NotAuthorized),
    ] {
        assert_same(version, &[0x20, 2, 0, code], &connack(false, reason));
    }
    assert_eq!(write(version, &connack(false, ReasonCode::ServerBusy)), b"\x20\x02\x00\x03");
    assert_eq!(write(version, &connack(false, ReasonCode::Banned)), b"\x20\x02\x00\x05");
}

#[test]
fn publish_has_no_properties() {
    let publish = Publish::at_most_once(TopicName::new("a").unwrap(), b"xy");
    assert_same(Version::V3_1_1, b"\x30\x05\x00\x01axy", &publish.clone().into());
    let mut with_properties = publish;
    with_properties.properties.message_expiry_interval = Some(7);
    assert_eq!(write(Version::V3_1_1, &with_properties.into()), b"\x30\x05\x00\x01axy");
}

#[test]
fn acknowledgements_have_no_reason() {
    let refused = Packet::PubAck(Ack::new(id(7), ReasonCode::QuotaExceeded));
    assert_eq!(write(Version::V3_1_1, &refused), b"\x40\x02\x00\x07");
    let released = Packet::PubRel(Ack::new(id(7), ReasonCode::Success));
    assert_same(Version::V3_1_1, b"\x62\x02\x00\x07", &released);
    assert!(read(Version::V3_1_1, b"\x40\x03\x00\x07\x00").is_err());
}

#[test]
fn subscriptions_have_a_qos_and_nothing_else() {
    let subscribe = Packet::Subscribe(Subscribe {
        packet_id: id(7),
        properties: SubscribeProperties::default(),
        subscriptions: vec![Subscription::new(TopicFilter::new("a").unwrap(), QoS::AtLeastOnce)],
    });
    assert_same(Version::V3_1_1, b"\x82\x06\x00\x07\x00\x01a\x01", &subscribe);
    assert!(read(Version::V3_1_1, b"\x82\x06\x00\x07\x00\x01a\x05").is_err());

    let suback = Packet::SubAck(SubAck {
        packet_id: id(7),
        properties: ReasonProperties::default(),
        reasons: vec![ReasonCode::GrantedQoS2, ReasonCode::QuotaExceeded],
    });
    assert_eq!(write(Version::V3_1_1, &suback), b"\x90\x04\x00\x07\x02\x80");
}

#[test]
fn unsuback_is_an_identifier() {
    let unsuback = Packet::UnsubAck(SubAck {
        packet_id: id(7),
        properties: ReasonProperties::default(),
        reasons: Vec::new(),
    });
    assert_same(Version::V3_1_1, b"\xB0\x02\x00\x07", &unsuback);
}

#[test]
fn disconnect_is_empty_and_auth_does_not_exist() {
    let disconnect = Packet::Disconnect(Disconnect::new(ReasonCode::Success));
    assert_same(Version::V3_1_1, b"\xE0\x00", &disconnect);
    assert!(read(Version::V3_1_1, b"\xE0\x01\x00").is_err());
    assert!(read(Version::V3_1_1, b"\xF0\x00").is_err());
}

#[test]
fn version_3_1_marks_repeated_requests() {
    assert!(read(Version::V3_1, b"\x6A\x02\x00\x07").is_ok());
    assert!(read(Version::V3_1_1, b"\x6A\x02\x00\x07").is_err());
}
