//! Requests: which answers are awaited, and where they come.

use std::collections::HashMap;
use std::time::Duration;

use crate::{Attachment, Moment, Op, OwnedText};

/// The requests whose answers have not come.
#[derive(Debug)]
pub(super) struct Requests {
    /// By correlation data.
    awaited: HashMap<Box<[u8]>, Awaited>,
    /// No deadline comes before this one.
    earliest: Option<Moment>,
    /// Where answers come that have no topic of the program's.
    private_topic: OwnedText,
    is_subscribed: bool,
    last_correlation: u64,
}

/// One request.
#[derive(Debug)]
pub(super) struct Awaited {
    pub(super) op: Op,
    pub(super) attachment: Option<Attachment>,
    topic: OwnedText,
    deadline: Option<Moment>,
}

/// How many requests may run at once.
pub(super) const MAXIMUM_REQUESTS: usize = 65_535;

impl Requests {
    /// None yet; `seed` makes the private topic unlike other clients'.
    pub(super) fn new(seed: u64) -> Self {
        let topic = format!("reply/{seed:016x}");
        Self {
            awaited: HashMap::new(),
            earliest: None,
            private_topic: OwnedText::new(&topic).unwrap_or_default(),
            is_subscribed: false,
            last_correlation: 0,
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.awaited.len() >= MAXIMUM_REQUESTS
    }

    pub(super) fn private_topic(&self) -> &OwnedText {
        &self.private_topic
    }

    /// Whether the private topic has yet to be subscribed to; it is from here on.
    pub(super) fn needs_subscription(&mut self) -> bool {
        !std::mem::replace(&mut self.is_subscribed, true)
    }

    /// The subscription to the private topic is gone.
    pub(super) fn unsubscribed(&mut self) {
        self.is_subscribed = false;
    }

    /// Correlation data that no running request has.
    pub(super) fn new_correlation(&mut self) -> Box<[u8]> {
        loop {
            self.last_correlation += 1;
            let correlation = self.last_correlation.to_be_bytes();
            if !self.awaited.contains_key(&correlation[..]) {
                return Box::from(correlation);
            }
        }
    }

    pub(super) fn is_awaited(&self, correlation: &[u8]) -> bool {
        self.awaited.contains_key(correlation)
    }

    pub(super) fn insert(
        &mut self,
        correlation: Box<[u8]>,
        topic: OwnedText,
        deadline: Option<Moment>,
        op: Op,
        attachment: Option<Attachment>,
    ) {
        self.earliest = [self.earliest, deadline].into_iter().flatten().min();
        self.awaited.insert(correlation, Awaited { op, attachment, topic, deadline });
    }

    /// The request a message answers.
    pub(super) fn take(&mut self, topic: &str, correlation: &[u8]) -> Option<Awaited> {
        if self.awaited.get(correlation)?.topic.as_str() != topic {
            return None;
        }
        self.awaited.remove(correlation)
    }

    pub(super) fn take_op(&mut self, op: Op) -> Option<Awaited> {
        self.awaited.extract_if(|_, one| one.op == op).next().map(|(_, one)| one)
    }

    pub(super) fn contains(&self, op: Op) -> bool {
        self.awaited.values().any(|one| one.op == op)
    }

    pub(super) fn next_timeout(&self) -> Option<Moment> {
        self.earliest
    }

    /// Takes out those whose time is up.
    pub(super) fn take_late(&mut self, now: Moment) -> Vec<Awaited> {
        if self.earliest.is_none_or(|earliest| earliest > now) {
            return Vec::new();
        }
        let is_late = |one: &Awaited| one.deadline.is_some_and(|at| at <= now);
        let late = self.awaited.extract_if(|_, one| is_late(one)).map(|(_, one)| one).collect();
        self.earliest = self.awaited.values().filter_map(|one| one.deadline).min();
        late
    }

    pub(super) fn take_all(&mut self) -> Vec<Awaited> {
        self.earliest = None;
        self.awaited.drain().map(|(_, one)| one).collect()
    }

    /// Takes out those whose answers come on the private topic.
    pub(super) fn take_private(&mut self) -> Vec<Awaited> {
        let private = self.private_topic.clone();
        self.awaited.extract_if(|_, one| one.topic == private).map(|(_, one)| one).collect()
    }
}

/// The moment a request is late; `None` for never.
pub(super) fn deadline(timeout: Option<Duration>, now: Moment) -> Option<Moment> {
    timeout.map(|timeout| now + timeout)
}
