//! As `decode`, in the form of MQTT 3.1.
#![no_main]
#![allow(dead_code, reason = "the laws are shared with the tests")]

#[path = "../../protocol/tests/support/codec.rs"]
mod codec;
#[path = "../../protocol/tests/support/wire.rs"]
mod wire;

use mqtt_protocol::Version;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| codec::check_bytes_as(Version::V3_1, bytes));
