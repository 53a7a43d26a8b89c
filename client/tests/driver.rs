//! The driver on real sockets: slow peers, broken connections, full queues.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

use std::io::{ErrorKind as IoErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use mqtt_client::protocol::{
    Ack, ConnAck, ConnAckProperties, Decoded, Delivery, Packet, PacketId, Publish, QoS, ReasonCode,
    TopicName, decode,
};
use mqtt_client::{Client, Draft, ErrorKind, Event, EventLimit, Options, Reconnect};

/// How long anything may take that is expected to happen.
const DEADLINE: Duration = Duration::from_secs(60);

/// A server that the test plays.
struct Server(TcpListener);

/// One connection to it.
struct Connection {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Server {
    fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    fn options(&self) -> Options {
        let url = format!("mqtt://{}", self.0.local_addr().unwrap());
        let reconnect =
            Reconnect { minimum: Duration::from_millis(1), maximum: Duration::from_millis(10) };
        Options { reconnect: Some(reconnect), ..Options::new(&url).unwrap() }
    }

    /// Takes a client in.
    fn accept(&self) -> Connection {
        let (stream, _) = self.0.accept().unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut connection = Connection { stream, unread: Vec::new() };
        connection.expect(|packet| matches!(packet, Packet::Connect(_)).then_some(()));
        connection.send(&Packet::ConnAck(ConnAck {
            session_present: false,
            reason: ReasonCode::Success,
            properties: ConnAckProperties::default(),
        }));
        connection
    }
}

impl Connection {
    fn send(&mut self, packet: &Packet<'_>) {
        let mut bytes = Vec::new();
        packet.encode(&mut bytes).unwrap();
        self.stream.write_all(&bytes).unwrap();
    }

    /// Reads one packet and takes from it what the test wants.
    fn expect<T>(&mut self, wanted: impl Fn(&Packet<'_>) -> Option<T>) -> T {
        loop {
            if let Decoded::Packet { packet, length } = decode(&self.unread, usize::MAX).unwrap() {
                let found = wanted(&packet).unwrap_or_else(|| panic!("unexpected {packet:?}"));
                self.unread.drain(..length);
                return found;
            }
            let mut some = vec![0; 65_536];
            let count = self.stream.read(&mut some).unwrap();
            assert!(count > 0, "the client has closed");
            self.unread.extend_from_slice(&some[..count]);
        }
    }
}

fn topic(name: &str) -> TopicName<'_> {
    TopicName::new(name).unwrap()
}

fn next(client: &Client) -> Event {
    client.next_event(Some(DEADLINE)).expect("something happens")
}

/// A wakeup that is lost shows only with a peer that lets the socket fill up.
#[test]
fn a_server_that_reads_slowly_gets_everything() {
    const MESSAGES: u32 = 3000;
    let server = Server::new();
    let mut options = server.options();
    options.queue.messages = 50;
    options.sent_aliases = 0;
    let client = Client::new(options).unwrap();
    let mut connection = server.accept();
    let reader = thread::spawn(move || {
        for number in 0..MESSAGES {
            connection.expect(|packet| match packet {
                Packet::Publish(message) => {
                    assert_eq!(message.payload[..4], number.to_be_bytes());
                    Some(())
                }
                _ => None,
            });
            if number % 500 == 0 {
                // Long enough for the client to find the socket full.
                thread::sleep(Duration::from_millis(20));
            }
        }
        connection
    });
    let mut payload = vec![0; 20_000];
    let (mut done, mut refusals) = (0, 0);
    for number in 0..MESSAGES {
        payload[..4].copy_from_slice(&number.to_be_bytes());
        while let Err(error) = client.publish(&Draft::new(topic("t"), &payload), true) {
            assert_eq!(error.kind, ErrorKind::Full);
            refusals += 1;
            loop {
                match next(&client) {
                    Event::Writable => break,
                    Event::PublishDone { result: Ok(_), .. } => done += 1,
                    Event::Connected { .. } => {}
                    other => panic!("{other:?}"),
                }
            }
        }
    }
    while done < MESSAGES {
        if let Event::PublishDone { result: Ok(_), .. } = next(&client) {
            done += 1;
        }
    }
    assert!(refusals > 0, "60 MB do not fit into sockets and queue");
    drop(reader.join().unwrap());
}

#[test]
fn a_large_message_arrives_whole() {
    let server = Server::new();
    let client = Client::new(server.options()).unwrap();
    let mut connection = server.accept();
    let payload: Vec<u8> = (0..5_000_000_u32).map(|number| number as u8).collect();
    let sent = payload.clone();
    let writer = thread::spawn(move || {
        connection.send(&Packet::Publish(Publish::at_most_once(topic("large"), &sent)));
        connection
    });
    loop {
        if let Event::Message { message, .. } = next(&client) {
            assert!(message.payload() == payload);
            break;
        }
    }
    drop(writer.join().unwrap());
}

/// While the program does not take its events the library reads no more, and goes on afterwards.
#[test]
fn a_program_that_takes_no_events_holds_the_server_back() {
    const MESSAGES: u32 = 3000;
    static STALLED: AtomicBool = AtomicBool::new(false);
    let server = Server::new();
    let mut options = server.options();
    options.event_queue = EventLimit { events: 100, bytes: 1_000_000 };
    let client = Client::new(options).unwrap();
    let mut connection = server.accept();
    let writer = thread::spawn(move || {
        connection.stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
        let mut payload = vec![0; 20_000];
        for number in 0..MESSAGES {
            payload[..4].copy_from_slice(&number.to_be_bytes());
            let mut bytes = Vec::new();
            let message = Publish::at_most_once(topic("t"), &payload);
            Packet::Publish(message).encode(&mut bytes).unwrap();
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                match connection.stream.write(rest) {
                    Ok(count) => rest = &rest[count..],
                    Err(error) if error.kind() == IoErrorKind::WouldBlock => {
                        STALLED.store(true, Ordering::Relaxed);
                    }
                    Err(error) => panic!("{error}"),
                }
            }
        }
        connection
    });
    let patience = Instant::now() + DEADLINE;
    while !STALLED.load(Ordering::Relaxed) {
        assert!(!writer.is_finished(), "60 MB went into a queue of 1 MB");
        assert!(Instant::now() < patience, "the server is held back");
        thread::sleep(Duration::from_millis(5));
    }
    assert!(client.counts().received < u64::from(MESSAGES));
    for number in 0..MESSAGES {
        let message = loop {
            if let Event::Message { message, .. } = next(&client) {
                break message;
            }
        };
        assert_eq!(message.payload()[..4], number.to_be_bytes());
    }
    drop(writer.join().unwrap());
}

/// [MQTT-4.6.0-2]
#[test]
fn acknowledgements_keep_their_order_while_the_program_drains() {
    const MESSAGES: u16 = 1000;
    let server = Server::new();
    let client = Client::new(server.options()).unwrap();
    let mut connection = server.accept();
    let id = |number| PacketId::new(number).unwrap();
    for number in 1..=MESSAGES {
        let message = Publish::at_most_once(topic("t"), b"");
        let delivery = Delivery::AtLeastOnce { packet_id: id(number), duplicate: false };
        connection.send(&Packet::Publish(Publish { delivery, ..message }));
    }
    let mut received = 0;
    while received < MESSAGES {
        received += u16::from(matches!(next(&client), Event::Message { .. }));
    }
    assert!(client.next_event(Some(Duration::ZERO)).is_none(), "the last one is done with, too");
    for number in 1..=MESSAGES {
        let ack = Ack::new(id(number), ReasonCode::Success);
        connection.expect(|packet| (*packet == Packet::PubAck(ack.clone())).then_some(()));
    }
}

#[test]
fn a_broken_connection_is_replaced_and_its_messages_come_again() {
    let server = Server::new();
    let client = Client::new(server.options()).unwrap();
    let mut draft = Draft::new(topic("t"), b"kept");
    draft.qos = QoS::AtLeastOnce;
    let op = client.publish(&draft, true).unwrap();
    for attempt in 0..3 {
        let mut connection = server.accept();
        let packet_id = connection.expect(|packet| match packet {
            Packet::Publish(message) => message.delivery.packet_id(),
            _ => None,
        });
        if attempt == 2 {
            connection.send(&Packet::PubAck(Ack::new(packet_id, ReasonCode::Success)));
            let event = client.wait(op, Some(DEADLINE)).unwrap();
            assert!(event.error().is_none());
        }
    }
    assert_eq!(client.counts().reconnects, 2);
}

#[test]
fn a_name_that_does_not_exist_fails_and_holds_nobody_up() {
    let options = Options::new("mqtt://no-such-name.invalid").unwrap();
    drop(Client::new(options.clone()).unwrap());
    let client = Client::new(options).unwrap();
    match next(&client) {
        Event::ConnectFailed { error, .. } => assert_eq!(error.kind, ErrorKind::Dns),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_client_goes_while_its_server_does_not_read() {
    let server = Server::new();
    let client = Client::new(server.options()).unwrap();
    let connection = server.accept();
    client.wait_connected(Some(DEADLINE)).unwrap();
    let payload = vec![0; 100_000];
    while client.publish(&Draft::new(topic("t"), &payload), false).is_ok() {}
    let (gone, is_gone) = mpsc::channel();
    let leaving = thread::spawn(move || {
        let result =
            client.disconnect(mqtt_client::Farewell::default(), Some(Duration::from_millis(1)));
        drop(client);
        gone.send(result.unwrap_err().kind).unwrap();
    });
    assert_eq!(is_gone.recv_timeout(DEADLINE), Ok(ErrorKind::Timeout));
    leaving.join().unwrap();
    drop(connection);
}
