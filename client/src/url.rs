//! Server URLs: which transport, where, and who.

use crate::{Error, ErrorKind};

/// Where a server is, and what carries MQTT there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Server {
    /// On the network.
    Network {
        /// A name or an address.
        host: String,
        /// The port.
        port: u16,
        /// Whether all is carried in TLS.
        is_encrypted: bool,
        /// What the HTTP server is asked for, if MQTT is carried in WebSocket frames.
        websocket_path: Option<String>,
    },
    /// MQTT over a Unix socket.
    Unix {
        /// The socket's path.
        path: String,
    },
}

/// A server with who logs in there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServerUrl {
    pub(crate) server: Server,
    pub(crate) user_name: Option<String>,
    pub(crate) password: Option<String>,
}

/// What a scheme stands for.
struct Scheme {
    name: &'static str,
    default_port: u16,
    is_encrypted: bool,
    is_websocket: bool,
}

const SCHEMES: [Scheme; 5] = [
    Scheme { name: "mqtt", default_port: 1883, is_encrypted: false, is_websocket: false },
    Scheme { name: "tcp", default_port: 1883, is_encrypted: false, is_websocket: false },
    Scheme { name: "mqtts", default_port: 8883, is_encrypted: true, is_websocket: false },
    Scheme { name: "ws", default_port: 80, is_encrypted: false, is_websocket: true },
    Scheme { name: "wss", default_port: 443, is_encrypted: true, is_websocket: true },
];

/// Where brokers expect WebSocket clients.
const DEFAULT_WEBSOCKET_PATH: &str = "/mqtt";

impl ServerUrl {
    /// Reads `SCHEME://[USER[:PASSWORD]@]HOST[:PORT][/PATH]` or `unix:///PATH`.
    pub(crate) fn parse(url: &str) -> Result<Self, Error> {
        let (name, rest) = url.split_once("://").ok_or(wrong("a URL begins with a scheme"))?;
        if name == "unix" {
            return Self::parse_unix(rest);
        }
        let scheme = SCHEMES.iter().find(|scheme| scheme.name == name);
        scheme.ok_or(wrong("the scheme is none of mqtt, mqtts, ws, wss, unix"))?.parse(rest)
    }

    fn parse_unix(path: &str) -> Result<Self, Error> {
        if !path.starts_with('/') || path.len() == 1 {
            return Err(wrong("a Unix socket is unix:///PATH"));
        }
        let server = Server::Unix { path: decode(path)? };
        Ok(Self { server, user_name: None, password: None })
    }
}

impl Scheme {
    /// Reads what follows the scheme.
    fn parse(&self, rest: &str) -> Result<ServerUrl, Error> {
        let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let websocket_path = self.websocket_path(tail)?;
        let (user_info, place) = match authority.rsplit_once('@') {
            Some((user_info, place)) => (Some(user_info), place),
            None => (None, authority),
        };
        let (user_name, password) = match user_info.map(|info| info.split_once(':').ok_or(info)) {
            None => (None, None),
            Some(Ok((name, password))) => (Some(decode(name)?), Some(decode(password)?)),
            Some(Err(name)) => (Some(decode(name)?), None),
        };
        let (host, port) = host_and_port(place)?;
        let (port, is_encrypted) = (port.unwrap_or(self.default_port), self.is_encrypted);
        let server = Server::Network { host, port, is_encrypted, websocket_path };
        Ok(ServerUrl { server, user_name, password })
    }

    fn websocket_path(&self, tail: &str) -> Result<Option<String>, Error> {
        match tail {
            "" | "/" if !self.is_websocket => Ok(None),
            _ if !self.is_websocket => Err(wrong("nothing may follow host and port")),
            _ if !tail.bytes().all(|byte| byte.is_ascii_graphic()) => {
                Err(wrong("a path is ASCII without spaces; others are written as %41"))
            }
            _ if tail.contains('#') => Err(wrong("a server knows no #fragment")),
            _ if tail.starts_with('/') => Ok(Some(tail.to_owned())),
            _ => Ok(Some(format!("{DEFAULT_WEBSOCKET_PATH}{tail}"))),
        }
    }
}

fn host_and_port(place: &str) -> Result<(String, Option<u16>), Error> {
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or(wrong("a [ without its ]"))?;
            (host, port)
        }
        None => place.split_at(place.find(':').unwrap_or(place.len())),
    };
    if host.is_empty() {
        return Err(wrong("the host is missing"));
    }
    if host.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(wrong("a host has no spaces"));
    }
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => return Ok((host.to_owned(), None)),
        None => return Err(wrong("only a port may follow the host")),
        Some(digits) => digits.parse().ok().filter(|&port| port != 0),
    };
    let port = port.ok_or(wrong("the port is a number from 1 to 65535"))?;
    Ok((host.to_owned(), Some(port)))
}

/// Undoes `%41`.
fn decode(text: &str) -> Result<String, Error> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        match (digit(), digit()) {
            (Some(high), Some(low)) => bytes.push((high << 4 | low) as u8),
            _ => return Err(wrong("% is followed by two hexadecimal digits")),
        }
    }
    String::from_utf8(bytes).map_err(|_| wrong("the text is not UTF-8"))
}

fn wrong(detail: &'static str) -> Error {
    Error::new(ErrorKind::Url, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Host, port, whether it is encrypted, and the path for WebSocket.
    fn place(url: &str) -> (String, u16, bool, Option<String>) {
        match ServerUrl::parse(url).unwrap().server {
            Server::Network { host, port, is_encrypted, websocket_path } => {
                (host, port, is_encrypted, websocket_path)
            }
            Server::Unix { .. } => panic!("{url} is on the network"),
        }
    }

    fn plain(host: &str, port: u16) -> (String, u16, bool, Option<String>) {
        (host.into(), port, false, None)
    }

    #[test]
    fn host_and_port_are_found() {
        assert_eq!(place("mqtt://localhost"), plain("localhost", 1883));
        assert_eq!(place("mqtt://10.0.0.1:18830/"), plain("10.0.0.1", 18830));
        assert_eq!(place("mqtt://[::1]"), plain("::1", 1883));
        assert_eq!(place("tcp://[fe80::1]:7"), plain("fe80::1", 7));
    }

    #[test]
    fn each_scheme_has_its_port_and_transport() {
        let path = |path: &str| Some(path.to_owned());
        assert_eq!(place("mqtts://host"), ("host".into(), 8883, true, None));
        assert_eq!(place("mqtts://[::1]:1/"), ("::1".into(), 1, true, None));
        assert_eq!(place("ws://host"), ("host".into(), 80, false, path("/mqtt")));
        assert_eq!(place("wss://host"), ("host".into(), 443, true, path("/mqtt")));
        assert_eq!(place("wss://[::1]:9001"), ("::1".into(), 9001, true, path("/mqtt")));
    }

    #[test]
    fn a_websocket_has_the_path_of_its_url() {
        let path = |url| place(url).3.unwrap();
        assert_eq!(path("ws://host/"), "/");
        assert_eq!(path("ws://host/a/b%20c"), "/a/b%20c");
        assert_eq!(path("wss://ann:p@host:1/ws?token=a/b@c"), "/ws?token=a/b@c");
        assert_eq!(path("wss://host?token=1"), "/mqtt?token=1");
    }

    #[test]
    fn user_and_password_are_decoded() {
        let url = ServerUrl::parse("mqtt://ann%40home:p%3Aw@host").unwrap();
        assert_eq!(url.user_name.as_deref(), Some("ann@home"));
        assert_eq!(url.password.as_deref(), Some("p:w"));
        assert_eq!(ServerUrl::parse("wss://ann@host/mqtt").unwrap().password, None);
    }

    #[test]
    fn a_unix_socket_has_a_path() {
        let url = ServerUrl::parse("unix:///run/mqtt.sock").unwrap();
        assert_eq!(url.server, Server::Unix { path: "/run/mqtt.sock".into() });
    }

    #[test]
    fn malformed_urls_are_refused() {
        for url in [
            "",
            "localhost",
            "mqtt://",
            "mqtt://:1883",
            "mqtt://host:0",
            "mqtt://host:65536",
            "mqtt://host:x",
            "mqtt://[::1",
            "mqtt://[::1]x",
            "mqtt://host/path",
            "mqtts://host/path",
            "mqtt://host?query",
            "mqtt://a host",
            "http://host",
            "MQTT//host",
            "ws://",
            "ws:///mqtt",
            "ws://host/a b",
            "ws://host/\u{e4}",
            "wss://host/a#b",
            "unix://",
            "unix://relative",
            "mqtt://%4@host",
            "mqtt://%ff@host",
        ] {
            assert_eq!(ServerUrl::parse(url).unwrap_err().kind, ErrorKind::Url, "{url}");
        }
    }
}
