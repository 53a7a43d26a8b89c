//! SCRAM-SHA-256 (RFC 5802, RFC 7677): one end proves that it knows a password, the other that it
//! knows it too, and the password does not travel.
//!
//! Both roles are state machines that are consumed step by step, so that none can be taken twice
//! or out of order. Nothing in here throws dice, waits or looks at a clock: nonces and salts are
//! arguments. Channel binding is deliberately absent: clients that ask for it are refused, as the
//! mechanism without `-PLUS` demands.
//!
//! ```
//! use scram::{Client, Keys, Password, read_client_first};
//!
//! # fn main() -> Result<(), scram::Error> {
//! // The server keeps keys, from which the password cannot be had.
//! let password = Password::new("pencil")?;
//! let keys = Keys::new(&password.salted(b"salt of this user", 4096)?);
//!
//! let (client, message) = Client::begin("ann", "client-nonce")?;
//! let opening = read_client_first(message.as_bytes())?;
//! assert_eq!(opening.user_name(), "ann");
//! let (server, message) = opening.challenge(keys, "server-nonce")?;
//! let challenge = client.read_server_first(message.as_bytes())?;
//! let salted = password.salted(challenge.salt(), challenge.iterations())?;
//! let (client, message) = challenge.answer(&salted);
//! let message = server.read_client_final(message.as_bytes())?;
//! client.read_server_final(message.as_bytes())?;
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod client;
mod error;
mod keys;
mod message;
mod server;

pub use client::{Challenge, Client, ServerProof};
pub use error::Error;
pub use keys::{Keys, Password, SaltedPassword, nonce, prepare};
pub use server::{ClientProof, Opening, read_client_first};

/// The mechanism's registered name.
pub const NAME: &str = "SCRAM-SHA-256";

/// Fewer iterations than this protect no password; RFC 7677 asks for as many at least.
pub const MINIMUM_ITERATIONS: u32 = 4096;

/// More iterations than this, about a second of work, are an attack on who has to count them.
pub const MAXIMUM_ITERATIONS: u32 = 2_000_000;
