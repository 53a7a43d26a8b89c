//! The client over WebSocket, with servers that write each frame themselves.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod transport;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use mqtt_client::protocol::{Packet, Publish, TopicName};
use mqtt_client::{Client, Draft, Error, ErrorKind, Event, Farewell, HttpHeader, Options};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use transport::certificates::{Authority, serve};
use transport::{CONNACK, DEADLINE, Listener, MESSAGES, next, refusal, visit};

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
/// Stands at a frame that is the last of its message.
const FINAL: u8 = 0x80;

fn url(listener: &Listener) -> String {
    format!("ws://{}", listener.address())
}

/// Reads the request for a WebSocket.
fn request(stream: &mut impl Read) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        request.extend(byte);
    }
    String::from_utf8(request).unwrap()
}

/// The value of a header field.
fn field<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = request.lines().filter_map(|line| line.split_once(": "));
    fields.find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// The answer that opens a WebSocket, with this line about the subprotocol.
fn consent(request: &str, subprotocol: &str) -> String {
    let key = derive_accept_key(field(request, "Sec-WebSocket-Key").unwrap().as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {key}\r\n{subprotocol}\r\n"
    )
}

/// Opens the WebSocket for a client; gives its request.
fn open(stream: &mut (impl Read + Write)) -> String {
    let request = request(stream);
    let consent = consent(&request, "Sec-WebSocket-Protocol: mqtt\r\n");
    stream.write_all(consent.as_bytes()).unwrap();
    request
}

/// Writes a frame, as a server does.
fn send(stream: &mut impl Write, kind: u8, bytes: &[u8]) {
    let length = match bytes.len() {
        length @ 0..126 => vec![length as u8],
        length @ 126..65_536 => [&[126], &(length as u16).to_be_bytes()[..]].concat(),
        length => [&[127], &(length as u64).to_be_bytes()[..]].concat(),
    };
    stream.write_all(&[&[kind], &length[..], bytes].concat()).unwrap();
    stream.flush().unwrap();
}

/// The kind and the bytes of the next frame, which is whole and masked, as a client's has to be.
fn frame(stream: &mut impl Read) -> (u8, Vec<u8>) {
    let mut head = [0; 2];
    stream.read_exact(&mut head).unwrap();
    assert_eq!((head[0] & FINAL, head[1] & 0x80), (FINAL, 0x80), "whole and masked");
    let mut number = |size: usize| {
        let mut bytes = [0; 8];
        stream.read_exact(&mut bytes[8 - size..]).unwrap();
        u64::from_be_bytes(bytes) as usize
    };
    let length = match head[1] & 0x7F {
        127 => number(8),
        126 => number(2),
        length => length.into(),
    };
    let mask = number(4).to_be_bytes();
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).unwrap();
    let unmasked = bytes.iter().zip(mask[4..].iter().cycle()).map(|(byte, mask)| byte ^ mask);
    (head[0] & 0x0F, unmasked.collect())
}

/// MQTT out of binary frames, until there is so much. [MQTT-6.0.0-1]
fn receive(stream: &mut impl Read, length: usize) -> Vec<u8> {
    let mut received = Vec::new();
    while received.len() < length {
        let (kind, bytes) = frame(stream);
        assert_eq!(kind, BINARY);
        received.extend(bytes);
    }
    received
}

/// Reads CONNECT.
fn receive_connect(stream: &mut impl Read) {
    let mut connect = receive(stream, 2);
    let length = 2 + usize::from(connect[1]);
    if connect.len() < length {
        connect.extend(receive(stream, length - connect.len()));
    }
    assert_eq!(connect[0], 0x10);
}

/// Reads DISCONNECT and the end of the WebSocket, and sees the connection closed.
fn see_off(stream: &mut (impl Read + Write)) {
    assert_eq!(receive(stream, 2)[0], 0xE0, "DISCONNECT comes last");
    assert_eq!(frame(stream).0, CLOSE);
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
}

/// A client with a WebSocket, and the server's end of it.
fn connected(listener: &Listener, options: Options) -> (Client, TcpStream) {
    let client = Client::new(Options { reconnect: None, ..options }).unwrap();
    let mut stream = listener.accept();
    open(&mut stream);
    receive_connect(&mut stream);
    send(&mut stream, FINAL | BINARY, CONNACK);
    assert!(matches!(next(&client), Event::Connected { .. }));
    (client, stream)
}

/// How a connection ends that was open.
fn ending(client: &Client) -> Error {
    match next(client) {
        Event::Disconnected { error: Some(error), .. } => error,
        other => panic!("{other:?}"),
    }
}

/// [MQTT-6.0.0-2]
#[test]
fn packets_and_frames_do_not_align() {
    let packets = [CONNACK, MESSAGES].concat();
    for length in [1, 2, 3, 5, packets.len()] {
        let listener = Listener::new();
        let options = Options::new(&url(&listener)).unwrap();
        let client = thread::spawn(move || visit(options));
        let mut stream = listener.accept();
        open(&mut stream);
        receive_connect(&mut stream);
        for piece in packets.chunks(length) {
            send(&mut stream, FINAL | BINARY, piece);
        }
        see_off(&mut stream);
        client.join().unwrap();
    }
}

/// One message of the WebSocket in several frames, with a ping in between. [MQTT-6.0.0-2]
#[test]
fn fragments_are_put_together() {
    let listener = Listener::new();
    let options = Options::new(&url(&listener)).unwrap();
    let client = thread::spawn(move || visit(options));
    let mut stream = listener.accept();
    open(&mut stream);
    receive_connect(&mut stream);
    let packets = [CONNACK, MESSAGES].concat();
    send(&mut stream, BINARY, &packets[..2]);
    send(&mut stream, CONTINUATION, &packets[2..3]);
    send(&mut stream, FINAL | PING, b"there?");
    assert_eq!(frame(&mut stream), (PONG, b"there?".to_vec()));
    send(&mut stream, CONTINUATION, b"");
    send(&mut stream, FINAL | CONTINUATION, &packets[3..]);
    see_off(&mut stream);
    client.join().unwrap();
}

/// [MQTT-6.0.0-3]
#[test]
fn the_request_asks_for_mqtt_at_the_path() {
    let listener = Listener::new();
    let place = listener.address();
    for (path, asked) in [("", "/mqtt"), ("/", "/"), ("/a/b?c=%20d", "/a/b?c=%20d")] {
        let mut options = Options::new(&format!("ws://ann:secret@{place}{path}")).unwrap();
        options.http_headers.push(HttpHeader::new("Authorization", "Bearer 1").unwrap());
        let client = thread::spawn(move || visit(options));
        let mut stream = listener.accept();
        let request = open(&mut stream);
        assert!(request.starts_with(&format!("GET {asked} HTTP/1.1\r\n")), "{request}");
        assert_eq!(field(&request, "Sec-WebSocket-Protocol"), Some("mqtt"));
        assert_eq!(field(&request, "Host"), Some(&*place.to_string()));
        assert_eq!(field(&request, "Authorization"), Some("Bearer 1"));
        receive_connect(&mut stream);
        send(&mut stream, FINAL | BINARY, &[CONNACK, MESSAGES].concat());
        see_off(&mut stream);
        client.join().unwrap();
    }
}

#[test]
fn a_server_that_opens_no_websocket_is_refused() {
    type Answer = fn(&str) -> String;
    let answers: [(Answer, &str); 7] = [
        (
            |_| "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnope".to_owned(),
            "the server answered 404 Not Found to the WebSocket handshake",
        ),
        (
            |_| "HTTP/1.1 301 Moved Permanently\r\nLocation: /\r\n\r\n".to_owned(),
            "the server answered 301 Moved Permanently to the WebSocket handshake",
        ),
        (|request| consent(request, ""), "the server did not choose the subprotocol mqtt"),
        (
            |request| consent(request, "Sec-WebSocket-Protocol: chat\r\n"),
            "the server did not choose the subprotocol mqtt",
        ),
        (
            |_| consent("Sec-WebSocket-Key: other", "Sec-WebSocket-Protocol: mqtt\r\n"),
            "the server does not speak WebSocket: ",
        ),
        (|_| "\u{20}\u{3}\0\0\0".to_owned(), "the server does not speak WebSocket: "),
        (|_| String::new(), "the server closed the connection in the WebSocket handshake"),
    ];
    for (answer, message) in answers {
        let listener = Listener::new();
        let options = Options::new(&url(&listener)).unwrap();
        let client = thread::spawn(move || refusal(options));
        let mut stream = listener.accept();
        let request = request(&mut stream);
        stream.write_all(answer(&request).as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let error = client.join().unwrap();
        assert_eq!(error.kind, ErrorKind::WebSocket, "{error}");
        assert!(error.message.starts_with(message), "{error}");
    }
}

#[test]
fn a_server_that_is_silent_is_given_up() {
    let listener = Listener::new();
    let connect_timeout = Duration::from_millis(50);
    let options = Options::new(&url(&listener)).unwrap();
    let error = refusal(Options { connect_timeout, ..options });
    assert_eq!(error.kind, ErrorKind::Timeout);
}

/// [MQTT-6.0.0-1]
#[test]
fn a_text_frame_ends_the_connection() {
    let listener = Listener::new();
    let (client, mut stream) = connected(&listener, Options::new(&url(&listener)).unwrap());
    // Its bytes are UTF-8, so that nothing is wrong but the kind of the frame.
    send(&mut stream, FINAL | TEXT, MESSAGES);
    let error = ending(&client);
    assert_eq!(error.kind, ErrorKind::Protocol);
    assert_eq!(error.message, "the server sent a text frame, but MQTT is binary");
    assert_eq!(stream.read(&mut [0]).unwrap(), 0, "the client closes");
}

#[test]
fn a_server_that_breaks_the_rules_of_frames_is_left() {
    let too_large = [&[FINAL | BINARY, 127][..], &(1_u64 << 40).to_be_bytes()].concat();
    for bytes in [
        // A reserved bit, a masked frame, a kind that does not exist, a fragment of nothing.
        &b"\xC2\x01x"[..],
        b"\x82\x81\0\0\0\0x",
        b"\x83\x01x",
        b"\x80\x01x",
        &too_large,
    ] {
        let listener = Listener::new();
        let (client, mut stream) = connected(&listener, Options::new(&url(&listener)).unwrap());
        stream.write_all(bytes).unwrap();
        assert_eq!(ending(&client).kind, ErrorKind::WebSocket, "{bytes:02x?}");
    }
}

#[test]
fn a_server_may_close_the_websocket() {
    for (farewell, message) in [
        (&b""[..], "the server closed the connection"),
        (b"\x03\xE9update", "the server closed the WebSocket: update (1001)"),
    ] {
        let listener = Listener::new();
        let (client, mut stream) = connected(&listener, Options::new(&url(&listener)).unwrap());
        send(&mut stream, FINAL | CLOSE, farewell);
        let error = ending(&client);
        assert_eq!((error.kind, &*error.message), (ErrorKind::Lost, message));
        assert_eq!(frame(&mut stream).0, CLOSE, "it is answered");
        assert_eq!(stream.read(&mut [0]).unwrap(), 0, "the client closes");
    }
}

/// Sockets and buffers fill up in both directions. [MQTT-6.0.0-2]
#[test]
fn large_messages_arrive_whole() {
    const SIZE: usize = 4_000_000;
    let payload: Vec<u8> = (0..SIZE).map(|number| number as u8).collect();
    let listener = Listener::new();
    let (client, mut stream) = connected(&listener, Options::new(&url(&listener)).unwrap());
    let topic = TopicName::new("large").unwrap();
    client.publish(&Draft::new(topic, &payload), false).unwrap();
    let mut message = Vec::new();
    Packet::Publish(Publish::at_most_once(topic, &payload)).encode(&mut message).unwrap();
    let player: JoinHandle<()> = thread::spawn(move || {
        send(&mut stream, FINAL | BINARY, &message);
        assert!(receive(&mut stream, message.len()) == message);
        see_off(&mut stream);
    });
    match next(&client) {
        Event::Message { message, .. } => assert!(message.payload() == payload),
        other => panic!("{other:?}"),
    }
    client.disconnect(Farewell::default(), Some(DEADLINE)).unwrap();
    player.join().unwrap();
}

/// [MQTT-6.0.0-3]
#[test]
fn a_websocket_may_be_encrypted() {
    let authority = Authority::new();
    let mut server = authority.certify("localhost").server();
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let listener = Listener::new();
    let options = authority.options(&format!("wss://localhost:{}/ws", listener.port()));
    let client = thread::spawn(move || visit(options));
    let mut stream = serve(server, listener.accept());
    let request = open(&mut stream);
    assert!(request.starts_with("GET /ws HTTP/1.1\r\n"), "{request}");
    assert_eq!(stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
    receive_connect(&mut stream);
    send(&mut stream, FINAL | BINARY, &[CONNACK, MESSAGES].concat());
    see_off(&mut stream);
    client.join().unwrap();
}

#[test]
fn a_path_that_is_none_is_refused_at_once() {
    let options = Options::new("ws://localhost/a<b>").unwrap();
    assert_eq!(Client::new(options).unwrap_err().kind, ErrorKind::Url);
}
