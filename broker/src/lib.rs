//! A compact MQTT 5.0 broker: a pure [`core`] that decides, a [`shell`] that moves bytes, a
//! [`store`] that keeps, [`users`] who are known, and [`access`] to what they may do.
//!
//! ```no_run
//! use mqtt_broker::shell::{Options, Server};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Server::start(Options::default()).await?;
//! println!("listening on {:?}", server.local_addresses());
//! server.run(std::future::pending()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! Deliberately absent: plugins, bridges, rules, a scripting language, a dashboard.
#![forbid(unsafe_code)]

pub mod access;
pub mod core;
pub mod shell;
pub mod store;
pub mod users;
