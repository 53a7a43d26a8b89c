//! Being one of the room: entering, presence, what the room keeps for newcomers, leaving.

use crate::message::{self, Action, Media, Presence, Timeline};
use crate::people::News;
use crate::steering::Stage;
use crate::timeline::Verdict;
use crate::wishes::Wish;
use crate::{Condition, Engine, Moment, Output, Publish, notice};

/// What the room keeps arrives within this time of the subscriptions, in seconds.
const SETTLING_SECS: f64 = 0.3;
/// How far apart the peers' turns are when one of them must do something, in seconds.
const TURN_SECS: f64 = 1.5;
/// How long the author of the held timeline waits for more of what put the room in doubt. Two authors who answered at
/// once would answer each other's answers without end. In seconds.
const DOUBT_LASTS_SECS: f64 = 0.5;
/// How long a wish counts that was made before the room was known, in seconds.
const EARLY_WISH_LASTS_SECS: f64 = 5.0;
/// A running line is written anew this often, so that what the room keeps is never much older, in seconds.
const RESTATE_EVERY_SECS: f64 = 60.0;
/// A change of presence must last this long to be told, in seconds.
const PRESENCE_LASTS_SECS: f64 = 0.5;
/// How often playing peers tell their drift; in large rooms less often, by this much for each peer, in seconds.
const DRIFT_EVERY_SECS: f64 = 2.0;
const DRIFT_PER_PEER_SECS: f64 = 0.2;
const DRIFT_EXPIRY_SECS: u32 = 10;

/// How this peer stands to its room.
#[derive(Debug, Default)]
pub(crate) struct Membership {
    link: Link,
    /// Whether it ever settled: only then there is a line to follow while the room cannot be reached.
    has_settled: bool,
    /// Whether the player ever followed the room: from then on another file is a wish for the room.
    pub(crate) has_followed: bool,
    alone: Option<Alone>,
    /// The viewer paused or resumed before the room was known.
    early_wish: Option<EarlyWish>,
    /// Whether a timeline has come since the room was lost or entered, and whether it was a new one.
    has_timeline: bool,
    has_changed: bool,
    told: Option<Told>,
    next_drift: Option<Moment>,
    restate_from: Option<Moment>,
    /// When a timeline last put in doubt what the room keeps.
    doubted_at: Option<Moment>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Link {
    #[default]
    Away,
    /// The room's messages are coming in.
    Settling {
        since: Moment,
    },
    Settled,
    /// For good.
    Left,
}

/// What the viewer did while the room could not hear of it.
#[derive(Clone, Copy, Debug, Default)]
struct Alone {
    sought_at: Option<Moment>,
}

#[derive(Clone, Copy, Debug)]
struct EarlyWish {
    is_paused: bool,
    at: Moment,
}

/// The presence the room knows, and since when it is outdated.
#[derive(Debug)]
struct Told {
    presence: Presence,
    outdated_since: Option<Moment>,
}

impl Membership {
    pub(crate) fn is_connected(&self) -> bool {
        matches!(self.link, Link::Settling { .. } | Link::Settled)
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.link == Link::Settled
    }

    pub(crate) fn has_left(&self) -> bool {
        self.link == Link::Left
    }

    /// Whether the player is the room's, not the viewer's alone.
    pub(crate) fn may_follow(&self) -> bool {
        self.has_settled && self.alone.is_none()
    }

    /// The viewer paused or resumed while nothing was known of the room.
    pub(crate) fn wished_early(&mut self, is_paused: bool, now: Moment) {
        self.early_wish = Some(EarlyWish { is_paused, at: now });
    }

    /// Whether the room was ever known.
    pub(crate) fn has_settled(&self) -> bool {
        self.has_settled
    }

    /// The viewer did something the room cannot hear of.
    pub(crate) fn acted_alone(&mut self) {
        if self.has_settled && !self.is_settled() {
            self.alone.get_or_insert_default();
        }
    }

    /// What the viewer did alone was a seek.
    pub(crate) fn sought_alone(&mut self, now: Moment) {
        if let Some(alone) = &mut self.alone {
            alone.sought_at = Some(now);
        }
    }
}

impl Engine {
    /// The connection stands: tell who is here, ask for the time, and wait for what the room keeps.
    pub(crate) fn enter(&mut self, now: Moment) {
        if self.membership.has_settled && !self.membership.is_connected() {
            self.out.push_back(notice::found());
        }
        self.membership.link = Link::Settling { since: now };
        self.membership.told = None;
        self.clock.connected(now);
    }

    /// The connection is gone; the player follows the line it has.
    pub(crate) fn lose_room(&mut self, now: Moment) {
        if self.membership.is_settled() {
            self.out.push_back(notice::lost());
        }
        self.membership.link = Link::Away;
        match self.wish.take() {
            Some(Wish::Pause) => self.membership.acted_alone(),
            Some(Wish::Seek { .. }) => {
                self.membership.acted_alone();
                self.membership.sought_alone(now);
            }
            Some(Wish::Adopt { .. }) | None => {}
        }
        self.membership.has_timeline = false;
        self.membership.has_changed = false;
        self.membership.restate_from = None;
        self.people.doubt_all();
        self.clock.disconnected();
    }

    /// Leaves nothing behind: the last one pauses the room where it is, and the own presence is cleared.
    pub(crate) fn say_farewell(&mut self, now: Moment) {
        let line = self.line.clone().filter(|line| !line.is_still());
        if let Some(line) = line
            && self.membership.is_settled()
            && self.people.is_empty()
            && matches!(self.stage, Stage::Playing(_))
        {
            let position = self.line_position(&line, now);
            let at = self.reference_time(now);
            self.write(Timeline { paused: true, position, at, action: Action::Pause, ..line }, now);
        }
        if self.membership.is_connected() {
            let mut cleared = self.will();
            cleared.json.clear();
            self.out.push_back(Output::Publish(cleared));
        }
        self.out.retain(|output| matches!(output, Output::Publish(_)));
        self.clock.disconnected();
        self.membership.link = Link::Left;
    }

    /// A timeline came, or the room's was cleared.
    pub(crate) fn timeline_arrived(&mut self, json: &[u8], now: Moment) -> Result<(), String> {
        if json.is_empty() {
            return Ok(());
        }
        let timeline = message::read_timeline(json)?;
        let was_own = self.ledger.held().is_some_and(|held| held.peer == self.id);
        let was_media = self.ledger.held().and_then(|held| held.media.clone());
        let is_same_line =
            self.ledger.held().is_some_and(|held| self.is_same_line(held, &timeline, now));
        let verdict = self.ledger.arrive(timeline.clone());
        let is_new = matches!(verdict, Verdict::Taken | Verdict::TakenInATie);
        self.membership.has_timeline = true;
        self.membership.has_changed |= is_new && !is_same_line;
        if verdict == Verdict::Refused {
            self.membership.doubted_at = Some(now);
        }
        if is_new && self.membership.is_settled() {
            // A wish that is still on its way was made for another line.
            self.wish = self.wish.filter(|_| self.player.seek.is_viewer_seeking());
            let is_tie = was_own && verdict == Verdict::TakenInATie;
            let is_a_newcomers = timeline.action == Action::File;
            if !is_a_newcomers || timeline.media != was_media {
                let deed = notice::deed(self.people.name(&timeline.peer), &timeline, is_tie);
                self.out.extend(deed);
            }
            self.take_line(timeline, now);
            if is_a_newcomers {
                self.grant_early_wish(now);
            }
        }
        Ok(())
    }

    /// Whether one is only the other written anew, as far as one can tell.
    fn is_same_line(&self, held: &Timeline, new: &Timeline, now: Moment) -> bool {
        let is_known =
            self.room_position(held, now).is_some() && self.room_position(new, now).is_some();
        let is_there =
            if is_known { self.is_close(held, new, now) } else { new.action == Action::Restate };
        held.is_still() == new.is_still() && held.speed == new.speed && is_there
    }

    /// A peer told of itself, or was cleared.
    pub(crate) fn presence_arrived(&mut self, id: &str, json: &[u8]) -> Result<(), String> {
        if id == self.id {
            return self.own_presence_arrived(json);
        }
        let name = self.people.name(id).to_owned();
        let news = match json {
            [] => self.people.forget(id),
            _ => self.people.tell(id, message::read_presence(json)?),
        };
        match news {
            _ if !self.membership.is_settled() => {}
            News::Joined => self.out.push_back(notice::joined(self.people.name(id))),
            News::Left => self.out.push_back(notice::left(&name)),
            News::Nothing => {}
        }
        Ok(())
    }

    /// What the room keeps of this peer. An earlier connection's will may come late: then it is said again who is here.
    fn own_presence_arrived(&mut self, json: &[u8]) -> Result<(), String> {
        let kept = if json.is_empty() { None } else { Some(message::read_presence(json)?) };
        if self.membership.told.as_ref().map(|told| &told.presence) != kept.as_ref() {
            self.membership.told = None;
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

    /// Another file is open, or none.
    pub(crate) fn file_changed(&mut self, now: Moment) {
        self.wish = None;
        self.stage = Stage::Free;
        self.next_line = None;
        self.drift.stopped(now);
    }

    /// Settles, serves the clock, tells what has changed, and does its part for the room.
    pub(crate) fn keep_up_membership(&mut self, now: Moment) {
        if !self.membership.is_connected() {
            return;
        }
        let held_clock =
            self.ledger.held().map(|held| held.clock.as_str()).filter(|clock| !clock.is_empty());
        let is_elected = self.people.elects(&self.id, self.clock.serves(), held_clock);
        self.clock.elect(is_elected);
        self.settle(now);
        self.tell_presence(now);
        self.tell_drift(now);
        self.restate(now);
    }

    /// When membership has something to do.
    pub(crate) fn membership_timeout(&self) -> Moment {
        let settling = match self.membership.link {
            Link::Away | Link::Left => return Moment::NEVER,
            Link::Settling { since, .. } if self.clock.reference().is_some() => {
                since + SETTLING_SECS
            }
            _ => Moment::NEVER,
        };
        let outdated =
            self.membership.told.as_ref().map_or(Some(Moment(0)), |told| told.outdated_since);
        let presence = outdated.map_or(Moment::NEVER, |since| since + PRESENCE_LASTS_SECS);
        let drift =
            self.membership.next_drift.filter(|_| self.is_drift_known()).unwrap_or(Moment::NEVER);
        let restating = self.membership.restate_from.unwrap_or(Moment::NEVER);
        settling.min(presence).min(drift).min(restating).min(self.wish_timeout())
    }

    /// What this peer tells of itself.
    pub(crate) fn presence_as(&self, condition: Condition) -> Presence {
        let path = self.clock.path();
        Presence {
            name: self.name.clone(),
            condition,
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

    pub(crate) fn publish_timeline(&mut self, timeline: &Timeline) {
        self.out.push_back(Output::Publish(Publish {
            channel: "timeline".to_owned(),
            json: message::write(timeline),
            must_arrive: true,
            is_retained: true,
            expiry_secs: 0,
        }));
    }

    /// The room is complete once what it keeps has come and the time is known.
    fn settle(&mut self, now: Moment) {
        let Link::Settling { since } = self.membership.link else {
            return;
        };
        if now - since < SETTLING_SECS || self.clock.reference().is_none() {
            return;
        }
        let is_first = !std::mem::replace(&mut self.membership.has_settled, true);
        let alone = self.membership.alone.take();
        self.membership.link = Link::Settled;
        self.membership.next_drift = Some(now);
        if !self.membership.has_timeline {
            self.ledger.doubt();
            self.membership.doubted_at = Some(now);
        }
        let left = self.people.forget_unconfirmed();
        self.out.extend(left.iter().map(|name| notice::left(name)));
        self.take_readable_line(now);
        if is_first {
            self.out.push_back(notice::entered(self.people.count()));
            self.wake_empty_room(now);
            self.grant_early_wish(now);
        } else if let Some(alone) = alone.filter(|_| !self.membership.has_changed) {
            self.bring_back_wish(alone, now);
        }
        self.consider_file(now);
    }

    /// A running line in a room that everybody has left stands since it was last written.
    fn wake_empty_room(&mut self, now: Moment) {
        let Some(line) =
            self.ledger.held().filter(|held| self.people.is_empty() && !held.is_still())
        else {
            return;
        };
        let at = self.reference_time(now);
        self.write(Timeline { paused: true, at, action: Action::Restate, ..line.clone() }, now);
    }

    /// What the viewer did before the room was known is done to the room it turned out to be; also to the one that a
    /// simultaneous newcomer made it.
    fn grant_early_wish(&mut self, now: Moment) {
        if self.ledger.held().is_none() {
            return;
        }
        if let Some(wish) = self.membership.early_wish.take()
            && now - wish.at < EARLY_WISH_LASTS_SECS
        {
            self.wish_for_pause(wish.is_paused, now);
        }
    }

    /// The viewer acted alone and the room has not changed since. Alone, the player is right. With others a pause or a resume
    /// still counts, at the place where the room is by now, and a seek of a moment ago.
    fn bring_back_wish(&mut self, alone: Alone, now: Moment) {
        let is_recent = |at: Moment| now - at < EARLY_WISH_LASTS_SECS;
        if self.people.is_empty() {
            self.wish_to_adopt(now);
        } else if alone.sought_at.is_some_and(is_recent) {
            self.bring_back_seek(now);
        } else {
            self.wish_for_pause(self.player.pause.is_paused(), now);
        }
    }

    /// Tells the room what has changed about this peer, once the change has lasted.
    fn tell_presence(&mut self, now: Moment) {
        let fresh = self.presence_as(self.condition());
        if let Some(told) = &mut self.membership.told {
            if !fresh.differs_from(&told.presence) {
                told.outdated_since = None;
                return;
            }
            let since = *told.outdated_since.get_or_insert(now);
            if now - since < PRESENCE_LASTS_SECS {
                return;
            }
        }
        self.out.push_back(Output::Publish(self.presence_message(&fresh)));
        self.membership.told = Some(Told { presence: fresh, outdated_since: None });
    }

    fn tell_drift(&mut self, now: Moment) {
        let Some(error) = self.drift.error().filter(|_| self.is_drift_known()) else { return };
        if self.membership.next_drift.is_none_or(|next| now < next) {
            return;
        }
        let every = DRIFT_EVERY_SECS.max(DRIFT_PER_PEER_SECS * self.people.count() as f64);
        self.membership.next_drift = Some(now + every);
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

    /// Writes the held line anew when it is this peer's turn: the room may be keeping another one, the line is in a clock
    /// that is no longer the reference, or what the room keeps grows old.
    fn restate(&mut self, now: Moment) {
        let Some(due) = self.restate_due(now).filter(|_| self.membership.is_settled()) else {
            self.membership.restate_from = None;
            return;
        };
        // A turn counts from when its reason first stood; a doubt counts from its last cause.
        let first = self.membership.restate_from.filter(|_| !self.ledger.is_room_in_doubt());
        let due = first.map_or(due, |from| from.min(due));
        self.membership.restate_from = Some(due);
        if now < due {
            return;
        }
        self.membership.restate_from = None;
        if let Some(line) = self.ledger.held().cloned() {
            self.write_anew(line, now);
        }
    }

    fn restate_due(&self, now: Moment) -> Option<Moment> {
        let held = self.ledger.held()?;
        let turn = TURN_SECS * (1 + self.people.rank_of(&self.id)) as f64;
        if self.ledger.is_room_in_doubt() {
            let doubted_at = self.membership.doubted_at.unwrap_or(now);
            return Some(doubted_at + if held.peer == self.id { DOUBT_LASTS_SECS } else { turn });
        }
        let is_running = !held.is_still();
        let is_in_reference = self.clock.reference() == Some(held.clock.as_str());
        if is_running && !is_in_reference && self.clock.is_reference_good() {
            return self.clock.time_at(&held.clock, now).map(|_| now + turn);
        }
        let written = held.at.filter(|_| is_running && is_in_reference && turn <= TURN_SECS)?;
        self.clock.moment_of(&held.clock, written).map(|moment| moment + RESTATE_EVERY_SECS)
    }

    /// Writes the same line with its anchor at `now`, in the reference. A running line in an unknown clock stays as it is.
    fn write_anew(&mut self, line: Timeline, now: Moment) {
        let line = Timeline { action: Action::Restate, ..line };
        if line.is_still() {
            return self.write(line, now);
        }
        let Some(there) = self.clock.time_at(&line.clock, now) else {
            return self.write_in_its_clock(line, now);
        };
        // A start that is still to come stays where it is.
        let anchor = line.at.map_or(there, |at| at.max(there));
        let moment = self.clock.moment_of(&line.clock, anchor).unwrap_or(now);
        let position = line.position_at(anchor);
        self.write(Timeline { at: self.reference_time(moment), position, ..line }, now);
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
