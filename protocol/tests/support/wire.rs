//! Packets put together and taken apart without the codec.

/// A packet of a first byte and all that follows the remaining length.
pub(crate) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut length = body.len();
    loop {
        let low = (length % 128) as u8;
        length /= 128;
        if length == 0 {
            bytes.push(low);
            break;
        }
        bytes.push(low + 128);
    }
    bytes.extend_from_slice(body);
    bytes
}

/// The first byte of a packet, and what follows its remaining length.
#[allow(dead_code, reason = "not each test that makes packets takes some apart")]
pub(crate) fn parts(packet: &[u8]) -> (u8, &[u8]) {
    let length_bytes = 1 + packet[1..].iter().take_while(|&&byte| byte >= 128).count();
    (packet[0], &packet[1 + length_bytes..])
}
