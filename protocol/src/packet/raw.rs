//! Packets found among bytes: first their ends, then what is in them.

use super::{
    Ack, Auth, ConnAck, Connect, Disconnect, Packet, PacketType, Publish, SubAck, Subscribe,
    Unsubscribe, connect,
};
use crate::wire::{Reader, varint};
use crate::{DecodeError, ReasonCode, TopicName, Version};

/// A packet whose ends are known and whose inside was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawPacket<'a> {
    version: Version,
    packet_type: PacketType,
    bytes: &'a [u8],
    /// Where the variable header begins.
    body_at: usize,
}

/// What [`split`] found at the front of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split<'a> {
    /// A whole packet.
    Packet(RawPacket<'a>),
    /// The bytes are the beginning of a packet.
    Incomplete {
        /// How many bytes there must be, at least, before it is worth another try.
        needed: usize,
    },
}

/// What [`decode`] made of some bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "it is taken apart where it is made")]
pub enum Decoded<'a> {
    /// A whole packet, and how many bytes it took.
    Packet {
        /// The packet.
        packet: Packet<'a>,
        /// Its length in bytes.
        length: usize,
    },
    /// The bytes are the beginning of a packet.
    Incomplete {
        /// How many bytes there must be, at least, before it is worth another try.
        needed: usize,
    },
}

/// Reads the packet at the front of `bytes`, which may be at most `maximum` bytes long.
///
/// # Errors
/// The bytes are no packet. A packet that is too large is refused as soon as its length
/// is known, before it need be buffered.
pub fn decode(bytes: &[u8], maximum: usize) -> Result<Decoded<'_>, DecodeError> {
    decode_as(Version::V5_0, bytes, maximum)
}

/// Reads a packet in the form of a version. A CONNECT has the form of the version it names.
///
/// # Errors
/// As for [`decode`].
pub fn decode_as(
    version: Version,
    bytes: &[u8],
    maximum: usize,
) -> Result<Decoded<'_>, DecodeError> {
    Ok(match split(version, bytes, maximum)? {
        Split::Packet(raw) => Decoded::Packet { packet: raw.read()?, length: raw.bytes().len() },
        Split::Incomplete { needed } => Decoded::Incomplete { needed },
    })
}

/// Finds the end of the packet at the front of `bytes`, which may be at most `maximum` bytes long.
///
/// # Errors
/// As for [`decode`], as far as the fixed header shows it.
pub fn split(version: Version, bytes: &[u8], maximum: usize) -> Result<Split<'_>, DecodeError> {
    let Some((&first, behind)) = bytes.split_first() else {
        return Ok(Split::Incomplete { needed: 2 });
    };
    let packet_type = packet_type(first, version)?;
    let Some((remaining, varint_length)) = varint(behind)? else {
        return Ok(Split::Incomplete { needed: bytes.len() + 1 });
    };
    let body_at = 1 + varint_length;
    let length = body_at + remaining;
    if length > maximum {
        return Err(DecodeError {
            reason: ReasonCode::PacketTooLarge,
            detail: "a packet larger than announced as acceptable",
        });
    }
    Ok(match bytes.get(..length) {
        Some(bytes) => Split::Packet(RawPacket { version, packet_type, bytes, body_at }),
        None => Split::Incomplete { needed: length },
    })
}

/// The version that the CONNECT at the front of `bytes` names, whatever else may be wrong with it.
pub fn named_version(bytes: &[u8]) -> Option<Version> {
    let (&first, behind) = bytes.split_first()?;
    let (_, varint_length) = varint(behind).ok()??;
    let mut reader = Reader::new(behind.get(varint_length..)?);
    let is_connect = first >> 4 == PacketType::Connect as u8;
    is_connect.then(|| connect::read_version(&mut reader).ok())?
}

/// Checks the first byte of the fixed header.
fn packet_type(first: u8, version: Version) -> Result<PacketType, DecodeError> {
    let kind =
        PacketType::new(first >> 4).ok_or(DecodeError::malformed("packet type 0 is reserved"))?;
    if kind == PacketType::Auth && !version.has_properties() {
        return Err(DecodeError::malformed("packet type 15 is reserved"));
    }
    match kind.reserved_flags() {
        // Version 3.1 marked repeated requests as duplicates.
        Some(0b0010) if version == Version::V3_1 && first & 0x07 == 0b0010 => Ok(kind),
        Some(flags) if flags != first & 0x0F => {
            Err(DecodeError::malformed("reserved flags in the fixed header"))
        }
        _ => Ok(kind),
    }
}

impl<'a> RawPacket<'a> {
    /// Its type.
    pub const fn packet_type(&self) -> PacketType {
        self.packet_type
    }

    /// All its bytes.
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    fn flags(&self) -> u8 {
        self.bytes[0] & 0x0F
    }

    fn body(&self) -> Reader<'a> {
        Reader::with_version(&self.bytes[self.body_at..], self.version)
    }

    /// Reads what is in it.
    ///
    /// # Errors
    /// It is not what its type demands.
    pub fn read(&self) -> Result<Packet<'a>, DecodeError> {
        let reader = &mut self.body();
        let kind = self.packet_type;
        let packet = match kind {
            PacketType::Publish => return self.read_publish(None).map(Packet::Publish),
            PacketType::PubAck => return self.read_ack().map(Packet::PubAck),
            PacketType::PubRec => return self.read_ack().map(Packet::PubRec),
            PacketType::PubRel => return self.read_ack().map(Packet::PubRel),
            PacketType::PubComp => return self.read_ack().map(Packet::PubComp),
            PacketType::Connect => Packet::Connect(Connect::read(reader)?),
            PacketType::ConnAck => Packet::ConnAck(ConnAck::read(reader)?),
            PacketType::Subscribe => Packet::Subscribe(Subscribe::read(reader)?),
            PacketType::SubAck => Packet::SubAck(SubAck::read(kind, reader)?),
            PacketType::Unsubscribe => Packet::Unsubscribe(Unsubscribe::read(reader)?),
            PacketType::UnsubAck => Packet::UnsubAck(SubAck::read(kind, reader)?),
            PacketType::PingReq => Packet::PingReq,
            PacketType::PingResp => Packet::PingResp,
            PacketType::Disconnect => Packet::Disconnect(Disconnect::read(reader)?),
            PacketType::Auth => Packet::Auth(Auth::read(reader)?),
        };
        reader.end()?;
        Ok(packet)
    }

    /// Reads a PUBLISH without the detour of a [`Packet`], which is several times as large as what
    /// most messages need. A topic that is the `known` one need not be checked.
    ///
    /// # Errors
    /// As for [`read`](Self::read); or it is no PUBLISH.
    pub fn read_publish(&self, known: Option<TopicName<'a>>) -> Result<Publish<'a>, DecodeError> {
        if self.packet_type != PacketType::Publish {
            return Err(DecodeError::protocol("no PUBLISH"));
        }
        // It takes all that is left as its payload.
        Publish::read(self.flags(), known, &mut self.body())
    }

    /// Reads a PUBACK, PUBREC, PUBREL or PUBCOMP without the detour of a [`Packet`].
    ///
    /// # Errors
    /// As for [`read`](Self::read); or it is another packet.
    pub fn read_ack(&self) -> Result<Ack<'a>, DecodeError> {
        let reader = &mut self.body();
        let ack = Ack::read(self.packet_type, reader)?;
        reader.end()?;
        Ok(ack)
    }
}
