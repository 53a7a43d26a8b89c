//! QoS 1 and 2, as sender and as receiver, with everything that may go wrong.

use crate::examiner::{Examiner, alive};

fn play(examiner: &mut Examiner, line: &str, script: &str) -> Vec<String> {
    examiner.play(line, &format!("< CONNECT\n> CONNACK\n{script}\n{}", alive(5)))
}

const QOS_1: &str = "< 32 [ `test/publish` 00 01 [ ] 'message' ]";
const QOS_2: &str = "< 34 [ `test/publish` 00 01 [ ] 'message' ]";

/// [MQTT-2.2.1-5] [MQTT-4.3.2-1] [MQTT-4.3.2-2] [MQTT-4.3.2-3] [MQTT-4.4.0-2] [MQTT-3.4.2-1]
#[test]
fn a_sender_at_qos_1_takes_every_puback() {
    let mut examiner = Examiner::new();
    for (puback, outcome) in [
        ("40 [ 00 01 ]", "MQTT_OK 0x00"),
        ("40 [ 00 01 00 ]", "MQTT_OK 0x00"),
        ("40 [ 00 01 00 [ ] ]", "MQTT_OK 0x00"),
        ("40 [ 00 01 10 ]", "MQTT_OK 0x10"),
        ("40 [ 00 01 80 ]", "MQTT_E_REFUSED 0x80"),
        ("40 [ 00 01 83 [ 1F `why` 26 `a` `b` ] ]", "MQTT_E_REFUSED 0x83"),
        ("40 [ 00 01 87 ]", "MQTT_E_REFUSED 0x87"),
        ("40 [ 00 01 90 ]", "MQTT_E_REFUSED 0x90"),
        ("40 [ 00 01 91 ]", "MQTT_E_REFUSED 0x91"),
        ("40 [ 00 01 97 ]", "MQTT_E_REFUSED 0x97"),
        ("40 [ 00 01 99 ]", "MQTT_E_REFUSED 0x99"),
    ] {
        let events = play(&mut examiner, "5 1 publish-1", &format!("{QOS_1}\n> {puback}"));
        assert!(events[1].starts_with(&format!("publish-done {outcome}")), "{events:?}");
    }
    examiner.end();
}

/// [MQTT-2.2.1-5] [MQTT-3.6.1-1] [MQTT-3.6.2-1] [MQTT-4.3.3-1] [MQTT-4.3.3-2] [MQTT-4.3.3-3]
/// [MQTT-4.3.3-4] [MQTT-4.3.3-5] [MQTT-4.4.0-2]
#[test]
fn a_sender_at_qos_2_goes_through_every_step() {
    let mut examiner = Examiner::new();
    for (steps, outcome) in [
        ("> 50 [ 00 01 ]\n< 62 02 00 01\n> 70 [ 00 01 ]", "MQTT_OK 0x00"),
        ("> 50 [ 00 01 10 [ ] ]\n< 62 02 00 01\n> 70 [ 00 01 00 [ ] ]", "MQTT_OK 0x00"),
        // The server took the message with PUBREC; that it forgot since is no failure.
        ("> 50 [ 00 01 ]\n< 62 02 00 01\n> 70 [ 00 01 92 ]", "MQTT_OK 0x00"),
        // A repeated PUBREC is answered again.
        (
            "> 50 [ 00 01 ]\n< 62 02 00 01\n> 50 [ 00 01 ]\n< 62 02 00 01\n> 70 [ 00 01 ]",
            "MQTT_OK 0x00",
        ),
        // PUBACK and PUBCOMP out of turn change nothing.
        (
            "> 70 [ 00 01 ]\n> 40 [ 00 01 ]\n> 50 [ 00 01 ]\n< 62 02 00 01\n> 70 [ 00 01 ]",
            "MQTT_OK 0x00",
        ),
        ("> 50 [ 00 01 80 ]", "MQTT_E_REFUSED 0x80"),
        ("> 50 [ 00 01 97 [ 1F `full` ] ]", "MQTT_E_REFUSED 0x97"),
    ] {
        let events = play(&mut examiner, "5 1 publish-2", &format!("{QOS_2}\n{steps}"));
        assert!(events[1].starts_with(&format!("publish-done {outcome}")), "{steps}: {events:?}");
    }
    examiner.end();
}

/// [MQTT-2.2.1-5] [MQTT-3.7.2-1] [MQTT-4.3.2-4] [MQTT-4.3.2-5] [MQTT-4.3.3-8] [MQTT-4.3.3-10] [MQTT-4.3.3-11] [MQTT-4.3.3-12]
#[test]
fn a_receiver_answers_every_step_and_hands_on_once() {
    let mut examiner = Examiner::new();
    for (script, messages) in [
        ("> 32 [ `a` 00 07 [ ] 'x' ]\n< 40 02 00 07", 1),
        // At QoS 1 a repeat is a new message.
        ("> 32 [ `a` 00 07 [ ] ]\n< 40 02 00 07\n> 3A [ `a` 00 07 [ ] ]\n< 40 02 00 07", 2),
        ("> 34 [ `a` 00 07 [ ] ]\n< 50 02 00 07\n> 62 [ 00 07 ]\n< 70 02 00 07", 1),
        ("> 34 [ `a` 00 07 [ ] ]\n< 50 02 00 07\n> 62 [ 00 07 92 [ ] ]\n< 70 02 00 07", 1),
        (
            "> 34 [ `a` 00 07 [ ] ]\n< 50 02 00 07\n> 3C [ `a` 00 07 [ ] ]\n< 50 02 00 07
             > 62 [ 00 07 ]\n< 70 02 00 07",
            1,
        ),
        // After PUBREL the identifier is free for another message.
        (
            "> 34 [ `a` 00 07 [ ] ]\n< 50 02 00 07\n> 62 [ 00 07 ]\n< 70 02 00 07
             > 34 [ `a` 00 07 [ ] ]\n< 50 02 00 07\n> 62 [ 00 07 ]\n< 70 02 00 07",
            2,
        ),
        ("> 62 [ 00 07 ]\n< 70 [ 00 07 92 ]", 0),
        (
            "> 34 [ `a` 00 07 [ ] ]\n< 50 02 00 07\n> 62 [ 00 07 ]\n< 70 02 00 07
             > 62 [ 00 07 ]\n< 70 [ 00 07 92 ]",
            1,
        ),
    ] {
        let events = play(&mut examiner, "5 1", script);
        let told = events.iter().filter(|event| event.starts_with("message ")).count();
        assert_eq!(told - 1, messages, "beside the last: {script}");
    }
    examiner.end();
}

/// [MQTT-4.6.0-2] [MQTT-4.6.0-3] [MQTT-4.6.0-4]
#[test]
fn answers_keep_the_order_of_what_they_answer() {
    let mut examiner = Examiner::new();
    let script =
        "> 32 [ `a` 00 05 [ ] ] 34 [ `a` 00 03 [ ] ] 32 [ `a` 00 09 [ ] ] 34 [ `a` 00 01 [ ] ]
        < 40 02 00 05 50 02 00 03 40 02 00 09 50 02 00 01
        > 62 02 00 01 62 02 00 03
        < 70 02 00 01 70 02 00 03";
    play(&mut examiner, "5 1", script);
    examiner.end();
}
