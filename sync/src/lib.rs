//! Keeps media players in one room in step; knows neither MQTT nor mpv.
//!
//! An [`Engine`] sits beside each player. Told what happens there and in the room, it says what to do next. It has no
//! clock, no socket and no randomness of its own, so a room of fifty players runs inside one test.
#![deny(unsafe_code)]

mod engine;
mod moment;
mod output;
mod player;
mod status;

#[allow(unsafe_code)]
pub mod ffi;

pub use engine::{Engine, MessageError, Options};
pub use moment::Moment;
pub use output::{BROKER_CLOCK, Category, Output, Publish};
pub use player::{File, Position};
pub use status::{ClockSource, Condition, PeerStatus, Status};
