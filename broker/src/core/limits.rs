//! Everything that is bounded, with its name and what it is unless configured.

use std::time::Duration;

use mqtt_protocol::{QoS, ReasonCode};

/// The longest client id that no limit forbids, in bytes. [MQTT-3.1.3-5]
const SHORT_CLIENT_ID: usize = 23;

/// What a broker grants its clients.
#[derive(Clone, Debug)]
pub struct Limits {
    /// How long a connection may take until its CONNECT is complete and its client has proved who
    /// it is.
    pub connect_timeout: Duration,
    /// The largest CONNECT, in bytes.
    pub maximum_connect_size: usize,
    /// The largest packet, in bytes; announced in CONNACK, exceeding it is 0x95.
    pub maximum_packet_size: u32,
    /// The longest client id, in bytes; exceeding it is 0x85. Of 23 bytes it may be in any case.
    pub maximum_client_id_length: usize,
    /// The highest QoS that clients may publish with; announced in CONNACK, exceeding it is 0x9B.
    pub maximum_qos: QoS,
    /// Whether messages are retained; if not, that is announced in CONNACK, and one that should be
    /// is 0x9A.
    pub retain_available: bool,
    /// How many QoS 1 and 2 messages a client may have unfinished; exceeding it is 0x93.
    pub receive_maximum: u16,
    /// How many QoS 1 and 2 messages are unfinished towards a client, at most.
    pub maximum_in_flight: u16,
    /// How many topic aliases a client may define; exceeding it is 0x94.
    pub topic_alias_maximum: u16,
    /// How many topic aliases are defined towards a client, at most.
    pub maximum_sent_aliases: u16,
    /// The longest topic name or filter, in bytes; exceeding it is 0x90 or 0x8F.
    pub maximum_topic_length: usize,
    /// The most levels of a topic name or filter; exceeding it is 0x90 or 0x8F.
    pub maximum_topic_levels: usize,
    /// How many subscriptions a session may have, or ask for at once; exceeding it is 0x97.
    pub maximum_subscriptions: usize,
    /// How many messages wait in a session, at most; further ones are dropped.
    pub maximum_queued_messages: usize,
    /// How many bytes of payload wait in a session, at most; further messages are dropped.
    pub maximum_queued_bytes: usize,
    /// How many bytes wait to be written to one client before QoS 0 messages are dropped.
    pub maximum_outbox: usize,
    /// How many retained messages there are, at most; a further one is refused with 0x97, as is
    /// a subscription of a session in which more of them wait.
    pub maximum_retained_messages: usize,
    /// The longest a session outlives its connection; longer wishes are cut to it.
    pub maximum_session_expiry: Duration,
    /// How many sessions there are, at most; a further one is refused with 0x97.
    pub maximum_sessions: usize,
    /// How many passwords are checked at once; each check takes a core and 19 MiB.
    pub maximum_password_checks: usize,
    /// How many passwords wait to be checked, at most; a further one is refused with 0x89.
    pub maximum_password_queue: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            maximum_connect_size: 16 * 1024,
            maximum_packet_size: 1024 * 1024,
            maximum_client_id_length: 1024,
            maximum_qos: QoS::ExactlyOnce,
            retain_available: true,
            receive_maximum: 1024,
            maximum_in_flight: 1024,
            topic_alias_maximum: 64,
            maximum_sent_aliases: 64,
            maximum_topic_length: 1024,
            maximum_topic_levels: 128,
            maximum_subscriptions: 1000,
            maximum_queued_messages: 1000,
            maximum_queued_bytes: 1024 * 1024,
            maximum_outbox: 1024 * 1024,
            maximum_retained_messages: 10_000,
            maximum_session_expiry: Duration::from_secs(7 * 24 * 60 * 60),
            maximum_sessions: 10_000,
            maximum_password_checks: 2,
            maximum_password_queue: 64,
        }
    }
}

impl Limits {
    /// Whether a client id is not too long.
    pub(super) fn allow_client_id(&self, client_id: &str) -> bool {
        client_id.len() <= self.maximum_client_id_length.max(SHORT_CLIENT_ID)
    }

    /// Whether messages may be published with this QoS and RETAIN flag. [MQTT-3.2.2-12]
    /// [MQTT-3.2.2-13]
    pub(super) fn check_message(&self, qos: QoS, retain: bool) -> Result<(), ReasonCode> {
        if qos > self.maximum_qos {
            return Err(ReasonCode::QoSNotSupported);
        }
        if retain && !self.retain_available {
            return Err(ReasonCode::RetainNotSupported);
        }
        Ok(())
    }

    /// Whether a topic name or filter is neither too long nor too deep.
    pub(super) fn allow_topic(&self, topic: &str) -> bool {
        topic.len() <= self.maximum_topic_length
            && topic.bytes().filter(|&byte| byte == b'/').count() < self.maximum_topic_levels
    }
}
