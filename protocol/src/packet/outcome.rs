//! The end that acknowledgements and DISCONNECT share: a reason, then properties. Either is left
//! out, from the end, if it says nothing; before version 5.0 there is neither.

use super::{PacketType, reason_code};
use crate::property::Properties;
use crate::wire::Reader;
use crate::{DecodeError, ReasonCode, Version};

pub(super) fn read<'a, P: Properties<'a>>(
    kind: PacketType,
    reader: &mut Reader<'a>,
) -> Result<(ReasonCode, P), DecodeError> {
    if !reader.version().has_properties() || reader.is_empty() {
        return Ok((ReasonCode::Success, P::default()));
    }
    let reason = reason_code(reader.u8()?, kind)?;
    let properties = if reader.is_empty() { P::default() } else { P::read(reader)? };
    Ok((reason, properties))
}

pub(super) fn length<'a>(
    reason: ReasonCode,
    properties: &impl Properties<'a>,
    version: Version,
) -> usize {
    match (reason, properties.length()) {
        _ if !version.has_properties() => 0,
        (ReasonCode::Success, 0) => 0,
        (_, 0) => 1,
        _ => 1 + properties.block_length(version),
    }
}

pub(super) fn write<'a>(
    reason: ReasonCode,
    properties: &impl Properties<'a>,
    version: Version,
    out: &mut Vec<u8>,
) {
    let length = length(reason, properties, version);
    if length > 0 {
        out.push(reason.code());
    }
    if length > 1 {
        properties.write_block(version, out);
    }
}
