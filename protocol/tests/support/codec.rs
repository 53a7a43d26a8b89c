//! What holds for the codec, whatever the bytes and whatever the packet.

use mqtt_protocol::{Decoded, Packet, PublishProperties, ReasonCode, Version, decode, decode_as};

/// Any packet is read as it was written, and is as long as it said.
pub(crate) fn check_packet(packet: Packet<'_>) {
    let mut written = Vec::new();
    packet.encode(&mut written).unwrap();
    assert_eq!(packet.length(), written.len(), "{packet:?}");
    let length = written.len();
    assert_eq!(decode(&written, usize::MAX), Ok(Decoded::Packet { packet, length }));
    check_bytes(&written);
}

/// Any bytes are a packet, the beginning of one, or an error; and consistently so.
pub(crate) fn check_bytes(bytes: &[u8]) {
    check_bytes_as(Version::V5_0, bytes);
}

/// The same, in the form of a version.
pub(crate) fn check_bytes_as(version: Version, bytes: &[u8]) {
    match decode_as(version, bytes, usize::MAX) {
        Err(error) => {
            // More bytes do not heal what is wrong.
            let longer = [bytes, &[0]].concat();
            assert_eq!(decode_as(version, &longer, usize::MAX), Err(error));
        }
        Ok(Decoded::Incomplete { needed }) => assert!(needed > bytes.len()),
        Ok(Decoded::Packet { packet, length }) => {
            let bytes = &bytes[..length];
            check_prefixes(version, bytes);
            check_written_again(version, &packet);
            let tight = decode_as(version, bytes, length);
            assert_eq!(tight, Ok(Decoded::Packet { packet, length }));
            let error = decode_as(version, bytes, length - 1).unwrap_err();
            assert_eq!(error.reason, ReasonCode::PacketTooLarge);
        }
    }
}

/// Each prefix of a packet asks for more, and never for more than the packet has.
fn check_prefixes(version: Version, packet: &[u8]) {
    for cut in 0..packet.len() {
        let decoded = decode_as(version, &packet[..cut], packet.len());
        let Ok(Decoded::Incomplete { needed }) = decoded else {
            panic!("{packet:?} cut at {cut} does not ask for more");
        };
        assert!(cut < needed && needed <= packet.len());
    }
}

/// A packet from the wire need not be written as it came, but means the same.
fn check_written_again(version: Version, packet: &Packet<'_>) {
    let mut written = Vec::new();
    packet.encode_as(version, usize::MAX, &mut written).unwrap();
    let length = written.len();
    if version == Version::V5_0 {
        assert_eq!(packet.length(), length);
    }
    let decoded = decode_as(version, &written, length);
    assert_eq!(decoded, Ok(Decoded::Packet { packet: packet.clone(), length }));
}

/// The properties of a message outlive storage, and its User Properties are those a plain
/// reader finds, in their order.
pub(crate) fn check_properties(block: &[u8]) {
    // A packet is its first byte, a length and a body; a property block lacks the first byte.
    let stored = crate::wire::packet(0, block).split_off(1);
    let Ok(properties) = PublishProperties::from_bytes(&stored) else {
        return;
    };
    let found: Vec<_> = properties.user_properties.iter().collect();
    let expected = user_properties(block).expect("the block was accepted");
    assert_eq!(found, expected);
    assert_eq!(properties.user_properties.is_empty(), expected.is_empty());
    let mut written = Vec::new();
    properties.to_bytes(&mut written);
    assert_eq!(PublishProperties::from_bytes(&written), Ok(properties));
}

fn user_properties(mut block: &[u8]) -> Option<Vec<(&str, &str)>> {
    let mut pairs = Vec::new();
    while let Some((id, mut rest)) = block.split_first() {
        match id {
            0x01 => rest = rest.get(1..)?,
            0x02 => rest = rest.get(4..)?,
            0x26 => {
                let (name, value);
                (name, rest) = prefixed(rest)?;
                (value, rest) = prefixed(rest)?;
                pairs.push((str::from_utf8(name).ok()?, str::from_utf8(value).ok()?));
            }
            _ => (_, rest) = prefixed(rest)?,
        }
        block = rest;
    }
    Some(pairs)
}

fn prefixed(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}
