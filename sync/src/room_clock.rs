//! The room's time: whom to ask for it, when, and how local moments translate.
//!
//! ```text
//!  connected ──▶ AskingBroker ──answer──▶ Broker          (asks $clock/now)
//!                     │  1 s without one     ▲
//!                     ▼                      │ a late answer
//!                   Peers ───────────────────┘            (asks the room's `clock`, or serves it)
//! ```
//!
//! Clocks are known by their ids. Those of the recent past stay readable, so a timeline written in one can be written
//! anew in the next.

use std::collections::VecDeque;

use crate::clock_filter::Exchange;
use crate::message::{self, ClockAnswer};
use crate::tracked_clock::TrackedClock;
use crate::{BROKER_CLOCK, ClockSource, Moment, Output};

/// A broker that has not answered for this long has no clock.
const PATIENCE_SECS: f64 = 1.0;
/// A broker that has not answered for this long may have none, in seconds.
const SILENCE_SECS: f64 = 0.25;
/// How many clocks are remembered.
const REMEMBERED: usize = 4;
/// How many questions may be under way.
const LARGEST_PENDING: usize = 32;
/// Correlations that other peers may send along.
const LONGEST_CORRELATION: usize = 64;
const LONGEST_TOPIC: usize = 1024;

/// Knows the room's time and keeps asking for it.
#[derive(Debug)]
pub(crate) struct RoomClock {
    own: OwnClock,
    phase: Phase,
    is_serving: bool,
    clocks: Vec<TrackedClock>,
    pending: VecDeque<Pending>,
    asking: Option<Asking>,
    seed: u64,
    asked: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    AskingBroker,
    Broker,
    Peers,
}

/// This peer's own clock, which it serves when the room elects it.
#[derive(Debug)]
struct OwnClock {
    id: String,
    offset_secs: f64,
}

/// The rhythm of the questions since the connection or the clock changed.
#[derive(Clone, Copy, Debug)]
struct Asking {
    since: Moment,
    count: u32,
    next: Moment,
}

/// A question under way. Its two local stamps may become known in either order.
#[derive(Debug)]
struct Pending {
    correlation: [u8; 8],
    is_to_broker: bool,
    sent: Option<Moment>,
    answer: Option<(ClockAnswer, Moment)>,
}

impl RoomClock {
    pub(crate) fn new(peer_id: &str, seed: u64, wall_offset_ns: i64) -> RoomClock {
        let mark: String = peer_id.chars().take(40).collect();
        RoomClock {
            own: OwnClock {
                id: format!("{mark}-{:08x}", seed as u32),
                offset_secs: Moment(wall_offset_ns).as_secs(),
            },
            phase: Phase::AskingBroker,
            is_serving: false,
            clocks: Vec::new(),
            pending: VecDeque::new(),
            asking: None,
            seed,
            asked: 0,
        }
    }

    /// Starts to ask, the broker first.
    pub(crate) fn connected(&mut self, now: Moment) {
        self.phase = Phase::AskingBroker;
        self.pending.clear();
        self.ask_afresh(now);
    }

    /// Stops to ask; what is known stays known.
    pub(crate) fn disconnected(&mut self) {
        self.asking = None;
        self.pending.clear();
        self.is_serving = false;
    }

    /// Forgets all clocks: the local one has missed a time of sleep.
    pub(crate) fn suspended(&mut self, now: Moment) {
        self.clocks.clear();
        self.pending.clear();
        if self.asking.is_some() {
            self.ask_afresh(now);
        }
    }

    /// Tells whether the peers' election falls on this peer; it matters only where the broker has no clock.
    pub(crate) fn elect(&mut self, is_elected: bool) {
        self.is_serving = is_elected && self.phase == Phase::Peers && self.asking.is_some();
    }

    /// The id of this peer's own clock.
    pub(crate) fn own_id(&self) -> &str {
        &self.own.id
    }

    /// The id of the clock this peer serves, while it does.
    pub(crate) fn serves(&self) -> Option<&str> {
        self.is_serving.then_some(self.own.id.as_str())
    }

    /// The write stamp of a question.
    pub(crate) fn sent(&mut self, correlation: [u8; 8], sent: Moment) {
        if let Some(pending) =
            self.pending.iter_mut().find(|pending| pending.correlation == correlation)
        {
            pending.sent = Some(sent);
            self.settle(correlation);
        }
    }

    /// An answer with its read stamp. Whose question it is not is ignored.
    pub(crate) fn answered(
        &mut self,
        correlation: &[u8],
        json: &[u8],
        received: Moment,
    ) -> Result<(), String> {
        let answer = message::read_clock_answer(json)?;
        let Some(pending) =
            self.pending.iter_mut().find(|pending| pending.correlation == correlation)
        else {
            return Ok(());
        };
        pending.answer = Some((answer, received));
        let correlation = pending.correlation;
        self.settle(correlation);
        Ok(())
    }

    /// Another peer's question, answered while this peer serves.
    pub(crate) fn question(
        &self,
        topic: &str,
        correlation: &[u8],
        received: Moment,
        now: Moment,
    ) -> Option<Output> {
        if !self.is_serving
            || topic.len() > LONGEST_TOPIC
            || correlation.len() > LONGEST_CORRELATION
        {
            return None;
        }
        let answer = ClockAnswer {
            clock: self.own.id.clone(),
            received: self.own.time_at(received),
            sent: self.own.time_at(now.max(received)),
        };
        Some(Output::ClockAnswer {
            response_topic: topic.to_owned(),
            correlation: correlation.to_vec(),
            json: message::write_clock_answer(&answer),
        })
    }

    /// When to ask again.
    pub(crate) fn next_timeout(&self) -> Moment {
        self.asking.map_or(Moment::NEVER, |asking| asking.next)
    }

    /// Asks when it is time to.
    pub(crate) fn handle_timeout(&mut self, now: Moment) -> Option<Output> {
        let mut asking = self.asking.filter(|asking| now >= asking.next)?;
        if self.phase == Phase::AskingBroker && now - asking.since >= PATIENCE_SECS {
            self.phase = Phase::Peers;
            asking = Asking { since: now, count: 0, next: now };
        }
        asking.count += 1;
        asking.next = now + interval(now - asking.since, asking.count);
        if self.phase == Phase::AskingBroker {
            asking.next = asking.next.min(asking.since + PATIENCE_SECS);
        }
        self.asking = Some(asking);
        let channel = match self.phase {
            // While the broker is silent the peers are asked by turns: one of them may serve.
            Phase::AskingBroker if now - asking.since > SILENCE_SECS && asking.count % 2 == 0 => {
                "clock"
            }
            Phase::AskingBroker | Phase::Broker => BROKER_CLOCK,
            Phase::Peers if self.is_serving => return None,
            Phase::Peers => "clock",
        };
        Some(self.question_to(channel))
    }

    /// The id of the clock that new timelines are written in, once it can be told.
    pub(crate) fn reference(&self) -> Option<&str> {
        if self.is_serving {
            return Some(&self.own.id);
        }
        self.clocks
            .iter()
            .rev()
            .find(|clock| clock.time_at(Moment(0)).is_some())
            .map(|clock| clock.id.as_str())
    }

    /// Whether the reference is known as well as it soon gets.
    pub(crate) fn is_reference_good(&self) -> bool {
        self.is_serving || self.current().is_some_and(|clock| clock.filter.is_good())
    }

    /// The time of the clock `id` at a local moment, if that clock is known.
    pub(crate) fn time_at(&self, id: &str, moment: Moment) -> Option<f64> {
        if id == self.own.id {
            return Some(self.own.time_at(moment));
        }
        self.find(id)?.time_at(moment)
    }

    /// When the clock `id` shows `time`, if that clock is known.
    pub(crate) fn moment_of(&self, id: &str, time: f64) -> Option<Moment> {
        if id == self.own.id {
            return Some(Moment::from_secs(time - self.own.offset_secs));
        }
        self.find(id)?.moment_of(time)
    }

    /// How much faster than the local clock the clock `id` runs.
    pub(crate) fn skew(&self, id: &str) -> f64 {
        self.find(id).map_or(0.0, TrackedClock::skew)
    }

    /// The quickest round trip and the deviation of one direction, in seconds.
    pub(crate) fn path(&self) -> Option<(f64, f64)> {
        let filter = &self.current()?.filter;
        filter.quickest_round_trip().zip(filter.jitter())
    }

    /// The standard error of the reference, in seconds.
    pub(crate) fn error(&self) -> Option<f64> {
        if self.is_serving { Some(0.0) } else { self.current()?.error() }
    }

    /// Where the room's time comes from.
    pub(crate) fn source(&self) -> ClockSource {
        match self.phase {
            _ if self.is_serving => ClockSource::Own,
            _ if self.reference().is_none() => ClockSource::None,
            Phase::Peers => ClockSource::Peer,
            Phase::AskingBroker | Phase::Broker => ClockSource::Broker,
        }
    }

    fn ask_afresh(&mut self, now: Moment) {
        self.asking = Some(Asking { since: now, count: 0, next: now });
    }

    fn question_to(&mut self, channel: &'static str) -> Output {
        self.asked += 1;
        let correlation =
            scatter(self.seed ^ self.asked.wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_be_bytes();
        if self.pending.len() == LARGEST_PENDING {
            self.pending.pop_front();
        }
        let is_to_broker = channel == BROKER_CLOCK;
        self.pending.push_back(Pending { correlation, is_to_broker, sent: None, answer: None });
        Output::ClockRequest { channel, correlation, json: "{}".to_owned() }
    }

    /// Uses an exchange once all four stamps are there.
    fn settle(&mut self, correlation: [u8; 8]) {
        let is_whole = |pending: &Pending| {
            pending.correlation == correlation && pending.sent.is_some() && pending.answer.is_some()
        };
        let Some(index) = self.pending.iter().position(is_whole) else { return };
        let Some(Pending {
            is_to_broker, sent: Some(sent), answer: Some((answer, received)), ..
        }) = self.pending.remove(index)
        else {
            return;
        };
        if is_to_broker {
            self.phase = Phase::Broker;
            self.is_serving = false;
        }
        let exchange =
            Exchange { sent, remote_received: answer.received, remote_sent: answer.sent, received };
        self.track(answer.clock, received).add(exchange);
    }

    /// The clock with this id, moved to the end as the newest; an unknown one is asked often at first.
    fn track(&mut self, id: String, now: Moment) -> &mut TrackedClock {
        let known = self.clocks.iter().position(|clock| clock.id == id);
        let clock = match known {
            Some(index) => self.clocks.remove(index),
            None => {
                self.ask_afresh(now);
                TrackedClock::new(id, now)
            }
        };
        if self.clocks.len() == REMEMBERED {
            self.clocks.remove(0);
        }
        self.clocks.push(clock);
        self.clocks.last_mut().expect("one was just pushed")
    }

    fn find(&self, id: &str) -> Option<&TrackedClock> {
        self.clocks.iter().find(|clock| clock.id == id)
    }

    fn current(&self) -> Option<&TrackedClock> {
        self.clocks.last()
    }
}

impl OwnClock {
    fn time_at(&self, moment: Moment) -> f64 {
        moment.as_secs() + self.offset_secs
    }
}

/// Often at first, seldom later: usable within half a second, good after two, and quiet in the long run.
fn interval(age_secs: f64, count: u32) -> f64 {
    match (count, age_secs) {
        (..=24, _) => 0.08,
        (_, ..12.0) => 0.25,
        (_, ..120.0) => 1.0,
        _ => 3.0,
    }
}

/// Spreads a number over all 64 bits (the finaliser of splitmix64).
fn scatter(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock() -> RoomClock {
        let mut clock = RoomClock::new("anna", 7, 1_000_000_000_000);
        clock.connected(Moment(0));
        clock
    }

    fn ask(clock: &mut RoomClock, now: Moment) -> (&'static str, [u8; 8]) {
        match clock.handle_timeout(now) {
            Some(Output::ClockRequest { channel, correlation, .. }) => (channel, correlation),
            other => panic!("expected a question, got {other:?}"),
        }
    }

    /// One question and its answer from a clock `offset` ahead, 5 ms away.
    fn exchange(clock: &mut RoomClock, id: &str, offset: f64) {
        let now = clock.next_timeout();
        let (_, correlation) = ask(clock, now);
        let there = now.as_secs() + offset + 0.005;
        let json = format!(r#"{{"clock":"{id}","received":{there},"sent":{there}}}"#);
        clock.sent(correlation, now);
        clock.answered(&correlation, json.as_bytes(), now + 0.010).expect("well formed");
    }

    #[test]
    fn broker_is_asked_first_and_its_answers_make_the_reference() {
        let mut clock = clock();
        assert_eq!(ask(&mut clock, Moment(0)).0, BROKER_CLOCK);
        for _ in 0..5 {
            exchange(&mut clock, "b1", 1_000.0);
        }
        assert_eq!((clock.reference(), clock.source()), (Some("b1"), ClockSource::Broker));
        let time = clock.time_at("b1", Moment::from_secs(1.0)).expect("known");
        assert!((time - 1_001.0).abs() < 1e-4);
    }

    #[test]
    fn stamps_may_come_in_either_order() {
        let mut clock = clock();
        for _ in 0..5 {
            let now = clock.next_timeout();
            let (_, correlation) = ask(&mut clock, now);
            let json = format!(r#"{{"clock":"b","received":{0},"sent":{0}}}"#, now.as_secs());
            clock.answered(&correlation, json.as_bytes(), now).expect("well formed");
            clock.sent(correlation, now);
        }
        assert_eq!(clock.reference(), Some("b"));
    }

    #[test]
    fn silent_broker_makes_the_elected_peer_serve_and_the_others_ask_it() {
        let mut clock = clock();
        let mut asked = Vec::new();
        while clock.next_timeout() <= Moment::from_secs(1.0) {
            let now = clock.next_timeout();
            asked.push(ask(&mut clock, now).0);
        }
        assert_eq!((asked.first(), asked.last()), (Some(&BROKER_CLOCK), Some(&"clock")));
        assert_eq!(clock.question("t", b"1", Moment(0), Moment(0)), None, "not elected");
        clock.elect(true);
        assert_eq!(clock.source(), ClockSource::Own);
        let answer = clock.question("t", b"1", Moment(1_000_000_000), Moment(2_000_000_000));
        let json = r#"{"clock":"anna-00000007","received":1001.0,"sent":1002.0}"#.to_owned();
        let expected = Output::ClockAnswer {
            response_topic: "t".to_owned(),
            correlation: b"1".to_vec(),
            json,
        };
        assert_eq!(answer, Some(expected));
    }

    #[test]
    fn restarted_broker_is_a_new_clock_and_the_old_one_stays_readable() {
        let mut clock = clock();
        for _ in 0..30 {
            exchange(&mut clock, "before", 1_000.0);
        }
        clock.disconnected();
        clock.connected(Moment::from_secs(10.0));
        for _ in 0..5 {
            exchange(&mut clock, "after", 5_000.0);
        }
        assert_eq!(clock.reference(), Some("after"));
        let now = Moment::from_secs(11.0);
        let (old, new) =
            (clock.time_at("before", now).expect("old"), clock.time_at("after", now).expect("new"));
        assert!((new - old - 4_000.0).abs() < 1e-3);
    }

    #[test]
    fn sleep_forgets_all_clocks_and_foreign_answers_are_ignored() {
        let mut clock = clock();
        for _ in 0..6 {
            exchange(&mut clock, "b", 1_000.0);
        }
        clock.suspended(Moment::from_secs(9.0));
        assert_eq!(clock.reference(), None);
        assert_eq!(
            clock.answered(b"whose?", br#"{"clock":"x","received":1,"sent":1}"#, Moment(0)),
            Ok(())
        );
        assert!(clock.answered(b"whose?", b"noon", Moment(0)).is_err());
    }
}
