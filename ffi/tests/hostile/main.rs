//! libmqtt among servers that break the rules, and how it keeps them itself.
//!
//! The C test driver (tests/c/driver.c), under the sanitizers, connects to a server that is played
//! here from scripts of bytes.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod acknowledgements;
mod commands;
mod connack;
mod endurance;
mod examiner;
mod exchanges;
mod framing;
mod older;
mod publish;
mod sessions;
#[path = "../support/mod.rs"]
mod support;
