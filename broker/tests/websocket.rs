//! MQTT in WebSocket frames, with a client that writes each byte of them itself.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod sockets;
#[path = "../../protocol/tests/support/source.rs"]
#[allow(dead_code, reason = "what it can make is shared with other tests")]
mod source;
#[path = "support/websocket_stream.rs"]
mod websocket_stream;

use std::io::Write;
use std::net::TcpStream;

use mqtt_broker::shell::Options;
use sockets::frames::*;
use sockets::{InProcess, Peer};

fn start() -> InProcess {
    InProcess::listen("ws://127.0.0.1:0", Options::default())
}

/// Asks for a WebSocket with this line about subprotocols; gives the head of the answer, too.
fn ask(broker: &InProcess, subprotocols: &str) -> (TcpStream, String) {
    let mut stream = Peer::open(broker.address).stream;
    let head = upgrade(&mut stream, subprotocols);
    (stream, head)
}

fn open(broker: &InProcess) -> TcpStream {
    let (stream, head) = ask(broker, OFFER);
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    stream
}

/// [MQTT-6.0.0-3] [MQTT-6.0.0-4]
#[test]
fn mqtt_is_chosen_where_it_is_offered() {
    let broker = start();
    for offer in [
        "Sec-WebSocket-Protocol: mqtt\r\n",
        "Sec-WebSocket-Protocol: chat, mqtt\r\n",
        "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: mqtt\r\n",
    ] {
        let (mut stream, head) = ask(&broker, offer);
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        let head = head.to_ascii_lowercase();
        assert!(head.contains("\r\nsec-websocket-protocol: mqtt\r\n"), "{head}");
        stream.write_all(&frame(BINARY, CONNECT)).unwrap();
        receive_connack(&mut stream);
    }
    for offer in ["", "Sec-WebSocket-Protocol: chat\r\n", "Sec-WebSocket-Protocol: mqtts\r\n"] {
        let (_, head) = ask(&broker, offer);
        assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
    }
}

/// [MQTT-6.0.0-2]
#[test]
fn packets_and_frames_do_not_align() {
    let broker = start();
    let packets = [CONNECT, SUBSCRIBE, PUBLISH, PINGREQ].concat();
    let answers = [SUBACK, PUBLISH, PINGRESP].concat();
    for length in [1, 2, 3, 5, packets.len()] {
        let mut stream = open(&broker);
        for piece in packets.chunks(length) {
            stream.write_all(&frame(BINARY, piece)).unwrap();
        }
        let received = receive_until(&mut stream, PINGRESP);
        let connack_length = 2 + usize::from(received[1]);
        assert_eq!(received[connack_length..], answers, "in frames of {length} bytes");
    }
}

/// [MQTT-6.0.0-1]
#[test]
fn a_text_frame_ends_the_connection() {
    let broker = start();
    let mut stream = open(&broker);
    stream.write_all(&frame(BINARY, CONNECT)).unwrap();
    receive_connack(&mut stream);
    // Its bytes are UTF-8, so that nothing is wrong but the kind of the frame.
    stream.write_all(&frame(TEXT, PUBLISH)).unwrap();
    while let Some((kind, bytes)) = next_frame(&mut stream) {
        assert_eq!(kind, CLOSE, "{bytes:02x?}");
    }
}

/// Whatever the frames; `fuzz/targets/websocket.rs` looks harder. [MQTT-6.0.0-2]
#[test]
fn what_frames_carry_is_what_is_read() {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    for round in 0..3000 {
        let bytes: Vec<u8> = (0..round % 900)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 32) as u8
            })
            .collect();
        websocket_stream::check(&bytes);
    }
}

/// It is refused by its length alone, before there is room made for it.
#[test]
fn a_frame_that_is_too_large_ends_the_connection() {
    let broker = start();
    for length in [1024 * 1024 + 1, u64::MAX / 2] {
        let mut stream = open(&broker);
        stream.write_all(&frame(BINARY, CONNECT)).unwrap();
        receive_connack(&mut stream);
        stream.write_all(&[&[0x82, 0xFF][..], &length.to_be_bytes(), &[0; 4]].concat()).unwrap();
        while let Some((kind, bytes)) = next_frame(&mut stream) {
            assert_eq!(kind, CLOSE, "{bytes:02x?}");
        }
    }
}

/// A client has to mask what it sends.
#[test]
fn a_frame_that_is_not_masked_ends_the_connection() {
    let broker = start();
    let mut stream = open(&broker);
    stream.write_all(&[&[0x82, CONNECT.len() as u8][..], CONNECT].concat()).unwrap();
    while let Some((kind, bytes)) = next_frame(&mut stream) {
        assert_eq!(kind, CLOSE, "{bytes:02x?}");
    }
}
