//! Local time: one reading of the monotonic clock of this machine.

use std::ops::{Add, Sub};

/// A reading of the local monotonic clock (`CLOCK_MONOTONIC`), in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub i64);

impl Moment {
    /// A moment that never comes.
    pub const NEVER: Moment = Moment(i64::MAX);

    /// The whole reading in seconds.
    pub fn as_secs(self) -> f64 {
        self.0 as f64 / NANOS_PER_SEC
    }

    /// The moment with this reading in seconds.
    pub fn from_secs(secs: f64) -> Moment {
        // `as` saturates, so a hostile number of seconds cannot overflow.
        Moment((secs * NANOS_PER_SEC).round() as i64)
    }
}

const NANOS_PER_SEC: f64 = 1e9;

/// `moment + seconds`, stopping at the ends of time.
impl Add<f64> for Moment {
    type Output = Moment;

    fn add(self, secs: f64) -> Moment {
        Moment(self.0.saturating_add(Moment::from_secs(secs).0))
    }
}

/// `later - earlier` in seconds.
impl Sub for Moment {
    type Output = f64;

    fn sub(self, earlier: Moment) -> f64 {
        Moment(self.0.saturating_sub(earlier.0)).as_secs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_go_in_and_come_out() {
        let noon = Moment(43_200_000_000_000);
        assert_eq!(noon + 1.5 - noon, 1.5);
        assert_eq!((noon + -1.0).as_secs(), 43_199.0);
    }

    #[test]
    fn far_away_stops_at_the_end_of_time() {
        assert_eq!(Moment(5) + 1e300, Moment::NEVER);
        assert_eq!(Moment::NEVER + 1.0, Moment::NEVER);
    }
}
