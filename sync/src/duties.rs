//! What the room does by its rules: starts when all are ready, waits for who buffers, pauses when somebody leaves.
//!
//! No peer is in charge. Each sees the same reasons and takes its turn, the one concerned or the lowest id first; the
//! timeline that the first one writes takes the reason away from all others.

use crate::message::{Action, Timeline};
use crate::settings::{StartRule, WaitRule};
use crate::{Condition, Engine, Moment, notice};

/// How far apart the peers' turns are, in seconds.
const TURN_SECS: f64 = 1.5;
/// How long all must have been ready, in seconds: nobody is taken at a slip of the finger.
const READY_FOR_SECS: f64 = 0.5;
/// How long before a start that everybody is ready for, in seconds.
const COUNTDOWN_SECS: f64 = 3.0;
/// How long data may have run out before the room waits, by rule, in seconds.
const SOFT_PATIENCE_SECS: f64 = 1.5;
const ALL_PATIENCE_SECS: f64 = 0.3;
/// How long data must have been there again before the room goes on, so that some gathers, in seconds.
const GATHERING_SECS: f64 = 2.0;
/// The longest wait, and how many one peer may cause in how long, when all wait only softly.
const LONGEST_WAIT_SECS: f64 = 30.0;
const MOST_WAITS: usize = 3;
const WAITS_COUNT_FOR_SECS: f64 = 600.0;
const REMEMBERED_WAITS: usize = 64;
/// A start nearer than this is not worth counting down, in seconds.
const WORTH_COUNTING_SECS: f64 = 1.5;
/// The last counts are told even if late, by less than a second.
const LAST_COUNTS: u32 = 3;
/// The seconds that are told before a start.
const COUNTED_SECS: [u32; 9] = [1, 2, 3, 5, 10, 30, 60, 300, 600];

/// The reasons to act that stand, and what they need to remember.
#[derive(Debug, Default)]
pub(crate) struct Duties {
    start: Duty,
    wait: Duty,
    release: Duty,
    pause: Duty,
    has_somebody_left: bool,
    waiting_since: Option<Moment>,
    /// When a soft wait will have lasted long enough.
    over: Option<Moment>,
    /// Whom the room has waited for lately.
    waits: Vec<(String, Moment)>,
    /// The count told last, and for which start.
    counted: Option<(Moment, u32)>,
    next_count: Option<Moment>,
}

/// One reason to act: when it will be this peer's turn.
#[derive(Debug, Default)]
struct Duty {
    since: Option<Moment>,
    due: Option<Moment>,
}

impl Duty {
    /// Whether the reason has stood until this peer's turn; `turn_secs` after it began.
    fn is_due(&mut self, stands: bool, turn_secs: f64, now: Moment) -> bool {
        if !stands {
            *self = Duty::default();
            return false;
        }
        let due = *self.since.get_or_insert(now) + turn_secs;
        self.due = Some(due);
        let is_due = now >= due;
        if is_due {
            *self = Duty::default();
        }
        is_due
    }
}

impl Duties {
    /// Nothing is asked of this peer.
    fn rest(&mut self) {
        for duty in [&mut self.start, &mut self.wait, &mut self.release, &mut self.pause] {
            *duty = Duty::default();
        }
        self.over = None;
    }
}

impl Engine {
    /// Does what the rules ask of this peer.
    pub(crate) fn do_duties(&mut self, now: Moment) {
        self.count_down(now);
        let may_act = self.membership.is_settled() && !self.membership.is_barred();
        let Some(held) = self.ledger.held().filter(|_| may_act).cloned() else {
            return self.duties.rest();
        };
        self.note_wait(&held, now);
        self.duties.has_somebody_left &= !held.is_still();
        let turn = TURN_SECS * self.people.rank_of(&self.id) as f64;
        let can_start = self.can_start(&held);
        if self.duties.start.is_due(can_start, READY_FOR_SECS + turn, now) {
            return self.start_together(&held, now);
        }
        if self.is_wait_due(&held, turn, now) || self.is_release_due(&held, turn, now) {
            return;
        }
        let has_left = self.duties.has_somebody_left;
        if self.duties.pause.is_due(has_left, turn, now) {
            // Or a room in which all others are ready would start again at once.
            self.duties.has_somebody_left = false;
            self.viewer_is_off();
            self.pause_at_the_line(&held, now);
        }
    }

    /// When a duty or a count is due.
    pub(crate) fn duties_timeout(&self) -> Moment {
        let duties = &self.duties;
        let counts = duties.next_count.into_iter();
        let dues = [&duties.start, &duties.wait, &duties.release, &duties.pause];
        let dues = dues.into_iter().filter_map(|duty| duty.due).chain(duties.over);
        counts.chain(dues).min().unwrap_or(Moment::NEVER)
    }

    /// Somebody left, or was lost. A remote control that goes leaves no empty seat.
    pub(crate) fn somebody_left(&mut self, name: &str, was_watching: bool) {
        self.out.push_back(notice::left(name));
        self.duties.has_somebody_left |= was_watching && self.settings.rules.pause_on_leave;
    }

    /// The viewer is ready to watch, or is not.
    pub(crate) fn wish_to_be_ready(&mut self, is_ready: bool) {
        if self.is_ready != is_ready {
            self.is_ready = is_ready;
            self.out.push_back(notice::own_readiness(is_ready));
        }
    }

    /// Whether letting the room run must wait for others, by the rules. Who wishes it is ready.
    pub(crate) fn is_start_postponed(&mut self) -> bool {
        if self.settings.rules.start == StartRule::Anyone {
            return false;
        }
        self.is_ready = true;
        let unready = self.people.unready();
        let is_alone = self.people.is_empty();
        if !unready.is_empty() {
            self.out.push_back(notice::unready(&unready));
        }
        !unready.is_empty() && !is_alone
    }

    /// Who pauses a room that starts when all are ready is not.
    pub(crate) fn viewer_is_off(&mut self) {
        if self.settings.rules.start == StartRule::AllReady {
            self.is_ready = false;
        }
    }

    /// In how many seconds the room starts, when that lies ahead.
    pub(crate) fn starts_in(&self, now: Moment) -> Option<f64> {
        let line = self.line.as_ref().filter(|line| !line.is_still())?;
        let start = self.clock.moment_of(&line.clock, line.at?)?;
        (start > now).then(|| start - now)
    }

    fn can_start(&self, held: &Timeline) -> bool {
        self.settings.rules.start == StartRule::AllReady
            && held.paused
            && self.is_ready
            && self.is_file_of(held)
            && !self.player.is_at_end
            && !self.people.is_empty()
            && self.people.unready().is_empty()
    }

    fn start_together(&mut self, held: &Timeline, now: Moment) {
        let at = self.reference_time(now + COUNTDOWN_SECS);
        self.out.push_back(notice::everybody_is_ready());
        let line = Timeline { paused: false, at, action: Action::Start, ..held.clone() };
        self.write(line, now);
    }

    /// Remembers since when the room waits, and for whom it did.
    fn note_wait(&mut self, held: &Timeline, now: Moment) {
        self.duties.over = None;
        if !held.is_waiting() {
            self.duties.waiting_since = None;
            return;
        }
        let over = self.duties.waiting_since.unwrap_or(now) + LONGEST_WAIT_SECS;
        let is_soft = self.settings.rules.wait == WaitRule::Soft;
        self.duties.over = Some(over).filter(|over| is_soft && *over > now);
        if self.duties.waiting_since.is_none() {
            self.duties.waiting_since = Some(now);
            let is_recent = |at: Moment| now - at < WAITS_COUNT_FOR_SECS;
            self.duties.waits.retain(|(_, at)| is_recent(*at));
            if let Some(id) = &held.waits_for
                && self.duties.waits.len() < REMEMBERED_WAITS
            {
                self.duties.waits.push((id.clone(), now));
            }
        }
    }

    /// Holds the room when somebody's data has run out: that peer first, should it be dumb the others.
    fn is_wait_due(&mut self, held: &Timeline, turn: f64, now: Moment) -> bool {
        let patience = match self.settings.rules.wait {
            WaitRule::All => ALL_PATIENCE_SECS,
            WaitRule::None | WaitRule::Soft => SOFT_PATIENCE_SECS,
        };
        let (who, turn) = match self.condition() {
            Condition::Buffering => (Some(self.id.clone()), 0.0),
            _ => (self.people.buffering().map(str::to_owned), turn + TURN_SECS),
        };
        let may_wait = who.as_ref().is_some_and(|id| self.may_wait_for(id));
        let stands = may_wait && !held.is_still() && self.is_file_of(held);
        let is_due = self.duties.wait.is_due(stands, patience + turn, now);
        if let Some(id) = who.filter(|_| is_due) {
            let name = if id == self.id { "you" } else { self.people.name(&id) };
            self.out.push_back(notice::waiting_for(name));
            let position = self.line_position(held, now);
            let waits_for = Some(id);
            let held = held.clone();
            self.write(
                Timeline { at: None, position, action: Action::Wait, waits_for, ..held },
                now,
            );
        }
        is_due
    }

    fn may_wait_for(&self, id: &str) -> bool {
        let waits = self.duties.waits.iter().filter(|(whom, _)| whom == id).count();
        match self.settings.rules.wait {
            WaitRule::None => false,
            WaitRule::Soft => waits < MOST_WAITS,
            WaitRule::All => true,
        }
    }

    /// Lets a room that waited go on: when the data has come, or nobody waits any more.
    fn is_release_due(&mut self, held: &Timeline, turn: f64, now: Moment) -> bool {
        let whom = held.waits_for.clone().unwrap_or_default();
        let is_own = whom == self.id;
        let has_data = if is_own {
            self.condition() != Condition::Buffering
        } else {
            self.people.condition(&whom) != Condition::Buffering
        };
        let is_over = match (self.settings.rules.wait, self.duties.waiting_since) {
            (WaitRule::None, _) => true,
            (WaitRule::Soft, Some(since)) => now - since >= LONGEST_WAIT_SECS,
            _ => false,
        };
        let turn = match (is_over, is_own) {
            (true, _) => turn,
            (false, true) => GATHERING_SECS,
            (false, false) => GATHERING_SECS + TURN_SECS + turn,
        };
        let stands = held.is_waiting() && (has_data || is_over);
        let is_due = self.duties.release.is_due(stands, turn, now);
        if is_due {
            let at = self.reference_time(now + self.lead_secs());
            self.write(Timeline { at, action: Action::Resume, ..held.clone() }, now);
        }
        is_due
    }

    /// Tells the seconds before a start that was set far ahead.
    fn count_down(&mut self, now: Moment) {
        self.duties.next_count = None;
        let Some(left) = self.starts_in(now) else { return };
        let start = now + left;
        let counted = self.duties.counted.filter(|(counted, _)| (*counted - start).abs() < 0.5);
        if counted.is_none() && left < WORTH_COUNTING_SECS {
            return;
        }
        let passed = COUNTED_SECS.iter().copied().find(|secs| f64::from(*secs) >= left);
        let next = COUNTED_SECS.iter().copied().rev().find(|secs| f64::from(*secs) < left);
        self.duties.next_count = next.map(|secs| start + -f64::from(secs));
        // Between two counts far apart nothing is told: it would be wrong by as much.
        let is_right = |secs: u32| secs <= LAST_COUNTS || f64::from(secs) - left < 0.5;
        let is_news = |secs: u32| is_right(secs) && counted.is_none_or(|(_, told)| secs < told);
        if let Some(secs) = passed.filter(|secs| is_news(*secs)) {
            self.out.push_back(notice::starting_in(secs));
            self.duties.counted = Some((start, secs));
        } else if counted.is_none() {
            self.duties.counted = Some((start, u32::MAX));
        }
    }
}
