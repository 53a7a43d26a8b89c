//! The client: its life, and what the server granted it.

use std::ffi::{c_char, c_int, c_void};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ::mqtt_client::Options;
use ::mqtt_client::protocol::ReasonCode;

use crate::convert::{bytes, reference, text, write};
use crate::guard::*;
use crate::handle::{Handle, handle, waiting};
use crate::library::*;
use crate::options::*;
use crate::publish::mqtt_op;

/// One client of one server.
#[derive(Debug)]
pub struct mqtt_client {
    _opaque: (),
}

/// The highest QoS the server accepts.
pub const MQTT_LIMIT_MAX_QOS: c_int = 1;
/// Whether the server keeps retained messages.
pub const MQTT_LIMIT_RETAIN: c_int = 2;
/// The largest packet the server accepts, in bytes.
pub const MQTT_LIMIT_MAX_PACKET_SIZE: c_int = 3;
/// How many QoS 1 and 2 messages the server takes at once.
pub const MQTT_LIMIT_RECEIVE_MAXIMUM: c_int = 4;
/// How many topic aliases the server takes.
pub const MQTT_LIMIT_TOPIC_ALIASES: c_int = 5;
/// The keep alive that holds, in seconds.
pub const MQTT_LIMIT_KEEP_ALIVE: c_int = 6;
/// How long the server keeps the session, in seconds.
pub const MQTT_LIMIT_SESSION_EXPIRY: c_int = 7;
/// Whether filters may have wildcards.
pub const MQTT_LIMIT_WILDCARD_SUBS: c_int = 8;
/// Whether subscriptions may be shared.
pub const MQTT_LIMIT_SHARED_SUBS: c_int = 9;
/// Whether subscriptions may have identifiers.
pub const MQTT_LIMIT_SUBSCRIPTION_IDS: c_int = 10;

/// How many messages wait to be sent.
pub const MQTT_STAT_QUEUED_MESSAGES: c_int = 1;
/// How many bytes those have.
pub const MQTT_STAT_QUEUED_BYTES: c_int = 2;
/// How many messages the server has not acknowledged.
pub const MQTT_STAT_INFLIGHT: c_int = 3;
/// How many messages were sent.
pub const MQTT_STAT_SENT: c_int = 4;
/// How many messages were received.
pub const MQTT_STAT_RECEIVED: c_int = 5;
/// How many times the client connected again.
pub const MQTT_STAT_RECONNECTS: c_int = 6;
/// How many messages were given up by the queue's policy.
pub const MQTT_STAT_DROPPED: c_int = 7;

/// Makes a client and begins to connect; returns before it is connected.
///
/// Each attempt ends in one event: MQTT_EVENT_CONNECTED or MQTT_EVENT_CONNECT_FAILED. Attempts go on until the program
/// ends them, or until the server refuses for a reason that waiting does not heal (wrong password, ...), which is told by
/// MQTT_EVENT_STOPPED. The client is yours: mqtt_client_free.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn mqtt_client_new(
    o: *const mqtt_options,
    out: *mut *mut mqtt_client,
) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        let mqtt_options(options, draining) = reference(o)?;
        if out.is_null() {
            return Err(Failure::argument("a pointer is NULL"));
        }
        out.write(Handle::create(options.clone(), *draining)?);
        Ok(())
    })
}

/// Does mqtt_client_new with default options for a URL.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn mqtt_client_open(
    url: *const c_char,
    out: *mut *mut mqtt_client,
) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        let options = Options::new(text(url)?)?;
        if out.is_null() {
            return Err(Failure::argument("a pointer is NULL"));
        }
        out.write(Handle::create(options, Draining::default())?);
        Ok(())
    })
}

/// Waits until the client is connected.
///
/// MQTT_E_TIMEOUT when the time is up, with the latest failure in mqtt_last_error; when the client has stopped, the
/// status it stopped with. Events are left in the queue.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn mqtt_client_wait_connected(
    c: *mut mqtt_client,
    timeout_ms: c_int,
) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        let client = &handle(c)?.client;
        let timeout = waiting(timeout_ms)?;
        client.wait_connected(timeout)?;
        Ok(())
    })
}

/// Whether the client is connected: 1 or 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_is_connected(c: *const mqtt_client) -> c_int {
    // SAFETY: the header's promises hold for every argument.
    read(0, || unsafe { Some(c_int::from(handle(c).ok()?.client.is_connected())) })
}

/// Connects at once: cuts the pause between attempts short, or starts again after MQTT_EVENT_STOPPED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_reconnect(c: *mut mqtt_client) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        handle(c)?.client.reconnect();
        Ok(())
    })
}

/// Proves anew, on the open connection, that the client knows the password, and has the server prove it, too.
///
/// op NULL: only a failure is reported. Else exactly one MQTT_EVENT_AUTH_DONE follows, or mqtt_client_wait takes it. A
/// failure ends the connection. MQTT_E_STATE without a connection, without mqtt_options_set_auth_scram or mqtt_options_set_auth, or while another
/// one is under way.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_reauthenticate(
    c: *mut mqtt_client,
    op: *mut mqtt_op,
) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        let begun = handle(c)?.client.reauthenticate(!op.is_null())?;
        write(op, begun.0);
        Ok(())
    })
}

/// Answers the step of authentication that an MQTT_EVENT_AUTH with this op asks for, at once or later, on any thread.
///
/// data goes to the server as it is, at most 65,535 bytes. MQTT_E_NOT_FOUND: the step is over, or its connection is gone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_auth_continue(
    c: *mut mqtt_client,
    op: mqtt_op,
    data: *const c_void,
    len: usize,
) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        handle(c)?.client.continue_authentication(op, bytes(data, len)?)?;
        Ok(())
    })
}

/// Ends the authentication that an MQTT_EVENT_AUTH with this op asks about: the client stops with MQTT_E_AUTH.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_auth_fail(c: *mut mqtt_client, op: mqtt_op) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        handle(c)?.client.fail_authentication(op)?;
        Ok(())
    })
}

/// Ends the connection in good order, and stays disconnected until mqtt_client_reconnect.
///
/// Sends what is queued and waits for what is unacknowledged, up to timeout_ms, then sends DISCONNECT and closes. With 0
/// it sends DISCONNECT at once and returns without waiting; mqtt_client_free may follow immediately. Operations that are
/// not over then end with MQTT_E_CANCELLED. reason is MQTT_RC_SUCCESS, or MQTT_RC_DISCONNECT_WITH_WILL, or a failure;
/// props may be NULL. MQTT_EVENT_DISCONNECTED and MQTT_EVENT_STOPPED follow. MQTT_E_TIMEOUT when messages were left over.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_disconnect(
    c: *mut mqtt_client,
    reason: mqtt_reason,
    props: *const mqtt_props,
    timeout_ms: c_int,
) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        let client = &handle(c)?.client;
        let reason = u8::try_from(reason).ok().and_then(ReasonCode::new);
        let reason = reason.ok_or_else(|| Failure::argument("no reason code"))?;
        let timeout = waiting(timeout_ms)?;
        let farewell = match props.as_ref() {
            Some(props) => props.farewell(reason),
            None => mqtt_props::default().farewell(reason),
        };
        client.disconnect(farewell, timeout)?;
        Ok(())
    })
}

/// Releases the client and all its events. It never waits for the network.
///
/// After it returns no handler runs; called from a handler, that one is the last. No other thread may be using the client,
/// but for a callback thread, whose running handler is waited for.
/// A client that is still connected is closed without DISCONNECT, so that its will is published.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_free(c: *mut mqtt_client) {
    if c.is_null() {
        return;
    }
    // SAFETY: the header's promises hold, so this is the program's own reference to the handle.
    let handle = unsafe { Arc::from_raw(c.cast::<Handle>()) };
    if handle.is_forked() {
        // The library's thread does not exist in this process, and what it held is held for ever.
        std::mem::forget(handle);
        return;
    }
    handle.is_freed.store(true, Ordering::Relaxed);
    read((), || {
        handle.end_callback_thread();
        drop(handle);
        Some(())
    });
}

/// The client id, given by the program or by the server; "" as long as there is none. Valid as long as the client.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_id(c: *const mqtt_client) -> *const c_char {
    // SAFETY: the header's promises hold for every argument.
    read(fixed(c""), || unsafe { Some(handle(c).ok()?.id()) })
}

/// What the server granted, by MQTT_LIMIT_*; 0 as long as the client was never connected.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_limit(c: *const mqtt_client, which: c_int) -> u32 {
    // SAFETY: the header's promises hold for every argument.
    read(0, || unsafe {
        let limits = handle(c).ok()?.client.limits()?;
        Some(match which {
            MQTT_LIMIT_MAX_QOS => limits.maximum_qos as u32,
            MQTT_LIMIT_RETAIN => limits.has_retain.into(),
            MQTT_LIMIT_MAX_PACKET_SIZE => limits.maximum_packet_size,
            MQTT_LIMIT_RECEIVE_MAXIMUM => limits.receive_maximum.into(),
            MQTT_LIMIT_TOPIC_ALIASES => limits.topic_aliases.into(),
            MQTT_LIMIT_KEEP_ALIVE => limits.keep_alive_secs.into(),
            MQTT_LIMIT_SESSION_EXPIRY => limits.session_expiry_secs,
            MQTT_LIMIT_WILDCARD_SUBS => limits.has_wildcards.into(),
            MQTT_LIMIT_SHARED_SUBS => limits.has_shared_subscriptions.into(),
            MQTT_LIMIT_SUBSCRIPTION_IDS => limits.has_subscription_identifiers.into(),
            _ => 0,
        })
    })
}

/// A count of the client's work, by MQTT_STAT_*.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_stat(c: *const mqtt_client, which: c_int) -> u64 {
    // SAFETY: the header's promises hold for every argument.
    read(0, || unsafe {
        let counts = handle(c).ok()?.client.counts();
        Some(match which {
            MQTT_STAT_QUEUED_MESSAGES => counts.queued_messages as u64,
            MQTT_STAT_QUEUED_BYTES => counts.queued_bytes as u64,
            MQTT_STAT_INFLIGHT => counts.in_flight as u64,
            MQTT_STAT_SENT => counts.sent,
            MQTT_STAT_RECEIVED => counts.received,
            MQTT_STAT_RECONNECTS => counts.reconnects,
            MQTT_STAT_DROPPED => counts.dropped,
            _ => 0,
        })
    })
}
