//! The program as its users know it: how it starts, ends, remembers, and says what is wrong.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod sockets;

use std::fs;
use std::net::TcpListener;
use std::time::{Duration, SystemTime};

use mqtt_broker::core::time::WallClock;
use mqtt_broker::core::{Change, SavedSession};
use mqtt_broker::shell::Options;
use mqtt_broker::store::{RedbStore, Store};
use mqtt_protocol::QoS::AtLeastOnce;
use mqtt_protocol::*;
use sockets::*;

/// [MQTT-3.14.4-1]
#[test]
fn sigterm_tells_every_client_and_ends_well() {
    let mut broker = Program::start(&[]);
    let mut clients = ["a", "b", "c"].map(|name| Peer::connect(broker.address, &clean(name)));
    broker.terminate();
    for client in &mut clients {
        let Packet::Disconnect(disconnect) = client.receive() else { panic!("no DISCONNECT") };
        assert_eq!(disconnect.reason, ReasonCode::ServerShuttingDown);
        assert_eq!(client.try_receive(), None);
    }
    drop(clients);
    assert!(broker.wait().success());
}

/// Retained messages, a session with its subscription, and what was queued for it.
#[test]
fn what_it_keeps_survives_a_restart() {
    let scratch = Scratch::new();
    let state = scratch.path().join("state");
    let arguments = ["--state-dir", state.to_str().unwrap()];
    let mut broker = Program::start(&arguments);
    let (mut away, _) = Peer::resume(broker.address, &lasting("away"));
    away.subscribe("queue", AtLeastOnce);
    away.send(&Packet::Disconnect(Disconnect::new(ReasonCode::Success)));
    assert_eq!(away.try_receive(), None);
    let mut publisher = Peer::connect(broker.address, &clean("publisher"));
    publisher.send(&publish_1("queue", b"while away").into());
    publisher.receive();
    publisher.send(&Publish { retain: true, ..publish_1("kept", b"retained") }.into());
    publisher.receive();
    drop((away, publisher));
    broker.terminate();
    assert!(broker.wait().success());

    let mut broker = Program::start(&arguments);
    let (mut away, present) = Peer::resume(broker.address, &lasting("away"));
    assert!(present);
    assert_eq!(away.message_1(), b"while away");
    away.subscribe("kept", AtLeastOnce);
    assert_eq!(away.message_1(), b"retained");
    drop(away);
    broker.terminate();
    assert!(broker.wait().success());
}

/// A store as a broker left it that stopped so long ago.
fn store_of_old(scratch: &Scratch, age: Duration, expiry: Duration) {
    let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap() - age;
    let at = mqtt_broker::core::time::Instant::default() + unix;
    let mut store = RedbStore::open(scratch.path(), WallClock { unix, at }).unwrap();
    let session = SavedSession {
        client_id: "away".into(),
        user: None,
        since: at,
        expiry: Some(expiry),
        subscriptions: Vec::new(),
        queue: Vec::new(),
        in_flight: Vec::new(),
        next_id: PacketId::FIRST,
        unreleased: Vec::new(),
        will: None,
    };
    store.commit(&[Change::Session(Box::new(session))]).unwrap();
}

/// [MQTT-4.1.0-2]
#[test]
fn a_session_grows_old_while_the_broker_is_not_running() {
    for (expiry_secs, is_kept) in [(3600 + 1000, true), (3600 - 1000, false)] {
        let scratch = Scratch::new();
        store_of_old(&scratch, Duration::from_secs(3600), Duration::from_secs(expiry_secs));
        let state_dir = Some(scratch.path().to_path_buf());
        let broker = InProcess::start_with(Options { state_dir, ..Options::default() });
        let (_, present) = Peer::resume(broker.address, &lasting("away"));
        assert_eq!(present, is_kept);
    }
}

#[test]
fn it_does_not_open_doors_to_the_world_by_itself() {
    assert_refused(&["--listen", "mqtt://0.0.0.0:0"], &["0.0.0.0", "--allow-anonymous"]);
    assert_refused(&["--listen", "mqtt://[::]:0"], &["[::]", "--allow-anonymous"]);
    let broker = Program::start(&["--listen", "mqtt://0.0.0.0:0", "--allow-anonymous"]);
    Peer::connect(broker.address, &clean("a"));
}

#[test]
fn a_port_in_use_is_said() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("mqtt://{}", taken.local_addr().unwrap());
    assert_refused(&["--listen", &url], &[&url, "in use"]);
}

#[test]
fn a_wrong_url_is_said() {
    for (url, words) in [
        ("localhost", ["localhost", "mqtt://"]),
        ("http://localhost", ["http", "mqtt"]),
        ("mqtt://localhost:port", ["port", "mqtt"]),
    ] {
        let (said, status) = refusal(&["--listen", url]);
        assert!(!status.success());
        let first = said.lines().next().unwrap();
        assert!(words.iter().all(|word| first.contains(word)), "{said}");
    }
}

#[test]
fn a_store_that_it_cannot_read_is_said_and_left_as_it_is() {
    let scratch = Scratch::new();
    let file = scratch.path().join("mqtt-broker.redb");
    let listen = ["--listen", "mqtt://127.0.0.1:0", "--state-dir", scratch.text()];

    // Written by a later version.
    let database = redb::Database::create(&file).unwrap();
    let transaction = database.begin_write().unwrap();
    let meta = redb::TableDefinition::<&str, u32>::new("meta");
    transaction.open_table(meta).unwrap().insert("format", 1000).unwrap();
    transaction.commit().unwrap();
    drop(database);
    assert_refused(&listen, &[scratch.text(), "format 1000"]);

    // Not a store at all.
    fs::write(&file, "a love letter, and not a short one".repeat(100)).unwrap();
    assert_refused(&listen, &[scratch.text()]);
    assert!(fs::read_to_string(&file).unwrap().starts_with("a love letter"));

    // Not a place for one.
    let in_a_file = file.to_str().unwrap();
    let listen = ["--listen", "mqtt://127.0.0.1:0", "--state-dir", in_a_file];
    assert_refused(&listen, &[in_a_file]);
}

#[test]
fn two_brokers_do_not_share_a_store() {
    let scratch = Scratch::new();
    let _first = Program::start(&["--state-dir", scratch.text()]);
    let second = ["--listen", "mqtt://127.0.0.1:0", "--state-dir", scratch.text()];
    assert_refused(&second, &[scratch.text()]);
}
