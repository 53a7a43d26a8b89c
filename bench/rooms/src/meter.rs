//! How far apart several players are: their tracks, read at one instant after another.

use crate::track::{Sample, position_at};
use crate::{Distribution, Player, Track};
use std::time::{Duration, Instant};

/// Between two readings of the spread.
const STEP: Duration = Duration::from_millis(20);
/// Positions of one and the same frame differ by rounding alone.
const SAME_FRAME: f64 = 0.001;
/// Samples are asked for in parallel, so the newest common instant lies a little in the past.
const NEWEST: Duration = Duration::from_millis(60);

/// All players at one instant.
#[derive(Clone, Debug)]
pub struct Moment {
    /// When.
    pub at: Instant,
    /// Where each player was and whether it was paused; `None` in the middle of a seek or of a change of state.
    pub players: Vec<Option<(f64, bool)>>,
}

impl Moment {
    /// The largest minus the smallest position, in seconds, if all players were playing or all were paused.
    #[must_use]
    pub fn spread(&self) -> Option<f64> {
        let known: Option<Vec<(f64, bool)>> = self.players.iter().copied().collect();
        let known = known?;
        let &(_, is_paused) = known.first()?;
        if known.iter().any(|player| player.1 != is_paused) {
            return None;
        }
        let positions = known.iter().map(|player| player.0);
        Some(positions.clone().fold(f64::MIN, f64::max) - positions.fold(f64::MAX, f64::min))
    }

    /// Whether all players were playing.
    #[must_use]
    pub fn is_playing(&self) -> bool {
        self.players.iter().all(|player| matches!(player, Some((_, false))))
    }

    /// Whether all players stood on one and the same frame.
    #[must_use]
    pub fn is_same_frame(&self) -> bool {
        let all_paused = self.players.iter().all(|player| matches!(player, Some((_, true))));
        all_paused && self.spread().is_some_and(|spread| spread < SAME_FRAME)
    }
}

/// Several players, compared.
#[derive(Debug)]
pub struct Meter<'a> {
    tracks: Vec<&'a Track>,
}

impl<'a> Meter<'a> {
    /// Compares these players.
    pub fn of<'p: 'a>(players: impl IntoIterator<Item = &'p Player>) -> Self {
        Self { tracks: players.into_iter().map(Player::track).collect() }
    }

    /// The newest moment of which all samples are in.
    #[must_use]
    pub fn newest(&self) -> Moment {
        let at = Instant::now() - NEWEST;
        moment(at, &self.copies(at - NEWEST))
    }

    /// All moments of a stretch of time, 20 ms apart.
    #[must_use]
    pub fn between(&self, from: Instant, to: Instant) -> Vec<Moment> {
        let copies = self.copies(from);
        let instants =
            std::iter::successors(Some(from), |&at| Some(at + STEP)).take_while(|&at| at < to);
        instants.map(|at| moment(at, &copies)).collect()
    }

    /// The spread in seconds while all were playing.
    #[must_use]
    pub fn playing_spread(&self, from: Instant, to: Instant) -> Distribution {
        let moments = self.between(from, to);
        moments.iter().filter(|moment| moment.is_playing()).filter_map(Moment::spread).collect()
    }

    /// How long after `from` the spread fell below `limit` and stayed there until `to`; `None` if it did not.
    #[must_use]
    pub fn settled_after(&self, from: Instant, to: Instant, limit: f64) -> Option<Duration> {
        settled_after(&self.between(from, to), limit)
    }

    fn copies(&self, from: Instant) -> Vec<Vec<Sample>> {
        self.tracks.iter().map(|track| track.since(from)).collect()
    }
}

fn moment(at: Instant, tracks: &[Vec<Sample>]) -> Moment {
    Moment { at, players: tracks.iter().map(|samples| position_at(samples, at)).collect() }
}

fn settled_after(moments: &[Moment], limit: f64) -> Option<Duration> {
    // The newest moments may be without samples yet; they prove nothing either way.
    let known = moments.iter().rposition(|moment| moment.spread().is_some())? + 1;
    let is_apart = |moment: &Moment| moment.spread().is_none_or(|spread| spread > limit);
    let settled = moments[..known].iter().rposition(is_apart).map_or(0, |last| last + 1);
    let first = moments[..known].get(settled)?;
    Some(first.at - moments[0].at)
}

#[cfg(test)]
mod tests {
    use super::{Moment, STEP, settled_after};
    use std::time::{Duration, Instant};

    fn moments(players: &[[Option<(f64, bool)>; 2]]) -> Vec<Moment> {
        let start = Instant::now();
        let instants = std::iter::successors(Some(start), |&at| Some(at + STEP));
        instants
            .zip(players)
            .map(|(at, players)| Moment { at, players: players.to_vec() })
            .collect()
    }

    #[test]
    fn spread_needs_all_players_in_one_state() {
        let playing = |position| Some((position, false));
        let paused = |position| Some((position, true));
        let all = moments(&[
            [playing(1.0), playing(1.5)],
            [playing(1.0), paused(1.0)],
            [playing(1.0), None],
        ]);
        assert_eq!(all[0].spread(), Some(0.5));
        assert_eq!(all[1].spread(), None);
        assert_eq!(all[2].spread(), None);
        assert!(all[0].is_playing() && !all[1].is_playing() && !all[2].is_playing());
    }

    #[test]
    fn same_frame_means_paused_within_a_millisecond() {
        let all = moments(&[
            [Some((1.0, true)), Some((1.000_5, true))],
            [Some((1.0, true)), Some((1.0417, true))],
            [Some((1.0, false)), Some((1.0, false))],
        ]);
        let same: Vec<bool> = all.iter().map(Moment::is_same_frame).collect();
        assert_eq!(same, [true, false, false]);
    }

    #[test]
    fn settled_counts_from_the_last_moment_apart() {
        let apart = [Some((1.0, false)), Some((1.5, false))];
        let together = [Some((1.0, false)), Some((1.01, false))];
        let unknown = [None, Some((1.0, false))];
        let settled = |players: &[_]| settled_after(&moments(players), 0.04);
        assert_eq!(settled(&[together, apart, together, together]), Some(2 * STEP));
        assert_eq!(settled(&[together, together]), Some(Duration::ZERO));
        assert_eq!(settled(&[apart, together, unknown]), Some(STEP), "samples that are not in yet");
        assert_eq!(settled(&[together, apart]), None);
        assert_eq!(settled(&[unknown]), None);
    }
}
