//! What strangers, and clients that mean harm, may send: one test for each class of it. After each
//! attack others are served, memory is given back, and no task is left; see `siege`.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod siege;
mod sockets;

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mqtt_broker::core::limits::Limits;
use mqtt_broker::shell::{Options, Server};
use mqtt_protocol::ReasonCode::*;
use mqtt_protocol::{
    Ack, Connect, Packet, PacketId, PacketType, Publish, QoS, ReasonCode, TopicFilter, TopicName,
    UserPropertyList, Will, WillProperties,
};
use siege::*;
use sockets::{Program, Scratch, bytes, clean, lasting, publish_1, subscribe};

const CONNECT: &[u8] = b"\x10\x0E\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x01a";
const PINGREQ: &[u8] = b"\xC0\x00";

/// A packet of this first byte with this body.
fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    let mut length = body.len();
    while length >= 0x80 {
        packet.push((length & 0x7F) as u8 | 0x80);
        length >>= 7;
    }
    packet.push(length as u8);
    packet.extend(body);
    packet
}

/// A CONNECT with these flags, properties and payload.
fn connect(flags: u8, properties: &[u8], payload: &[u8]) -> Vec<u8> {
    let head = b"\x00\x04MQTT\x05";
    let length = &packet(0, properties)[1..];
    packet(0x10, &[head, &[flags, 0, 0][..], length, payload].concat())
}

/// A QoS 0 PUBLISH with these properties to the topic `t`.
fn publish(properties: &[u8]) -> Vec<u8> {
    let length = &packet(0, properties)[1..];
    packet(0x30, &[b"\x00\x01t", length, b"x"].concat())
}

/// Text or binary data behind its length.
fn prefixed(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat()
}

fn quick() -> Limits {
    Limits { connect_timeout: Duration::from_millis(200), ..Limits::default() }
}

#[test]
fn class_01_remaining_lengths_that_lie() {
    withstand_with(quick(), |target| {
        // Five bytes of length.
        let five = b"\xFF\xFF\xFF\xFF\x01";
        assert_eq!(target.refusal_of_first(&[b"\x10", &five[..]].concat()), Some(MalformedPacket));
        assert_eq!(target.refusal(&[b"\x30", &five[..]].concat()), Some(MalformedPacket));
        // No end of the length, or of the packet: nothing to wait for longer than is announced.
        assert_eq!(target.refusal_of_first(b"\x10\xFF\xFF"), None);
        assert_eq!(target.refusal_of_first(b"\x10\x0E\x00\x04MQ"), None);
        let impatient = || target.connect_with(&Connect { keep_alive_secs: 1, ..clean("a") });
        assert_eq!(refusal(impatient(), b"\x30\xFF\xFF"), Some(KeepAliveTimeout));
        // Much is declared and little sent: refused before it is waited for.
        assert_eq!(target.refusal_of_first(b"\x10\xFF\xFF\xFF\x7F\x00"), Some(PacketTooLarge));
        assert_eq!(target.refusal(b"\x30\xFF\xFF\xFF\x7F\x00"), Some(PacketTooLarge));
        // More than a first packet may be, and more than any other.
        assert_eq!(target.refusal_of_first(&packet(0x10, &[0; 16 * 1024])), Some(PacketTooLarge));
        assert_eq!(target.refusal(&packet(0x30, &[0; 1024 * 1024])), Some(PacketTooLarge));
        // The body is longer or shorter than its fields.
        let longer = [&CONNECT[2..], b"a"].concat();
        assert_eq!(target.refusal_of_first(&packet(0x10, &longer)), Some(MalformedPacket));
        let shorter = &CONNECT[2..CONNECT.len() - 1];
        assert_eq!(target.refusal_of_first(&packet(0x10, shorter)), Some(MalformedPacket));
        for body in [&b"\x00"[..], b"\x00\x05t", b"\x00\x01t\x05"] {
            assert_eq!(target.refusal(&packet(0x30, body)), Some(MalformedPacket));
        }
        assert_eq!(target.refusal(&packet(0xC0, b"x")), Some(MalformedPacket));
    });
}

#[test]
fn class_02_property_sections_that_lie() {
    let wrong: [(&[u8], ReasonCode); 9] = [
        (b"\x26\x00\x01a\x00\x05b", MalformedPacket),
        (b"\x02\x00\x00", MalformedPacket),
        (b"\xFF\x00", MalformedPacket),
        (b"\x11\x00\x00\x00\x01", MalformedPacket),
        (b"\x01\x01\x01\x01", ProtocolError),
        (b"\x01\x02", ProtocolError),
        (b"\x0B\xFF\xFF\xFF\xFF\x01", MalformedPacket),
        (b"\x0B\x01", ProtocolError),
        (b"\x08\x00\x01#", MalformedPacket),
    ];
    withstand(|target| {
        for (properties, reason) in wrong {
            assert_eq!(target.refusal(&publish(properties)), Some(reason), "{properties:02x?}");
        }
        // Longer than the packet, and of five bytes.
        assert_eq!(target.refusal(&packet(0x30, b"\x00\x01t\x7F")), Some(MalformedPacket));
        let five = b"\x00\x01t\xFF\xFF\xFF\xFF\x01";
        assert_eq!(target.refusal(&packet(0x30, five)), Some(MalformedPacket));
        // In CONNECT and in a will, where nobody is known yet.
        for (properties, reason) in [
            (&b"\x21\x00\x00"[..], ProtocolError),
            (b"\x27\x00\x00\x00\x00", ProtocolError),
            (b"\x11\x00\x00\x00\x01\x11\x00\x00\x00\x01", ProtocolError),
            (b"\x17\x02", ProtocolError),
            (b"\x16\x00\x01x", ProtocolError),
            (b"\x02\x00\x00\x00\x01", MalformedPacket),
        ] {
            let first = connect(0x02, properties, b"\x00\x01a");
            assert_eq!(target.refusal_of_first(&first), Some(reason), "{properties:02x?}");
        }
        let will = [&b"\x00\x01a"[..], b"\x05\x11\x00\x00\x00\x01", b"\x00\x01w\x00\x00"].concat();
        assert_eq!(target.refusal_of_first(&connect(0x06, b"", &will)), Some(MalformedPacket));
    });
}

#[test]
fn class_03_user_properties_by_the_hundred_thousand() {
    let smallest = b"\x26\x00\x00\x00\x00";
    let message = publish(&smallest.repeat(200_000));
    let too_many = connect(0x02, &smallest.repeat(4000), b"\x00\x01a");
    withstand(|target| {
        let mut stream = target.connect("attacker");
        stream.write_all(&bytes(&subscribe("t", QoS::AtMostOnce))).unwrap();
        stream.write_all(&message).unwrap();
        // They are the application's: all of them are handed on.
        assert!(read_packets_to(&mut stream, PacketType::Publish).last() == Some(&message));
        assert_eq!(target.refusal_of_first(&too_many), Some(PacketTooLarge));
    });
}

#[test]
fn class_04_requests_cut_short() {
    withstand(|target| {
        for whole in [
            packet(0x82, b"\x00\x01\x00\x00\x01t\x00"),
            packet(0x82, b"\x00\x01\x02\x0B\x01\x00\x01t\x00\x00\x01u\x00"),
            packet(0xA2, b"\x00\x01\x00\x00\x01t"),
        ] {
            for length in 0..whole.len() - 2 {
                let body = &whole[2..2 + length];
                // What ends between two filters is whole.
                if [9, 11].contains(&length) && whole[2 + 2] == 2 {
                    continue;
                }
                let reason = target.refusal(&packet(whole[0], body)).unwrap();
                assert!([MalformedPacket, ProtocolError].contains(&reason), "{body:02x?}");
            }
        }
        for answer in [0x90, 0xB0] {
            for body in [&b""[..], b"\x00", b"\x00\x01", b"\x00\x01\x00"] {
                let reason = target.refusal(&packet(answer, body)).unwrap();
                assert!([MalformedPacket, ProtocolError].contains(&reason));
            }
        }
    });
}

#[test]
fn class_05_text_that_is_none() {
    let wrong: [&[u8]; 7] = [
        b"\xFF",
        b"a\x00b",
        b"\xED\xA0\x80",
        b"\xC0\x80",
        b"\xF4\x90\x80\x80",
        b"\xE2\x82",
        b"\x80",
    ];
    withstand(|target| {
        for text in wrong.map(prefixed) {
            for first in [
                connect(0x02, b"", &text),
                connect(0x82, b"", &[b"\x00\x01a", &text[..]].concat()),
                connect(0x06, b"", &[b"\x00\x01a\x00", &text[..], b"\x00\x00"].concat()),
                connect(0x02, &[b"\x26", &text[..], b"\x00\x00"].concat(), b"\x00\x01a"),
                connect(0x02, &[b"\x15", &text[..]].concat(), b"\x00\x01a"),
            ] {
                assert_eq!(target.refusal_of_first(&first), Some(MalformedPacket), "{text:02x?}");
            }
            for later in [
                packet(0x30, &[&text[..], b"\x00"].concat()),
                packet(0x82, &[b"\x00\x01\x00", &text[..], b"\x00"].concat()),
                packet(0xA2, &[b"\x00\x01\x00", &text[..]].concat()),
                publish(&[b"\x03", &text[..]].concat()),
                publish(&[b"\x08", &text[..]].concat()),
                publish(&[b"\x26\x00\x01a", &text[..]].concat()),
                packet(0xE0, &[&b"\x00"[..], &packet(0x1F, &text)[1..]].concat()),
            ] {
                assert_eq!(target.refusal(&later), Some(MalformedPacket), "{later:02x?}");
            }
        }
    });
}

#[test]
fn class_06_topics_that_are_none() {
    let limits = Limits { topic_alias_maximum: 10, ..Limits::default() };
    withstand_with(limits, |target| {
        assert_eq!(target.refusal(b"\x30\x04\x00\x00\x00x"), Some(ProtocolError));
        for (alias, reason) in [
            (&b"\x23\x00\x00"[..], TopicAliasInvalid),
            (b"\x23\x00\x0B", TopicAliasInvalid),
            (b"\x23\xFF\xFF", TopicAliasInvalid),
        ] {
            assert_eq!(target.refusal(&publish(alias)), Some(reason));
        }
        // An alias that was never defined.
        let undefined = packet(0x30, b"\x00\x00\x03\x23\x00\x05x");
        let reason = target.refusal(&undefined).unwrap();
        assert!([ProtocolError, TopicAliasInvalid].contains(&reason), "{reason}");
        for wildcard in [&b"+"[..], b"#", b"a/#", b"+/b"] {
            let message = packet(0x30, &[&prefixed(wildcard)[..], b"\x00"].concat());
            assert_eq!(target.refusal(&message), Some(MalformedPacket));
        }
        // The broker's own topics are not a client's to write to.
        for topic in ["$", "$SYS/broker", "$share/a/b", "$clock/then"] {
            let answers =
                target.answers(&bytes(&publish_1(topic, b"x").into()), PacketType::PubAck);
            assert_eq!(answers, [b"\x40\x03\x00\x01\x87"]);
        }
        for filter in ["a/#/b", "a+", "#a", "", "$share", "$share/g", "$share//f", "$share/g/"] {
            let filter = prefixed(filter.as_bytes());
            let request = packet(0x82, &[b"\x00\x01\x00", &filter[..], b"\x00"].concat());
            let reason = target.refusal(&request).unwrap();
            assert!([MalformedPacket, ProtocolError, TopicFilterInvalid].contains(&reason));
        }
    });
}

#[test]
fn class_07_packets_out_of_turn() {
    withstand(|target| {
        let everything_else = [
            packet(0x20, b"\x00\x00\x00"),
            publish(b""),
            packet(0x40, b"\x00\x01"),
            packet(0x50, b"\x00\x01"),
            packet(0x62, b"\x00\x01"),
            packet(0x70, b"\x00\x01"),
            packet(0x82, b"\x00\x01\x00\x00\x01t\x00"),
            packet(0x90, b"\x00\x01\x00\x00"),
            packet(0xA2, b"\x00\x01\x00\x00\x01t"),
            packet(0xB0, b"\x00\x01\x00\x00"),
            packet(0xC0, b""),
            packet(0xD0, b""),
            packet(0xE0, b""),
            packet(0xF0, b"\x00\x04\x15\x00\x01m"),
        ];
        for first in &everything_else {
            assert_eq!(target.refusal_of_first(first), None, "{first:02x?}");
            // Its beginning is enough to know.
            assert_eq!(target.refusal_of_first(&first[..1]), None, "{first:02x?}");
        }
        assert_eq!(target.refusal(CONNECT), Some(ProtocolError));
        for of_a_server in [0, 7, 9, 11].map(|index| &everything_else[index]) {
            assert_eq!(target.refusal(of_a_server), Some(ProtocolError), "{of_a_server:02x?}");
        }
        // What follows a refusal is not looked at.
        let refused = connect(0x02, b"\x21\x00\x00", b"\x00\x01a");
        let batch = [refused, everything_else.concat()].concat();
        assert_eq!(target.refusal_of_first(&batch), Some(ProtocolError));
    });
}

#[test]
fn class_08_packet_identifiers_out_of_order() {
    let limits = Limits { receive_maximum: 10, ..Limits::default() };
    withstand_with(limits, |target| {
        let step = |first: u8, id: u8| packet(first, &[0, id]);
        // Answers to what was never asked.
        for id in 1..=255 {
            let steps = [step(0x40, id), step(0x50, id), step(0x62, id), step(0x70, id)].concat();
            let answers = target.answers(&[&steps, PINGREQ].concat(), PacketType::PingResp);
            let [release, complete, _] = answers.as_slice() else { panic!("{answers:02x?}") };
            assert_eq!(*release, packet(0x62, &[0, id, 0x92]));
            assert_eq!(*complete, packet(0x70, &[0, id, 0x92]));
            if id == 3 {
                break;
            }
        }
        // Identifier 0.
        for first in [0x40, 0x50, 0x62, 0x70] {
            assert_eq!(target.refusal(&step(first, 0)), Some(ProtocolError));
        }
        // The same QoS 2 message ever again, and never released.
        let again = packet(0x3C, b"\x00\x01t\x00\x07\x00x").repeat(10_000);
        let mut stream = target.connect("attacker");
        let mut writer = stream.try_clone().unwrap();
        let writing = std::thread::spawn(move || {
            writer.write_all(&again).unwrap();
            writer.write_all(PINGREQ).unwrap();
        });
        let answers = read_packets_to(&mut stream, PacketType::PingResp);
        assert_eq!(answers.len(), 10_001);
        // Nobody wants it, which is said once.
        assert_eq!(answers[0], b"\x50\x03\x00\x07\x10");
        assert!(answers[1..10_000].iter().all(|it| it == b"\x50\x02\x00\x07"));
        writing.join().unwrap();
        drop(stream);
        // More at once than the broker takes.
        let flood: Vec<u8> = (1..=11)
            .flat_map(|id| packet(0x34, &[b"\x00\x01t\x00", &[id][..], b"\x00x"].concat()))
            .collect();
        assert_eq!(target.refusal(&flood), Some(ReceiveMaximumExceeded));
    });
}

#[test]
fn class_09_takeover_storms() {
    withstand(|target| {
        let storm: Vec<_> = (0..4)
            .map(|_| {
                let target = Target { address: target.address };
                std::thread::spawn(move || {
                    for _ in 0..50 {
                        let mut stream = target.open();
                        let connect = bytes(&Packet::Connect(lasting("one of many")));
                        let subscribe = bytes(&subscribe("storm/#", QoS::ExactlyOnce));
                        let message = bytes(&publish_1("storm/x", b"x").into());
                        // The connection may be taken over at any of these.
                        let _ = stream.write_all(&[connect, subscribe, message].concat());
                    }
                })
            })
            .collect();
        storm.into_iter().for_each(|attacker| attacker.join().unwrap());
        // The session is whole, and ends.
        drop(target.connect("one of many"));
    });
}

#[test]
fn class_10_wills_that_mean_harm() {
    withstand(|target| {
        let with_will = |properties: &[u8], topic: &[u8]| {
            let properties = &packet(0, properties)[1..];
            let topic = prefixed(topic);
            connect(0x06, b"", &[b"\x00\x01w", properties, &topic[..], b"\x00\x00"].concat())
        };
        assert_eq!(target.refusal_of_first(&with_will(b"", b"")), Some(MalformedPacket));
        assert_eq!(target.refusal_of_first(&with_will(b"", b"a/#")), Some(MalformedPacket));
        assert_eq!(target.refusal_of_first(&with_will(b"", b"$SYS/a")), Some(TopicNameInvalid));
        let alias = with_will(b"\x23\x00\x01", b"w");
        assert_eq!(target.refusal_of_first(&alias), Some(MalformedPacket));
        // Delayed longer than the session lasts: due at its end, once.
        let mut watcher = target.connect("watcher");
        watcher.write_all(&bytes(&subscribe("wills", QoS::AtMostOnce))).unwrap();
        read_packet(&mut watcher);
        let delayed = WillProperties { will_delay_interval: Some(u32::MAX), ..Default::default() };
        let will = Will {
            qos: QoS::AtLeastOnce,
            retain: false,
            properties: delayed,
            topic: TopicName::new("wills").unwrap(),
            payload: Default::default(),
        };
        for number in 0..200 {
            let name = format!("{number}");
            drop(target.connect_with(&Connect { will: Some(will.clone()), ..clean(&name) }));
        }
        for _ in 0..200 {
            assert_eq!(read_packet(&mut watcher), b"\x30\x08\x00\x05wills\x00");
        }
    });
}

#[test]
fn class_11_a_crash_between_the_steps_of_qos_2() {
    withstand(|target| {
        let mut watcher = target.connect("watcher");
        watcher.write_all(&bytes(&subscribe("t", QoS::AtMostOnce))).unwrap();
        read_packet(&mut watcher);
        let (first, again) =
            (packet(0x34, b"\x00\x01t\x00\x07\x00x"), packet(0x3C, b"\x00\x01t\x00\x07\x00x"));
        // Sent, and nobody waits for the answer.
        let mut stream = target.connect_with(&lasting("publisher"));
        stream.write_all(&first).unwrap();
        assert_eq!(read_packet(&mut watcher), b"\x30\x05\x00\x01t\x00x");
        drop(stream);
        for _ in 0..5 {
            let mut stream = target.connect_with(&lasting("publisher"));
            stream.write_all(&again).unwrap();
            assert_eq!(read_packet(&mut stream)[..4], *b"\x50\x02\x00\x07");
        }
        let mut stream = target.connect_with(&lasting("publisher"));
        stream.write_all(&packet(0x62, b"\x00\x07")).unwrap();
        assert_eq!(read_packet(&mut stream), packet(0x70, b"\x00\x07"));
        // It came once: what comes next is something else.
        stream.write_all(&publish(b"\x01\x01")).unwrap();
        assert_eq!(read_packet(&mut watcher), publish(b"\x01\x01"));
        drop(stream);
        drop(target.connect("publisher"));
    });
}

/// The store is read, or it is said why not; it is never the end of the program without a word.
#[test]
fn class_12_a_store_that_is_damaged() {
    let _turn = alone();
    let scratch = Scratch::new();
    let state_dir = scratch.path().join("whole");
    let mut program = Program::start(&["--state-dir", state_dir.to_str().unwrap()]);
    let target = Target { address: program.address };
    let mut stream = target.connect_with(&lasting("a"));
    for topic in ["a", "b", "c"] {
        let message = Publish { retain: true, ..publish_1(topic, &[7; 5000]) };
        stream.write_all(&bytes(&message.into())).unwrap();
        read_packet(&mut stream);
    }
    drop(stream);
    program.terminate();
    assert!(program.wait().success());
    let file = fs::read_dir(&state_dir).unwrap().next().unwrap().unwrap().file_name();
    let whole = fs::read(state_dir.join(&file)).unwrap();

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let start = |damaged: &[u8]| {
        let state_dir = scratch.path().join("damaged");
        fs::create_dir_all(&state_dir).unwrap();
        fs::write(state_dir.join(&file), damaged).unwrap();
        let listen = vec!["mqtt://127.0.0.1:0".parse().unwrap()];
        let options = Options { listen, state_dir: Some(state_dir), ..Options::default() };
        runtime.block_on(async { Server::start(options).await.map(drop) })
    };
    start(&whole).unwrap();
    for length in [1, 100, 4096, whole.len() / 2, whole.len() - 1] {
        assert!(start(&whole[..length]).is_err(), "cut at {length}");
    }
    for place in (0..whole.len()).step_by(whole.len() / 50) {
        let mut damaged = whole.clone();
        damaged[place] ^= 0x10;
        // Where nothing is kept, damage does no harm.
        let _ = start(&damaged);
    }
}

#[test]
fn class_13_connections_that_say_little_and_stay() {
    let limits = Limits { maximum_connections: 42, ..quick() };
    withstand_with(limits, |target| {
        let slow: Vec<TcpStream> = (0..40).map(|_| target.open()).collect();
        for (number, mut stream) in slow.iter().enumerate() {
            stream.write_all(&CONNECT[..number % CONNECT.len()]).unwrap();
        }
        // There are as many as there may be.
        assert_eq!(target.refusal_of_first(CONNECT), None);
        // A byte now and then is no sign of life: time has begun with the connection.
        let dripping = slow[1].try_clone().unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let has_ended = is_over.clone();
        let drip = std::thread::spawn(move || {
            for byte in CONNECT[1..].iter().cycle() {
                std::thread::sleep(Duration::from_millis(20));
                let sent = (&dripping).write_all(&[*byte]);
                if sent.is_err() || has_ended.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        for stream in slow {
            assert_eq!(refusal(stream, b""), None);
        }
        is_over.store(true, Ordering::Relaxed);
        drip.join().unwrap();
    });
}

/// Who comes when there is no room waits, and is served when there is.
#[test]
fn class_13_more_connections_than_descriptors() {
    let _turn = alone();
    let program = Program::start_with_descriptors(40);
    let target = Target { address: program.address };
    let mut crowd: Vec<TcpStream> = (0..60).map(|_| target.open()).collect();
    for (number, stream) in crowd.iter_mut().enumerate() {
        stream.write_all(&bytes(&Packet::Connect(clean(&number.to_string())))).unwrap();
    }
    let mut late = crowd.split_off(59);
    assert_eq!(read_packet(&mut crowd[0])[0], 0x20, "CONNACK");
    late[0].set_nonblocking(true).unwrap();
    assert_eq!(late[0].read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    late[0].set_nonblocking(false).unwrap();
    drop(crowd);
    assert_eq!(read_packet(&mut late[0])[0], 0x20, "CONNACK");
}

#[test]
fn class_14_readers_that_never_read() {
    withstand(|target| {
        let mut lazy = target.connect("lazy");
        lazy.write_all(&bytes(&subscribe("t", QoS::AtMostOnce))).unwrap();
        read_packet(&mut lazy);
        let message = packet(0x30, &[b"\x00\x01t\x00", &[7; 100_000][..]].concat());
        let mut publisher = target.connect("publisher");
        for _ in 0..200 {
            publisher.write_all(&message).unwrap();
        }
        publisher.write_all(PINGREQ).unwrap();
        assert_eq!(read_packet(&mut publisher), b"\xD0\x00");
        // What it did not read is its own loss; it is still there to ask.
        lazy.shutdown(Shutdown::Both).unwrap();
    });
}

#[test]
fn class_15_topics_deep_and_wide() {
    let slashes = "/".repeat(65_535);
    let pluses = vec!["+"; 128].join("/");
    let deep = vec!["a"; 128].join("/");
    withstand(|target| {
        let ping = |request: &[u8]| {
            let answers = target.answers(&[request, PINGREQ].concat(), PacketType::PingResp);
            answers.into_iter().next().unwrap()
        };
        let subscribed = ping(&bytes(&subscribe(&slashes, QoS::AtMostOnce)));
        assert_eq!(subscribed.last(), Some(&TopicFilterInvalid.code()));
        let published = ping(&bytes(&publish_1(&slashes, b"x").into()));
        assert_eq!(published.last(), Some(&TopicNameInvalid.code()));

        // Each level of many filters matches in two ways.
        let mut stream = target.connect("attacker");
        stream.write_all(&bytes(&subscribe(&pluses, QoS::AtMostOnce))).unwrap();
        read_packet(&mut stream);
        for number in 0..999 {
            let mut levels = vec!["+"; 128];
            (0..10).filter(|bit| number >> bit & 1 == 1).for_each(|bit| levels[bit * 12] = "a");
            let filter = levels.join("/");
            stream.write_all(&bytes(&subscribe(&filter, QoS::AtMostOnce))).unwrap();
            read_packet(&mut stream);
        }
        for _ in 0..10 {
            stream.write_all(&bytes(&publish_1(&deep, b"x").into())).unwrap();
            read_packets_to(&mut stream, PacketType::PubAck);
        }
        // One more than a session may have; the first of them stands twice.
        stream.write_all(&bytes(&subscribe("x", QoS::AtMostOnce))).unwrap();
        stream.write_all(&bytes(&subscribe("y", QoS::AtMostOnce))).unwrap();
        let [_, second] = [read_packet(&mut stream), read_packet(&mut stream)];
        assert_eq!(second.last(), Some(&QuotaExceeded.code()));
    });
}

#[test]
fn class_16_names_that_are_dear_to_matchers_and_tables() {
    let names = ["__proto__", "constructor", "hasOwnProperty", "(a*)*$", "a|a?", "%s%n", "../../a"];
    withstand(|target| {
        for name in names {
            let mut stream = target.connect(name);
            stream.write_all(&bytes(&subscribe(name, QoS::AtMostOnce))).unwrap();
            read_packet(&mut stream);
            let message = packet(0x30, &[&prefixed(name.as_bytes())[..], b"\x00x"].concat());
            stream.write_all(&message).unwrap();
            assert_eq!(read_packet(&mut stream), message);
        }
        // A matcher that went back for each wildcard would not come to the end of this.
        let filter = format!("{}/x", vec!["+"; 127].join("/"));
        let topic = vec!["aaaaaaa"; 128].join("/");
        let mut stream = target.connect("attacker");
        stream.write_all(&bytes(&subscribe(&filter, QoS::AtMostOnce))).unwrap();
        stream.write_all(&bytes(&publish_1(&topic, b"x").into())).unwrap();
        assert_eq!(read_packets_to(&mut stream, PacketType::PubAck).len(), 2);
    });
}

#[test]
fn class_17_floods_of_retained_messages() {
    let limits = Limits { maximum_retained_messages: 100, ..Limits::default() };
    withstand_with(limits, |target| {
        let retain = |stream: &mut TcpStream, number: usize, payload: &[u8]| {
            let topic = format!("flood/{number}");
            let message = Publish { retain: true, ..publish_1(&topic, payload) };
            stream.write_all(&bytes(&message.into())).unwrap();
            read_packet(stream).get(4).copied().unwrap_or(0)
        };
        let mut stream = target.connect("attacker");
        for number in 0..150 {
            let code = retain(&mut stream, number, &[7; 10_000]);
            assert_eq!(code == QuotaExceeded.code(), number >= 100);
        }
        for number in 0..150 {
            assert_ne!(retain(&mut stream, number, b""), QuotaExceeded.code());
        }
    });
}

#[test]
fn class_18_floods_of_sessions() {
    let limits = Limits { maximum_sessions: 20, ..Limits::default() };
    withstand_with(limits, |target| {
        let mut for_ever = lasting("");
        for_ever.properties.session_expiry_interval = Some(u32::MAX);
        let names: Vec<String> = (0..30).map(|number| format!("flood-{number}")).collect();
        for (number, name) in names.iter().enumerate() {
            let connect = Connect { client_id: clean(name).client_id, ..for_ever.clone() };
            // Two of the sessions are the bystanders'.
            if number < 18 {
                drop(target.connect_with(&connect));
            } else {
                let first = bytes(&Packet::Connect(connect));
                assert_eq!(target.refusal_of_first(&first), Some(QuotaExceeded));
            }
        }
        for name in &names[..18] {
            drop(target.connect(name));
        }
    });
}

#[test]
fn class_19_floods_of_what_waits_for_who_is_away() {
    withstand(|target| {
        let mut away = target.connect_with(&lasting("away"));
        away.write_all(&bytes(&subscribe("t", QoS::ExactlyOnce))).unwrap();
        read_packet(&mut away);
        drop(away);
        let mut publisher = target.connect("publisher");
        let message = bytes(&publish_1("t", &[7; 10_000]).into());
        for _ in 0..2000 {
            publisher.write_all(&message).unwrap();
            read_packet(&mut publisher);
        }
        drop(target.connect("away"));
    });
}

#[test]
fn class_20_members_of_a_group_that_come_and_go() {
    withstand(|target| {
        let shared = subscribe("$share/group/t", QoS::AtLeastOnce);
        let mut members: Vec<TcpStream> = Vec::new();
        let mut publisher = target.connect("publisher");
        for round in 0..100 {
            let mut member = target.connect(&format!("member-{}", round % 7));
            member.write_all(&bytes(&shared)).unwrap();
            read_packet(&mut member);
            members.push(member);
            for _ in 0..5 {
                publisher.write_all(&bytes(&publish_1("t", b"x").into())).unwrap();
                read_packet(&mut publisher);
            }
            match round % 3 {
                // Gone without an answer; what it had goes to another.
                0 => drop(members.swap_remove(round % members.len())),
                // It refuses whatever it gets.
                1 => {
                    let member = members.last_mut().unwrap();
                    let refusal = Ack::new(PacketId::FIRST, UnspecifiedError);
                    let _ = member.write_all(&bytes(&Packet::PubAck(refusal)));
                }
                // It leaves the group, and another subscription of that name stays.
                _ => {
                    let member = members.last_mut().unwrap();
                    let leave = packet(0xA2, b"\x00\x02\x00\x00\x0E$share/group/t");
                    let _ = member.write_all(&leave);
                }
            }
        }
    });
}

/// One packet that asks for as much of everything as fits.
#[test]
fn class_21_much_at_once() {
    let mut list = UserPropertyList::new();
    for _ in 0..100 {
        list.push(clean("name").client_id, clean("value").client_id);
    }
    let filters: Vec<String> = (0..100_000).map(|number| number.to_string()).collect();
    let wishes = filters.iter().map(|it| {
        mqtt_protocol::Subscription::new(TopicFilter::new(it).unwrap(), QoS::ExactlyOnce)
    });
    let everything = mqtt_protocol::Subscribe {
        packet_id: PacketId::FIRST,
        properties: mqtt_protocol::SubscribeProperties {
            user_properties: list.view(),
            ..Default::default()
        },
        subscriptions: wishes.collect(),
    };
    let everything = bytes(&Packet::Subscribe(everything));
    withstand(|target| {
        let mut stream = target.connect_with(&lasting("greedy"));
        for _ in 0..10 {
            stream.write_all(&everything).unwrap();
            let answer = read_packet(&mut stream);
            let refused = answer.iter().filter(|&&code| code == QuotaExceeded.code()).count();
            assert_eq!(refused, 99_000);
        }
        drop(stream);
        drop(target.connect("greedy"));
    });
}

/// A password file that says nothing lets nobody in, and one that cannot be read nothing start.
#[test]
fn class_22_doors_whose_lock_is_broken() {
    let _turn = alone();
    let scratch = Scratch::new();
    let file = scratch.path().join("users");
    fs::write(&file, "").unwrap();
    let broker = sockets::InProcess::start_with(Options {
        password_file: Some(file.clone()),
        ..Options::default()
    });
    let target = Target { address: broker.address };
    let anonymous = target.refusal_of_first(CONNECT).unwrap();
    assert!([NotAuthorized, BadUserNameOrPassword].contains(&anonymous), "{anonymous}");
    let named = connect(0xC2, b"", b"\x00\x01a\x00\x01u\x00\x01p");
    let named = target.refusal_of_first(&named).unwrap();
    assert!([NotAuthorized, BadUserNameOrPassword].contains(&named), "{named}");
    drop(broker);

    let listen = vec!["mqtt://127.0.0.1:0".parse().unwrap()];
    let password_file = Some(scratch.path().join("nowhere"));
    let options = Options { listen, password_file, ..Options::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let refusal = runtime.block_on(Server::start(options)).unwrap_err();
    assert!(refusal.to_string().contains("nowhere"), "{refusal}");
}
