//! The client on real sockets, with a server that writes each byte itself.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::time::Duration;

use mqtt_client::{Client, ErrorKind, Event, Options, Proxy};

/// How long anything may take that is expected to happen.
const DEADLINE: Duration = Duration::from_secs(60);

const CONNACK: &[u8] = b"\x20\x03\x00\x00\x00";

/// A packet with a remaining length of one byte.
fn packet(stream: &mut impl Read) -> Vec<u8> {
    let mut packet = vec![0; 2];
    stream.read_exact(&mut packet).unwrap();
    packet.resize(2 + usize::from(packet[1]), 0);
    stream.read_exact(&mut packet[2..]).unwrap();
    packet
}

fn next_message(client: &Client) -> String {
    loop {
        match client.next_event(Some(DEADLINE)).expect("the server has sent something") {
            Event::Connected { .. } => {}
            Event::Message { message, .. } => return message.topic().to_string(),
            other => panic!("{other:?}"),
        }
    }
}

/// A server that accepts the client and sends messages, one byte at a time.
fn play_server(mut stream: impl Read + Write) {
    assert_eq!(packet(&mut stream)[0], 0x10, "CONNECT comes first");
    let messages = *b"\x30\x05\x00\x01a\x00x\x30\x05\x00\x01b\x00x";
    for byte in CONNACK.iter().chain(&messages) {
        stream.write_all(&[*byte]).unwrap();
    }
    // It stays until the client goes.
    assert_eq!(packet(&mut stream)[0], 0xE0, "DISCONNECT comes last");
}

fn play_client(url: &str) {
    let client = Client::new(Options::new(url).unwrap()).unwrap();
    assert_eq!(next_message(&client), "a");
    assert_eq!(next_message(&client), "b");
    client.disconnect(mqtt_client::Farewell::default(), Some(DEADLINE)).unwrap();
}

/// [MQTT-4.2-1]
#[test]
fn packets_travel_over_tcp() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("mqtt://{}", listener.local_addr().unwrap());
    let client = std::thread::spawn(move || play_client(&url));
    let (stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    play_server(stream);
    client.join().unwrap();
}

/// [MQTT-4.2-1]
#[test]
fn packets_travel_over_unix_sockets() {
    let path = std::env::temp_dir().join(format!("mqtt-client-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).unwrap();
    let url = format!("unix://{}", path.display());
    let client = std::thread::spawn(move || play_client(&url));
    let (stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    play_server(stream);
    client.join().unwrap();
    std::fs::remove_file(&path).unwrap();
}

/// Lets the client through to whatever it says it wants, which is this server itself.
fn play_proxy(mut stream: TcpStream, dialogue: &[(&[u8], &[u8])]) {
    for (expected, answer) in dialogue {
        let mut said = vec![0; expected.len()];
        stream.read_exact(&mut said).unwrap();
        assert_eq!(said, *expected);
        stream.write_all(answer).unwrap();
    }
    play_server(stream);
}

#[track_caller]
fn passes(proxy: &str, dialogue: &[(&[u8], &[u8])]) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (scheme, rest) = proxy.split_once("//").unwrap();
    let proxy = format!("{scheme}//{rest}{}", listener.local_addr().unwrap());
    let client = std::thread::spawn(move || {
        let mut options = Options::new("mqtt://nowhere.invalid:258").unwrap();
        options.proxy = Some(Proxy::new(&proxy).unwrap());
        let client = Client::new(options).unwrap();
        assert_eq!(next_message(&client), "a");
        assert_eq!(next_message(&client), "b");
        client.disconnect(mqtt_client::Farewell::default(), Some(DEADLINE)).unwrap();
    });
    let (stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    play_proxy(stream, dialogue);
    client.join().unwrap();
}

#[test]
fn packets_travel_through_proxies() {
    let connect = b"\x05\x01\0\x03\x0Fnowhere.invalid\x01\x02";
    let connected = b"\x05\0\0\x01\0\0\0\0\0\0";
    passes("socks5h://", &[(b"\x05\x01\0", b"\x05\0"), (connect, connected)]);
    let named = b"\x05\0\0\x03\x01x\0\0";
    passes(
        "socks5h://ann:pw@",
        &[(b"\x05\x02\0\x02", b"\x05\x02"), (b"\x01\x03ann\x02pw", b"\x01\0"), (connect, named)],
    );
    let request = b"CONNECT nowhere.invalid:258 HTTP/1.1\r\nHost: nowhere.invalid:258\r\n\
        Proxy-Authorization: Basic YW5uOnB3\r\n\r\n";
    passes("http://ann:pw@", &[(request, b"HTTP/1.1 200 Fine\r\nVia: x\r\n\r\n")]);
}

#[test]
fn a_proxy_that_refuses_is_told_in_words() {
    let refusals: [(&str, &[u8], &str); 5] = [
        ("socks5h://", b"\x05\xFF", "the proxy wants a name and password"),
        ("socks5h://", b"\x05\0\x05\x05\0\x01", "the proxy found the server's port closed"),
        ("socks5h://", b"HTTP", "the proxy does not speak SOCKS 5"),
        ("http://", b"HTTP/1.1 403 No\r\n\r\nno", "the proxy answered 403"),
        ("http://", b"HTTP/1.1 200 OK\r\n\r\nearly", "the proxy speaks before the client does"),
    ];
    for (scheme, answer, message) in refusals {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy::new(&format!("{scheme}{}", listener.local_addr().unwrap())).unwrap();
        let mut options = Options::new("mqtt://10.0.0.1").unwrap();
        (options.proxy, options.reconnect) = (Some(proxy), None);
        let client = Client::new(options).unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(answer).unwrap();
        match client.next_event(Some(DEADLINE)) {
            Some(Event::ConnectFailed { error, .. }) => {
                assert_eq!((error.kind, &*error.message), (ErrorKind::Proxy, message));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_client_connects_from_the_address_it_is_given() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut options = Options::new(&format!("mqtt://{}", listener.local_addr().unwrap())).unwrap();
    options.bind_address = Some("127.0.0.7".parse().unwrap());
    let _client = Client::new(options).unwrap();
    let (_stream, from) = listener.accept().unwrap();
    assert_eq!(from.ip().to_string(), "127.0.0.7");
}

/// The program has subscribed to nothing and does no more than look at what there is.
/// [MQTT-3.3.4-1] [MQTT-4.5.0-2]
#[test]
fn messages_the_program_ignores_are_acknowledged() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("mqtt://{}", listener.local_addr().unwrap());
    let client = Client::new(Options::new(&url).unwrap()).unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    packet(&mut stream);
    stream.write_all(CONNACK).unwrap();
    stream.write_all(b"\x32\x07\x00\x01a\x00\x05\x00x\x34\x07\x00\x01b\x00\x06\x00x").unwrap();
    assert_eq!(next_message(&client), "a");
    assert_eq!(next_message(&client), "b");
    let bystander = std::thread::spawn(move || {
        while !matches!(client.next_event(Some(DEADLINE)).unwrap(), Event::Stopped { .. }) {}
    });
    assert_eq!(packet(&mut stream), b"\x40\x02\x00\x05");
    assert_eq!(packet(&mut stream), b"\x50\x02\x00\x06");
    // A refusal that waiting does not heal ends the client, and with it the thread.
    stream.write_all(b"\xE0\x01\x8E").unwrap();
    bystander.join().unwrap();
}
