//! Who is here from where: how many connections an address has, and how often more come from it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::core::limits::Limits;
use crate::core::origin::{Block, Origin};
use crate::core::rate::Bucket;
use crate::core::time::Instant;

/// The addresses that connections are from.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    blocks: Mutex<Blocks>,
}

#[derive(Debug, Default)]
struct Blocks {
    present: HashMap<Block, Presence>,
    /// Those that have left without a trace are looked for when there are more than so many.
    crowded: usize,
}

#[derive(Debug, Default)]
struct Presence {
    connections: usize,
    arrivals: Bucket,
}

/// Below this many addresses it is not worth to look for those that have left.
const ALWAYS_FEW: usize = 64;

/// Why a connection is not welcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unwelcome {
    /// Its address has as many as it may have.
    TooMany,
    /// They come from its address too quickly.
    TooFast,
}

/// A connection's place among those of its address, given back when it goes out of scope.
#[derive(Debug, Default)]
pub(super) struct Place(Option<(Arc<Addresses>, Block)>);

impl Addresses {
    /// Counts a connection, if there may be one more from where it comes.
    pub(super) fn enter(
        self: &Arc<Self>,
        origin: Origin,
        limits: &Limits,
        now: Instant,
    ) -> Result<Place, Unwelcome> {
        let Some(block) = origin.block() else { return Ok(Place::default()) };
        let mut blocks = self.lock();
        blocks.forget_the_gone(now);
        let presence = blocks.present.entry(block).or_default();
        let per_second = limits.maximum_arrivals_per_address;
        if presence.arrivals.level(per_second, now) == 0 {
            return Err(Unwelcome::TooFast);
        }
        presence.arrivals.take(1, per_second, now);
        if presence.connections >= limits.maximum_connections_per_address {
            return Err(Unwelcome::TooMany);
        }
        presence.connections += 1;
        Ok(Place(Some((self.clone(), block))))
    }

    fn lock(&self) -> MutexGuard<'_, Blocks> {
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Blocks {
    /// Forgets the addresses about which nothing need be known. As many as are left have to come
    /// before it is worth to look again.
    fn forget_the_gone(&mut self, now: Instant) {
        if self.present.len() > self.crowded.max(ALWAYS_FEW) {
            self.present.retain(|_, it| it.connections > 0 || !it.arrivals.is_full(now));
            self.crowded = 2 * self.present.len();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((addresses, block)) = self.0.take() else { return };
        if let Some(presence) = addresses.lock().present.get_mut(&block) {
            presence.connections -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn from(address: [u8; 4]) -> Origin {
        Origin::of(address.into())
    }

    fn limits() -> Limits {
        Limits {
            maximum_connections_per_address: 2,
            maximum_arrivals_per_address: 5,
            ..Limits::default()
        }
    }

    #[test]
    fn an_address_has_so_many_connections_and_no_more() {
        let (addresses, limits, now) = (Arc::default(), limits(), Instant::default());
        let enter = |last| Addresses::enter(&addresses, from([192, 0, 2, last]), &limits, now);
        let first = enter(1).unwrap();
        let _second = enter(1).unwrap();
        assert_eq!(enter(1).unwrap_err(), Unwelcome::TooMany);
        let _of_another = enter(2).unwrap();
        drop(first);
        let _third = enter(1).unwrap();
    }

    #[test]
    fn who_comes_and_goes_does_so_only_so_often() {
        let (addresses, limits, now) = (Arc::default(), limits(), Instant::default());
        let enter = |now| Addresses::enter(&addresses, from([192, 0, 2, 1]), &limits, now);
        for _ in 0..5 {
            drop(enter(now).unwrap());
        }
        assert_eq!(enter(now).unwrap_err(), Unwelcome::TooFast);
        assert!(enter(now + Duration::from_secs(1)).is_ok());
    }

    #[test]
    fn this_machine_may_come_as_it_likes() {
        let (addresses, limits, now) = (Arc::default(), limits(), Instant::default());
        let places: Vec<_> = (0..100)
            .map(|_| Addresses::enter(&addresses, Origin::Local, &limits, now).unwrap())
            .collect();
        assert_eq!(places.len(), 100);
    }

    #[test]
    fn addresses_that_have_left_are_forgotten() {
        let (addresses, limits) = (Arc::new(Addresses::default()), limits());
        for number in 0..10_000_u32 {
            let now = Instant::default() + Duration::from_millis(number.into());
            let origin = Origin::of(number.to_be_bytes().into());
            drop(addresses.enter(origin, &limits, now).unwrap());
        }
        // Some of the last second, and as many again until they are looked for.
        assert!(addresses.lock().present.len() < 2500);
    }
}
