//! The pause between attempts to connect: it doubles, and all of it is chance.

use std::time::Duration;

use crate::Reconnect;

/// Full jitter: a pause is anything from 0 to a bound that doubles with each failure, so that clients
/// a server has lost together do not come back together.
#[derive(Debug)]
pub(super) struct Backoff {
    limits: Reconnect,
    bound: Duration,
    random: u64,
}

impl Backoff {
    pub(super) fn new(limits: Reconnect, seed: u64) -> Self {
        // A generator of this kind stands still at 0.
        Self { limits, bound: limits.minimum, random: seed | 1 }
    }

    /// The next pause.
    pub(super) fn pause(&mut self) -> Duration {
        let bound = self.bound.min(self.limits.maximum);
        self.bound = bound.saturating_mul(2);
        let nanos = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.random() % nanos.saturating_add(1).max(1))
    }

    /// Takes note of how long a connection has lasted: one that ends at once does not count.
    pub(super) fn connection_lasted(&mut self, time: Duration) {
        if time >= self.bound.min(self.limits.maximum) {
            self.reset();
        }
    }

    /// Begins with short pauses again.
    pub(super) fn reset(&mut self) {
        self.bound = self.limits.minimum;
    }

    /// Xorshift: good enough to keep clients apart.
    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Reconnect =
        Reconnect { minimum: Duration::from_millis(500), maximum: Duration::from_secs(8) };

    #[test]
    fn pauses_stay_below_a_bound_that_doubles() {
        let mut backoff = Backoff::new(LIMITS, 7);
        for bound_ms in [500, 1000, 2000, 4000, 8000, 8000, 8000] {
            assert!(backoff.pause() <= Duration::from_millis(bound_ms));
        }
    }

    #[test]
    fn pauses_use_the_whole_range() {
        let pauses: Vec<Duration> =
            (1..200).map(|seed| Backoff::new(LIMITS, seed << 32 | seed).pause()).collect();
        assert!(pauses.iter().any(|pause| *pause < LIMITS.minimum / 4));
        assert!(pauses.iter().any(|pause| *pause > LIMITS.minimum * 3 / 4));
    }

    #[test]
    fn a_connection_that_ends_at_once_does_not_reset_the_bound() {
        let mut backoff = Backoff::new(LIMITS, 7);
        backoff.pause();
        backoff.pause();
        backoff.connection_lasted(Duration::from_millis(100));
        assert_eq!(backoff.bound, Duration::from_secs(2));
        backoff.connection_lasted(Duration::from_secs(10));
        assert_eq!(backoff.bound, LIMITS.minimum);
    }
}
