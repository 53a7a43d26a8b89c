//! Measures how far a playing player is from the room and decides how to close the gap without being heard.
//!
//! ```text
//!  |error|          what is done
//!  < dead band      the trim leans gently towards the room
//!  .. 40 ms         a burst: up to 1 % for as long as it takes, resampled
//!  .. 150 ms        behind: a burst of 3 % with the pitch kept; ahead: a pause of that length
//!  beyond           a seek ahead and a scheduled start
//! ```
//!
//! A straight line is laid through the readings of two seconds. Its slope is the rate of this sound card; the trim is
//! the speed that cancels it. Commands are open loop: given, waited for, and measured anew only after the player
//! plays what they changed.

use std::collections::VecDeque;

use crate::Moment;

/// How often a playing player is read, in seconds.
pub(crate) const READ_EVERY_SECS: f64 = 0.05;
/// Readings in a full window, and how many a first judgement needs.
const WINDOW: usize = 40;
const FEWEST: usize = 12;
/// A jump is plain to see after this many.
const FEWEST_FOR_A_JUMP: usize = 5;
/// A reading that took longer tells too little about when it was made, in seconds.
const LONGEST_READING_SECS: f64 = 0.002;
/// How long after a change the player's own reading is wrong, and how long after a burst.
const QUIET_SECS: f64 = 0.55;
const QUIET_AFTER_BURST_SECS: f64 = 0.75;
/// A reading this far from the line means that the player jumped.
const JUMP_SECS: f64 = 0.02;
const SMALLEST_DEAD_BAND_SECS: f64 = 0.003;
/// Up to here a resampled burst closes the gap, up to the next a quicker one or a pause.
const SMALL_SECS: f64 = 0.040;
const MIDDLE_SECS: f64 = 0.150;
const BURST: f64 = 0.01;
const SMALLEST_BURST: f64 = 0.003;
const MIDDLE_BURST: f64 = 0.03;
/// The trim's limit, the wider one, and how long the card must be beyond the first for the second to be used.
const TRIM: f64 = 0.002;
const WIDE_TRIM: f64 = 0.015;
const WIDEN_AFTER_SECS: f64 = 10.0;
/// How far one window may move the card's rate, and how rough a window may be to tell it.
const LARGEST_RATE_STEP: f64 = 300e-6;
const LARGEST_TELLING_RMS_SECS: f64 = 0.001_5;
/// Within how many seconds the trim closes a gap inside the dead band, and how strongly it may lean at most.
const LEAN_SECS: f64 = 5.0;
const LARGEST_LEAN: f64 = 750e-6;
/// A trim is changed only by more than this.
const SMALLEST_TRIM_STEP: f64 = 25e-6;

/// Where the room is as seen from the local clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    /// The room's position at the moment of the decision.
    pub position: f64,
    /// Media seconds per local second.
    pub rate: f64,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing.
    Hold,
    /// Apply [`DriftControl::factor`] and [`DriftControl::keeps_pitch`], which have changed.
    Adjust,
    /// Pause until the room has come up, or seek ahead when it is far in front.
    Realign,
}

/// The controller of one player.
#[derive(Debug)]
pub(crate) struct DriftControl {
    is_on: bool,
    samples: VecDeque<(f64, f64)>,
    quiet_until: Moment,
    /// The rate of the sound card: media seconds per local second at speed 1.
    card: f64,
    card_beyond_since: Option<Moment>,
    trim: f64,
    next_trim: Moment,
    burst: Option<Burst>,
    error: Option<f64>,
    started: Option<Moment>,
    start_lag: f64,
}

#[derive(Clone, Copy, Debug)]
struct Burst {
    factor: f64,
    keeps_pitch: bool,
    until: Moment,
}

impl DriftControl {
    pub(crate) fn new() -> DriftControl {
        DriftControl {
            is_on: true,
            samples: VecDeque::new(),
            quiet_until: Moment(0),
            card: 1.0,
            card_beyond_since: None,
            trim: 1.0,
            next_trim: Moment(0),
            burst: None,
            error: None,
            started: None,
            start_lag: 0.0,
        }
    }

    /// Switches all correction on or off; measuring goes on.
    pub(crate) fn set_on(&mut self, is_on: bool) {
        self.is_on = is_on;
    }

    /// The player starts by schedule.
    pub(crate) fn started(&mut self, now: Moment) {
        self.disturbed(now, QUIET_SECS);
        self.started = Some(now);
    }

    /// What is known of the position is void and stays so for `secs`.
    pub(crate) fn disturbed(&mut self, now: Moment, secs: f64) {
        self.samples.clear();
        self.burst = None;
        self.error = None;
        self.started = None;
        self.quiet_until = now + secs;
    }

    /// The player stands still.
    pub(crate) fn stopped(&mut self, now: Moment) {
        self.disturbed(now, 0.0);
    }

    /// What the room's speed is multiplied by.
    pub(crate) fn factor(&self) -> f64 {
        self.trim * self.burst.map_or(1.0, |burst| burst.factor)
    }

    /// Whether the pitch must be kept even though the room plays at speed 1.
    pub(crate) fn keeps_pitch(&self) -> bool {
        self.burst.is_some_and(|burst| burst.keeps_pitch)
    }

    /// The speed that cancels the card's skew, and what leans towards the room.
    pub(crate) fn trim(&self) -> f64 {
        self.trim
    }

    /// Position minus the room's, once measured since the last disturbance, in seconds.
    pub(crate) fn error(&self) -> Option<f64> {
        self.error
    }

    /// How long the player takes to move after it was let run, in seconds.
    pub(crate) fn start_lag(&self) -> f64 {
        self.start_lag
    }

    /// When a burst ends.
    pub(crate) fn next_timeout(&self) -> Moment {
        self.burst.map_or(Moment::NEVER, |burst| burst.until)
    }

    /// Ends a burst that has lasted long enough.
    pub(crate) fn handle_timeout(&mut self, now: Moment) -> Step {
        if now < self.next_timeout() {
            return Step::Hold;
        }
        self.disturbed(now, QUIET_AFTER_BURST_SECS);
        Step::Adjust
    }

    /// Takes a reading in and decides. `coarseness` is how far a right reading may be off, in seconds.
    pub(crate) fn read(
        &mut self,
        position: f64,
        (before, after): (Moment, Moment),
        target: Target,
        coarseness: f64,
    ) -> Step {
        if after < self.quiet_until || self.burst.is_some() || after - before > LONGEST_READING_SECS
        {
            return Step::Hold;
        }
        self.remember(before + (after - before) / 2.0, position);
        let Some(line) = Line::through(&self.samples) else { return Step::Hold };
        let error = line.position_at(after) - target.position;
        let dead_band = SMALLEST_DEAD_BAND_SECS.max(3.0 * line.rms).max(coarseness);
        if self.samples.len() >= FEWEST_FOR_A_JUMP && error.abs() > MIDDLE_SECS.max(3.0 * line.rms)
        {
            self.error = Some(error);
            return if self.is_on { Step::Realign } else { Step::Hold };
        }
        if self.samples.len() < FEWEST {
            return Step::Hold;
        }
        self.error = Some(error);
        self.learn_start_lag(error, target.rate);
        if !self.is_on {
            return Step::Hold;
        }
        match error.abs() {
            gap if gap <= dead_band => self.lean(&line, error, target, after),
            gap if gap > SMALL_SECS && error > 0.0 => {
                self.learn_rate(&line, target);
                Step::Realign
            }
            gap => {
                self.learn_rate(&line, target);
                self.trim = self.trim_for(0.0, after);
                let is_small = gap <= SMALL_SECS;
                let fraction =
                    if is_small { gap.clamp(SMALLEST_BURST, BURST) } else { MIDDLE_BURST };
                self.begin_burst(error, fraction, !is_small, target.rate, after)
            }
        }
    }

    fn remember(&mut self, moment: Moment, position: f64) {
        if let Some(line) = Line::through(&self.samples)
            && self.samples.len() >= FEWEST_FOR_A_JUMP
            && (line.position_at(moment) - position).abs() > JUMP_SECS.max(6.0 * line.rms)
        {
            self.samples.clear();
        }
        if self.samples.len() == WINDOW {
            self.samples.pop_front();
        }
        self.samples.push_back((moment.as_secs(), position));
    }

    /// The first judgement after a scheduled start tells how late the player moved; the next start is that much earlier.
    fn learn_start_lag(&mut self, error: f64, rate: f64) {
        if self.started.take().is_some() && error.abs() < MIDDLE_SECS {
            self.start_lag = (self.start_lag - 0.3 * error / rate).clamp(0.0, 0.2);
        }
    }

    /// `fraction` of the room's speed more or less, for as long as the gap takes.
    fn begin_burst(
        &mut self,
        error: f64,
        fraction: f64,
        keeps_pitch: bool,
        rate: f64,
        now: Moment,
    ) -> Step {
        let factor = if error > 0.0 { 1.0 - fraction } else { 1.0 + fraction };
        let lasts = error.abs() / (fraction * rate);
        self.burst = Some(Burst { factor, keeps_pitch, until: now + lasts });
        Step::Adjust
    }

    /// Inside the dead band: from a full window the trim is set, leaning towards the room.
    fn lean(&mut self, line: &Line, error: f64, target: Target, now: Moment) -> Step {
        if self.samples.len() < WINDOW || now < self.next_trim {
            return Step::Hold;
        }
        self.next_trim = now + WINDOW as f64 * READ_EVERY_SECS;
        self.learn_rate(line, target);
        let lean = (error / target.rate / LEAN_SECS).clamp(-LARGEST_LEAN, LARGEST_LEAN);
        let trim = self.trim_for(lean, now);
        if (trim - self.trim).abs() < SMALLEST_TRIM_STEP {
            return Step::Hold;
        }
        self.trim = trim;
        self.samples.clear();
        self.quiet_until = now + QUIET_SECS;
        Step::Adjust
    }

    /// Learns the card's rate: much from a full window, little from a short one, nothing from a rough one.
    fn learn_rate(&mut self, line: &Line, target: Target) {
        if line.rms > LARGEST_TELLING_RMS_SECS {
            return;
        }
        let measured = line.slope / (target.rate * self.trim);
        let trust = 0.5 * (self.samples.len() as f64 / WINDOW as f64).powf(1.5);
        self.card += (trust * (measured - self.card)).clamp(-LARGEST_RATE_STEP, LARGEST_RATE_STEP);
    }

    /// The trim that cancels the card's skew and leans by `lean`.
    fn trim_for(&mut self, lean: f64, now: Moment) -> f64 {
        let limit = self.trim_limit(now);
        (self.card.recip() - lean).clamp(1.0 - limit, 1.0 + limit)
    }

    fn trim_limit(&mut self, now: Moment) -> f64 {
        if (self.card.recip() - 1.0).abs() <= TRIM {
            self.card_beyond_since = None;
            return TRIM;
        }
        let since = *self.card_beyond_since.get_or_insert(now);
        if now - since >= WIDEN_AFTER_SECS { WIDE_TRIM } else { TRIM }
    }
}

/// A straight line through readings.
#[derive(Clone, Copy, Debug)]
struct Line {
    middle: f64,
    position: f64,
    slope: f64,
    rms: f64,
}

impl Line {
    fn through(samples: &VecDeque<(f64, f64)>) -> Option<Line> {
        let count = samples.len() as f64;
        if samples.len() < 2 {
            return None;
        }
        let (first_time, first_position) = *samples.front()?;
        let middle = samples.iter().map(|(time, _)| time - first_time).sum::<f64>() / count;
        let height =
            samples.iter().map(|(_, position)| position - first_position).sum::<f64>() / count;
        let deviations = || {
            samples.iter().map(move |(time, position)| {
                (time - first_time - middle, position - first_position - height)
            })
        };
        let spread: f64 = deviations().map(|(time, _)| time * time).sum();
        let shared: f64 = deviations().map(|(time, position)| time * position).sum();
        let slope = if spread > 0.0 { shared / spread } else { return None };
        let square: f64 =
            deviations().map(|(time, position)| (position - slope * time).powi(2)).sum();
        let rms = (square / count).sqrt();
        Some(Line { middle: first_time + middle, position: first_position + height, slope, rms })
    }

    fn position_at(&self, moment: Moment) -> f64 {
        self.position + self.slope * (moment.as_secs() - self.middle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A player that follows the controller's commands at once, with a skewed card.
    struct Bench {
        control: DriftControl,
        now: Moment,
        position: f64,
        card: f64,
        steps: Vec<Step>,
    }

    impl Bench {
        fn new(error: f64, card: f64) -> Bench {
            let now = Moment(0);
            let mut control = DriftControl::new();
            control.started(now);
            Bench { control, now, position: error, card, steps: Vec::new() }
        }

        fn run(&mut self, secs: f64) {
            for _ in 0..(secs / READ_EVERY_SECS) as usize {
                self.now = self.now + READ_EVERY_SECS;
                self.position += READ_EVERY_SECS * self.card * self.control.factor();
                let target = Target { position: self.now.as_secs(), rate: 1.0 };
                let mut step = self.control.handle_timeout(self.now);
                if step == Step::Hold {
                    step = self.control.read(self.position, (self.now, self.now), target, 0.0);
                }
                if step == Step::Realign {
                    self.position = self.now.as_secs();
                    self.control.started(self.now);
                }
                if step != Step::Hold {
                    self.steps.push(step);
                }
            }
        }

        fn error(&self) -> f64 {
            self.position - self.now.as_secs()
        }
    }

    #[test]
    fn small_gap_is_closed_by_one_burst_and_then_leaned_away() {
        let mut bench = Bench::new(-0.020, 1.0);
        bench.run(10.0);
        assert!(bench.error().abs() < 0.001, "{}", bench.error());
        assert!(
            bench.steps.len() <= 6 && !bench.steps.contains(&Step::Realign),
            "{:?}",
            bench.steps
        );
    }

    #[test]
    fn skewed_card_is_trimmed_away() {
        let mut bench = Bench::new(0.0, 1.000_2);
        bench.run(60.0);
        assert!((bench.control.trim() - 0.999_8).abs() < 30e-6, "{}", bench.control.trim());
        assert!(bench.error().abs() < 0.001, "{}", bench.error());
    }

    #[test]
    fn trim_widens_only_for_a_card_that_stays_far_off() {
        let mut bench = Bench::new(0.0, 1.01);
        bench.run(10.0);
        assert!((bench.control.trim() - 1.0).abs() <= TRIM + 1e-12);
        bench.run(180.0);
        bench.steps.clear();
        bench.run(30.0);
        assert!(!bench.steps.contains(&Step::Realign));
        assert!(bench.control.trim() < 1.0 - TRIM, "{}", bench.control.trim());
        assert!(bench.error().abs() < 0.004, "{}", bench.error());
    }

    #[test]
    fn far_ahead_or_far_behind_is_realigned_within_a_second() {
        for error in [0.3, -0.3, 0.08] {
            let mut bench = Bench::new(error, 1.0);
            bench.run(1.3);
            assert_eq!(bench.steps.first(), Some(&Step::Realign), "{error}");
        }
        let mut bench = Bench::new(-0.08, 1.0);
        bench.run(10.0);
        assert!(!bench.steps.contains(&Step::Realign) && bench.error().abs() < 0.003);
    }

    #[test]
    fn slow_readings_and_readings_right_after_a_change_are_not_believed() {
        let mut control = DriftControl::new();
        let target = Target { position: 0.0, rate: 1.0 };
        for turn in 0..100 {
            let before = Moment::from_secs(f64::from(turn) * 0.05);
            assert_eq!(control.read(9.0, (before, before + 0.003), target, 0.0), Step::Hold);
        }
        control.disturbed(Moment::from_secs(10.0), 0.5);
        let early = Moment::from_secs(10.3);
        assert_eq!(control.read(9.0, (early, early), target, 0.0), Step::Hold);
        assert_eq!(control.error(), None);
    }

    #[test]
    fn switched_off_it_measures_and_does_nothing() {
        let mut bench = Bench::new(-0.020, 1.0);
        bench.control.set_on(false);
        bench.run(5.0);
        assert!(bench.steps.is_empty());
        assert!((bench.control.error().expect("measured") + 0.020).abs() < 1e-6);
    }

    #[test]
    fn late_starts_are_learnt() {
        let mut control = DriftControl::new();
        for start in 0..12 {
            let begin = Moment::from_secs(f64::from(start) * 5.0);
            let late = 0.030 - control.start_lag();
            control.started(begin);
            for turn in 0..30 {
                let now = begin + f64::from(turn) * 0.05;
                let target = Target { position: now.as_secs(), rate: 1.0 };
                control.read(now.as_secs() - late, (now, now), target, 0.0);
            }
        }
        assert!((control.start_lag() - 0.030).abs() < 0.003, "{}", control.start_lag());
    }
}
