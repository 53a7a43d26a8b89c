//! A whole room in virtual time: engines, players, paths, a broker, viewers and misfortune, from one seed.
//!
//! True time is in seconds. Each peer has a clock of its own with another origin and rate, and the engines see nothing else.

pub(crate) mod dice;
pub(crate) mod network;
pub(crate) mod plan;
pub(crate) mod player;
pub(crate) mod run;

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use playsync::{BROKER_CLOCK, Engine, File, Moment, Options, Output};

use dice::Dice;
use network::{Broker, Message, Path, Session};
use player::VirtualPlayer;

/// What can happen at a time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Event {
    /// The engine's deadline, unless a later one was set meanwhile.
    Wake {
        peer: usize,
        number: u64,
    },
    ToBroker {
        peer: usize,
        connection: u64,
        packet: Packet,
    },
    ToPeer {
        peer: usize,
        connection: u64,
        packet: Packet,
    },
    SeekStarted {
        peer: usize,
    },
    SeekLanded {
        peer: usize,
        number: u64,
    },
    Reported {
        peer: usize,
        report: Report,
    },
    Joins {
        peer: usize,
    },
    Connects {
        peer: usize,
    },
    FileBegins {
        peer: usize,
    },
    LinkBreaks {
        peer: usize,
        until: f64,
        is_silent: bool,
    },
    LinkNoticed {
        peer: usize,
        connection: u64,
        until: f64,
    },
    WillDue {
        peer: usize,
    },
    BrokerStops {
        for_secs: f64,
        keeps_state: bool,
    },
    BrokerStarts,
    Stumbles {
        peer: usize,
        lost: f64,
    },
    Starves {
        peer: usize,
        is_starved: bool,
    },
    Acts {
        peer: usize,
        deed: Deed,
    },
}

/// What travels between a peer and the broker.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Packet {
    Publish(Message),
    Acknowledge(u64),
    /// The broker does not take that from this peer.
    Refused {
        number: u64,
        channel: String,
    },
    Question {
        channel: &'static str,
        correlation: Vec<u8>,
        from: usize,
    },
    Answer {
        to: usize,
        correlation: Vec<u8>,
        json: String,
    },
    /// The subscriptions are acknowledged.
    Ready,
}

/// What a player's shell tells the engine a little later, as it is by then: changes in between are joined.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Report {
    Paused,
    Speed,
}

/// What a viewer does at their player.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Deed {
    TogglePause,
    Seek(f64),
    SetSpeed(f64),
    /// Through keys of the plugin's own.
    WishPause(bool),
    WishStart(f64),
    Step(i32),
    Undo,
    Redo,
    Ready(bool),
    Rule(&'static str, &'static str),
    Say,
}

/// One peer: engine, player, clock and connection.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) engine: Engine,
    pub(crate) player: VirtualPlayer,
    pub(crate) clock_offset: f64,
    pub(crate) clock_rate: f64,
    pub(crate) up: Path,
    pub(crate) down: Path,
    pub(crate) has_joined: bool,
    pub(crate) connection: Option<u64>,
    is_link_dead: bool,
    away_until: f64,
    unacknowledged: Vec<Message>,
    keeps_pitch: bool,
    wake_number: u64,
    seeks: u64,
    reported_pause: bool,
    reported_speed: f64,
    /// Room speeds of the recent past, for judging commanded speeds.
    room_speeds: Vec<f64>,
    pub(crate) commands: Commands,
}

/// How often the engine commanded its player.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Commands {
    pub(crate) pauses: u32,
    pub(crate) seeks: u32,
    pub(crate) speeds: u32,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) now: f64,
    pub(crate) peers: Vec<Peer>,
    pub(crate) broker: Broker,
    pub(crate) dice: Dice,
    pub(crate) breaches: Vec<String>,
    pub(crate) log: Vec<String>,
    pub(crate) is_logging: bool,
    events: BinaryHeap<Planned>,
    count: u64,
    connections: u64,
    storm: (u64, u64),
}

#[derive(Debug)]
struct Planned {
    at: f64,
    count: u64,
    event: Event,
}

impl Peer {
    pub(crate) fn new(
        number: usize,
        seed: u64,
        player: VirtualPlayer,
        clock: (f64, f64),
        paths: (Path, Path),
    ) -> Peer {
        let (clock_offset, clock_rate) = clock;
        let options = Options {
            peer_id: format!("peer-{number:02}"),
            name: format!("Peer {number}"),
            seed,
            wall_offset_ns: ((1.7e9 - clock_offset) * 1e9) as i64,
        };
        Peer {
            engine: Engine::new(options),
            player,
            clock_offset,
            clock_rate,
            up: paths.0,
            down: paths.1,
            has_joined: false,
            connection: None,
            is_link_dead: false,
            away_until: 0.0,
            unacknowledged: Vec::new(),
            keeps_pitch: true,
            wake_number: 0,
            seeks: 0,
            reported_pause: false,
            reported_speed: 1.0,
            room_speeds: vec![1.0],
            commands: Commands::default(),
        }
    }

    /// This peer's clock.
    pub(crate) fn local(&self, now: f64) -> Moment {
        Moment(((now * self.clock_rate + self.clock_offset) * 1e9) as i64)
    }

    fn true_time(&self, moment: Moment) -> f64 {
        (moment.0 as f64 * 1e-9 - self.clock_offset) / self.clock_rate
    }
}

impl World {
    pub(crate) fn new(seed: u64, broker: Broker) -> World {
        World {
            now: 0.0,
            peers: Vec::new(),
            broker,
            dice: Dice::new(seed),
            breaches: Vec::new(),
            log: Vec::new(),
            is_logging: false,
            events: BinaryHeap::new(),
            count: 0,
            connections: 0,
            storm: (0, 0),
        }
    }

    pub(crate) fn plan(&mut self, at: f64, event: Event) {
        self.count += 1;
        self.events.push(Planned { at, count: self.count, event });
    }

    /// Lets everything happen up to a time.
    pub(crate) fn run_until(&mut self, end: f64) {
        while self.events.peek().is_some_and(|planned| planned.at <= end) {
            let Some(planned) = self.events.pop() else { break };
            self.now = self.now.max(planned.at);
            self.watch_for_storms();
            self.happen(planned.event);
        }
        self.now = end;
    }

    /// An engine whose deadline never moves on would stop the world.
    fn watch_for_storms(&mut self) {
        let second = self.now as u64;
        self.storm = if self.storm.0 == second { (second, self.storm.1 + 1) } else { (second, 0) };
        assert!(
            self.storm.1 < 500_000,
            "second {second} never ends; the last events: {:#?}",
            self.log.iter().rev().take(40)
        );
    }

    fn happen(&mut self, event: Event) {
        if self.is_logging && !matches!(event, Event::Wake { .. }) {
            self.note(&format!("{event:?}"));
        }
        match event {
            Event::Wake { peer, number } if self.peers[peer].wake_number == number => {
                self.tell(peer, Engine::handle_timeout);
            }
            Event::Wake { .. } => {}
            Event::ToBroker { peer, connection, packet } => {
                self.at_broker(peer, connection, packet);
            }
            Event::ToPeer { peer, connection, packet } => self.at_peer(peer, connection, packet),
            Event::SeekStarted { peer } => self.tell(peer, Engine::seek_started),
            Event::SeekLanded { peer, number } => self.seek_landed(peer, number),
            Event::Reported { peer, report } => self.report(peer, report),
            Event::Joins { peer } => self.joins(peer),
            Event::Connects { peer } => self.connects(peer),
            Event::FileBegins { peer } => {
                self.tell(peer, |engine, now| engine.playback_restarted(Some(0.0), now));
            }
            Event::LinkBreaks { peer, until, is_silent } => {
                self.link_breaks(peer, until, is_silent);
            }
            Event::LinkNoticed { peer, connection, until } => {
                self.link_noticed(peer, connection, until);
            }
            Event::WillDue { peer } => self.will_due(peer),
            Event::BrokerStops { for_secs, keeps_state } => {
                self.broker_stops(for_secs, keeps_state);
            }
            Event::BrokerStarts => self.broker.start(&mut self.dice),
            Event::Stumbles { peer, lost } => self.peers[peer].player.stumble(lost, self.now),
            Event::Starves { peer, is_starved } => self.starves(peer, is_starved),
            Event::Acts { peer, deed } => self.acts(peer, deed),
        }
    }

    // ------------------------------------------------------------ the shell around each engine

    /// Tells the engine something and does what it asks.
    fn tell(&mut self, peer: usize, what: impl FnOnce(&mut Engine, Moment)) {
        if !self.peers[peer].has_joined {
            return;
        }
        let now = self.peers[peer].local(self.now);
        what(&mut self.peers[peer].engine, now);
        let room_speed = self.peers[peer].engine.status(now).speed;
        if self.peers[peer].room_speeds.last() != Some(&room_speed) {
            self.peers[peer].room_speeds.push(room_speed);
        }
        while let Some(output) = self.peers[peer].engine.poll_output() {
            self.carry_out(peer, output);
        }
        self.set_wake(peer);
    }

    fn set_wake(&mut self, peer: usize) {
        let late = self.dice.exponential(0.000_1);
        let wake = self.peers[peer].engine.next_timeout();
        self.peers[peer].wake_number += 1;
        if wake != Moment::NEVER {
            let at = self.peers[peer].true_time(wake).max(self.now) + late;
            let number = self.peers[peer].wake_number;
            self.plan(at, Event::Wake { peer, number });
        }
    }

    fn carry_out(&mut self, peer: usize, output: Output) {
        if self.is_logging && output != Output::ReadPosition {
            self.note(&format!("   peer {peer} asks {output:?}"));
        }
        match output {
            Output::Publish(publish) => self.publish(peer, publish),
            Output::ClockRequest { channel, correlation, .. } => {
                let sent = self.peers[peer].local(self.now);
                self.peers[peer].engine.clock_sent(correlation, sent);
                let question =
                    Packet::Question { channel, correlation: correlation.to_vec(), from: peer };
                self.send_up(peer, question);
            }
            Output::ClockAnswer { response_topic, correlation, json } => {
                let to = response_topic.parse().expect("the world's response topics are numbers");
                self.send_up(peer, Packet::Answer { to, correlation, json });
            }
            Output::SetPause(is_paused) => {
                self.peers[peer].commands.pauses += 1;
                self.set_player_pause(peer, is_paused);
            }
            Output::Seek(target) => {
                self.peers[peer].commands.seeks += 1;
                self.begin_seek(peer, target);
            }
            Output::SetSpeed(speed) => {
                self.peers[peer].commands.speeds += 1;
                self.judge_speed(peer, speed);
                self.set_player_speed(peer, speed);
            }
            Output::SetPitchCorrection(is_on) => self.peers[peer].keeps_pitch = is_on,
            Output::ReadPosition => self.read_position(peer),
            Output::Notice { .. } | Output::Chat { .. } | Output::OpenFile { .. } => {}
        }
    }

    /// The limits of speed: 0.2 % of trim, 1 % resampled, 3 % with the pitch kept, around the room's speed.
    fn judge_speed(&mut self, number: usize, speed: f64) {
        let peer = &self.peers[number];
        let limit = if peer.keeps_pitch { 0.032_1 } else { 0.012_1 };
        let recent = peer.room_speeds.iter().rev().take(4);
        let is_within = recent.into_iter().any(|room| (speed / room - 1.0).abs() <= limit);
        if !is_within {
            self.breaches
                .push(format!("at {:.3} peer {number} was set to speed {speed}", self.now));
        }
    }

    fn read_position(&mut self, peer: usize) {
        let now = self.now;
        let position = self.peers[peer].player.read(now);
        let slow = if self.dice.chance(0.01) { self.dice.exponential(0.004) } else { 0.0 };
        let (before, after) =
            (self.peers[peer].local(now - 0.000_01), self.peers[peer].local(now + 0.000_01 + slow));
        self.peers[peer].engine.position(position, before, after);
    }

    fn report(&mut self, peer: usize, report: Report) {
        let state = &mut self.peers[peer];
        let (is_paused, speed) = (state.player.is_paused, state.player.commanded_speed());
        match report {
            Report::Paused if is_paused == state.reported_pause => {}
            Report::Paused => {
                state.reported_pause = is_paused;
                self.tell(peer, |engine, now| engine.paused(is_paused, now));
            }
            Report::Speed if speed == state.reported_speed => {}
            Report::Speed => {
                state.reported_speed = speed;
                self.tell(peer, |engine, now| engine.speed_changed(speed, now));
            }
        }
    }

    fn set_player_pause(&mut self, peer: usize, is_paused: bool) {
        if self.peers[peer].player.is_paused != is_paused {
            self.peers[peer].player.set_pause(is_paused, self.now);
            let at = self.now + self.dice.between(0.000_1, 0.001);
            self.plan(at, Event::Reported { peer, report: Report::Paused });
        }
    }

    fn set_player_speed(&mut self, peer: usize, speed: f64) {
        if self.peers[peer].player.commanded_speed() != speed {
            self.peers[peer].player.set_speed(speed, self.now);
            let at = self.now + self.dice.between(0.000_1, 0.001);
            self.plan(at, Event::Reported { peer, report: Report::Speed });
        }
    }

    fn begin_seek(&mut self, peer: usize, target: f64) {
        self.peers[peer].seeks += 1;
        let number = self.peers[peer].seeks;
        let seek = self.peers[peer].player.begin_seek(target, number, self.now);
        self.plan(self.now + 0.000_5, Event::SeekStarted { peer });
        self.plan(seek.lands_at, Event::SeekLanded { peer, number });
    }

    fn seek_landed(&mut self, peer: usize, number: u64) {
        if self.peers[peer].player.seek.is_none_or(|seek| seek.number != number) {
            return;
        }
        let landing = self.peers[peer].player.land(self.now);
        self.tell(peer, |engine, now| engine.playback_restarted(Some(landing), now));
    }

    fn acts(&mut self, peer: usize, deed: Deed) {
        if !self.peers[peer].has_joined {
            return;
        }
        match deed {
            Deed::TogglePause => {
                let is_paused = self.peers[peer].player.is_paused;
                self.set_player_pause(peer, !is_paused);
            }
            Deed::Seek(target) => self.begin_seek(peer, target),
            Deed::SetSpeed(speed) => self.set_player_speed(peer, speed),
            Deed::WishPause(is_paused) => {
                self.tell(peer, |engine, now| engine.wish_pause(is_paused, now));
            }
            Deed::WishStart(secs) => {
                self.tell(peer, |engine, now| engine.wish_start(now + secs, now));
            }
            Deed::Step(frames) => self.tell(peer, |engine, now| engine.wish_step(frames, now)),
            Deed::Undo => self.tell(peer, Engine::wish_undo),
            Deed::Redo => self.tell(peer, Engine::wish_redo),
            Deed::Ready(is_ready) => self.tell(peer, |engine, now| engine.set_ready(is_ready, now)),
            Deed::Rule(rule, value) => self.tell(peer, |engine, now| {
                let rules = engine.rules().with(rule, value).expect("a rule of the protocol");
                engine.wish_rules(rules, now);
            }),
            Deed::Say => self.tell(peer, |engine, now| engine.say("hello", now)),
        }
    }

    fn starves(&mut self, peer: usize, is_starved: bool) {
        self.peers[peer].player.starve(is_starved, self.now);
        self.tell(peer, |engine, now| engine.buffering(is_starved, now));
    }

    fn joins(&mut self, peer: usize) {
        self.peers[peer].has_joined = true;
        let frame = self.peers[peer].player.frame;
        let file = File {
            name: "film.mkv".to_owned(),
            size: Some(700_000_000),
            duration: Some(7_200.0),
            frames_per_second: Some(1.0 / frame),
            has_audio: true,
            is_seekable: true,
            fingerprint: None,
            url: None,
        };
        self.report(peer, Report::Paused);
        self.tell(peer, |engine, now| engine.file_loaded(file, now));
        let begins = self.now + self.dice.between(0.05, 0.3);
        self.plan(begins, Event::FileBegins { peer });
        self.connects(peer);
    }

    // ------------------------------------------------------------ connections

    fn connects(&mut self, peer: usize) {
        if self.peers[peer].connection.is_some() {
            return;
        }
        if !self.broker.is_up || self.now < self.peers[peer].away_until {
            let again = self.now + self.dice.between(0.2, 0.6);
            return self.plan(again, Event::Connects { peer });
        }
        self.connections += 1;
        let connection = self.connections;
        let will = self.peers[peer].engine.will();
        let state = &mut self.peers[peer];
        state.connection = Some(connection);
        state.is_link_dead = false;
        let session: &mut Session = self.broker.sessions.entry(peer).or_default();
        session.connection = Some(connection);
        session.will_due = None;
        session.will = Some(Message {
            channel: will.channel,
            json: will.json,
            is_retained: will.is_retained,
            number: Some(0),
        });
        // What the session owes comes first, then what is retained, then the acknowledgement of the subscriptions.
        let owed: Vec<Message> = session.unacknowledged.iter().cloned().collect();
        for message in owed {
            self.send_down(peer, Packet::Publish(message));
        }
        for (channel, json) in self.broker.retained.clone() {
            self.send_down(
                peer,
                Packet::Publish(Message { channel, json, is_retained: true, number: None }),
            );
        }
        self.send_down(peer, Packet::Ready);
        for message in self.peers[peer].unacknowledged.clone() {
            self.send_up(peer, Packet::Publish(message));
        }
    }

    /// A link breaks: what is under way is lost. A silent break is noticed only by the keep-alive.
    fn link_breaks(&mut self, peer: usize, until: f64, is_silent: bool) {
        let Some(connection) = self.peers[peer].connection else { return };
        self.peers[peer].is_link_dead = true;
        let noticed = self.now + if is_silent { self.dice.between(3.0, 7.0) } else { 0.01 };
        self.plan(noticed, Event::LinkNoticed { peer, connection, until });
        let will_at = self.now + if is_silent { 7.5 } else { 2.0 };
        if let Some(session) = self.broker.sessions.get_mut(&peer) {
            session.will_due = Some(will_at);
        }
        self.plan(will_at, Event::WillDue { peer });
    }

    fn link_noticed(&mut self, peer: usize, connection: u64, until: f64) {
        if self.peers[peer].connection != Some(connection) {
            return;
        }
        self.peers[peer].connection = None;
        self.peers[peer].away_until = until;
        if let Some(session) = self
            .broker
            .sessions
            .get_mut(&peer)
            .filter(|session| session.connection == Some(connection))
        {
            session.connection = None;
        }
        self.tell(peer, Engine::disconnected);
        let back = until.max(self.now + self.dice.between(0.1, 1.0));
        self.plan(back, Event::Connects { peer });
    }

    fn will_due(&mut self, peer: usize) {
        let now = self.now;
        let Some(session) = self.broker.sessions.get_mut(&peer) else { return };
        if self.broker.is_up && session.will_due.is_some_and(|due| now >= due) {
            session.will_due = None;
            session.connection = None;
            if let Some(will) = session.will.take() {
                self.spread(peer, &will);
            }
        }
    }

    fn broker_stops(&mut self, for_secs: f64, keeps_state: bool) {
        if !self.broker.is_up {
            return;
        }
        self.broker.stop(keeps_state);
        self.plan(self.now + for_secs, Event::BrokerStarts);
        for peer in 0..self.peers.len() {
            let Some(connection) = self.peers[peer].connection else { continue };
            self.peers[peer].is_link_dead = true;
            let noticed = self.now + self.dice.between(0.001, 0.05);
            self.plan(noticed, Event::LinkNoticed { peer, connection, until: self.now + for_secs });
        }
    }

    // ------------------------------------------------------------ messages

    fn publish(&mut self, peer: usize, publish: playsync::Publish) {
        self.count += 1;
        let number = publish.must_arrive.then_some(self.count);
        let message = Message {
            channel: publish.channel,
            json: publish.json,
            is_retained: publish.is_retained,
            number,
        };
        if number.is_some() {
            self.peers[peer].unacknowledged.push(message.clone());
        }
        self.send_up(peer, Packet::Publish(message));
    }

    fn send_up(&mut self, peer: usize, packet: Packet) {
        let Some(connection) = self.peers[peer].connection else { return };
        let at = self.peers[peer].up.arrival(self.now, &mut self.dice);
        self.plan(at, Event::ToBroker { peer, connection, packet });
    }

    fn send_down(&mut self, peer: usize, packet: Packet) {
        let Some(connection) = self.peers[peer].connection else { return };
        let at = self.peers[peer].down.arrival(self.now, &mut self.dice);
        self.plan(at, Event::ToPeer { peer, connection, packet });
    }

    fn is_gone(&self, peer: usize, connection: u64) -> bool {
        self.peers[peer].connection != Some(connection)
            || self.peers[peer].is_link_dead
            || !self.broker.is_up
    }

    fn at_broker(&mut self, peer: usize, connection: u64, packet: Packet) {
        if self.is_gone(peer, connection) {
            return;
        }
        match packet {
            Packet::Publish(message) if !self.broker.takes(peer, &message) => {
                let channel = message.channel;
                let number = message.number.unwrap_or_default();
                self.send_down(peer, Packet::Refused { number, channel });
            }
            Packet::Publish(message) => {
                if let Some(number) = message.number {
                    self.send_down(peer, Packet::Acknowledge(number));
                }
                self.spread(peer, &message);
            }
            Packet::Acknowledge(number) => self.broker.acknowledged(peer, number),
            Packet::Question { channel, correlation, from } if channel == BROKER_CLOCK => {
                if let Some(clock) = &self.broker.clock {
                    let time = self.broker.time(self.now);
                    let json =
                        format!(r#"{{"clock":"{clock}","received":{time:.6},"sent":{time:.6}}}"#);
                    self.send_down(from, Packet::Answer { to: from, correlation, json });
                }
            }
            Packet::Question { .. } => {
                for other in (0..self.peers.len()).filter(|other| *other != peer) {
                    self.send_down(other, packet.clone());
                }
            }
            Packet::Answer { to, .. } => self.send_down(to, packet),
            Packet::Refused { channel, .. } => self.send_retained(peer, &channel),
            Packet::Ready => {}
        }
    }

    fn send_retained(&mut self, peer: usize, channel: &str) {
        if let Some(json) = self.broker.retained.get(channel).cloned() {
            let channel = channel.to_owned();
            let message = Message { channel, json, is_retained: true, number: None };
            self.send_down(peer, Packet::Publish(message));
        }
    }

    fn spread(&mut self, from: usize, message: &Message) {
        for (to, copy) in self.broker.publish(from, message) {
            self.send_down(to, Packet::Publish(copy));
        }
    }

    fn at_peer(&mut self, peer: usize, connection: u64, packet: Packet) {
        if self.is_gone(peer, connection) {
            return;
        }
        match packet {
            Packet::Publish(message) => {
                if let Some(number) = message.number {
                    self.send_up(peer, Packet::Acknowledge(number));
                }
                let Message { channel, json, .. } = message;
                self.tell(peer, |engine, now| {
                    engine
                        .message(&channel, json.as_bytes(), now, now)
                        .expect("peers send what peers understand");
                });
            }
            Packet::Acknowledge(number) => {
                self.peers[peer].unacknowledged.retain(|message| message.number != Some(number));
            }
            Packet::Question { correlation, from, .. } => {
                let topic = from.to_string();
                self.tell(peer, |engine, now| engine.clock_request(&topic, &correlation, now, now));
            }
            Packet::Answer { correlation, json, .. } => {
                self.tell(peer, |engine, now| {
                    engine
                        .clock_answer(&correlation, json.as_bytes(), now, now)
                        .expect("answers are well formed");
                });
            }
            Packet::Refused { number, channel } => {
                self.peers[peer].unacknowledged.retain(|message| message.number != Some(number));
                self.tell(peer, |engine, now| engine.refused(&channel, now));
                // The shell subscribes anew.
                self.send_up(peer, Packet::Refused { number, channel });
            }
            Packet::Ready => self.tell(peer, Engine::connected),
        }
    }

    fn note(&mut self, line: &str) {
        self.log.push(format!("{:.4} {line}", self.now));
    }
}

impl PartialEq for Planned {
    fn eq(&self, other: &Planned) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Planned {}

impl PartialOrd for Planned {
    fn partial_cmp(&self, other: &Planned) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The earliest is the greatest, and of two at once the one planned first.
impl Ord for Planned {
    fn cmp(&self, other: &Planned) -> Ordering {
        other.at.total_cmp(&self.at).then(other.count.cmp(&self.count))
    }
}
