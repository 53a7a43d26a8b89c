//! Telling the room about this peer, and hearing about the others.

use crate::message::{self, Media, Presence};
use crate::people::News;
use crate::steering::Stage;
use crate::{Condition, Engine, Moment, Output, Publish, notice};

/// A change of presence must last this long to be told, in seconds.
const PRESENCE_LASTS_SECS: f64 = 0.5;
/// How often playing peers tell their drift; in large rooms less often, by this much for each peer, in seconds.
const DRIFT_EVERY_SECS: f64 = 2.0;
const DRIFT_PER_PEER_SECS: f64 = 0.2;
const DRIFT_EXPIRY_SECS: u32 = 10;

/// What the room has been told of this peer.
#[derive(Debug, Default)]
pub(crate) struct Telling {
    pub told: Option<Told>,
    pub next_drift: Option<Moment>,
}

/// The presence the room knows, and since when it is outdated.
#[derive(Debug)]
pub(crate) struct Told {
    presence: Presence,
    outdated_since: Option<Moment>,
}

impl Engine {
    /// A peer told of itself, or was cleared.
    pub(crate) fn presence_arrived(&mut self, id: &str, json: &[u8]) -> Result<(), String> {
        if id == self.id {
            return self.own_presence_arrived(json);
        }
        let name = self.people.name(id).to_owned();
        let was_ready = self.people.is_ready(id);
        let was_watching = self.people.is_watching(id);
        let news = match json {
            [] => self.people.forget(id),
            _ => self.people.tell(id, message::read_presence(json)?),
        };
        match news {
            _ if !self.membership.is_settled() => {}
            News::Joined => self.out.push_back(notice::joined(self.people.name(id))),
            News::Left => self.somebody_left(&name, was_watching),
            News::Nothing => {
                let is_ready = self.people.is_ready(id);
                let is_news = is_ready != was_ready;
                self.out.extend(is_news.then(|| notice::readiness(&name, is_ready)));
            }
        }
        Ok(())
    }

    /// What the room keeps of this peer. An earlier connection's will may come late: then it is said again who is here.
    fn own_presence_arrived(&mut self, json: &[u8]) -> Result<(), String> {
        let kept = if json.is_empty() { None } else { Some(message::read_presence(json)?) };
        if self.telling.told.as_ref().map(|told| &told.presence) != kept.as_ref() {
            self.telling.told = None;
        }
        Ok(())
    }

    /// A playing peer told its drift.
    pub(crate) fn drift_arrived(
        &mut self,
        id: &str,
        json: &[u8],
        received: Moment,
    ) -> Result<(), String> {
        if id != self.id && !json.is_empty() {
            self.people.tell_drift(id, &message::read_drift(json)?, received);
        }
        Ok(())
    }

    /// What this peer tells of itself.
    pub(crate) fn presence_as(&self, condition: Condition) -> Presence {
        let path = self.clock.path();
        Presence {
            name: self.name.clone(),
            condition,
            ready: self.is_ready && condition != Condition::Gone,
            file: self.player.file.as_ref().map(Media::of),
            round_trip: path.map(|(round_trip, _)| thousandths(round_trip)),
            jitter: path.map(|(_, jitter)| thousandths(jitter)),
            restart: Some(thousandths(self.player.restart_secs())),
            serves_clock: self.clock.serves().map(str::to_owned),
        }
    }

    pub(crate) fn presence_message(&self, presence: &Presence) -> Publish {
        Publish {
            channel: format!("peer/{}", self.id),
            json: message::write(presence),
            must_arrive: true,
            is_retained: true,
            expiry_secs: 0,
        }
    }

    /// When there is something to tell.
    pub(crate) fn telling_timeout(&self) -> Moment {
        let outdated =
            self.telling.told.as_ref().map_or(Some(Moment(0)), |told| told.outdated_since);
        let presence = outdated.map_or(Moment::NEVER, |since| since + PRESENCE_LASTS_SECS);
        let drift =
            self.telling.next_drift.filter(|_| self.is_drift_known()).unwrap_or(Moment::NEVER);
        presence.min(drift)
    }

    /// Tells the room what has changed about this peer, once the change has lasted.
    pub(crate) fn tell_presence(&mut self, now: Moment) {
        let fresh = self.presence_as(self.condition());
        if let Some(told) = &mut self.telling.told {
            if !fresh.differs_from(&told.presence) {
                told.outdated_since = None;
                return;
            }
            let since = *told.outdated_since.get_or_insert(now);
            if now - since < PRESENCE_LASTS_SECS && fresh.ready == told.presence.ready {
                return;
            }
        }
        self.out.push_back(Output::Publish(self.presence_message(&fresh)));
        self.telling.told = Some(Told { presence: fresh, outdated_since: None });
    }

    pub(crate) fn tell_drift(&mut self, now: Moment) {
        let Some(error) = self.drift.error().filter(|_| self.is_drift_known()) else { return };
        if self.telling.next_drift.is_none_or(|next| now < next) {
            return;
        }
        let every = DRIFT_EVERY_SECS.max(DRIFT_PER_PEER_SECS * self.people.count() as f64);
        self.telling.next_drift = Some(now + every);
        let position =
            self.line.as_ref().and_then(|line| self.room_position(line, now)).unwrap_or(0.0)
                + error;
        let drift = message::Drift {
            error: message::to_micros(error),
            factor: message::to_micros(self.drift.factor()),
            position: message::to_micros(position),
        };
        self.out.push_back(Output::Publish(Publish {
            channel: format!("peer/{}/status", self.id),
            json: message::write(&drift),
            must_arrive: false,
            is_retained: false,
            expiry_secs: DRIFT_EXPIRY_SECS,
        }));
    }

    fn is_drift_known(&self) -> bool {
        self.membership.is_settled()
            && matches!(self.stage, Stage::Playing(_))
            && self.drift.error().is_some()
    }
}

impl Presence {
    /// Whether the difference is worth a message.
    fn differs_from(&self, told: &Presence) -> bool {
        let delays = [
            (self.round_trip, told.round_trip),
            (self.jitter, told.jitter),
            (self.restart, told.restart),
        ];
        let is_far = |(fresh, told): &(Option<f64>, Option<f64>)| match (fresh, told) {
            (Some(fresh), Some(told)) => (fresh - told).abs() > (0.3 * told).max(0.01),
            (fresh, told) => fresh.is_some() != told.is_some(),
        };
        let plain = |presence: &Presence| {
            (
                presence.name.clone(),
                presence.condition,
                presence.ready,
                presence.file.clone(),
                presence.serves_clock.clone(),
            )
        };
        plain(self) != plain(told) || delays.iter().any(is_far)
    }
}

fn thousandths(secs: f64) -> f64 {
    (secs * 1e3).round() / 1e3
}
