//! Whether the players were in step: within 20 ms of each other while playing, on one frame while paused.

use crate::script::Script;
use rooms::{Distribution, Moment};
use std::fmt;
use std::time::{Duration, Instant};

/// The spread that 95 % of the playing time has to stay below, in seconds.
const IN_STEP: f64 = 0.020;
/// What a viewer grants the room after a pause, a seek or a resume.
const SETTLING: Duration = Duration::from_millis(1500);
/// The share of the settled time in which the players have to be either all playing or all paused.
const TOGETHER: f64 = 0.9;

/// What was measured.
#[derive(Debug)]
pub(crate) struct Verdict {
    playing: Distribution,
    /// For each pause, whether all stood on the same frame.
    same_frame: Vec<bool>,
    /// The share of the settled moments at which all players were in the same state.
    together: f64,
}

impl Verdict {
    /// Judges a run whose deeds are known.
    pub(crate) fn of_script(moments: &[Moment], script: &Script<'_>) -> Self {
        Self::new(moments, script.acted_at(), script.same_frame().to_vec())
    }

    /// Judges a run in which viewers did as they liked: what they did shows in the players' states.
    pub(crate) fn of_viewing(moments: &[Moment]) -> Self {
        let state = |moment: &Moment| moment.spread().map(|_| moment.is_playing());
        let changes = moments.windows(2).filter(|pair| state(&pair[0]) != state(&pair[1]));
        let acted_at: Vec<Instant> =
            moments.first().into_iter().chain(changes.map(|pair| &pair[1])).map(|m| m.at).collect();
        let settled = moments.iter().filter(|moment| is_settled(moment, &acted_at));
        let same_frame = settled
            .filter(|moment| state(moment) == Some(false))
            .map(Moment::is_same_frame)
            .collect();
        Self::new(moments, &acted_at, same_frame)
    }

    fn new(moments: &[Moment], acted_at: &[Instant], same_frame: Vec<bool>) -> Self {
        let settled: Vec<&Moment> =
            moments.iter().filter(|moment| is_settled(moment, acted_at)).collect();
        let spreads = settled.iter().filter_map(|moment| moment.spread());
        let playing = settled
            .iter()
            .filter(|moment| moment.is_playing())
            .filter_map(|moment| moment.spread())
            .collect();
        #[expect(clippy::cast_precision_loss, reason = "no run has 2^52 moments")]
        let together = spreads.count() as f64 / settled.len().max(1) as f64;
        Self { playing, same_frame, together }
    }

    /// Whether the players were in step.
    pub(crate) fn is_in_step(&self) -> bool {
        let playing = self.playing.percentile(95.0).is_some_and(|spread| spread < IN_STEP);
        playing && self.same_frame.iter().all(|&same| same) && self.together >= TOGETHER
    }
}

fn is_settled(moment: &Moment, acted_at: &[Instant]) -> bool {
    !acted_at.iter().any(|&acted| moment.at >= acted && moment.at < acted + SETTLING)
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.playing.percentile(50.0), self.playing.percentile(95.0), self.playing.max()) {
            (Some(p50), Some(p95), Some(max)) => {
                let [p50, p95, max] = [p50, p95, max].map(|secs| secs * 1e3);
                writeln!(
                    f,
                    "playing: apart by {p50:.1} ms in the middle, {p95:.1} ms at 95 %, {max:.1} ms at most"
                )?;
            }
            _ => writeln!(f, "playing: not measured")?,
        }
        if !self.same_frame.is_empty() {
            let same = self.same_frame.iter().filter(|&&same| same).count();
            writeln!(f, "paused: on the same frame {same} of {} times", self.same_frame.len())?;
        }
        if self.together < TOGETHER {
            writeln!(f, "together: in one state only {:.0} % of the time", self.together * 100.0)?;
        }
        write!(f, "{}", if self.is_in_step() { "in step" } else { "NOT in step" })
    }
}

#[cfg(test)]
mod tests {
    use super::Verdict;
    use rooms::Moment;
    use std::time::{Duration, Instant};

    /// Ten seconds of two players `apart` seconds from each other.
    fn moments(start: Instant, apart: f64, is_paused: bool) -> Vec<Moment> {
        let instants = (0..500).map(|step| start + step * Duration::from_millis(20));
        let players = vec![Some((5.0, is_paused)), Some((5.0 + apart, is_paused))];
        instants.map(|at| Moment { at, players: players.clone() }).collect()
    }

    #[test]
    fn close_players_are_in_step_and_distant_ones_are_not() {
        let start = Instant::now();
        assert!(Verdict::new(&moments(start, 0.003, false), &[start], vec![true]).is_in_step());
        assert!(!Verdict::new(&moments(start, 0.030, false), &[start], vec![true]).is_in_step());
    }

    #[test]
    fn one_pause_on_two_frames_is_not_in_step() {
        let start = Instant::now();
        assert!(
            !Verdict::new(&moments(start, 0.0, false), &[start], vec![true, false]).is_in_step()
        );
    }

    #[test]
    fn nothing_measured_is_not_in_step() {
        assert!(!Verdict::new(&[], &[], vec![]).is_in_step());
    }

    #[test]
    fn settling_after_a_deed_is_not_held_against_the_room() {
        let start = Instant::now();
        let mut all = moments(start, 0.002, false);
        for moment in &mut all[100..170] {
            moment.players[1] = Some((65.0, false));
        }
        assert!(!Verdict::new(&all, &[start], vec![]).is_in_step());
        assert!(Verdict::new(&all, &[start, all[100].at], vec![]).is_in_step());
    }

    #[test]
    fn players_in_different_states_are_not_in_step() {
        let start = Instant::now();
        let mut all = moments(start, 0.002, false);
        for moment in &mut all[200..400] {
            moment.players[1] = Some((5.0, true));
        }
        assert!(!Verdict::new(&all, &[start], vec![]).is_in_step());
    }

    #[test]
    fn viewers_pauses_are_found_and_judged() {
        let start = Instant::now();
        let mut all = moments(start, 0.002, false);
        let pause = moments(start + Duration::from_secs(10), 0.0, true);
        all.extend(pause);
        assert!(Verdict::of_viewing(&all).is_in_step());
        let apart = moments(start + Duration::from_secs(20), 0.0417, true);
        all.extend(moments(start + Duration::from_secs(20), 0.0, false).into_iter().take(100));
        all.extend(apart.into_iter().skip(100));
        assert!(!Verdict::of_viewing(&all).is_in_step());
    }
}
