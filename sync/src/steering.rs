//! Makes the player follow the timeline: stand where the room stands, start when the room starts, stay close in between.
//!
//! ```text
//!            line stands still                    line runs
//!   Free ─────────▶ Still ─────────────────▶ Preparing ◀──────────────┐
//!                     ▲                     pause, read where it rests │ far off, or another line
//!                     │                     seek if that is far away   │
//!                     │                          ▼                     │
//!                     │                       Waiting ──at its own───▶ Playing
//!                     └───────────────────────────────── start ────────┘
//! ```
//!
//! Each player starts at its own instant: the one at which the line passes the position where it rests. So players that
//! rest on different frames or landed differently start right without another seek. A seek ahead aims at where the room
//! will be once the player is ready, so its own duration is never chased.

use crate::drift::{READ_EVERY_SECS, Step, Target};
use crate::message::{Media, Timeline};
use crate::{Condition, Engine, Moment, Output, Position};

/// A frame this close to the room's is the room's frame, in seconds.
const SAME_FRAME_SECS: f64 = 0.005;
/// A start missed by no more than this is made at once, and the rest caught up while playing.
const LARGEST_LATENESS_SECS: f64 = 0.040;
/// A player ahead of the room waits for it up to this long before a seek is quicker; after a seek that aimed ahead, it
/// waits in any case.
const LONGEST_WAIT_SECS: f64 = 0.6;
/// What a seek ahead adds to the restart time that is known.
const PREPARATION_MARGIN_SECS: f64 = 0.06;
/// The furthest a seek aims ahead, and after how many late landings it is played from wherever it landed.
const LONGEST_PREPARATION_SECS: f64 = 5.0;
const LARGEST_ATTEMPTS: u32 = 5;
/// A new line this close to the old one is the same line.
const SAME_LINE_SECS: f64 = 0.150;
/// How long before its effect a change of speed is commanded where there is sound: what is queued plays at the old one.
pub(crate) const SPEED_LAG_SECS: f64 = 0.38;
/// How long after a change of speed the readings mean nothing.
const SPEED_QUIET_SECS: f64 = 1.0;
/// The first and the longest time between two realignments, and the error below which the player counts as settled.
const FIRST_PATIENCE_SECS: f64 = 1.0;
const LONGEST_PATIENCE_SECS: f64 = 30.0;
const SETTLED_SECS: f64 = 0.040;
/// Who is this close to the end when the room gets there ends with it, and what of the film is then played yet.
const NEARLY_ENDED_SECS: f64 = 30.0;
const LAST_BIT_SECS: f64 = 0.5;
/// What plays is taken to end this long before the file's stated end.
pub(crate) const END_MARGIN_SECS: f64 = 0.1;

/// What the player is being made to do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Stage {
    /// It is left alone.
    Free,
    /// It stands where the room stands. `is_aligned`: on the room's frame; `has_sought`: as near as one seek gets.
    Still { is_aligned: bool, has_sought: bool },
    /// It stands and gets ready to start.
    Preparing { attempts: u32 },
    /// It stands and starts at this moment.
    Waiting { start: Moment, attempts: u32 },
    /// It plays with the room.
    Playing(Course),
}

/// The course of a playing player.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Course {
    next_reading: Moment,
    last_frame: Option<f64>,
    attempts: u32,
    /// No realignment before this.
    realign_from: Moment,
}

impl Engine {
    /// Takes over a timeline that has come to hold. One whose clock is unknown waits: the old line is followed on.
    pub(crate) fn take_line(&mut self, new: Timeline, now: Moment) {
        if !new.is_still() && self.room_position(&new, now).is_none() {
            return;
        }
        self.next_line = None;
        if let (Stage::Playing(_), Some(old)) = (&self.stage, &self.line)
            && !new.is_still()
        {
            if new.speed == old.speed && self.is_close(old, &new, now) {
                self.line = Some(new);
                return;
            }
            if self.is_close(old, &new, self.start_of(&new, now).max(now)) {
                let from = self.start_of(&new, now) + -self.speed_lag_secs();
                self.next_line = Some((from, new));
                return;
            }
        }
        self.line = Some(new);
        self.stage = Stage::Preparing { attempts: 0 };
    }

    /// Does the next thing that makes the player follow.
    pub(crate) fn steer(&mut self, now: Moment) {
        self.take_readable_line(now);
        if !self.is_following() {
            self.let_go(now);
            return;
        }
        let Some(line) = self.line.clone() else { return };
        if self.stage == Stage::Free {
            self.membership.has_followed = true;
            self.stage = Stage::Preparing { attempts: 0 };
        }
        if self.is_viewers_turn() {
            return;
        }
        if line.is_still() { self.hold(&line, now) } else { self.run(&line, now) }
    }

    /// When steering has something to do.
    pub(crate) fn steering_timeout(&self) -> Moment {
        let line = self.next_line.as_ref().map_or(Moment::NEVER, |(from, _)| *from);
        if self.is_viewers_turn() {
            return line;
        }
        let stage = match &self.stage {
            Stage::Waiting { start, .. } => *start,
            Stage::Playing(course) if self.is_readable() => course.next_reading,
            _ => Moment::NEVER,
        };
        stage.min(line).min(self.drift.next_timeout())
    }

    /// Takes in a reading of a playing player.
    pub(crate) fn position_read(&mut self, position: Position, before: Moment, after: Moment) {
        if !self.is_readable() || self.next_line.is_some() {
            return;
        }
        let Stage::Playing(course) = &mut self.stage else { return };
        let file = self.player.file.as_ref();
        let frame_secs = file.and_then(|file| file.frames_per_second).map_or(0.04, f64::recip);
        let has_audio = file.is_some_and(|file| file.has_audio);
        // Without sound only the moment at which a new frame comes up tells something: the frame before has just ended.
        let is_new_frame = position.frame != course.last_frame;
        course.last_frame = position.frame;
        let (position, coarseness) = match (has_audio, position) {
            (true, Position { audio: Some(audio), .. }) => (audio, 0.0),
            (false, Position { frame: Some(frame), .. }) if is_new_frame => {
                (frame - frame_secs, frame_secs / 2.0)
            }
            _ => return,
        };
        let Some(target) = self.target(after) else { return };
        let step = self.drift.read(position, (before, after), target, coarseness);
        self.follow_up(step, after);
    }

    /// The room's position on a line, the device's offset included, when the line's clock is readable.
    pub(crate) fn room_position(&self, line: &Timeline, now: Moment) -> Option<f64> {
        if line.is_still() {
            return Some(line.position);
        }
        self.clock.time_at(&line.clock, now + self.offset_secs).map(|time| line.position_at(time))
    }

    /// How long before its effect a change of speed is commanded.
    pub(crate) fn speed_lag_secs(&self) -> f64 {
        if self.player.file.as_ref().is_some_and(|file| file.has_audio) {
            SPEED_LAG_SECS
        } else {
            0.0
        }
    }

    /// Whether the open file is what the line is about.
    pub(crate) fn is_file_of(&self, line: &Timeline) -> bool {
        let Some(file) = &self.player.file else { return false };
        line.media.as_ref().is_none_or(|media| media.is_same_as(&Media::of(file)))
    }

    /// Whether the room has run past the end of the open file.
    pub(crate) fn is_past_the_end(&self, line: &Timeline, now: Moment) -> bool {
        let duration = self.player.file.as_ref().and_then(|file| file.duration);
        let position = self.room_position(line, now).unwrap_or(0.0);
        duration.is_some_and(|duration| position >= duration - END_MARGIN_SECS)
    }

    /// What this peer tells of its player.
    pub(crate) fn condition(&self) -> Condition {
        let is_of_room = self.line.as_ref().is_none_or(|line| self.is_file_of(line));
        match self.stage {
            _ if self.player.file.is_none() => Condition::NoFile,
            _ if !is_of_room => Condition::OtherFile,
            _ if self.player.is_at_end => Condition::Ended,
            _ if self.player.is_buffering => Condition::Buffering,
            Stage::Free if self.player.pause.is_paused() => Condition::Paused,
            Stage::Still { .. } => Condition::Paused,
            Stage::Preparing { .. } | Stage::Waiting { .. } => Condition::Preparing,
            Stage::Playing(_) | Stage::Free => Condition::Playing,
        }
    }

    /// The player plays already and goes on doing so on a line made from its own position.
    pub(crate) fn adopt_course(&mut self, now: Moment) {
        self.begin_course(now, 0);
        self.drift.disturbed(now, 0.0);
    }

    /// Whether the player is left alone until what the viewer or a load began has come to its end.
    fn is_viewers_turn(&self) -> bool {
        self.player.is_beginning || self.player.seek.is_viewer_seeking() || self.wish.is_some()
    }

    fn is_following(&self) -> bool {
        self.membership.may_follow() && self.line.as_ref().is_some_and(|line| self.is_file_of(line))
    }

    /// Whether reading the position of a playing player tells anything.
    fn is_readable(&self) -> bool {
        !self.player.is_buffering && !self.player.is_at_end && !self.player.seek.is_busy()
    }

    /// A held line may have become readable since it came.
    pub(crate) fn take_readable_line(&mut self, now: Moment) {
        if let Some((_, line)) = self.next_line.take_if(|(from, _)| now >= *from) {
            self.line = Some(line);
            self.drift.disturbed(now, SPEED_QUIET_SECS);
            self.apply_speed(now);
        }
        let followed = self.next_line.as_ref().map(|(_, line)| line).or(self.line.as_ref());
        if let Some(held) = self.ledger.held()
            && followed.is_none_or(|followed| !held.is_same_writing(followed))
        {
            let held = held.clone();
            self.take_line(held, now);
        }
    }

    /// Leaves the player to its viewer, at the plain speed.
    fn let_go(&mut self, now: Moment) {
        if self.stage == Stage::Free {
            return;
        }
        self.stage = Stage::Free;
        self.next_line = None;
        self.drift.stopped(now);
        let speed = self.line.as_ref().map_or(1.0, |line| line.speed);
        self.player.set_speed(speed, now, &mut self.out);
        self.player.set_pitch_correction(true, &mut self.out);
    }

    /// Stands where the room stands, on the same frame.
    fn hold(&mut self, line: &Timeline, now: Moment) {
        if !matches!(self.stage, Stage::Still { .. }) || !self.player.pause.is_paused() {
            self.stage = Stage::Still { is_aligned: false, has_sought: false };
            self.drift.stopped(now);
        }
        self.player.set_pause(true, now, &mut self.out);
        self.apply_speed(now);
        let Stage::Still { is_aligned: false, has_sought } = self.stage else { return };
        let Some(rest) = self.player.rest() else { return };
        let is_there = (rest.shown - line.position).abs() <= SAME_FRAME_SECS;
        if is_there || has_sought || !self.is_seekable() {
            // Another frame rate may have no frame nearer than this one, so one seek is enough.
            self.stage = Stage::Still { is_aligned: true, has_sought };
        } else {
            self.stage = Stage::Still { is_aligned: false, has_sought: true };
            self.player.seek_to(line.position, now, &mut self.out);
        }
    }

    /// Gets ready, starts on time, and reads how well it plays.
    fn run(&mut self, line: &Timeline, now: Moment) {
        match self.stage.clone() {
            Stage::Playing(_) => self.watch(now),
            Stage::Waiting { start, attempts, .. } if now >= start => self.begin(now, attempts),
            Stage::Waiting { .. } => {}
            Stage::Preparing { attempts } => self.prepare(line, attempts, now),
            Stage::Free | Stage::Still { .. } => self.stage = Stage::Preparing { attempts: 0 },
        }
    }

    fn prepare(&mut self, line: &Timeline, attempts: u32, now: Moment) {
        self.player.set_pause(true, now, &mut self.out);
        self.drift.stopped(now);
        if self.is_past_the_end(line, now) {
            return self.play_out(attempts, now);
        }
        self.apply_speed(now);
        let Some(rest) = self.player.rest() else { return };
        let Some(start) = self.moment_at(line, rest.resume) else { return };
        let start = start + -self.drift.start_lag();
        let line_start = self.start_of(line, now).max(now);
        let longest_wait = if attempts == 0 { LONGEST_WAIT_SECS } else { LONGEST_PREPARATION_SECS };
        let is_in_reach =
            now - start <= LARGEST_LATENESS_SECS && start - line_start <= longest_wait;
        if !is_in_reach && self.is_seekable() && attempts < LARGEST_ATTEMPTS {
            self.seek_ahead(line, attempts, now);
            self.stage = Stage::Preparing { attempts: attempts + 1 };
        } else if start > now && is_in_reach {
            self.stage = Stage::Waiting { start, attempts };
        } else {
            self.begin(now, attempts);
        }
    }

    /// The room has come to the end of the film, and this player nearly so: it ends as well, so that what follows there
    /// comes here too. One that is elsewhere in the film stays there.
    fn play_out(&mut self, attempts: u32, now: Moment) {
        let duration = self.player.file.as_ref().and_then(|file| file.duration);
        let Some((rest, duration)) = self.player.rest().zip(duration) else { return };
        let left = duration - rest.resume;
        if self.player.is_at_end || left > NEARLY_ENDED_SECS {
            return;
        }
        if left > LAST_BIT_SECS && self.is_seekable() && attempts < LARGEST_ATTEMPTS {
            self.player.seek_to(duration - LAST_BIT_SECS, now, &mut self.out);
            self.stage = Stage::Preparing { attempts: attempts + 1 };
        } else {
            self.begin(now, attempts);
        }
    }

    /// Seeks to where the room will be once the player is ready.
    fn seek_ahead(&mut self, line: &Timeline, attempts: u32, now: Moment) {
        let usual = self.player.restart_secs() + PREPARATION_MARGIN_SECS;
        let preparation = (usual * 1.5_f64.powi(attempts as i32)).min(LONGEST_PREPARATION_SECS);
        let Some(position) = self.room_position(line, now + preparation) else { return };
        self.player.seek_to(position, now, &mut self.out);
    }

    fn begin(&mut self, now: Moment, attempts: u32) {
        self.player.set_pause(false, now, &mut self.out);
        self.begin_course(now, attempts);
        self.drift.started(now);
    }

    fn begin_course(&mut self, now: Moment, attempts: u32) {
        // Each start that did not settle makes the next realignment wait longer: no endless chase.
        let patience_secs =
            (FIRST_PATIENCE_SECS * 2.0_f64.powi(attempts as i32)).min(LONGEST_PATIENCE_SECS);
        let realign_from = if attempts > 1 { now + patience_secs } else { now };
        let next_reading = now + READ_EVERY_SECS;
        self.stage =
            Stage::Playing(Course { next_reading, last_frame: None, attempts, realign_from });
    }

    /// Asks for the next reading, and for the end of a burst.
    fn watch(&mut self, now: Moment) {
        let step = self.drift.handle_timeout(now);
        self.follow_up(step, now);
        let has_audio = self.player.file.as_ref().is_some_and(|file| file.has_audio);
        let is_readable = self.is_readable();
        if let Stage::Playing(course) = &mut self.stage
            && is_readable
            && now >= course.next_reading
        {
            course.next_reading = now + READ_EVERY_SECS;
            if has_audio {
                self.out.push_back(Output::ReadPosition);
            }
        }
    }

    fn follow_up(&mut self, step: Step, now: Moment) {
        let error = self.drift.error();
        let is_over = self.line.as_ref().is_some_and(|line| self.is_past_the_end(line, now));
        let Stage::Playing(course) = &mut self.stage else { return };
        if error.is_some_and(|error| error.abs() < SETTLED_SECS) {
            course.attempts = 0;
        }
        match step {
            Step::Hold => {}
            Step::Adjust => self.apply_speed(now),
            Step::Realign if now < course.realign_from || is_over => {}
            Step::Realign => {
                // One more seek is always allowed, however seldom.
                let attempts = course.attempts.min(LARGEST_ATTEMPTS - 1);
                self.stage = Stage::Preparing { attempts };
                self.player.set_pause(true, now, &mut self.out);
            }
        }
    }

    /// Commands the line's speed with the drift control's factor. At the room's speed 1 small changes are resampled.
    pub(crate) fn apply_speed(&mut self, now: Moment) {
        let Some(line) = &self.line else { return };
        self.player
            .set_pitch_correction(line.speed != 1.0 || self.drift.keeps_pitch(), &mut self.out);
        self.player.set_speed(line.speed * self.drift.factor(), now, &mut self.out);
    }

    fn target(&self, now: Moment) -> Option<Target> {
        let line = self.line.as_ref()?;
        let position = self.room_position(line, now)?;
        Some(Target { position, rate: line.speed * (1.0 + self.clock.skew(&line.clock)) })
    }

    fn is_seekable(&self) -> bool {
        self.player.file.as_ref().is_some_and(|file| file.is_seekable)
    }

    pub(crate) fn is_close(&self, one: &Timeline, two: &Timeline, at: Moment) -> bool {
        let positions = self.room_position(one, at).zip(self.room_position(two, at));
        positions.is_some_and(|(one, two)| (one - two).abs() < SAME_LINE_SECS)
    }

    /// When the line starts to run.
    fn start_of(&self, line: &Timeline, now: Moment) -> Moment {
        self.moment_at(line, line.position).unwrap_or(now)
    }

    /// When the line passes a position.
    fn moment_at(&self, line: &Timeline, position: f64) -> Option<Moment> {
        let time = line.time_of(position)?;
        self.clock.moment_of(&line.clock, time).map(|moment| moment + -self.offset_secs)
    }
}
