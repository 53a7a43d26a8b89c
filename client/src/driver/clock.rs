//! The clock: `CLOCK_MONOTONIC`, and a number that is different each time.

use std::hash::{BuildHasher, RandomState};

use rustix::time::{ClockId, clock_gettime};

use crate::{Error, ErrorKind, Moment};

pub(super) fn now() -> Moment {
    let now = clock_gettime(ClockId::Monotonic);
    let (secs, nanos) = (now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs());
    Moment::from_nanos(secs * 1_000_000_000 + nanos)
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
