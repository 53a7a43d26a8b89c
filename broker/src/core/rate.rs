//! How much is done in a time: buckets that fill steadily, and what a client takes out of its own.

use std::time::Duration;

use super::limits::Limits;
use super::time::Instant;

/// A bucket holds what flows into it in a second, and is full at first.
///
/// All there is to know of it is when it will be full again. It may be overdrawn: what was taken
/// beyond its bottom delays the next time there is something in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    full_at: Instant,
}

const SECOND: Duration = Duration::from_secs(1);

/// Who has sent too much is heard again when there is room for what flows in during this time, lest
/// a timer runs for each packet.
const PAUSE: Duration = Duration::from_millis(100);

impl Bucket {
    /// How much is in it, of which so much flows in per second.
    pub fn level(self, per_second: u32, now: Instant) -> u32 {
        let missing = self.full_at.since(now);
        let filled = SECOND.saturating_sub(missing).as_nanos() as u64;
        // A second of nanoseconds and a rate fit 62 bits.
        (filled * u64::from(per_second) / SECOND.as_nanos() as u64) as u32
    }

    /// Takes some out.
    pub fn take(&mut self, amount: u32, per_second: u32, now: Instant) {
        let per_second = u64::from(per_second.max(1));
        let nanos = u64::from(amount) * SECOND.as_nanos() as u64 / per_second;
        self.full_at = self.full_at.max(now) + Duration::from_nanos(nanos);
    }

    /// When there is in it what flows in during a time, of a second at most.
    pub fn holds_at(self, flow: Duration) -> Instant {
        self.full_at - SECOND.saturating_sub(flow)
    }

    /// Whether nothing is missing, so that it is like any new one.
    pub fn is_full(self, now: Instant) -> bool {
        self.full_at <= now
    }
}

/// What a client sends is measured, if it is on another machine.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Meter {
    requests: Bucket,
    bytes: Bucket,
}

impl Meter {
    /// How many requests there may be now.
    pub(super) fn allowance(&self, limits: &Limits, now: Instant) -> u32 {
        self.requests.level(limits.maximum_requests_per_second, now)
    }

    /// Counts what was sent.
    pub(super) fn count(&mut self, requests: u32, bytes: usize, limits: &Limits, now: Instant) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.requests.take(requests, limits.maximum_requests_per_second, now);
        self.bytes.take(bytes, limits.maximum_bytes_per_second, now);
    }

    /// Whether so many bytes were sent that there may be no more for a while.
    pub(super) fn is_out_of_bytes(&self, limits: &Limits, now: Instant) -> bool {
        self.bytes.level(limits.maximum_bytes_per_second, now) == 0
    }

    /// When it is worth to go on.
    pub(super) fn resumes_at(&self) -> Instant {
        self.requests.holds_at(PAUSE).max(self.bytes.holds_at(PAUSE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Instant = Instant::from_nanos(5_000_000_000);

    #[test]
    fn a_bucket_gives_what_flows_in() {
        let mut bucket = Bucket::default();
        assert_eq!(bucket.level(10, START), 10);
        bucket.take(9, 10, START);
        assert_eq!(bucket.level(10, START), 1);
        bucket.take(1, 10, START);
        assert_eq!(bucket.level(10, START), 0);
        let half_later = START + Duration::from_millis(500);
        assert_eq!(bucket.level(10, half_later), 5);
        assert!(!bucket.is_full(half_later));
        assert!(bucket.is_full(START + SECOND));
    }

    #[test]
    fn what_was_taken_beyond_the_bottom_has_to_flow_in_first() {
        let mut bucket = Bucket::default();
        bucket.take(30, 10, START);
        assert_eq!(bucket.level(10, START + Duration::from_secs(2)), 0);
        assert_eq!(bucket.holds_at(PAUSE), START + Duration::from_millis(2100));
        assert_eq!(bucket.level(10, START + Duration::from_millis(2100)), 1);
    }

    #[test]
    fn a_rate_of_nothing_is_one_of_one() {
        let mut bucket = Bucket::default();
        bucket.take(3, 0, START);
        assert_eq!(bucket.level(1, START + Duration::from_secs(3)), 1);
    }

    #[test]
    fn no_rate_is_too_high() {
        let mut bucket = Bucket::default();
        assert_eq!(bucket.level(u32::MAX, START), u32::MAX);
        bucket.take(u32::MAX, u32::MAX, START);
        assert!(bucket.holds_at(Duration::ZERO) <= START);
        bucket.take(u32::MAX, 1, START);
        assert!(!bucket.is_full(START + Duration::from_secs(u64::from(u32::MAX) - 2)));
    }
}
