//! The paths between peers and broker, and a broker that keeps sessions, retained messages and wills, and may know the time.

use std::collections::{BTreeMap, VecDeque};

use super::dice::Dice;

/// One direction of a path. Bytes stay in order, so a message never overtakes another.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    base: f64,
    jitter: Jitter,
    last_arrival: f64,
}

/// How a path's delay varies, in seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Jitter {
    /// Mostly small, seldom large, with this mean.
    Exponential(f64),
    /// Evenly up to this much.
    Even(f64),
}

impl Path {
    pub(crate) fn new(base: f64, jitter: Jitter) -> Path {
        Path { base, jitter, last_arrival: 0.0 }
    }

    pub(crate) fn base(&self) -> f64 {
        self.base
    }

    /// When what is sent now arrives.
    pub(crate) fn arrival(&mut self, now: f64, dice: &mut Dice) -> f64 {
        let jitter = match self.jitter {
            Jitter::Exponential(mean) => dice.exponential(mean),
            Jitter::Even(most) => dice.between(0.0, most),
        };
        self.last_arrival = self.last_arrival.max(now + self.base + jitter);
        self.last_arrival
    }
}

/// A message within the room.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Message {
    pub(crate) channel: String,
    pub(crate) json: String,
    pub(crate) is_retained: bool,
    /// The number that its acknowledgement carries; none at QoS 0.
    pub(crate) number: Option<u64>,
}

/// What a session owes to its peer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Session {
    pub(crate) connection: Option<u64>,
    pub(crate) unacknowledged: VecDeque<Message>,
    pub(crate) will: Option<Message>,
    /// When the will goes out, unless the peer comes back.
    pub(crate) will_due: Option<f64>,
}

#[derive(Clone, Debug)]
pub(crate) struct Broker {
    pub(crate) is_up: bool,
    /// The id of its clock; a broker of other make has none.
    pub(crate) clock: Option<String>,
    pub(crate) clock_offset: f64,
    pub(crate) retained: BTreeMap<String, String>,
    pub(crate) sessions: BTreeMap<usize, Session>,
    /// Who alone may write the timeline and the rules; nobody named: everybody.
    pub(crate) operators: Vec<usize>,
    numbers: u64,
}

impl Broker {
    pub(crate) fn new(has_clock: bool, clock_offset: f64) -> Broker {
        let clock = has_clock.then(|| "broker-1".to_owned());
        let sessions = BTreeMap::new();
        Broker {
            is_up: true,
            clock,
            clock_offset,
            retained: BTreeMap::new(),
            sessions,
            operators: Vec::new(),
            numbers: 0,
        }
    }

    pub(crate) fn time(&self, now: f64) -> f64 {
        now * (1.0 + 20e-6) + self.clock_offset
    }

    /// Stops; what it keeps across a restart depends on its store.
    pub(crate) fn stop(&mut self, keeps_state: bool) {
        self.is_up = false;
        if !keeps_state {
            self.retained.clear();
            self.sessions.clear();
        }
        for session in self.sessions.values_mut() {
            session.connection = None;
        }
    }

    /// Starts with a new clock: its id tells.
    pub(crate) fn start(&mut self, dice: &mut Dice) {
        self.is_up = true;
        if self.clock.is_some() {
            self.clock = Some(format!("broker-{:x}", dice.bits()));
            self.clock_offset += dice.between(-0.5, 0.5);
        }
    }

    /// Whether this peer may write there.
    pub(crate) fn takes(&self, from: usize, message: &Message) -> bool {
        let is_operators = ["timeline", "settings"].contains(&message.channel.as_str());
        !is_operators || self.operators.is_empty() || self.operators.contains(&from)
    }

    /// Takes a message in: keeps it if retained, and says what goes to whom.
    pub(crate) fn publish(&mut self, from: usize, message: &Message) -> Vec<(usize, Message)> {
        if message.is_retained {
            if message.json.is_empty() {
                self.retained.remove(&message.channel);
            } else {
                self.retained.insert(message.channel.clone(), message.json.clone());
            }
        }
        let others: Vec<usize> =
            self.sessions.keys().copied().filter(|peer| *peer != from).collect();
        others.into_iter().filter_map(|to| Some((to, self.hand_over(to, message)?))).collect()
    }

    /// The message as one session gets it: owed until acknowledged at QoS 1, dropped at QoS 0 while away.
    pub(crate) fn hand_over(&mut self, to: usize, message: &Message) -> Option<Message> {
        self.numbers += 1;
        let session = self.sessions.get_mut(&to)?;
        let copy = Message { number: message.number.map(|_| self.numbers), ..message.clone() };
        if copy.number.is_some() {
            session.unacknowledged.push_back(copy.clone());
        }
        session.connection.map(|_| copy)
    }

    pub(crate) fn acknowledged(&mut self, peer: usize, number: u64) {
        if let Some(session) = self.sessions.get_mut(&peer) {
            session.unacknowledged.retain(|message| message.number != Some(number));
        }
    }
}
