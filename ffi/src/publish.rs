//! Publishing, and waiting for what becomes of an operation.

use std::ffi::{c_char, c_int, c_uint, c_void};

use ::mqtt_client::protocol::TopicName;
use ::mqtt_client::{Draft, Op};

use crate::client::*;
use crate::convert::{self, bytes, text, write};
use crate::event;
use crate::guard::*;
use crate::handle::{handle, waiting};
use crate::library::*;
use crate::message::*;

/// Names one operation of one client: a publish, subscribe, unsubscribe or request. Never 0, never used again.
pub type mqtt_op = u64;

/// A flag of mqtt_client_publish: the server keeps the message for those who subscribe later.
pub const MQTT_RETAIN: c_uint = 1;

/// Publishes a message. payload may be NULL if len is 0; qos is 0, 1 or 2; flags is 0 or MQTT_RETAIN.
///
/// op NULL: success is not reported; a message that fails later still gives an MQTT_EVENT_PUBLISH_DONE, with operation 0,
/// except for QoS 0 messages that were on their way when the connection broke. op not NULL: exactly one
/// MQTT_EVENT_PUBLISH_DONE follows, or mqtt_client_wait takes it. Done is, at QoS 0, written to the socket; at QoS 1 and 2,
/// acknowledged by the server. When this call fails there is no operation.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn mqtt_client_publish(
    c: *mut mqtt_client,
    topic: *const c_char,
    payload: *const c_void,
    len: usize,
    qos: c_int,
    flags: c_uint,
    op: *mut mqtt_op,
) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        let client = &handle(c)?.client;
        let mut draft = Draft::new(TopicName::new(text(topic)?)?, bytes(payload, len)?);
        draft.qos = convert::qos(qos)?;
        draft.retain = match flags {
            0 => false,
            MQTT_RETAIN => true,
            _ => return Err(Failure::argument("unknown flags")),
        };
        let begun = client.publish(&draft, !op.is_null())?;
        write(op, begun.0);
        Ok(())
    })
}

/// Publishes a message with its properties, QoS and retain flag; otherwise as mqtt_client_publish.
///
/// It may be one that was received. It is copied: you may change or release it at once.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn mqtt_client_publish_msg(
    c: *mut mqtt_client,
    m: *const mqtt_msg,
    op: *mut mqtt_op,
) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        let client = &handle(c)?.client;
        let begun = client.publish(&required(m)?.draft(), !op.is_null())?;
        write(op, begun.0);
        Ok(())
    })
}

/// Takes back an operation that has not begun to be sent, or any request. Its outcome is MQTT_E_CANCELLED.
///
/// MQTT_E_STATE: it is on its way, and its outcome follows. MQTT_E_NOT_FOUND: it is over, or was begun without op.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_cancel(c: *mut mqtt_client, op: mqtt_op) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        handle(c)?.client.cancel(Op(op))?;
        Ok(())
    })
}

/// Waits for an operation and takes its outcome, so that no event tells of it. Returns the operation's status.
///
/// reason may be NULL; else it is written when the server has answered: the reason of a publish, the first one of a
/// subscribe or unsubscribe. Also then this returns MQTT_E_REFUSED for a failure. MQTT_E_TIMEOUT: it is still running.
/// MQTT_E_NOT_FOUND: it is over, and its event was taken already. Of a request, the reply is dropped.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn mqtt_client_wait(
    c: *mut mqtt_client,
    op: mqtt_op,
    timeout_ms: c_int,
    reason: *mut mqtt_reason,
) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        let client = &handle(c)?.client;
        let timeout = waiting(timeout_ms)?;
        let event = client.wait(Op(op), timeout)?;
        let said = event::reason_at(&event, 0);
        if let Some(said) = said {
            write(reason, said.code().into());
        }
        if let Some(error) = event.error() {
            return Err(error.clone().into());
        }
        Ok(())
    })
}
