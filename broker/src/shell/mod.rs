//! The shell: sockets, tasks and the clock around the pure core.
//!
//! A connection's task reads, and what it read it carries through the core to the sockets of
//! all receivers, in one go: one read, one pass under the core's lock, one write for each
//! receiver. Only what a socket does not take at once is left to the receiver's own task.

mod connection;
mod hub;
mod listener;
mod server;

pub use listener::{Address, InvalidAddress};
pub use server::{Options, Server, StartError};
