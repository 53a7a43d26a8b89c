//! Events: how a program is told, takes them, and reads them.

use std::ffi::{c_char, c_int, c_void};

use crate::client::*;
use crate::library::*;
use crate::message::*;
use crate::publish::*;

/// Something that happened. Borrowed until the next mqtt_client_next_event or mqtt_client_dispatch on its client.
pub struct mqtt_event {}

/// The client is connected: session_present, user properties.
pub const MQTT_EVENT_CONNECTED: c_int = 1;
/// An attempt to connect failed: status, reason if the server gave one, message, os_error, retry_ms.
pub const MQTT_EVENT_CONNECT_FAILED: c_int = 2;
/// The connection ended; exactly one for each CONNECTED: status (MQTT_OK after mqtt_client_disconnect), reason, message,
/// os_error, retry_ms.
pub const MQTT_EVENT_DISCONNECTED: c_int = 3;
/// There will be no further attempt unless by mqtt_client_reconnect: status, reason, message.
pub const MQTT_EVENT_STOPPED: c_int = 4;
/// A message came: msg, timestamp, user_data of its subscription.
pub const MQTT_EVENT_MESSAGE: c_int = 5;
/// A publish is over: op, status, reason, message, timestamp, user_data of the message.
pub const MQTT_EVENT_PUBLISH_DONE: c_int = 6;
/// A subscribe is over: op, status, reasons, message.
pub const MQTT_EVENT_SUBSCRIBE_DONE: c_int = 7;
/// An unsubscribe is over: op, status, reasons, message.
pub const MQTT_EVENT_UNSUBSCRIBE_DONE: c_int = 8;
/// A request is over: op, status, msg (NULL unless status is MQTT_OK), timestamp, message, user_data.
pub const MQTT_EVENT_REPLY: c_int = 9;
/// There is room in the queue again after MQTT_E_FULL.
pub const MQTT_EVENT_WRITABLE: c_int = 10;
/// The server refused to renew a subscription: reason, message (the filter), user_data of the subscription.
pub const MQTT_EVENT_SUBSCRIPTION_LOST: c_int = 11;
/// The server names another server to use: reason, message (the reference). It is not followed.
pub const MQTT_EVENT_REDIRECT: c_int = 12;

/// The next event, or NULL: when the time is up, when mqtt_client_wake was called, or when it cannot be waited for.
///
/// It ends the previous event: what was borrowed from that is released, and its message acknowledged. Handlers are not
/// called.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_next_event(
    c: *mut mqtt_client,
    timeout_ms: c_int,
) -> *const mqtt_event {
    std::ptr::null()
}

/// A handler for events. e is borrowed for the call.
pub type mqtt_event_fn =
    Option<unsafe extern "C" fn(user: *mut c_void, c: *mut mqtt_client, e: *const mqtt_event)>;

/// Sets the handler for events that have none of their own; NULL: they are dropped. Not from two threads at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_set_event_handler(
    c: *mut mqtt_client,
    handler: mqtt_event_fn,
    user: *mut c_void,
) {
}

/// Waits for events, then calls the handlers for those there are. Returns how many there were, or MQTT_E_*.
///
/// The handlers run on the calling thread. They may use the client, but not drain it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_dispatch(c: *mut mqtt_client, timeout_ms: c_int) -> c_int {
    MQTT_E_UNSUPPORTED
}

/// A descriptor that is readable while events wait, and the same as long as the client lives; -1 on failure.
///
/// Poll it; never read, write or close it. It may be readable without an event once in a while, as after mqtt_client_wake.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_event_fd(c: *mut mqtt_client) -> c_int {
    -1
}

/// A function that tells the program to drain; it must only signal (mpv_wakeup, write to an eventfd).
pub type mqtt_wakeup_fn = Option<unsafe extern "C" fn(user: *mut c_void)>;

/// Sets a function to be called each time the queue of events becomes non-empty, mostly on a library thread.
///
/// If events wait already, it is called at once. NULL removes it; when this returns no call is running.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_set_wakeup(
    c: *mut mqtt_client,
    wakeup: mqtt_wakeup_fn,
    user: *mut c_void,
) {
}

/// Makes a waiting mqtt_client_next_event or mqtt_client_dispatch return, or the next one that would wait. It may be
/// called in a signal handler.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_wake(c: *mut mqtt_client) {}

/// What happened: MQTT_EVENT_*; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_event_type(e: *const mqtt_event) -> c_int {
    0
}

/// The operation that is over; 0 if none, or if it was begun without one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_event_op(e: *const mqtt_event) -> mqtt_op {
    0
}

/// How it ended.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_event_status(e: *const mqtt_event) -> mqtt_status {
    0
}

/// What the server said, first of several; 0 if nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_event_reason(e: *const mqtt_event) -> mqtt_reason {
    0
}

/// How many reasons there are: one for each filter of a subscribe or unsubscribe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_event_reason_count(e: *const mqtt_event) -> usize {
    0
}

/// The reason with index i; 0 if there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_event_reason_at(e: *const mqtt_event, i: usize) -> mqtt_reason {
    0
}

/// What went wrong, in one sentence, or what the event's description says; "" if nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_event_message(e: *const mqtt_event) -> *const c_char {
    std::ptr::null()
}

/// The operating system's error number (errno), 0 if none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_event_os_error(e: *const mqtt_event) -> c_int {
    0
}

/// How long until the next attempt to connect; -1: there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_event_retry_ms(e: *const mqtt_event) -> c_int {
    0
}

/// Whether the server had kept the session: 1 or 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_event_session_present(e: *const mqtt_event) -> c_int {
    0
}

/// The message; NULL if none. Borrowed as the event is; mqtt_msg_ref keeps it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_event_msg(e: *const mqtt_event) -> *mut mqtt_msg {
    std::ptr::null_mut()
}

/// The user pointer of the subscription, message or request; NULL if none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_event_user_data(e: *const mqtt_event) -> *mut c_void {
    std::ptr::null_mut()
}

/// When it happened, as CLOCK_MONOTONIC in nanoseconds: the read from the socket that told of it, for a QoS 0 publish the write to the socket that carried it; 0 for what happened elsewhere.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_event_timestamp(e: *const mqtt_event) -> u64 {
    0
}

/// How many user properties the server sent along.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_event_user_property_count(e: *const mqtt_event) -> usize {
    0
}

/// The user property with index i: 1, or 0 if there is none. name and value may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_event_user_property(
    e: *const mqtt_event,
    i: usize,
    name: *mut *const c_char,
    value: *mut *const c_char,
) -> c_int {
    0
}
