//! Another clock as the player is steered by it: the filter's estimate, followed without jumps.

use crate::Moment;
use crate::clock_filter::{ClockFilter, Estimate, Exchange};

/// How fast the followed offset approaches the estimate, in seconds per second.
const SLEW: f64 = 1e-3;
/// A difference beyond this is stepped over at once, in seconds.
const LARGEST_SLEWED_SECS: f64 = 0.020;
/// While the filter is this young its estimate improves faster than any slewing, so it is followed at once.
const YOUTH_SECS: f64 = 4.0;

/// One clock, known by its id.
#[derive(Clone, Debug)]
pub(crate) struct TrackedClock {
    pub id: String,
    pub filter: ClockFilter,
    since: Moment,
    followed: Option<Followed>,
}

/// The offset used: the estimate, plus what is left of the difference to what was used before.
#[derive(Clone, Copy, Debug)]
struct Followed {
    estimate: Estimate,
    from: Moment,
    /// Used minus estimated offset at `from`, shrinking since.
    gap: f64,
}

impl TrackedClock {
    pub(crate) fn new(id: String, now: Moment) -> TrackedClock {
        TrackedClock { id, filter: ClockFilter::default(), since: now, followed: None }
    }

    /// Takes in an exchange.
    pub(crate) fn add(&mut self, exchange: Exchange) {
        let now = exchange.received;
        self.filter.add(exchange);
        let Some(estimate) = self.filter.estimate() else { return };
        let gap =
            self.followed.map_or(0.0, |followed| followed.offset_at(now) - estimate.offset_at(now));
        let is_young = now - self.since < YOUTH_SECS;
        let gap = if is_young || gap.abs() > LARGEST_SLEWED_SECS { 0.0 } else { gap };
        self.followed = Some(Followed { estimate, from: now, gap });
    }

    /// This clock's time at a local moment, once it can be told.
    pub(crate) fn time_at(&self, moment: Moment) -> Option<f64> {
        self.followed.map(|followed| moment.as_secs() + followed.offset_at(moment))
    }

    /// When this clock shows `time`.
    pub(crate) fn moment_of(&self, time: f64) -> Option<Moment> {
        let followed = self.followed?;
        // The offset hardly changes with the moment, so two rounds are exact to far below a microsecond.
        let guess = Moment::from_secs(time - followed.offset_at(followed.from));
        let better = Moment::from_secs(time - followed.offset_at(guess));
        Some(Moment::from_secs(time - followed.offset_at(better)))
    }

    /// How much faster than the local clock it runs.
    pub(crate) fn skew(&self) -> f64 {
        self.followed.map_or(0.0, |followed| followed.estimate.skew)
    }

    /// The standard error of its time, in seconds.
    pub(crate) fn error(&self) -> Option<f64> {
        self.followed.map(|followed| followed.estimate.error)
    }
}

impl Followed {
    fn offset_at(&self, moment: Moment) -> f64 {
        let closed = SLEW * (moment - self.from).max(0.0);
        let gap = self.gap.signum() * (self.gap.abs() - closed).max(0.0);
        self.estimate.offset_at(moment) + gap
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks over a path of 10 ms each way; the other clock is `offset` ahead.
    fn ask(clock: &mut TrackedClock, at: f64, offset: f64) {
        let sent = Moment::from_secs(at);
        clock.add(Exchange {
            sent,
            remote_received: at + offset + 0.010,
            remote_sent: at + offset + 0.010,
            received: sent + 0.020,
        });
    }

    fn offset(clock: &TrackedClock, at: f64) -> f64 {
        clock.time_at(Moment::from_secs(at)).expect("known") - at
    }

    #[test]
    fn time_is_unknown_at_first_and_moment_is_the_inverse_of_time() {
        let mut clock = TrackedClock::new("c".to_owned(), Moment(0));
        assert_eq!(clock.time_at(Moment(0)), None);
        for turn in 0..8 {
            ask(&mut clock, 0.1 * f64::from(turn), 1_000.0);
        }
        let moment = Moment::from_secs(7.25);
        let back = clock.moment_of(clock.time_at(moment).expect("known")).expect("known");
        assert!((back - moment).abs() < 1e-7);
    }

    #[test]
    fn small_changes_are_slewed_and_large_ones_stepped() {
        let mut clock = TrackedClock::new("c".to_owned(), Moment(0));
        for turn in 0..128 {
            ask(&mut clock, 0.1 * f64::from(turn), 1_000.0);
        }
        let before = offset(&clock, 12.72);
        for turn in 0..30 {
            ask(&mut clock, 12.8 + 0.001 * f64::from(turn), 1_000.006);
        }
        let after = offset(&clock, 12.85);
        assert!((after - before).abs() < 0.000_3, "slews: {}", after - before);
        for turn in 0..128 {
            ask(&mut clock, 20.0 + 0.1 * f64::from(turn), 1_000.5);
        }
        assert!((offset(&clock, 33.0) - 1_000.5).abs() < 0.021, "steps, and slews the rest");
    }
}
