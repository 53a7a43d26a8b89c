//! MQTT in WebSocket frames, with a client that writes each byte of them itself.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

use std::io::ErrorKind::{ConnectionReset, UnexpectedEof};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use mqtt_broker::shell::{Options, Server};
use tokio::sync::oneshot;

/// How long anything may take that is expected to happen.
const DEADLINE: Duration = Duration::from_secs(60);

/// A broker that listens for WebSockets until it goes out of scope.
struct Broker {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Broker {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listen = vec!["ws://127.0.0.1:0".parse().unwrap()];
        let options = Options { listen, ..Options::default() };
        let server = runtime.block_on(Server::start(options)).unwrap();
        let address = server.local_addresses()[0];
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            runtime.block_on(server.run(async { drop(stopped.await) }));
        });
        Self { address, stop: Some(stop), thread: Some(thread) }
    }

    /// Asks for a WebSocket with this line about subprotocols; gives the head of the answer, too.
    fn ask(&self, subprotocols: &str) -> (TcpStream, String) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
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
        (stream, String::from_utf8(head).unwrap())
    }

    fn open(&self) -> TcpStream {
        let (stream, head) = self.ask("Sec-WebSocket-Protocol: mqtt\r\n");
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        stream
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || ended.is_none_or(|ended| ended.is_ok()));
    }
}

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;

/// A whole frame of a client, masked with zeros, which leaves the bytes as they are.
fn frame(kind: u8, bytes: &[u8]) -> Vec<u8> {
    let length = u8::try_from(bytes.len()).unwrap();
    assert!(length < 126, "a short frame");
    [&[0x80 | kind, 0x80 | length, 0, 0, 0, 0], bytes].concat()
}

/// The kind and the bytes of the next frame; nothing at the end of the connection.
fn next_frame(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
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
fn receive_until(stream: &mut TcpStream, end: &[u8]) -> Vec<u8> {
    let mut received = Vec::new();
    while !received.ends_with(end) {
        let (kind, bytes) = next_frame(stream).expect("the broker closed the connection");
        assert_eq!(kind, BINARY, "[MQTT-6.0.0-1]");
        received.extend(bytes);
    }
    received
}

const CONNECT: &[u8] = b"\x10\x0E\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x01a";
const SUBSCRIBE: &[u8] = b"\x82\x07\x00\x01\x00\x00\x01t\x00";
const SUBACK: &[u8] = b"\x90\x04\x00\x01\x00\x00";
const PUBLISH: &[u8] = b"\x30\x05\x00\x01t\x00x";
const PINGREQ: &[u8] = b"\xC0\x00";
const PINGRESP: &[u8] = b"\xD0\x00";

/// Takes the CONNACK, whatever it grants.
fn receive_connack(stream: &mut TcpStream) {
    let (kind, bytes) = next_frame(stream).unwrap();
    assert_eq!((kind, bytes[0], bytes[3]), (BINARY, 0x20, 0));
    assert_eq!(bytes.len(), 2 + usize::from(bytes[1]), "it comes alone");
}

/// [MQTT-6.0.0-3] [MQTT-6.0.0-4]
#[test]
fn mqtt_is_chosen_where_it_is_offered() {
    let broker = Broker::start();
    for offer in [
        "Sec-WebSocket-Protocol: mqtt\r\n",
        "Sec-WebSocket-Protocol: chat, mqtt\r\n",
        "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: mqtt\r\n",
    ] {
        let (mut stream, head) = broker.ask(offer);
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        let head = head.to_ascii_lowercase();
        assert!(head.contains("\r\nsec-websocket-protocol: mqtt\r\n"), "{head}");
        stream.write_all(&frame(BINARY, CONNECT)).unwrap();
        receive_connack(&mut stream);
    }
    for offer in ["", "Sec-WebSocket-Protocol: chat\r\n", "Sec-WebSocket-Protocol: mqtts\r\n"] {
        let (_, head) = broker.ask(offer);
        assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
    }
}

/// [MQTT-6.0.0-2]
#[test]
fn packets_and_frames_do_not_align() {
    let broker = Broker::start();
    let packets = [CONNECT, SUBSCRIBE, PUBLISH, PINGREQ].concat();
    let answers = [SUBACK, PUBLISH, PINGRESP].concat();
    for length in [1, 2, 3, 5, packets.len()] {
        let mut stream = broker.open();
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
    let broker = Broker::start();
    let mut stream = broker.open();
    stream.write_all(&frame(BINARY, CONNECT)).unwrap();
    receive_connack(&mut stream);
    // Its bytes are UTF-8, so that nothing is wrong but the kind of the frame.
    stream.write_all(&frame(TEXT, PUBLISH)).unwrap();
    while let Some((kind, bytes)) = next_frame(&mut stream) {
        assert_eq!(kind, CLOSE, "{bytes:02x?}");
    }
}
