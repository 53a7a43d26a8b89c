//! Time as the core sees it: monotonic, with the wall clock as an offset fixed at start.

use std::ops::{Add, Sub};
use std::time::Duration;

/// A moment: nanoseconds since an arbitrary beginning that stays the same while the broker runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The moment so many nanoseconds after the beginning.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// The time since an earlier moment; nothing if it is not earlier.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// A moment beyond the end of time is the end of time.
    fn add(self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_sub(nanos))
    }
}

/// A clock that shows wall time and never steps: wall time at start, monotonic from there on.
#[derive(Clone, Copy, Debug)]
pub struct WallClock {
    /// Wall time, since the Unix epoch, ...
    pub unix: Duration,
    /// ... at this moment.
    pub at: Instant,
}

impl WallClock {
    /// Wall time at a moment, since the Unix epoch.
    pub fn at(&self, moment: Instant) -> Duration {
        if moment >= self.at {
            self.unix.saturating_add(moment.since(self.at))
        } else {
            self.unix.saturating_sub(self.at.since(moment))
        }
    }

    /// The moment at which wall time was, or will be, this.
    pub fn moment(&self, unix: Duration) -> Instant {
        if unix >= self.unix { self.at + (unix - self.unix) } else { self.at - (self.unix - unix) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_time_and_moments_are_each_others_inverse() {
        let clock =
            WallClock { unix: Duration::from_secs(1_000_000), at: Instant::from_nanos(5_000) };
        for nanos in [0, 5_000, 7_000_000_000] {
            let moment = Instant::from_nanos(nanos);
            assert_eq!(clock.moment(clock.at(moment)), moment);
        }
    }
}
