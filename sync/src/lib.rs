//! Keeps media players in one room in step; knows neither MQTT nor mpv.
//!
//! An [`Engine`] sits beside each player. Its shell tells it what happens at the player and in the room, and does what it
//! asks: publish this, pause, seek there, play a little faster, read the position. That is all there is to the contract:
//!
//! ```
//! use playsync::{Engine, Moment, Options, Output};
//!
//! let options = Options { peer_id: "anna".into(), name: "Anna".into(), seed: 7, wall_offset_ns: 0 };
//! let mut engine = Engine::new(options);
//! let now = Moment(1_000_000_000);
//!
//! engine.connected(now); // something happened
//! while let Some(output) = engine.poll_output() {
//!     match output {
//!         Output::Publish(publish) => assert_eq!(publish.channel, "peer/anna"), // send it to the room
//!         Output::ClockRequest { channel, .. } => assert_eq!(channel, "$clock/now"), // ask what time it is
//!         _ => {}
//!     }
//! }
//! let wake_at = engine.next_timeout(); // when to call handle_timeout
//! assert!(wake_at > now);
//! ```
//!
//! The engine has no clock, no socket, no thread and no randomness of its own, so a room of fifty players on bad paths runs
//! inside one test, in virtual time, from one seed. It speaks *channels* with JSON (`docs/room-protocol.md` specifies them)
//! and the *player's* plain words: pause, seek, speed, position.
//!
//! Inside, from the room to the player:
//!
//! * `room_clock`, `tracked_clock`, `clock_filter`: what time it is for everybody;
//! * `timeline`: where the room is at any time, and which of two timelines holds;
//! * `people`, `presence`: who is here; `membership`: entering and leaving; `keeping`: what the room keeps for newcomers;
//! * `wishes`: what the viewer does becomes a timeline; `echo`: what is the viewer's and what our own echo;
//! * `settings`, `duties`: the room's rules, and what the room does by itself because of them; `history`: taking a deed back;
//!   `chat`: what viewers write to each other;
//! * `steering`: the player is made to stand, start and play where the timeline is; `drift`: and kept close to it.
#![deny(unsafe_code)]

mod chat;
mod clock_filter;
mod drift;
mod duties;
mod echo;
mod engine;
mod fingerprint;
mod history;
mod keeping;
mod membership;
mod message;
mod moment;
mod notice;
mod output;
mod people;
mod player;
mod presence;
mod room_clock;
#[cfg(test)]
mod schema;
mod settings;
mod status;
mod steering;
mod timeline;
mod tracked_clock;
mod wishes;

#[allow(unsafe_code)]
pub mod ffi;

pub use engine::{Engine, MessageError, Options};
pub use fingerprint::{FINGERPRINT_PART, fingerprint};
pub use moment::Moment;
pub use output::{BROKER_CLOCK, Category, Output, Publish};
pub use player::{File, Position};
pub use settings::{Rules, StartRule, WaitRule};
pub use status::{ClockSource, Condition, PeerStatus, Status};
