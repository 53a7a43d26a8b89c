//! The test driver that outside examiners use (tests/c/driver.c), against a server played here.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

use support::{Folder, Program, compile, root};

/// Reads one packet with a remaining length of one byte.
fn packet(stream: &mut TcpStream) -> Vec<u8> {
    let mut packet = vec![0; 2];
    stream.read_exact(&mut packet).unwrap();
    assert!(packet[1] < 0x80);
    packet.resize(2 + usize::from(packet[1]), 0);
    stream.read_exact(&mut packet[2..]).unwrap();
    packet
}

#[test]
fn each_command_makes_its_packet_and_each_line_its_connection() {
    let folder = Folder::new("driver");
    let program = folder.0.join("driver");
    compile(&root().join("ffi/tests/c/driver.c"), &program);
    let mut driver = Program::start(&mut Command::new(program));
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    for (command, first_byte, packets) in [
        ("", 0, 0),
        ("subscribe-0", 0x82, 1),
        ("subscribe-2", 0x82, 1),
        ("subscribe-multiple", 0x82, 1),
        ("unsubscribe", 0xA2, 1),
        ("unsubscribe-multiple", 0xA2, 3),
        ("publish-0", 0x30, 1),
        ("publish-1", 0x32, 1),
        ("publish-2", 0x34, 1),
    ] {
        driver.say(&format!("{port} 5 1 {command}"));
        let (mut stream, _) = server.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        assert_eq!(packet(&mut stream)[0], 0x10);
        stream.write_all(b"\x20\x03\x00\x00\x00").unwrap();
        for _ in 0..packets {
            assert_eq!(packet(&mut stream)[0], first_byte, "{command}");
        }
        // A CONNACK out of place: the client says DISCONNECT 0x82 and closes.
        stream.write_all(b"\x20\x03\x00\x00\x00").unwrap();
        assert_eq!(packet(&mut stream), b"\xE0\x01\x82");
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
        let mut line = driver.line();
        while !line.starts_with("stopped") {
            line = driver.line();
        }
        assert!(line.starts_with("stopped MQTT_E_PROTOCOL 0x82"), "{line}");
    }
}
