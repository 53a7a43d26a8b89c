//! Events: how a program is told, takes them, and reads them.

use std::ffi::{CString, c_char, c_int, c_void};
use std::os::fd::AsRawFd;
use std::ptr;
use std::sync::Arc;

use ::mqtt_client::protocol::ReasonCode;
use ::mqtt_client::{Event, OwnedText};

use crate::client::*;
use crate::convert;
use crate::guard::*;
use crate::handle::{Handle, handle};
use crate::library::*;
use crate::message::*;
use crate::options::mqtt_event_fn;
use crate::publish::*;
use crate::routes::{EventHandler, User};

/// Something that happened. Borrowed until the next mqtt_client_next_event or mqtt_client_dispatch on its client.
#[derive(Debug)]
pub struct mqtt_event {
    pub(crate) event: Event,
    sentence: Option<CString>,
}

/// The client is connected: session_present, user properties.
pub const MQTT_EVENT_CONNECTED: c_int = 1;
/// An attempt to connect failed: status, reason if the server gave one, message, os_error, tls_alert, retry_ms.
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
/// The server names another server to use: reason, message (the reference). See mqtt_options_set_redirect.
pub const MQTT_EVENT_REDIRECT: c_int = 12;
/// An mqtt_client_reauthenticate is over: op, status, message.
pub const MQTT_EVENT_AUTH_DONE: c_int = 13;

/// A step of authentication by the program's own method: op, auth_data. Answer with mqtt_client_auth_continue or
/// mqtt_client_auth_fail, unless op is 0: then it is what the server said last, which it need not.
pub const MQTT_EVENT_AUTH: c_int = 14;

/// The next event, or NULL: when the time is up, when mqtt_client_wake was called, or when it cannot be waited for.
///
/// It ends the previous event: what was borrowed from that is released, and its message acknowledged. Handlers are not
/// called.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_next_event(
    c: *mut mqtt_client,
    timeout_ms: c_int,
) -> *const mqtt_event {
    // SAFETY: the header's promises hold for every argument.
    guard_value(ptr::null(), || unsafe {
        let handle = handle(c)?;
        refuse_in_callback()?;
        handle.refuse_if_drained_by_library()?;
        let event = handle.client.next_event(convert::timeout(timeout_ms)?);
        Ok(handle.hand_out(event))
    })
}

/// Sets the handler for events that have none of their own; NULL: they are dropped. Not from two threads at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_set_event_handler(
    c: *mut mqtt_client,
    handler: mqtt_event_fn,
    user: *mut c_void,
) {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        *handle(c)?.event_handler() = EventHandler::new(handler, user);
        Ok(())
    });
}

/// Waits for events, then calls the handlers for those there are. Returns how many there were, or MQTT_E_*.
///
/// The handlers run on the calling thread. They may use the client, but not drain it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_dispatch(c: *mut mqtt_client, timeout_ms: c_int) -> c_int {
    let mut count = 0;
    // SAFETY: the header's promises hold for every argument.
    let status = guard(|| unsafe {
        refuse_in_callback()?;
        handle(c)?.refuse_if_drained_by_library()?;
        // A handler may release the client, which then lives until the handler has returned.
        Arc::increment_strong_count(c.cast::<Handle>());
        let handle = Arc::from_raw(c.cast::<Handle>());
        count = handle.dispatch(convert::timeout(timeout_ms)?);
        Ok(())
    });
    if status == MQTT_OK { count } else { status }
}

/// A descriptor that is readable while events wait, and the same as long as the client lives; -1 on failure.
///
/// Poll it; never read, write or close it. It may be readable without an event once in a while, as after mqtt_client_wake.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_event_fd(c: *mut mqtt_client) -> c_int {
    // SAFETY: the header's promises hold for every argument.
    guard_value(-1, || unsafe { Ok(handle(c)?.client.event_fd().as_raw_fd()) })
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
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        let handle = handle(c)?;
        refuse_in_callback()?;
        let Some(wakeup) = wakeup else {
            handle.client.set_wakeup(None);
            return Ok(());
        };
        let user = User(user);
        handle.client.set_wakeup(Some(Box::new(move || {
            let _inside = InCallback::enter();
            // The program gave the function and the pointer to be used on any thread.
            wakeup(user.get());
        })));
        Ok(())
    });
}

/// Makes a waiting mqtt_client_next_event or mqtt_client_dispatch return, or the next one that would wait. It may be
/// called in a signal handler.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_wake(c: *mut mqtt_client) {
    // SAFETY: the header's promises hold for every argument.
    if let Ok(handle) = unsafe { handle(c) } {
        handle.client.wake();
    }
}

/// What happened: MQTT_EVENT_*; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_event_type(e: *const mqtt_event) -> c_int {
    // SAFETY: the header's promises hold for every argument.
    read(0, || unsafe { Some(type_of(event(e)?)) })
}

/// The operation that is over, or the step that is to be answered; 0 if none, or if it was begun without one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_event_op(e: *const mqtt_event) -> mqtt_op {
    // SAFETY: the header's promises hold for every argument.
    read(0, || unsafe {
        match event(e)? {
            Event::AuthenticationStep { step, .. } => *step,
            other => Some(other.op()?.0),
        }
    })
}

/// What the server sent for a step of authentication; NULL for the first step, which is the client's. len may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_event_auth_data(
    e: *const mqtt_event,
    len: *mut usize,
) -> *const c_void {
    // SAFETY: the header's promises hold for every argument.
    let data = read(None, || unsafe {
        match event(e)? {
            Event::AuthenticationStep { data, .. } => Some(data.as_deref()),
            _ => None,
        }
    });
    // SAFETY: the header's promises hold for every argument.
    unsafe { convert::write(len, data.map_or(0, <[u8]>::len)) };
    data.map_or(ptr::null(), |data| data.as_ptr().cast())
}

/// How it ended.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_event_status(e: *const mqtt_event) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    read(MQTT_OK, || unsafe { Some(status_of(event(e)?.error()?.kind)) })
}

/// What the server said, first of several; 0 if nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_event_reason(e: *const mqtt_event) -> mqtt_reason {
    // SAFETY: the header's promises hold for every argument.
    read(0, || unsafe { Some(reason_at(event(e)?, 0)?.code().into()) })
}

/// How many reasons there are: one for each filter of a subscribe or unsubscribe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_event_reason_count(e: *const mqtt_event) -> usize {
    // SAFETY: the header's promises hold for every argument.
    read(0, || unsafe { Some(reasons(event(e)?).len()) })
}

/// The reason with index i; 0 if there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_event_reason_at(e: *const mqtt_event, i: usize) -> mqtt_reason {
    // SAFETY: the header's promises hold for every argument.
    read(0, || unsafe { Some(reason_at(event(e)?, i)?.code().into()) })
}

/// What went wrong, in one sentence, or what the event's description says; "" if nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_event_message(e: *const mqtt_event) -> *const c_char {
    // SAFETY: the header's promises hold for every argument.
    read(fixed(c""), || unsafe { Some(e.as_ref()?.sentence.as_ref()?.as_ptr()) })
}

/// The operating system's error number (errno), 0 if none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_event_os_error(e: *const mqtt_event) -> c_int {
    // SAFETY: the header's promises hold for every argument.
    read(0, || unsafe { event(e)?.error()?.os_error })
}

/// The number of the alert with which the server refused TLS (RFC 8446, section 6); -1 if none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_event_tls_alert(e: *const mqtt_event) -> c_int {
    // SAFETY: the header's promises hold for every argument.
    read(-1, || unsafe { event(e)?.error()?.tls_alert.map(c_int::from) })
}

/// How long until the next attempt to connect; -1: there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_event_retry_ms(e: *const mqtt_event) -> c_int {
    // SAFETY: the header's promises hold for every argument.
    read(-1, || unsafe {
        match event(e)? {
            Event::ConnectFailed { retry, .. } | Event::Disconnected { retry, .. } => {
                Some(c_int::try_from((*retry)?.as_millis()).unwrap_or(c_int::MAX))
            }
            _ => None,
        }
    })
}

/// Whether the server had kept the session: 1 or 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_event_session_present(e: *const mqtt_event) -> c_int {
    // SAFETY: the header's promises hold for every argument.
    read(0, || unsafe {
        Some(matches!(event(e)?, Event::Connected { session_present: true, .. }).into())
    })
}

/// The message; NULL if none. Borrowed as the event is; mqtt_msg_ref keeps it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_event_msg(e: *const mqtt_event) -> *mut mqtt_msg {
    // SAFETY: the header's promises hold for every argument.
    read(ptr::null_mut(), || unsafe {
        let message = Arc::as_ptr(event(e)?.message()?);
        Some(message.cast_mut().cast())
    })
}

/// The user pointer of the subscription, message or request; NULL if none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_event_user_data(e: *const mqtt_event) -> *mut c_void {
    // SAFETY: the header's promises hold for every argument.
    read(ptr::null_mut(), || unsafe { user_of(event(e)?) })
}

/// When it happened, as CLOCK_MONOTONIC in nanoseconds: the read from the socket that told of it, for a QoS 0 publish the write to the socket that carried it; 0 for what happened elsewhere.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_event_timestamp(e: *const mqtt_event) -> u64 {
    // SAFETY: the header's promises hold for every argument.
    read(0, || unsafe {
        Some(match event(e)? {
            Event::PublishDone { timestamp, .. } => timestamp.as_nanos(),
            other => other.message()?.timestamp.as_nanos(),
        })
    })
}

/// How many user properties the server sent along.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_event_user_property_count(e: *const mqtt_event) -> usize {
    // SAFETY: the header's promises hold for every argument.
    read(0, || unsafe { Some(user_properties(event(e)?).len()) })
}

/// The user property with index i: 1, or 0 if there is none. name and value may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_event_user_property(
    e: *const mqtt_event,
    i: usize,
    name: *mut *const c_char,
    value: *mut *const c_char,
) -> c_int {
    // SAFETY: the header's promises hold for every argument.
    read(0, || unsafe { Some(pair(user_properties(event(e)?), i, name, value)) })
}

impl mqtt_event {
    pub(crate) fn new(event: Event) -> Self {
        let sentence = match &event {
            Event::SubscriptionLost { filter: text, .. }
            | Event::Redirect { reference: text, .. } => Some(text.as_c_str().to_owned()),
            other => other.error().map(|error| c_string(&error.message)),
        };
        Self { event, sentence }
    }
}

unsafe fn event<'a>(e: *const mqtt_event) -> Option<&'a Event> {
    // SAFETY: the caller of the library promises that it is NULL or an event it may use.
    unsafe { e.as_ref() }.map(|e| &e.event)
}

fn type_of(event: &Event) -> c_int {
    match event {
        Event::Connected { .. } => MQTT_EVENT_CONNECTED,
        Event::ConnectFailed { .. } => MQTT_EVENT_CONNECT_FAILED,
        Event::Disconnected { .. } => MQTT_EVENT_DISCONNECTED,
        Event::Stopped { .. } => MQTT_EVENT_STOPPED,
        Event::Message { .. } => MQTT_EVENT_MESSAGE,
        Event::PublishDone { .. } => MQTT_EVENT_PUBLISH_DONE,
        Event::SubscribeDone { .. } => MQTT_EVENT_SUBSCRIBE_DONE,
        Event::UnsubscribeDone { .. } => MQTT_EVENT_UNSUBSCRIBE_DONE,
        Event::Reply { .. } => MQTT_EVENT_REPLY,
        Event::Writable => MQTT_EVENT_WRITABLE,
        Event::SubscriptionLost { .. } => MQTT_EVENT_SUBSCRIPTION_LOST,
        Event::Redirect { .. } => MQTT_EVENT_REDIRECT,
        Event::AuthenticationDone { .. } => MQTT_EVENT_AUTH_DONE,
        Event::AuthenticationStep { .. } => MQTT_EVENT_AUTH,
    }
}

/// What the server said of each filter.
fn reasons(event: &Event) -> &[ReasonCode] {
    match event {
        Event::SubscribeDone { reasons, .. } | Event::UnsubscribeDone { reasons, .. } => reasons,
        _ => &[],
    }
}

/// What the server said.
pub(crate) fn reason_at(event: &Event, index: usize) -> Option<ReasonCode> {
    match event {
        Event::SubscribeDone { reasons, .. } | Event::UnsubscribeDone { reasons, .. }
            if !reasons.is_empty() =>
        {
            reasons.get(index).copied()
        }
        Event::PublishDone { result: Ok(reason), .. }
        | Event::SubscriptionLost { reason, .. }
        | Event::Redirect { reason, .. } => (index == 0).then_some(*reason),
        other => other.error().filter(|_| index == 0)?.reason,
    }
}

fn user_of(event: &Event) -> Option<*mut c_void> {
    match event {
        Event::Message { routes, .. } => User::of(routes.first()?),
        Event::PublishDone { attachment, .. }
        | Event::Reply { attachment, .. }
        | Event::SubscriptionLost { attachment, .. } => User::of(attachment.as_ref()?),
        _ => None,
    }
}

fn user_properties(event: &Event) -> &[(OwnedText, OwnedText)] {
    match event {
        Event::Connected { user_properties, .. } | Event::Disconnected { user_properties, .. } => {
            user_properties
        }
        _ => &[],
    }
}
