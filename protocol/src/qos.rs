//! Quality of service and packet identifiers.

use std::fmt;
use std::num::NonZeroU16;

/// How hard a message is delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum QoS {
    /// QoS 0: sent once, not acknowledged.
    #[default]
    AtMostOnce = 0,
    /// QoS 1: acknowledged, may arrive again.
    AtLeastOnce = 1,
    /// QoS 2: acknowledged in two steps, arrives once.
    ExactlyOnce = 2,
}

impl QoS {
    /// The QoS with this number; 3 and above do not exist.
    pub const fn new(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::AtMostOnce),
            1 => Some(Self::AtLeastOnce),
            2 => Some(Self::ExactlyOnce),
            _ => None,
        }
    }
}

/// The highest QoS of a server that does not take QoS 2. [MQTT-3.2.2-9]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum MaximumQoS {
    /// Only QoS 0.
    AtMostOnce = 0,
    /// QoS 0 and 1.
    AtLeastOnce = 1,
}

impl MaximumQoS {
    /// What has to be said of a server whose highest QoS this is: of one that takes QoS 2, nothing.
    pub const fn below(highest: QoS) -> Option<Self> {
        match highest {
            QoS::AtMostOnce => Some(Self::AtMostOnce),
            QoS::AtLeastOnce => Some(Self::AtLeastOnce),
            QoS::ExactlyOnce => None,
        }
    }
}

impl From<MaximumQoS> for QoS {
    fn from(maximum: MaximumQoS) -> Self {
        match maximum {
            MaximumQoS::AtMostOnce => Self::AtMostOnce,
            MaximumQoS::AtLeastOnce => Self::AtLeastOnce,
        }
    }
}

impl fmt::Display for QoS {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (*self as u8).fmt(f)
    }
}

/// Names one exchange that is under way; never 0. [MQTT-2.2.1-3] [MQTT-2.2.1-4]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PacketId(NonZeroU16);

impl PacketId {
    /// The identifier 1.
    pub const FIRST: Self = Self(NonZeroU16::MIN);

    /// The identifier with this number, unless it is 0.
    pub const fn new(number: u16) -> Option<Self> {
        match NonZeroU16::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// Its number.
    pub const fn number(self) -> u16 {
        self.0.get()
    }

    /// The identifier after this one; 1 follows 65,535.
    #[must_use]
    pub const fn next(self) -> Self {
        match self.0.checked_add(1) {
            Some(number) => Self(number),
            None => Self::FIRST,
        }
    }

    /// How many steps of [`next`](Self::next) lead from `earlier` to this one.
    pub const fn steps_from(self, earlier: Self) -> u16 {
        let (number, earlier) = (self.0.get(), earlier.0.get());
        if number >= earlier { number - earlier } else { number + (u16::MAX - earlier) }
    }
}

impl fmt::Display for PacketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u16) -> PacketId {
        PacketId::new(number).unwrap()
    }

    #[test]
    fn identifiers_wrap_from_65535_to_1() {
        assert_eq!(id(65_535).next(), id(1));
        assert_eq!(id(1).steps_from(id(65_535)), 1);
        assert_eq!(id(3).steps_from(id(65_534)), 4);
        assert_eq!(id(7).steps_from(id(7)), 0);
        assert_eq!(id(65_535).steps_from(id(1)), 65_534);
    }

    #[test]
    fn there_is_no_qos_3() {
        assert_eq!(QoS::new(3), None);
    }
}
