//! Any packet is read as it was written.
#![no_main]
#![allow(dead_code, reason = "the laws are shared with the tests")]

#[path = "../../protocol/tests/support/codec.rs"]
mod codec;
#[path = "../../protocol/tests/support/packets.rs"]
mod packets;
#[path = "../../protocol/tests/support/source.rs"]
mod source;
#[path = "../../protocol/tests/support/wire.rs"]
mod wire;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| packets::with_packet(bytes, codec::check_packet));
