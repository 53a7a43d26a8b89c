//! Where the broker listens: addresses as URLs.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// An address to listen on, as in `mqtt://127.0.0.1:1883` or `unix:///run/mqtt.sock`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A host, or an address of it, and a port.
    Network {
        /// What is spoken there.
        scheme: Scheme,
        /// The host.
        host: String,
        /// The port; 0 lets the system choose.
        port: u16,
    },
    /// A path in the file system; plain MQTT is spoken there.
    Unix(PathBuf),
}

/// What is spoken at a network address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `mqtt`: MQTT over TCP.
    Mqtt,
    /// `mqtts`: MQTT over TLS.
    Mqtts,
    /// `ws`: MQTT over WebSocket.
    Ws,
    /// `wss`: MQTT over WebSocket over TLS.
    Wss,
}

impl Scheme {
    const ALL: [Self; 4] = [Self::Mqtt, Self::Mqtts, Self::Ws, Self::Wss];

    /// Its name in a URL.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mqtt => "mqtt",
            Self::Mqtts => "mqtts",
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }

    /// The port that is registered for it.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Mqtt => 1883,
            Self::Mqtts => 8883,
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }

    /// Whether it needs a certificate.
    pub const fn is_encrypted(self) -> bool {
        matches!(self, Self::Mqtts | Self::Wss)
    }

    /// Whether MQTT is carried in WebSocket frames.
    pub const fn is_websocket(self) -> bool {
        matches!(self, Self::Ws | Self::Wss)
    }
}

impl Address {
    /// The loopback address that needs no configuration.
    pub fn loopback() -> Self {
        let scheme = Scheme::Mqtt;
        Self::Network { scheme, host: "127.0.0.1".into(), port: scheme.default_port() }
    }

    /// Whether only programs of this machine can reach it.
    ///
    /// # Errors
    /// The host is unknown.
    pub fn is_local(&self) -> io::Result<bool> {
        match self {
            Self::Network { host, port, .. } => {
                let addresses = resolve(host, *port)?;
                Ok(addresses.iter().all(|address| address.ip().is_loopback()))
            }
            Self::Unix(_) => Ok(true),
        }
    }

    /// Whether MQTT is carried in WebSocket frames there.
    pub const fn is_websocket(&self) -> bool {
        matches!(self, Self::Network { scheme, .. } if scheme.is_websocket())
    }

    /// Whether it needs a certificate.
    pub const fn is_encrypted(&self) -> bool {
        matches!(self, Self::Network { scheme, .. } if scheme.is_encrypted())
    }
}

/// The socket addresses of a host.
///
/// # Errors
/// The host is unknown.
pub(super) fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok((host, port).to_socket_addrs()?.collect())
}

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        let (name, rest) = url.split_once("://").ok_or(InvalidAddress::NoScheme)?;
        if name == "unix" {
            let path = Path::new(rest);
            let is_path = path.is_absolute() && path.file_name().is_some();
            return is_path
                .then(|| Self::Unix(path.into()))
                .ok_or_else(|| InvalidAddress::Path(rest.into()));
        }
        let scheme = Scheme::ALL.into_iter().find(|scheme| scheme.name() == name);
        let scheme = scheme.ok_or_else(|| InvalidAddress::UnknownScheme(name.into()))?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => {
                let port = port.parse().map_err(|_| InvalidAddress::Port(port.into()))?;
                (host, port)
            }
            _ => (rest, scheme.default_port()),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let is_host = !host.is_empty() && !host.contains('/');
        if !is_host || host.contains(':') && host.parse::<IpAddr>().is_err() {
            return Err(InvalidAddress::Host(host.into()));
        }
        Ok(Self::Network { scheme, host: host.into(), port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network { scheme, host, port } if host.contains(':') => {
                write!(f, "{}://[{host}]:{port}", scheme.name())
            }
            Self::Network { scheme, host, port } => {
                write!(f, "{}://{host}:{port}", scheme.name())
            }
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
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
    /// This is no absolute path of a socket.
    Path(String),
}

impl fmt::Display for InvalidAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoScheme => f.write_str("expected an address like mqtt://127.0.0.1:1883"),
            Self::UnknownScheme(scheme) => {
                write!(f, "unknown scheme {scheme:?}, expected mqtt, mqtts, ws, wss or unix")
            }
            Self::Host(host) => write!(f, "{host:?} is no host"),
            Self::Port(port) => write!(f, "{port:?} is no port"),
            Self::Path(path) => write!(f, "{path:?} is no absolute path, as in unix:///run/a.sock"),
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
        assert_eq!(parse("mqtts://[::1]:0/").unwrap(), "mqtts://[::1]:0");
        assert_eq!(parse("mqtts://[::1]").unwrap(), "mqtts://[::1]:8883");
        assert_eq!(parse("wss://a").unwrap(), "wss://a:443");
        assert_eq!(parse("unix:///run/mqtt.sock").unwrap(), "unix:///run/mqtt.sock");
    }

    #[test]
    fn what_is_wrong_with_an_address_is_said() {
        assert_eq!(parse("localhost"), Err(InvalidAddress::NoScheme));
        assert_eq!(parse("http://a"), Err(InvalidAddress::UnknownScheme("http".into())));
        assert_eq!(parse("mqtt://a:b"), Err(InvalidAddress::Port("b".into())));
        assert_eq!(parse("mqtt://:1883"), Err(InvalidAddress::Host(String::new())));
        assert_eq!(parse("ws://a/mqtt"), Err(InvalidAddress::Host("a/mqtt".into())));
        assert_eq!(parse("unix://run"), Err(InvalidAddress::Path("run".into())));
    }
}
