//! Tells the player's echo of our own commands from a wish of the viewer.
//!
//! The player reports every change without saying who caused it, and joins reports that come close together. So each
//! kind of report has a memory of what was commanded: a report that fits is an echo, any other is the viewer's.

use std::collections::VecDeque;

use crate::Moment;

/// A command whose echo has not come for this long has been lost in a join of reports.
const PATIENCE_SECS: f64 = 1.0;
/// A seek that has not landed for this long will not.
const LONGEST_SEEK_SECS: f64 = 15.0;
const REMEMBERED_SPEEDS: usize = 8;

/// Who caused a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// One of our commands.
    Own,
    /// The viewer, or something else that acts for them.
    Viewer,
    /// Nobody: nothing has changed.
    Nothing,
}

/// The pause state, as reported and as commanded.
#[derive(Clone, Debug, Default)]
pub(crate) struct PauseEcho {
    reported: bool,
    commanded: VecDeque<(bool, Moment)>,
}

impl PauseEcho {
    /// What the player will be once it has done all it was told.
    pub(crate) fn is_paused(&self) -> bool {
        self.commanded.back().map_or(self.reported, |(is_paused, _)| *is_paused)
    }

    /// Remembers a command.
    pub(crate) fn command(&mut self, is_paused: bool, now: Moment) {
        self.commanded.push_back((is_paused, now));
    }

    /// Takes a report in.
    pub(crate) fn report(&mut self, is_paused: bool) -> Cause {
        let is_change = self.reported != is_paused;
        self.reported = is_paused;
        if let Some(index) =
            self.commanded.iter().position(|(commanded, _)| *commanded == is_paused)
        {
            // Commands before this one were overtaken; later ones are still to be echoed.
            self.commanded.drain(..=index);
            return Cause::Own;
        }
        if is_change { Cause::Viewer } else { Cause::Nothing }
    }

    /// Takes a report in that is nobody's wish: the player's own doing at a load or at the end.
    pub(crate) fn set(&mut self, is_paused: bool) {
        self.reported = is_paused;
        self.commanded.clear();
    }

    /// When to look for commands whose echo never came.
    pub(crate) fn next_timeout(&self) -> Moment {
        self.commanded.front().map_or(Moment::NEVER, |(_, at)| *at + PATIENCE_SECS)
    }

    /// Gives up on overdue echoes; returns the state to command again should the last report differ from it.
    pub(crate) fn handle_timeout(&mut self, now: Moment) -> Option<bool> {
        if now < self.next_timeout() {
            return None;
        }
        let wanted = self.is_paused();
        self.commanded.clear();
        (wanted != self.reported).then_some(wanted)
    }
}

/// Seeks under way, ours and the viewer's. Of ours there is never more than one.
#[derive(Clone, Debug, Default)]
pub(crate) struct SeekEcho {
    own: Option<OwnSeek>,
    viewers_since: Option<Moment>,
}

#[derive(Clone, Copy, Debug)]
struct OwnSeek {
    at: Moment,
    has_started: bool,
}

/// Whose seek has landed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Landing {
    /// Ours, after this many seconds.
    Own(f64),
    /// The viewer's.
    Viewer,
    /// Nobody's: the player began a file or changed a track.
    Nobody,
}

impl SeekEcho {
    /// Whether a seek is under way.
    pub(crate) fn is_busy(&self) -> bool {
        self.own.is_some() || self.viewers_since.is_some()
    }

    /// Whether the viewer's seek is under way.
    pub(crate) fn is_viewer_seeking(&self) -> bool {
        self.viewers_since.is_some()
    }

    /// Remembers a command.
    pub(crate) fn command(&mut self, now: Moment) {
        self.own = Some(OwnSeek { at: now, has_started: false });
    }

    /// The player began to seek.
    pub(crate) fn started(&mut self, now: Moment) -> Cause {
        match &mut self.own {
            Some(own) if !own.has_started => {
                own.has_started = true;
                Cause::Own
            }
            _ => {
                self.viewers_since = Some(now);
                Cause::Viewer
            }
        }
    }

    /// The player is ready again. When both sought, the viewer came last and the landing is theirs.
    pub(crate) fn landed(&mut self, now: Moment) -> Landing {
        if self.viewers_since.take().is_some() {
            self.own = self.own.filter(|own| !own.has_started);
            return Landing::Viewer;
        }
        match self.own {
            Some(own) if own.has_started => {
                self.own = None;
                Landing::Own(now - own.at)
            }
            _ => Landing::Nobody,
        }
    }

    /// Forgets everything: another file.
    pub(crate) fn reset(&mut self) {
        *self = SeekEcho::default();
    }

    /// When to give up on a seek.
    pub(crate) fn next_timeout(&self) -> Moment {
        let own = self.own.map(|own| own.at);
        let first = own.into_iter().chain(self.viewers_since).min();
        first.map_or(Moment::NEVER, |at| at + LONGEST_SEEK_SECS)
    }

    /// Gives up on seeks that never landed.
    pub(crate) fn handle_timeout(&mut self, now: Moment) {
        let is_overdue = |at: Moment| now >= at + LONGEST_SEEK_SECS;
        self.own = self.own.filter(|own| !is_overdue(own.at));
        self.viewers_since = self.viewers_since.filter(|since| !is_overdue(*since));
    }
}

/// The speed, as reported and as commanded.
#[derive(Clone, Debug)]
pub(crate) struct SpeedEcho {
    reported: f64,
    commanded: VecDeque<(f64, Moment)>,
}

impl Default for SpeedEcho {
    fn default() -> SpeedEcho {
        SpeedEcho { reported: 1.0, commanded: VecDeque::new() }
    }
}

impl SpeedEcho {
    /// What the player will play at once it has done all it was told.
    pub(crate) fn speed(&self) -> f64 {
        self.commanded.back().map_or(self.reported, |(speed, _)| *speed)
    }

    /// Remembers a command.
    pub(crate) fn command(&mut self, speed: f64, now: Moment) {
        if self.commanded.len() == REMEMBERED_SPEEDS {
            self.commanded.pop_front();
        }
        self.commanded.push_back((speed, now));
    }

    /// Takes a report in.
    pub(crate) fn report(&mut self, speed: f64) -> Cause {
        let is_change = !is_same_speed(self.reported, speed);
        self.reported = speed;
        if let Some(index) =
            self.commanded.iter().position(|(commanded, _)| is_same_speed(*commanded, speed))
        {
            self.commanded.drain(..=index);
            return Cause::Own;
        }
        if is_change { Cause::Viewer } else { Cause::Nothing }
    }

    /// When to look for commands whose echo never came.
    pub(crate) fn next_timeout(&self) -> Moment {
        self.commanded.front().map_or(Moment::NEVER, |(_, at)| *at + PATIENCE_SECS)
    }

    /// Gives up on overdue echoes; returns the speed to command again should the last report differ from it.
    pub(crate) fn handle_timeout(&mut self, now: Moment) -> Option<f64> {
        if now < self.next_timeout() {
            return None;
        }
        let wanted = self.speed();
        self.commanded.clear();
        (!is_same_speed(wanted, self.reported)).then_some(wanted)
    }
}

fn is_same_speed(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-6 * one
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment(0);

    #[test]
    fn report_that_fits_a_command_is_its_echo_and_the_next_change_is_the_viewers() {
        let mut pause = PauseEcho::default();
        pause.command(true, NOW);
        assert!(pause.is_paused());
        assert_eq!(pause.report(true), Cause::Own);
        assert_eq!(pause.report(true), Cause::Nothing);
        assert_eq!(pause.report(false), Cause::Viewer);
    }

    #[test]
    fn two_commands_joined_into_one_report_leave_nothing_behind() {
        let mut pause = PauseEcho::default();
        pause.command(true, NOW);
        pause.command(false, NOW);
        assert_eq!(pause.report(false), Cause::Own);
        assert_eq!(pause.report(true), Cause::Viewer);
    }

    #[test]
    fn command_undone_before_its_echo_is_given_again() {
        let mut pause = PauseEcho::default();
        pause.command(true, NOW);
        assert_eq!(pause.handle_timeout(NOW + 0.5), None);
        assert_eq!(pause.handle_timeout(NOW + 1.0), Some(true));
        pause.command(true, NOW);
        pause.command(false, NOW);
        assert_eq!(
            pause.handle_timeout(NOW + 1.0),
            None,
            "the joined reports came to nothing, as wanted"
        );
    }

    #[test]
    fn second_start_of_a_seek_is_the_viewers_and_so_is_the_landing() {
        let mut seek = SeekEcho::default();
        seek.command(NOW);
        assert_eq!(seek.started(NOW), Cause::Own);
        assert_eq!(seek.landed(NOW + 0.03), Landing::Own(0.03));
        seek.command(NOW);
        assert_eq!((seek.started(NOW), seek.started(NOW)), (Cause::Own, Cause::Viewer));
        assert_eq!(seek.landed(NOW), Landing::Viewer);
        assert!(!seek.is_busy());
    }

    #[test]
    fn restart_before_our_seek_began_is_nobodys() {
        let mut seek = SeekEcho::default();
        seek.command(NOW);
        assert_eq!(seek.landed(NOW), Landing::Nobody);
        assert!(seek.is_busy());
        seek.handle_timeout(NOW + 15.0);
        assert!(!seek.is_busy());
    }

    #[test]
    fn speeds_we_set_are_echoes_and_a_speed_of_before_is_the_viewers() {
        let mut speed = SpeedEcho::default();
        speed.command(1.01, NOW);
        speed.command(1.000_2, NOW);
        assert_eq!(speed.report(1.01), Cause::Own);
        assert_eq!(speed.report(1.000_2), Cause::Own);
        assert_eq!(speed.report(1.000_2), Cause::Nothing);
        assert_eq!(speed.report(1.01), Cause::Viewer);
    }

    #[test]
    fn speed_undone_before_its_echo_is_given_again() {
        let mut speed = SpeedEcho::default();
        speed.command(1.5, NOW);
        assert_eq!(speed.handle_timeout(NOW + 1.0), Some(1.5));
        speed.command(1.0, NOW);
        assert_eq!(speed.handle_timeout(NOW + 1.0), None, "the player has it already");
    }
}
