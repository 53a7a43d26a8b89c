//! The shell over real sockets: bytes in any pieces, readers of any speed, ends of any kind.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod sockets;

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use mqtt_broker::core::limits::Limits;
use mqtt_broker::shell::Options;
use mqtt_protocol::QoS::{AtLeastOnce, AtMostOnce};
use mqtt_protocol::*;
use sockets::*;

/// [MQTT-4.2-1]
#[test]
fn bytes_may_come_one_at_a_time() {
    let broker = InProcess::start();
    let mut client = Peer::open(broker.address);
    let packets = [
        Packet::Connect(clean("a")),
        subscribe("topic", AtMostOnce),
        Publish::at_most_once(TopicName::new("topic").unwrap(), b"hello").into(),
        Packet::PingReq,
    ];
    for byte in packets.iter().flat_map(bytes) {
        client.stream.write_all(&[byte]).unwrap();
    }
    assert!(matches!(client.receive(), Packet::ConnAck(_)));
    assert!(matches!(client.receive(), Packet::SubAck(_)));
    assert_eq!(client.message(), b"hello");
    assert_eq!(client.receive(), Packet::PingResp);
}

#[test]
fn many_packets_may_come_in_one_piece() {
    let broker = InProcess::start();
    let mut client = broker.connect("a");
    let mut batch = bytes(&subscribe("topic", AtLeastOnce));
    for number in 0..1000_u16 {
        batch.extend(bytes(&publish_1("topic", &number.to_be_bytes()).into()));
    }
    client.stream.write_all(&batch).unwrap();
    assert!(matches!(client.receive(), Packet::SubAck(_)));
    let (mut messages, mut acknowledged) = (0_u16, 0);
    while messages < 1000 || acknowledged < 1000 {
        match client.receive() {
            Packet::PubAck(_) => acknowledged += 1,
            Packet::Publish(publish) => {
                assert_eq!(publish.payload, messages.to_be_bytes());
                let packet_id = publish.delivery.packet_id().unwrap();
                client.send(&Packet::PubAck(Ack::new(packet_id, ReasonCode::Success)));
                messages += 1;
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_big_message_reaches_several_readers() {
    let broker = InProcess::start();
    let mut readers = ["a", "b", "c"].map(|name| broker.connect(name));
    for reader in &mut readers {
        reader.subscribe("big", AtLeastOnce);
    }
    let payload: Vec<u8> = (0..1_000_000).map(|number: u32| (number % 251) as u8).collect();
    let mut publisher = broker.connect("publisher");
    publisher.send(&publish_1("big", &payload).into());
    for reader in &mut readers {
        assert!(reader.message_1() == payload);
    }
    assert!(matches!(publisher.receive(), Packet::PubAck(_)));
}

/// Neither others wait for it, nor does memory fill.
#[test]
fn a_reader_that_never_reads_is_nobodys_burden() {
    let broker = Program::start(&[]);
    let mut lazy = Peer::connect(broker.address, &clean("lazy"));
    lazy.subscribe("topic", AtMostOnce);
    let mut eager = Peer::connect(broker.address, &clean("eager"));
    eager.subscribe("topic", AtMostOnce);
    let mut publisher = Peer::connect(broker.address, &clean("publisher"));
    let payload = vec![7; 64 * 1024];
    let before = broker.memory();
    for _ in 0..1000 {
        publisher.publish("topic", &payload);
        assert_eq!(eager.message().len(), payload.len());
    }
    let grown = broker.memory().saturating_sub(before);
    assert!(grown < 32 * 1024 * 1024, "{grown} bytes for 64 MiB of messages");
    // What it reads after all are whole packets.
    assert_eq!(lazy.message().len(), payload.len());
}

/// Its questions are not read any more when too many answers wait, and all are answered when it
/// reads after all.
#[test]
fn a_client_that_asks_and_never_reads_is_held_back() {
    let broker = InProcess::start();
    let mut client = broker.connect("a");
    client.stream.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    let questions = bytes(&Packet::PingReq).repeat(32 * 1024);
    let mut sent = 0;
    loop {
        let from = sent % questions.len();
        match client.stream.write(&questions[from..]) {
            Ok(length) => sent += length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => panic!("{error}"),
        }
        assert!(sent < 256 * 1024 * 1024, "nobody holds it back");
    }
    // Half a question may be on its way.
    client.stream.set_write_timeout(None).unwrap();
    let mut writer = client.stream.try_clone().unwrap();
    let rest = vec![0; sent % 2];
    let rest = std::thread::spawn(move || writer.write_all(&rest).unwrap());
    let mut answers = vec![0; sent.next_multiple_of(2)];
    client.stream.read_exact(&mut answers).unwrap();
    let answer = bytes(&Packet::PingResp);
    assert!(answers.chunks_exact(2).all(|two| two == answer));
    rest.join().unwrap();
    client.send(&subscribe("topic", AtMostOnce));
    assert!(matches!(client.receive(), Packet::SubAck(_)));
}

/// [MQTT-3.1.2-8]
#[test]
fn a_connection_that_breaks_leaves_the_will() {
    let broker = InProcess::start();
    let mut watcher = broker.connect("watcher");
    watcher.subscribe("will", AtMostOnce);
    let will = Will {
        qos: AtMostOnce,
        retain: false,
        properties: WillProperties::default(),
        topic: TopicName::new("will").unwrap(),
        payload: Binary::new(b"gone").unwrap(),
    };
    let client = Peer::connect(broker.address, &Connect { will: Some(will), ..clean("a") });
    client.stream.shutdown(Shutdown::Both).unwrap();
    assert_eq!(watcher.message(), b"gone");
}

/// [MQTT-3.1.4-3] [MQTT-3.14.4-2]
#[test]
fn the_older_of_two_connections_is_told_and_closed() {
    let broker = InProcess::start();
    let mut older = broker.connect("a");
    let mut newer = broker.connect("a");
    let Packet::Disconnect(disconnect) = older.receive() else { panic!("no DISCONNECT") };
    assert_eq!(disconnect.reason, ReasonCode::SessionTakenOver);
    assert_eq!(older.try_receive(), None);
    newer.send(&Packet::PingReq);
    assert_eq!(newer.receive(), Packet::PingResp);
}

/// What was not read yet must not cost the client the answer.
#[test]
fn a_refusal_arrives_however_much_the_client_goes_on_to_send() {
    let broker = InProcess::start();
    let mut client = Peer::open(broker.address);
    let mut refused = clean("a");
    refused.properties.authentication_method = Some(Text::new("UNKNOWN").unwrap());
    let mut batch = bytes(&Packet::Connect(refused));
    batch.resize(batch.len() + 1_000_000, 0xFF);
    let mut writer = client.stream.try_clone().unwrap();
    // The broker may hang up before it has taken all.
    let writing = std::thread::spawn(move || drop(writer.write_all(&batch)));
    let Packet::ConnAck(connack) = client.receive() else { panic!("no CONNACK") };
    assert_eq!(connack.reason, ReasonCode::BadAuthenticationMethod);
    assert_eq!(client.try_receive(), None);
    client.stream.shutdown(Shutdown::Both).unwrap();
    writing.join().unwrap();
}

#[test]
fn many_clients_come_and_go() {
    let broker = InProcess::start();
    let mut peers: Vec<Peer> = Vec::new();
    for round in 0..5 {
        for number in 0..50 {
            let mut peer = broker.connect(&format!("client-{number}"));
            peer.subscribe("all", AtMostOnce);
            // The older connection of the same name is taken over and dropped.
            match peers.get_mut(number) {
                Some(older) => *older = peer,
                None => peers.push(peer),
            }
        }
        peers[round].publish("all", &[round as u8]);
        for peer in &mut peers {
            assert_eq!(peer.message(), [round as u8]);
        }
    }
}

/// A broker to which the test can claim to be on any machine, by what a proxy says.
fn start_for_strangers(limits: Limits) -> InProcess {
    let proxies = vec!["127.0.0.1".parse().unwrap()];
    InProcess::start_with(Options { proxies, limits, ..Options::default() })
}

/// A client at another address that does or does not get in.
fn stranger(broker: &InProcess, address: &str) -> Peer {
    let mut peer = Peer::open(broker.address);
    write!(peer.stream, "PROXY TCP4 {address} 198.51.100.7 40000 1883\r\n").unwrap();
    peer
}

/// Whether the broker lets a client in; it may hang up before it has heard anything.
fn gets_in(peer: &mut Peer, client_id: &str) -> bool {
    let _ = peer.stream.write_all(&bytes(&Packet::Connect(clean(client_id))));
    peer.try_receive().is_some()
}

#[test]
fn an_address_has_so_many_connections_and_no_more() {
    let limits = Limits { maximum_connections_per_address: 2, ..Limits::default() };
    let broker = start_for_strangers(limits);
    let mut first = ["a", "b"].map(|name| (stranger(&broker, "192.0.2.1"), name));
    assert!(first.iter_mut().all(|(peer, name)| gets_in(peer, name)));
    assert!(!gets_in(&mut stranger(&broker, "192.0.2.1"), "c"));
    assert!(gets_in(&mut stranger(&broker, "192.0.2.2"), "of another"));
    let [left, _here] = first;
    drop(left);
    wait_for("the place of who has left", || {
        gets_in(&mut stranger(&broker, "192.0.2.1"), "c").then_some(())
    });
}

#[test]
fn who_comes_too_often_is_turned_away() {
    let limits = Limits { maximum_arrivals_per_address: 3, ..Limits::default() };
    let broker = start_for_strangers(limits);
    let count = (0..100).filter(|_| gets_in(&mut stranger(&broker, "192.0.2.1"), "a")).count();
    assert!((3..100).contains(&count), "{count} of 100");
}

#[test]
fn a_client_of_another_machine_is_read_at_the_rate_it_is_granted() {
    let limits = Limits { maximum_requests_per_second: 100, ..Limits::default() };
    let broker = start_for_strangers(limits);
    let mut client = stranger(&broker, "192.0.2.1");
    client.greet(&clean("a"));
    let begin = Instant::now();
    client.stream.write_all(&bytes(&Packet::PingReq).repeat(250)).unwrap();
    for _ in 0..250 {
        assert_eq!(client.receive(), Packet::PingResp);
    }
    // A machine may be slower than this, but not quicker.
    assert!(begin.elapsed() > Duration::from_secs(1), "{:?}", begin.elapsed());
}
