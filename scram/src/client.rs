//! The client: begins, is challenged, proves, and checks the server's proof.
//!
//! ```text
//! Client ──server-first──► Challenge ──salted password──► ServerProof ──server-final──► done
//! ```

use subtle::ConstantTimeEq;

use crate::keys::{Key, check_iterations, decode, encode, hash, mac, prepare, xor};
use crate::message::{Attributes, check_nonce, escape, text};
use crate::{Error, SaltedPassword};

/// Says that there is no channel binding on this end.
const GS2_HEADER: &str = "n,,";

/// A client that has begun.
#[derive(Debug)]
pub struct Client {
    nonce: String,
    /// client-first-message-bare
    first: String,
}

impl Client {
    /// Begins as a user; the message is the first to send. The nonce is never used again.
    ///
    /// # Errors
    /// The name or the nonce has characters it must not have, or is empty.
    pub fn begin(user_name: &str, nonce: &str) -> Result<(Self, String), Error> {
        check_nonce(nonce)?;
        let first = format!("n={},r={nonce}", escape(&prepare(user_name)?));
        let message = format!("{GS2_HEADER}{first}");
        Ok((Self { nonce: nonce.to_owned(), first }, message))
    }

    /// Takes the server's first message.
    ///
    /// # Errors
    /// It is malformed, of another exchange, or asks for too little or too much work.
    pub fn read_server_first(self, message: &[u8]) -> Result<Challenge, Error> {
        let server_first = text(message)?;
        let mut attributes = Attributes::new(server_first);
        let nonce = attributes.next('r')?;
        let salt = decode(attributes.next('s')?).ok_or(Error::Message)?;
        let iterations = attributes.next('i')?.parse().map_err(|_| Error::Message)?;
        attributes.end()?;
        check_nonce(nonce)?;
        let added = nonce.strip_prefix(&self.nonce).ok_or(Error::Exchange)?;
        if added.is_empty() {
            return Err(Error::Exchange);
        }
        check_iterations(iterations)?;
        let without_proof = format!("c={},r={nonce}", encode(GS2_HEADER.as_bytes()));
        let auth_message = format!("{},{server_first},{without_proof}", self.first);
        Ok(Challenge { salt, iterations, without_proof, auth_message })
    }
}

/// What a server asks of a client.
#[derive(Debug)]
pub struct Challenge {
    salt: Vec<u8>,
    iterations: u32,
    without_proof: String,
    auth_message: String,
}

impl Challenge {
    /// What the password is to be salted with.
    pub fn salt(&self) -> &[u8] {
        &self.salt
    }

    /// How often.
    pub fn iterations(&self) -> u32 {
        self.iterations
    }

    /// Proves to know the password; the message is the last to send.
    pub fn answer(self, password: &SaltedPassword) -> (ServerProof, String) {
        let client_key = password.client_key();
        let auth_message = self.auth_message.as_bytes();
        let signature = mac(&hash(&client_key), &[auth_message]);
        let proof = xor(&client_key, &signature);
        let message = format!("{},p={}", self.without_proof, encode(&proof));
        (ServerProof { expected: mac(&password.server_key(), &[auth_message]) }, message)
    }
}

/// What the server has to show.
#[derive(Debug)]
pub struct ServerProof {
    expected: Key,
}

impl ServerProof {
    /// Takes the server's last message: it knows the password's keys, and accepts.
    ///
    /// # Errors
    /// It is malformed, a refusal, or from somebody who only pretends to be the server.
    pub fn read_server_final(self, message: &[u8]) -> Result<(), Error> {
        let mut attributes = Attributes::new(text(message)?);
        let signature = decode(attributes.next('v')?).ok_or(Error::Message)?;
        attributes.end()?;
        if bool::from(signature.ct_eq(&self.expected)) { Ok(()) } else { Err(Error::Proof) }
    }
}
