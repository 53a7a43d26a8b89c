//! Keeps media players in one room in step; knows neither MQTT nor mpv.
//!
//! An [`Engine`] sits beside each player. Told what happens there and in the room, it says what to do next. It has no
//! clock, no socket and no randomness of its own, so a room of fifty players runs inside one test.
#![deny(unsafe_code)]

mod clock_filter;
mod drift;
mod echo;
mod engine;
mod membership;
mod message;
mod moment;
mod notice;
mod output;
mod people;
mod player;
mod room_clock;
mod status;
mod steering;
mod timeline;
mod tracked_clock;
mod wishes;

#[allow(unsafe_code)]
pub mod ffi;

pub use engine::{Engine, MessageError, Options};
pub use moment::Moment;
pub use output::{BROKER_CLOCK, Category, Output, Publish};
pub use player::{File, Position};
pub use status::{ClockSource, Condition, PeerStatus, Status};
