//! Servers that send too slowly, too much, or nothing at all.

use std::io::Write;
use std::net::Shutdown;

use crate::examiner::{Examiner, alive, bytes};

#[test]
fn a_packet_may_come_byte_by_byte() {
    let mut examiner = Examiner::new();
    let packets = [
        "20 [ 00 00 [ 21 00 14 26 `a` `b` ] ]",
        "30 [ `a/b` [ 01 01 0B 05 ] 'payload' ]",
        "32 [ `a` 00 01 [ ] ]",
        "34 [ `a` 00 02 [ ] ]",
        "62 [ 00 02 00 [ ] ]",
    ];
    let mut connection = examiner.accept("5 1");
    connection.play("< CONNECT");
    for byte in packets.iter().flat_map(|packet| bytes(packet)) {
        connection.stream.write_all(&[byte]).unwrap();
    }
    connection.says("40 02 00 01 50 02 00 02 70 02 00 02");
    connection.stream.write_all(&bytes("D0")).unwrap();
    connection.stream.write_all(&bytes("01")).unwrap();
    connection.stream.write_all(&bytes("00")).unwrap();
    connection.says("E0 01 81");
    connection.ended();
    examiner.events();
    examiner.end();
}

/// Everything in one segment: the client takes it in its order, and stops at the first fault.
#[test]
fn many_packets_may_come_at_once() {
    let mut examiner = Examiner::with(&["-r", "200"]);
    let mut all = "20 [ 00 00 [ ] ] ".to_owned();
    all.push_str(&"D0 00 32 [ `a` 00 01 [ ] ] ".repeat(100));
    all.push_str("C0 00 32 [ `a` 00 02 [ ] ]");
    let acknowledgements = "40 02 00 01 ".repeat(100);
    let mut connection = examiner.accept("5 1");
    connection.play("< CONNECT");
    connection.send(&all);
    // The program may be late with some of them: then they are not sent after the farewell.
    let mut said = Vec::new();
    let _ = std::io::Read::read_to_end(&mut connection.stream, &mut said);
    let (before, farewell) = said.split_at(said.len() - 3);
    assert!(bytes(&acknowledgements).starts_with(before), "{said:02x?}");
    assert_eq!(farewell, bytes("E0 01 82"));
    examiner.events();
    examiner.end();
}

/// [MQTT-3.1.2-24]
#[test]
fn a_length_is_not_believed_before_its_bytes_come() {
    let mut examiner = Examiner::new();
    for length in ["FF FF FF 7F", "80 80 80 01"] {
        let mut connection = examiner.accept("5 1");
        connection.greet();
        connection.send(&format!("30 {length} 00 01 'a' 00"));
        // The client waits for the rest, and is alive all the while; then the server is gone.
        connection.stream.shutdown(Shutdown::Both).unwrap();
        let events = examiner.events();
        assert!(events.last().unwrap().starts_with("stopped MQTT_E_LOST"), "{events:?}");
    }
    examiner.end();
}

#[test]
fn a_flood_is_taken_in_and_answered() {
    const MESSAGES: usize = 20_000;
    let mut examiner = Examiner::with(&["-r", "65535"]);
    let mut connection = examiner.accept("5 1");
    connection.greet();
    let mut writer = connection.stream.try_clone().unwrap();
    let flood = bytes("32 [ `flood` 00 01 [ ] 'x' ] D0 00").repeat(MESSAGES);
    let flooding = std::thread::spawn(move || writer.write_all(&flood).unwrap());
    for _ in 0..MESSAGES {
        connection.says("40 02 00 01");
    }
    flooding.join().unwrap();
    for step in alive(5).lines() {
        connection.play(step);
    }
    drop(connection);
    examiner.events();
    examiner.end();
}

/// A server that closes its half has nothing more to say; the client closes the other.
#[test]
fn half_a_connection_is_none() {
    let mut examiner = Examiner::new();
    for script in ["", "> CONNACK", "> CONNACK\n> 30 7F 00"] {
        let mut connection = examiner.accept("5 1");
        connection.play("< CONNECT");
        script.lines().for_each(|step| connection.play(step));
        connection.stream.shutdown(Shutdown::Write).unwrap();
        connection.ended();
        let events = examiner.events();
        assert!(events.last().unwrap().starts_with("stopped MQTT_E_LOST"), "{events:?}");
    }
    examiner.end();
}

/// Whatever bytes come, the client answers with whole packets or leaves.
#[test]
fn noise_does_no_harm() {
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    eprintln!("seed {random:#x}");
    let mut examiner = Examiner::new();
    for round in 0..300 {
        let mut connection = examiner.accept("5 1 subscribe-multiple");
        connection.play("< CONNECT");
        if round % 2 == 0 {
            connection.play("> CONNACK");
        }
        let noise: Vec<u8> = (0..round)
            .map(|_| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                (random >> 32) as u8
            })
            .collect();
        let _ = connection.stream.write_all(&noise);
        let _ = connection.stream.shutdown(Shutdown::Write);
        let _ = std::io::Read::read_to_end(&mut connection.stream, &mut Vec::new());
        examiner.events();
    }
    examiner.end();
}
