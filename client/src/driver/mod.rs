//! The driver: one thread of the library's moves a session, any threads of the program use it.
//!
//! ```text
//!  program's threads          one lock            the library's thread
//!  publish, subscribe ────► session ◄──────────── bytes read, time
//!                              │ outbox ────────► bytes written
//!                              │ events
//!                              ▼
//!  next_event ◄───────────── queue of events       (its own lock)
//! ```
//!
//! The program's thread encodes into the outbox itself and wakes the library's thread only if that
//! sleeps; a message alone it may send itself. Locks are taken in the order consumer, session, queue.

mod client;
mod clock;
mod direct;
mod events;
mod io;
mod shared;
mod store;
mod transport;

pub use client::Client;
