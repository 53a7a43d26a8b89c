//! The library itself: its version, what calls return, what peers answer, and the last error in words.

use std::ffi::{CStr, c_char, c_int};

use ::mqtt_client::protocol::ReasonCode;

use crate::guard::{fixed, last_error};

/// mqtt_version() of a library this header belongs to: 0x00MMmmpp.
pub const MQTT_VERSION_NUMBER: u32 = 0x0000_0100;

/// For timeout_ms: wait as long as it takes.
pub const MQTT_FOREVER: c_int = -1;

/// What a call returns: MQTT_OK, or a negative MQTT_E_*. New codes may be added.
pub type mqtt_status = c_int;

/// It worked.
pub const MQTT_OK: mqtt_status = 0;
/// An argument is NULL or out of its range; nothing was done.
pub const MQTT_E_ARG: mqtt_status = -1;
/// There is no memory left.
pub const MQTT_E_NOMEM: mqtt_status = -2;
/// Text is not UTF-8, or is longer than 65,535 bytes.
pub const MQTT_E_UTF8: mqtt_status = -3;
/// A topic name or topic filter is malformed.
pub const MQTT_E_TOPIC: mqtt_status = -4;
/// A URL is malformed, or its scheme is not known.
pub const MQTT_E_URL: mqtt_status = -5;
/// It cannot be done in this state: stopped, not connected, already answered.
pub const MQTT_E_STATE: mqtt_status = -6;
/// A queue has reached its limit. MQTT_EVENT_WRITABLE follows when there is room again.
pub const MQTT_E_FULL: mqtt_status = -7;
/// The time is up.
pub const MQTT_E_TIMEOUT: mqtt_status = -8;
/// To wait here would be to wait for this very thread.
pub const MQTT_E_DEADLOCK: mqtt_status = -9;
/// There is no such thing: an operation that is over, a request that wants no answer.
pub const MQTT_E_NOT_FOUND: mqtt_status = -10;
/// This build does not have it, or the server does not offer it.
pub const MQTT_E_UNSUPPORTED: mqtt_status = -11;
/// The packet is larger than the server accepts.
pub const MQTT_E_TOO_LARGE: mqtt_status = -12;
/// The program ended it, by mqtt_client_disconnect or mqtt_client_free.
pub const MQTT_E_CANCELLED: mqtt_status = -13;
/// The message expired before it could be sent.
pub const MQTT_E_EXPIRED: mqtt_status = -14;
/// The queue was full, and its policy gave the message up for a newer one.
pub const MQTT_E_DROPPED: mqtt_status = -15;
/// This process is a fork of the one that made the client.
pub const MQTT_E_FORKED: mqtt_status = -16;
/// The server's name could not be resolved. The failures of an attempt to connect are in its order.
pub const MQTT_E_DNS: mqtt_status = -20;
/// No connection to the server, or an error of the socket.
pub const MQTT_E_TCP: mqtt_status = -21;
/// The proxy refused.
pub const MQTT_E_PROXY: mqtt_status = -22;
/// No TLS with the server, or a file for it cannot be used.
pub const MQTT_E_TLS: mqtt_status = -23;
/// No WebSocket with the server, or it broke the rules of frames.
pub const MQTT_E_WEBSOCKET: mqtt_status = -24;
/// The server said no: see the reason.
pub const MQTT_E_REFUSED: mqtt_status = -25;
/// The connection was closed without a DISCONNECT.
pub const MQTT_E_LOST: mqtt_status = -26;
/// The server did not answer within the keep alive.
pub const MQTT_E_KEEPALIVE: mqtt_status = -27;
/// The server sent what the standard does not allow; the reason tells what kind.
pub const MQTT_E_PROTOCOL: mqtt_status = -28;
/// The session file could not be read or written.
pub const MQTT_E_STORE: mqtt_status = -29;
/// The server has not proved that it knows the password.
pub const MQTT_E_AUTH: mqtt_status = -30;
/// A defect of the library, contained.
pub const MQTT_E_INTERNAL: mqtt_status = -99;

/// A reason code of MQTT 5, 0 to 255; 0x80 and above tell of a failure.
pub type mqtt_reason = c_int;

/// Success; also normal disconnection, and granted QoS 0.
pub const MQTT_RC_SUCCESS: mqtt_reason = 0x00;
/// Subscribed, with QoS 1 at most.
pub const MQTT_RC_GRANTED_QOS_1: mqtt_reason = 0x01;
/// Subscribed, with QoS 2 at most.
pub const MQTT_RC_GRANTED_QOS_2: mqtt_reason = 0x02;
/// Disconnect, and publish the will.
pub const MQTT_RC_DISCONNECT_WITH_WILL: mqtt_reason = 0x04;
/// Accepted, but nobody has subscribed.
pub const MQTT_RC_NO_MATCHING_SUBSCRIBERS: mqtt_reason = 0x10;
/// There was no such subscription.
pub const MQTT_RC_NO_SUBSCRIPTION_EXISTED: mqtt_reason = 0x11;
/// Continue authentication.
pub const MQTT_RC_CONTINUE_AUTHENTICATION: mqtt_reason = 0x18;
/// Re-authenticate.
pub const MQTT_RC_REAUTHENTICATE: mqtt_reason = 0x19;
/// Unspecified error.
pub const MQTT_RC_UNSPECIFIED_ERROR: mqtt_reason = 0x80;
/// Malformed packet.
pub const MQTT_RC_MALFORMED_PACKET: mqtt_reason = 0x81;
/// Protocol error.
pub const MQTT_RC_PROTOCOL_ERROR: mqtt_reason = 0x82;
/// Implementation specific error.
pub const MQTT_RC_IMPLEMENTATION_ERROR: mqtt_reason = 0x83;
/// Unsupported protocol version.
pub const MQTT_RC_UNSUPPORTED_VERSION: mqtt_reason = 0x84;
/// Client identifier not valid.
pub const MQTT_RC_CLIENT_ID_INVALID: mqtt_reason = 0x85;
/// Bad user name or password.
pub const MQTT_RC_BAD_USERNAME_OR_PASSWORD: mqtt_reason = 0x86;
/// Not authorized.
pub const MQTT_RC_NOT_AUTHORIZED: mqtt_reason = 0x87;
/// Server unavailable.
pub const MQTT_RC_SERVER_UNAVAILABLE: mqtt_reason = 0x88;
/// Server busy.
pub const MQTT_RC_SERVER_BUSY: mqtt_reason = 0x89;
/// Banned.
pub const MQTT_RC_BANNED: mqtt_reason = 0x8A;
/// Server shutting down.
pub const MQTT_RC_SERVER_SHUTTING_DOWN: mqtt_reason = 0x8B;
/// Bad authentication method.
pub const MQTT_RC_BAD_AUTH_METHOD: mqtt_reason = 0x8C;
/// Keep alive timeout.
pub const MQTT_RC_KEEP_ALIVE_TIMEOUT: mqtt_reason = 0x8D;
/// Another client connected with this client id.
pub const MQTT_RC_SESSION_TAKEN_OVER: mqtt_reason = 0x8E;
/// Topic filter invalid.
pub const MQTT_RC_TOPIC_FILTER_INVALID: mqtt_reason = 0x8F;
/// Topic name invalid.
pub const MQTT_RC_TOPIC_NAME_INVALID: mqtt_reason = 0x90;
/// Packet identifier in use.
pub const MQTT_RC_PACKET_ID_IN_USE: mqtt_reason = 0x91;
/// Packet identifier not found.
pub const MQTT_RC_PACKET_ID_NOT_FOUND: mqtt_reason = 0x92;
/// Receive maximum exceeded.
pub const MQTT_RC_RECEIVE_MAXIMUM_EXCEEDED: mqtt_reason = 0x93;
/// Topic alias invalid.
pub const MQTT_RC_TOPIC_ALIAS_INVALID: mqtt_reason = 0x94;
/// Packet too large.
pub const MQTT_RC_PACKET_TOO_LARGE: mqtt_reason = 0x95;
/// Message rate too high.
pub const MQTT_RC_MESSAGE_RATE_TOO_HIGH: mqtt_reason = 0x96;
/// Quota exceeded.
pub const MQTT_RC_QUOTA_EXCEEDED: mqtt_reason = 0x97;
/// Administrative action.
pub const MQTT_RC_ADMINISTRATIVE_ACTION: mqtt_reason = 0x98;
/// Payload format invalid.
pub const MQTT_RC_PAYLOAD_FORMAT_INVALID: mqtt_reason = 0x99;
/// Retained messages not supported.
pub const MQTT_RC_RETAIN_NOT_SUPPORTED: mqtt_reason = 0x9A;
/// QoS not supported.
pub const MQTT_RC_QOS_NOT_SUPPORTED: mqtt_reason = 0x9B;
/// Use another server.
pub const MQTT_RC_USE_ANOTHER_SERVER: mqtt_reason = 0x9C;
/// Server moved.
pub const MQTT_RC_SERVER_MOVED: mqtt_reason = 0x9D;
/// Shared subscriptions not supported.
pub const MQTT_RC_SHARED_SUBS_NOT_SUPPORTED: mqtt_reason = 0x9E;
/// Connection rate exceeded.
pub const MQTT_RC_CONNECTION_RATE_EXCEEDED: mqtt_reason = 0x9F;
/// Maximum connect time.
pub const MQTT_RC_MAXIMUM_CONNECT_TIME: mqtt_reason = 0xA0;
/// Subscription identifiers not supported.
pub const MQTT_RC_SUBSCRIPTION_IDS_NOT_SUPPORTED: mqtt_reason = 0xA1;
/// Wildcard subscriptions not supported.
pub const MQTT_RC_WILDCARD_SUBS_NOT_SUPPORTED: mqtt_reason = 0xA2;

/// The version of the loaded library, to compare with MQTT_VERSION_NUMBER.
#[unsafe(no_mangle)]
pub extern "C" fn mqtt_version() -> u32 {
    MQTT_VERSION_NUMBER
}

/// The version in words, and what the build offers: "0.1.0 tcp tls websocket unix".
#[unsafe(no_mangle)]
pub extern "C" fn mqtt_version_string() -> *const c_char {
    fixed(VERSION_STRING)
}

/// The name of a status, as "MQTT_E_TCP"; never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn mqtt_status_name(status: mqtt_status) -> *const c_char {
    fixed(status_name(status))
}

/// The name of a reason code in the standard, as "Server busy"; never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn mqtt_reason_name(reason: mqtt_reason) -> *const c_char {
    fixed(reason_name(u8::try_from(reason).ok().and_then(ReasonCode::new)))
}

/// This thread's last failure in one sentence; "" if there was none.
///
/// A success does not clear it. The text is valid until the next failing call on this thread.
#[unsafe(no_mangle)]
pub extern "C" fn mqtt_last_error() -> *const c_char {
    last_error()
}

const VERSION_STRING: &CStr = c"0.1.0 tcp tls websocket unix";

fn status_name(status: mqtt_status) -> &'static CStr {
    match status {
        MQTT_OK => c"MQTT_OK",
        MQTT_E_ARG => c"MQTT_E_ARG",
        MQTT_E_NOMEM => c"MQTT_E_NOMEM",
        MQTT_E_UTF8 => c"MQTT_E_UTF8",
        MQTT_E_TOPIC => c"MQTT_E_TOPIC",
        MQTT_E_URL => c"MQTT_E_URL",
        MQTT_E_STATE => c"MQTT_E_STATE",
        MQTT_E_FULL => c"MQTT_E_FULL",
        MQTT_E_TIMEOUT => c"MQTT_E_TIMEOUT",
        MQTT_E_DEADLOCK => c"MQTT_E_DEADLOCK",
        MQTT_E_NOT_FOUND => c"MQTT_E_NOT_FOUND",
        MQTT_E_UNSUPPORTED => c"MQTT_E_UNSUPPORTED",
        MQTT_E_TOO_LARGE => c"MQTT_E_TOO_LARGE",
        MQTT_E_CANCELLED => c"MQTT_E_CANCELLED",
        MQTT_E_EXPIRED => c"MQTT_E_EXPIRED",
        MQTT_E_DROPPED => c"MQTT_E_DROPPED",
        MQTT_E_FORKED => c"MQTT_E_FORKED",
        MQTT_E_DNS => c"MQTT_E_DNS",
        MQTT_E_TCP => c"MQTT_E_TCP",
        MQTT_E_PROXY => c"MQTT_E_PROXY",
        MQTT_E_TLS => c"MQTT_E_TLS",
        MQTT_E_WEBSOCKET => c"MQTT_E_WEBSOCKET",
        MQTT_E_REFUSED => c"MQTT_E_REFUSED",
        MQTT_E_LOST => c"MQTT_E_LOST",
        MQTT_E_KEEPALIVE => c"MQTT_E_KEEPALIVE",
        MQTT_E_PROTOCOL => c"MQTT_E_PROTOCOL",
        MQTT_E_STORE => c"MQTT_E_STORE",
        MQTT_E_AUTH => c"MQTT_E_AUTH",
        MQTT_E_INTERNAL => c"MQTT_E_INTERNAL",
        _ => c"unknown status",
    }
}

fn reason_name(reason: Option<ReasonCode>) -> &'static CStr {
    match reason.map(ReasonCode::code) {
        Some(0x00) => c"Success",
        Some(0x01) => c"Granted QoS 1",
        Some(0x02) => c"Granted QoS 2",
        Some(0x04) => c"Disconnect with Will Message",
        Some(0x10) => c"No matching subscribers",
        Some(0x11) => c"No subscription existed",
        Some(0x18) => c"Continue authentication",
        Some(0x19) => c"Re-authenticate",
        Some(0x80) => c"Unspecified error",
        Some(0x81) => c"Malformed Packet",
        Some(0x82) => c"Protocol Error",
        Some(0x83) => c"Implementation specific error",
        Some(0x84) => c"Unsupported Protocol Version",
        Some(0x85) => c"Client Identifier not valid",
        Some(0x86) => c"Bad User Name or Password",
        Some(0x87) => c"Not authorized",
        Some(0x88) => c"Server unavailable",
        Some(0x89) => c"Server busy",
        Some(0x8A) => c"Banned",
        Some(0x8B) => c"Server shutting down",
        Some(0x8C) => c"Bad authentication method",
        Some(0x8D) => c"Keep Alive timeout",
        Some(0x8E) => c"Session taken over",
        Some(0x8F) => c"Topic Filter invalid",
        Some(0x90) => c"Topic Name invalid",
        Some(0x91) => c"Packet Identifier in use",
        Some(0x92) => c"Packet Identifier not found",
        Some(0x93) => c"Receive Maximum exceeded",
        Some(0x94) => c"Topic Alias invalid",
        Some(0x95) => c"Packet too large",
        Some(0x96) => c"Message rate too high",
        Some(0x97) => c"Quota exceeded",
        Some(0x98) => c"Administrative action",
        Some(0x99) => c"Payload format invalid",
        Some(0x9A) => c"Retain not supported",
        Some(0x9B) => c"QoS not supported",
        Some(0x9C) => c"Use another server",
        Some(0x9D) => c"Server moved",
        Some(0x9E) => c"Shared Subscriptions not supported",
        Some(0x9F) => c"Connection rate exceeded",
        Some(0xA0) => c"Maximum connect time",
        Some(0xA1) => c"Subscription Identifiers not supported",
        Some(0xA2) => c"Wildcard Subscriptions not supported",
        _ => c"unknown reason",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_those_of_the_package() {
        let numbers = |shift: u32| MQTT_VERSION_NUMBER >> shift & 0xFF;
        let version = format!("{}.{}.{}", numbers(16), numbers(8), numbers(0));
        assert_eq!(version, env!("CARGO_PKG_VERSION"));
        assert!(VERSION_STRING.to_str().unwrap().starts_with(&version));
    }

    #[test]
    fn every_reason_has_its_name() {
        for reason in ReasonCode::ALL {
            assert_eq!(reason_name(Some(*reason)).to_str(), Ok(reason.name()));
        }
    }
}
