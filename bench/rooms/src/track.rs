//! Where one player was, and when: a record that a thread of its own keeps while the player lives.

use crate::{Error, Ipc};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between two samples.
const PERIOD: Duration = Duration::from_millis(20);
/// A sample that took longer to ask for says too little about when it was true.
const LONGEST_ASK: Duration = Duration::from_millis(6);
/// Neighbouring samples further apart than this say nothing about the time between them.
const LONGEST_GAP: Duration = Duration::from_millis(500);
/// Twenty minutes of samples; the oldest half is let go when they are full.
const SAMPLES_KEPT: usize = 60_000;

/// What a player said of itself at one instant.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// The middle between question and answer.
    pub at: Instant,
    /// What is heard, in seconds of the film; the position while playing.
    pub audio: Option<f64>,
    /// The newest frame handed to the video output; the position while paused. While playing it runs up to
    /// 50 ms ahead of what is heard, in steps of a frame.
    pub frame: Option<f64>,
    /// Whether it is paused.
    pub is_paused: bool,
    /// How fast it plays.
    pub speed: f64,
}

impl Sample {
    /// Where the player is, in seconds of the film.
    #[must_use]
    pub fn position(&self) -> Option<f64> {
        if self.is_paused { self.frame } else { self.audio }
    }
}

/// The record of one player's samples, which grows by itself.
#[derive(Debug)]
pub struct Track {
    shared: Arc<Shared>,
    sampler: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    samples: Mutex<Vec<Sample>>,
    is_over: AtomicBool,
}

impl Shared {
    fn samples(&self) -> std::sync::MutexGuard<'_, Vec<Sample>> {
        self.samples.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Track {
    /// Begins to ask the mpv behind `socket`.
    ///
    /// # Errors
    /// When mpv cannot be reached.
    pub fn of(socket: &Path) -> Result<Self, Error> {
        let mut ipc = Ipc::connect(socket).map_err(Error::system("reach mpv"))?;
        ipc.command(&json!(["disable_event", "all"]))?;
        let shared = Arc::new(Shared::default());
        let sampler = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || sample_until_over(&mut ipc, &shared)
        });
        Ok(Self { shared, sampler: Some(sampler) })
    }

    /// The newest sample.
    #[must_use]
    pub fn newest(&self) -> Option<Sample> {
        self.shared.samples().last().copied()
    }

    /// A copy of the samples from `from` on, with the one before.
    #[must_use]
    pub fn since(&self, from: Instant) -> Vec<Sample> {
        let samples = self.shared.samples();
        let first = samples.partition_point(|sample| sample.at < from);
        samples[first.saturating_sub(1)..].to_vec()
    }
}

impl Drop for Track {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        if let Some(sampler) = self.sampler.take() {
            // A sampler that panicked has printed why.
            drop(sampler.join());
        }
    }
}

/// Position and pause state at `at`, read off the neighbouring samples; `None` where they do not tell.
pub(crate) fn position_at(samples: &[Sample], at: Instant) -> Option<(f64, bool)> {
    let after = samples.partition_point(|sample| sample.at <= at);
    let (before, after) = (samples.get(after.checked_sub(1)?)?, samples.get(after)?);
    let gap = after.at - before.at;
    if gap > LONGEST_GAP || before.is_paused != after.is_paused {
        return None;
    }
    let (from, to) = (before.position()?, after.position()?);
    if before.is_paused {
        return Some((from, true));
    }
    let slope = (to - from) / gap.as_secs_f64();
    // Anything else is a seek between the two samples.
    let is_playing = (-0.5..4.5).contains(&slope);
    is_playing.then(|| (from + slope * (at - before.at).as_secs_f64(), false))
}

fn sample_until_over(ipc: &mut Ipc, shared: &Shared) {
    let mut next = Instant::now();
    while !shared.is_over.load(Ordering::Relaxed) {
        // mpv is gone when it does not answer: the track ends with it.
        let Ok(sample) = take_sample(ipc) else { return };
        if let Some(sample) = sample {
            let mut samples = shared.samples();
            if samples.len() == SAMPLES_KEPT {
                samples.drain(..SAMPLES_KEPT / 2);
            }
            samples.push(sample);
        }
        next = (next + PERIOD).max(Instant::now());
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

fn take_sample(ipc: &mut Ipc) -> Result<Option<Sample>, Error> {
    let questions =
        ["audio-pts", "time-pos", "pause", "speed"].map(|name| json!(["get_property", name]));
    let asked = Instant::now();
    let answers = ipc.commands(&questions)?;
    let took = asked.elapsed();
    let number = |answer: &Value| answer["data"].as_f64();
    Ok((took <= LONGEST_ASK).then(|| Sample {
        at: asked + took / 2,
        audio: number(&answers[0]),
        frame: number(&answers[1]),
        is_paused: answers[2]["data"].as_bool().unwrap_or(true),
        speed: number(&answers[3]).unwrap_or(1.0),
    }))
}

#[cfg(test)]
mod tests {
    use super::{Sample, position_at};
    use std::time::{Duration, Instant};

    fn sample(at: Instant, audio: f64, frame: f64, is_paused: bool) -> Sample {
        Sample { at, audio: Some(audio), frame: Some(frame), is_paused, speed: 1.0 }
    }

    #[test]
    fn position_while_playing_is_what_is_heard() {
        let start = Instant::now();
        let later = start + Duration::from_millis(20);
        let samples = [sample(start, 5.0, 5.04, false), sample(later, 5.02, 5.04, false)];
        let (position, is_paused) =
            position_at(&samples, start + Duration::from_millis(10)).unwrap();
        assert!((position - 5.01).abs() < 1e-9 && !is_paused, "{position}");
    }

    #[test]
    fn position_while_paused_is_the_frame() {
        let start = Instant::now();
        let later = start + Duration::from_millis(20);
        let samples = [sample(start, 4.9, 5.0, true), sample(later, 4.9, 5.0, true)];
        assert_eq!(position_at(&samples, start + Duration::from_millis(10)), Some((5.0, true)));
    }

    #[test]
    fn no_position_across_a_seek_a_pause_or_a_gap() {
        let start = Instant::now();
        let (middle, later) =
            (start + Duration::from_millis(10), start + Duration::from_millis(20));
        let seek = [sample(start, 5.0, 5.0, false), sample(later, 65.0, 65.0, false)];
        let pause = [sample(start, 5.0, 5.0, false), sample(later, 5.01, 5.0, true)];
        let gap = [
            sample(start, 5.0, 5.0, false),
            sample(start + Duration::from_secs(1), 6.0, 6.0, false),
        ];
        for samples in [&seek, &pause, &gap] {
            assert_eq!(position_at(samples, middle), None);
        }
        assert_eq!(position_at(&seek, start - Duration::from_millis(1)), None, "before the first");
        assert_eq!(position_at(&seek, later), None, "after the last");
    }
}
