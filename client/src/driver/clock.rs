//! The clock: `CLOCK_MONOTONIC`, and a number that is different each time.

use std::hash::{BuildHasher, RandomState};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::session::WallClock;
use crate::{Error, ErrorKind, Moment};

pub(super) fn now() -> Moment {
    moment(clock_gettime(ClockId::Monotonic))
}

fn moment(time: Timespec) -> Moment {
    let (secs, nanos) = (time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs());
    Moment::from_nanos(secs * 1_000_000_000 + nanos)
}

/// Now, a few milliseconds late, at a fraction of the cost.
pub(super) fn about_now() -> Moment {
    moment(clock_gettime(ClockId::MonotonicCoarse))
}

/// Now, with the wall time.
pub(super) fn wall() -> WallClock {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let unix_millis = u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX);
    WallClock { now: now(), unix_millis }
}

/// A number unlike that of other clients.
pub(super) fn seed() -> u64 {
    RandomState::new().hash_one(now())
}

/// Random bytes that nobody else knows.
pub(super) fn secret() -> Result<[u8; 32], Error> {
    let mut secret = [0; 32];
    let filled = rustls::crypto::ring::default_provider().secure_random.fill(&mut secret);
    filled.map_err(|_| Error::new(ErrorKind::Internal, "the system has no randomness"))?;
    Ok(secret)
}
