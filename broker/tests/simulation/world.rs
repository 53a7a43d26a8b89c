//! The broker, its clients, the network between them, and what may happen to all three.

use std::collections::VecDeque;
use std::time::Duration;

use mqtt_broker::core::change::Change;
use mqtt_broker::core::limits::Limits;
use mqtt_broker::core::time::{Instant, WallClock};
use mqtt_broker::core::{Config, ConnectionId, Core, Durability, Output, Taken};
use mqtt_protocol::QoS::{AtLeastOnce, AtMostOnce, ExactlyOnce};
use mqtt_protocol::*;

use crate::Chance;
use crate::client::{Client, Link};
use crate::dialogue::Kept;
use crate::disk::Shelf;
use crate::judge::{Judge, Message, Promise, WILL_TOPIC};

const TOPICS: [&str; 4] = ["a/x", "a/y", "b/x", "shared/t"];
const FILTERS: [&str; 6] = ["a/#", "+/x", "a/x", "b/+", "#", "wills/#"];
const ALL_QOS: [QoS; 3] = [AtMostOnce, AtLeastOnce, ExactlyOnce];

pub struct World {
    chance: Chance,
    core: Core,
    now: Instant,
    kept: Shelf,
    durability: Durability,
    /// How slow the store is.
    slowness: usize,
    /// Changes on their way to the store, and how many have arrived.
    pending: VecDeque<Vec<Change>>,
    committed: u64,
    clients: Vec<Client>,
    /// Connections that their clients have given up and the broker does not know are gone.
    ghosts: Vec<(usize, Link)>,
    judge: Judge,
    published: usize,
}

impl World {
    /// A world whose store is in memory, or on a disk whose power may fail.
    pub fn new(mut chance: Chance, on_disk: bool) -> Self {
        let mut judge = Judge::default();
        let mut clients = Vec::new();
        for name in ["one", "two", "three"] {
            let mut filters = vec![("$share/group/shared/+", ExactlyOnce)];
            for _ in 0..=chance.below(2) {
                let filter = chance.one_of(&FILTERS);
                if filters.iter().all(|(other, _)| *other != filter) {
                    filters.push((filter, chance.one_of(&ALL_QOS)));
                }
            }
            for &(filter, qos) in &filters {
                judge.promise(Promise { client: name, filter, qos });
            }
            clients.push(Client::new(name, true, 1 + chance.below(6) as u16, filters));
        }
        for name in ["fleeting", "hasty"] {
            let filters = vec![(chance.one_of(&FILTERS), chance.one_of(&ALL_QOS))];
            clients.push(Client::new(name, false, 1 + chance.below(6) as u16, filters));
        }
        let now = Instant::from_nanos(1);
        let durability = match on_disk {
            true => Durability::Sync,
            false => chance.one_of(&[Durability::Sync, Durability::Sync, Durability::Off]),
        };
        let slowness = chance.one_of(&[2, 10, 200]);
        let core = new_core(now, durability);
        let kept = match on_disk {
            true => Shelf::on_disk(wall_clock(now)),
            false => Shelf::Memory(Kept::default()),
        };
        Self {
            chance,
            core,
            now,
            kept,
            durability,
            slowness,
            pending: VecDeque::new(),
            committed: 0,
            clients,
            ghosts: Vec::new(),
            judge,
            published: 0,
        }
    }

    pub fn run(mut self) {
        // What is published before a subscription is confirmed is not promised to it.
        self.settle();
        for _ in 0..200 {
            self.step();
            self.check();
        }
        self.settle();
        self.judge.decide();
    }

    fn step(&mut self) {
        if self.kept.is_disk() && self.chance.below(40) == 0 {
            return self.crash();
        }
        let client = self.chance.below(self.clients.len());
        if self.chance.below(self.slowness) == 0 {
            let count = self.chance.below(self.pending.len() + 1);
            self.commit(count);
        }
        match self.chance.below(100) {
            0..30 => self.publish(client),
            30..50 => self.carry_to_broker(client),
            50..70 => self.carry_to_client(client),
            70..84 => {
                let count = self.chance.below(4);
                self.clients[client].answer(count);
            }
            84..89 => self.connect(client),
            89..93 => self.lose(client),
            93..95 => self.clients[client].disconnect(),
            95..98 => self.pass_time(),
            98 => self.haunt(),
            _ if self.chance.below(2) == 0 && self.durability == Durability::Sync => self.crash(),
            _ => self.restart(),
        }
    }

    fn publish(&mut self, client: usize) {
        let message = Message {
            publisher: self.clients[client].name,
            number: self.next_number(),
            topic: self.chance.one_of(&TOPICS),
            qos: self.chance.one_of(&ALL_QOS),
        };
        if self.clients[client].is_lasting && message.qos > AtMostOnce {
            self.judge.owe(message.clone());
        }
        self.clients[client].publish(message);
    }

    fn next_number(&mut self) -> usize {
        self.published += 1;
        self.published
    }

    /// Connects, whether or not there is a connection; what it sent on an older one may arrive.
    fn connect(&mut self, client: usize) {
        self.give_up(client);
        let id = self.core.open(self.now);
        let number = self.next_number();
        let client = &mut self.clients[client];
        let will = Message { publisher: client.name, number, topic: WILL_TOPIC, qos: AtLeastOnce };
        client.connect(id, Some(will).filter(|_| !client.is_lasting));
    }

    fn give_up(&mut self, client: usize) -> Option<ConnectionId> {
        let link = self.clients[client].link.take()?;
        let id = link.id;
        link.owed_will().into_iter().for_each(|will| self.judge.owe(will));
        self.ghosts.push((client, link));
        Some(id)
    }

    /// The connection breaks; of what was on its way, some may still arrive.
    fn lose(&mut self, client: usize) {
        self.carry_to_broker(client);
        self.carry_to_client(client);
        if let Some(id) = self.give_up(client) {
            self.ghosts.pop();
            self.core.handle_closed(id, self.now);
            self.obey();
        }
    }

    /// A connection that was given up shows signs of life, or the broker learns of its end.
    fn haunt(&mut self) {
        if self.ghosts.is_empty() {
            return;
        }
        let ghost = self.chance.below(self.ghosts.len());
        let (_, mut link) = self.ghosts.swap_remove(ghost);
        let count = self.chance.below(link.to_broker.len() + 1);
        receive(&mut self.core, &mut link, count, self.now);
        self.obey();
        self.core.handle_closed(link.id, self.now);
        self.obey();
    }

    fn carry_to_broker(&mut self, client: usize) {
        let Some(link) = &mut self.clients[client].link else { return };
        let count = self.chance.below(link.to_broker.len() + 1);
        receive(&mut self.core, link, count, self.now);
        self.obey();
    }

    fn carry_to_client(&mut self, client: usize) {
        let refuses = self.chance.below(10) == 0;
        let client = &mut self.clients[client];
        let Some(link) = &mut client.link else { return };
        let count = self.chance.below(link.to_client.len() + 1);
        let id = link.id;
        let bytes: Vec<u8> = link.to_client.drain(..count).collect();
        let is_all = link.to_client.is_empty();
        client.receive(&bytes, &mut self.judge, refuses);
        if count > 0 && is_all {
            self.written(id);
        }
    }

    /// All that was taken from the outbox is written; more may have gathered.
    fn written(&mut self, id: ConnectionId) {
        let mut bytes = Vec::new();
        self.core.written(id, &mut bytes, self.now);
        let is_over = bytes.is_empty() && self.core.is_closing(id);
        self.send(id, &bytes);
        if is_over {
            self.core.handle_closed(id, self.now);
            if let Some(client) = self.clients.iter_mut().find(|it| it.is_linked(id)) {
                client.link = None;
            }
        }
        self.obey();
    }

    fn pass_time(&mut self) {
        self.now = self.now + Duration::from_millis(self.chance.below(5000) as u64);
        self.core.handle_timeout(self.now);
        self.obey();
    }

    /// Does what the core orders.
    fn obey(&mut self) {
        while let Some(output) = self.core.poll_output() {
            match output {
                Output::Flush(id) | Output::Close(id) => {
                    let mut bytes = Vec::new();
                    if self.core.take_outbox(id, &mut bytes) == Taken::Bytes {
                        self.send(id, &bytes);
                    } else if self.core.is_closing(id) && !self.is_writing(id) {
                        self.written(id);
                    }
                }
                // The network holds back what it likes.
                Output::Resume(_) => {}
                Output::CheckPassword(..) => unreachable!("there are no users"),
                Output::Note(_) => {}
            }
        }
        self.note_changes();
    }

    fn is_writing(&self, id: ConnectionId) -> bool {
        let links = self.clients.iter().filter_map(|client| client.link.as_ref());
        links.into_iter().any(|link| link.id == id && !link.to_client.is_empty())
    }

    /// Puts bytes on their way to a client; they are whole packets.
    fn send(&mut self, id: ConnectionId, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            match decode(rest, usize::MAX).unwrap() {
                Decoded::Packet { length, .. } => rest = &rest[length..],
                Decoded::Incomplete { .. } => panic!("half a packet in an outbox"),
            }
        }
        let mut links = self.clients.iter_mut().filter_map(|client| client.link.as_mut());
        if let Some(link) = links.find(|link| link.id == id) {
            link.to_client.extend_from_slice(bytes);
        }
    }

    /// The broker stops in good order and starts again; nobody hears its last words.
    fn restart(&mut self) {
        self.core.shut_down(self.now);
        self.note_changes();
        assert!(self.keep(self.pending.len()), "the disk has power");
        self.begin_anew();
    }

    /// The broker is gone, and what has not reached the store with it.
    fn crash(&mut self) {
        // Who has just been told something is the one to be disappointed.
        for _ in 0..5 {
            let client = self.chance.below(self.clients.len());
            self.publish(client);
            self.carry_to_broker(client);
            self.carry_to_client(client);
        }
        self.kept.light_fuse(self.chance.below(40));
        let count = self.chance.below(self.pending.len() + 1);
        if self.keep(count) {
            self.core.handle_committed(self.committed, self.now);
            self.obey();
        }
        self.kept.cut_power(&mut self.chance);
        self.judge.crashed();
        self.begin_anew();
    }

    fn begin_anew(&mut self) {
        for client in 0..self.clients.len() {
            self.give_up(client);
        }
        self.ghosts.clear();
        self.pending.clear();
        self.committed = 0;
        self.core = new_core(self.now, self.durability);
        self.kept.restore(&mut self.core, self.now);
        self.core.handle_timeout(self.now);
        self.obey();
    }

    fn note_changes(&mut self) {
        let changes = self.core.take_changes();
        if !changes.is_empty() {
            self.pending.push_back(changes);
        }
    }

    /// So many groups of changes go to the store; tells whether they arrive.
    fn keep(&mut self, count: usize) -> bool {
        let changes: Vec<Change> = self.pending.drain(..count).flatten().collect();
        self.committed += changes.len() as u64;
        changes.is_empty() || self.kept.keep(changes.into_iter())
    }

    fn commit(&mut self, count: usize) {
        assert!(self.keep(count), "the disk has power");
        self.core.handle_committed(self.committed, self.now);
        self.obey();
    }

    /// What holds at any time: a client id has one connection at most.
    fn check(&self) {
        assert!(self.core.connected_clients() <= self.clients.len());
        for (client, ghost) in &self.ghosts {
            if ghost.is_up && self.clients[*client].link.as_ref().is_some_and(|link| link.is_up) {
                assert!(self.core.is_closing(ghost.id));
            }
        }
    }

    /// Nothing breaks any more: everybody connects, and all is carried until all is done.
    fn settle(&mut self) {
        while !self.ghosts.is_empty() {
            self.haunt();
        }
        for _ in 0..1000 {
            for client in 0..self.clients.len() {
                if self.clients[client].link.is_none() {
                    self.connect(client);
                }
                self.clients[client].answer(usize::MAX);
                for _ in 0..10 {
                    self.carry_to_broker(client);
                    self.carry_to_client(client);
                }
            }
            let was_pending = !self.pending.is_empty();
            self.commit(self.pending.len());
            if !was_pending && self.clients.iter().all(Client::is_settled) {
                return;
            }
        }
        panic!("there is no end to it");
    }
}

pub fn wall_clock(now: Instant) -> WallClock {
    WallClock { unix: Duration::from_secs(1_800_000_000), at: now }
}

pub fn new_core(now: Instant, durability: Durability) -> Core {
    let limits = Limits { receive_maximum: 5, ..Limits::default() };
    let wall_clock = wall_clock(now);
    let (run_id, access) = ("run".into(), Default::default());
    Core::new(Config { limits, wall_clock, run_id, access, durability })
}

/// So many of the bytes under way reach the broker.
fn receive(core: &mut Core, link: &mut Link, count: usize, now: Instant) {
    link.partial.extend(link.to_broker.drain(..count));
    loop {
        let received = core.receive(link.id, &link.partial, now);
        link.partial.drain(..received.consumed);
        // Who is held is heard all the same.
        if !received.is_held || received.consumed == 0 {
            return;
        }
    }
}
