//! Request and response over two topics.

use std::ffi::{c_int, c_void};

use crate::client::*;
use crate::library::*;
use crate::message::*;
use crate::publish::*;

/// A handler for the answer to a request; reply is NULL unless status is MQTT_OK, and borrowed for the call.
pub type mqtt_reply_fn = Option<
    unsafe extern "C" fn(
        user: *mut c_void,
        c: *mut mqtt_client,
        status: mqtt_status,
        reply: *mut mqtt_msg,
    ),
>;

/// Publishes a message that asks for an answer.
///
/// Unless the message has a response topic of its own, the client takes a private one and subscribes to it. Unless it has
/// correlation data, it gets some. The answer comes as exactly one MQTT_EVENT_REPLY, with user as its user data: the first
/// message on the response topic that carries the correlation data, or a failure. mqtt_client_dispatch gives it to handler
/// if that is not NULL. timeout_ms counts from this call and is not 0; MQTT_FOREVER is allowed. op may be NULL.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn mqtt_client_request(
    c: *mut mqtt_client,
    m: *const mqtt_msg,
    timeout_ms: c_int,
    handler: mqtt_reply_fn,
    user: *mut c_void,
    op: *mut mqtt_op,
) -> mqtt_status {
    MQTT_E_UNSUPPORTED
}

/// Does mqtt_client_request and waits for the answer. *reply is yours: mqtt_msg_unref.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn mqtt_client_request_wait(
    c: *mut mqtt_client,
    m: *const mqtt_msg,
    timeout_ms: c_int,
    reply: *mut *mut mqtt_msg,
) -> mqtt_status {
    MQTT_E_UNSUPPORTED
}

/// Answers a received request, at its QoS, with its correlation data. MQTT_E_NOT_FOUND if it asks for no answer.
///
/// To answer with properties, publish a message to mqtt_msg_response_topic with mqtt_msg_correlation.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn mqtt_client_reply(
    c: *mut mqtt_client,
    request: *const mqtt_msg,
    payload: *const c_void,
    len: usize,
) -> mqtt_status {
    MQTT_E_UNSUPPORTED
}
