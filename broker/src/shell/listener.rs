//! Where the broker listens: addresses as URLs.

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;

/// An address to listen on, as in `mqtt://127.0.0.1:1883`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    host: String,
    port: u16,
}

/// The port registered for MQTT.
const DEFAULT_PORT: u16 = 1883;

impl Address {
    /// The loopback address that needs no configuration.
    pub fn loopback() -> Self {
        Self { host: "127.0.0.1".into(), port: DEFAULT_PORT }
    }

    /// The socket addresses it stands for.
    ///
    /// # Errors
    /// The host is unknown.
    pub fn resolve(&self) -> std::io::Result<Vec<SocketAddr>> {
        Ok((self.host.as_str(), self.port).to_socket_addrs()?.collect())
    }

    /// Whether only programs of this machine can reach it.
    ///
    /// # Errors
    /// The host is unknown.
    pub fn is_loopback(&self) -> std::io::Result<bool> {
        Ok(self.resolve()?.iter().all(|address| address.ip().is_loopback()))
    }
}

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        let (scheme, rest) = url.split_once("://").ok_or(InvalidAddress::NoScheme)?;
        if scheme != "mqtt" {
            return Err(InvalidAddress::UnknownScheme(scheme.into()));
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => {
                let port = port.parse().map_err(|_| InvalidAddress::Port(port.into()))?;
                (host, port)
            }
            _ => (rest, DEFAULT_PORT),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if host.is_empty() || host.contains(':') && host.parse::<IpAddr>().is_err() {
            return Err(InvalidAddress::Host(host.into()));
        }
        Ok(Self { host: host.into(), port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "mqtt://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "mqtt://{}:{}", self.host, self.port)
        }
    }
}

/// Why a text is no address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvalidAddress {
    /// There is no `://` in it.
    NoScheme,
    /// The broker does not speak this.
    UnknownScheme(String),
    /// This is no host.
    Host(String),
    /// This is no port.
    Port(String),
}

impl fmt::Display for InvalidAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoScheme => f.write_str("expected an address like mqtt://127.0.0.1:1883"),
            Self::UnknownScheme(scheme) => write!(f, "unknown scheme {scheme:?}, expected mqtt"),
            Self::Host(host) => write!(f, "{host:?} is no host"),
            Self::Port(port) => write!(f, "{port:?} is no port"),
        }
    }
}

impl Error for InvalidAddress {}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<String, InvalidAddress> {
        url.parse().map(|address: Address| address.to_string())
    }

    #[test]
    fn addresses_are_urls() {
        assert_eq!(parse("mqtt://localhost:1884").unwrap(), "mqtt://localhost:1884");
        assert_eq!(parse("mqtt://0.0.0.0").unwrap(), "mqtt://0.0.0.0:1883");
        assert_eq!(parse("mqtt://[::1]:0/").unwrap(), "mqtt://[::1]:0");
        assert_eq!(parse("mqtt://[::1]").unwrap(), "mqtt://[::1]:1883");
    }

    #[test]
    fn what_is_wrong_with_an_address_is_said() {
        assert_eq!(parse("localhost"), Err(InvalidAddress::NoScheme));
        assert_eq!(parse("http://a"), Err(InvalidAddress::UnknownScheme("http".into())));
        assert_eq!(parse("mqtt://a:b"), Err(InvalidAddress::Port("b".into())));
        assert_eq!(parse("mqtt://:1883"), Err(InvalidAddress::Host(String::new())));
    }
}
