//! The standard's tables of properties and reason codes, cell by cell.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

use Place::{
    Auth, ConnAck, Connect, Disconnect, PubAck, PubComp, PubRec, PubRel, Publish, SubAck,
    Subscribe, UnsubAck, Unsubscribe, Will,
};
use mqtt_protocol::{DecodeError, Decoded, Packet, PacketType, ReasonCode, decode};

#[path = "support/notation.rs"]
mod notation;
#[path = "support/wire.rs"]
mod wire;

/// Where properties stand.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Connect,
    Will,
    ConnAck,
    Publish,
    PubAck,
    PubRec,
    PubRel,
    PubComp,
    Subscribe,
    SubAck,
    Unsubscribe,
    UnsubAck,
    Disconnect,
    Auth,
}

const PLACES: [Place; 14] = [
    Connect,
    Will,
    ConnAck,
    Publish,
    PubAck,
    PubRec,
    PubRel,
    PubComp,
    Subscribe,
    SubAck,
    Unsubscribe,
    UnsubAck,
    Disconnect,
    Auth,
];

/// A property with a value it may have, where it may stand, and where more than once.
struct Row {
    property: &'static str,
    places: &'static [Place],
    repeats: &'static [Place],
}

const fn row(property: &'static str, places: &'static [Place]) -> Row {
    Row { property, places, repeats: &[] }
}

#[rustfmt::skip]
const PROPERTIES: [Row; 27] = [
    row("01 01", &[Publish, Will]),                  // Payload Format Indicator
    row("02 00 00 00 00", &[Publish, Will]),         // Message Expiry Interval
    row(r#"03 00 01 "a""#, &[Publish, Will]),        // Content Type
    row(r#"08 00 01 "a""#, &[Publish, Will]),        // Response Topic
    row("09 00 01 00", &[Publish, Will]),            // Correlation Data
    Row {
        property: "0B 80 01",                        // Subscription Identifier
        places: &[Publish, Subscribe],
        repeats: &[Publish],
    },
    row("11 00 00 00 00", &[Connect, ConnAck, Disconnect]), // Session Expiry Interval
    row(r#"12 00 01 "a""#, &[ConnAck]),              // Assigned Client Identifier
    row("13 00 00", &[ConnAck]),                     // Server Keep Alive
    row(r#"15 00 01 "a""#, &[Connect, ConnAck, Auth]), // Authentication Method
    row("16 00 01 00", &[Connect, ConnAck, Auth]),   // Authentication Data
    row("17 00", &[Connect]),                        // Request Problem Information
    row("18 00 00 00 00", &[Will]),                  // Will Delay Interval
    row("19 01", &[Connect]),                        // Request Response Information
    row(r#"1A 00 01 "a""#, &[ConnAck]),              // Response Information
    row(r#"1C 00 01 "a""#, &[ConnAck, Disconnect]),  // Server Reference
    row(                                             // Reason String
        r#"1F 00 01 "a""#,
        &[ConnAck, PubAck, PubRec, PubRel, PubComp, SubAck, UnsubAck, Disconnect, Auth],
    ),
    row("21 00 01", &[Connect, ConnAck]),            // Receive Maximum
    row("22 00 00", &[Connect, ConnAck]),            // Topic Alias Maximum
    row("23 00 01", &[Publish]),                     // Topic Alias
    row("24 00", &[ConnAck]),                        // Maximum QoS
    row("25 01", &[ConnAck]),                        // Retain Available
    Row {
        property: r#"26 00 01 "a" 00 01 "b""#,       // User Property
        places: &PLACES,
        repeats: &PLACES,
    },
    row("27 00 00 00 01", &[Connect, ConnAck]),      // Maximum Packet Size
    row("28 01", &[ConnAck]),                        // Wildcard Subscription Available
    row("29 01", &[ConnAck]),                        // Subscription Identifiers Available
    row("2A 01", &[ConnAck]),                        // Shared Subscription Available
];

/// What stands before and behind the property block at that place.
fn around(place: Place) -> (&'static str, &'static str) {
    match place {
        Connect => (r#"10 00 04 "MQTT" 05 00 00 00"#, "00 00"),
        Will => (r#"10 00 04 "MQTT" 05 04 00 00 00 00 00"#, r#"00 01 "w" 00 00"#),
        ConnAck => ("20 00 00", ""),
        Publish => (r#"30 00 01 "a""#, ""),
        PubAck => ("40 00 01 00", ""),
        PubRec => ("50 00 01 00", ""),
        PubRel => ("62 00 01 00", ""),
        PubComp => ("70 00 01 00", ""),
        Subscribe => ("82 00 01", r#"00 01 "a" 00"#),
        SubAck => ("90 00 01", "00"),
        Unsubscribe => ("A2 00 01", r#"00 01 "a""#),
        UnsubAck => ("B0 00 01", "00"),
        Disconnect => ("E0 00", ""),
        Auth => ("F0 18", ""),
    }
}

/// A packet with these properties, and before them those without which they may not stand.
fn packet_with(place: Place, properties: &[u8]) -> Vec<u8> {
    let (before, behind) = around(place);
    let method = notation::bytes(r#"15 00 01 "m""#).unwrap();
    let authentication_data = 0x16;
    let needs_method = place == Auth
        || matches!(place, Connect | ConnAck) && properties.first() == Some(&authentication_data);
    let has_method = properties.first() == method.first();
    let mut block = if needs_method && !has_method { method } else { Vec::new() };
    block.extend_from_slice(properties);

    let mut bytes = notation::bytes(before).unwrap();
    bytes.push(u8::try_from(block.len()).unwrap());
    bytes.extend(block);
    bytes.extend(notation::bytes(behind).unwrap());
    wire::packet(bytes[0], &bytes[1..])
}

fn reason(decoded: Result<Decoded<'_>, DecodeError>) -> Option<ReasonCode> {
    decoded.err().map(|error| error.reason)
}

/// Every property is read where the standard has it and malformed anywhere else.
#[test]
fn properties_stand_in_their_packets_only() {
    for row in PROPERTIES {
        let property = notation::bytes(row.property).unwrap();
        for place in PLACES {
            let packet = packet_with(place, &property);
            let expected = (!row.places.contains(&place)).then_some(ReasonCode::MalformedPacket);
            let read = decode(&packet, usize::MAX);
            assert_eq!(reason(read), expected, "{} in {place:?}", row.property);
        }
    }
}

#[test]
fn properties_that_do_not_exist_are_malformed() {
    let known: Vec<u8> =
        PROPERTIES.iter().map(|row| notation::bytes(row.property).unwrap()[0]).collect();
    for id in (0..=255).filter(|id| !known.contains(id)) {
        for place in PLACES {
            let packet = packet_with(place, &[id, 0, 0, 0, 0]);
            let read = decode(&packet, usize::MAX);
            assert_eq!(reason(read), Some(ReasonCode::MalformedPacket), "{id:#04X} in {place:?}");
        }
    }
}

/// [MQTT-3.3.4-4]
#[test]
fn properties_stand_once_but_for_two() {
    for row in PROPERTIES {
        let twice = notation::bytes(row.property).unwrap().repeat(2);
        for &place in row.places {
            let packet = packet_with(place, &twice);
            let expected = (!row.repeats.contains(&place)).then_some(ReasonCode::ProtocolError);
            let read = decode(&packet, usize::MAX);
            assert_eq!(reason(read), expected, "{} twice in {place:?}", row.property);
        }
    }
}

#[test]
fn properties_cut_short_are_malformed() {
    for row in PROPERTIES {
        let property = notation::bytes(row.property).unwrap();
        for &place in row.places {
            for cut in 1..property.len() {
                let packet = packet_with(place, &property[..cut]);
                let read = decode(&packet, usize::MAX);
                let expected = Some(ReasonCode::MalformedPacket);
                assert_eq!(reason(read), expected, "{} cut at {cut} in {place:?}", row.property);
            }
        }
    }
}

/// The reason codes of each packet that has one.
const REASON_CODES: [(PacketType, &[u8]); 9] = [
    (
        PacketType::ConnAck,
        &[
            0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90,
            0x95, 0x97, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9F,
        ],
    ),
    (PacketType::PubAck, &[0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]),
    (PacketType::PubRec, &[0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]),
    (PacketType::PubRel, &[0x00, 0x92]),
    (PacketType::PubComp, &[0x00, 0x92]),
    (PacketType::SubAck, &[0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2]),
    (PacketType::UnsubAck, &[0x00, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91]),
    (
        PacketType::Disconnect,
        &[
            0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8C, 0x8D, 0x8E, 0x8F, 0x90,
            0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0,
            0xA1, 0xA2,
        ],
    ),
    (PacketType::Auth, &[0x00, 0x18, 0x19]),
];

fn packet_with_reason(kind: PacketType, code: u8) -> Vec<u8> {
    match kind {
        PacketType::ConnAck => wire::packet(0x20, &[0, code, 0]),
        PacketType::PubRel => wire::packet(0x62, &[0, 1, code]),
        PacketType::SubAck | PacketType::UnsubAck => {
            wire::packet((kind as u8) << 4, &[0, 1, 0, code])
        }
        PacketType::Disconnect => wire::packet(0xE0, &[code]),
        PacketType::Auth => wire::packet(0xF0, &[code, 4, 0x15, 0, 1, b'm']),
        _ => wire::packet((kind as u8) << 4, &[0, 1, code]),
    }
}

fn reason_in(packet: &Packet<'_>) -> Option<ReasonCode> {
    match packet {
        Packet::ConnAck(connack) => Some(connack.reason),
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
            Some(ack.reason)
        }
        Packet::SubAck(suback) | Packet::UnsubAck(suback) => suback.reasons.first().copied(),
        Packet::Disconnect(disconnect) => Some(disconnect.reason),
        Packet::Auth(auth) => Some(auth.reason),
        _ => None,
    }
}

/// [MQTT-3.2.2-8] [MQTT-3.4.2-1] [MQTT-3.5.2-1] [MQTT-3.6.2-1] [MQTT-3.7.2-1] [MQTT-3.9.3-2]
/// [MQTT-3.11.3-2] [MQTT-3.14.2-1] [MQTT-3.15.2-1]
#[test]
fn reason_codes_stand_in_their_packets_only() {
    for (kind, codes) in REASON_CODES {
        for code in 0..=255 {
            match decode(&packet_with_reason(kind, code), usize::MAX) {
                Ok(Decoded::Packet { packet, .. }) => {
                    assert!(codes.contains(&code), "{code:#04X} in {kind:?}");
                    assert_eq!(packet.packet_type(), kind);
                    assert_eq!(reason_in(&packet).map(ReasonCode::code), Some(code));
                }
                Err(error) => {
                    assert!(!codes.contains(&code), "{code:#04X} in {kind:?}");
                    assert_eq!(error.reason, ReasonCode::ProtocolError);
                }
                Ok(Decoded::Incomplete { .. }) => panic!("{kind:?} is complete"),
            }
        }
    }
}

/// Without properties, a reason of Success may be left out, and of AUTH and DISCONNECT all.
#[test]
fn what_is_left_out_is_success() {
    for bytes in [
        &[0x40, 2, 0, 1][..],
        &[0x50, 2, 0, 1],
        &[0x62, 2, 0, 1],
        &[0x70, 2, 0, 1],
        &[0x40, 3, 0, 1, 0],
        &[0x40, 4, 0, 1, 0, 0],
        &[0xE0, 0],
        &[0xE0, 1, 0],
        &[0xE0, 2, 0, 0],
        &[0xF0, 0],
    ] {
        let Decoded::Packet { packet, length } = decode(bytes, usize::MAX).unwrap() else {
            panic!("{bytes:?} is complete");
        };
        assert_eq!(length, bytes.len());
        assert_eq!(reason_in(&packet), Some(ReasonCode::Success));
    }
}
