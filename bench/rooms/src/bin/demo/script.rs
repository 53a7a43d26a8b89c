//! What the demo's viewers do: one pauses, another resumes, one seeks, the last pauses again.

use rooms::{Error, Meter, Player};
use std::time::{Duration, Instant};

/// One viewer's deed, at a share of the script's length.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Deed {
    Pause,
    Resume,
    Seek { by: f64 },
}

const DEEDS: [(f64, Deed); 5] = [
    (0.25, Deed::Pause),
    (0.38, Deed::Resume),
    (0.55, Deed::Seek { by: 30.0 }),
    (0.75, Deed::Pause),
    (0.88, Deed::Resume),
];

/// The script and what came of it so far.
pub(crate) struct Script<'a> {
    players: &'a [Player],
    start: Instant,
    length: Duration,
    acted_at: Vec<Instant>,
    same_frame: Vec<bool>,
}

impl<'a> Script<'a> {
    pub(crate) fn new(players: &'a [Player], start: Instant, length: Duration) -> Self {
        Self { players, start, length, acted_at: vec![start], same_frame: Vec::new() }
    }

    /// When the next deed is due.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        let (share, _) = DEEDS.get(self.deeds_done())?;
        Some(self.start + self.length.mul_f64(*share))
    }

    /// Does the next deed through its viewer's own player and tells what it was.
    pub(crate) fn act(&mut self, meter: &Meter<'_>) -> Result<String, Error> {
        let index = self.deeds_done();
        let (_, deed) = DEEDS[index];
        // The deeds go round the room, the second viewer first.
        let player = &self.players[(index + 1) % self.players.len()];
        if deed == Deed::Resume {
            // The pause is over: all have to stand on one frame by now.
            self.same_frame.push(meter.newest().is_same_frame());
        }
        self.acted_at.push(Instant::now());
        let told = match deed {
            Deed::Pause => player.pause().map(|()| "pauses".to_owned()),
            Deed::Resume => player.resume().map(|()| "resumes".to_owned()),
            Deed::Seek { by } => {
                let position = player.property("time-pos")?.as_f64().unwrap_or(0.0);
                let last = player.property("duration")?.as_f64().unwrap_or(f64::MAX) - by;
                let target = if position + by < last { position + by } else { position / 2.0 };
                player.seek(target).map(|()| format!("seeks to {target:.0} s"))
            }
        };
        Ok(format!("{} {}", player.name(), told?))
    }

    /// The instants after which the room may take a moment to settle.
    pub(crate) fn acted_at(&self) -> &[Instant] {
        &self.acted_at
    }

    /// For each pause, whether all stood on one frame at its end.
    pub(crate) fn same_frame(&self) -> &[bool] {
        &self.same_frame
    }

    fn deeds_done(&self) -> usize {
        self.acted_at.len() - 1
    }
}
