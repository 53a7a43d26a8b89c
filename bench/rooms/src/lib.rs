//! Rooms of real mpv players: started, driven and measured.
//!
//! [`Room`] starts a broker and some players in a private directory and ends them when it is dropped.
//! Each [`Player`] is spoken to over mpv's JSON IPC, which is what a viewer's key press comes to, and a
//! [`Track`] of where it is grows by itself fifty times a second. [`Meter`] reads several tracks at one
//! instant: how far apart the players were, and whether they stood on the same frame.
//! [`DelayProxy`] puts delay and jitter on one player's link.
//!
//! What it deliberately is not: a judge of accuracy to the last microsecond (a sample is good to half its
//! round trip, about 0.1 ms), or a client of the room. It knows nothing of the topics; only mpv is asked.
//!
//! ```no_run
//! use rooms::{Broker, Clip, Meter, PlayerOptions, Scratch, spawn};
//! use std::time::Duration;
//!
//! # fn main() -> Result<(), rooms::Error> {
//! let scratch = Scratch::new()?;
//! let clip = Clip::in_folder(scratch.path(), Duration::from_secs(60))?;
//! let broker = Broker::ours("target/release/mqtt-broker".as_ref(), &scratch, spawn::free_port()?)?;
//! let options = PlayerOptions::in_room("mpv-plugin/playsync.so".as_ref(), &broker.url(), "living-room");
//! let anna = options.named("Anna").spawn(&scratch, clip.path())?;
//! let ben = options.named("Ben").spawn(&scratch, clip.path())?;
//! let meter = Meter::of([&anna, &ben]);
//! # drop(meter); Ok(()) }
//! ```

mod broker;
mod clip;
mod distribution;
mod error;
mod ipc;
mod meter;
mod player;
mod proxy;
mod scratch;
pub mod spawn;
mod status;
mod stop;
mod track;

pub use broker::Broker;
pub use clip::Clip;
pub use distribution::Distribution;
pub use error::Error;
pub use ipc::Ipc;
pub use meter::{Meter, Moment};
pub use player::{Player, PlayerOptions};
pub use proxy::{DelayProxy, Link};
pub use scratch::Scratch;
pub use status::RoomStatus;
pub use stop::Stop;
pub use track::{Sample, Track};
