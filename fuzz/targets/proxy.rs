//! Any bytes are a PROXY header, the beginning of one, or neither; one that is written is read.
#![no_main]
#![allow(dead_code, reason = "what it can make is shared with other targets")]

#[path = "../../broker/tests/support/proxy_header.rs"]
mod proxy_header;
#[path = "../../protocol/tests/support/source.rs"]
mod source;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| proxy_header::check(bytes));
