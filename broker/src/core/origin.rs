//! Where a connection is from.

use ::core::net::IpAddr;

/// Where a connection is from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// This machine: rates and the limits of an address are not for it.
    #[default]
    Local,
    /// Another machine, at this address.
    Remote(IpAddr),
}

impl Origin {
    /// Where a connection from an address is from.
    pub fn of(address: IpAddr) -> Self {
        let address = address.to_canonical();
        if address.is_loopback() { Self::Local } else { Self::Remote(address) }
    }

    /// Who answers for it; for this machine nobody has to.
    pub fn block(self) -> Option<Block> {
        match self {
            Self::Local => None,
            Self::Remote(IpAddr::V4(address)) => Some(Block::V4(address.to_bits())),
            Self::Remote(IpAddr::V6(address)) => Some(Block::V6((address.to_bits() >> 64) as u64)),
        }
    }
}

/// The addresses that one household or server has, to be counted as one: an IPv4 address, or an
/// IPv6 network of 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Block {
    /// One address.
    V4(u32),
    /// All addresses that begin with these 64 bits.
    V6(u64),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(address: &str) -> Option<Block> {
        Origin::of(address.parse().unwrap()).block()
    }

    #[test]
    fn a_block_is_an_address_or_a_network_of_64_bits() {
        assert_eq!(block("192.0.2.1"), block("::ffff:192.0.2.1"));
        assert_ne!(block("192.0.2.1"), block("192.0.2.2"));
        assert_eq!(block("2001:db8::1"), block("2001:db8::ffff:1"));
        assert_ne!(block("2001:db8::1"), block("2001:db8:0:1::1"));
    }

    #[test]
    fn this_machine_is_no_block() {
        for address in ["127.0.0.1", "127.3.2.1", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(block(address), None);
        }
    }
}
