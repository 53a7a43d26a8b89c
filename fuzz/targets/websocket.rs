//! What a client's frames carry is what the broker reads, however split; other bytes break nothing.
#![no_main]
#![allow(dead_code, reason = "what it can make is shared with other targets")]

#[path = "../../protocol/tests/support/source.rs"]
mod source;
#[path = "../../broker/tests/support/websocket_stream.rs"]
mod websocket_stream;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| websocket_stream::check(bytes));
