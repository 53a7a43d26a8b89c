//! WebSocket frames as a client writes them, byte by byte, and packets to put into them.

use std::io::ErrorKind::{ConnectionReset, UnexpectedEof};
use std::io::{Read, Write};

pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;

/// What a client of MQTT says about subprotocols.
pub const OFFER: &str = "Sec-WebSocket-Protocol: mqtt\r\n";

pub const CONNECT: &[u8] = b"\x10\x0E\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x01a";
pub const SUBSCRIBE: &[u8] = b"\x82\x07\x00\x01\x00\x00\x01t\x00";
pub const SUBACK: &[u8] = b"\x90\x04\x00\x01\x00\x00";
pub const PUBLISH: &[u8] = b"\x30\x05\x00\x01t\x00x";
pub const PINGREQ: &[u8] = b"\xC0\x00";
pub const PINGRESP: &[u8] = b"\xD0\x00";

/// Asks for a WebSocket with this line about subprotocols; gives the head of the answer.
pub fn upgrade(stream: &mut (impl Read + Write), subprotocols: &str) -> String {
    let request = format!(
        "GET /mqtt HTTP/1.1\r\nHost: broker\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\
         {subprotocols}\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    String::from_utf8(head).unwrap()
}

/// A whole frame of a client, masked with zeros, which leaves the bytes as they are.
pub fn frame(kind: u8, bytes: &[u8]) -> Vec<u8> {
    let length = u8::try_from(bytes.len()).unwrap();
    assert!(length < 126, "a short frame");
    [&[0x80 | kind, 0x80 | length, 0, 0, 0, 0], bytes].concat()
}

/// The kind and the bytes of the next frame; nothing at the end of the connection.
pub fn next_frame(stream: &mut impl Read) -> Option<(u8, Vec<u8>)> {
    let mut head = [0; 2];
    match stream.read_exact(&mut head) {
        Ok(()) => {}
        Err(error) if [UnexpectedEof, ConnectionReset].contains(&error.kind()) => return None,
        Err(error) => panic!("neither a frame nor the end: {error}"),
    }
    assert_eq!((head[0] & 0x80, head[1] & 0x80), (0x80, 0), "whole and not masked");
    let mut bytes = vec![0; usize::from(head[1])];
    stream.read_exact(&mut bytes).unwrap();
    Some((head[0] & 0x0F, bytes))
}

/// Bytes of MQTT up to these, in however many frames they come.
pub fn receive_until(stream: &mut impl Read, end: &[u8]) -> Vec<u8> {
    let mut received = Vec::new();
    while !received.ends_with(end) {
        let (kind, bytes) = next_frame(stream).expect("the broker closed the connection");
        assert_eq!(kind, BINARY, "[MQTT-6.0.0-1]");
        received.extend(bytes);
    }
    received
}

/// Takes the CONNACK, whatever it grants.
pub fn receive_connack(stream: &mut impl Read) {
    let (kind, bytes) = next_frame(stream).unwrap();
    assert_eq!((kind, bytes[0], bytes[3]), (BINARY, 0x20, 0));
    assert_eq!(bytes.len(), 2 + usize::from(bytes[1]), "it comes alone");
}
