//! The properties of a message outlive storage; a plain reader finds the same User Properties.
#![no_main]
#![allow(dead_code, reason = "the laws are shared with the tests")]

#[path = "../../protocol/tests/support/codec.rs"]
mod codec;
#[path = "../../protocol/tests/support/wire.rs"]
mod wire;

libfuzzer_sys::fuzz_target!(|block: &[u8]| codec::check_properties(block));
