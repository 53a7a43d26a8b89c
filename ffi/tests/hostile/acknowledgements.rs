//! PUBACK to PUBCOMP, SUBACK and UNSUBACK as no server should send them.

use crate::examiner::{Examiner, alive};

/// [MQTT-3.4.2-1] [MQTT-3.5.2-1] [MQTT-3.6.2-1] [MQTT-3.7.2-1]
#[test]
fn acknowledgements_are_taken_apart() {
    let mut examiner = Examiner::new();
    for (name, first_byte) in
        [("PUBACK", "40"), ("PUBREC", "50"), ("PUBREL", "62"), ("PUBCOMP", "70")]
    {
        let cases = [
            ("identifier 0", "[ 00 00 ]", 0x82),
            ("a reason of other packets", "[ 00 01 8E ]", 0x82),
            ("a reason that nobody has", "[ 00 01 7F ]", 0x82),
            ("a reason string twice", "[ 00 01 00 [ 1F `a` 1F `b` ] ]", 0x82),
            ("a property of other packets", "[ 00 01 00 [ 21 00 01 ] ]", 0x81),
            ("a reason string that is no UTF-8", "[ 00 01 00 [ 1F 00 02 C0 80 ] ]", 0x81),
            ("a user property that is no UTF-8", "[ 00 01 00 [ 26 00 01 FF `b` ] ]", 0x81),
        ];
        for (what, body, code) in cases {
            let bytes = format!("{first_byte} {body}");
            examiner.refuses(5, &[(&format!("{name}, {what}"), &bytes, code)]);
        }
    }
    examiner.end();
}

/// Nothing is lost with them, and old ones may be on their way when a session is resumed.
#[test]
fn acknowledgements_of_nothing_do_no_harm() {
    let mut examiner = Examiner::new();
    examiner.accepts(
        5,
        &[
            ("PUBACK", "40 [ 12 34 ]"),
            ("PUBACK with everything", "40 [ 12 34 10 [ 1F `a` 26 `b` `c` ] ]"),
            ("a failing PUBREC", "50 [ 12 34 80 ]"),
            ("PUBCOMP", "70 [ 12 34 92 [ ] ]"),
            ("SUBACK", "90 [ 12 34 [ ] 00 ]"),
            ("UNSUBACK", "B0 [ 12 34 [ 26 `b` `c` ] 11 ]"),
            ("PINGRESP", "D0 00"),
        ],
    );
    let unknown = "< CONNECT\n> CONNACK\n> 50 [ 12 34 ]\n< 62 [ 12 34 92 ]\n> 62 [ 12 35 ]\n< 70 [ 12 35 92 ]";
    examiner.play("5 1", &format!("{unknown}\n{}", alive(5)));
    examiner.end();
}

/// Plays the answer to a SUBSCRIBE or UNSUBSCRIBE, and gives back the events.
fn answered(examiner: &mut Examiner, command: &str, request: &str, answer: &str) -> Vec<String> {
    let script = format!("< CONNECT\n> CONNACK\n< {request}\n> {answer}");
    examiner.play(&format!("5 1 {command}"), &script)
}

const SUBSCRIBE: &str = "82 [ 00 01 [ ] `test/subscribe` 01 ]";
const UNSUBSCRIBE: &str = "A2 [ 00 01 [ ] `test/subscribe` ]";

/// [MQTT-3.8.4-2] [MQTT-3.9.3-2] [MQTT-3.11.3-2]
#[test]
fn a_subscriber_is_told_what_the_server_said() {
    let mut examiner = Examiner::new();
    for code in [0x00, 0x01, 0x02] {
        let answer = format!("90 [ 00 01 [ ] {code:02X} ]\n{}", alive(5));
        let events = answered(&mut examiner, "subscribe-1", SUBSCRIBE, &answer);
        assert!(
            events[1].starts_with(&format!("subscribe-done MQTT_OK 0x{code:02x}")),
            "{events:?}"
        );
    }
    for code in [0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2] {
        let answer = format!("90 [ 00 01 [ 1F `why` ] {code:02X} ]\n{}", alive(5));
        let events = answered(&mut examiner, "subscribe-1", SUBSCRIBE, &answer);
        let expected = format!("subscribe-done MQTT_E_REFUSED 0x{code:02x}");
        assert!(events[1].starts_with(&expected), "{events:?}");
    }
    for code in [0x00, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91] {
        let answer = format!("B0 [ 00 01 [ ] {code:02X} ]\n{}", alive(5));
        let events = answered(&mut examiner, "unsubscribe", UNSUBSCRIBE, &answer);
        let status = if code < 0x80 { "OK" } else { "E_REFUSED" };
        let expected = format!("unsubscribe-done MQTT_{status} 0x{code:02x}");
        assert!(events[1].starts_with(&expected), "{events:?}");
    }
    examiner.end();
}

/// [MQTT-2.2.1-6] [MQTT-3.9.3-1] [MQTT-3.9.3-2] [MQTT-3.11.3-1] [MQTT-3.11.3-2]
#[test]
fn answers_that_fit_no_request_end_the_connection() {
    let mut examiner = Examiner::new();
    for (what, command, request, answer, code) in [
        ("a code too many", "subscribe-1", SUBSCRIBE, "90 [ 00 01 [ ] 01 01 ]", 0x82),
        ("no code", "subscribe-1", SUBSCRIBE, "90 [ 00 01 [ ] ]", 0x82),
        ("UNSUBACK", "subscribe-1", SUBSCRIBE, "B0 [ 00 01 [ ] 00 ]", 0x82),
        ("a QoS of 3", "subscribe-1", SUBSCRIBE, "90 [ 00 01 [ ] 03 ]", 0x82),
        ("a code of UNSUBACK", "subscribe-1", SUBSCRIBE, "90 [ 00 01 [ ] 11 ]", 0x82),
        ("identifier 0", "subscribe-1", SUBSCRIBE, "90 [ 00 00 [ ] 01 ]", 0x82),
        ("a property of others", "subscribe-1", SUBSCRIBE, "90 [ 00 01 [ 0B 01 ] 01 ]", 0x81),
        (
            "a reason string twice",
            "subscribe-1",
            SUBSCRIBE,
            "90 [ 00 01 [ 1F `` 1F `` ] 01 ]",
            0x82,
        ),
        ("a code too many", "unsubscribe", UNSUBSCRIBE, "B0 [ 00 01 [ ] 00 00 ]", 0x82),
        ("no code", "unsubscribe", UNSUBSCRIBE, "B0 [ 00 01 [ ] ]", 0x82),
        ("SUBACK", "unsubscribe", UNSUBSCRIBE, "90 [ 00 01 [ ] 00 ]", 0x82),
        ("a granted QoS", "unsubscribe", UNSUBSCRIBE, "B0 [ 00 01 [ ] 01 ]", 0x82),
        ("identifier 0", "unsubscribe", UNSUBSCRIBE, "B0 [ 00 00 [ ] 00 ]", 0x82),
    ] {
        eprintln!("{command}: {what}");
        let answer = format!("{answer}\n< E0 01 {code:02X}\n< end");
        let events = answered(&mut examiner, command, request, &answer);
        assert!(events.iter().any(|event| event.contains("-done MQTT_E_PROTOCOL")), "{events:?}");
    }
    examiner.end();
}
