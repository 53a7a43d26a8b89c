//! Request and response over two topics.

use std::ffi::{c_int, c_void};
use std::sync::Arc;

use ::mqtt_client::{Attachment, Event, Request};

use crate::client::*;
use crate::convert::{self, bytes, write};
use crate::guard::*;
use crate::handle::{handle, waiting};
use crate::library::*;
use crate::message::*;
use crate::publish::*;
use crate::routes::{ReplyRoute, User};

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
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        let timeout = convert::timeout(timeout_ms)?;
        if timeout.is_some_and(|timeout| timeout.is_zero()) {
            return Err(Failure::argument("an answer takes some time"));
        }
        let attachment = Some(Attachment(Arc::new(ReplyRoute { handler, user: User(user) })));
        let request = Request { message: required(m)?, timeout, attachment };
        let begun = handle(c)?.client.request(request)?;
        write(op, begun.0);
        Ok(())
    })
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
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        let client = &handle(c)?.client;
        let timeout = waiting(timeout_ms)?;
        if reply.is_null() {
            return Err(Failure::argument("a pointer is NULL"));
        }
        let request = Request { message: required(m)?, timeout, attachment: None };
        let op = client.request(request)?;
        if let Event::Reply { result, .. } = client.wait(op, None)? {
            reply.write(Arc::into_raw(result?).cast_mut().cast());
        }
        Ok(())
    })
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
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        handle(c)?.client.reply(required(request)?, bytes(payload, len)?)?;
        Ok(())
    })
}
