//! Packets that are none, whatever their type: headers, lengths, and who may send what.

use crate::examiner::Examiner;

/// [MQTT-2.1.3-1]
#[test]
fn reserved_bits_of_the_fixed_header_are_looked_at() {
    let mut examiner = Examiner::new();
    let packets = [
        (0x20, "CONNACK", "[ 00 00 [ ] ]"),
        (0x40, "PUBACK", "[ 00 01 ]"),
        (0x50, "PUBREC", "[ 00 01 ]"),
        (0x62, "PUBREL", "[ 00 01 ]"),
        (0x70, "PUBCOMP", "[ 00 01 ]"),
        (0x90, "SUBACK", "[ 00 01 [ ] 00 ]"),
        (0xB0, "UNSUBACK", "[ 00 01 [ ] 00 ]"),
        (0xD0, "PINGRESP", "[ ]"),
        (0xE0, "DISCONNECT", "[ ]"),
        (0xF0, "AUTH", "[ ]"),
    ];
    for (first_byte, name, body) in packets {
        for bit in 0..4 {
            let bytes = format!("{:02X} {body}", first_byte ^ 1 << bit);
            examiner.refuses(5, &[(&format!("{name} with bit {bit} wrong"), &bytes, 0x81)]);
        }
    }
    examiner.end();
}

#[test]
fn packet_type_0_is_none() {
    let mut examiner = Examiner::new();
    examiner.refuses(5, &[("type 0", "00 00", 0x81), ("type 0 with flags", "0F 00", 0x81)]);
    examiner.end();
}

/// [MQTT-1.5.5-1]
#[test]
fn lengths_take_as_few_bytes_as_they_can() {
    let mut examiner = Examiner::new();
    examiner.refuses(
        5,
        &[
            ("a remaining length in two bytes for one", "D0 80 00", 0x81),
            ("in three for one", "40 82 80 00 00 01", 0x81),
            ("in five", "30 80 80 80 80 01", 0x81),
            ("without an end", "30 FF FF FF FF FF FF FF FF", 0x81),
            ("a property length in two bytes for one", "30 [ `a` 80 00 'x' ]", 0x81),
            ("in five", "30 [ `a` 80 80 80 80 00 'x' ]", 0x81),
            ("a subscription identifier in two bytes for one", "30 [ `a` [ 0B 81 00 ] ]", 0x81),
            ("in five", "30 [ `a` [ 0B FF FF FF FF 7F ] ]", 0x81),
        ],
    );
    examiner.end();
}

#[test]
fn a_packet_ends_where_its_length_says() {
    let mut examiner = Examiner::new();
    examiner.refuses(
        5,
        &[
            ("PUBACK with trailing bytes", "40 [ 00 01 00 [ ] 00 ]", 0x81),
            ("PUBACK cut in its identifier", "40 [ 00 ]", 0x81),
            ("PUBACK without anything", "40 [ ]", 0x81),
            ("PUBREC with trailing bytes", "50 [ 00 01 00 [ ] 00 ]", 0x81),
            ("PUBREL with trailing bytes", "62 [ 00 01 00 [ ] 00 ]", 0x81),
            ("PUBCOMP with trailing bytes", "70 [ 00 01 00 [ ] 00 ]", 0x81),
            ("PUBACK cut in its properties", "40 [ 00 01 00 05 1F ]", 0x81),
            ("SUBACK cut in its identifier", "90 [ 00 ]", 0x81),
            ("SUBACK cut in its properties", "90 [ 00 01 03 1F 00 ]", 0x81),
            ("UNSUBACK without anything", "B0 [ ]", 0x81),
            ("PINGRESP with a body", "D0 [ 00 ]", 0x81),
            ("DISCONNECT with trailing bytes", "E0 [ 8B [ ] 00 ]", 0x81),
            ("DISCONNECT cut in its properties", "E0 [ 8B 04 1F ]", 0x81),
            ("CONNACK with trailing bytes", "20 [ 00 00 [ ] 00 ]", 0x81),
            ("PUBLISH cut in its topic", "30 [ 00 05 'a' ]", 0x81),
            ("PUBLISH without anything", "30 [ ]", 0x81),
            ("PUBLISH cut before its identifier", "32 [ `a` ]", 0x81),
            ("PUBLISH cut before its properties", "30 [ `a` ]", 0x81),
            ("PUBLISH cut in its properties", "30 [ `a` 7F 01 00 ]", 0x81),
        ],
    );
    examiner.end();
}

/// [MQTT-4.13.1-1] [MQTT-4.12.0-7]
#[test]
fn packets_that_only_a_client_sends_are_refused() {
    let mut examiner = Examiner::new();
    examiner.refuses(
        5,
        &[
            ("CONNECT", "10 [ `MQTT` 05 02 00 3C [ ] `x` ]", 0x82),
            ("SUBSCRIBE", "82 [ 00 01 [ ] `a` 00 ]", 0x82),
            ("UNSUBSCRIBE", "A2 [ 00 01 [ ] `a` ]", 0x82),
            ("PINGREQ", "C0 [ ]", 0x82),
            ("AUTH of nobody's asking", "F0 [ 18 [ 15 `PLAIN` ] ]", 0x82),
            ("AUTH without a word", "F0 [ ]", 0x82),
        ],
    );
    examiner.end();
}

/// [MQTT-3.14.1-1] [MQTT-3.14.2-1] [MQTT-3.14.2-2] [MQTT-3.14.4-1] [MQTT-4.13.2-1]
#[test]
fn a_disconnect_is_taken_apart() {
    let mut examiner = Examiner::new();
    examiner.refuses(
        5,
        &[
            ("a reason that only clients have", "E0 [ 04 ]", 0x82),
            ("a reason of other packets", "E0 [ 84 ]", 0x82),
            ("a reason that nobody has", "E0 [ FF ]", 0x82),
            ("a session expiry", "E0 [ 8B [ 11 00 00 00 05 ] ]", 0x82),
            ("a reason string twice", "E0 [ 8B [ 1F `a` 1F `b` ] ]", 0x82),
            ("a property of CONNACK", "E0 [ 8B [ 21 00 05 ] ]", 0x81),
            ("a reason string with a NUL", "E0 [ 8B [ 1F 00 01 00 ] ]", 0x81),
        ],
    );
    for code in [
        0x00, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8D, 0x8E, 0x8F, 0x90, 0x93, 0x94, 0x95,
        0x96, 0x97, 0x98, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0, 0xA1, 0xA2,
    ] {
        // A client says nothing after it, and closes.
        let script =
            format!("< CONNECT\n> CONNACK\n> E0 [ {code:02X} [ 1C `other` 1F `why` ] ]\n< end");
        let events = examiner.named("DISCONNECT", 5, &script);
        assert_eq!(events[1], format!("redirect MQTT_OK 0x{code:02x} other"));
        let end = format!("MQTT_E_REFUSED 0x{code:02x} ");
        assert!(events[2].starts_with(&format!("disconnected {end}")), "{events:?}");
        assert!(events[3].starts_with(&format!("stopped {end}")), "{events:?}");
    }
    examiner.end();
}
