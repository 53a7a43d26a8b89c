//! Whatever clients do, the broker's core stands, and what it sends keeps to the rules.
#![no_main]

#[path = "../../broker/tests/support/onslaught.rs"]
mod onslaught;
#[path = "../../protocol/tests/support/source.rs"]
#[allow(dead_code, reason = "what it can make is shared with other targets")]
mod source;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| onslaught::check(bytes));
