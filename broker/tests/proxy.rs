//! Connections that come through a proxy which says, in the PROXY protocol, who they are from.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

#[path = "support/proxy_header.rs"]
mod proxy_header;
mod sockets;
#[path = "../../protocol/tests/support/source.rs"]
#[allow(dead_code, reason = "what it can make is shared with other tests")]
mod source;

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use mqtt_broker::core::limits::Limits;
use mqtt_broker::shell::{Options, TlsFiles};
use mqtt_protocol::Packet;
use sockets::encryption::{Authority, encrypt};
use sockets::frames::{BINARY, CONNECT, OFFER, frame, receive_connack, upgrade};
use sockets::{InProcess, Peer, Scratch, clean, wait_for};
use tracing_subscriber::fmt::MakeWriter;

/// What all brokers of this process have logged.
static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        Self
    }
}

fn wait_for_log(words: &str) {
    wait_for(words, || {
        let log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&log).contains(words).then_some(())
    });
}

/// A broker that takes this network for proxies.
fn start(url: &str, proxies: &str, tls: Option<TlsFiles>) -> InProcess {
    static LOGGER: OnceLock<()> = OnceLock::new();
    LOGGER.get_or_init(|| {
        let filter = "mqtt_broker=debug";
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_ansi(false)
            .with_target(false)
            .with_writer(Log)
            .init();
    });
    let limits = Limits { connect_timeout: Duration::from_secs(2), ..Limits::default() };
    let proxies = vec![proxies.parse().unwrap()];
    InProcess::listen(url, Options { proxies, tls, limits, ..Options::default() })
}

const MQTT: &str = "mqtt://127.0.0.1:0";

/// A header for a client, in the form of each version. No other test has the client's address.
fn headers(client: &str) -> [Vec<u8>; 2] {
    let client: SocketAddr = client.parse().unwrap();
    let server = if client.is_ipv4() { "198.51.100.7:8883" } else { "[2001:db8::1]:8883" };
    let server = server.parse().unwrap();
    let extension = b"\x05\x00\x04id:1";
    [proxy_header::line(client, server), proxy_header::version_2(client, server, extension)]
}

fn open_with(broker: &InProcess, header: &[u8]) -> Peer {
    let mut peer = Peer::open(broker.address);
    peer.stream.write_all(header).unwrap();
    peer
}

fn is_served(mut peer: Peer) {
    peer.greet(&clean("a"));
    peer.send(&Packet::PingReq);
    assert_eq!(peer.receive(), Packet::PingResp);
}

/// The broker ends the connection without a byte.
fn is_closed(mut peer: Peer) {
    assert_eq!(peer.try_receive(), None);
}

#[test]
fn a_client_is_known_by_the_address_in_the_header() {
    let broker = start(MQTT, "127.0.0.0/8", None);
    for header in headers("203.0.113.7:40001") {
        is_served(open_with(&broker, &header));
    }
    wait_for_log("peer=203.0.113.7:40001");
}

#[test]
fn a_header_may_come_in_any_pieces() {
    let broker = start(MQTT, "127.0.0.1", None);
    for header in headers("203.0.113.8:40001") {
        let mut peer = open_with(&broker, b"");
        for byte in [&header, CONNECT].concat() {
            peer.stream.write_all(&[byte]).unwrap();
        }
        assert!(matches!(peer.receive(), Packet::ConnAck(_)));

        let mut peer = open_with(&broker, &[&header, CONNECT].concat());
        assert!(matches!(peer.receive(), Packet::ConnAck(_)));
    }
}

#[test]
fn a_header_stands_before_the_handshake_of_tls() {
    let scratch = Scratch::new();
    let authority = Authority::named("of the broker");
    let tls = Some(authority.certify(&["broker.example"]).files(&scratch, None));
    let broker = start("mqtts://127.0.0.1:0", "127.0.0.1", tls);
    for header in headers("203.0.113.9:40001") {
        let stream = open_with(&broker, &header).stream;
        let mut stream = encrypt(stream, "broker.example", authority.client(None));
        stream.write_all(CONNECT).unwrap();
        let mut answer = [0; 2];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer[0], 0x20, "CONNACK");
    }
    wait_for_log("peer=203.0.113.9:40001");
}

#[test]
fn a_header_stands_before_the_handshake_of_a_websocket() {
    let broker = start("ws://127.0.0.1:0", "127.0.0.1", None);
    for header in headers("[2001:db8::10]:40001") {
        let mut stream = open_with(&broker, &header).stream;
        assert!(upgrade(&mut stream, OFFER).starts_with("HTTP/1.1 101 "));
        stream.write_all(&frame(BINARY, CONNECT)).unwrap();
        receive_connack(&mut stream);
    }
    wait_for_log("peer=[2001:db8::10]:40001");
}

/// The proxy's own connections, to see whether the broker is alive, and clients it does not name.
#[test]
fn a_proxy_need_not_say_who_a_connection_is_from() {
    let broker = start(MQTT, "127.0.0.1", None);
    let version_2 = |command: u8, family: u8, behind: &[u8]| {
        [&b"\r\n\r\n\0\r\nQUIT\n"[..], &[command, family, 0, behind.len() as u8], behind].concat()
    };
    for header in [
        b"PROXY UNKNOWN\r\n".to_vec(),
        b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n".to_vec(),
        version_2(0x20, 0x00, b""),
        version_2(0x20, 0x11, &[1; 12]),
        version_2(0x21, 0x00, b""),
        version_2(0x21, 0x31, &[b'x'; 216]),
    ] {
        let peer = open_with(&broker, &header);
        let own = peer.stream.local_addr().unwrap();
        is_served(peer);
        wait_for_log(&format!("accepted peer={own}"));
    }
}

#[test]
fn a_proxy_that_sends_no_header_is_refused() {
    let broker = start(MQTT, "127.0.0.1", None);
    for (bytes, reason) in [
        (CONNECT, "the connection does not begin with a PROXY header"),
        (b"\x16\x03\x01", "the connection does not begin with a PROXY header"),
        (b"PROXY TCP4 nonsense\r\n", "the PROXY header is malformed"),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x03abc", "the PROXY header is malformed"),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xFF\xFF", "the PROXY header is too long"),
        (&[&b"PROXY UNKNOWN"[..], &[b' '; 100]].concat(), "the PROXY header is too long"),
    ] {
        let peer = open_with(&broker, bytes);
        let proxy = peer.stream.local_addr().unwrap();
        is_closed(peer);
        wait_for_log(&format!("WARN refused a connection: {reason} proxy={proxy}"));
    }
}

#[test]
fn a_header_that_does_not_come_to_its_end_ends_in_time() {
    let broker = start(MQTT, "127.0.0.1", None);
    let [line, version_2] = headers("203.0.113.11:40001");
    for half in [&b""[..], &line[..20], &version_2[..20]] {
        let peer = open_with(&broker, half);
        let proxy = peer.stream.local_addr().unwrap();
        is_closed(peer);
        let reason = "no PROXY header in time";
        wait_for_log(&format!("WARN refused a connection: {reason} proxy={proxy}"));

        let peer = open_with(&broker, half);
        let proxy = peer.stream.local_addr().unwrap();
        peer.stream.shutdown(Shutdown::Write).unwrap();
        is_closed(peer);
        let reason = "the connection ended within the PROXY header";
        wait_for_log(&format!("refused a connection: {reason} proxy={proxy}"));
    }
}

/// Otherwise anybody could claim to be anybody.
#[test]
fn a_header_of_somebody_else_is_never_looked_at() {
    let broker = start(MQTT, "192.0.2.1", None);
    is_served(Peer::open(broker.address));
    for header in headers("203.0.113.12:40001") {
        let mut peer = open_with(&broker, &[&header, CONNECT].concat());
        let mut received = Vec::new();
        read_to_end(&mut peer.stream, &mut received);
        assert!(!received.starts_with(b"\x20\x03\x00\x00"), "{received:02x?}");
    }
    let log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(!String::from_utf8_lossy(&log).contains("203.0.113.12"));
}

fn read_to_end(stream: &mut TcpStream, received: &mut Vec<u8>) {
    match stream.read_to_end(received) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{error}"),
    }
}

#[test]
fn a_network_that_is_none_is_said() {
    let arguments = ["--proxy-protocol-from", "10.0.0.0/33"];
    let (said, status) = sockets::refusal(&arguments);
    assert!(!status.success());
    assert!(said.contains("10.0.0.0/33") && said.contains("like 10.0.0.0/8"), "{said}");
}

/// Whatever the bytes; `fuzz/targets/proxy.rs` looks harder.
#[test]
fn any_bytes_are_a_header_or_the_beginning_of_one_or_neither() {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let [line, version_2] = headers("203.0.113.13:40001");
    for round in 0..20_000 {
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as usize
        };
        let mut bytes = if round % 2 == 0 { line.clone() } else { version_2.clone() };
        for _ in 0..random() % 4 {
            let at = random() % bytes.len();
            bytes[at] = random() as u8;
        }
        bytes.truncate(random() % 100);
        proxy_header::check(&bytes);
    }
}
