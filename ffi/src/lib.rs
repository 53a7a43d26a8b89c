//! libmqtt: the MQTT 5.0 client behind a C ABI.
//!
//! Each `mqtt_*` function checks its arguments, calls [`::mqtt_client`] and converts the result;
//! `include/mqtt.h` is generated from the public modules, and its opening states the promises that every
//! caller makes and each `SAFETY` line relies on. Panics stop at [`guard`], pointers become references in
//! [`convert`]. There is no protocol here, and no unsafe code anywhere else.
#![allow(non_camel_case_types, reason = "the names are those of the C header")]
#![allow(
    clippy::missing_safety_doc,
    reason = "the promises are the same for all and stand in the header"
)]

pub mod client;
mod convert;
pub mod event;
mod guard;
mod handle;
pub mod library;
pub mod message;
pub mod options;
pub mod publish;
pub mod request;
mod routes;
pub mod subscribe;
pub mod transport;
