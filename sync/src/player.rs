//! The player beside this engine: what it reports, what it was told, and where it rests.

use std::collections::VecDeque;

use crate::echo::{Landing, PauseEcho, SeekEcho, SpeedEcho};
use crate::{Moment, Output};

/// While paused, readings of sound and picture further apart than this mean that the sound's is wrong: it counts
/// sound that has not begun to play, as after a seek on some outputs.
const LARGEST_REST_DIFFERENCE_SECS: f64 = 0.1;
/// How many of our seeks the restart time is learnt from.
const REMEMBERED_RESTARTS: usize = 10;
/// What a restart is taken to last before one was seen, in seconds.
const USUAL_RESTART_SECS: f64 = 0.12;
/// How soon to read again when the player could not tell where it rests, in seconds.
const READ_AGAIN_SECS: f64 = 0.02;

/// A file the player has opened, described without its path.
#[derive(Clone, Debug, PartialEq)]
pub struct File {
    /// Its name without folders.
    pub name: String,
    /// Its size in bytes, when known.
    pub size: Option<u64>,
    /// Its length in seconds, when known.
    pub duration: Option<f64>,
    /// Video frames per second, when there is video.
    pub frames_per_second: Option<f64>,
    /// Whether sound is playing; without it positions come frame by frame.
    pub has_audio: bool,
    /// Whether the player can seek in it.
    pub is_seekable: bool,
    /// What [`fingerprint`](crate::fingerprint) says of its content, when that could be read.
    pub fingerprint: Option<String>,
    /// Where anybody can get it, when it came from there.
    pub url: Option<String>,
}

impl File {
    /// Whether it is the same file with something more known about it.
    pub(crate) fn is_told_again_as(&self, other: &File) -> bool {
        self.name == other.name && self.size == other.size && self.duration == other.duration
    }
}

/// One reading of the player's position.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Position {
    /// The position of the sound now leaving the device, when the player knows it.
    pub audio: Option<f64>,
    /// The position of the newest video frame, when the player knows it.
    pub frame: Option<f64>,
}

/// Where a paused player stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rest {
    /// Where it will go on.
    pub resume: f64,
    /// The picture it shows, or the sound's position without one.
    pub shown: f64,
}

/// The player as far as it is known.
#[derive(Debug, Default)]
pub(crate) struct Player {
    pub file: Option<File>,
    /// The file is open and has not begun: what the player does by itself is nobody's wish.
    pub is_beginning: bool,
    pub is_at_end: bool,
    pub is_buffering: bool,
    pub pause: PauseEcho,
    pub seek: SeekEcho,
    pub speed: SpeedEcho,
    keeps_pitch: Option<bool>,
    rest: Option<Rest>,
    read_again: Option<Moment>,
    has_sought_since_play: bool,
    restarts: VecDeque<f64>,
}

impl Player {
    /// Pauses it or lets it run, unless it does so already.
    pub(crate) fn set_pause(&mut self, is_paused: bool, now: Moment, out: &mut VecDeque<Output>) {
        if self.pause.is_paused() == is_paused {
            return;
        }
        self.pause.command(is_paused, now);
        out.push_back(Output::SetPause(is_paused));
        if is_paused {
            self.read_rest(out);
        } else {
            self.ran();
        }
    }

    /// Seeks; the caller sees to it that no seek is under way.
    pub(crate) fn seek_to(&mut self, position: f64, now: Moment, out: &mut VecDeque<Output>) {
        self.seek.command(now);
        self.moved();
        out.push_back(Output::Seek(position));
    }

    /// Sets the speed, unless it has it already.
    pub(crate) fn set_speed(&mut self, speed: f64, now: Moment, out: &mut VecDeque<Output>) {
        if self.speed.speed() != speed {
            self.speed.command(speed, now);
            out.push_back(Output::SetSpeed(speed));
        }
    }

    /// Has it keep the pitch or resample, unless it does so already.
    pub(crate) fn set_pitch_correction(&mut self, is_on: bool, out: &mut VecDeque<Output>) {
        if self.keeps_pitch != Some(is_on) {
            self.keeps_pitch = Some(is_on);
            out.push_back(Output::SetPitchCorrection(is_on));
        }
    }

    /// Asks where it rests.
    pub(crate) fn read_rest(&mut self, out: &mut VecDeque<Output>) {
        self.rest = None;
        self.read_again = None;
        out.push_back(Output::ReadPosition);
    }

    /// Where it rests, when it is paused and that is known.
    pub(crate) fn rest(&self) -> Option<Rest> {
        self.rest.filter(|_| self.pause.is_paused() && !self.seek.is_busy())
    }

    /// A reading while it is paused tells where it rests.
    pub(crate) fn rested_at(&mut self, position: Position, now: Moment) {
        if !self.pause.is_paused() || self.seek.is_busy() || self.rest.is_some() {
            return;
        }
        self.rest = rest_of(position, self.has_sought_since_play);
        self.read_again = self.rest.is_none().then_some(now + READ_AGAIN_SECS);
    }

    /// A seek has landed.
    pub(crate) fn landed(&mut self, landing: Landing) {
        self.is_at_end = false;
        if let Landing::Own(secs) = landing {
            if self.restarts.len() == REMEMBERED_RESTARTS {
                self.restarts.pop_front();
            }
            self.restarts.push_back(secs);
        }
        self.moved();
    }

    /// What nine in ten of our seeks stay below, in seconds.
    pub(crate) fn restart_secs(&self) -> f64 {
        let mut sorted: Vec<f64> = self.restarts.iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        let ninth = (sorted.len() * 9).div_ceil(10).saturating_sub(1);
        sorted.get(ninth).copied().unwrap_or(USUAL_RESTART_SECS)
    }

    /// Another file is open, or none.
    pub(crate) fn changed_file(&mut self, file: Option<File>) {
        self.is_beginning = file.is_some();
        self.file = file;
        self.is_at_end = false;
        self.is_buffering = false;
        self.seek.reset();
        self.rest = None;
        self.read_again = None;
        self.has_sought_since_play = true;
    }

    /// It runs or ran: where it rested means nothing any more.
    pub(crate) fn ran(&mut self) {
        self.rest = None;
        self.read_again = None;
        self.has_sought_since_play = false;
    }

    /// When something is due.
    pub(crate) fn next_timeout(&self) -> Moment {
        let read = self.read_again.unwrap_or(Moment::NEVER);
        self.pause
            .next_timeout()
            .min(self.seek.next_timeout())
            .min(self.speed.next_timeout())
            .min(read)
    }

    /// Repeats commands whose echo never came and readings that told nothing. Says whether the player was not where it
    /// was taken to be.
    pub(crate) fn handle_timeout(&mut self, now: Moment, out: &mut VecDeque<Output>) -> bool {
        let repeated = self.pause.handle_timeout(now);
        if let Some(is_paused) = repeated {
            self.pause.command(is_paused, now);
            out.push_back(Output::SetPause(is_paused));
            self.read_rest(out);
        }
        self.seek.handle_timeout(now);
        if let Some(speed) = self.speed.handle_timeout(now) {
            self.speed.command(speed, now);
            out.push_back(Output::SetSpeed(speed));
        }
        if self.read_again.is_some_and(|at| now >= at) {
            self.read_rest(out);
        }
        repeated.is_some()
    }

    /// It stands elsewhere; where, is to be read.
    fn moved(&mut self) {
        self.rest = None;
        self.read_again = None;
        self.has_sought_since_play = true;
    }
}

/// After a plain pause the sound goes on where it stopped; after a seek both begin at the picture.
fn rest_of(position: Position, has_sought: bool) -> Option<Rest> {
    let Position { audio, frame } = position;
    let shown = frame.or(audio)?;
    let is_audio_right = !has_sought
        && audio
            .zip(frame)
            .is_none_or(|(audio, frame)| (audio - frame).abs() <= LARGEST_REST_DIFFERENCE_SECS);
    let resume = if is_audio_right { audio.unwrap_or(shown) } else { shown };
    Some(Rest { resume, shown })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment(0);

    fn reading(audio: f64, frame: f64) -> Position {
        Position { audio: Some(audio), frame: Some(frame) }
    }

    fn paused() -> (Player, VecDeque<Output>) {
        let (mut player, mut out) = (Player::default(), VecDeque::new());
        player.set_pause(true, NOW, &mut out);
        (player, out)
    }

    #[test]
    fn pausing_asks_for_the_resting_position_once() {
        let (mut player, mut out) = paused();
        player.set_pause(true, NOW, &mut out);
        assert_eq!(out, [Output::SetPause(true), Output::ReadPosition]);
    }

    #[test]
    fn plain_pause_resumes_at_the_sound_and_shows_the_frame() {
        let (mut player, _) = paused();
        player.rested_at(reading(9.98, 10.0), NOW);
        assert_eq!(player.rest(), Some(Rest { resume: 9.98, shown: 10.0 }));
    }

    #[test]
    fn seek_resumes_at_the_frame() {
        let (mut player, mut out) = paused();
        player.seek_to(20.0, NOW, &mut out);
        player.seek.started(NOW);
        let landing = player.seek.landed(NOW + 0.03);
        player.landed(landing);
        player.rested_at(reading(19.95, 20.02), NOW);
        assert_eq!(player.rest(), Some(Rest { resume: 20.02, shown: 20.02 }));
    }

    #[test]
    fn sound_far_from_the_frame_is_not_believed() {
        let (mut player, _) = paused();
        player.rested_at(reading(9.83, 10.0), NOW);
        assert_eq!(player.rest().map(|rest| rest.resume), Some(10.0));
    }

    #[test]
    fn reading_that_tells_nothing_is_repeated() {
        let (mut player, mut out) = paused();
        out.clear();
        player.rested_at(Position { audio: None, frame: None }, NOW);
        player.handle_timeout(NOW + 0.03, &mut out);
        assert_eq!(out, [Output::ReadPosition]);
    }

    #[test]
    fn restart_time_is_what_nine_in_ten_stay_below() {
        let mut player = Player::default();
        assert_eq!(player.restart_secs(), USUAL_RESTART_SECS);
        for turn in 1..=10 {
            player.landed(Landing::Own(f64::from(turn) * 0.01));
        }
        assert!((player.restart_secs() - 0.09).abs() < 1e-9);
    }
}
