//! A player that behaves as mpv was measured to: start delays, seek latency, landing on frames, an audio position that is
//! wrong for a while after a change of speed and after a seek, a sound card that runs a little fast or slow.
//!
//! All times here are true time in seconds; the card's skew is against true time.

use std::collections::VecDeque;

use playsync::Position;

use super::dice::Dice;

/// How long after a command a new speed reaches the ear: what is queued plays at the old one.
const SPEED_LAG: f64 = 0.375;
/// How long the audio position is wrong after a change of speed, and by how much of the change.
const WRONG_AFTER_SPEED: f64 = 0.39;

/// What the sound leaves through.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum SoundOutput {
    /// Starts and stops at once, readings exact.
    Null,
    /// Starts within 3 ms, readings within a third of a millisecond.
    Server,
    /// Starts after one period of 21 to 42 ms, readings within a millisecond.
    Pull,
}

#[derive(Clone, Debug)]
pub(crate) struct VirtualPlayer {
    pub(crate) frame: f64,
    card: f64,
    output: SoundOutput,
    dice: Dice,
    /// Position `position` at `since`, moving at `rate` times the card.
    position: f64,
    since: f64,
    speed: f64,
    /// Commanded speeds that have not reached the ear yet, oldest first.
    coming: Vec<(f64, f64)>,
    wrong_until: f64,
    wrong_by: f64,
    pub(crate) is_paused: bool,
    /// Its data has run out.
    is_starved: bool,
    /// Sound stops at this time after a pause, or begins at it after an unpause.
    moves_from: f64,
    stops_at: Option<f64>,
    pub(crate) seek: Option<Seek>,
    /// How long the next seeks take that take longer than usual.
    pub(crate) slow_seeks: VecDeque<f64>,
    has_sought: bool,
    /// The picture shown while it stands.
    shown: f64,
}

/// A seek under way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Seek {
    pub(crate) target: f64,
    pub(crate) lands_at: f64,
    pub(crate) number: u64,
}

impl VirtualPlayer {
    pub(crate) fn new(frame: f64, card_ppm: f64, output: SoundOutput, dice: Dice) -> VirtualPlayer {
        VirtualPlayer {
            frame,
            card: 1.0 + card_ppm * 1e-6,
            output,
            dice,
            position: 0.0,
            since: 0.0,
            speed: 1.0,
            coming: Vec::new(),
            wrong_until: 0.0,
            wrong_by: 0.0,
            is_paused: true,
            is_starved: false,
            moves_from: 0.0,
            stops_at: None,
            seek: None,
            slow_seeks: VecDeque::new(),
            has_sought: true,
            shown: 0.0,
        }
    }

    /// Where the sound truly is.
    pub(crate) fn position_at(&mut self, now: f64) -> f64 {
        self.advance(now);
        self.position
    }

    /// The picture on the screen.
    pub(crate) fn shown_at(&mut self, now: f64) -> f64 {
        self.advance(now);
        if self.is_paused { self.shown } else { self.newest_frame() }
    }

    /// The speed last commanded.
    pub(crate) fn commanded_speed(&self) -> f64 {
        self.coming.last().map_or(self.speed, |(_, speed)| *speed)
    }

    pub(crate) fn set_pause(&mut self, is_paused: bool, now: f64) {
        self.advance(now);
        if is_paused == self.is_paused {
            return;
        }
        self.is_paused = is_paused;
        let lag = match self.output {
            SoundOutput::Null => self.dice.between(0.000_04, 0.000_12),
            SoundOutput::Server => self.dice.between(0.0, 0.002),
            SoundOutput::Pull => self.dice.between(0.022, 0.041),
        };
        if is_paused {
            // What the output still plays is part of the position; the picture is at most one frame on.
            self.stops_at = Some(now + lag);
            self.shown = self.newest_frame();
        } else {
            self.stops_at = None;
            self.moves_from = now + lag;
            self.has_sought = false;
        }
    }

    pub(crate) fn set_speed(&mut self, speed: f64, now: f64) {
        self.advance(now);
        let change = speed - self.commanded_speed();
        if change == 0.0 {
            return;
        }
        if self.is_paused {
            self.speed = speed;
            self.coming.clear();
        } else {
            self.coming.push((now + SPEED_LAG, speed));
            self.wrong_until = now + WRONG_AFTER_SPEED;
            self.wrong_by = -change * WRONG_AFTER_SPEED;
        }
    }

    pub(crate) fn begin_seek(&mut self, target: f64, number: u64, now: f64) -> Seek {
        self.advance(now);
        let usual = 0.015 + self.dice.exponential(0.025).min(0.12);
        let latency = self.slow_seeks.pop_front().unwrap_or(usual);
        let seek = Seek { target, lands_at: now + latency, number };
        self.seek = Some(seek);
        seek
    }

    /// The seek lands on the first frame that is not before the target.
    pub(crate) fn land(&mut self, now: f64) -> f64 {
        self.advance(now);
        if let Some(seek) = self.seek.take() {
            self.position = ((seek.target - 0.005) / self.frame).ceil().max(0.0) * self.frame;
            self.shown = self.position;
            self.since = now;
            self.has_sought = true;
            self.stops_at = None;
            self.wrong_until = 0.0;
            if let Some((_, speed)) = self.coming.pop() {
                self.speed = speed;
                self.coming.clear();
            }
            self.moves_from = now;
        }
        self.shown
    }

    /// The process was stopped, or the decoder choked: this much was lost.
    pub(crate) fn stumble(&mut self, lost: f64, now: f64) {
        self.advance(now);
        if !self.is_paused && self.seek.is_none() {
            self.position = (self.position - lost).max(0.0);
        }
    }

    /// Its data has run out, or has come.
    pub(crate) fn starve(&mut self, is_starved: bool, now: f64) {
        self.advance(now);
        self.is_starved = is_starved;
    }

    /// What it says about its position.
    pub(crate) fn read(&mut self, now: f64) -> Position {
        self.advance(now);
        if self.seek.is_some() {
            return Position { audio: None, frame: Some(self.shown) };
        }
        let noise = match self.output {
            SoundOutput::Null => self.dice.between(-0.000_01, 0.000_01),
            SoundOutput::Server => self.dice.between(-0.000_3, 0.000_3),
            SoundOutput::Pull => self.dice.between(-0.000_8, 0.000_2),
        };
        let wrong = if now < self.wrong_until { self.wrong_by } else { 0.0 };
        let unplayed = if self.is_paused && self.has_sought && self.output != SoundOutput::Pull {
            self.dice.between(0.14, 0.19)
        } else {
            0.0
        };
        let frame = if self.is_paused { self.shown } else { self.newest_frame() };
        Position { audio: Some(self.position + noise + wrong - unplayed), frame: Some(frame) }
    }

    /// The newest frame handed out: one frame ahead of the sound.
    fn newest_frame(&self) -> f64 {
        ((self.position / self.frame).floor() + 1.0) * self.frame
    }

    fn advance(&mut self, now: f64) {
        while let Some(&(at, speed)) = self.coming.first().filter(|(at, _)| *at <= now) {
            self.move_until(at);
            self.speed = speed;
            self.coming.remove(0);
        }
        self.move_until(now);
    }

    fn move_until(&mut self, now: f64) {
        let from = self.since.max(self.moves_from);
        let until = self.stops_at.map_or(now, |stop| stop.min(now));
        let is_moving =
            !self.is_starved && self.seek.is_none() && (!self.is_paused || self.stops_at.is_some());
        if is_moving && until > from {
            self.position += (until - from) * self.speed * self.card;
        }
        self.since = self.since.max(now);
    }
}
