//! How often a wrong password may be tried, and which right ones need no second look.
//!
//! Wrong passwords are counted for the address they come from and for the user they are tried on.
//! Who has tried too many is refused without a look at the password. A user whom others guess at
//! still comes in from where the right password has come before. This machine is not counted.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use ring::hmac;

use super::limits::Limits;
use super::notice::Notice;
use super::origin::Block;
use super::time::Instant;
use super::{ConnectionId, Core, Output};

/// The time that the limits of failed logins are for.
const MINUTE: Duration = Duration::from_secs(60);

const SECOND: Duration = Duration::from_secs(1);

/// How long a right password needs no second look: hashing it is dear, and whole networks reconnect
/// at once.
const REMEMBERED: Duration = Duration::from_secs(600);

/// How many addresses, users, and right passwords are remembered at most.
const CAPACITY: usize = 10_000;

/// What is remembered of logins. Nothing of it outlives a change of the users.
#[derive(Debug, Default)]
pub(super) struct Logins {
    addresses: Failures<Block>,
    users: Failures<User>,
    /// Where the right password of a user has come from.
    proven: HashSet<(Block, User)>,
    right: HashMap<Proof, Instant>,
}

/// Stands for a user, whose name may be long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct User(u64);

/// Stands for a user and a password, and tells neither.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Proof([u8; 32]);

impl std::fmt::Debug for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Proof(..)")
    }
}

/// When the failures of each are forgotten; all that is known of them.
#[derive(Debug)]
struct Failures<K> {
    forgotten: HashMap<K, Instant>,
    /// When there was a look for what is forgotten; once a second is enough.
    swept: Instant,
}

impl<K> Default for Failures<K> {
    fn default() -> Self {
        Self { forgotten: HashMap::new(), swept: Instant::default() }
    }
}

impl<K: Copy + Eq + Hash> Failures<K> {
    /// Whether there may be another one: so many a minute, all of them at once if need be.
    fn have_room(&self, key: K, per_minute: u32, now: Instant) -> bool {
        let forgotten = self.forgotten.get(&key);
        let used = forgotten.map_or(Duration::ZERO, |forgotten| forgotten.since(now));
        used + MINUTE / per_minute.max(1) <= MINUTE
    }

    fn count(&mut self, key: K, per_minute: u32, now: Instant) {
        // Beyond the capacity they are no single guesser's; the other count still stands.
        if !self.forgotten.contains_key(&key) && !self.make_room(now) {
            return;
        }
        let forgotten = self.forgotten.entry(key).or_insert(now);
        *forgotten = (*forgotten).max(now) + MINUTE / per_minute.max(1);
    }

    fn make_room(&mut self, now: Instant) -> bool {
        if self.forgotten.len() >= CAPACITY && now.since(self.swept) >= SECOND {
            self.swept = now;
            self.forgotten.retain(|_, forgotten| *forgotten > now);
        }
        self.forgotten.len() < CAPACITY
    }
}

impl Logins {
    /// Whether a password may be tried.
    fn may_try(&self, from: Block, user: User, limits: &Limits, now: Instant) -> bool {
        self.addresses.have_room(from, limits.maximum_failed_logins_per_address, now)
            && (self.users.have_room(user, limits.maximum_failed_logins_per_user, now)
                || self.proven.contains(&(from, user)))
    }

    fn fail(&mut self, from: Block, user: User, limits: &Limits, now: Instant) {
        self.addresses.count(from, limits.maximum_failed_logins_per_address, now);
        self.users.count(user, limits.maximum_failed_logins_per_user, now);
    }

    fn succeed(&mut self, from: Block, user: User) {
        if self.proven.len() >= CAPACITY {
            self.proven.clear();
        }
        self.proven.insert((from, user));
    }

    /// Remembers that a password is right.
    pub(super) fn remember(&mut self, proof: Proof, now: Instant) {
        if self.right.len() >= CAPACITY {
            self.right.retain(|_, forgotten| *forgotten > now);
        }
        if self.right.len() < CAPACITY {
            self.right.insert(proof, now + REMEMBERED);
        }
    }

    /// Whether a password was right not long ago.
    pub(super) fn remembers(&self, proof: &Proof, now: Instant) -> bool {
        self.right.get(proof).is_some_and(|forgotten| *forgotten > now)
    }
}

impl Core {
    /// Whether a client may try a password of a user.
    pub(super) fn may_try(&self, id: ConnectionId, user: &str, now: Instant) -> bool {
        let Some(from) = self.block_of(id) else { return true };
        self.logins.may_try(from, self.known_as(user), &self.config.limits, now)
    }

    /// Takes note that a password was wrong, or right.
    pub(super) fn note_try(&mut self, id: ConnectionId, user: &str, is_right: bool, now: Instant) {
        if !is_right {
            self.outputs.push_back(Output::Note(Box::new(Notice::NotProved(user.into()))));
        }
        let Some(from) = self.block_of(id) else { return };
        let user = self.known_as(user);
        if is_right {
            self.logins.succeed(from, user);
        } else {
            self.logins.fail(from, user, &self.config.limits, now);
        }
    }

    /// What stands for a user and a password, as long as the broker runs.
    pub(super) fn proof(&self, user: &str, password: &[u8]) -> Proof {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.config.access.secret.0);
        let mut context = hmac::Context::with_key(&key);
        context.update(&(user.len() as u64).to_be_bytes());
        context.update(user.as_bytes());
        context.update(password);
        let mut proof = [0; 32];
        proof.copy_from_slice(context.sign().as_ref());
        Proof(proof)
    }

    fn block_of(&self, id: ConnectionId) -> Option<Block> {
        self.connections.get(id.index())?.block
    }

    /// All guests of a room are one user here, for they have one password. The secret keeps
    /// strangers from making names that stand for another's.
    fn known_as(&self, user: &str) -> User {
        let access = &self.config.access;
        let mut hasher = DefaultHasher::new();
        access.secret.0.hash(&mut hasher);
        access.rules.account(user).hash(&mut hasher);
        User(hasher.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: Block = Block::V4(1);
    const ANN: User = User(1);

    fn after(secs: u64) -> Instant {
        Instant::default() + Duration::from_secs(1000 + secs)
    }

    fn limits() -> Limits {
        Limits {
            maximum_failed_logins_per_address: 5,
            maximum_failed_logins_per_user: 10,
            ..Limits::default()
        }
    }

    #[test]
    fn an_address_may_fail_so_often_a_minute() {
        let mut logins = Logins::default();
        for number in 0..5 {
            assert!(logins.may_try(HOME, User(number), &limits(), after(0)));
            logins.fail(HOME, User(number), &limits(), after(0));
        }
        assert!(!logins.may_try(HOME, ANN, &limits(), after(0)));
        assert!(!logins.may_try(HOME, ANN, &limits(), after(11)));
        assert!(logins.may_try(HOME, ANN, &limits(), after(12)));
        assert!(logins.may_try(Block::V4(2), ANN, &limits(), after(0)), "others are not meant");
        logins.fail(HOME, ANN, &limits(), after(12));
        assert!(!logins.may_try(HOME, ANN, &limits(), after(13)));
        assert!(logins.may_try(HOME, ANN, &limits(), after(100)));
    }

    #[test]
    fn a_user_is_guessed_at_from_everywhere_and_still_comes_home() {
        let mut logins = Logins::default();
        logins.succeed(HOME, ANN);
        for number in 10..20 {
            assert!(logins.may_try(Block::V4(number), ANN, &limits(), after(0)));
            logins.fail(Block::V4(number), ANN, &limits(), after(0));
        }
        assert!(!logins.may_try(Block::V4(30), ANN, &limits(), after(0)));
        assert!(logins.may_try(Block::V4(30), User(2), &limits(), after(0)));
        assert!(logins.may_try(HOME, ANN, &limits(), after(0)));
        assert!(logins.may_try(Block::V4(30), ANN, &limits(), after(6)));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut logins = Logins::default();
        for number in 0..CAPACITY as u32 + 10 {
            logins.fail(Block::V4(number), User(number.into()), &limits(), after(0));
            logins.succeed(Block::V4(number), ANN);
            let mut proof = [0; 32];
            proof[..4].copy_from_slice(&number.to_be_bytes());
            logins.remember(Proof(proof), after(0));
        }
        let Logins { addresses, users, proven, right } = &logins;
        for count in [addresses.forgotten.len(), users.forgotten.len(), proven.len(), right.len()] {
            assert!(count <= CAPACITY, "{count}");
        }
        logins.fail(Block::V6(1), ANN, &limits(), after(120));
        assert_eq!(logins.addresses.forgotten.len(), 1, "what is forgotten makes room");
    }
}
