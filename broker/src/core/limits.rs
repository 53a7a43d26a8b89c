//! Everything that is bounded, with its name and what it is unless configured.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use mqtt_protocol::{Connect, QoS, ReasonCode};

/// The longest client id that no limit forbids, in bytes. [MQTT-3.1.3-5]
const SHORT_CLIENT_ID: usize = 23;

/// Makes the limits from a table: what each is for, its name, its type, and its default.
macro_rules! limits {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $default:expr,)*) => {
        /// What a broker grants its clients.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Limits {
            $($(#[$doc])* pub $name: $type,)*
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        impl Limits {
            /// The names of all limits.
            pub const NAMES: &[&str] = &[$(stringify!($name)),*];

            /// Sets a limit by its name, in which a hyphen may stand for an underscore.
            ///
            /// # Errors
            /// There is no such limit, or the value is not one it can have.
            pub fn set(&mut self, name: &str, value: &str) -> Result<(), InvalidLimit> {
                match name.replace('-', "_").as_str() {
                    $(stringify!($name) => {
                        self.$name = Value::parse(value).ok_or_else(|| InvalidLimit::Value {
                            name: name.into(),
                            expected: <$type as Value>::FORM,
                        })?;
                    })*
                    _ => return Err(InvalidLimit::Name(name.into())),
                }
                Ok(())
            }
        }
    };
}

limits! {
    /// How many connections there are, at most; a further one is closed at once. The shell sees to
    /// this, which knows of connections before they say anything.
    maximum_connections: usize = 65_536,
    /// How many connections of one address, or of one IPv6 network of 64 bits, there are, at most;
    /// a further one is closed at once. Connections of this machine are not counted.
    maximum_connections_per_address: usize = 32,
    /// How many connections come from one address in a second, at most; further ones are closed at
    /// once.
    maximum_arrivals_per_address: u32 = 32,
    /// How many connections have not said who they are, at most; for a further one that which has
    /// taken longest is closed.
    maximum_unconnected: usize = 2000,
    /// How long a connection may take until its CONNECT is complete and its client has proved who
    /// it is.
    connect_timeout: Duration = Duration::from_secs(10),
    /// The largest CONNECT, in bytes.
    maximum_connect_size: usize = 16 * 1024,
    /// How many packets a client sends in a second, acknowledgements aside, before it is read no
    /// further for a while. Clients of this machine are not measured.
    maximum_requests_per_second: u32 = 500,
    /// How many bytes a client sends in a second, before it is read no further for a while.
    maximum_bytes_per_second: u32 = 1024 * 1024,
    /// The largest packet, in bytes; announced in CONNACK, exceeding it is 0x95.
    maximum_packet_size: u32 = 1024 * 1024,
    /// The longest client id, in bytes; exceeding it is 0x85. Of 23 bytes it may be in any case.
    maximum_client_id_length: usize = 1024,
    /// The highest QoS that clients may publish with; announced in CONNACK, exceeding it is 0x9B.
    maximum_qos: QoS = QoS::ExactlyOnce,
    /// Whether messages are retained; if not, that is announced in CONNACK, and one that should be
    /// is 0x9A.
    retain_available: bool = true,
    /// The longest keep alive of a 5.0 client, in seconds: CONNACK cuts longer ones to it, and none.
    /// 65535 cuts nothing.
    maximum_keep_alive_secs: u16 = u16::MAX,
    /// How many QoS 1 and 2 messages a client may have unfinished; exceeding it is 0x93.
    receive_maximum: u16 = 1024,
    /// How many QoS 1 and 2 messages are unfinished towards a client, at most.
    maximum_in_flight: u16 = 1024,
    /// How many topic aliases a client may define; exceeding it is 0x94.
    topic_alias_maximum: u16 = 64,
    /// How many topic aliases are defined towards a client, at most.
    maximum_sent_aliases: u16 = 64,
    /// The longest topic name or filter, in bytes; exceeding it is 0x90 or 0x8F.
    maximum_topic_length: usize = 1024,
    /// The most levels of a topic name or filter; exceeding it is 0x90 or 0x8F.
    maximum_topic_levels: usize = 128,
    /// How many subscriptions a session may have, or ask for at once; exceeding it is 0x97.
    maximum_subscriptions: usize = 1000,
    /// How many messages wait in a session, at most; further ones are dropped.
    maximum_queued_messages: usize = 1000,
    /// How many bytes of payload wait in a session, at most; further messages are dropped.
    maximum_queued_bytes: usize = 1024 * 1024,
    /// How many bytes wait to be written to one client before QoS 0 messages are dropped.
    maximum_outbox: usize = 1024 * 1024,
    /// How long a client may take nothing of what is sent to it, and not even acknowledge the bytes,
    /// until the system ends the connection. The shell sees to this.
    write_timeout: Duration = Duration::from_secs(30),
    /// How many retained messages there are, at most; a further one is refused with 0x97, as is
    /// a subscription of a session in which more of them wait.
    maximum_retained_messages: usize = 10_000,
    /// The largest message that is retained, topic and properties included; a larger one is refused
    /// with 0x97.
    maximum_retained_size: usize = 64 * 1024,
    /// How many bytes of messages are retained, at most; one beyond is refused with 0x97.
    maximum_retained_bytes: usize = 64 * 1024 * 1024,
    /// The longest a session outlives its connection; longer wishes are cut to it.
    maximum_session_expiry: Duration = Duration::from_secs(7 * 24 * 60 * 60),
    /// How many sessions there are, at most; a further one is refused with 0x97.
    maximum_sessions: usize = 10_000,
    /// How many bytes of memory the process may have before new sessions, subscriptions and messages
    /// of QoS 1 and 2 are refused with 0x97. It is never more than three quarters of what its
    /// service or machine has.
    maximum_memory: usize = usize::MAX,
    /// How many passwords are checked at once; each check takes a core and 19 MiB.
    maximum_password_checks: usize = 2,
    /// How many passwords wait to be checked, at most; a further one is refused with 0x89.
    maximum_password_queue: usize = 64,
    /// How many wrong passwords an address may send in a minute; further ones are not looked at and
    /// refused with 0x9F.
    maximum_failed_logins_per_address: u32 = 5,
    /// How many wrong passwords may be tried on a user in a minute; from addresses where the right one
    /// has not come from, further ones are not looked at and refused with 0x9F.
    maximum_failed_logins_per_user: u32 = 10,
}

/// Why a limit cannot be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvalidLimit {
    /// There is none of this name.
    Name(String),
    /// It cannot have this value.
    Value {
        /// The limit.
        name: String,
        /// What its value looks like.
        expected: &'static str,
    },
}

impl fmt::Display for InvalidLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => {
                write!(f, "there is no limit {name}; there are")?;
                for (index, name) in Limits::NAMES.iter().enumerate() {
                    let comma = if index == 0 { "" } else { "," };
                    write!(f, "{comma} {}", name.replace('_', "-"))?;
                }
                Ok(())
            }
            Self::Value { name, expected } => write!(f, "{name} is {expected}"),
        }
    }
}

impl Error for InvalidLimit {}

/// A type of limit, as an operator writes it.
trait Value: Sized {
    /// What the text looks like.
    const FORM: &str;

    fn parse(text: &str) -> Option<Self>;
}

macro_rules! whole_numbers {
    ($($type:ty: $form:literal),*) => {
        $(impl Value for $type {
            const FORM: &str = $form;

            fn parse(text: &str) -> Option<Self> {
                text.parse().ok()
            }
        })*
    };
}

whole_numbers! {
    u16: "a number up to 65535",
    u32: "a number up to 4294967295",
    usize: "a number"
}

impl Value for Duration {
    const FORM: &str = "a time such as 90s, 5m, 12h or 7d";

    fn parse(text: &str) -> Option<Self> {
        let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let secs = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 60 * 60,
            "d" => 24 * 60 * 60,
            _ => return None,
        };
        let secs = number.parse::<u32>().ok().map(|number| u64::from(number) * secs)?;
        Some(Self::from_secs(secs))
    }
}

impl Value for QoS {
    const FORM: &str = "0, 1 or 2";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok().and_then(Self::new)
    }
}

impl Value for bool {
    const FORM: &str = "yes or no";

    fn parse(text: &str) -> Option<Self> {
        match text {
            "yes" => Some(true),
            "no" => Some(false),
            _ => None,
        }
    }
}

impl Limits {
    /// Whether a client id is not too long.
    pub(super) fn allow_client_id(&self, client_id: &str) -> bool {
        client_id.len() <= self.maximum_client_id_length.max(SHORT_CLIENT_ID)
    }

    /// The keep alive that CONNACK names in place of what the client has asked for, in seconds.
    /// [MQTT-3.2.2-22]
    pub(super) fn server_keep_alive(&self, connect: &Connect<'_>) -> Option<u16> {
        let maximum = self.maximum_keep_alive_secs;
        let is_longer = connect.keep_alive_secs == 0 || connect.keep_alive_secs > maximum;
        // To a client of an older version it could not be said.
        let is_cut = is_longer && maximum < u16::MAX && connect.version.has_properties();
        is_cut.then_some(maximum)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_has_a_name_to_set_it_by() {
        for name in Limits::NAMES {
            let values = ["1", "1s", "yes"];
            let mut limits = Limits::default();
            let set = values.iter().filter(|value| limits.set(name, value).is_ok()).count();
            assert_eq!(set, 1, "{name}");
        }
        let mut limits = Limits::default();
        limits.set("maximum-sessions", "7").unwrap();
        limits.set("maximum_session_expiry", "2d").unwrap();
        let expected = Limits {
            maximum_sessions: 7,
            maximum_session_expiry: Duration::from_secs(172_800),
            ..Limits::default()
        };
        assert_eq!(limits, expected);
    }

    #[test]
    fn wrong_names_and_values_say_what_is_right() {
        let mut limits = Limits::default();
        let error = limits.set("maximum-qos", "3").unwrap_err();
        assert_eq!(error.to_string(), "maximum-qos is 0, 1 or 2");
        for (name, value) in
            [("connect-timeout", ""), ("connect-timeout", "s"), ("connect-timeout", "5ä")]
        {
            let error = limits.set(name, value).unwrap_err();
            assert!(error.to_string().contains("90s"), "{error}");
        }
        let error = limits.set("sessions", "7").unwrap_err();
        assert!(error.to_string().contains("maximum-sessions,"), "{error}");
        assert_eq!(limits, Limits::default());
    }
}
