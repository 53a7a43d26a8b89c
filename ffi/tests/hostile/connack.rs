//! CONNACK: what a server may say first, and what it may not.

use crate::examiner::{Examiner, alive};

/// A client answers the first packet with DISCONNECT and a code, and closes.
fn refuses_first(examiner: &mut Examiner, cases: &[(&str, &str, u8)]) {
    for (what, bytes, code) in cases {
        let script = format!("< CONNECT\n> {bytes}\n< E0 01 {code:02X}\n< end");
        let events = examiner.named(what, 5, &script);
        assert!(events[0].starts_with("connect-failed MQTT_E_PROTOCOL"), "{what}: {events:?}");
    }
}

/// [MQTT-3.2.0-1] [MQTT-3.14.0-1]
#[test]
fn nothing_comes_before_it() {
    let mut examiner = Examiner::new();
    refuses_first(
        &mut examiner,
        &[
            ("CONNECT", "10 [ `MQTT` 05 02 00 3C [ ] `x` ]", 0x82),
            ("PUBLISH", "30 [ `a` [ ] 'x' ]", 0x82),
            ("PUBLISH at QoS 2", "34 [ `a` 00 01 [ ] 'x' ]", 0x82),
            ("PUBACK", "40 [ 00 01 ]", 0x82),
            ("PUBREC", "50 [ 00 01 ]", 0x82),
            ("PUBREL", "62 [ 00 01 ]", 0x82),
            ("PUBCOMP", "70 [ 00 01 ]", 0x82),
            ("SUBACK", "90 [ 00 01 [ ] 00 ]", 0x82),
            ("UNSUBACK", "B0 [ 00 01 [ ] 00 ]", 0x82),
            ("PINGREQ", "C0 00", 0x82),
            ("PINGRESP", "D0 00", 0x82),
            ("DISCONNECT", "E0 [ 8B ]", 0x82),
            ("AUTH", "F0 [ 18 [ 15 `PLAIN` ] ]", 0x82),
            ("what is no packet", "00 00", 0x81),
        ],
    );
    examiner.end();
}

/// [MQTT-3.2.0-2]
#[test]
fn it_comes_once() {
    let mut examiner = Examiner::new();
    examiner.refuses(
        5,
        &[
            ("a second one", "20 [ 00 00 [ ] ]", 0x82),
            ("a refusal after the welcome", "20 [ 00 87 [ ] ]", 0x82),
        ],
    );
    examiner.end();
}

/// [MQTT-3.2.2-1] [MQTT-3.2.2-4] [MQTT-3.2.2-6]
#[test]
fn its_flags_are_looked_at() {
    let mut examiner = Examiner::new();
    let mut cases: Vec<(String, String, u8)> = (1..8)
        .map(|bit| (format!("flag {bit}"), format!("20 [ {:02X} 00 [ ] ]", 1 << bit), 0x81))
        .collect();
    let session = |what: &str, bytes: &str| (what.to_owned(), bytes.to_owned(), 0x82);
    cases.push(session("a session after a clean start", "20 [ 01 00 [ ] ]"));
    cases.push(session("a session with a refusal", "20 [ 01 87 [ ] ]"));
    for (what, bytes, code) in &cases {
        refuses_first(&mut examiner, &[(what, bytes, *code)]);
    }
    examiner.end();
}

/// [MQTT-3.2.2-7] [MQTT-3.2.2-8] [MQTT-4.13.2-1]
#[test]
fn a_refusal_is_told_and_ends_the_connection() {
    let mut examiner = Examiner::new();
    for code in [
        0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90, 0x95, 0x97,
        0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9F,
    ] {
        let script = format!("< CONNECT\n> 20 [ 00 {code:02X} [ 1F `why` ] ]\n< end");
        let events = examiner.named("a refusal", 5, &script);
        let expected = format!("connect-failed MQTT_E_REFUSED 0x{code:02x} ");
        assert!(events[0].starts_with(&expected) && events[0].ends_with(": why"), "{events:?}");
    }
    refuses_first(
        &mut examiner,
        &[
            ("a reason of other packets", "20 [ 00 8E [ ] ]", 0x82),
            ("a reason that nobody has", "20 [ 00 FF [ ] ]", 0x82),
            ("a granted QoS", "20 [ 00 01 [ ] ]", 0x82),
        ],
    );
    examiner.end();
}

/// [MQTT-4.13.1-1]
#[test]
fn its_properties_are_looked_at() {
    let mut examiner = Examiner::new();
    let with = |properties: &str| format!("20 [ 00 00 [ {properties} ] ]");
    let cases = [
        ("a session expiry twice", "11 00 00 00 01 11 00 00 00 01", 0x82),
        ("a receive maximum of 0", "21 00 00", 0x82),
        ("a receive maximum twice", "21 00 01 21 00 01", 0x82),
        ("a maximum QoS of 2", "24 02", 0x82),
        ("a maximum QoS twice", "24 01 24 01", 0x82),
        ("retain available 2", "25 02", 0x82),
        ("retain available twice", "25 01 25 01", 0x82),
        ("a maximum packet size of 0", "27 00 00 00 00", 0x82),
        ("a maximum packet size twice", "27 00 00 01 00 27 00 00 01 00", 0x82),
        ("an assigned client identifier twice", "12 `a` 12 `b`", 0x82),
        ("an assigned client identifier that is no UTF-8", "12 00 01 FF", 0x81),
        ("a topic alias maximum twice", "22 00 01 22 00 01", 0x82),
        ("a reason string twice", "1F `a` 1F `b`", 0x82),
        ("a reason string with a surrogate", "1F 00 03 ED A0 80", 0x81),
        ("a user property with a NUL", "26 `a` 00 01 00", 0x81),
        ("a user property cut short", "26 `a`", 0x81),
        ("wildcards available 2", "28 02", 0x82),
        ("wildcards available twice", "28 01 28 01", 0x82),
        ("subscription identifiers available 2", "29 02", 0x82),
        ("subscription identifiers available twice", "29 01 29 01", 0x82),
        ("shared subscriptions available 2", "2A 02", 0x82),
        ("shared subscriptions available twice", "2A 01 2A 01", 0x82),
        ("a server keep alive twice", "13 00 05 13 00 05", 0x82),
        ("response information twice", "1A `a` 1A `b`", 0x82),
        ("a server reference twice", "1C `a` 1C `b`", 0x82),
        ("an authentication method that was not asked for", "15 `PLAIN`", 0x82),
        ("authentication data without a method", "16 `x`", 0x82),
        ("a topic alias", "23 00 01", 0x81),
        ("a will delay", "18 00 00 00 01", 0x81),
        ("a property that nobody has", "7F 00", 0x81),
        ("a property cut short", "21 00", 0x81),
        ("a property in two bytes", "A1 00 00 01", 0x81),
    ];
    for (what, properties, code) in cases {
        refuses_first(&mut examiner, &[(what, &with(properties), code)]);
    }
    refuses_first(
        &mut examiner,
        &[
            ("properties longer than the packet", "20 [ 00 00 05 21 00 01 ]", 0x81),
            ("no properties at all", "20 [ 00 00 ]", 0x81),
            ("no reason", "20 [ 00 ]", 0x81),
            ("nothing", "20 [ ]", 0x81),
        ],
    );
    for (what, properties) in [
        ("a session expiry", "11 00 00 00 00"),
        ("a receive maximum", "21 00 01"),
        ("a maximum QoS", "24 00"),
        ("a maximum packet size", "27 00 00 00 20"),
        ("an assigned client identifier", "12 `other`"),
        ("no aliases", "22 00 00"),
        ("a reason string", "1F `hello`"),
        ("user properties", "26 `a` `b` 26 `a` `b` 26 `` ``"),
        ("nothing available", "25 00 28 00 29 00 2A 00"),
        ("a keep alive", "13 FF FF"),
        ("response information", "1A `a`"),
        ("a server reference", "1C `other`"),
    ] {
        let script = format!("< CONNECT\n> {}\n{}", with(properties), alive(5));
        examiner.named(what, 5, &script);
    }
    examiner.end();
}
