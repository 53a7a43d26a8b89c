//! The same client as one of MQTT 3.1.1, and of 3.1.

use crate::examiner::{Examiner, alive};

#[test]
fn each_command_makes_its_packet() {
    let mut examiner = Examiner::with(&["-i", "examined"]);
    for (version, connect) in
        [(4, "10 [ `MQTT` 04 02 00 3C `examined` ]"), (3, "10 [ `MQIsdp` 03 02 00 3C `examined` ]")]
    {
        for (command, packet) in [
            ("subscribe-0", "82 [ 00 01 `test/subscribe` 00 ]"),
            ("subscribe-1", "82 [ 00 01 `test/subscribe` 01 ]"),
            ("subscribe-2", "82 [ 00 01 `test/subscribe` 02 ]"),
            ("subscribe-multiple", "82 [ 00 01 `test/subscribe1` 02 `test/subscribe2` 02 ]"),
            ("unsubscribe", "A2 [ 00 01 `test/subscribe` ]"),
            ("unsubscribe-multiple", "A2 [ 00 01 `test/subscribe1` `test/subscribe2` ]"),
            ("publish-0", "30 [ `test/publish` 'message' ]"),
            ("publish-1", "32 [ `test/publish` 00 01 'message' ]"),
            ("publish-2", "34 [ `test/publish` 00 01 'message' ]"),
        ] {
            let script = format!("< {connect}\n> CONNACK\n< {packet}\n{}", alive(version));
            examiner.play(&format!("{version} 1 {command}"), &script);
        }
    }
    examiner.end();
}

/// [MQTT-2.1.3-1] [MQTT-4.13.1-1]
#[test]
fn what_breaks_the_rules_is_left_without_a_word() {
    let mut examiner = Examiner::new();
    examiner.refuses(
        4,
        &[
            ("type 0", "00 00", 0x81),
            ("type 15", "F0 00", 0x81),
            ("PUBACK with flags", "41 [ 00 01 ]", 0x81),
            ("PUBREC with flags", "52 [ 00 01 ]", 0x81),
            ("PUBREL without its flag", "60 [ 00 01 ]", 0x81),
            ("PUBCOMP with flags", "78 [ 00 01 ]", 0x81),
            ("SUBACK with flags", "92 [ 00 01 00 ]", 0x81),
            ("UNSUBACK with flags", "B2 [ 00 01 ]", 0x81),
            ("PINGRESP with flags", "D1 00", 0x81),
            ("PUBACK with a reason", "40 [ 00 01 00 ]", 0x81),
            ("PUBREC with a reason", "50 [ 00 01 00 ]", 0x81),
            ("PUBREL with a reason", "62 [ 00 01 00 ]", 0x81),
            ("PUBCOMP with a reason", "70 [ 00 01 00 ]", 0x81),
            ("PUBACK cut short", "40 [ 00 ]", 0x81),
            ("PUBACK with identifier 0", "40 [ 00 00 ]", 0x82),
            ("SUBACK without codes", "90 [ 00 01 ]", 0x82),
            ("SUBACK with a code of version 5", "90 [ 00 01 87 ]", 0x82),
            ("SUBACK with a QoS of 3", "90 [ 00 01 03 ]", 0x82),
            ("UNSUBACK with a code", "B0 [ 00 01 00 ]", 0x81),
            ("PINGRESP with a body", "D0 [ 00 ]", 0x81),
            ("a QoS of 3", "36 [ `a` 00 01 ]", 0x81),
            ("a duplicate at QoS 0", "38 [ `a` ]", 0x81),
            ("PUBLISH with identifier 0", "32 [ `a` 00 00 ]", 0x82),
            ("PUBLISH without a topic", "30 [ `` 'x' ]", 0x82),
            ("PUBLISH to a wildcard", "30 [ `a/#` 'x' ]", 0x81),
            ("PUBLISH to what is no UTF-8", "30 [ 00 01 FF 'x' ]", 0x81),
            ("a second CONNACK", "20 [ 00 00 ]", 0x82),
            ("CONNECT", "10 [ `MQTT` 04 02 00 3C `x` ]", 0x82),
            ("SUBSCRIBE", "82 [ 00 01 `a` 00 ]", 0x82),
            ("UNSUBSCRIBE", "A2 [ 00 01 `a` ]", 0x82),
            ("PINGREQ", "C0 00", 0x82),
            ("DISCONNECT", "E0 00", 0x82),
        ],
    );
    for (what, bytes) in [
        ("CONNACK with flags", "20 [ 02 00 ]"),
        ("CONNACK with a session after a clean start", "20 [ 01 00 ]"),
        ("CONNACK with a session and a refusal", "20 [ 01 05 ]"),
        ("CONNACK with an unknown return code", "20 [ 00 06 ]"),
        ("CONNACK with properties", "20 [ 00 00 00 ]"),
        ("CONNACK cut short", "20 [ 00 ]"),
        ("PUBLISH before CONNACK", "30 [ `a` 'x' ]"),
        ("DISCONNECT before CONNACK", "E0 00"),
    ] {
        let events = examiner.named(what, 4, &format!("< CONNECT\n> {bytes}\n< end"));
        assert!(events[0].starts_with("connect-failed MQTT_E_PROTOCOL"), "{what}: {events:?}");
    }
    examiner.end();
}

#[test]
fn a_refusal_is_told_in_the_words_of_version_5() {
    let mut examiner = Examiner::new();
    for (code, reason) in [(1, 0x84), (2, 0x85), (3, 0x88), (4, 0x86), (5, 0x87)] {
        let events = examiner.play("4 1", &format!("< CONNECT\n> 20 [ 00 {code:02X} ]\n< end"));
        let expected = format!("connect-failed MQTT_E_REFUSED 0x{reason:02x}");
        assert!(events[0].starts_with(&expected), "{events:?}");
    }
    examiner.end();
}

#[test]
fn exchanges_work_as_in_version_5() {
    let mut examiner = Examiner::new();
    for (line, script, outcome) in [
        (
            "4 1 publish-1",
            "< 32 [ `test/publish` 00 01 'message' ]\n> 40 02 00 01",
            "publish-done MQTT_OK",
        ),
        (
            "4 1 publish-2",
            "< 34 [ `test/publish` 00 01 'message' ]\n> 50 02 00 01\n< 62 02 00 01\n> 70 02 00 01",
            "publish-done MQTT_OK",
        ),
        (
            "4 1 subscribe-multiple",
            "< 82 [ 00 01 `test/subscribe1` 02 `test/subscribe2` 02 ]\n> 90 04 00 01 02 80",
            "subscribe-done MQTT_OK",
        ),
        (
            "4 1 subscribe-0",
            "< 82 [ 00 01 `test/subscribe` 00 ]\n> 90 03 00 01 80",
            "subscribe-done MQTT_E_REFUSED 0x80",
        ),
        (
            "4 1 unsubscribe-multiple",
            "< A2 [ 00 01 `test/subscribe1` `test/subscribe2` ]\n> B0 02 00 01",
            "unsubscribe-done MQTT_OK",
        ),
        ("4 1", "> 34 [ `a` 00 07 'x' ]\n< 50 02 00 07\n> 62 02 00 07\n< 70 02 00 07", "message"),
        ("4 1", "> 62 02 00 07\n< 70 02 00 07", "message"),
        ("3 1", "> 32 [ `a` 00 07 'x' ]\n< 40 02 00 07", "message"),
    ] {
        let script = format!("< CONNECT\n> CONNACK\n{script}\n{}", alive(4));
        let events = examiner.play(line, &script);
        assert!(events[1].starts_with(outcome), "{script}: {events:?}");
    }
    examiner.end();
}

#[test]
fn a_session_goes_on_where_it_was() {
    let mut examiner = Examiner::new();
    let resumed = "< 10 [ `MQTT` 04 00 00 3C `driver` ]\n> 20 [ 01 00 ]";
    let first = "< 10 [ `MQTT` 04 00 00 3C `driver` ]\n> 20 [ 00 00 ]";
    examiner.play("4 0 publish-2", &format!("{first}\n< 34 [ `test/publish` 00 01 'message' ]"));
    let again = "< 3C [ `test/publish` 00 01 'message' ]\n> 50 02 00 01\n< 62 02 00 01";
    examiner.play("4 0", &format!("{resumed}\n{again}"));
    let done = format!("< 62 02 00 01\n> 70 02 00 01\n{}", alive(4));
    let events = examiner.play("4 0", &format!("{resumed}\n{done}"));
    assert!(events.iter().any(|event| event.starts_with("publish-done MQTT_OK")), "{events:?}");
    examiner.play("4 0", &format!("{resumed}\n{}", alive(4)));
    examiner.end();
}
