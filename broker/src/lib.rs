//! A compact MQTT 5.0 broker: a pure [`core`] that decides, and a tokio shell that moves bytes.
#![forbid(unsafe_code)]

pub mod core;
