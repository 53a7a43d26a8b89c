//! What has happened, counted by reason, and what there is: the figures an operator looks at.
//!
//! They go out in two ways: below `$SYS/broker/`, to those who may subscribe to that, and as a
//! list for the shell.

use std::collections::BTreeMap;
use std::time::Duration;

use mqtt_protocol::{Publish, ReasonCode, TopicName};

use super::Core;
use super::message::MessageView;
use super::time::Instant;
use super::timers::Timer;

/// How often figures are published to those who have subscribed to them.
const INTERVAL: Duration = Duration::from_secs(10);

/// What every topic of a figure begins with.
const PREFIX: &str = "$SYS/";

/// What has happened so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) bytes_received: u64,
    pub(super) bytes_sent: u64,
    pub(super) messages_received: u64,
    /// Copies that were sent to a receiver or wait for it.
    pub(super) messages_delivered: u64,
    /// Messages that were answered with an error.
    pub(super) messages_refused: Codes,
    pub(super) connects_accepted: u64,
    pub(super) connects_refused: Codes,
    /// Connections that were closed because CONNECT did not come in time.
    pub(super) connects_late: u64,
    /// Connections that were closed because newer ones had to connect, too.
    pub(super) connects_crowded_out: u64,
    /// Connections that the broker has ended.
    pub(super) disconnects: Codes,
    pub(super) subscriptions_refused: Codes,
    /// How often a client was not read for a while because it sent too much.
    pub(super) clients_held: u64,
}

/// How often something has happened for a reason.
#[derive(Debug, Default)]
pub(super) struct Codes(BTreeMap<u8, u64>);

impl Codes {
    pub(super) fn count(&mut self, reason: ReasonCode) {
        *self.0.entry(reason as u8).or_default() += 1;
    }
}

/// A number that says something of the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    /// What it is of, as the end of a topic: `clients/connected`.
    pub name: &'static str,
    /// The reason code it is for, if there is one figure for each.
    pub reason: Option<u8>,
    /// Whether it goes up and down.
    pub kind: Kind,
    /// How much it is.
    pub value: u64,
}

/// How a figure behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It says how much there is.
    Gauge,
    /// It says how often something has happened, and only grows.
    Counter,
}

impl Core {
    /// All figures, those of one name side by side.
    pub fn figures(&self, now: Instant) -> Vec<Figure> {
        let tally = &self.tally;
        let sessions = self.sessions.iter().map(|(_, session)| session);
        let queued = sessions.map(|session| session.queue.len()).sum();
        let gauge = |name, value: usize| Figure {
            name,
            reason: None,
            kind: Kind::Gauge,
            value: value as u64,
        };
        let counter = |name, value| Figure { name, reason: None, kind: Kind::Counter, value };
        let mut figures = vec![
            gauge("uptime", now.since(self.config.wall_clock.at).as_secs() as usize),
            gauge("connections/open", self.connections.len()),
            gauge("connections/unconnected", self.unconnected.count),
            gauge("clients/connected", self.connected_clients()),
            gauge("sessions/count", self.session_count()),
            gauge("messages/queued", queued),
            gauge("retained/count", self.retained_count()),
            gauge("retained/bytes", self.retained.bytes()),
            gauge("timers/count", self.timer_count()),
            gauge("memory/used", self.memory.used),
            gauge("memory/short", usize::from(self.memory.is_short)),
            counter("bytes/received", tally.bytes_received),
            counter("bytes/sent", tally.bytes_sent),
            counter("messages/received", tally.messages_received),
            counter("messages/delivered", tally.messages_delivered),
            counter("messages/dropped", self.dropped),
            counter("connects/accepted", tally.connects_accepted),
            counter("connects/late", tally.connects_late),
            counter("connects/crowded_out", tally.connects_crowded_out),
            counter("clients/held", tally.clients_held),
        ];
        for (name, codes) in [
            ("connects/refused", &tally.connects_refused),
            ("messages/refused", &tally.messages_refused),
            ("subscriptions/refused", &tally.subscriptions_refused),
            ("disconnects", &tally.disconnects),
        ] {
            figures.extend(codes.0.iter().map(|(&reason, &value)| Figure {
                name,
                reason: Some(reason),
                kind: Kind::Counter,
                value,
            }));
        }
        figures
    }

    /// Sees to it that who subscribes to figures has them soon.
    pub(super) fn expect_figures(&mut self, pattern: &str) {
        if pattern.starts_with(PREFIX) && !self.figures_are_due {
            self.figures_are_due = true;
            self.set_timer(Instant::default(), Timer::Figures);
        }
    }

    /// Publishes all figures, and again after a while, as long as anybody gets them.
    pub(super) fn publish_figures(&mut self, now: Instant) {
        self.figures_are_due = false;
        let before = self.tally.messages_delivered + self.dropped;
        for Figure { name, reason, value, .. } in self.figures(now) {
            let reason = reason.map_or_else(String::new, |reason| format!("/0x{reason:02X}"));
            self.publish_figure(&format!("{PREFIX}broker/{name}{reason}"), &value.to_string(), now);
        }
        self.publish_figure(
            &format!("{PREFIX}broker/version"),
            concat!("mqtt-broker ", env!("CARGO_PKG_VERSION")),
            now,
        );
        if self.tally.messages_delivered + self.dropped > before && !self.figures_are_due {
            self.figures_are_due = true;
            self.set_timer(now + INTERVAL, Timer::Figures);
        }
    }

    fn publish_figure(&mut self, topic: &str, value: &str, now: Instant) {
        let name = TopicName::new(topic).expect("a name of ours is a topic name");
        let publish = Publish::at_most_once(name, value.as_bytes());
        self.route(&MessageView::new(name, &publish), None, now);
    }
}
