//! The live table: redrawn in place on a terminal, one line a second elsewhere.

use rooms::{Error, Meter, Moment, Player, Sample, Stop};
use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::time::{Duration, Instant};

const REDRAW: Duration = Duration::from_millis(100);
const LINE: Duration = Duration::from_secs(1);

/// What is on the screen.
pub(crate) struct Table<'a> {
    players: &'a [Player],
    start: Instant,
    is_terminal: bool,
    lines_drawn: usize,
    next: Instant,
}

impl<'a> Table<'a> {
    pub(crate) fn new(players: &'a [Player]) -> Self {
        let start = Instant::now();
        Self {
            players,
            start,
            is_terminal: std::io::stdout().is_terminal(),
            lines_drawn: 0,
            next: start,
        }
    }

    pub(crate) fn show_until(
        &mut self,
        meter: &Meter<'_>,
        stop: &Stop,
        until: Instant,
    ) -> Result<(), Error> {
        self.show_while(meter, stop, || Instant::now() < until)
    }

    pub(crate) fn show_while(
        &mut self,
        meter: &Meter<'_>,
        stop: &Stop,
        goes_on: impl Fn() -> bool,
    ) -> Result<(), Error> {
        while goes_on() {
            if Instant::now() >= self.next {
                self.draw(&meter.newest());
                self.next = Instant::now() + if self.is_terminal { REDRAW } else { LINE };
            }
            stop.wait_until(Instant::now() + Duration::from_millis(10))?;
        }
        Ok(())
    }

    /// Prints a line that stays, above the table.
    pub(crate) fn announce(&mut self, text: &str) {
        self.print(&format!("{:6.1} s  {text}\n", self.start.elapsed().as_secs_f64()));
        self.lines_drawn = 0;
        self.next = Instant::now();
    }

    fn draw(&mut self, moment: &Moment) {
        let samples: Vec<Option<Sample>> =
            self.players.iter().map(|player| player.track().newest()).collect();
        let names: Vec<&str> = self.players.iter().map(Player::name).collect();
        if self.is_terminal {
            let text = rows(&names, &samples, moment);
            self.print(&text);
            self.lines_drawn = text.lines().count();
        } else {
            self.print(&format!(
                "{:6.1} s  {}\n",
                self.start.elapsed().as_secs_f64(),
                row(&names, &samples, moment)
            ));
        }
    }

    /// Prints over the table.
    fn print(&self, text: &str) {
        let mut screen = String::new();
        if self.lines_drawn > 0 {
            // Up to the first line of the table, and clear to the end of the screen.
            let _ = write!(screen, "\x1b[{}F\x1b[J", self.lines_drawn);
        }
        screen += text;
        // A reader that went away is no reason to stop the room.
        let mut out = std::io::stdout().lock();
        drop(out.write_all(screen.as_bytes()).and_then(|()| out.flush()));
    }
}

/// The whole table, one line a player.
fn rows(names: &[&str], samples: &[Option<Sample>], moment: &Moment) -> String {
    let mut text = format!("  {:<8} {:>12} {:>10}  state\n", "player", "position", "drift");
    for (index, (name, sample)) in names.iter().zip(samples).enumerate() {
        let drift =
            drift(moment, index).map_or_else(|| "-".to_owned(), |ms| format!("{ms:+.1} ms"));
        let place = place(moment, index, sample.as_ref());
        let _ = writeln!(text, "  {name:<8} {place:>12} {drift:>10}  {}", state(sample.as_ref()));
    }
    text
}

/// The table in one line.
fn row(names: &[&str], samples: &[Option<Sample>], moment: &Moment) -> String {
    let mut text = String::new();
    for (index, (name, sample)) in names.iter().zip(samples).enumerate() {
        let place = place(moment, index, sample.as_ref());
        let drift = drift(moment, index).map_or_else(String::new, |ms| format!(" {ms:+.1} ms"));
        let _ = write!(text, "{name} {place}{drift} {}   ", state(sample.as_ref()));
    }
    text.trim_end().to_owned()
}

/// Where a player is: at the moment of the table, or by its own last word in the middle of a change.
fn place(moment: &Moment, index: usize, sample: Option<&Sample>) -> String {
    let at_moment = moment.players.get(index).copied().flatten().map(|(position, _)| position);
    let position = at_moment.or_else(|| sample.and_then(Sample::position));
    position.map_or_else(|| "-".to_owned(), clock)
}

/// How far a player is ahead of the middle of the room, in milliseconds.
fn drift(moment: &Moment, index: usize) -> Option<f64> {
    moment.spread()?;
    let middle: rooms::Distribution =
        moment.players.iter().flatten().map(|player| player.0).collect();
    let (position, _) = moment.players.get(index).copied().flatten()?;
    Some((position - middle.percentile(50.0)?) * 1e3)
}

fn state(sample: Option<&Sample>) -> String {
    match sample {
        Some(sample) if sample.is_paused => "paused".to_owned(),
        Some(sample) if sample.position().is_none() => "seeking".to_owned(),
        Some(sample) if (sample.speed - 1.0).abs() > 1e-9 => {
            format!("playing at {:.4}", sample.speed)
        }
        Some(_) => "playing".to_owned(),
        None => "starting".to_owned(),
    }
}

fn clock(position: f64) -> String {
    let whole = Duration::from_secs_f64(position.max(0.0));
    let (secs, millis) = (whole.as_secs(), whole.subsec_millis());
    format!("{}:{:02}:{:02}.{millis:03}", secs / 3600, secs / 60 % 60, secs % 60)
}

#[cfg(test)]
mod tests {
    use super::{clock, drift, rows};
    use rooms::{Moment, Sample};
    use std::time::Instant;

    #[test]
    fn drift_is_measured_from_the_middle_of_the_room() {
        let players = vec![Some((10.000, false)), Some((10.004, false))];
        let moment = Moment { at: Instant::now(), players };
        let rounded = |index| drift(&moment, index).map(|ms| (ms * 10.0).round() / 10.0);
        assert_eq!((rounded(0), rounded(1)), (Some(-2.0), Some(2.0)));
    }

    #[test]
    fn table_has_a_line_for_each_player() {
        let at = Instant::now();
        let sample =
            Sample { at, audio: Some(3723.5), frame: Some(3723.5), is_paused: false, speed: 1.002 };
        let moment = Moment { at, players: vec![Some((3723.5, false)), None] };
        let text = rows(&["Anna", "Ben"], &[Some(sample), None], &moment);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], "  Anna      1:02:03.500          -  playing at 1.0020");
        assert_eq!(lines[2], "  Ben                 -          -  starting");
    }

    #[test]
    fn clock_counts_hours_minutes_and_seconds() {
        assert_eq!(clock(3661.25), "1:01:01.250");
        assert_eq!(clock(-0.01), "0:00:00.000");
    }
}
