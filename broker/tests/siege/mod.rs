//! A broker under attack, and what has to hold when the attack is over: others are served, the
//! memory is given back, no task is left.

#![allow(unreachable_pub, reason = "the module is a part of one test")]
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

use std::alloc::System;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Mutex, MutexGuard, PoisonError};

use mqtt_broker::core::limits::Limits;
use mqtt_broker::shell::Options;
use mqtt_protocol::*;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

use crate::sockets::{DEADLINE, InProcess, bytes, clean, subscribe, wait_for};

/// Counts the bytes of the whole process, which is why there is one siege at a time.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// How much three attacks may cost, in bytes. Before that, tables and pools grow to what they need;
/// how soon they have it depends on chance.
const SLACK: usize = 2 * 1024;

/// How many attacks there are at most. What never stops to grow is a leak.
const MAXIMUM_ATTACKS: usize = 50;

/// Attacks a broker again and again. After each time two other clients still understand each
/// other and no task is left; at the end, an attack leaves the memory as it found it.
pub fn withstand(attack: impl Fn(&Target)) {
    withstand_with(Limits::default(), attack);
}

/// The same, of a broker with these limits.
pub fn withstand_with(limits: Limits, attack: impl Fn(&Target)) {
    let _turn = alone();
    let broker = InProcess::start_with(Options { limits, ..Options::default() });
    let target = Target { address: broker.address };
    let mut bystanders = Bystanders::connect(&target);
    bystanders.talk();
    let idle_tasks = broker.tasks();
    let mut in_use = Vec::with_capacity(MAXIMUM_ATTACKS);
    for _ in 0..MAXIMUM_ATTACKS {
        attack(&target);
        bystanders.talk();
        wait_for("the end of all tasks", || (broker.tasks() <= idle_tasks).then_some(()));
        in_use.push(live_bytes());
        if let [.., before, _, _, now] = in_use[..]
            && now <= before + SLACK
        {
            return;
        }
    }
    panic!("memory grows with each attack: {in_use:?}");
}

/// Keeps every siege waiting: what happens meanwhile would be counted.
pub fn alone() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

fn live_bytes() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated.saturating_sub(stats.bytes_deallocated)
}

/// Two clients that have nothing to do with the attack.
struct Bystanders {
    talker: TcpStream,
    listener: TcpStream,
}

impl Bystanders {
    fn connect(target: &Target) -> Self {
        let talker = target.connect("talker");
        let mut listener = target.connect("listener");
        listener.write_all(&bytes(&subscribe("bystanders", QoS::AtMostOnce))).unwrap();
        read_packet(&mut listener);
        Self { talker, listener }
    }

    fn talk(&mut self) {
        let message = b"\x30\x13\x00\x0Abystanders\x00hello!";
        self.talker.write_all(message).unwrap();
        assert_eq!(read_packet(&mut self.listener), message);
    }
}

/// The broker that is attacked.
pub struct Target {
    pub address: SocketAddr,
}

impl Target {
    /// Opens a connection and says nothing.
    pub fn open(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        stream
    }

    /// Connects with a clean start and is accepted.
    pub fn connect(&self, client_id: &str) -> TcpStream {
        self.connect_with(&clean(client_id))
    }

    /// Connects and is accepted.
    pub fn connect_with(&self, connect: &Connect<'_>) -> TcpStream {
        let mut stream = self.open();
        stream.write_all(&bytes(&Packet::Connect(connect.clone()))).unwrap();
        let connack = read_packet(&mut stream);
        assert_eq!((connack[0], connack[3]), (0x20, 0), "CONNACK, Success");
        stream
    }

    /// Sends bytes first of all on a connection, which the broker then closes. Gives the reason it
    /// tells.
    pub fn refusal_of_first(&self, bytes: &[u8]) -> Option<ReasonCode> {
        refusal(self.open(), bytes)
    }

    /// Sends bytes on an accepted connection, which the broker then closes. Gives the reason it
    /// tells.
    pub fn refusal(&self, bytes: &[u8]) -> Option<ReasonCode> {
        refusal(self.connect("attacker"), bytes)
    }

    /// Sends bytes on an accepted connection; gives the packets that come back in answer, up to
    /// one of this kind.
    pub fn answers(&self, bytes: &[u8], last: PacketType) -> Vec<Vec<u8>> {
        let mut stream = self.connect("attacker");
        stream.write_all(bytes).unwrap();
        read_packets_to(&mut stream, last)
    }
}

/// Sends bytes on a connection that the broker then closes; gives the reason it tells.
pub fn refusal(mut stream: TcpStream, bytes: &[u8]) -> Option<ReasonCode> {
    // It may hang up before it has read all.
    let _ = stream.write_all(bytes);
    let mut received = Vec::new();
    match stream.read_to_end(&mut received) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
    }
    let mut rest = &received[..];
    let mut reason = None;
    while !rest.is_empty() {
        match decode(rest, usize::MAX).unwrap() {
            Decoded::Packet { packet, length } => {
                reason = match packet {
                    Packet::ConnAck(connack) => Some(connack.reason),
                    Packet::Disconnect(disconnect) => Some(disconnect.reason),
                    _ => None,
                };
                rest = &rest[length..];
            }
            Decoded::Incomplete { .. } => panic!("half a packet: {rest:02x?}"),
        }
    }
    reason
}

/// The bytes of the next packet.
pub fn read_packet(stream: &mut TcpStream) -> Vec<u8> {
    let mut packet = Vec::new();
    loop {
        match decode(&packet, usize::MAX).unwrap() {
            Decoded::Packet { .. } => return packet,
            Decoded::Incomplete { needed } => {
                let from = packet.len();
                packet.resize(needed, 0);
                stream.read_exact(&mut packet[from..]).unwrap();
            }
        }
    }
}

/// The bytes of the next packets, up to one of this kind.
pub fn read_packets_to(stream: &mut TcpStream, last: PacketType) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    loop {
        let packet = read_packet(stream);
        let is_last = packet[0] >> 4 == last as u8;
        packets.push(packet);
        if is_last {
            return packets;
        }
    }
}
