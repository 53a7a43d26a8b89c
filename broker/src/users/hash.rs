//! Hashes of passwords: Argon2id, and those that mosquitto has made.

use std::fmt;
use std::num::NonZeroU32;

use argon2::{Algorithm, Argon2, Params, Version};
use data_encoding::{BASE64, BASE64_NOPAD};
use ring::{digest, pbkdf2};
use subtle::ConstantTimeEq;

use super::SALT_SIZE;

/// A hash of a password, and how it was made.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    kind: Kind,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// `$argon2id$v=19$m=KIB,t=PASSES,p=LANES$SALT$HASH`
    Argon2id { kib: u32, passes: u32, lanes: u32 },
    /// `$7$ITERATIONS$SALT$HASH`, of mosquitto: PBKDF2 with SHA-512.
    Pbkdf2Sha512 { iterations: NonZeroU32 },
    /// `$6$SALT$HASH`, of mosquitto before 2.0: SHA-512 of the password and the salt.
    Sha512,
}

/// What new hashes cost: about 20 ms and 19 MiB, as OWASP has it.
const ARGON2ID: Kind = Kind::Argon2id { kib: 19 * 1024, passes: 2, lanes: 1 };

/// No sane file asks for more memory, and a typing error must not cost it: 1 GiB.
const MAXIMUM_KIB: u32 = 1024 * 1024;

/// Nor for more passes, lanes or iterations.
const MAXIMUM_PASSES: u32 = 100;
const MAXIMUM_LANES: u32 = 16;
const MAXIMUM_ITERATIONS: u32 = 10_000_000;

const SHA512_SIZE: usize = 64;

impl PasswordHash {
    /// Hashes a password, which takes long.
    pub(super) fn new(password: &[u8], salt: [u8; SALT_SIZE]) -> Self {
        let mut made = Self { kind: ARGON2ID, salt: salt.to_vec(), hash: vec![0; 32] };
        made.hash = made.argon2id(password).expect("the parameters are sound");
        made
    }

    /// Reads a hash as it is written in a password file.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut fields = text.strip_prefix('$')?.split('$');
        let kind = match fields.next()? {
            "argon2id" if fields.next()? == "v=19" => parse_costs(fields.next()?)?,
            "7" => {
                let iterations: NonZeroU32 = fields.next()?.parse().ok()?;
                (iterations.get() <= MAXIMUM_ITERATIONS)
                    .then_some(Kind::Pbkdf2Sha512 { iterations })?
            }
            "6" => Kind::Sha512,
            _ => return None,
        };
        let encoding = if kind.is_argon2id() { BASE64_NOPAD } else { BASE64 };
        let mut field = || encoding.decode(fields.next()?.as_bytes()).ok();
        let parsed = Self { kind, salt: field()?, hash: field()? };
        (fields.next().is_none() && parsed.is_sound()).then_some(parsed)
    }

    fn is_sound(&self) -> bool {
        match self.kind {
            Kind::Argon2id { .. } => {
                (16..=64).contains(&self.hash.len()) && self.argon2().is_some()
            }
            Kind::Pbkdf2Sha512 { .. } | Kind::Sha512 => self.hash.len() == SHA512_SIZE,
        }
    }

    /// Whether it is the hash of this password; to find out takes long.
    pub(super) fn fits(&self, password: &[u8]) -> bool {
        match self.kind {
            Kind::Argon2id { .. } => {
                self.argon2id(password).is_some_and(|hash| hash.ct_eq(&self.hash).into())
            }
            Kind::Pbkdf2Sha512 { iterations } => {
                let algorithm = pbkdf2::PBKDF2_HMAC_SHA512;
                pbkdf2::verify(algorithm, iterations, &self.salt, password, &self.hash).is_ok()
            }
            Kind::Sha512 => {
                let mut context = digest::Context::new(&digest::SHA512);
                context.update(password);
                context.update(&self.salt);
                context.finish().as_ref().ct_eq(&self.hash).into()
            }
        }
    }

    /// How much work it is, to compare with others.
    pub(super) fn work(&self) -> (u8, u64) {
        match self.kind {
            Kind::Argon2id { kib, passes, .. } => (2, u64::from(kib) * u64::from(passes)),
            Kind::Pbkdf2Sha512 { iterations } => (1, u64::from(iterations.get())),
            Kind::Sha512 => (0, 0),
        }
    }

    fn argon2id(&self, password: &[u8]) -> Option<Vec<u8>> {
        let mut hash = vec![0; self.hash.len()];
        self.argon2()?.hash_password_into(password, &self.salt, &mut hash).ok()?;
        Some(hash)
    }

    fn argon2(&self) -> Option<Argon2<'static>> {
        let Kind::Argon2id { kib, passes, lanes } = self.kind else { return None };
        let is_long_enough = self.salt.len() >= argon2::MIN_SALT_LEN;
        let params = Params::new(kib, passes, lanes, Some(self.hash.len())).ok()?;
        is_long_enough.then(|| Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
    }
}

impl Kind {
    const fn is_argon2id(self) -> bool {
        matches!(self, Self::Argon2id { .. })
    }
}

/// `m=KIB,t=PASSES,p=LANES`
fn parse_costs(text: &str) -> Option<Kind> {
    let mut costs = text.split(',');
    let mut cost = |name: &str, maximum: u32| {
        let cost: u32 = costs.next()?.strip_prefix(name)?.parse().ok()?;
        (1..=maximum).contains(&cost).then_some(cost)
    };
    let kib = cost("m=", MAXIMUM_KIB)?;
    let passes = cost("t=", MAXIMUM_PASSES)?;
    let lanes = cost("p=", MAXIMUM_LANES)?;
    costs.next().is_none().then_some(Kind::Argon2id { kib, passes, lanes })
}

impl fmt::Display for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encoding = if self.kind.is_argon2id() { BASE64_NOPAD } else { BASE64 };
        let [salt, hash] = [&self.salt, &self.hash].map(|bytes| encoding.encode(bytes));
        match self.kind {
            Kind::Argon2id { kib, passes, lanes } => {
                write!(f, "$argon2id$v=19$m={kib},t={passes},p={lanes}${salt}${hash}")
            }
            Kind::Pbkdf2Sha512 { iterations } => write!(f, "$7${iterations}${salt}${hash}"),
            Kind::Sha512 => write!(f, "$6${salt}${hash}"),
        }
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}
