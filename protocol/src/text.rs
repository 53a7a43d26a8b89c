//! UTF-8 strings and binary data short enough for their two-byte length.

use std::error::Error;
use std::fmt;
use std::ops::Deref;

/// A UTF-8 Encoded String: at most 65,535 bytes and no U+0000.
/// [MQTT-1.5.4-1] [MQTT-1.5.4-2]
///
/// U+FEFF is a character like any other. [MQTT-1.5.4-3]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<'a>(&'a str);

impl<'a> Text<'a> {
    /// The empty string.
    pub const EMPTY: Text<'static> = Text("");

    /// Checks a string.
    ///
    /// # Errors
    /// It is too long or holds U+0000.
    pub fn new(text: &'a str) -> Result<Self, InvalidText> {
        if text.len() > usize::from(u16::MAX) {
            Err(InvalidText::TooLong)
        } else if text.bytes().fold(false, |found, byte| found | (byte == 0)) {
            Err(InvalidText::Nul)
        } else {
            Ok(Self(text))
        }
    }

    /// Checks bytes: they have to be UTF-8, in which surrogates do not exist.
    ///
    /// # Errors
    /// They are too long, not UTF-8, or hold U+0000.
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self, InvalidText> {
        Self::new(str::from_utf8(bytes).map_err(|_| InvalidText::NotUtf8)?)
    }

    /// Text that was checked before.
    pub(crate) const fn checked(text: &'a str) -> Self {
        Self(text)
    }

    /// The string itself, for as long as the bytes it was made from.
    pub const fn as_str(self) -> &'a str {
        self.0
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        self.0
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a string cannot be a UTF-8 Encoded String.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidText {
    /// The bytes are not UTF-8.
    NotUtf8,
    /// It holds U+0000.
    Nul,
    /// It is longer than 65,535 bytes.
    TooLong,
}

impl fmt::Display for InvalidText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotUtf8 => "text is not UTF-8",
            Self::Nul => "text holds U+0000",
            Self::TooLong => "text is longer than 65535 bytes",
        })
    }
}

impl Error for InvalidText {}

/// Binary Data: at most 65,535 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Binary<'a>(&'a [u8]);

impl<'a> Binary<'a> {
    /// Checks the length.
    ///
    /// # Errors
    /// There are more than 65,535 bytes.
    pub const fn new(bytes: &'a [u8]) -> Result<Self, TooLong> {
        if bytes.len() > u16::MAX as usize { Err(TooLong) } else { Ok(Self(bytes)) }
    }

    /// The bytes themselves.
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }
}

impl Deref for Binary<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0
    }
}

/// More than 65,535 bytes of Binary Data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("binary data is longer than 65535 bytes")
    }
}

impl Error for TooLong {}

#[cfg(test)]
mod tests {
    use super::*;

    /// [MQTT-1.5.4-1]
    #[test]
    fn surrogates_and_overlong_forms_are_refused() {
        for bytes in [&b"\xED\xA0\x80"[..], b"\xC0\x80", b"\xF5\x80\x80\x80", b"\xE2\x82"] {
            assert_eq!(Text::from_bytes(bytes), Err(InvalidText::NotUtf8));
        }
    }

    /// [MQTT-1.5.4-2]
    #[test]
    fn nul_is_refused() {
        assert_eq!(Text::from_bytes(b"a\0b"), Err(InvalidText::Nul));
    }

    /// [MQTT-1.5.4-3]
    #[test]
    fn a_byte_order_mark_is_kept() {
        assert_eq!(Text::from_bytes(b"\xEF\xBB\xBFa").unwrap().as_str(), "\u{FEFF}a");
    }

    #[test]
    fn length_is_bounded_by_two_bytes() {
        let long = "x".repeat(65_536);
        assert!(Text::new(&long[1..]).is_ok());
        assert_eq!(Text::new(&long), Err(InvalidText::TooLong));
        assert_eq!(Binary::new(long.as_bytes()), Err(TooLong));
    }
}
