//! Knows a film by its content: the same one under another name, and another cut under the same.

/// How much of the beginning and of the end of a file its fingerprint is made of, in bytes.
pub const FINGERPRINT_PART: usize = 256 * 1024;

const OFFSET_BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;

/// The fingerprint of a file, from its size in bytes and its first and last [`FINGERPRINT_PART`] bytes (all of it twice, if it
/// is shorter): FNV-1a of 128 bits over the size, eight bytes with the lowest first, and both parts, in hexadecimal.
/// It tells files apart that are not meant to deceive.
pub fn fingerprint(size: u64, head: &[u8], tail: &[u8]) -> String {
    let size = size.to_le_bytes();
    let bytes = size.iter().chain(head).chain(tail);
    let hash =
        bytes.fold(OFFSET_BASIS, |hash, byte| (hash ^ u128::from(*byte)).wrapping_mul(PRIME));
    format!("{hash:032x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprint_is_that_of_the_published_function() {
        // FNV-1a 128 of no bytes is its basis; the size goes first, so this is of eight zero bytes and "a".
        assert_eq!(fingerprint(0, b"a", b""), fingerprint(0, b"", b"a"));
        let by_hand = [0, 0, 0, 0, 0, 0, 0, 0, b'a']
            .iter()
            .fold(OFFSET_BASIS, |hash, byte: &u8| (hash ^ u128::from(*byte)).wrapping_mul(PRIME));
        assert_eq!(fingerprint(0, b"a", b""), format!("{by_hand:032x}"));
    }

    #[test]
    fn size_beginning_and_end_all_count() {
        let here = fingerprint(10, b"begin", b"end");
        assert_ne!(here, fingerprint(11, b"begin", b"end"));
        assert_ne!(here, fingerprint(10, b"begun", b"end"));
        assert_ne!(here, fingerprint(10, b"begin", b"ent"));
        assert_eq!(here.len(), 32);
    }
}
