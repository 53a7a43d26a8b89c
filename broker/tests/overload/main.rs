//! The broker under more than it can bear: each test does its worst, judges, and prints a figure.
//!
//! They take long and want the machine for themselves, so that they run only when asked:
//! `make faults`. `SECONDS=600` makes those longer that go on for a while.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod crowd;
#[path = "../sockets/mod.rs"]
mod sockets;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crowd::{Guest, Times};
use mqtt_protocol::QoS::{AtLeastOnce, AtMostOnce};
use mqtt_protocol::*;
use sockets::*;
use tokio::task::JoinSet;

const MIB: usize = 1024 * 1024;

/// How long to go on.
fn duration() -> Duration {
    let secs = std::env::var("SECONDS").ok().and_then(|secs| secs.parse().ok());
    Duration::from_secs(secs.unwrap_or(10))
}

fn block_on<T>(task: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap().block_on(task)
}

/// A figure of the broker's own, from its metrics.
fn figure(metrics: SocketAddr, name: &str) -> u64 {
    let mut stream = std::net::TcpStream::connect(metrics).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let line = answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0, |value| value.parse().unwrap())
}

/// A broker that tells figures; where it does.
fn start_with_figures(arguments: &[&str]) -> (Program, SocketAddr) {
    let mut broker = Program::start(&[&["--metrics-listen", "127.0.0.1:0"], arguments].concat());
    let line = broker.log_line("figures are at http://");
    let (_, address) = line.split_once("http://").unwrap();
    (broker, address.trim().strip_suffix("/metrics").unwrap().parse().unwrap())
}

/// Stamped messages at a steady pace, until told to stop; how long each took to each receiver.
fn pace(address: SocketAddr, receivers: usize, lasting: Duration) -> Times {
    block_on(async move {
        let mut tasks = JoinSet::new();
        let begin = Instant::now();
        for number in 0..receivers {
            let mut guest = Guest::open(address).await.unwrap();
            guest.greet(&clean(&format!("reader-{number}"))).await.unwrap();
            guest.send(&subscribe("pace", AtMostOnce)).await.unwrap();
            guest.receive().await.unwrap();
            tasks.spawn(async move {
                let mut times = Times::default();
                while let Ok(packet) = guest.receive().await {
                    let payload = packet.len() - 1024;
                    let stamp: [u8; 8] = packet[payload..payload + 8].try_into().unwrap();
                    let stamp = u64::from_be_bytes(stamp);
                    if stamp == u64::MAX {
                        break;
                    }
                    times.note(begin + Duration::from_nanos(stamp));
                }
                times
            });
        }
        let mut publisher = Guest::open(address).await.unwrap();
        publisher.greet(&clean("publisher")).await.unwrap();
        let topic = TopicName::new("pace").unwrap();
        let mut payload = vec![7; 1024];
        let mut ticks = tokio::time::interval(Duration::from_millis(1));
        let end = Instant::now() + lasting;
        while Instant::now() < end {
            ticks.tick().await;
            let stamp = begin.elapsed().as_nanos() as u64;
            payload[..8].copy_from_slice(&stamp.to_be_bytes());
            publisher.send(&Publish::at_most_once(topic, &payload).into()).await.unwrap();
        }
        payload[..8].copy_from_slice(&u64::MAX.to_be_bytes());
        publisher.send(&Publish::at_most_once(topic, &payload).into()).await.unwrap();
        let mut times = Times::default();
        for of_one in tasks.join_all().await {
            times.extend(of_one);
        }
        times
    })
}

#[test]
fn one_who_never_reads() {
    let (broker, metrics) = start_with_figures(&[]);
    let mut undisturbed = pace(broker.address, 100, duration());
    let mut lazy = Peer::connect(broker.address, &clean("lazy"));
    lazy.subscribe("pace", AtMostOnce);
    lazy.subscribe("much", AtMostOnce);
    let before = broker.memory();
    // The buffers of both systems take some, too.
    let mut filler = Peer::connect(broker.address, &clean("filler"));
    wait_for("a message too many", || {
        filler.publish("much", &vec![7; 100_000]);
        (figure(metrics, "mqtt_broker_messages_dropped_total") > 0).then_some(())
    });
    let mut disturbed = pace(broker.address, 100, duration());
    let grown = broker.memory().saturating_sub(before) as f64 / MIB as f64;
    let dropped = figure(metrics, "mqtt_broker_messages_dropped_total");
    let (calm, rough) = (undisturbed.percentile(99), disturbed.percentile(99));
    println!(
        "one who never reads: others' p99 {calm:.1} -> {rough:.1} ms, memory + {grown:.1} MiB, \
         {dropped} messages dropped, {} delivered",
        disturbed.count()
    );
    assert!(dropped > 0, "and that is counted");
    assert!(grown < 8.0);
}

/// Ten thousand sockets with half a CONNECT, and headers that announce 256 MB, from everywhere.
#[test]
fn a_crowd_in_the_door() {
    let (broker, metrics) = start_with_figures(&["--proxy-protocol-from", "127.0.0.1"]);
    let address = broker.address;
    let before = broker.memory();
    let (mut logins, grown, opened, closed_after) = block_on(async move {
        let is_over = Arc::new(AtomicBool::new(false));
        let over = is_over.clone();
        let genuine = tokio::spawn(async move {
            let mut times = Times::default();
            for number in 0.. {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                let begin = Instant::now();
                let mut guest = Guest::open_from(address, 0x00FF_0000 + number).await.unwrap();
                assert_eq!(guest.greet(&clean("genuine")).await.unwrap(), ReasonCode::Success);
                times.note(begin);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            times
        });
        let over = is_over.clone();
        let liar = tokio::spawn(async move {
            for number in 0.. {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                let mut guest = Guest::open_from(address, 0x00F0_0000 + number).await.unwrap();
                let _ = guest.send_bytes(b"\x10\xFF\xFF\xFF\x7F").await;
                let _ = guest.receive().await;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        let half = bytes(&Packet::Connect(clean("half")));
        let mut crowd = Vec::new();
        for number in 0..10_000 {
            let mut guest = Guest::open_from(address, number).await.unwrap();
            let _ = guest.send_bytes(&half[..half.len() / 2]).await;
            crowd.push(guest);
        }
        let opened = Instant::now();
        let grown = broker.memory().saturating_sub(before) as f64 / MIB as f64;
        for mut guest in crowd {
            assert!(guest.receive().await.is_err(), "the broker hangs up");
        }
        let closed_after = opened.elapsed();
        is_over.store(true, Ordering::Relaxed);
        liar.await.unwrap();
        let times = genuine.await.unwrap();
        wait_for("the last connection's end", || {
            (figure(metrics, "mqtt_broker_connections_open") == 0).then_some(())
        });
        (times, grown, 10_000, closed_after)
    });
    println!(
        "a crowd in the door: {opened} half CONNECTs, memory + {grown:.1} MiB, all closed {:.1} s \
         after the last, {} genuine logins meanwhile with p99 {:.0} ms",
        closed_after.as_secs_f64(),
        logins.count(),
        logins.percentile(99)
    );
    assert!(grown < 40.0);
    assert!(closed_after < Duration::from_secs(30));
}

/// Ten thousand lose the broker and come back to the next.
#[test]
fn everybody_comes_back_at_once() {
    const CLIENTS: usize = 10_000;
    let scratch = Scratch::new();
    let limit = format!("maximum-sessions={}", CLIENTS + 100);
    let arguments = ["--state-dir", scratch.text(), "--limit", &limit];
    let broker = Program::start(&arguments);
    let all_back = |address: SocketAddr, is_first: bool| {
        block_on(async move {
            let resumed = Arc::new(AtomicUsize::new(0));
            let begin = Instant::now();
            let mut tasks = JoinSet::new();
            for number in 0..CLIENTS {
                let resumed = resumed.clone();
                tasks.spawn(async move {
                    let name = format!("client-{number}");
                    loop {
                        // A crowd may be too much for the queue in front of the door.
                        if let Ok(mut guest) = Guest::open(address).await
                            && guest.send(&Packet::Connect(lasting(&name))).await.is_ok()
                            && let Ok(connack) = guest.receive().await
                            && connack[3] == 0
                        {
                            resumed.fetch_add(usize::from(connack[2]), Ordering::Relaxed);
                            return guest;
                        }
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                });
            }
            let guests = tasks.join_all().await;
            let took = begin.elapsed();
            let resumed = resumed.load(Ordering::Relaxed);
            assert!(is_first || resumed == CLIENTS, "{resumed} sessions were there");
            drop(guests);
            took
        })
    };
    let first = all_back(broker.address, true);
    drop(broker);
    let begin = Instant::now();
    let broker = Program::start(&arguments);
    let started = begin.elapsed();
    let again = all_back(broker.address, false);
    println!(
        "everybody comes back: {CLIENTS} came in {:.1} s, killed, serving again after {:.2} s, all \
         back {:.1} s later with their sessions",
        first.as_secs_f64(),
        started.as_secs_f64(),
        again.as_secs_f64()
    );
}

/// A client that is silent, and one that takes nothing.
#[test]
fn a_client_that_is_there_no_more() {
    let broker = Program::start(&["--limit", "write-timeout=3s"]);
    let mut watcher = Peer::connect(broker.address, &clean("watcher"));
    watcher.subscribe("will", AtLeastOnce);
    let will = |payload| Will {
        qos: AtLeastOnce,
        retain: false,
        properties: WillProperties::default(),
        topic: TopicName::new("will").unwrap(),
        payload: Binary::new(payload).unwrap(),
    };
    let silent = Connect { keep_alive_secs: 2, will: Some(will(b"silent")), ..clean("silent") };
    let begin = Instant::now();
    let _silent = Peer::connect(broker.address, &silent);
    assert_eq!(watcher.message_1(), b"silent");
    let silence = begin.elapsed().as_secs_f64();

    let stuck = Connect { keep_alive_secs: 0, will: Some(will(b"stuck")), ..clean("stuck") };
    let mut stuck = Peer::connect(broker.address, &stuck);
    stuck.subscribe("much", AtMostOnce);
    let mut publisher = Peer::connect(broker.address, &clean("publisher"));
    let begin = Instant::now();
    for _ in 0..200 {
        publisher.publish("much", &vec![7; 100_000]);
    }
    assert_eq!(watcher.message_1(), b"stuck");
    let stillness = begin.elapsed().as_secs_f64();
    watcher.send(&Packet::PingReq);
    assert_eq!(watcher.receive(), Packet::PingResp, "each will came once");
    println!(
        "a client that is there no more: silent with a keep alive of 2 s, closed after \
         {silence:.1} s; takes nothing with a patience of 3 s, closed after {stillness:.1} s"
    );
    assert!((3.0..4.5).contains(&silence));
    assert!(stillness < 30.0);
}

/// A hundred fight for one client id.
#[test]
fn a_fight_for_one_name() {
    let (broker, metrics) = start_with_figures(&[]);
    let address = broker.address;
    let before = broker.memory();
    let is_over = Arc::new(AtomicBool::new(false));
    let over = is_over.clone();
    let referee = std::thread::spawn(move || {
        let mut most = 0;
        while !over.load(Ordering::Relaxed) {
            most = most.max(figure(metrics, "mqtt_broker_clients_connected"));
            std::thread::sleep(Duration::from_millis(10));
        }
        most
    });
    let takeovers = block_on(async move {
        let end = Instant::now() + duration();
        let mut fighters = JoinSet::new();
        for _ in 0..100 {
            fighters.spawn(async move {
                let mut taken_over = 0;
                while Instant::now() < end {
                    let Ok(mut guest) = Guest::open(address).await else { continue };
                    if guest.greet(&clean("one name")).await.is_err() {
                        continue;
                    }
                    // Until another one comes.
                    if let Ok(Ok(packet)) =
                        tokio::time::timeout(Duration::from_secs(1), guest.receive()).await
                    {
                        assert_eq!(packet[..3], [0xE0, packet[1], 0x8E], "session taken over");
                        taken_over += 1;
                    }
                }
                taken_over
            });
        }
        fighters.join_all().await.into_iter().sum::<usize>()
    });
    is_over.store(true, Ordering::Relaxed);
    let most = referee.join().unwrap();
    let mut last = Peer::connect(address, &clean("one name"));
    last.send(&Packet::PingReq);
    assert_eq!(last.receive(), Packet::PingResp, "the last one wins");
    wait_for("the end of all others", || {
        (figure(metrics, "mqtt_broker_connections_open") == 1).then_some(())
    });
    let grown = broker.memory().saturating_sub(before) as f64 / MIB as f64;
    println!(
        "a fight for one name: {takeovers} takeovers in {:.0} s, {most} connected at any time, \
         memory + {grown:.1} MiB",
        duration().as_secs_f64()
    );
    assert_eq!(most, 1);
    assert!(takeovers > 100);
}

/// Fifty upgrades while clients come and go.
#[test]
fn upgrades_that_nobody_is_refused_by() {
    const UPGRADES: usize = 50;
    let scratch = Scratch::new();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let start = || {
        let mut shell = Command::new("sh");
        let exec = "LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" \"$@\" 3<&0 0</dev/null";
        shell.args(["-c", exec, env!("CARGO_BIN_EXE_mqtt-broker")]);
        shell.args(["--listen", &format!("mqtt://{address}"), "--state-dir", scratch.text()]);
        let socket = OwnedFd::from(socket.try_clone().unwrap());
        Program::start_as(shell.stdin(socket).stderr(Stdio::piped()))
    };
    let mut broker = start();
    let is_over = Arc::new(AtomicBool::new(false));
    let over = is_over.clone();
    let visitors = std::thread::spawn(move || {
        block_on(async move {
            let (mut refused, mut unanswered, mut told) = (0, 0, 0);
            let mut times = Times::default();
            while !over.load(Ordering::Relaxed) {
                let begin = Instant::now();
                let Ok(mut guest) = Guest::open(address).await else {
                    refused += 1;
                    continue;
                };
                match guest.greet(&clean("visitor")).await {
                    Ok(_) => times.note(begin),
                    Err(_) => {
                        unanswered += 1;
                        continue;
                    }
                }
                let goodbye =
                    tokio::time::timeout(Duration::from_millis(20), guest.receive()).await;
                if let Ok(Ok(packet)) = goodbye {
                    assert_eq!(packet[..3], [0xE0, packet[1], 0x8B], "server shutting down");
                    told += 1;
                }
            }
            (refused, unanswered, told, times)
        })
    });
    for _ in 0..UPGRADES {
        broker.terminate();
        assert!(broker.wait().success());
        broker = start();
    }
    is_over.store(true, Ordering::Relaxed);
    let (refused, unanswered, told, mut times) = visitors.join().unwrap();
    println!(
        "upgrades: {UPGRADES} with {} visits, {refused} refused, {unanswered} hung up on before \
         CONNACK, {told} told of the stop, longest wait for CONNACK {:.0} ms",
        times.count(),
        times.percentile(100)
    );
    assert_eq!(refused, 0);
}
