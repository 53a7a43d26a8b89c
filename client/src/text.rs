//! Text that is kept, in the form both Rust and C can borrow.

use std::ffi::CStr;
use std::fmt;

use mqtt_protocol::{InvalidText, Text};

/// Text that may stand in a packet, with a NUL behind it for C.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OwnedText(Box<str>);

impl OwnedText {
    /// Checks text and copies it.
    ///
    /// # Errors
    /// It is too long or holds U+0000.
    pub fn new(text: &str) -> Result<Self, InvalidText> {
        Text::new(text).map(Self::from)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.0.split_at(self.0.len() - 1).0
    }

    /// The text as a packet takes it.
    pub fn as_text(&self) -> Text<'_> {
        Text::new(self.as_str()).expect("it was made from such text")
    }

    /// The text as C takes it.
    pub fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_with_nul(self.0.as_bytes()).expect("its only NUL is the last byte")
    }
}

impl From<Text<'_>> for OwnedText {
    fn from(text: Text<'_>) -> Self {
        let mut owned = String::with_capacity(text.len() + 1);
        owned.push_str(&text);
        owned.push('\0');
        Self(owned.into_boxed_str())
    }
}

impl Default for OwnedText {
    fn default() -> Self {
        Self::from(Text::EMPTY)
    }
}

impl fmt::Debug for OwnedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Display for OwnedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}
