//! Messages: one type both ways.

use std::ffi::{c_char, c_int, c_void};

use crate::library::*;

/// A message, to be published or received; reference-counted.
///
/// It can be changed as long as nobody else holds a reference to it: the setters return MQTT_E_STATE otherwise.
pub struct mqtt_msg {}

/// Makes a message with QoS 0. payload may be NULL if len is 0. NULL on failure: see mqtt_last_error.
///
/// The reference is yours: mqtt_msg_unref.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_new(
    topic: *const c_char,
    payload: *const c_void,
    len: usize,
) -> *mut mqtt_msg {
    std::ptr::null_mut()
}

/// Takes another reference, to keep a message beyond its event. Nothing is copied. Returns m.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_ref(m: *const mqtt_msg) -> *mut mqtt_msg {
    std::ptr::null_mut()
}

/// Gives a reference back. The message is released with its last one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_unref(m: *mut mqtt_msg) {}

/// Sets the QoS: 0, 1 or 2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_set_qos(m: *mut mqtt_msg, qos: c_int) -> mqtt_status {
    MQTT_E_UNSUPPORTED
}

/// Sets whether the server keeps the message for those who subscribe later.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_set_retain(m: *mut mqtt_msg, yes: c_int) -> mqtt_status {
    MQTT_E_UNSUPPORTED
}

/// Sets the lifetime. It counts from the publish call, in the client's queue too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_set_expiry(m: *mut mqtt_msg, seconds: u32) -> mqtt_status {
    MQTT_E_UNSUPPORTED
}

/// Sets what the payload is, as "application/json"; NULL: not said.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_set_content_type(
    m: *mut mqtt_msg,
    text: *const c_char,
) -> mqtt_status {
    MQTT_E_UNSUPPORTED
}

/// Sets whether the payload is declared to be UTF-8 text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_set_payload_utf8(m: *mut mqtt_msg, yes: c_int) -> mqtt_status {
    MQTT_E_UNSUPPORTED
}

/// Sets the topic to which an answer is to be published; NULL: none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_set_response_topic(
    m: *mut mqtt_msg,
    topic: *const c_char,
) -> mqtt_status {
    MQTT_E_UNSUPPORTED
}

/// Sets the data that an answer has to carry, at most 65,535 bytes; NULL: none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_set_correlation(
    m: *mut mqtt_msg,
    data: *const c_void,
    len: usize,
) -> mqtt_status {
    MQTT_E_UNSUPPORTED
}

/// Adds a name and a value; the same name may be added again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_add_user_property(
    m: *mut mqtt_msg,
    name: *const c_char,
    value: *const c_char,
) -> mqtt_status {
    MQTT_E_UNSUPPORTED
}

/// Sets a pointer that comes back in MQTT_EVENT_PUBLISH_DONE. The library does not look at it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_set_user_data(
    m: *mut mqtt_msg,
    user: *mut c_void,
) -> mqtt_status {
    MQTT_E_UNSUPPORTED
}

/// The topic.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_topic(m: *const mqtt_msg) -> *const c_char {
    std::ptr::null()
}

/// The payload, followed by a NUL that does not count; never NULL. len may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_payload(m: *const mqtt_msg, len: *mut usize) -> *const c_void {
    std::ptr::null()
}

/// The QoS: 0, 1 or 2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_qos(m: *const mqtt_msg) -> c_int {
    0
}

/// Whether it was a retained message when it was sent here: 1 or 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_retain(m: *const mqtt_msg) -> c_int {
    0
}

/// Whether it may have been delivered before: 1 or 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_dup(m: *const mqtt_msg) -> c_int {
    0
}

/// Whether it has a lifetime: 1 or 0; writes what is left of it when the message was sent here.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_expiry(m: *const mqtt_msg, seconds: *mut u32) -> c_int {
    0
}

/// What the payload is, or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_content_type(m: *const mqtt_msg) -> *const c_char {
    std::ptr::null()
}

/// Whether the payload is declared to be UTF-8 text: 1 or 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_payload_utf8(m: *const mqtt_msg) -> c_int {
    0
}

/// Where an answer is wanted, or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_response_topic(m: *const mqtt_msg) -> *const c_char {
    std::ptr::null()
}

/// What the answer has to carry, or NULL. len may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_correlation(
    m: *const mqtt_msg,
    len: *mut usize,
) -> *const c_void {
    std::ptr::null()
}

/// How many user properties it has.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_user_property_count(m: *const mqtt_msg) -> usize {
    0
}

/// The user property with index i: 1, or 0 if there is none. name and value may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_user_property(
    m: *const mqtt_msg,
    i: usize,
    name: *mut *const c_char,
    value: *mut *const c_char,
) -> c_int {
    0
}

/// The value of the first user property with this name, or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_find_user_property(
    m: *const mqtt_msg,
    name: *const c_char,
) -> *const c_char {
    std::ptr::null()
}

/// The pointer set with mqtt_msg_set_user_data, or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_user_data(m: *const mqtt_msg) -> *mut c_void {
    std::ptr::null_mut()
}

/// When a received message was read from the socket, as CLOCK_MONOTONIC in nanoseconds; 0 for one made here.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_timestamp(m: *const mqtt_msg) -> u64 {
    0
}

/// Acknowledges a message of a subscription with MQTT_SUB_MANUAL_ACK, with MQTT_RC_SUCCESS or a failure for the sender.
///
/// Once per message, from any thread; MQTT_E_STATE for a message that is not waiting for it. Acknowledgements are sent in
/// the order in which the messages came, so a message that is never acknowledged holds back those after it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_ack(m: *const mqtt_msg, reason: mqtt_reason) -> mqtt_status {
    MQTT_E_UNSUPPORTED
}
