//! What the driver's commands make the client say, and what the server's limits make of it.

use std::io::Read;

use crate::examiner::{Examiner, alive, bytes};

/// [MQTT-3.1.0-1] [MQTT-2.2.2-1] [MQTT-3.8.1-1] [MQTT-3.10.1-1]
#[test]
fn each_command_makes_its_packet() {
    let mut examiner = Examiner::with(&["-i", "examined", "-k", "30", "-r", "7"]);
    let connect = "10 [ `MQTT` 05 02 00 1E [ 21 00 07 ] `examined` ]";
    for (command, packet) in [
        ("subscribe-0", "82 [ 00 01 [ ] `test/subscribe` 00 ]"),
        ("subscribe-1", "82 [ 00 01 [ ] `test/subscribe` 01 ]"),
        ("subscribe-2", "82 [ 00 01 [ ] `test/subscribe` 02 ]"),
        ("subscribe-multiple", "82 [ 00 01 [ ] `test/subscribe1` 02 `test/subscribe2` 02 ]"),
        ("unsubscribe", "A2 [ 00 01 [ ] `test/subscribe` ]"),
        ("unsubscribe-multiple", "A2 [ 00 01 [ ] `test/subscribe1` `test/subscribe2` ]"),
        ("publish-0", "30 [ `test/publish` [ ] 'message' ]"),
        ("publish-1", "32 [ `test/publish` 00 01 [ ] 'message' ]"),
        ("publish-2", "34 [ `test/publish` 00 01 [ ] 'message' ]"),
    ] {
        let script = format!("< {connect}\n> CONNACK\n< {packet}\n{}", alive(5));
        examiner.play(&format!("5 1 {command}"), &script);
    }
    examiner.end();
}

/// Plays a connection whose CONNACK has these properties; the client then stays silent.
fn limited(examiner: &mut Examiner, command: &str, properties: &str) -> Vec<String> {
    let script = format!("< CONNECT\n> 20 [ 00 00 [ {properties} ] ]\n{}", alive(5));
    examiner.play(&format!("5 1 {command}"), &script)
}

/// [MQTT-3.2.2-11] [MQTT-3.2.2-15]
#[test]
fn what_the_server_does_not_take_is_not_sent() {
    let mut examiner = Examiner::new();
    for (command, properties, outcome) in [
        ("publish-2", "24 01", "publish-done MQTT_E_UNSUPPORTED 0x9b"),
        ("publish-2", "24 00", "publish-done MQTT_E_UNSUPPORTED 0x9b"),
        ("publish-1", "24 00", "publish-done MQTT_E_UNSUPPORTED 0x9b"),
        ("publish-1", "27 00 00 00 10", "publish-done MQTT_E_TOO_LARGE"),
        ("subscribe-1", "27 00 00 00 10", "subscribe-done MQTT_E_TOO_LARGE"),
        ("unsubscribe", "27 00 00 00 10", "unsubscribe-done MQTT_E_TOO_LARGE"),
    ] {
        let events = limited(&mut examiner, command, properties);
        assert!(events[1].starts_with(outcome), "{command} with {properties}: {events:?}");
    }
    // What is as large as the server takes is sent.
    let fits = "< CONNECT\n> 20 [ 00 00 [ 27 00 00 00 1A ] ]
        < 32 [ `test/publish` 00 01 [ ] 'message' ]";
    assert_eq!(bytes("32 [ `test/publish` 00 01 [ ] 'message' ]").len(), 0x1A);
    examiner.play("5 1 publish-1", fits);
    examiner.end();
}

/// [MQTT-3.2.2-17] [MQTT-3.2.2-18] [MQTT-3.3.2-8] [MQTT-3.3.2-11]
#[test]
fn an_alias_is_sent_only_if_the_server_takes_one() {
    let mut examiner = Examiner::new();
    for (properties, packet) in [
        ("22 00 00", "30 [ `test/publish` [ ] 'message' ]"),
        ("22 00 01", "30 [ `test/publish` [ 23 00 01 ] 'message' ]"),
    ] {
        let script = format!("< CONNECT\n> 20 [ 00 00 [ {properties} ] ]\n< {packet}");
        examiner.play("5 1 publish-0", &script);
    }
    examiner.end();
}

/// [MQTT-3.1.2-20] [MQTT-3.1.2-21] [MQTT-3.2.2-21]
#[test]
fn the_keep_alive_is_the_servers() {
    let mut examiner = Examiner::new();
    let pings = "< CONNECT\n> 20 [ 00 00 [ 13 00 01 ] ]\n< C0 00\n> D0 00\n< C0 00";
    let mut connection = examiner.accept("5 1");
    pings.lines().for_each(|step| connection.play(step));
    // Nobody answers any more: it asks again, and leaves.
    let mut rest = Vec::new();
    connection.stream.take(100).read_to_end(&mut rest).unwrap();
    assert!(bytes("C0 00 C0 00 C0 00 C0 00").starts_with(&rest), "{rest:02x?}");
    let events = examiner.events();
    let last = events.last().unwrap();
    assert!(last.starts_with("stopped MQTT_E_KEEPALIVE"), "{events:?}");
    examiner.end();
}
