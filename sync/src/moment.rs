//! Local time: one reading of the monotonic clock of this machine.

use std::ops::{Add, Sub};

/// A reading of the local monotonic clock (`CLOCK_MONOTONIC`), in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub i64);

impl Moment {
    /// A moment that never comes.
    pub const NEVER: Moment = Moment(i64::MAX);

    /// The whole reading in seconds; for differences subtract two moments.
    pub fn as_secs(self) -> f64 {
        self.0 as f64 * 1e-9
    }
}

/// `moment + seconds`, stopping at the ends of time.
impl Add<f64> for Moment {
    type Output = Moment;

    fn add(self, secs: f64) -> Moment {
        // `as` saturates, so a hostile number of seconds cannot overflow.
        Moment(self.0.saturating_add((secs * 1e9) as i64))
    }
}

/// `later - earlier` in seconds.
impl Sub for Moment {
    type Output = f64;

    fn sub(self, earlier: Moment) -> f64 {
        self.0.saturating_sub(earlier.0) as f64 * 1e-9
    }
}
