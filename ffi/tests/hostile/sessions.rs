//! Sessions over several connections: what is sent again, what is remembered, what is forgotten.

use crate::examiner::{Examiner, alive};

/// The answer to CONNECT, with or without a session, the same in every version but for its end.
const RESUMED: &str = "< CONNECT\n> 20 [ 01 00 [ ] ]";
const ANEW: &str = "< CONNECT\n> 20 [ 00 00 [ ] ]";

fn play(examiner: &mut Examiner, line: &str, greeting: &str, script: &str) -> Vec<String> {
    examiner.play(line, &format!("{greeting}\n{script}"))
}

/// [MQTT-3.2.2-4]
#[test]
fn a_session_that_is_not_remembered_is_not_gone_on_with() {
    for version in [5, 4] {
        let mut examiner = Examiner::new();
        let (resumed, farewell) = match version {
            5 => (RESUMED, "< E0 01 82\n< end"),
            _ => ("< CONNECT\n> 20 [ 01 00 ]", "< end"),
        };
        for clean in [1, 0] {
            let line = format!("{version} {clean}");
            let events = play(&mut examiner, &line, resumed, farewell);
            assert!(events[0].starts_with("connect-failed MQTT_E_PROTOCOL 0x82"), "{events:?}");
        }
        examiner.end();
    }
}

/// [MQTT-3.1.2-4] [MQTT-3.1.2-23]
#[test]
fn connect_says_whether_there_is_something_to_go_on_with() {
    let mut examiner = Examiner::new();
    let connect = |flags: &str, properties: &str| {
        format!(
            "< 10 [ `MQTT` 05 {flags} 00 3C [ {properties} ] `driver` ]\n> CONNACK\n{}",
            alive(5)
        )
    };
    let kept = connect("00", "11 00 00 00 3C 21 00 14");
    let new = connect("02", "21 00 14");
    examiner.play("5 0", &kept);
    examiner.play("5 0", &kept);
    examiner.play("5 1", &new);
    examiner.play("5 1", &new);
    examiner.end();
}

/// [MQTT-4.4.0-1] [MQTT-3.3.1-1] [MQTT-4.3.2-1]
#[test]
fn a_message_at_qos_1_is_sent_again_until_it_is_acknowledged() {
    let mut examiner = Examiner::new();
    play(&mut examiner, "5 0 publish-1", ANEW, "< 32 [ `test/publish` 00 01 [ ] 'message' ]");
    for _ in 0..3 {
        play(&mut examiner, "5 0", RESUMED, "< 3A [ `test/publish` 00 01 [ ] 'message' ]");
    }
    let acknowledged =
        format!("< 3A [ `test/publish` 00 01 [ ] 'message' ]\n> 40 02 00 01\n{}", alive(5));
    let events = play(&mut examiner, "5 0", RESUMED, &acknowledged);
    assert!(events.iter().any(|event| event.starts_with("publish-done MQTT_OK")), "{events:?}");
    play(&mut examiner, "5 0", RESUMED, alive(5));
    examiner.end();
}

/// [MQTT-4.4.0-1] [MQTT-4.3.3-5] [MQTT-4.3.3-6] [MQTT-4.6.0-1]
#[test]
fn an_exchange_at_qos_2_goes_on_where_it_was() {
    let mut examiner = Examiner::new();
    let again = "< 3C [ `test/publish` 00 01 [ ] 'message' ]";
    play(&mut examiner, "5 0 publish-2", ANEW, "< 34 [ `test/publish` 00 01 [ ] 'message' ]");
    play(&mut examiner, "5 0", RESUMED, again);
    play(&mut examiner, "5 0", RESUMED, &format!("{again}\n> 50 02 00 01\n< 62 02 00 01"));
    // From PUBREC on it is PUBREL that comes again, before anything new.
    let newer = "< 62 02 00 01\n< 32 [ `test/publish` 00 02 [ ] 'message' ]";
    play(&mut examiner, "5 0 publish-1", RESUMED, newer);
    let done = format!(
        "< 62 02 00 01 3A [ `test/publish` 00 02 [ ] 'message' ]\n> 70 02 00 01 40 02 00 02\n{}",
        alive(5)
    );
    let events = play(&mut examiner, "5 0", RESUMED, &done);
    let finished = events.iter().filter(|event| event.starts_with("publish-done MQTT_OK"));
    assert_eq!(finished.count(), 2, "{events:?}");
    play(&mut examiner, "5 0", RESUMED, alive(5));
    examiner.end();
}

/// [MQTT-4.6.0-1]
#[test]
fn what_is_sent_again_keeps_its_order() {
    let mut examiner = Examiner::new();
    play(&mut examiner, "5 0 publish-2", ANEW, "< 34 [ `test/publish` 00 01 [ ] 'message' ]");
    let all =
        "< 3C [ `test/publish` 00 01 [ ] 'message' ]\n< 32 [ `test/publish` 00 02 [ ] 'message' ]";
    play(&mut examiner, "5 0 publish-1", RESUMED, all);
    let again =
        "< 3C [ `test/publish` 00 01 [ ] 'message' ] 3A [ `test/publish` 00 02 [ ] 'message' ]";
    play(&mut examiner, "5 0", RESUMED, again);
    // The server's new window holds for it too.
    let window =
        "< CONNECT\n> 20 [ 01 00 [ 21 00 01 ] ]\n< 3C [ `test/publish` 00 01 [ ] 'message' ]
        > 50 02 00 01\n< 62 02 00 01\n> 70 02 00 01\n< 3A [ `test/publish` 00 02 [ ] 'message' ]";
    examiner.play("5 0", window);
    examiner.end();
}

/// [MQTT-4.3.3-10]
#[test]
fn a_received_message_at_qos_2_is_remembered_until_its_pubrel() {
    let mut examiner = Examiner::new();
    let first = "> 34 [ `a` 00 07 [ ] ]\n< 50 02 00 07";
    let events = play(&mut examiner, "5 0", ANEW, first);
    assert!(events.iter().any(|event| event.starts_with("message ")), "{events:?}");
    let again = "> 3C [ `a` 00 07 [ ] ]\n< 50 02 00 07";
    let events = play(&mut examiner, "5 0", RESUMED, again);
    assert!(!events.iter().any(|event| event.starts_with("message ")), "{events:?}");
    play(&mut examiner, "5 0", RESUMED, "> 62 02 00 07\n< 70 02 00 07");
    play(&mut examiner, "5 0", RESUMED, "> 62 02 00 07\n< 70 03 00 07 92");
    examiner.end();
}

/// [MQTT-3.2.2-5]
#[test]
fn a_session_that_the_server_has_lost_is_forgotten() {
    let mut examiner = Examiner::new();
    play(&mut examiner, "5 0", ANEW, "> 34 [ `a` 00 07 [ ] ]\n< 50 02 00 07");
    let events = play(&mut examiner, "5 0", ANEW, "> 3C [ `a` 00 07 [ ] ]\n< 50 02 00 07");
    assert!(events.iter().any(|event| event.starts_with("message ")), "{events:?}");

    // What the server had not acknowledged is a new message to its new session.
    play(&mut examiner, "5 0 publish-1", RESUMED, "< 32 [ `test/publish` 00 01 [ ] 'message' ]");
    play(&mut examiner, "5 0", ANEW, "< 32 [ `test/publish` 00 02 [ ] 'message' ]");
    // With QoS 2 it could arrive twice; whether it has arrived is not known.
    play(
        &mut examiner,
        "5 0",
        RESUMED,
        "< 3A [ `test/publish` 00 02 [ ] 'message' ]\n> 40 02 00 02",
    );
    play(&mut examiner, "5 0 publish-2", RESUMED, "< 34 [ `test/publish` 00 03 [ ] 'message' ]");
    let events = play(&mut examiner, "5 0", ANEW, alive(5));
    assert!(events.iter().any(|event| event.starts_with("publish-done MQTT_E_LOST")), "{events:?}");
    examiner.end();
}

/// [MQTT-3.8.4-3]
#[test]
fn a_subscription_is_renewed_when_the_session_is_lost_and_only_then() {
    let mut examiner = Examiner::new();
    let answered = |id: u8| {
        format!(
            "< 82 [ 00 {id:02X} [ ] `test/subscribe` 01 ]\n> 90 [ 00 {id:02X} [ ] 01 ]\n{}",
            alive(5)
        )
    };
    play(&mut examiner, "5 0 subscribe-1", ANEW, &answered(1));
    play(&mut examiner, "5 0", RESUMED, alive(5));
    play(&mut examiner, "5 0", ANEW, &answered(2));
    // A request that was not answered is asked again on the next connection.
    play(&mut examiner, "5 0 unsubscribe", RESUMED, "< A2 [ 00 03 [ ] `test/subscribe` ]");
    let unsubscribed =
        format!("< A2 [ 00 04 [ ] `test/subscribe` ]\n> B0 [ 00 04 [ ] 00 ]\n{}", alive(5));
    play(&mut examiner, "5 0", RESUMED, &unsubscribed);
    play(&mut examiner, "5 0", ANEW, alive(5));
    examiner.end();
}

/// [MQTT-3.1.2-23]
#[test]
fn a_session_is_kept_as_long_as_the_server_says() {
    let mut examiner = Examiner::new();
    let for_no_time = "< CONNECT\n> 20 [ 00 00 [ 11 00 00 00 00 ] ]";
    play(&mut examiner, "5 0", for_no_time, alive(5));
    let clean = format!(
        "< 10 [ `MQTT` 05 02 00 3C [ 11 00 00 00 3C 21 00 14 ] `driver` ]\n> CONNACK\n{}",
        alive(5)
    );
    examiner.play("5 0", &clean);
    examiner.end();
}

/// [MQTT-3.3.2-7]
#[test]
fn aliases_end_with_their_connection() {
    let mut examiner = Examiner::new();
    let first =
        "< CONNECT\n> 20 [ 00 00 [ 22 00 05 ] ]\n< 30 [ `test/publish` [ 23 00 01 ] 'message' ]";
    examiner.play("5 0 publish-0", first);
    let second =
        "< CONNECT\n> 20 [ 01 00 [ 22 00 05 ] ]\n< 30 [ `test/publish` [ 23 00 01 ] 'message' ]";
    examiner.play("5 0 publish-0", second);
    examiner.play("5 0 publish-0", &format!("{RESUMED}\n< 30 [ `test/publish` [ ] 'message' ]"));
    examiner.end();
}
