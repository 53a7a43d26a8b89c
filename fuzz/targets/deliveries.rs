//! A sender's queue does what its model does; messages come once, whatever connections break.
#![no_main]
#![allow(dead_code, reason = "the model is shared with the tests")]

#[path = "../../protocol/tests/support/deliveries.rs"]
mod deliveries;
#[path = "../../protocol/tests/support/source.rs"]
mod source;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    deliveries::check_outgoing(bytes);
    deliveries::check_conversation(bytes);
});
