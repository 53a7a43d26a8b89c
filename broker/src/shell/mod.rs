//! The shell: sockets, tasks and the clock around the pure core.
//!
//! A connection's task reads, and what it read it carries through the core to the sockets of
//! all receivers, in one go: one read, one pass under the core's lock, one write for each
//! receiver. Only what a socket does not take at once is left to the receiver's own task.
//! Encrypted and WebSocket connections are written by their own tasks alone.

mod address;
mod addresses;
mod admission;
mod checks;
mod connection;
mod door;
mod hub;
mod listener;
mod log;
mod memory;
mod metrics;
mod network;
pub mod proxy;
mod reload;
mod server;
mod service;
mod socket;
mod subject;
mod tls;
pub mod websocket;
mod wire;

pub use address::{Address, InvalidAddress, Scheme};
pub use admission::{AccessError, RoomOptions};
pub use network::{InvalidNetwork, Network};
pub use reload::Reloader;
pub use server::{Options, Server, StartError};
pub use service::{Inherited, notify, raise_descriptor_limit};
pub use tls::{TlsError, TlsFiles};
