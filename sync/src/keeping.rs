//! What the room keeps for newcomers: taking timelines in, and writing the held one anew when it is this peer's turn.

use crate::message::{self, Action, Timeline};
use crate::timeline::Verdict;
use crate::{Engine, Moment, Output, Publish, notice};

/// How far apart the peers' turns are when one of them must write the held line anew, in seconds.
const TURN_SECS: f64 = 1.5;
/// The author's turn, in seconds. Not at once: two authors who answered each other's timelines at once would never end.
const AUTHORS_TURN_SECS: f64 = 0.5;
/// A running line is written anew this often, so that what the room keeps is never much older, in seconds.
const RESTATE_EVERY_SECS: f64 = 60.0;

/// What this peer knows of what the room keeps.
#[derive(Debug, Default)]
pub(crate) struct Keeping {
    /// Whether a timeline has come since the room was lost, and whether it was another line than the one held.
    pub has_timeline: bool,
    pub has_changed: bool,
    /// Whether rules have come since the room was lost.
    pub has_settings: bool,
    /// When it is this peer's turn to write the held line anew.
    restate_from: Option<Moment>,
    /// When something last put in doubt what the room keeps.
    doubted_at: Option<Moment>,
}

impl Engine {
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
        let deed = self.deed_of(&timeline, now);
        let verdict = self.ledger.arrive(timeline.clone());
        let is_new = matches!(verdict, Verdict::Taken | Verdict::TakenInATie);
        self.keeping.has_timeline = true;
        self.keeping.has_changed |= is_new && !is_same_line;
        if verdict == Verdict::Refused {
            self.keeping.doubted_at = Some(now);
        }
        if let Some(deed) = deed.filter(|_| is_new) {
            self.history.note(deed);
        }
        if is_new && self.membership.is_settled() {
            // A wish that waits for the player was made for the line held until now, and goes with it.
            self.wish = self.wish.filter(|_| is_same_line || self.player.seek.is_viewer_seeking());
            let is_tie = was_own && verdict == Verdict::TakenInATie;
            let is_a_newcomers = timeline.action == Action::File;
            if !is_a_newcomers || timeline.media != was_media {
                let deed = notice::deed(self.people.name(&timeline.peer), &timeline, is_tie);
                self.out.extend(deed);
            }
            if let Some(id) = timeline.waits_for.as_ref().filter(|_| timeline.is_waiting()) {
                let name = if *id == self.id { "you" } else { self.people.name(id) };
                self.out.push_back(notice::waiting_for(name));
            }
            self.take_line(timeline, now);
            if is_a_newcomers && self.line.as_ref().is_some_and(|line| !self.is_file_of(line)) {
                self.ask_for_film();
            }
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

    /// Tells the room a timeline of this peer.
    pub(crate) fn publish_timeline(&mut self, timeline: &Timeline) {
        self.out.push_back(Output::Publish(Publish {
            channel: "timeline".to_owned(),
            json: message::write(timeline),
            must_arrive: true,
            is_retained: true,
            expiry_secs: 0,
        }));
    }

    /// The room kept nothing for a peer that comes with a timeline.
    pub(crate) fn doubt_the_room(&mut self, now: Moment) {
        self.ledger.doubt();
        self.keeping.doubted_at = Some(now);
    }

    /// When it may be this peer's turn.
    pub(crate) fn keeping_timeout(&self) -> Moment {
        self.keeping.restate_from.unwrap_or(Moment::NEVER)
    }

    /// Writes the held line anew when it is this peer's turn: the room may be keeping another one, the line is in a clock
    /// that is no longer the reference, or what the room keeps grows old.
    pub(crate) fn restate(&mut self, now: Moment) {
        let Some(due) = self.restate_due(now).filter(|_| self.membership.is_settled()) else {
            self.keeping.restate_from = None;
            return;
        };
        // A turn counts from when its reason first stood; a doubt counts from its last cause.
        let first = self.keeping.restate_from.filter(|_| !self.ledger.is_room_in_doubt());
        let due = first.map_or(due, |from| from.min(due));
        self.keeping.restate_from = Some(due);
        if now < due {
            return;
        }
        self.keeping.restate_from = None;
        if let Some(line) = self.ledger.held().cloned() {
            self.write_anew(line, now);
        }
    }

    fn restate_due(&self, now: Moment) -> Option<Moment> {
        let held = self.ledger.held().filter(|_| !self.membership.is_barred())?;
        // The author surely can read the line's clock and goes first.
        let is_author = held.peer == self.id;
        let rank = self.people.rank_of(&self.id);
        let turn = if is_author { AUTHORS_TURN_SECS } else { TURN_SECS * (1 + rank) as f64 };
        if self.ledger.is_room_in_doubt() {
            let doubted_at = self.keeping.doubted_at.unwrap_or(now);
            return Some(doubted_at + turn);
        }
        let is_running = !held.is_still();
        let is_in_reference = self.clock.reference() == Some(held.clock.as_str());
        if is_running && !is_in_reference && self.clock.is_reference_good() {
            return self.clock.time_at(&held.clock, now).map(|_| now + turn);
        }
        let written = held.at.filter(|_| is_running && is_in_reference && rank == 0)?;
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
