//! Users, and what the broker keeps to know them by: the password file.
//!
//! Each line is a user's: `NAME:HASH`, or `NAME:HASH:KEYS` if the user can also log in with SCRAM.
//! Lines that are empty or begin with `#` say nothing.

mod edit;
mod file;
mod hash;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use ring::digest;
use scram::{Keys, Password};

pub use self::edit::{EditError, remove_user, set_password};
pub use self::file::{BadLine, UsersError};
pub use self::hash::PasswordHash;

/// How often a password is salted for SCRAM: some 50 ms of work, done by the client once for each
/// salt. The broker, which keeps what comes out, has no work with it.
pub const SCRAM_ITERATIONS: u32 = 100_000;

/// How many random bytes a salt has.
pub const SALT_SIZE: usize = 16;

/// Who can log in.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Users {
    by_name: HashMap<Arc<str>, User>,
    /// What passwords of users there are none of are checked against.
    decoy: Option<Arc<PasswordHash>>,
    /// How often passwords of users there are none of are said to be salted.
    decoy_iterations: u32,
    /// Known to nobody, and the same as long as the users are.
    secret: Secret,
}

/// What is kept of one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    hash: Arc<PasswordHash>,
    keys: Option<Keys>,
}

#[derive(Default, PartialEq, Eq)]
struct Secret(Vec<u8>);

impl Users {
    /// Reads what a password file says.
    ///
    /// # Errors
    /// All lines that are wrong.
    pub fn parse(text: &str) -> Result<Self, Vec<BadLine>> {
        let lines = file::parse(text)?;
        let hashes = || lines.iter().map(|(_, user)| &user.hash);
        // The one that takes the most work, so that no hash is known by its time.
        let decoy = hashes().max_by_key(|hash| hash.work()).cloned();
        let keys = lines.iter().filter_map(|(_, user)| user.keys.as_ref());
        let decoy_iterations = keys.map(Keys::iterations).max().unwrap_or(SCRAM_ITERATIONS);
        let secret = Secret(digest::digest(&digest::SHA256, text.as_bytes()).as_ref().to_vec());
        let by_name = lines.into_iter().map(|(name, user)| (name.into(), user)).collect();
        Ok(Self { by_name, decoy, decoy_iterations, secret })
    }

    /// Adds a user, in place of one of the same name.
    pub fn insert(&mut self, name: &str, user: User) {
        let is_harder = |decoy: &Arc<PasswordHash>| decoy.work() < user.hash.work();
        if self.decoy.as_ref().is_none_or(is_harder) {
            self.decoy = Some(user.hash.clone());
        }
        let iterations = user.keys.as_ref().map_or(SCRAM_ITERATIONS, Keys::iterations);
        self.decoy_iterations = self.decoy_iterations.max(iterations);
        self.by_name.insert(name.into(), user);
    }

    /// The names of all users.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(|name| &**name)
    }

    /// What is kept of a user.
    pub fn user(&self, name: &str) -> Option<&User> {
        self.by_name.get(name)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.by_name.len()
    }

    /// How many can log in with a password only, because their hash is not of this broker's making.
    pub fn count_without_scram(&self) -> usize {
        self.by_name.values().filter(|user| user.keys.is_none()).count()
    }

    /// The check of a password, which takes as long for a user there is none of. Where there are
    /// no users at all there is nothing to check.
    pub fn check(&self, name: &str, password: &[u8]) -> Option<PasswordCheck> {
        let decoy = self.decoy.clone()?;
        let hash = self.by_name.get(name).map(|user| user.hash.clone());
        Some(PasswordCheck { hash, decoy, password: password.to_vec() })
    }

    /// The keys of a user for SCRAM; of one there is none of, or that cannot use it, keys that look
    /// the same and fit no password.
    pub fn keys(&self, name: &str) -> Keys {
        let keys = self.by_name.get(name).and_then(|user| user.keys.clone());
        keys.unwrap_or_else(|| Keys::decoy(name, &self.secret.0, self.decoy_iterations))
    }
}

impl User {
    /// A user with this password, who can use SCRAM. It takes long. The salts are random.
    ///
    /// # Errors
    /// The password is empty or has characters that a password must not have.
    pub fn new(password: &str, salts: [[u8; SALT_SIZE]; 2]) -> Result<Self, scram::Error> {
        let salted = Password::new(password)?.salted(&salts[1], SCRAM_ITERATIONS)?;
        let hash = Arc::new(PasswordHash::new(password.as_bytes(), salts[0]));
        Ok(Self { hash, keys: Some(Keys::new(&salted)) })
    }
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.keys {
            Some(keys) => write!(f, "{}:{keys}", self.hash),
            None => self.hash.fmt(f),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// A password and what it has to fit.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordCheck {
    hash: Option<Arc<PasswordHash>>,
    decoy: Arc<PasswordHash>,
    password: Vec<u8>,
}

impl PasswordCheck {
    /// Whether it is the right password. This takes long: the same time for a wrong password and
    /// for a user there is none of.
    pub fn is_right(&self) -> bool {
        let Some(hash) = &self.hash else {
            self.decoy.fits(&self.password);
            return false;
        };
        if hash.work() < self.decoy.work() {
            self.decoy.fits(&self.password);
        }
        hash.fits(&self.password)
    }
}

impl fmt::Debug for PasswordCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordCheck(..)")
    }
}

/// Whether a user can have this name: it has a line of its own in the password file.
pub fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= usize::from(u16::MAX)
        && !name.starts_with('#')
        && !name.contains(|c: char| c == ':' || c.is_control())
}
