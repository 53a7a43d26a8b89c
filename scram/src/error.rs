//! Why an exchange cannot go on.

use std::fmt;

/// Why an exchange cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// A user name or password has characters that text of its kind must not have, or is empty.
    Text,
    /// A nonce is empty, or has characters that a nonce must not have.
    Nonce,
    /// The number of iterations protects nothing, or is an attack.
    Iterations,
    /// A message is not what the mechanism has at this point.
    Message,
    /// A message demands an extension, or a channel binding, that there is none of.
    Unsupported,
    /// A message belongs to another exchange.
    Exchange,
    /// The other end does not know the password.
    Proof,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "the name or password is empty or has characters it must not have",
            Self::Nonce => "the nonce has characters it must not have",
            Self::Iterations => "the number of iterations is too low or too high",
            Self::Message => "the message is not one of SCRAM",
            Self::Unsupported => "the message demands what is not supported",
            Self::Exchange => "the message belongs to another exchange",
            Self::Proof => "the other end does not know the password",
        })
    }
}

impl std::error::Error for Error {}
