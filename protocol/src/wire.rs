//! The data representations of section 1.5: a reader over bytes, and what writes them.

use crate::{Binary, DecodeError, InvalidText, Text, Version};

/// The largest number a Variable Byte Integer holds.
pub(crate) const MAXIMUM_VARINT: usize = 268_435_455;

/// The largest packet there can be, fixed header included, in bytes.
pub const MAXIMUM_PACKET_SIZE: usize = MAXIMUM_VARINT + 5;

/// Takes fields off the front of some bytes; running out of them is malformed.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    version: Version,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self::with_version(bytes, Version::V5_0)
    }

    pub(crate) const fn with_version(bytes: &'a [u8], version: Version) -> Self {
        Self { bytes, version }
    }

    /// The version whose form the bytes have.
    pub(crate) const fn version(&self) -> Version {
        self.version
    }

    /// Says that what follows has the form of this version.
    pub(crate) const fn set_version(&mut self, version: Version) {
        self.version = version;
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The bytes that were not taken yet.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self
            .bytes
            .split_at_checked(length)
            .ok_or(DecodeError::malformed("a field reaches past the end"))?;
        self.bytes = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (taken, rest) = self
            .bytes
            .split_first_chunk()
            .ok_or(DecodeError::malformed("a field reaches past the end"))?;
        self.bytes = rest;
        Ok(*taken)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, DecodeError> {
        self.array().map(u8::from_be_bytes)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_be_bytes)
    }

    /// A Variable Byte Integer in its shortest form. [MQTT-1.5.5-1]
    pub(crate) fn varint(&mut self) -> Result<usize, DecodeError> {
        match varint(self.bytes)? {
            Some((value, length)) => {
                self.take(length)?;
                Ok(value)
            }
            None => Err(DecodeError::malformed("an integer reaches past the end")),
        }
    }

    pub(crate) fn binary(&mut self) -> Result<Binary<'a>, DecodeError> {
        let length = self.u16()?;
        let bytes = self.take(usize::from(length))?;
        Binary::new(bytes).map_err(|_| DecodeError::malformed("binary data is too long"))
    }

    pub(crate) fn text(&mut self) -> Result<Text<'a>, DecodeError> {
        checked_text(self.binary()?)
    }

    /// Demands that every byte was used.
    pub(crate) fn end(&self) -> Result<(), DecodeError> {
        if self.is_empty() { Ok(()) } else { Err(DecodeError::malformed("bytes are left over")) }
    }
}

/// The text that bytes from the wire are.
pub(crate) fn checked_text(bytes: Binary<'_>) -> Result<Text<'_>, DecodeError> {
    Text::from_bytes(bytes.as_bytes()).map_err(|invalid| {
        DecodeError::malformed(match invalid {
            InvalidText::NotUtf8 => "text is not UTF-8",
            InvalidText::Nul => "text holds U+0000",
            InvalidText::TooLong => "text is too long",
        })
    })
}

/// Reads a Variable Byte Integer: its value and length, or `None` if more bytes are needed.
pub(crate) fn varint(bytes: &[u8]) -> Result<Option<(usize, usize)>, DecodeError> {
    let mut value = 0;
    for (index, &byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            // The last byte adds nothing, so a shorter form exists. [MQTT-1.5.5-1]
            if byte == 0 && index > 0 {
                return Err(DecodeError::malformed("an integer is longer than it need be"));
            }
            return Ok(Some((value, index + 1)));
        }
    }
    if bytes.len() < 4 { Ok(None) } else { Err(DecodeError::malformed("an integer of five bytes")) }
}

pub(crate) const fn varint_length(value: usize) -> usize {
    match value {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        _ => 4,
    }
}

/// Writes `value`, which is at most [`MAXIMUM_VARINT`].
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: usize) {
    debug_assert!(value <= MAXIMUM_VARINT);
    while value >= 0x80 {
        out.push((value & 0x7F) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Writes text or binary data behind its two-byte length.
pub(crate) fn put_prefixed(out: &mut Vec<u8>, bytes: &[u8]) {
    debug_assert!(bytes.len() <= usize::from(u16::MAX), "its type has checked this");
    out.extend_from_slice(&(bytes.len() as u16).to_be_bytes());
    out.extend_from_slice(bytes);
}

pub(crate) const fn prefixed_length(bytes: &[u8]) -> usize {
    2 + bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The borders of the table in section 1.5.5. [MQTT-1.5.5-1]
    #[test]
    fn integers_take_one_to_four_bytes() {
        let table: [(usize, &[u8]); 8] = [
            (0, &[0x00]),
            (127, &[0x7F]),
            (128, &[0x80, 0x01]),
            (16_383, &[0xFF, 0x7F]),
            (16_384, &[0x80, 0x80, 0x01]),
            (2_097_151, &[0xFF, 0xFF, 0x7F]),
            (2_097_152, &[0x80, 0x80, 0x80, 0x01]),
            (268_435_455, &[0xFF, 0xFF, 0xFF, 0x7F]),
        ];
        for (value, bytes) in table {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            assert_eq!(out, bytes);
            assert_eq!(varint_length(value), bytes.len());
            assert_eq!(varint(bytes), Ok(Some((value, bytes.len()))));
            assert_eq!(varint(&bytes[..bytes.len() - 1]), Ok(None));
        }
    }

    /// [MQTT-1.5.5-1]
    #[test]
    fn integers_that_are_too_long_are_malformed() {
        for bytes in [&[0x80, 0x00][..], &[0xFF, 0x80, 0x00], &[0x80, 0x80, 0x80, 0x80, 0x01]] {
            assert!(varint(bytes).is_err());
        }
    }
}
