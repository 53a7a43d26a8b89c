//! The versions of the protocol that can be on the wire.

use std::fmt;

/// Which version's form packets have. What they mean is always said in terms of 5.0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Version {
    /// MQTT 3.1.
    V3_1,
    /// MQTT 3.1.1.
    V3_1_1,
    /// MQTT 5.0.
    #[default]
    V5_0,
}

impl Version {
    /// The protocol's name and level in CONNECT.
    pub(crate) const fn name_and_level(self) -> (&'static [u8], u8) {
        match self {
            Self::V3_1 => (b"MQIsdp", 3),
            Self::V3_1_1 => (b"MQTT", 4),
            Self::V5_0 => (b"MQTT", 5),
        }
    }

    /// The version that a CONNECT names. [MQTT-3.1.2-1] [MQTT-3.1.2-2]
    pub(crate) fn from_name_and_level(name: &[u8], level: u8) -> Option<Self> {
        let all = [Self::V3_1, Self::V3_1_1, Self::V5_0];
        all.into_iter().find(|version| version.name_and_level() == (name, level))
    }

    /// Whether packets have properties, and reason codes beyond CONNACK and SUBACK.
    pub const fn has_properties(self) -> bool {
        matches!(self, Self::V5_0)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V3_1 => "3.1",
            Self::V3_1_1 => "3.1.1",
            Self::V5_0 => "5.0",
        })
    }
}
