//! Where the room is at any time, and which of two timelines holds.

use crate::message::Timeline;

/// A revision this far beyond the held one is nobody's honest next step.
const LARGEST_LEAP: u64 = 10_000;

impl Timeline {
    /// Where the room is at `time` of the timeline's clock.
    pub(crate) fn position_at(&self, time: f64) -> f64 {
        match self.at {
            Some(at) if !self.paused && time > at => self.position + (time - at) * self.speed,
            _ => self.position,
        }
    }

    /// When the line passes `position`, also before its start: a player that stands a little earlier starts that much
    /// sooner. Nothing while the room stands still.
    pub(crate) fn time_of(&self, position: f64) -> Option<f64> {
        self.at.filter(|_| !self.paused).map(|at| at + (position - self.position) / self.speed)
    }

    /// Whether the room stands still until somebody acts.
    pub(crate) fn is_still(&self) -> bool {
        self.paused || self.at.is_none()
    }

    /// Whether the room stands only until somebody's data has come.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.paused && self.at.is_none()
    }

    /// Whether this one holds against `other`: the higher revision, then the higher peer.
    pub(crate) fn holds_against(&self, other: &Timeline) -> bool {
        (self.revision, self.peer.as_str()) > (other.revision, other.peer.as_str())
    }

    /// Whether both are one and the same writing.
    pub(crate) fn is_same_writing(&self, other: &Timeline) -> bool {
        (self.revision, self.peer.as_str()) == (other.revision, other.peer.as_str())
    }
}

/// The timeline this peer holds, and what it knows of the one the room keeps for newcomers.
///
/// All peers hold the greatest timeline they have seen, so all end on the same one whatever the order of arrival. The
/// room keeps the one that arrived last, which may be another. Whoever sees a lesser one arrive after the held one
/// writes the held one anew with the next revision: its author at once, the others later one by one, should the author be gone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    held: Option<Timeline>,
    is_room_in_doubt: bool,
}

/// What became of a timeline that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is held; what was held before had a lower revision.
    Taken,
    /// It is held, and won against one of the same revision.
    TakenInATie,
    /// It is the held one again.
    Known,
    /// It does not hold, or leaps implausibly: the room may be keeping it though.
    Refused,
}

impl Ledger {
    /// The timeline that holds.
    pub(crate) fn held(&self) -> Option<&Timeline> {
        self.held.as_ref()
    }

    /// Whether the room may be keeping another timeline than the held one.
    pub(crate) fn is_room_in_doubt(&self) -> bool {
        self.is_room_in_doubt
    }

    /// The revision after the held one.
    pub(crate) fn next_revision(&self) -> u64 {
        self.held.as_ref().map_or(1, |held| held.revision + 1)
    }

    /// Takes in a timeline from the room.
    pub(crate) fn arrive(&mut self, arrived: Timeline) -> Verdict {
        let Some(held) = &self.held else {
            self.held = Some(arrived);
            return Verdict::Taken;
        };
        if arrived.is_same_writing(held) {
            self.is_room_in_doubt = false;
            return Verdict::Known;
        }
        if !arrived.holds_against(held) || arrived.revision - held.revision > LARGEST_LEAP {
            self.is_room_in_doubt = true;
            return Verdict::Refused;
        }
        let is_tie = arrived.revision == held.revision;
        self.is_room_in_doubt = false;
        self.held = Some(arrived);
        if is_tie { Verdict::TakenInATie } else { Verdict::Taken }
    }

    /// Holds a timeline this peer writes.
    pub(crate) fn write(&mut self, timeline: Timeline) {
        self.is_room_in_doubt = false;
        self.held = Some(timeline);
    }

    /// The room refused what this peer wrote.
    pub(crate) fn forget_written_by(&mut self, id: &str) {
        self.held = self.held.take().filter(|held| held.peer != id);
        self.is_room_in_doubt = false;
    }

    /// The room kept no timeline for a peer that came back with one.
    pub(crate) fn doubt(&mut self) {
        self.is_room_in_doubt = self.held.is_some();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Action;

    fn timeline(revision: u64, peer: &str) -> Timeline {
        Timeline {
            revision,
            peer: peer.to_owned(),
            clock: "c".to_owned(),
            at: Some(100.0),
            position: 10.0,
            speed: 2.0,
            paused: false,
            action: Action::Seek,
            waits_for: None,
            media: None,
        }
    }

    #[test]
    fn line_waits_for_its_start_and_then_runs() {
        let line = timeline(1, "a");
        assert_eq!(line.position_at(90.0), 10.0);
        assert_eq!(line.position_at(101.0), 12.0);
        assert_eq!(line.time_of(12.0), Some(101.0));
        assert_eq!(line.time_of(9.0), Some(99.5), "a player that stands earlier starts sooner");
        let held = Timeline { at: None, ..line };
        assert_eq!((held.position_at(200.0), held.time_of(12.0)), (10.0, None));
    }

    #[test]
    fn greater_revision_holds_and_the_greater_peer_breaks_ties() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.arrive(timeline(5, "ben")), Verdict::Taken);
        assert_eq!(ledger.arrive(timeline(5, "cleo")), Verdict::TakenInATie);
        assert_eq!(ledger.arrive(timeline(6, "anna")), Verdict::Taken);
        assert_eq!(ledger.arrive(timeline(6, "anna")), Verdict::Known);
        assert!(!ledger.is_room_in_doubt());
    }

    #[test]
    fn lesser_timeline_after_the_held_one_puts_the_room_in_doubt_until_the_held_one_returns() {
        let mut ledger = Ledger::default();
        ledger.write(timeline(5, "cleo"));
        assert_eq!(ledger.arrive(timeline(5, "ben")), Verdict::Refused);
        assert!(ledger.is_room_in_doubt());
        assert_eq!(ledger.next_revision(), 6);
        ledger.arrive(timeline(6, "cleo"));
        assert!(!ledger.is_room_in_doubt());
    }

    #[test]
    fn implausible_leap_is_refused_and_doubted() {
        let mut ledger = Ledger::default();
        ledger.write(timeline(5, "ben"));
        assert_eq!(ledger.arrive(timeline(1_000_000, "mallory")), Verdict::Refused);
        assert_eq!(ledger.held().expect("held").revision, 5);
        assert!(ledger.is_room_in_doubt());
    }
}
