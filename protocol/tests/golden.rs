//! Each packet beside its bytes, which are in `golden/`, both ways.
//!
//! The bytes were put together by hand from the standard. What is there once is minimal,
//! short or full; the full packets hold every property their type has.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

use std::collections::HashMap;
use std::num::{NonZeroU16, NonZeroU32};
use std::path::Path;

use mqtt_protocol::{
    Ack, Auth, AuthProperties, Binary, ConnAck, ConnAckProperties, Connect, ConnectProperties,
    Decoded, Delivery, Disconnect, DisconnectProperties, EncodeError, MaximumQoS, Packet, PacketId,
    Publish, PublishProperties, PublishTopic, QoS, ReasonCode, ReasonProperties, RetainHandling,
    SubAck, Subscribe, SubscribeProperties, Subscription, SubscriptionIdentifier,
    SubscriptionIdentifiers, Text, TopicAlias, TopicFilter, TopicName, Unsubscribe,
    UnsubscribeProperties, UserPropertyList, Will, WillProperties, decode,
};

#[path = "support/golden_files.rs"]
mod golden_files;
#[path = "support/notation.rs"]
mod notation;

/// Demands that the packet is written as the bytes of the file, and read from them.
fn golden(file: &str, packet: &Packet<'_>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file);
    let written_by_hand = std::fs::read_to_string(path.with_extension("hex")).unwrap();
    let bytes = notation::bytes(&written_by_hand).unwrap();

    let mut written = Vec::new();
    packet.encode(&mut written).unwrap();
    assert_eq!(hex(&written), hex(&bytes), "{file} as it is written");
    assert_eq!(packet.length(), bytes.len(), "{file}");

    let read = decode(&bytes, bytes.len()).unwrap();
    assert_eq!(read, Decoded::Packet { packet: packet.clone(), length: bytes.len() }, "{file}");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X} ")).collect()
}

fn id(number: u16) -> PacketId {
    PacketId::new(number).unwrap()
}

fn text(text: &str) -> Text<'_> {
    Text::new(text).unwrap()
}

fn binary(bytes: &[u8]) -> Binary<'_> {
    Binary::new(bytes).unwrap()
}

fn name(name: &str) -> TopicName<'_> {
    TopicName::new(name).unwrap()
}

fn filter(filter: &str) -> TopicFilter<'_> {
    TopicFilter::new(filter).unwrap()
}

fn list(pairs: &[(&str, &str)]) -> UserPropertyList {
    let mut list = UserPropertyList::new();
    for (name, value) in pairs {
        list.push(text(name), text(value));
    }
    list
}

/// [MQTT-2.2.2-1] [MQTT-3.1.2-1] [MQTT-3.1.3-3]
#[test]
fn connect_minimal() {
    golden("connect-minimal", &Packet::Connect(Connect::default()));
}

/// [MQTT-3.1.2-9] [MQTT-3.1.2-17] [MQTT-3.1.2-19] [MQTT-3.1.3-1] [MQTT-3.1.3-10]
#[test]
fn connect_full() {
    let user_properties = list(&[("a", "b"), ("a", "")]);
    let will_user_properties = list(&[("c", "d")]);
    let will = Will {
        qos: QoS::AtLeastOnce,
        retain: true,
        properties: WillProperties {
            will_delay_interval: Some(5),
            payload_format_indicator: Some(true),
            message_expiry_interval: Some(60),
            content_type: Some(text("text/plain")),
            response_topic: Some(name("reply")),
            correlation_data: Some(binary(&[0xCA, 0xFE])),
            user_properties: will_user_properties.view(),
        },
        topic: name("room"),
        payload: binary(b"gone"),
    };
    let connect = Connect {
        version: mqtt_protocol::Version::V5_0,
        clean_start: true,
        keep_alive_secs: 60,
        properties: ConnectProperties {
            session_expiry_interval: Some(3600),
            receive_maximum: NonZeroU16::new(20),
            maximum_packet_size: NonZeroU32::new(65_536),
            topic_alias_maximum: Some(10),
            request_response_information: Some(true),
            request_problem_information: Some(false),
            authentication_method: Some(text("SCRAM")),
            authentication_data: Some(binary(&[1, 2])),
            user_properties: user_properties.view(),
        },
        client_id: text("mpv"),
        will: Some(will),
        user_name: Some(text("ann")),
        password: Some(binary(b"pw")),
    };
    golden("connect-full", &Packet::Connect(connect));
}

/// [MQTT-3.2.2-1]
#[test]
fn connack_minimal() {
    let accepted = ConnAck {
        session_present: false,
        reason: ReasonCode::Success,
        properties: ConnAckProperties::default(),
    };
    golden("connack-minimal", &Packet::ConnAck(accepted));
}

/// [MQTT-3.2.2-6]
#[test]
fn connack_refused() {
    let refused = ConnAck::refuse(ReasonCode::UnsupportedProtocolVersion);
    golden("connack-refused", &Packet::ConnAck(refused));
}

#[test]
fn connack_full() {
    let user_properties = list(&[("a", "b")]);
    let connack = ConnAck {
        session_present: true,
        reason: ReasonCode::Success,
        properties: ConnAckProperties {
            session_expiry_interval: Some(u32::MAX),
            receive_maximum: NonZeroU16::new(10),
            maximum_qos: Some(MaximumQoS::AtLeastOnce),
            retain_available: Some(false),
            maximum_packet_size: NonZeroU32::new(1_048_576),
            assigned_client_identifier: Some(text("a1b")),
            topic_alias_maximum: Some(5),
            reason_string: Some(text("hello")),
            wildcard_subscription_available: Some(false),
            subscription_identifiers_available: Some(false),
            shared_subscription_available: Some(false),
            server_keep_alive: Some(30),
            response_information: Some(text("resp")),
            server_reference: Some(text("other")),
            authentication_method: Some(text("SCRAM")),
            authentication_data: Some(binary(&[7])),
            user_properties: user_properties.view(),
        },
    };
    golden("connack-full", &Packet::ConnAck(connack));
}

/// [MQTT-2.2.1-2] [MQTT-3.3.2-1] [MQTT-4.3.1-1]
#[test]
fn publish_minimal() {
    golden("publish-minimal", &Packet::Publish(Publish::at_most_once(name("a"), b"")));
}

/// [MQTT-3.3.2-1] [MQTT-4.3.2-2]
#[test]
fn publish_by_alias() {
    let publish = Publish {
        delivery: Delivery::AtLeastOnce { packet_id: id(7), duplicate: false },
        retain: false,
        topic: PublishTopic::Alias(TopicAlias::new(65_535).unwrap()),
        properties: PublishProperties::default(),
        subscription_identifiers: SubscriptionIdentifiers::NONE,
        payload: b"hi",
    };
    golden("publish-alias", &Packet::Publish(publish));
}

/// [MQTT-3.3.1-1] [MQTT-3.3.2-18] [MQTT-3.3.4-4]
#[test]
fn publish_full() {
    let user_properties = list(&[("a", "b"), ("a", "c")]);
    let identifiers = [1, 268_435_455].map(|number| SubscriptionIdentifier::new(number).unwrap());
    let mut scratch = Vec::new();
    let publish = Publish {
        delivery: Delivery::ExactlyOnce { packet_id: id(0x1234), duplicate: true },
        retain: true,
        topic: PublishTopic::Define(name("room/film"), TopicAlias::new(5).unwrap()),
        properties: PublishProperties {
            payload_format_indicator: Some(true),
            message_expiry_interval: Some(60),
            content_type: Some(text("text/plain")),
            response_topic: Some(name("reply")),
            correlation_data: Some(binary(&[0xCA, 0xFE])),
            user_properties: user_properties.view(),
        },
        subscription_identifiers: SubscriptionIdentifiers::encode(identifiers, &mut scratch),
        payload: b"00:42:17",
    };
    golden("publish-full", &Packet::Publish(publish));
}

/// Checks the three lengths of the packets that answer PUBLISH and each other.
fn golden_ack<'a>(
    file: &str,
    packet: fn(Ack<'a>) -> Packet<'a>,
    reason: ReasonCode,
    reason_string: &'a str,
    user_properties: &'a UserPropertyList,
) {
    let properties = ReasonProperties {
        reason_string: Some(text(reason_string)),
        user_properties: user_properties.view(),
    };
    let success = Ack::new(id(0x1234), ReasonCode::Success);
    golden(&format!("{file}-short"), &packet(success));
    golden(&format!("{file}-reason"), &packet(Ack::new(id(0x1234), reason)));
    golden(&format!("{file}-full"), &packet(Ack { packet_id: id(0x1234), reason, properties }));
}

/// [MQTT-2.2.1-5] [MQTT-3.4.2-1]
#[test]
fn puback() {
    let user_properties = list(&[("a", "b")]);
    golden_ack(
        "puback",
        Packet::PubAck,
        ReasonCode::NoMatchingSubscribers,
        "none",
        &user_properties,
    );
}

/// A reason of Success is written if properties follow it.
#[test]
fn puback_explained() {
    let mut ack = Ack::new(id(0x1234), ReasonCode::Success);
    ack.properties.reason_string = Some(text("fine"));
    golden("puback-explained", &Packet::PubAck(ack));
}

/// [MQTT-2.2.1-5] [MQTT-3.5.2-1]
#[test]
fn pubrec() {
    let user_properties = list(&[("a", "b")]);
    golden_ack("pubrec", Packet::PubRec, ReasonCode::QuotaExceeded, "full", &user_properties);
}

/// [MQTT-2.2.1-5] [MQTT-3.6.1-1] [MQTT-3.6.2-1]
#[test]
fn pubrel() {
    let user_properties = list(&[("a", "b")]);
    golden_ack(
        "pubrel",
        Packet::PubRel,
        ReasonCode::PacketIdentifierNotFound,
        "lost",
        &user_properties,
    );
}

/// [MQTT-2.2.1-5] [MQTT-3.7.2-1]
#[test]
fn pubcomp() {
    let user_properties = list(&[("a", "b")]);
    golden_ack(
        "pubcomp",
        Packet::PubComp,
        ReasonCode::PacketIdentifierNotFound,
        "lost",
        &user_properties,
    );
}

/// [MQTT-3.8.1-1] [MQTT-3.8.3-2]
#[test]
fn subscribe_minimal() {
    let subscribe = Subscribe {
        packet_id: id(1),
        properties: SubscribeProperties::default(),
        subscriptions: vec![Subscription::new(filter("a"), QoS::AtMostOnce)],
    };
    golden("subscribe-minimal", &Packet::Subscribe(subscribe));
}

/// [MQTT-3.8.1-1] [MQTT-3.8.3-1]
#[test]
fn subscribe_full() {
    let user_properties = list(&[("a", "b")]);
    let subscribe = Subscribe {
        packet_id: id(0x1234),
        properties: SubscribeProperties {
            subscription_identifier: SubscriptionIdentifier::new(128),
            user_properties: user_properties.view(),
        },
        subscriptions: vec![
            Subscription {
                filter: filter("room/#"),
                maximum_qos: QoS::ExactlyOnce,
                no_local: true,
                retain_as_published: true,
                retain_handling: RetainHandling::DoNotSend,
            },
            Subscription::new(filter("$share/g/+"), QoS::AtLeastOnce),
            Subscription {
                retain_handling: RetainHandling::SendIfNew,
                ..Subscription::new(filter("a"), QoS::AtMostOnce)
            },
        ],
    };
    golden("subscribe-full", &Packet::Subscribe(subscribe));
}

/// [MQTT-2.2.1-6]
#[test]
fn suback_minimal() {
    let suback = SubAck {
        packet_id: id(1),
        properties: ReasonProperties::default(),
        reasons: vec![ReasonCode::Success],
    };
    golden("suback-minimal", &Packet::SubAck(suback));
}

/// [MQTT-3.9.3-1] [MQTT-3.9.3-2]
#[test]
fn suback_full() {
    let user_properties = list(&[("a", "b")]);
    let suback = SubAck {
        packet_id: id(0x1234),
        properties: ReasonProperties {
            reason_string: Some(text("some")),
            user_properties: user_properties.view(),
        },
        reasons: vec![
            ReasonCode::GrantedQoS2,
            ReasonCode::GrantedQoS1,
            ReasonCode::Success,
            ReasonCode::NotAuthorized,
            ReasonCode::WildcardSubscriptionsNotSupported,
        ],
    };
    golden("suback-full", &Packet::SubAck(suback));
}

/// [MQTT-3.10.1-1] [MQTT-3.10.3-2]
#[test]
fn unsubscribe_minimal() {
    let unsubscribe = Unsubscribe {
        packet_id: id(1),
        properties: UnsubscribeProperties::default(),
        filters: vec![filter("a")],
    };
    golden("unsubscribe-minimal", &Packet::Unsubscribe(unsubscribe));
}

/// [MQTT-3.10.1-1] [MQTT-3.10.3-1]
#[test]
fn unsubscribe_full() {
    let user_properties = list(&[("a", "b")]);
    let unsubscribe = Unsubscribe {
        packet_id: id(0x1234),
        properties: UnsubscribeProperties { user_properties: user_properties.view() },
        filters: vec![filter("room/#"), filter("$share/g/+")],
    };
    golden("unsubscribe-full", &Packet::Unsubscribe(unsubscribe));
}

/// [MQTT-2.2.1-6]
#[test]
fn unsuback_minimal() {
    let unsuback = SubAck {
        packet_id: id(1),
        properties: ReasonProperties::default(),
        reasons: vec![ReasonCode::Success],
    };
    golden("unsuback-minimal", &Packet::UnsubAck(unsuback));
}

/// [MQTT-3.11.3-1] [MQTT-3.11.3-2]
#[test]
fn unsuback_full() {
    let user_properties = list(&[("a", "b")]);
    let unsuback = SubAck {
        packet_id: id(0x1234),
        properties: ReasonProperties {
            reason_string: Some(text("some")),
            user_properties: user_properties.view(),
        },
        reasons: vec![
            ReasonCode::Success,
            ReasonCode::NoSubscriptionExisted,
            ReasonCode::TopicFilterInvalid,
        ],
    };
    golden("unsuback-full", &Packet::UnsubAck(unsuback));
}

#[test]
fn pings() {
    golden("pingreq", &Packet::PingReq);
    golden("pingresp", &Packet::PingResp);
}

/// [MQTT-3.14.1-1]
#[test]
fn disconnect_short() {
    golden("disconnect-short", &Packet::Disconnect(Disconnect::new(ReasonCode::Success)));
    let with_will = Disconnect::new(ReasonCode::DisconnectWithWill);
    golden("disconnect-reason", &Packet::Disconnect(with_will));
}

/// [MQTT-3.14.2-1]
#[test]
fn disconnect_full() {
    let user_properties = list(&[("a", "b")]);
    let disconnect = Disconnect {
        reason: ReasonCode::ServerMoved,
        properties: DisconnectProperties {
            session_expiry_interval: Some(3600),
            reason_string: Some(text("move")),
            server_reference: Some(text("other")),
            user_properties: user_properties.view(),
        },
    };
    golden("disconnect-full", &Packet::Disconnect(disconnect));
}

/// [MQTT-3.15.1-1]
#[test]
fn auth_short() {
    let auth = Auth { reason: ReasonCode::Success, properties: AuthProperties::default() };
    golden("auth-short", &Packet::Auth(auth));
}

/// [MQTT-3.15.2-1]
#[test]
fn auth_full() {
    let user_properties = list(&[("a", "b")]);
    let auth = Auth {
        reason: ReasonCode::ContinueAuthentication,
        properties: AuthProperties {
            authentication_method: Some(text("SCRAM")),
            authentication_data: Some(binary(&[1, 2])),
            reason_string: Some(text("more")),
            user_properties: user_properties.view(),
        },
    };
    golden("auth-full", &Packet::Auth(auth));
}

/// What is only there for people goes, from every packet but those that have none or are
/// messages; all else stays.
/// [MQTT-3.1.2-29] [MQTT-3.2.2-19] [MQTT-3.2.2-20] [MQTT-3.4.2-2] [MQTT-3.4.2-3] [MQTT-3.5.2-2]
/// [MQTT-3.5.2-3] [MQTT-3.6.2-2] [MQTT-3.6.2-3] [MQTT-3.7.2-2] [MQTT-3.7.2-3] [MQTT-3.9.2-1]
/// [MQTT-3.9.2-2] [MQTT-3.11.2-1] [MQTT-3.11.2-2] [MQTT-3.14.2-3] [MQTT-3.14.2-4]
/// [MQTT-3.15.2-2] [MQTT-3.15.2-3]
#[test]
fn diagnostics_are_taken_away() {
    let files: HashMap<String, Vec<u8>> = golden_files::read().into_iter().collect();
    let stripped = |file: &str| {
        let Decoded::Packet { mut packet, .. } = decode(&files[file], usize::MAX).unwrap() else {
            panic!("{file} is complete");
        };
        packet.strip_diagnostics();
        let mut written = Vec::new();
        packet.encode(&mut written).unwrap();
        written
    };
    for ack in ["puback", "pubrec", "pubrel", "pubcomp"] {
        assert_eq!(stripped(&format!("{ack}-full")), files[&format!("{ack}-reason")]);
    }
    for file in ["connack-full", "suback-full", "unsuback-full", "disconnect-full", "auth-full"] {
        let reason_string = if file == "connack-full" { 8 } else { 7 };
        let user_property = 7;
        assert_eq!(stripped(file).len(), files[file].len() - reason_string - user_property);
    }
    for file in ["connect-full", "publish-full", "subscribe-full", "unsubscribe-full"] {
        assert_eq!(stripped(file), files[file]);
    }
}

/// `WRITE_SEEDS=1` writes them.
#[test]
fn the_fuzzer_begins_with_these_packets() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/decode");
    for (file, bytes) in golden_files::read() {
        if std::env::var_os("WRITE_SEEDS").is_some() {
            std::fs::write(seeds.join(&file), &bytes).unwrap();
        }
        let seed = std::fs::read(seeds.join(&file)).unwrap_or_default();
        assert_eq!(hex(&seed), hex(&bytes), "the seed {file}");
    }
}

/// A packet whose body is `length` bytes long.
fn publish_of(length: usize, payload: &[u8]) -> Packet<'_> {
    let topic_and_properties = 4;
    Publish::at_most_once(name("a"), &payload[..length - topic_and_properties]).into()
}

/// The remaining length takes one more byte at each border. [MQTT-1.5.5-1]
#[test]
fn lengths_of_one_to_four_bytes() {
    let payload = vec![0; 2_097_152];
    for (length, header) in [
        (127, &[0x30, 0x7F][..]),
        (128, &[0x30, 0x80, 0x01]),
        (16_383, &[0x30, 0xFF, 0x7F]),
        (16_384, &[0x30, 0x80, 0x80, 0x01]),
        (2_097_151, &[0x30, 0xFF, 0xFF, 0x7F]),
        (2_097_152, &[0x30, 0x80, 0x80, 0x80, 0x01]),
    ] {
        let packet = publish_of(length, &payload);
        let mut written = Vec::new();
        packet.encode(&mut written).unwrap();
        assert_eq!(&written[..header.len()], header);
        assert_eq!(written.len(), header.len() + length);
        assert_eq!(packet.length(), written.len());
        let length = written.len();
        assert_eq!(decode(&written, length).unwrap(), Decoded::Packet { packet, length });
    }
}

/// What does not fit is not written at all, and leaves what was written before as it was.
#[test]
fn packets_that_are_too_large_are_not_written() {
    let payload = vec![0; mqtt_protocol::MAXIMUM_PACKET_SIZE];
    let mut out = vec![0xC0, 0x00];
    let one_too_large = publish_of(268_435_456, &payload);
    assert!(one_too_large.encode(&mut out).is_err());
    assert!(Packet::PingReq.encode_within(1, &mut out).is_err());
    assert_eq!(out, [0xC0, 0x00]);
    assert!(Packet::PingReq.encode_within(2, &mut out).is_ok());
    assert_eq!(out, [0xC0, 0x00, 0xC0, 0x00]);
}

/// Strings and binary data as long as their two-byte length allows. [MQTT-4.7.3-3]
#[test]
fn fields_of_65535_bytes() {
    let long = "x".repeat(65_535);
    let user_properties = list(&[(&long, &long)]);
    let mut publish = Publish::at_most_once(name(&long), b"");
    publish.properties.correlation_data = Some(binary(long.as_bytes()));
    publish.properties.user_properties = user_properties.view();
    let packet = Packet::Publish(publish);
    let mut written = Vec::new();
    packet.encode(&mut written).unwrap();
    let length = written.len();
    assert_eq!(decode(&written, length).unwrap(), Decoded::Packet { packet, length });
}

/// Properties may come in any order, User Properties keep theirs. [MQTT-3.3.2-18]
#[test]
fn properties_are_read_in_any_order() {
    let bytes = notation::bytes(
        r#"
        30 25                   # PUBLISH at QoS 0
        00 01 "a"               # topic name
        21                      # 33 bytes of properties
        26 00 01 "b" 00 01 "2"  #   User Property
        0B 07                   #   Subscription Identifier: 7
        09 00 01 00             #   Correlation Data
        26 00 01 "a" 00 01 "1"  #   User Property
        02 00 00 00 26          #   Message Expiry Interval: 38 s, the number of User Property
        26 00 00 00 00          #   User Property, empty
        23 00 03                #   Topic Alias: 3
    "#,
    )
    .unwrap();
    let Decoded::Packet { packet: Packet::Publish(publish), .. } = decode(&bytes, 99).unwrap()
    else {
        panic!("the packet is complete");
    };
    let user_properties: Vec<_> = publish.properties.user_properties.iter().collect();
    assert_eq!(user_properties, [("b", "2"), ("a", "1"), ("", "")]);
    let identifiers: Vec<_> = publish.subscription_identifiers.iter().collect();
    assert_eq!(identifiers, [SubscriptionIdentifier::new(7).unwrap()]);
    assert_eq!(publish.properties.message_expiry_interval, Some(38));
    assert_eq!(publish.topic, PublishTopic::Define(name("a"), TopicAlias::new(3).unwrap()));
}

/// [MQTT-3.8.3-2] [MQTT-3.10.3-2]
#[test]
fn requests_without_a_topic_filter_are_not_written() {
    let packet_id = PacketId::FIRST;
    let subscribe = Packet::Subscribe(Subscribe {
        packet_id,
        properties: SubscribeProperties::default(),
        subscriptions: Vec::new(),
    });
    let unsubscribe = Packet::Unsubscribe(Unsubscribe {
        packet_id,
        properties: UnsubscribeProperties::default(),
        filters: Vec::new(),
    });
    for request in [subscribe, unsubscribe] {
        let mut out = Vec::new();
        assert_eq!(request.encode(&mut out), Err(EncodeError::NoTopicFilter));
        assert!(out.is_empty());
    }
}
