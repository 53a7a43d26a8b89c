//! The server: learns who it is, challenges, and answers a proof with its own.
//!
//! ```text
//! client-first ──► Opening ──keys──► ClientProof ──client-final──► done
//! ```

use crate::keys::{Key, decode, encode, prepare};
use crate::message::{Attributes, check_nonce, text, unescape};
use crate::{Error, Keys};

/// Takes the client's first message.
///
/// # Errors
/// It is malformed, or demands what there is not.
pub fn read_client_first(message: &[u8]) -> Result<Opening, Error> {
    let message = text(message)?;
    // The client has no channel binding, or thinks that this end has none.
    let rest = message.strip_prefix("n,").or(message.strip_prefix("y,"));
    let unsupported = if message.starts_with("p=") { Error::Unsupported } else { Error::Message };
    let rest = rest.ok_or(unsupported)?;
    // To act as somebody else than who one is.
    let (authorization, first) = rest.split_once(',').ok_or(Error::Message)?;
    if !authorization.is_empty() {
        return Err(Error::Unsupported);
    }
    let mut attributes = Attributes::new(first);
    let user_name = prepare(&unescape(attributes.next('n')?)?)?;
    let nonce = attributes.next('r')?;
    attributes.end()?;
    check_nonce(nonce)?;
    let header = message.strip_suffix(first).unwrap_or_default();
    let [header, first, nonce] = [header, first, nonce].map(str::to_owned);
    Ok(Opening { user_name, nonce, header, first })
}

/// Somebody says who they are.
#[derive(Debug)]
pub struct Opening {
    user_name: String,
    nonce: String,
    /// gs2-header
    header: String,
    /// client-first-message-bare
    first: String,
}

impl Opening {
    /// Who it is, if they can prove it.
    pub fn user_name(&self) -> &str {
        &self.user_name
    }

    /// Asks for proof; the message is the first to send. The nonce is never used again.
    ///
    /// # Errors
    /// The nonce has characters it must not have, or is empty.
    pub fn challenge(self, keys: Keys, nonce: &str) -> Result<(ClientProof, String), Error> {
        check_nonce(nonce)?;
        let nonce = format!("{}{nonce}", self.nonce);
        let message = format!("r={nonce},s={},i={}", encode(keys.salt()), keys.iterations());
        let said = format!("{},{message}", self.first);
        Ok((ClientProof { keys, nonce, header: self.header, said }, message))
    }
}

/// What the client has to show.
#[derive(Debug)]
pub struct ClientProof {
    keys: Keys,
    nonce: String,
    header: String,
    /// What was said before, by both ends.
    said: String,
}

impl ClientProof {
    /// Takes the client's last message: it knows the password. The message is the last to send,
    /// and proves that this end knows the password's keys.
    ///
    /// # Errors
    /// It is malformed, of another exchange, or does not know the password.
    pub fn read_client_final(self, message: &[u8]) -> Result<String, Error> {
        let (without_proof, proof) = text(message)?.rsplit_once(",p=").ok_or(Error::Message)?;
        let mut attributes = Attributes::new(without_proof);
        let header = decode(attributes.next('c')?).ok_or(Error::Message)?;
        let nonce = attributes.next('r')?;
        attributes.end()?;
        if header != self.header.as_bytes() || nonce != self.nonce {
            return Err(Error::Exchange);
        }
        let proof = decode(proof).and_then(|proof| Key::try_from(proof).ok());
        let auth_message = format!("{},{without_proof}", self.said);
        if !self.keys.accept(&auth_message, &proof.ok_or(Error::Message)?) {
            return Err(Error::Proof);
        }
        Ok(format!("v={}", encode(&self.keys.server_signature(&auth_message))))
    }
}
