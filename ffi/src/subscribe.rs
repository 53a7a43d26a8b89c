//! Subscribing.

use std::ffi::{c_char, c_int, c_uint, c_void};

use crate::client::*;
use crate::library::*;
use crate::message::*;
use crate::options::*;
use crate::publish::*;

/// Leave out what this client publishes itself. Not with a shared filter.
pub const MQTT_SUB_NO_LOCAL: c_uint = 0x01;
/// Messages keep the retain flag they were published with.
pub const MQTT_SUB_RETAIN_AS_PUBLISHED: c_uint = 0x02;
/// Retained messages are sent only if there was no such subscription.
pub const MQTT_SUB_RETAINED_IF_NEW: c_uint = 0x04;
/// Retained messages are not sent.
pub const MQTT_SUB_NO_RETAINED: c_uint = 0x08;
/// The program acknowledges each message with mqtt_msg_ack. Default: a message is acknowledged when its event is released
/// or its handler has returned.
pub const MQTT_SUB_MANUAL_ACK: c_uint = 0x10;
/// The subscription is not renewed when the server has lost the session.
pub const MQTT_SUB_ONCE: c_uint = 0x20;

/// A handler for the messages of a subscription. m is borrowed for the call; mqtt_msg_ref keeps it.
pub type mqtt_message_fn =
    Option<unsafe extern "C" fn(user: *mut c_void, c: *mut mqtt_client, m: *mut mqtt_msg)>;

/// Subscribes to a topic filter with a highest QoS of 0, 1 or 2 and MQTT_SUB_* flags.
///
/// handler NULL: messages come as MQTT_EVENT_MESSAGE with user as its user data. Else mqtt_client_dispatch calls it with
/// user (and a program that pulls events still gets the event). A message that matches several subscriptions comes as one
/// event, and goes once to each handler. The subscription is remembered, and renewed when a reconnect finds the session
/// lost. op NULL: success is not reported, a failure is. Else MQTT_EVENT_SUBSCRIBE_DONE follows or mqtt_client_wait takes it.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn mqtt_client_subscribe(
    c: *mut mqtt_client,
    filter: *const c_char,
    qos: c_int,
    flags: c_uint,
    handler: mqtt_message_fn,
    user: *mut c_void,
    op: *mut mqtt_op,
) -> mqtt_status {
    MQTT_E_UNSUPPORTED
}

/// Subscribes to n filters in one packet; props (user properties) may be NULL. Otherwise as mqtt_client_subscribe.
///
/// The event has one reason for each filter, in their order; its status is MQTT_OK if the server accepted one of them.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn mqtt_client_subscribe_many(
    c: *mut mqtt_client,
    filters: *const *const c_char,
    n: usize,
    qos: c_int,
    flags: c_uint,
    props: *const mqtt_props,
    handler: mqtt_message_fn,
    user: *mut c_void,
    op: *mut mqtt_op,
) -> mqtt_status {
    MQTT_E_UNSUPPORTED
}

/// Ends a subscription. op NULL: success is not reported. Else MQTT_EVENT_UNSUBSCRIBE_DONE follows or mqtt_client_wait takes it.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn mqtt_client_unsubscribe(
    c: *mut mqtt_client,
    filter: *const c_char,
    op: *mut mqtt_op,
) -> mqtt_status {
    MQTT_E_UNSUPPORTED
}

/// Whether a filter is for a topic: 1 or 0; 0 also if one of them is malformed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_topic_matches(filter: *const c_char, topic: *const c_char) -> c_int {
    0
}
