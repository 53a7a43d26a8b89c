//! Packets that are wrong, and the reason code each is refused with.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

use mqtt_protocol::ReasonCode::{
    MalformedPacket, PacketTooLarge, ProtocolError, TopicAliasInvalid, UnsupportedProtocolVersion,
};
use mqtt_protocol::{Decoded, Packet, PacketType, ReasonCode, decode};

#[path = "support/golden_files.rs"]
mod golden_files;
#[path = "support/notation.rs"]
mod notation;
#[path = "support/wire.rs"]
mod wire;

/// Demands that each of the packets, noted without its remaining length, is refused.
fn refused(reason: ReasonCode, packets: &[&str]) {
    for packet in packets {
        let noted = notation::bytes(packet).unwrap();
        refused_bytes(reason, &wire::packet(noted[0], &noted[1..]), packet);
    }
}

fn refused_bytes(reason: ReasonCode, bytes: &[u8], name: &str) {
    match decode(bytes, usize::MAX) {
        Err(error) => assert_eq!(error.reason, reason, "{name}: {error}"),
        Ok(decoded) => panic!("{name} is {decoded:?}"),
    }
}

/// [MQTT-2.1.3-1] [MQTT-3.6.1-1] [MQTT-3.8.1-1] [MQTT-3.10.1-1] [MQTT-3.14.1-1] [MQTT-3.15.1-1]
#[test]
fn reserved_flags_are_refused_at_the_first_byte() {
    for first in 0..=255_u8 {
        let reserved = match PacketType::new(first >> 4) {
            None => continue,
            Some(PacketType::Publish) => continue,
            Some(PacketType::PubRel | PacketType::Subscribe | PacketType::Unsubscribe) => 0b0010,
            Some(_) => 0b0000,
        };
        if first & 0x0F != reserved {
            refused_bytes(MalformedPacket, &[first], "the first byte alone");
        }
    }
}

#[test]
fn packet_type_0_is_refused() {
    for first in 0x00..=0x0F {
        refused_bytes(MalformedPacket, &[first], "type 0");
    }
}

/// [MQTT-3.1.2-1] [MQTT-3.1.2-2]
#[test]
fn other_protocols_and_versions_are_refused_whatever_follows() {
    refused(
        UnsupportedProtocolVersion,
        &[
            r#"10 00 04 "MQTT" 06 02 00 3C 00 00 01 "a" # a version to come"#,
            r#"10 00 04 "MQTT" 00 02 00 3C 00 00 01 "a""#,
            r#"10 00 04 "MQTT" 85 02 00 3C 00 00 01 "a" # 5 with the bit of a bridge"#,
            r#"10 00 04 "mqtt" 05 02 00 3C 00 00 01 "a""#,
            r#"10 00 00 05 02 00 3C 00 00 01 "a""#,
        ],
    );
}

/// [MQTT-3.1.2-3] [MQTT-3.1.2-11] [MQTT-3.1.2-12] [MQTT-3.1.2-13]
#[test]
fn connect_flags_that_make_no_sense_are_malformed() {
    refused(
        MalformedPacket,
        &[
            r#"10 00 04 "MQTT" 05 01 00 00 00 00 00 # the reserved bit"#,
            r#"10 00 04 "MQTT" 05 08 00 00 00 00 00 # Will QoS 1, no will"#,
            r#"10 00 04 "MQTT" 05 10 00 00 00 00 00 # Will QoS 2, no will"#,
            r#"10 00 04 "MQTT" 05 20 00 00 00 00 00 # Will Retain, no will"#,
            r#"10 00 04 "MQTT" 05 1C 00 00 00 00 00 00 00 01 "w" 00 00 # Will QoS 3"#,
        ],
    );
}

/// [MQTT-3.1.2-9] [MQTT-3.1.2-16] [MQTT-3.1.2-17] [MQTT-3.1.2-18] [MQTT-3.1.2-19]
#[test]
fn connect_fields_without_flag_and_flags_without_field_are_malformed() {
    refused(
        MalformedPacket,
        &[
            r#"10 00 04 "MQTT" 05 00 00 00 00 00 00 00 01 "u"            # user name, no flag"#,
            r#"10 00 04 "MQTT" 05 80 00 00 00 00 00                      # flag, no user name"#,
            r#"10 00 04 "MQTT" 05 80 00 00 00 00 00 00 01 "u" 00 01 "p"  # password, no flag"#,
            r#"10 00 04 "MQTT" 05 40 00 00 00 00 00                      # flag, no password"#,
            r#"10 00 04 "MQTT" 05 C0 00 00 00 00 00 00 01 "u"            # flag, no password"#,
            r#"10 00 04 "MQTT" 05 00 00 00 00 00 00 00 00 01 "w" 00 00   # will, no flag"#,
            r#"10 00 04 "MQTT" 05 04 00 00 00 00 00                      # flag, no will"#,
            r#"10 00 04 "MQTT" 05 04 00 00 00 00 00 00 00 01 "w"         # no will payload"#,
        ],
    );
}

/// [MQTT-3.3.1-2] [MQTT-3.3.1-4]
#[test]
fn publish_flags_that_do_not_exist_are_malformed() {
    refused(
        MalformedPacket,
        &[
            r#"38 00 01 "a" 00       # a duplicate at QoS 0"#,
            r#"39 00 01 "a" 00       # the same, retained"#,
            r#"36 00 01 "a" 00 01 00 # QoS 3"#,
            r#"3F 00 01 "a" 00 01 00 # QoS 3, duplicate, retained"#,
            r#"36 00 01 "a" 00       # QoS 3 without an identifier"#,
        ],
    );
}

/// The standard names no code: the packet can be read, but says what is not allowed.
/// [MQTT-2.2.1-3] [MQTT-2.2.1-4]
#[test]
fn packet_identifier_0_is_a_protocol_error() {
    refused(
        ProtocolError,
        &[
            r#"32 00 01 "a" 00 00 00    # PUBLISH, QoS 1"#,
            r#"34 00 01 "a" 00 00 00    # PUBLISH, QoS 2"#,
            r#"82 00 00 00 00 01 "a" 00 # SUBSCRIBE"#,
            r#"A2 00 00 00 00 01 "a"    # UNSUBSCRIBE"#,
            "40 00 00                   # PUBACK",
            "50 00 00                   # PUBREC",
            "62 00 00                   # PUBREL",
            "70 00 00                   # PUBCOMP",
            "90 00 00 00 00             # SUBACK",
            "B0 00 00 00 00             # UNSUBACK",
        ],
    );
}

/// [MQTT-1.5.5-1]
#[test]
fn integers_longer_than_need_be_are_malformed() {
    for bytes in [
        &[0xC0, 0x80, 0x00][..],
        &[0x30, 0x84, 0x00, 0x00, 0x01, b'a', 0x00],
        &[0xC0, 0x80, 0x80, 0x00],
        &[0xC0, 0x80, 0x80, 0x80, 0x00],
        // No fifth byte need come to know this.
        &[0xC0, 0x80, 0x80, 0x80, 0x80],
        &[0xC0, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F],
    ] {
        refused_bytes(MalformedPacket, bytes, "remaining length");
    }
    refused(
        MalformedPacket,
        &[
            r#"30 00 01 "a" 80 00                            # property length"#,
            r#"30 00 01 "a" 82 00 01 01"#,
            r#"30 00 01 "a" 82 80 80 80 00 01 01"#,
            r#"10 00 04 "MQTT" 05 00 00 00 80 00 00 00       # in CONNECT"#,
            r#"82 00 01 80 00 00 01 "a" 00                   # in SUBSCRIBE"#,
            "E0 00 80 00                                     # in DISCONNECT",
            r#"82 00 01 03 0B 81 00 00 01 "a" 00             # Subscription Identifier"#,
            r#"82 00 01 06 0B 80 80 80 80 01 00 01 "a" 00"#,
            r#"30 00 01 "a" 03 0B 81 00                      # in PUBLISH"#,
            r#"30 00 01 "a" 06 0B 80 80 80 80 01"#,
            r#"30 00 01 "a" 02 0B 80                         # its end is missing"#,
        ],
    );
}

#[test]
fn property_lengths_past_the_end_are_malformed() {
    refused(
        MalformedPacket,
        &[
            r#"30 00 01 "a" 02 01"#,
            r#"30 00 01 "a" FF FF FF 7F"#,
            r#"30 00 01 "a" 80"#,
            r#"10 00 04 "MQTT" 05 00 00 00 7F 00 00"#,
            "40 00 01 00 05",
            "E0 00 01",
            "F0 00 01",
        ],
    );
}

#[test]
fn bytes_behind_the_last_field_are_malformed() {
    refused(
        MalformedPacket,
        &[
            r#"10 00 04 "MQTT" 05 00 00 00 00 00 00 00    # CONNECT"#,
            "20 00 00 00 00                               # CONNACK",
            "40 00 01 00 00 00                            # PUBACK",
            "50 00 01 00 00 00                            # PUBREC",
            "62 00 01 00 00 00                            # PUBREL",
            "70 00 01 00 00 00                            # PUBCOMP",
            r#"82 00 01 00 00 01 "a" 00 00                # SUBSCRIBE"#,
            r#"A2 00 01 00 00 01 "a" 00                   # UNSUBSCRIBE"#,
            "C0 00                                        # PINGREQ",
            "D0 00                                        # PINGRESP",
            "E0 00 00 00                                  # DISCONNECT",
            "F0 00 04 15 00 01 61 00                      # AUTH",
        ],
    );
}

/// Cut anywhere, a packet is malformed, or is another one that is shorter; it never asks for
/// bytes beyond its length.
#[test]
fn packets_cut_short_are_malformed_or_shorter_packets() {
    for (file, bytes) in golden_files::read() {
        let (first, body) = wire::parts(&bytes);
        for cut in 0..body.len() {
            let shorter = wire::packet(first, &body[..cut]);
            match decode(&shorter, usize::MAX) {
                Err(error) => {
                    let expected = [MalformedPacket, ProtocolError];
                    assert!(expected.contains(&error.reason), "{file} cut at {cut}: {error}");
                }
                Ok(Decoded::Packet { packet, length }) => {
                    assert_eq!(length, shorter.len(), "{file} cut at {cut}");
                    assert!(can_be_cut(&packet), "{file} cut at {cut} is {packet:?}");
                }
                Ok(Decoded::Incomplete { .. }) => panic!("{file} cut at {cut} asks for more"),
            }
        }
    }
}

/// Whether a packet of this type may end early: what it ends with can be left out or repeats.
fn can_be_cut(packet: &Packet<'_>) -> bool {
    !matches!(packet, Packet::Connect(_) | Packet::ConnAck(_))
}

/// Texts that are none: a surrogate, U+0000, an overlong form, a cut character, a stray byte,
/// and a character beyond U+10FFFF.
const BAD_TEXTS: [&str; 6] = [
    "00 03 ED A0 80",
    "00 03 61 00 61",
    "00 02 C0 80",
    "00 02 E2 82",
    "00 01 FF",
    "00 04 F4 90 80 80",
];

/// Packets with a text at the `@`, each field of that kind once.
const TEXT_FIELDS: [&str; 22] = [
    r#"10 00 04 "MQTT" 05 00 00 00 00 @                         # client identifier"#,
    r#"10 00 04 "MQTT" 05 80 00 00 00 00 00 @                   # user name"#,
    r#"10 00 04 "MQTT" 05 04 00 00 00 00 00 00 @ 00 00          # will topic"#,
    r#"10 00 04 "MQTT" 05 00 00 00 {15 @} 00 00                 # Authentication Method"#,
    r#"10 00 04 "MQTT" 05 00 00 00 {26 @ 00 00} 00 00           # User Property, name"#,
    r#"10 00 04 "MQTT" 05 00 00 00 {26 00 00 @} 00 00           # User Property, value"#,
    r#"10 00 04 "MQTT" 05 04 00 00 00 00 00 {03 @} 00 01 "w" 00 00 # Content Type of the will"#,
    r#"10 00 04 "MQTT" 05 04 00 00 00 00 00 {08 @} 00 01 "w" 00 00 # Response Topic of the will"#,
    "20 00 00 {12 @}                                            # Assigned Client Identifier",
    "20 00 00 {1F @}                                            # Reason String",
    "20 00 00 {1A @}                                            # Response Information",
    "20 00 00 {1C @}                                            # Server Reference",
    "30 @ 00                                                    # topic name",
    r#"30 00 01 "a" {03 @}                                      # Content Type"#,
    r#"30 00 01 "a" {08 @}                                      # Response Topic"#,
    r#"30 00 01 "a" {26 @ 00 00}                                # User Property, name"#,
    r#"30 00 01 "a" {26 00 00 @}                                # User Property, value"#,
    "40 00 01 00 {1F @}                                         # Reason String of PUBACK",
    "82 00 01 00 @ 00                                           # topic filter in SUBSCRIBE",
    "A2 00 01 00 @                                              # topic filter in UNSUBSCRIBE",
    "E0 00 {1C @}                                               # Server Reference",
    "F0 00 {15 @}                                               # Authentication Method",
];

/// Puts the text for the `@`, and for `{properties}` their length and themselves.
fn with_text(field: &str, text: &str) -> Vec<u8> {
    let noted = field.replace('@', text);
    let Some((before, block, behind)) = noted.split_once('{').and_then(|(before, rest)| {
        rest.split_once('}').map(|(block, behind)| (before, block, behind))
    }) else {
        let noted = notation::bytes(&noted).unwrap();
        return wire::packet(noted[0], &noted[1..]);
    };
    let mut bytes = notation::bytes(before).unwrap();
    let block = notation::bytes(block).unwrap();
    bytes.push(u8::try_from(block.len()).unwrap());
    bytes.extend(block);
    bytes.extend(notation::bytes(behind).unwrap());
    wire::packet(bytes[0], &bytes[1..])
}

/// [MQTT-1.5.4-1] [MQTT-1.5.4-2] [MQTT-1.5.7-1] [MQTT-3.1.3-4] [MQTT-3.1.3-11] [MQTT-3.1.3-12]
/// [MQTT-3.3.2-13] [MQTT-3.3.2-19] [MQTT-3.8.3-1] [MQTT-3.10.3-1] [MQTT-4.7.3-2]
#[test]
fn text_that_is_not_utf8_is_malformed_in_every_field() {
    for field in TEXT_FIELDS {
        for text in BAD_TEXTS {
            refused_bytes(MalformedPacket, &with_text(field, text), field);
        }
    }
}

/// [MQTT-1.5.4-3] [MQTT-4.7.3-4]
#[test]
fn text_with_a_byte_order_mark_is_kept_in_every_field() {
    for field in TEXT_FIELDS {
        let bytes = with_text(field, "00 04 EF BB BF 61");
        let Ok(Decoded::Packet { packet, length }) = decode(&bytes, usize::MAX) else {
            panic!("{field} is refused");
        };
        assert_eq!(length, bytes.len());
        let mut written = Vec::new();
        packet.encode(&mut written).unwrap();
        assert_eq!(written, bytes, "{field}");
    }
}

#[test]
fn numbers_that_are_yes_or_no_and_neither_are_protocol_errors() {
    refused(
        ProtocolError,
        &[
            r#"30 00 01 "a" 02 01 02                                    # Payload Format"#,
            r#"10 00 04 "MQTT" 05 00 00 00 02 17 02 00 00               # Request Problem"#,
            r#"10 00 04 "MQTT" 05 00 00 00 02 19 FF 00 00               # Request Response"#,
            r#"10 00 04 "MQTT" 05 04 00 00 00 00 00 02 01 02 00 01 "w" 00 00 # of a will"#,
            "20 00 00 02 25 02                                          # Retain Available",
            "20 00 00 02 28 02                                          # Wildcard Subscription",
            "20 00 00 02 29 02                                          # Subscription Identifiers",
            "20 00 00 02 2A 02                                          # Shared Subscription",
            "20 00 00 02 24 02                                          # Maximum QoS",
            "20 00 00 02 24 03                                          # Maximum QoS",
        ],
    );
}

/// [MQTT-3.3.2-8]
#[test]
fn numbers_that_may_not_be_0_are_refused() {
    refused(
        ProtocolError,
        &[
            r#"10 00 04 "MQTT" 05 00 00 00 03 21 00 00 00 00       # Receive Maximum"#,
            r#"10 00 04 "MQTT" 05 00 00 00 05 27 00 00 00 00 00 00 # Maximum Packet Size"#,
            "20 00 00 03 21 00 00                                  # Receive Maximum",
            "20 00 00 05 27 00 00 00 00                            # Maximum Packet Size",
            r#"82 00 01 02 0B 00 00 01 "a" 00                      # Subscription Identifier"#,
            r#"30 00 01 "a" 02 0B 00                               # Subscription Identifier"#,
        ],
    );
    refused(TopicAliasInvalid, &[r#"30 00 01 "a" 03 23 00 00"#]);
}

/// 0x90 is for names that are correctly formed and not accepted; these are not. [MQTT-3.3.2-2]
/// [MQTT-3.3.2-14] [MQTT-4.7.0-1] [MQTT-4.7.3-1]
#[test]
fn topic_names_that_are_none_are_malformed() {
    refused(
        MalformedPacket,
        &[
            r#"30 00 01 "+" 00                    # topic name"#,
            r#"30 00 03 "a/#" 00"#,
            r#"30 00 03 "a+b" 03 23 00 01         # with an alias, too"#,
            r#"30 00 01 "a" 06 08 00 03 "b/+"     # Response Topic"#,
            r#"30 00 01 "a" 04 08 00 01 23        # Response Topic, a number sign"#,
            r#"30 00 01 "a" 03 08 00 00"#,
            r#"10 00 04 "MQTT" 05 04 00 00 00 00 00 00 00 01 "+" 00 00 # will topic"#,
            r#"10 00 04 "MQTT" 05 04 00 00 00 00 00 00 00 00 00 00"#,
            r#"10 00 04 "MQTT" 05 04 00 00 00 00 00 04 08 00 01 "+" 00 01 "w" 00 00"#,
        ],
    );
}

/// [MQTT-3.3.2-1]
#[test]
fn a_message_without_topic_and_alias_is_a_protocol_error() {
    refused(ProtocolError, &["30 00 00 00", "32 00 00 00 01 00"]);
}

/// 0x8F is for filters that are correctly formed and not accepted; these are not.
/// [MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-4.7.3-1] [MQTT-4.8.2-1] [MQTT-4.8.2-2]
#[test]
fn topic_filters_that_are_none_are_malformed() {
    for filter in [
        "",
        "a#",
        "#/a",
        "a/#/b",
        "a+",
        "+a/b",
        "a/b+",
        "$share/g",
        "$share/g/",
        "$share//f",
        "$share/a+b/f",
        "$share/#/f",
        "$share/g/a#",
    ] {
        let length = filter.len();
        refused(MalformedPacket, &[&format!("82 00 01 00 00 {length:02X} \"{filter}\" 00")]);
        refused(MalformedPacket, &[&format!("A2 00 01 00 00 {length:02X} \"{filter}\"")]);
    }
}

/// [MQTT-3.8.3-2] [MQTT-3.8.4-6] [MQTT-3.10.3-2]
#[test]
fn requests_and_answers_about_no_filter_are_protocol_errors() {
    refused(ProtocolError, &["82 00 01 00", "A2 00 01 00", "90 00 01 00", "B0 00 01 00"]);
}

/// [MQTT-3.8.3-4] [MQTT-3.8.3-5]
#[test]
fn subscription_options_that_do_not_exist_are_refused() {
    refused(
        MalformedPacket,
        &[
            r#"82 00 01 00 00 01 "a" 40           # reserved"#,
            r#"82 00 01 00 00 01 "a" 80           # reserved"#,
            r#"82 00 01 00 00 01 "a"              # missing"#,
            r#"82 00 01 00 00 01 "a" 00 00 01 "b" # missing in the second"#,
        ],
    );
    refused(
        ProtocolError,
        &[
            r#"82 00 01 00 00 01 "a" 03           # QoS 3"#,
            r#"82 00 01 00 00 01 "a" 30           # Retain Handling 3"#,
            r#"82 00 01 00 00 0A "$share/g/a" 04  # No Local on a shared subscription"#,
        ],
    );
}

#[test]
fn authentication_without_a_method_is_a_protocol_error() {
    refused(
        ProtocolError,
        &[
            r#"10 00 04 "MQTT" 05 00 00 00 04 16 00 01 07 00 00 # CONNECT with data only"#,
            "20 00 00 04 16 00 01 07                            # CONNACK with data only",
            "F0 18 00                                           # AUTH with nothing",
            "F0 18 04 16 00 01 07                               # AUTH with data only",
        ],
    );
    // Only a Success without properties may leave out the property length, and then all else.
    refused(MalformedPacket, &["F0 18", "F0 00"]);
}

/// [MQTT-3.2.2-1] [MQTT-3.2.2-6]
#[test]
fn connack_flags_that_make_no_sense_are_refused() {
    refused(MalformedPacket, &["20 02 00 00", "20 80 00 00", "20 03 00 00"]);
    refused(ProtocolError, &["20 01 87 00 # refused, with a session"]);
}

/// What is too large is refused when its length is known, whatever has come of it.
#[test]
fn packets_over_the_maximum_are_refused_before_they_are_buffered() {
    let header = [0x30, 0xFF, 0xFF, 0xFF, 0x7F];
    let error = decode(&header, 1_000).unwrap_err();
    assert_eq!(error.reason, PacketTooLarge);
    let needed = mqtt_protocol::MAXIMUM_PACKET_SIZE;
    assert_eq!(decode(&header, usize::MAX), Ok(Decoded::Incomplete { needed }));
    assert_eq!(decode(&header[..4], 1_000), Ok(Decoded::Incomplete { needed: 5 }));

    let publish = [0x30, 0x04, 0x00, 0x01, b'a', 0x00];
    assert!(matches!(decode(&publish, 6), Ok(Decoded::Packet { length: 6, .. })));
    assert_eq!(decode(&publish, 5).unwrap_err().reason, PacketTooLarge);
    assert_eq!(decode(&publish[..2], 5).unwrap_err().reason, PacketTooLarge);
}
