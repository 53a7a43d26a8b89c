//! Any bytes are a packet, the beginning of one, or an error; a packet is written again.
#![no_main]
#![allow(dead_code, reason = "the laws are shared with the tests")]

#[path = "../../protocol/tests/support/codec.rs"]
mod codec;
#[path = "../../protocol/tests/support/wire.rs"]
mod wire;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| codec::check_bytes(bytes));
