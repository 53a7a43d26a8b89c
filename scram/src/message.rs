//! The attributes that messages are made of.

use crate::Error;

/// Reads a message's attributes, each with the letter it has to have, in their order.
pub(crate) struct Attributes<'a> {
    rest: Option<&'a str>,
}

impl<'a> Attributes<'a> {
    /// The attributes of a message.
    pub(crate) fn new(text: &'a str) -> Self {
        Self { rest: Some(text) }
    }

    /// The value of the next attribute, which has this letter.
    pub(crate) fn next(&mut self, letter: char) -> Result<&'a str, Error> {
        let text = self.rest.ok_or(Error::Message)?;
        let (attribute, rest) = match text.split_once(',') {
            Some((attribute, rest)) => (attribute, Some(rest)),
            None => (text, None),
        };
        self.rest = rest;
        // An extension that has to be understood, and is not.
        if attribute.starts_with("m=") {
            return Err(Error::Unsupported);
        }
        let value = attribute.strip_prefix(letter).and_then(|rest| rest.strip_prefix('='));
        value.filter(|value| !value.is_empty()).ok_or(Error::Message)
    }

    /// Checks that what is left are extensions, which may be ignored.
    pub(crate) fn end(self) -> Result<(), Error> {
        let Some(rest) = self.rest else { return Ok(()) };
        let is_extension = |attribute: &str| {
            let mut characters = attribute.chars();
            characters.next().is_some_and(|letter| letter.is_ascii_alphabetic())
                && characters.next() == Some('=')
                && characters.next().is_some()
        };
        if rest.split(',').all(is_extension) { Ok(()) } else { Err(Error::Message) }
    }
}

/// The text of a message.
pub(crate) fn text(message: &[u8]) -> Result<&str, Error> {
    let text = str::from_utf8(message).map_err(|_| Error::Message)?;
    if text.contains('\0') { Err(Error::Message) } else { Ok(text) }
}

/// Checks that a nonce is printable and has no comma.
pub(crate) fn check_nonce(nonce: &str) -> Result<(), Error> {
    let is_fine = |byte: u8| matches!(byte, b'!'..=b'~') && byte != b',';
    if !nonce.is_empty() && nonce.bytes().all(is_fine) { Ok(()) } else { Err(Error::Nonce) }
}

/// Writes a user name so that it has neither comma nor equals sign.
pub(crate) fn escape(name: &str) -> String {
    name.replace('=', "=3D").replace(',', "=2C")
}

/// Reads a user name written by [`escape`].
pub(crate) fn unescape(name: &str) -> Result<String, Error> {
    let mut parts = name.split('=');
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (character, rest) = match (part.strip_prefix("2C"), part.strip_prefix("3D")) {
            (Some(rest), _) => (',', rest),
            (_, Some(rest)) => ('=', rest),
            (None, None) => return Err(Error::Message),
        };
        whole.push(character);
        whole.push_str(rest);
    }
    Ok(whole)
}
