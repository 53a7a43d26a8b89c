//! The program itself, killed and started again, with the clients of the simulation on real sockets.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use mqtt_broker::core::Core;
use mqtt_protocol::QoS;
use mqtt_protocol::QoS::{AtLeastOnce, ExactlyOnce};

use crate::Chance;
use crate::client::Client;
use crate::judge::{Judge, Message, Promise, WILL_TOPIC};
use crate::sockets::{Program, Scratch};
use crate::world;

const TOPICS: [&str; 3] = ["a/x", "a/y", "b/x"];

/// How long it may take until all that is owed has come.
const DEADLINE: Duration = Duration::from_secs(60);

/// Clients and the program.
pub struct Killed {
    chance: Chance,
    scratch: Scratch,
    program: Option<Program>,
    clients: Vec<(Client, Option<TcpStream>)>,
    judge: Judge,
    published: usize,
    /// Names connections; it is not asked for anything else.
    names: Core,
    longest_start: Duration,
}

impl Killed {
    pub fn new(mut chance: Chance) -> Self {
        let mut judge = Judge::default();
        let mut clients = Vec::new();
        for name in ["one", "two", "three", "four"] {
            let filter = chance.one_of(&["a/#", "+/x", "#"]);
            let qos = chance.one_of(&[AtLeastOnce, ExactlyOnce]);
            judge.promise(Promise { client: name, filter, qos });
            clients.push((Client::new(name, true, 20, vec![(filter, qos)]), None));
        }
        for name in ["fleeting", "hasty"] {
            clients.push((Client::new(name, false, 20, vec![("a/#", AtLeastOnce)]), None));
        }
        let scratch = Scratch::new();
        let names = world::new_core(Default::default(), Default::default());
        let longest_start = Duration::ZERO;
        let program = None;
        Self { chance, scratch, program, clients, judge, published: 0, names, longest_start }
    }

    /// Kills the program so many times; gives the longest time it took to serve again.
    pub fn run(mut self, kills: usize) -> Duration {
        self.start();
        self.settle();
        for _ in 0..kills {
            let end = Instant::now() + Duration::from_millis(20 + self.chance.below(200) as u64);
            while Instant::now() < end {
                self.publish();
                self.carry();
            }
            self.kill();
            self.start();
        }
        self.settle();
        self.judge.decide();
        self.longest_start
    }

    fn start(&mut self) {
        let began = Instant::now();
        let limit = "maximum-queued-messages=1000000";
        let bytes = "maximum-queued-bytes=1000000000";
        let state = ["--state-dir", self.scratch.text(), "--limit", limit, "--limit", bytes];
        self.program = Some(Program::start(&state));
        self.longest_start = self.longest_start.max(began.elapsed());
    }

    fn kill(&mut self) {
        // What goes out of scope is killed.
        self.program = None;
        self.judge.crashed();
        for (client, stream) in &mut self.clients {
            *stream = None;
            if let Some(link) = client.link.take() {
                link.owed_will().into_iter().for_each(|will| self.judge.owe(will));
            }
        }
    }

    fn publish(&mut self) {
        let client = self.chance.below(self.clients.len());
        let qos = self.chance.one_of(&[QoS::AtMostOnce, AtLeastOnce, ExactlyOnce]);
        let (number, topic) = (self.next_number(), self.chance.one_of(&TOPICS));
        let (client, _) = &mut self.clients[client];
        let message = Message { publisher: client.name, number, topic, qos };
        if client.is_lasting && qos > QoS::AtMostOnce {
            self.judge.owe(message.clone());
        }
        client.publish(message);
    }

    fn next_number(&mut self) -> usize {
        self.published += 1;
        self.published
    }

    /// Connects who is not connected and carries what there is to carry.
    fn carry(&mut self) {
        for index in 0..self.clients.len() {
            if self.clients[index].1.is_none() {
                self.connect(index);
            }
            let (client, stream) = &mut self.clients[index];
            client.answer(usize::MAX);
            let (Some(link), Some(socket)) = (&mut client.link, stream) else { continue };
            let sent = std::mem::take(&mut link.to_broker);
            let is_sent = sent.is_empty() || write_all(socket, &sent);
            let mut buffer = [0; 64 * 1024];
            match socket.read(&mut buffer) {
                Ok(length) if length > 0 && is_sent => {
                    client.receive(&buffer[..length], &mut self.judge, false);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                _ => panic!("the broker has closed the connection of {}", client.name),
            }
        }
    }

    fn connect(&mut self, index: usize) {
        let address = self.program.as_ref().unwrap().address;
        let socket = TcpStream::connect(address).unwrap();
        socket.set_nonblocking(true).unwrap();
        let id = self.names.open(Default::default());
        let number = self.next_number();
        let (client, stream) = &mut self.clients[index];
        let will = Message { publisher: client.name, number, topic: WILL_TOPIC, qos: AtLeastOnce };
        client.connect(id, Some(will).filter(|_| !client.is_lasting));
        *stream = Some(socket);
    }

    /// Carries on until all clients are done and all that is owed has come.
    fn settle(&mut self) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            self.carry();
            if self.clients.iter().all(|(client, _)| client.is_settled())
                && self.judge.is_satisfied()
            {
                return;
            }
            if Instant::now() > deadline {
                self.judge.decide();
                panic!("there is no end to it");
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Writes all of it to a socket that does not wait.
fn write_all(socket: &mut TcpStream, mut bytes: &[u8]) -> bool {
    let deadline = Instant::now() + DEADLINE;
    while !bytes.is_empty() && Instant::now() < deadline {
        match socket.write(bytes) {
            Ok(length) => bytes = &bytes[length..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::yield_now(),
            Err(_) => return false,
        }
    }
    bytes.is_empty()
}
