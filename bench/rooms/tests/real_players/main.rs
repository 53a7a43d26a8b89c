//! Real mpv players in real rooms, on our broker and on Debian's mosquitto.
//!
//! They need mpv, mosquitto, the plugin and a release build of the broker, so plain `cargo test` leaves them
//! out; `make test` brings all of that and runs them by name.
//!
//! Nothing here measures milliseconds: what is asked is one frame, and only what never comes fails.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod house;
mod meter;
mod secure;
mod together;
mod trouble;
mod viewing;
