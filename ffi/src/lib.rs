//! libmqtt: the MQTT 5.0 client behind a C ABI. `include/mqtt.h` is generated from here.
#![allow(non_camel_case_types, reason = "the names are those of the C header")]
#![allow(
    clippy::missing_safety_doc,
    reason = "the promises are the same for all and stand in the header's opening"
)]
#![allow(unused_variables, missing_docs, missing_debug_implementations, unused_imports)]

pub mod client;
pub mod event;
pub mod library;
pub mod message;
pub mod options;
pub mod publish;
pub mod request;
pub mod subscribe;
