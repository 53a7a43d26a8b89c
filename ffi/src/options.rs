//! Options: how a client connects and what its limits are.

use std::ffi::{c_char, c_int, c_uint, c_void};
use std::num::{NonZeroU16, NonZeroU32};
use std::path::PathBuf;
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use ::mqtt_client::protocol::{ReasonCode, Version};
use ::mqtt_client::{EventLimit, Farewell, Log, LogLevel, Options, OwnedText, Reconnect, Will};

use crate::client::mqtt_client;
use crate::convert::{self, bytes, exclusive, optional_text, reference, text};
use crate::event::mqtt_event;
use crate::guard::*;
use crate::library::*;
use crate::message::*;
use crate::routes::{EventHandler, User};

/// How to connect. mqtt_client_new copies it; change and release it as you like afterwards.
///
/// Every setter checks its value at once. Only what differs from the default need be set.
#[derive(Debug)]
pub struct mqtt_options(pub(crate) Options, pub(crate) Draining);

/// How events are drained.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Draining {
    /// Whether a thread of the library's does it.
    pub(crate) is_by_library: bool,
    pub(crate) event_handler: Option<EventHandler>,
}

/// A handler for events. e is borrowed for the call.
pub type mqtt_event_fn =
    Option<unsafe extern "C" fn(user: *mut c_void, c: *mut mqtt_client, e: *const mqtt_event)>;

/// Called with a line for the log: 1 error, 2 warning, 3 information, 4 debug, 5 trace.
///
/// It is called on any thread that uses the client, also on the library's, and must not call the library. The text is
/// borrowed for the call.
pub type mqtt_log_fn =
    Option<unsafe extern "C" fn(user: *mut c_void, level: c_int, text: *const c_char)>;

/// When the queue is full, refuse the new message with MQTT_E_FULL.
pub const MQTT_QUEUE_REJECT_NEW: c_int = 0;
/// When the queue is full, give up the oldest message; its outcome is MQTT_E_DROPPED.
pub const MQTT_QUEUE_DROP_OLDEST: c_int = 1;

/// Makes options for the server at a URL; NULL if there is something wrong with it: see mqtt_last_error.
///
/// - mqtt://HOST[:PORT]: over TCP, port 1883 unless said otherwise
/// - mqtts://HOST[:PORT]: over TLS, port 8883
/// - ws://HOST[:PORT][/PATH]: over WebSocket, port 80, path /mqtt unless said otherwise
/// - wss://HOST[:PORT][/PATH]: over WebSocket in TLS, port 443
/// - unix:///PATH: over a Unix socket
///
/// An address of IPv6 stands in brackets, as in mqtt://[::1]. A user name and password for MQTT may stand in front of the
/// host, as in mqtts://user:password@host. TLS checks the server's certificate against the roots the system trusts; see
/// mqtt_options_set_tls_ca_file for others. Release the options with mqtt_options_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_options_new(url: *const c_char) -> *mut mqtt_options {
    // SAFETY: the header's promises hold for every argument.
    guard_value(ptr::null_mut(), || unsafe {
        let options = Options::new(text(url)?)?;
        Ok(Box::into_raw(Box::new(mqtt_options(options, Draining::default()))))
    })
}

/// Releases options.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_options_free(o: *mut mqtt_options) {
    if !o.is_null() {
        // SAFETY: it came from mqtt_options_new and was not released before.
        drop(unsafe { Box::from_raw(o) });
    }
}

/// The version of MQTT: 5 (the default) for 5.0, 4 for 3.1.1, 3 for 3.1, as they are numbered on the wire.
///
/// What an older version has no words for is refused with MQTT_E_UNSUPPORTED and a sentence, by mqtt_client_new or by the
/// call that needs it: properties of messages, requests, subscription flags but MQTT_SUB_MANUAL_ACK and MQTT_SUB_ONCE,
/// session expiry, will delay, user properties, and reasons to disconnect for. Receive maximum, largest packet and topic
/// aliases cannot be told to the server.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_options_set_protocol_version(
    o: *mut mqtt_options,
    version: c_int,
) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        let options = &mut exclusive(o)?.0;
        options.version = match version {
            3 => Version::V3_1,
            4 => Version::V3_1_1,
            5 => Version::V5_0,
            _ => return Err(Failure::argument("a version is 3, 4 or 5")),
        };
        Ok(())
    })
}

/// The name of the client's session at the server. Default: the server gives one, and the client keeps it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_options_set_client_id(
    o: *mut mqtt_options,
    id: *const c_char,
) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        let options = &mut exclusive(o)?.0;
        options.client_id = OwnedText::new(text(id)?)?;
        Ok(())
    })
}

/// User name and password, in place of those in the URL. Either may be NULL, for none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_options_set_credentials(
    o: *mut mqtt_options,
    user: *const c_char,
    password: *const c_void,
    len: usize,
) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        let options = &mut exclusive(o)?.0;
        let user = optional_text(user)?.map(OwnedText::new).transpose()?;
        let given = if password.is_null() { None } else { Some(bytes(password, len)?) };
        if given.is_some_and(|password| password.len() > usize::from(u16::MAX)) {
            return Err(Failure::argument("a password has at most 65535 bytes"));
        }
        options.user_name = user;
        options.password = given.map(<[u8]>::to_vec);
        Ok(())
    })
}

/// Proves with SCRAM-SHA-256 that the client knows the password, which then does not travel, and has the server prove that
/// it knows it, too: one that does not is left with MQTT_E_AUTH. Needs MQTT 5 and a server that offers it.
///
/// user and password as in mqtt_options_set_credentials, but text; NULL: those that are set, or those of the URL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_options_set_auth_scram(
    o: *mut mqtt_options,
    user: *const c_char,
    password: *const c_char,
) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        let options = &mut exclusive(o)?.0;
        let user = optional_text(user)?.map(OwnedText::new).transpose()?;
        let password = optional_text(password)?.map(|text| text.as_bytes().to_vec());
        options.user_name = user.or(options.user_name.take());
        options.password = password.or(options.password.take());
        options.uses_scram = true;
        Ok(())
    })
}

/// Authenticates with a method of the program's own (MQTT 5 AUTH), whose steps it takes; NULL: with none, the default.
///
/// Each step is an MQTT_EVENT_AUTH, the first one before the client sends CONNECT: answer with mqtt_client_auth_continue.
/// So the program has to drain for the client to become connected. Not together with mqtt_options_set_auth_scram.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_options_set_auth(
    o: *mut mqtt_options,
    method: *const c_char,
) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        let options = &mut exclusive(o)?.0;
        options.authentication_method = optional_text(method)?.map(OwnedText::new).transpose()?;
        Ok(())
    })
}

/// The longest silence on the connection, 0 to 65,535 seconds; 0: any. Default: 60.
///
/// A dead server is noticed within one and a quarter of it. The server may set another.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_options_set_keep_alive(
    o: *mut mqtt_options,
    seconds: c_uint,
) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        let options = &mut exclusive(o)?.0;
        let seconds = u16::try_from(seconds);
        options.keep_alive_secs =
            seconds.map_err(|_| Failure::argument("a keep alive has at most 65535 seconds"))?;
        Ok(())
    })
}

/// Whether the first connection begins with a new session (1, the default) or throws nothing away that the server has (0).
///
/// With 0 a session from an earlier run of the program ends the attempt with MQTT_E_PROTOCOL, since this end's part of it
/// is gone, unless mqtt_options_set_session_file or mqtt_options_set_adopt_session says otherwise. A reconnect of the same client goes on with its session
/// in either case, if a session expiry is set. Before 5.0 there is no session expiry, and 0 says that the session is kept.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_options_set_clean_start(
    o: *mut mqtt_options,
    yes: c_int,
) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        let options = &mut exclusive(o)?.0;
        options.clean_start = convert::yes(yes);
        Ok(())
    })
}

/// Whether a session that the server has from an earlier run counts as this client's. Default: 0.
///
/// With 1, and without a clean start, the server delivers what it kept for this client id. Say so only if that run left
/// nothing unfinished: every operation had its outcome, and every QoS 2 message was acknowledged.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_options_set_adopt_session(
    o: *mut mqtt_options,
    yes: c_int,
) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        let options = &mut exclusive(o)?.0;
        options.adopts_session = convert::yes(yes);
        Ok(())
    })
}

/// How long the server keeps the session without a connection; UINT32_MAX: for ever. Default: 0, not at all.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_options_set_session_expiry(
    o: *mut mqtt_options,
    seconds: u32,
) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        let options = &mut exclusive(o)?.0;
        options.session_expiry_secs = seconds;
        Ok(())
    })
}

/// The file in which the client keeps what has to outlive its process; NULL: none, the default.
///
/// QoS 1 and 2 messages are in it when mqtt_client_publish returns, and go out in a later run if not in this one: they stay
/// without an outcome at mqtt_client_disconnect and mqtt_client_free. What an earlier run has left is sent without an
/// operation. Set a session expiry, too, so that the server keeps its part; mqtt_options_set_clean_start counts only for a
/// file that is new, and so does a client id that the server gives. Subscribe anew in each run.
///
/// mqtt_client_new returns MQTT_E_STORE if the file cannot be used, is another client's, or is in use. docs/session-file.md
/// has the format. A process may be killed at any time; a machine that loses its power may lose the latest messages.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_options_set_session_file(
    o: *mut mqtt_options,
    path: *const c_char,
) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        let options = &mut exclusive(o)?.0;
        options.session_file = optional_text(path)?.map(PathBuf::from);
        Ok(())
    })
}

/// The message the server publishes when the client is gone without mqtt_client_disconnect; NULL: none.
///
/// The server waits delay_s seconds for the client to come back, but not longer than the session lives. QoS, retain flag
/// and properties are those of the message, its payload has at most 65,535 bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_options_set_will(
    o: *mut mqtt_options,
    m: *const mqtt_msg,
    delay_s: u32,
) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        let options = &mut exclusive(o)?.0;
        let message = message(m);
        if message.is_some_and(|will| will.payload().len() > usize::from(u16::MAX)) {
            return Err(Failure::argument("a will has at most 65535 bytes"));
        }
        options.will = message.cloned().map(|message| Will { message, delay_secs: delay_s });
        Ok(())
    })
}

/// User properties for CONNECT. What else is in the properties is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_options_set_connect_props(
    o: *mut mqtt_options,
    p: *const mqtt_props,
) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        let options = &mut exclusive(o)?.0;
        options.user_properties = reference(p)?.user.clone();
        Ok(())
    })
}

/// How many QoS 1 and 2 messages the server may have unacknowledged here, 1 to 65,535. Default: 1024.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_options_set_receive_maximum(
    o: *mut mqtt_options,
    n: c_uint,
) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        let options = &mut exclusive(o)?.0;
        options.receive_maximum = window(n)?;
        Ok(())
    })
}

/// How many QoS 1 and 2 messages may be unacknowledged by the server, 1 to 65,535; its own limit holds too. Default: 1024.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_options_set_max_inflight(
    o: *mut mqtt_options,
    n: c_uint,
) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        let options = &mut exclusive(o)?.0;
        options.maximum_in_flight = window(n)?;
        Ok(())
    })
}

/// The largest packet to accept, in bytes, not 0. A server that sends a larger one is disconnected. Default: 16 MiB.
///
/// UINT32_MAX: any; then the server is told of no limit.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_options_set_max_packet_size(
    o: *mut mqtt_options,
    bytes: u32,
) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        let options = &mut exclusive(o)?.0;
        let size = NonZeroU32::new(bytes);
        options.maximum_packet_size =
            size.ok_or_else(|| Failure::argument("no packet has 0 bytes"))?;
        Ok(())
    })
}

/// How many topics may be replaced by a number, received and sent, 0 to 65,535 each. Default: 32 and 32, automatic.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_options_set_topic_aliases(
    o: *mut mqtt_options,
    received: c_uint,
    sent: c_uint,
) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        let options = &mut exclusive(o)?.0;
        let count = |count: c_uint| {
            u16::try_from(count).map_err(|_| Failure::argument("there are at most 65535 aliases"))
        };
        (options.received_aliases, options.sent_aliases) = (count(received)?, count(sent)?);
        Ok(())
    })
}

/// What waits to be sent: at most so many messages and bytes, and which MQTT_QUEUE_* policy holds beyond.
///
/// Messages wait while there is no connection, while the server acknowledges too slowly, and while the socket takes no
/// more. 0 messages: nothing waits for a connection. Default: 10,000 messages, 16 MiB, MQTT_QUEUE_REJECT_NEW.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_options_set_queue(
    o: *mut mqtt_options,
    messages: usize,
    bytes: usize,
    policy: c_int,
) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        let options = &mut exclusive(o)?.0;
        options.queue.drops_oldest = match policy {
            MQTT_QUEUE_REJECT_NEW => false,
            MQTT_QUEUE_DROP_OLDEST => true,
            _ => return Err(Failure::argument("a policy is one of MQTT_QUEUE_*")),
        };
        (options.queue.messages, options.queue.bytes) = (messages, bytes);
        Ok(())
    })
}

/// Whether QoS 0 messages wait for a connection too (1, the default) or are refused with MQTT_E_STATE without one (0).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_options_set_queue_qos0(
    o: *mut mqtt_options,
    yes: c_int,
) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        let options = &mut exclusive(o)?.0;
        options.queue.holds_qos_0 = convert::yes(yes);
        Ok(())
    })
}

/// How much may wait in the queue of events; beyond it the library reads no more from the socket. Neither may be 0.
/// Default: 100,000 messages, 64 MiB.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_options_set_event_queue(
    o: *mut mqtt_options,
    messages: usize,
    bytes: usize,
) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        let options = &mut exclusive(o)?.0;
        if messages == 0 || bytes == 0 {
            return Err(Failure::argument("the queue of events needs room"));
        }
        options.event_queue = EventLimit { events: messages, bytes };
        Ok(())
    })
}

/// The pause before connecting anew: random, from 0 to a bound that doubles from min_ms to max_ms. Default: 500, 60000.
///
/// With several servers the pause follows when each was tried. A min_ms of -1 turns it off: then a lost connection, or an
/// attempt that fails with each server, ends in MQTT_EVENT_STOPPED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_options_set_reconnect(
    o: *mut mqtt_options,
    min_ms: c_int,
    max_ms: c_int,
) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        let options = &mut exclusive(o)?.0;
        let millis = |ms: c_int| u64::try_from(ms).map(Duration::from_millis);
        options.reconnect = match (millis(min_ms), millis(max_ms)) {
            (Ok(minimum), Ok(maximum)) if minimum <= maximum => {
                Some(Reconnect { minimum, maximum })
            }
            _ if min_ms == -1 => None,
            _ => return Err(Failure::argument("the pause grows from min_ms to max_ms")),
        };
        Ok(())
    })
}

/// How long one attempt may take, from the look-up of the name to the server's CONNACK, in ms, not 0. Default: 30000.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_options_set_connect_timeout(
    o: *mut mqtt_options,
    ms: c_int,
) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        let options = &mut exclusive(o)?.0;
        let limit = convert::timeout(ms)?.filter(|limit| !limit.is_zero());
        options.connect_timeout =
            limit.ok_or_else(|| Failure::argument("an attempt to connect takes some time"))?;
        Ok(())
    })
}

/// How long the server may take to answer a subscribe or unsubscribe, in ms, not 0. Default: 30000.
///
/// After that the operation ends with MQTT_E_TIMEOUT; the server may yet do what it was asked for.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_options_set_ack_timeout(
    o: *mut mqtt_options,
    ms: c_int,
) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        let options = &mut exclusive(o)?.0;
        let limit = match convert::timeout(ms)? {
            Some(limit) if limit.is_zero() => {
                return Err(Failure::argument("an answer takes some time"));
            }
            Some(limit) => limit,
            None => Duration::MAX,
        };
        options.answer_timeout = limit;
        Ok(())
    })
}

/// Sets the handler for events that have none of their own, as mqtt_client_set_event_handler does, before there are any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_options_set_event_handler(
    o: *mut mqtt_options,
    handler: mqtt_event_fn,
    user: *mut c_void,
) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        exclusive(o)?.1.event_handler = EventHandler::new(handler, user);
        Ok(())
    })
}

/// Whether the library has a thread of its own call the handlers (1), so that the program need not drain. Default: 0.
///
/// Set the handler for events with mqtt_options_set_event_handler, or early ones are missed. mqtt_client_next_event and
/// mqtt_client_dispatch return MQTT_E_STATE then, and mqtt_client_wait finds only outcomes that the thread has not taken
/// before. mqtt_client_free waits for a handler that is running, except inside one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_options_set_callback_thread(
    o: *mut mqtt_options,
    yes: c_int,
) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        exclusive(o)?.1.is_by_library = convert::yes(yes);
        Ok(())
    })
}

/// Where the log goes, up to a level; fn NULL: nowhere, which is the default.
///
/// What `user` points to has to live as long as clients made with these options.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_options_set_log(
    o: *mut mqtt_options,
    level: c_int,
    log: mqtt_log_fn,
    user: *mut c_void,
) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        let options = &mut exclusive(o)?.0;
        let level = match level {
            1 => LogLevel::Error,
            2 => LogLevel::Warning,
            3 => LogLevel::Information,
            4 => LogLevel::Debug,
            5 => LogLevel::Trace,
            _ => return Err(Failure::argument("a log level is 1 to 5")),
        };
        options.log = log.map(|log| {
            let user = User(user);
            let write = move |level: LogLevel, line: &str| {
                let line = c_string(line);
                let _inside = InCallback::enter();
                // The program gave the function and the pointer to be used on any thread.
                log(user.get(), level as c_int, line.as_ptr());
            };
            Log { level, write: Arc::new(write) }
        });
        Ok(())
    })
}

/// The rarely used part of MQTT 5: user properties and more, on CONNECT, SUBSCRIBE, UNSUBSCRIBE and DISCONNECT.
#[derive(Debug, Default)]
pub struct mqtt_props {
    pub(crate) user: Vec<(OwnedText, OwnedText)>,
    reason_string: Option<OwnedText>,
    session_expiry_secs: Option<u32>,
}

/// Makes empty properties. Release them with mqtt_props_free.
#[unsafe(no_mangle)]
pub extern "C" fn mqtt_props_new() -> *mut mqtt_props {
    Box::into_raw(Box::new(mqtt_props::default()))
}

/// Releases properties.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_props_free(p: *mut mqtt_props) {
    if !p.is_null() {
        // SAFETY: it came from mqtt_props_new and was not released before.
        drop(unsafe { Box::from_raw(p) });
    }
}

/// Adds a name and a value; the same name may be added again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_props_add_user(
    p: *mut mqtt_props,
    name: *const c_char,
    value: *const c_char,
) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        let pair = (OwnedText::new(text(name)?)?, OwnedText::new(text(value)?)?);
        exclusive(p)?.user.push(pair);
        Ok(())
    })
}

/// Sets a reason in words, for DISCONNECT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_props_set_reason_string(
    p: *mut mqtt_props,
    text: *const c_char,
) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        let reason = OwnedText::new(convert::text(text)?)?;
        exclusive(p)?.reason_string = Some(reason);
        Ok(())
    })
}

/// Sets how long the server keeps the session, in place of what the options said, for DISCONNECT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_props_set_session_expiry(
    p: *mut mqtt_props,
    seconds: u32,
) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        exclusive(p)?.session_expiry_secs = Some(seconds);
        Ok(())
    })
}

impl mqtt_props {
    /// What a program says when it goes.
    pub(crate) fn farewell(&self, reason: ReasonCode) -> Farewell {
        Farewell {
            reason,
            reason_string: self.reason_string.clone(),
            session_expiry_secs: self.session_expiry_secs,
            user_properties: self.user.clone(),
        }
    }
}

fn window(messages: c_uint) -> Result<NonZeroU16, Failure> {
    let messages = u16::try_from(messages).ok().and_then(NonZeroU16::new);
    messages.ok_or_else(|| Failure::argument("a window has 1 to 65535 messages"))
}
