//! Passwords, and the keys that are made of them.

use std::fmt;
use std::num::NonZeroU32;

use data_encoding::BASE64;
use ring::{digest, hmac, pbkdf2};
use subtle::ConstantTimeEq;

use crate::{Error, MAXIMUM_ITERATIONS, MINIMUM_ITERATIONS};

/// A SHA-256 hash, or a key as long as one.
pub(crate) type Key = [u8; 32];

/// A password, in the one form that SASLprep gives all ways to type it.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// Prepares a password.
    ///
    /// # Errors
    /// It is empty, or has characters that a password must not have.
    pub fn new(password: &str) -> Result<Self, Error> {
        prepare(password).map(Self)
    }

    /// Salts the password, which takes long.
    ///
    /// # Errors
    /// The iterations are too few or too many.
    pub fn salted(&self, salt: &[u8], iterations: u32) -> Result<SaltedPassword, Error> {
        let count = check_iterations(iterations)?;
        let mut key = Key::default();
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, count, salt, self.0.as_bytes(), &mut key);
        Ok(SaltedPassword { salt: salt.to_vec(), iterations, key })
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// A name or a password in the one form that SASLprep gives all ways to type it.
///
/// # Errors
/// It is empty, or has characters it must not have.
pub fn prepare(text: &str) -> Result<String, Error> {
    let prepared = stringprep::saslprep(text).map_err(|_| Error::Text)?;
    if prepared.is_empty() { Err(Error::Text) } else { Ok(prepared.into_owned()) }
}

pub(crate) fn check_iterations(iterations: u32) -> Result<NonZeroU32, Error> {
    let count = NonZeroU32::new(iterations);
    let count = count.filter(|_| (MINIMUM_ITERATIONS..=MAXIMUM_ITERATIONS).contains(&iterations));
    count.ok_or(Error::Iterations)
}

/// A salted password: all that a client needs of it, and worth keeping, for it took long to make.
#[derive(Clone, PartialEq, Eq)]
pub struct SaltedPassword {
    salt: Vec<u8>,
    iterations: u32,
    key: Key,
}

impl SaltedPassword {
    /// Whether it was made with this salt and so many iterations.
    pub fn is_of(&self, salt: &[u8], iterations: u32) -> bool {
        self.salt == salt && self.iterations == iterations
    }

    pub(crate) fn client_key(&self) -> Key {
        mac(&self.key, &[b"Client Key"])
    }

    pub(crate) fn server_key(&self) -> Key {
        mac(&self.key, &[b"Server Key"])
    }
}

impl fmt::Debug for SaltedPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SaltedPassword(..)")
    }
}

/// What a server keeps of a user's password. Who has them can play the server, but not the user.
///
/// As text they are `SCRAM-SHA-256$ITERATIONS:SALT$STORED_KEY:SERVER_KEY`, binary parts in base64
/// (RFC 5803).
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    salt: Vec<u8>,
    iterations: u32,
    stored_key: Key,
    server_key: Key,
}

impl Keys {
    /// The keys of a password.
    pub fn new(salted: &SaltedPassword) -> Self {
        Self {
            salt: salted.salt.clone(),
            iterations: salted.iterations,
            stored_key: hash(&salted.client_key()),
            server_key: salted.server_key(),
        }
    }

    /// Keys for a user there is none of, so that an exchange does not tell who exists: it goes its
    /// way, always the same for a name, and fails at its end. `secret` is known to nobody else.
    pub fn decoy(user_name: &str, secret: &[u8], iterations: u32) -> Self {
        let part = |what: &[u8]| mac(secret, &[what, user_name.as_bytes()]);
        let salt = part(b"salt ").split_at(DECOY_SALT_SIZE).0.to_vec();
        Self {
            salt,
            iterations,
            stored_key: part(b"stored key "),
            server_key: part(b"server key "),
        }
    }

    /// Reads keys written by [`Display`](fmt::Display).
    pub fn parse(text: &str) -> Option<Self> {
        let (name, rest) = text.split_once('$')?;
        let (cost, keys) = rest.split_once('$')?;
        let (iterations, salt) = cost.split_once(':')?;
        let (stored_key, server_key) = keys.split_once(':')?;
        let key = |text: &str| Key::try_from(decode(text)?).ok();
        let keys = Self {
            salt: decode(salt)?,
            iterations: iterations.parse().ok()?,
            stored_key: key(stored_key)?,
            server_key: key(server_key)?,
        };
        let is_sound = !keys.salt.is_empty() && check_iterations(keys.iterations).is_ok();
        (name == crate::NAME && is_sound).then_some(keys)
    }

    /// The salt.
    pub fn salt(&self) -> &[u8] {
        &self.salt
    }

    /// How often it was salted.
    pub fn iterations(&self) -> u32 {
        self.iterations
    }

    /// Whether who has made this proof knows the password.
    pub(crate) fn accept(&self, auth_message: &str, proof: &Key) -> bool {
        let signature = mac(&self.stored_key, &[auth_message.as_bytes()]);
        let client_key = xor(proof, &signature);
        hash(&client_key).ct_eq(&self.stored_key).into()
    }

    pub(crate) fn server_signature(&self, auth_message: &str) -> Key {
        mac(&self.server_key, &[auth_message.as_bytes()])
    }
}

/// As many bytes as those who make real keys take for a salt.
const DECOY_SALT_SIZE: usize = 16;

impl fmt::Display for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [salt, stored_key, server_key] =
            [&self.salt[..], &self.stored_key, &self.server_key].map(encode);
        write!(f, "{}${}:{salt}${stored_key}:{server_key}", crate::NAME, self.iterations)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(..)")
    }
}

pub(crate) fn hash(bytes: &[u8]) -> Key {
    sized(digest::digest(&digest::SHA256, bytes).as_ref())
}

pub(crate) fn mac(key: &[u8], parts: &[&[u8]]) -> Key {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    parts.iter().for_each(|part| context.update(part));
    sized(context.sign().as_ref())
}

/// A nonce that nobody can guess who does not know the secret, another for each number.
pub fn nonce(secret: &[u8; 32], number: u64) -> String {
    encode(&mac(secret, &[b"nonce ", &number.to_be_bytes()]))
}

fn sized(bytes: &[u8]) -> Key {
    bytes.try_into().expect("SHA-256 makes 32 bytes")
}

pub(crate) fn xor(one: &Key, other: &Key) -> Key {
    std::array::from_fn(|i| one[i] ^ other[i])
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text.as_bytes()).ok()
}
