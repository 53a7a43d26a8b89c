//! What was done to the room lately, so that anybody can take it back and do it again.
//!
//! Everybody keeps the same list, because everybody sees the same timelines: an undo takes the newest deed from the list
//! of those done to the list of those undone, whoever asked for it, and a redo takes it back.

use crate::message::{Action, Timeline};
use crate::steering::SPEED_LAG_SECS;
use crate::{Engine, Moment, notice};

/// How many deeds can be taken back.
const REMEMBERED_DEEDS: usize = 20;

/// The deeds of a room.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    done: Vec<Deed>,
    undone: Vec<Deed>,
}

/// A deed, and how the room was before and after it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Deed {
    action: Action,
    before: Place,
    after: Place,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Place {
    position: f64,
    speed: f64,
    is_paused: bool,
}

impl History {
    /// Remembers a deed, or that it was taken back or done again.
    pub(crate) fn note(&mut self, deed: Deed) {
        match deed.action {
            Action::Pause | Action::Resume | Action::Start | Action::Seek | Action::Speed => {
                if self.done.len() == REMEMBERED_DEEDS {
                    self.done.remove(0);
                }
                self.done.push(deed);
                self.undone.clear();
            }
            Action::Undo => self.undone.extend(self.done.pop()),
            Action::Redo => self.done.extend(self.undone.pop()),
            Action::File => *self = History::default(),
            Action::Step | Action::Wait | Action::Restate | Action::Other => {}
        }
    }
}

impl Engine {
    /// What a timeline does to the held one.
    pub(crate) fn deed_of(&self, new: &Timeline, now: Moment) -> Option<Deed> {
        let old = self.ledger.held()?;
        let place = |line: &Timeline, position| Place {
            position,
            speed: line.speed,
            is_paused: line.paused,
        };
        let before = place(old, self.line_position(old, now));
        Some(Deed { action: new.action, before, after: place(new, new.position) })
    }

    /// Takes the room's last deed back.
    pub(crate) fn wish_to_undo(&mut self, now: Moment) {
        match self.history.done.last().copied() {
            Some(deed) => self.go_to_place(deed.action, deed.before, Action::Undo, now),
            None => self.out.push_back(notice::nothing_to("take back")),
        }
    }

    /// Does again what was taken back last.
    pub(crate) fn wish_to_redo(&mut self, now: Moment) {
        match self.history.undone.last().copied() {
            Some(deed) => self.go_to_place(deed.action, deed.after, Action::Redo, now),
            None => self.out.push_back(notice::nothing_to("do again")),
        }
    }

    /// Brings back of a place what the deed had changed; all else stays as it is.
    fn go_to_place(&mut self, deed: Action, place: Place, action: Action, now: Moment) {
        let Some(line) = self.line_to_act_on() else { return };
        let lead = self.lead_secs()
            + match deed {
                Action::Seek => self.people.restart_secs(self.player.restart_secs()),
                Action::Speed => SPEED_LAG_SECS,
                _ => 0.0,
            };
        let is_paused = if deed == Action::Seek || deed == Action::Speed {
            line.paused
        } else {
            place.is_paused
        };
        let start = if is_paused { now } else { now + lead };
        let position =
            if deed == Action::Seek { place.position } else { self.line_position(&line, start) };
        let speed = if deed == Action::Speed { place.speed } else { line.speed };
        let at = self.reference_time(start);
        self.write(Timeline { at, position, speed, paused: is_paused, action, ..line }, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deed(action: Action, from: f64, to: f64) -> Deed {
        let place = |position| Place { position, speed: 1.0, is_paused: false };
        Deed { action, before: place(from), after: place(to) }
    }

    #[test]
    fn undone_deed_can_be_done_again_until_another_one_comes() {
        let mut history = History::default();
        history.note(deed(Action::Seek, 10.0, 20.0));
        history.note(deed(Action::Restate, 20.0, 21.0));
        history.note(deed(Action::Undo, 21.0, 10.0));
        assert_eq!((history.done.len(), history.undone.len()), (0, 1));
        history.note(deed(Action::Redo, 10.0, 20.0));
        assert_eq!(history.done.last().map(|deed| deed.before.position), Some(10.0));
        history.note(deed(Action::Undo, 20.0, 10.0));
        history.note(deed(Action::Pause, 11.0, 11.0));
        assert!(history.undone.is_empty());
    }

    #[test]
    fn history_has_a_limit_and_ends_with_the_file() {
        let mut history = History::default();
        for number in 0..50 {
            history.note(deed(Action::Seek, f64::from(number), 0.0));
        }
        assert_eq!((history.done.len(), history.done[0].before.position), (20, 30.0));
        history.note(deed(Action::File, 0.0, 0.0));
        assert!(history.done.is_empty());
    }
}
