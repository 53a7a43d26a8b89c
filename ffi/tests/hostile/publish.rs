//! PUBLISH as no server should send it, and as any server may.

use crate::examiner::{Examiner, alive};

/// [MQTT-2.2.1-2] [MQTT-3.3.1-2] [MQTT-3.3.1-4]
#[test]
fn its_flags_are_looked_at() {
    let mut examiner = Examiner::new();
    examiner.refuses(
        5,
        &[
            ("a QoS of 3", "36 [ `a` 00 01 [ ] ]", 0x81),
            ("a QoS of 3, again", "3E [ `a` 00 01 [ ] ]", 0x81),
            ("a duplicate at QoS 0", "38 [ `a` [ ] ]", 0x81),
            ("identifier 0 at QoS 1", "32 [ `a` 00 00 [ ] ]", 0x82),
            ("identifier 0 at QoS 2", "34 [ `a` 00 00 [ ] ]", 0x82),
        ],
    );
    examiner.end();
}

/// [MQTT-3.3.2-1] [MQTT-3.3.2-2] [MQTT-1.5.4-1] [MQTT-1.5.4-2] [MQTT-4.7.3-1] [MQTT-4.7.3-2]
#[test]
fn its_topic_is_a_topic_name() {
    let mut examiner = Examiner::new();
    examiner.refuses(
        5,
        &[
            ("no topic", "30 [ `` [ ] ]", 0x82),
            ("a + for a level", "30 [ `a/+` [ ] ]", 0x81),
            ("a + in a level", "30 [ `a+b` [ ] ]", 0x81),
            ("a #", "30 [ `#` [ ] ]", 0x81),
            ("a NUL", "30 [ 00 01 00 [ ] ]", 0x81),
            ("a surrogate", "30 [ 00 03 ED A0 80 [ ] ]", 0x81),
            ("a byte that UTF-8 has not", "30 [ 00 01 FF [ ] ]", 0x81),
            ("two bytes for one", "30 [ 00 02 C0 AF [ ] ]", 0x81),
            ("a character cut short", "30 [ 00 02 E2 82 [ ] ]", 0x81),
            ("a character beyond U+10FFFF", "30 [ 00 04 F4 90 80 80 [ ] ]", 0x81),
        ],
    );
    examiner.end();
}

/// [MQTT-3.3.2-8] [MQTT-3.3.2-9] [MQTT-3.3.2-10]
#[test]
fn its_alias_is_one_that_was_allowed() {
    let mut examiner = Examiner::new();
    examiner.refuses(
        5,
        &[
            ("alias 0", "30 [ `a` [ 23 00 00 ] ]", 0x94),
            ("alias 1 though none was allowed", "30 [ `a` [ 23 00 01 ] ]", 0x94),
            ("alias 1 and no topic", "30 [ `` [ 23 00 01 ] ]", 0x94),
            ("an alias twice", "30 [ `a` [ 23 00 01 23 00 01 ] ]", 0x82),
        ],
    );
    examiner.end();
}

/// [MQTT-3.3.2-13] [MQTT-3.3.2-14] [MQTT-3.3.2-19] [MQTT-1.5.7-1]
#[test]
fn its_properties_are_looked_at() {
    let mut examiner = Examiner::new();
    let cases = [
        ("a payload format of 2", "01 02", 0x82),
        ("a payload format twice", "01 01 01 01", 0x82),
        ("an expiry twice", "02 00 00 00 01 02 00 00 00 01", 0x82),
        ("an expiry cut short", "02 00 00 00", 0x81),
        ("a content type twice", "03 `a` 03 `a`", 0x82),
        ("a content type that is no UTF-8", "03 00 01 FF", 0x81),
        ("a response topic twice", "08 `a` 08 `a`", 0x82),
        ("a response topic with a wildcard", "08 `a/#`", 0x81),
        ("an empty response topic", "08 ``", 0x81),
        ("a response topic that is no UTF-8", "08 00 01 FF", 0x81),
        ("correlation data twice", "09 `a` 09 `a`", 0x82),
        ("correlation data cut short", "09 00 05 'a'", 0x81),
        ("a subscription identifier of 0", "0B 00", 0x82),
        ("a user property with a surrogate", "26 00 03 ED A0 80 `b`", 0x81),
        ("a user property without a value", "26 `a`", 0x81),
        ("a session expiry", "11 00 00 00 01", 0x81),
        ("a reason string", "1F `a`", 0x81),
        ("a property that nobody has", "04 00", 0x81),
        ("property 0", "00", 0x81),
    ];
    for (what, properties, code) in cases {
        let bytes = format!("30 [ `a` [ {properties} ] ]");
        examiner.refuses(5, &[(what, &bytes, code)]);
    }
    examiner.end();
}

/// [MQTT-1.5.4-3] [MQTT-3.3.4-1]
#[test]
fn what_is_allowed_is_taken() {
    let mut examiner = Examiner::new();
    examiner.accepts(
        5,
        &[
            ("nothing in it", "30 [ `a` [ ] ]"),
            ("retained", "31 [ `a` [ ] 'x' ]"),
            ("a topic of slashes", "30 [ `///` [ ] ]"),
            ("a topic of the server's own", "30 [ `$SYS/x` [ ] ]"),
            ("a topic with U+FEFF", "30 [ 00 03 EF BB BF [ ] ]"),
            ("a topic with a character of four bytes", "30 [ 00 04 F0 9F 8E AC [ ] ]"),
            ("a payload that is no UTF-8, said to be", "30 [ `a` [ 01 01 ] FF 00 FF ]"),
            ("an expiry of 0", "30 [ `a` [ 02 00 00 00 00 ] ]"),
            ("subscription identifiers", "30 [ `a` [ 0B 01 0B FF FF FF 7F 0B 01 ] ]"),
            ("empty user properties", "30 [ `a` [ 26 `` `` 26 `` `` ] ]"),
            (
                "everything",
                "30 [ `a` [ 01 01 02 FF FF FF FF 03 `t` 08 `r` 09 00 01 00 0B 01 26 `a` `b` ] 'x' ]",
            ),
        ],
    );
    examiner.end();
}

/// [MQTT-3.3.4-7] [MQTT-3.3.4-9]
#[test]
fn too_many_at_once_are_refused() {
    // The driver acknowledges at once, so only QoS 2, which PUBREL ends, can go beyond.
    let mut examiner = Examiner::with(&["-r", "2"]);
    let script = "
        < CONNECT
        > CONNACK
        > 34 [ `a` 00 01 [ ] ]
        < 50 02 00 01
        > 34 [ `a` 00 02 [ ] ]
        < 50 02 00 02
        > 34 [ `a` 00 03 [ ] ]
        < E0 01 93
        < end";
    examiner.play("5 1", script);
    let within = "
        < CONNECT
        > CONNACK
        > 34 [ `a` 00 01 [ ] ]
        < 50 02 00 01
        > 34 [ `a` 00 02 [ ] ]
        < 50 02 00 02
        > 62 02 00 01
        < 70 02 00 01";
    examiner.play("5 1", &format!("{within}\n{}", alive(5)));
    examiner.end();
}
