//! The door: who is let in of those that connect, before the core knows of them.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use tokio::task::AbortHandle;
use tracing::debug;

use super::addresses::{Addresses, Place, Unwelcome};
use super::hub::Hub;
use super::network::Network;
use crate::core::limits::Limits;
use crate::core::origin::Origin;
use crate::core::time::Instant;

/// What connections need to know, whichever listener they come to.
#[derive(Debug)]
pub(super) struct Terms {
    /// Peers that are proxies, which say who a connection is really from.
    proxies: Vec<Network>,
    /// What clients are granted.
    limits: RwLock<Limits>,
    /// How many connections have not come to their first MQTT byte.
    arriving: AtomicUsize,
    /// The tasks of those, oldest first; some may have ended.
    handshakes: Mutex<VecDeque<AbortHandle>>,
    addresses: Arc<Addresses>,
    pub(super) turned_away: TurnedAway,
}

/// How many connections have ended before the core knew of them, by reason.
#[derive(Debug, Default)]
pub(super) struct TurnedAway {
    /// There were as many as there may be.
    pub(super) full: Count,
    /// There were as many from the address as there may be.
    pub(super) address_full: Count,
    /// They came too quickly from the address.
    pub(super) too_fast: Count,
    /// No handshake of TLS, WebSocket or the PROXY protocol came to a good end in time.
    pub(super) no_handshake: Count,
    /// The system could not accept them, for want of descriptors or memory.
    pub(super) not_accepted: Count,
}

impl TurnedAway {
    /// Each reason, with how many there were.
    pub(super) fn by_reason(&self) -> [(&'static str, u64); 5] {
        [
            ("full", self.full.so_far()),
            ("address_full", self.address_full.so_far()),
            ("too_fast", self.too_fast.so_far()),
            ("no_handshake", self.no_handshake.so_far()),
            ("not_accepted", self.not_accepted.so_far()),
        ]
    }
}

/// How often something has happened.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn so_far(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A connection that is let in.
#[derive(Debug)]
pub(super) struct Visit {
    pub(super) origin: Origin,
    pub(super) accepted: Instant,
    /// Who its certificate says that it is, where that is asked.
    pub(super) user: Option<Arc<str>>,
    /// Its place among those of its address.
    pub(super) place: Place,
}

impl Visit {
    /// A visit from this machine.
    pub(super) fn local(accepted: Instant) -> Self {
        Self { origin: Origin::Local, accepted, user: None, place: Place::default() }
    }
}

impl Terms {
    pub(super) fn new(limits: Limits, proxies: Vec<Network>) -> Self {
        Self {
            proxies,
            limits: RwLock::new(limits),
            arriving: AtomicUsize::new(0),
            handshakes: Mutex::default(),
            addresses: Arc::default(),
            turned_away: TurnedAway::default(),
        }
    }

    /// What clients are granted at the moment.
    pub(super) fn limits(&self) -> RwLockReadGuard<'_, Limits> {
        self.limits.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// From here on this is what clients are granted.
    pub(super) fn change_limits(&self, limits: Limits) {
        *self.limits.write().unwrap_or_else(PoisonError::into_inner) = limits;
    }

    pub(super) fn is_proxy(&self, peer: SocketAddr) -> bool {
        self.proxies.iter().any(|proxy| proxy.contains(peer.ip()))
    }

    /// Whether there may be one more connection.
    pub(super) fn have_place(&self, hub: &Hub) -> bool {
        let count = hub.connection_count() + self.arriving.load(Ordering::Relaxed);
        let have = count < self.limits().maximum_connections;
        if !have {
            self.turned_away.full.count();
            debug!("closed a connection: there are as many as there may be");
        }
        have
    }

    /// Lets a connection in, if there may be one more from its address.
    pub(super) fn visit(&self, from: SocketAddr, accepted: Instant) -> Option<Visit> {
        let origin = Origin::of(from.ip());
        let counter = match self.addresses.enter(origin, &self.limits(), accepted) {
            Ok(place) => {
                debug!(peer = %from, "accepted");
                return Some(Visit { origin, accepted, user: None, place });
            }
            Err(Unwelcome::TooMany) => &self.turned_away.address_full,
            Err(Unwelcome::TooFast) => &self.turned_away.too_fast,
        };
        counter.count();
        debug!(peer = %from, "closed a connection: too many come from its address");
        None
    }

    /// Waits for a handshake; if that are too many, for the oldest no longer.
    pub(super) fn wait_for(&self, handshake: AbortHandle) {
        let mut waiting = self.handshakes.lock().unwrap_or_else(PoisonError::into_inner);
        while waiting.front().is_some_and(AbortHandle::is_finished) {
            waiting.pop_front();
        }
        let maximum = self.limits().maximum_unconnected;
        if self.arriving.load(Ordering::Relaxed) > maximum
            && let Some(oldest) = waiting.pop_front()
        {
            self.turned_away.no_handshake.count();
            oldest.abort();
        }
        if waiting.len() > maximum.saturating_mul(2) {
            waiting.retain(|handshake| !handshake.is_finished());
        }
        waiting.push_back(handshake);
    }
}

/// Counts a connection that has not come to its first MQTT byte.
#[derive(Debug)]
pub(super) struct Arriving(Arc<Terms>);

impl Arriving {
    pub(super) fn count(terms: &Arc<Terms>) -> Self {
        terms.arriving.fetch_add(1, Ordering::Relaxed);
        Self(terms.clone())
    }

    pub(super) fn terms(&self) -> Arc<Terms> {
        self.0.clone()
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        self.0.arriving.fetch_sub(1, Ordering::Relaxed);
    }
}
