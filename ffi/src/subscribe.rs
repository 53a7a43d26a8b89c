//! Subscribing.

use std::ffi::{c_char, c_int, c_uint, c_void};

use ::mqtt_client::Subscribe;
use ::mqtt_client::protocol::{RetainHandling, Subscription, TopicFilter, TopicName};

use crate::client::*;
use crate::convert::{self, text, write};
use crate::guard::*;
use crate::handle::handle;
use crate::library::*;
use crate::message::*;
use crate::options::*;
use crate::publish::*;
use crate::routes::MessageRoute;

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
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        let subscribe =
            subscribe_to(&[TopicFilter::new(text(filter)?)?], qos, flags, handler, user)?;
        let begun = handle(c)?.client.subscribe(&subscribe, !op.is_null())?;
        write(op, begun.0);
        Ok(())
    })
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
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        let filters = all(filters, n)?;
        let mut subscribe = subscribe_to(&filters, qos, flags, handler, user)?;
        if let Some(props) = props.as_ref() {
            subscribe.user_properties = props.user.clone();
        }
        let begun = handle(c)?.client.subscribe(&subscribe, !op.is_null())?;
        write(op, begun.0);
        Ok(())
    })
}

/// Ends a subscription. op NULL: success is not reported. Else MQTT_EVENT_UNSUBSCRIBE_DONE follows or mqtt_client_wait takes it.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn mqtt_client_unsubscribe(
    c: *mut mqtt_client,
    filter: *const c_char,
    op: *mut mqtt_op,
) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        let filter = TopicFilter::new(text(filter)?)?;
        let begun = handle(c)?.client.unsubscribe(&[filter], !op.is_null())?;
        write(op, begun.0);
        Ok(())
    })
}

/// Ends subscriptions to n filters in one packet. Otherwise as mqtt_client_unsubscribe.
///
/// The event has one reason for each filter, in their order; its status is MQTT_OK if the server accepted one of them.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn mqtt_client_unsubscribe_many(
    c: *mut mqtt_client,
    filters: *const *const c_char,
    n: usize,
    op: *mut mqtt_op,
) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        let begun = handle(c)?.client.unsubscribe(&all(filters, n)?, !op.is_null())?;
        write(op, begun.0);
        Ok(())
    })
}

/// Whether a filter is for a topic: 1 or 0; 0 also if one of them is malformed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_topic_matches(filter: *const c_char, topic: *const c_char) -> c_int {
    // SAFETY: the header's promises hold for every argument.
    read(0, || unsafe {
        let filter = TopicFilter::new(text(filter).ok()?).ok()?;
        let topic = TopicName::new(text(topic).ok()?).ok()?;
        Some(filter.matches(topic).into())
    })
}

/// How many filters one packet may have.
const MAXIMUM_FILTERS: usize = 65_535;

/// The filters of a C array.
unsafe fn all<'a>(
    filters: *const *const c_char,
    n: usize,
) -> Result<Vec<TopicFilter<'a>>, Failure> {
    if filters.is_null() || n == 0 || n > MAXIMUM_FILTERS {
        return Err(Failure::argument("there are 1 to 65535 filters"));
    }
    // SAFETY: the caller of the library promises that there are n strings.
    let filters = unsafe { std::slice::from_raw_parts(filters, n) };
    // SAFETY: passed on to the caller.
    filters.iter().map(|filter| Ok(TopicFilter::new(unsafe { text(*filter) }?)?)).collect()
}

const ALL_FLAGS: c_uint = MQTT_SUB_NO_LOCAL
    | MQTT_SUB_RETAIN_AS_PUBLISHED
    | MQTT_SUB_RETAINED_IF_NEW
    | MQTT_SUB_NO_RETAINED
    | MQTT_SUB_MANUAL_ACK
    | MQTT_SUB_ONCE;

fn subscribe_to<'a>(
    filters: &[TopicFilter<'a>],
    qos: c_int,
    flags: c_uint,
    handler: mqtt_message_fn,
    user: *mut c_void,
) -> Result<Subscribe<'a>, Failure> {
    if flags & !ALL_FLAGS != 0 {
        return Err(Failure::argument("unknown flags"));
    }
    let has = |flag: c_uint| flags & flag != 0;
    let retain_handling = match (has(MQTT_SUB_NO_RETAINED), has(MQTT_SUB_RETAINED_IF_NEW)) {
        (true, _) => RetainHandling::DoNotSend,
        (false, true) => RetainHandling::SendIfNew,
        (false, false) => RetainHandling::Send,
    };
    let maximum_qos = convert::qos(qos)?;
    let subscription = |filter: &TopicFilter<'a>| Subscription {
        filter: *filter,
        maximum_qos,
        no_local: has(MQTT_SUB_NO_LOCAL),
        retain_as_published: has(MQTT_SUB_RETAIN_AS_PUBLISHED),
        retain_handling,
    };
    Ok(Subscribe {
        subscriptions: filters.iter().map(subscription).collect(),
        user_properties: Vec::new(),
        attachment: MessageRoute::attach(handler, user),
        is_acknowledged_by_program: has(MQTT_SUB_MANUAL_ACK),
        is_renewed: !has(MQTT_SUB_ONCE),
    })
}
