//! What the tests of transports share: a server's side of the dialogue, and how a client fails.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

pub mod certificates;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use mqtt_client::{Client, Error, Event, Farewell, Options};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How long anything may take that is expected to happen.
pub const DEADLINE: Duration = Duration::from_secs(60);

pub const CONNACK: &[u8] = b"\x20\x03\x00\x00\x00";
/// Two messages, on the topics a and b.
pub const MESSAGES: &[u8] = b"\x30\x05\x00\x01a\x00x\x30\x05\x00\x01b\x00x";

/// A server of the test's own.
pub struct Listener(TcpListener);

impl Listener {
    pub fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    pub fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    pub fn port(&self) -> u16 {
        self.address().port()
    }

    /// Waits for a client.
    pub fn accept(&self) -> TcpStream {
        let limit = Timespec::try_from(DEADLINE).unwrap();
        let ready = poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&limit)).unwrap();
        assert_eq!(ready, 1, "a client connects");
        let (stream, _) = self.0.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        stream
    }
}

/// A stream that writes one byte at a time.
pub struct Dribble(pub TcpStream);

impl Read for Dribble {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Dribble {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes.split_at(1.min(bytes.len())).0)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Reads a packet with a remaining length of one byte.
pub fn packet(stream: &mut impl Read) -> Vec<u8> {
    let mut packet = vec![0; 2];
    stream.read_exact(&mut packet).unwrap();
    assert!(packet[1] < 0x80, "a short packet");
    packet.resize(2 + usize::from(packet[1]), 0);
    stream.read_exact(&mut packet[2..]).unwrap();
    packet
}

/// Accepts the client and sends two messages, so many bytes at a time.
pub fn greet(stream: &mut (impl Read + Write), piece: usize) {
    assert_eq!(packet(stream)[0], 0x10, "CONNECT comes first");
    for bytes in [CONNACK, MESSAGES].concat().chunks(piece) {
        stream.write_all(bytes).unwrap();
        stream.flush().unwrap();
    }
}

/// Reads the farewell, and sees the other end close in good order.
pub fn see_off(stream: &mut impl Read) {
    assert_eq!(packet(stream)[0], 0xE0, "DISCONNECT comes last");
    assert_eq!(stream.read(&mut [0]).unwrap(), 0, "nothing comes after it");
}

/// Connects, takes the two messages and leaves.
pub fn visit(options: Options) {
    let client = Client::new(options).unwrap();
    assert!(matches!(next(&client), Event::Connected { .. }));
    for name in ["a", "b"] {
        match next(&client) {
            Event::Message { message, .. } => assert_eq!(message.topic().as_str(), name),
            other => panic!("{other:?}"),
        }
    }
    client.disconnect(Farewell::default(), Some(DEADLINE)).unwrap();
}

pub fn next(client: &Client) -> Event {
    client.next_event(Some(DEADLINE)).expect("something happens")
}

/// Tries to connect once, in vain: one event tells of it, and the next that there are no more.
pub fn refusal(options: Options) -> Error {
    let client = Client::new(Options { reconnect: None, ..options }).unwrap();
    let error = match next(&client) {
        Event::ConnectFailed { error, retry: None } => error,
        other => panic!("{other:?}"),
    };
    match next(&client) {
        Event::Stopped { error: Some(last) } => assert_eq!(last, error),
        other => panic!("{other:?}"),
    }
    assert!(client.next_event(Some(Duration::ZERO)).is_none());
    assert!(!error.message.contains('\n'), "one line: {error}");
    error
}
