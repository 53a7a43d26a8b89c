//! The program as its users know it: how it starts, ends, remembers, and says what is wrong.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod sockets;

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use mqtt_broker::core::change::{Change, SavedSession};
use mqtt_broker::core::time::WallClock;
use mqtt_broker::shell::Options;
use mqtt_broker::store::{Batch, RedbStore, Store};
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
        since: Some(at),
        expiry: Some(expiry),
        will: None,
    };
    let mut batch = Batch::default();
    batch.add(Change::Session(1, Box::new(session)));
    store.commit(&batch).unwrap();
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

/// What the broker says over HTTP about a path.
fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: broker\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn it_tells_over_http_how_it_is() {
    let arguments = ["--metrics-listen", "127.0.0.1:0", "--limit", "maximum-sessions=1"];
    let mut broker = Program::start(&arguments);
    let metrics = broker.log_line("figures are at http://");
    let (_, address) = metrics.split_once("http://").unwrap();
    let address = address.trim().strip_suffix("/metrics").unwrap().parse().unwrap();
    let _client = Peer::connect(broker.address, &clean("a"));
    let mut refused = Peer::open(broker.address);
    refused.send(&Packet::Connect(clean("b")));
    assert!(matches!(refused.receive(), Packet::ConnAck(_)));

    let answer = get(address, "/metrics");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    for line in [
        "# TYPE mqtt_broker_clients_connected gauge",
        "mqtt_broker_clients_connected 1",
        "mqtt_broker_connects_refused_total{reason=\"0x97\"} 1",
        "mqtt_broker_connections_turned_away_total{reason=\"full\"} 0",
    ] {
        assert!(body.lines().any(|other| other == line), "{line:?} is not in {body}");
    }
    assert!(get(address, "/healthz").ends_with("\r\n\r\nok\n"));
    assert!(get(address, "/").starts_with("HTTP/1.1 404 "));
}

/// Whatever clients call themselves, and whatever they say to prove it.
#[test]
fn the_log_has_what_clients_do_in_lines_without_secrets() {
    let scratch = Scratch::new();
    let users = scratch.path().join("users");
    fs::write(&users, "").unwrap();
    for format in ["text", "json"] {
        let mut broker = Program::start(&[
            "--log",
            "trace",
            "--log-format",
            format,
            "--allow-anonymous",
            "--password-file",
            users.to_str().unwrap(),
        ]);
        let name = "evil\n\u{1b}[31m WARN all is well";
        let mut client = Peer::connect(broker.address, &clean(name));
        client.publish("topic", b"PAYLOAD-OF-MINE");
        client.send(&Packet::PingReq);
        client.receive();
        let mut stranger = Peer::open(broker.address);
        stranger.send(&Packet::Connect(Connect {
            user_name: Some(Text::new("ann").unwrap()),
            password: Some(Binary::new(b"PASSWORD-OF-MINE").unwrap()),
            ..clean("b")
        }));
        assert!(matches!(stranger.receive(), Packet::ConnAck(_)));
        drop((client, stranger));
        broker.terminate();
        assert!(broker.wait().success());
        let log = broker.rest_of_log();
        assert!(!log.contains("-OF-MINE"), "{log}");
        assert!(log.contains("refused a client"), "{log}");
        assert!(log.lines().any(|line| line.contains("evil") && line.contains("all is well")));
        assert!(!log.contains("\u{1b}"), "{log}");
        for line in log.lines() {
            let is_one = if format == "json" { line.starts_with('{') } else { line.contains("Z ") };
            assert!(is_one, "{line}");
        }
    }
}

/// The program on a socket that listens already, as a service manager starts it.
fn start_on(socket: &TcpListener, notifications: &Path, state: &str) -> Program {
    let mut shell = Command::new("sh");
    let exec = "LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" \"$@\" 3<&0 0</dev/null";
    let url = format!("mqtt://{}", socket.local_addr().unwrap());
    shell.args(["-c", exec, env!("CARGO_BIN_EXE_mqtt-broker"), "--listen", &url]);
    shell.args(["--state-dir", state]).env("NOTIFY_SOCKET", notifications);
    let socket = OwnedFd::from(socket.try_clone().unwrap());
    Program::start_as(shell.stdin(socket).stderr(Stdio::piped()))
}

/// What the broker has told its service manager next.
fn notified(socket: &UnixDatagram) -> String {
    let mut buffer = [0; 100];
    let length = socket.recv(&mut buffer).unwrap();
    String::from_utf8(buffer[..length].to_vec()).unwrap()
}

/// A client that comes while there is no broker waits, and is served by the next one.
#[test]
fn one_broker_takes_the_place_of_another_without_closing_the_door() {
    let scratch = Scratch::new();
    let path = scratch.path().join("notify");
    let notifications = UnixDatagram::bind(&path).unwrap();
    notifications.set_read_timeout(Some(DEADLINE)).unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut first = start_on(&socket, &path, scratch.text());
    assert_eq!(notified(&notifications), "READY=1");
    let (mut client, _) = Peer::resume(first.address, &lasting("a"));
    first.terminate();
    let Packet::Disconnect(disconnect) = client.receive() else { panic!("no DISCONNECT") };
    assert_eq!(disconnect.reason, ReasonCode::ServerShuttingDown);
    drop(client);
    assert!(first.wait().success());
    assert_eq!(notified(&notifications), "STOPPING=1");

    let mut between = Peer::open(socket.local_addr().unwrap());
    between.send(&Packet::Connect(lasting("a")));
    let second = start_on(&socket, &path, scratch.text());
    assert_eq!(second.address, first.address);
    let Packet::ConnAck(connack) = between.receive() else { panic!("no CONNACK") };
    assert!(connack.session_present);
}

/// The door, too, goes by the limits that SIGHUP has read.
#[test]
fn sighup_changes_how_many_may_come() {
    let scratch = Scratch::new();
    let config = scratch.path().join("mqtt-broker.toml");
    let limit = |count| format!("[limits]\nmaximum-connections = {count}\n");
    fs::write(&config, limit(1)).unwrap();
    let broker = Program::start(&["--config", config.to_str().unwrap()]);
    let _first = Peer::connect(broker.address, &clean("first"));
    assert_eq!(Peer::open(broker.address).try_receive(), None);
    fs::write(&config, limit(2)).unwrap();
    broker.signal("HUP");
    wait_for("a place for a second", || {
        let mut peer = Peer::open(broker.address);
        // The broker may have hung up.
        let _ = peer.stream.write_all(&bytes(&Packet::Connect(clean("second"))));
        peer.try_receive()
    });
}

#[test]
fn a_damaged_store_is_refused_and_what_can_be_read_is_recovered() {
    let scratch = Scratch::new();
    let mut broker = Program::start(&["--state-dir", scratch.text()]);
    let mut publisher = Peer::connect(broker.address, &clean("publisher"));
    for topic in ["damaged", "whole"] {
        publisher.send(&Publish { retain: true, ..publish_1(topic, b"a payload to find") }.into());
        publisher.receive();
    }
    drop(publisher);
    broker.terminate();
    assert!(broker.wait().success());

    let file = scratch.path().join("mqtt-broker.redb");
    let mut bytes = fs::read(&file).unwrap();
    let payload = b"a payload to find";
    for start in 0..bytes.len() - payload.len() {
        if &bytes[start..start + payload.len()] == payload {
            bytes[start] = b'A';
        }
    }
    fs::write(&file, bytes).unwrap();
    let arguments = ["--listen", "mqtt://127.0.0.1:0", "--state-dir", scratch.text()];
    assert_refused(&arguments, &[scratch.text(), "damaged", "--recover"]);

    let mut broker = Program::start_as(&mut command(&[&arguments[..], &["--recover"]].concat()));
    let mut client = Peer::connect(broker.address, &clean("client"));
    client.subscribe("whole", AtLeastOnce);
    assert_eq!(client.message_1(), b"A payload to find");
    drop(client);
    broker.terminate();
    assert!(broker.wait().success());
    assert!(scratch.path().join("mqtt-broker.redb.damaged-1").exists());
    let _broker = Program::start(&["--state-dir", scratch.text()]);
}
