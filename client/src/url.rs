//! URLs of servers and proxies: which transport, where, and who.

use std::fmt;

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

/// A proxy through which servers are reached.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    pub(crate) kind: ProxyKind,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Who asks it, if it wants to know.
    pub(crate) credentials: Option<(String, String)>,
}

/// What a proxy speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProxyKind {
    /// SOCKS 5, which looks up the server's name itself, or is given an address.
    Socks { looks_up_names: bool },
    /// HTTP with the method CONNECT.
    Http,
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

const PROXY_SCHEMES: [(ProxyKind, Scheme); 3] = [
    (ProxyKind::Socks { looks_up_names: true }, proxy_scheme("socks5h", 1080)),
    (ProxyKind::Socks { looks_up_names: false }, proxy_scheme("socks5", 1080)),
    (ProxyKind::Http, proxy_scheme("http", 80)),
];

const fn proxy_scheme(name: &'static str, default_port: u16) -> Scheme {
    Scheme { name, default_port, is_encrypted: false, is_websocket: false }
}

/// Where brokers expect WebSocket clients.
const DEFAULT_WEBSOCKET_PATH: &str = "/mqtt";

impl Server {
    /// The server at a URL that says nothing of who logs in.
    ///
    /// # Errors
    /// The URL is malformed, or has a user name.
    pub fn new(url: &str) -> Result<Self, Error> {
        match ServerUrl::parse(url)? {
            ServerUrl { server, user_name: None, .. } => Ok(server),
            _ => Err(wrong("who logs in is said once, for all servers")),
        }
    }

    /// The server that a Server Reference names, reached as this one is.
    ///
    /// A reference is a list of `HOST[:PORT]`, of which this takes the first. A name says nothing of
    /// the transport, so an encrypted connection never leads to one in the clear.
    pub(crate) fn referred(&self, reference: &str) -> Option<Self> {
        let Self::Network { is_encrypted, websocket_path, port, .. } = self else { return None };
        let (host, named_port) =
            host_and_port(reference.split(' ').find(|one| !one.is_empty())?).ok()?;
        Some(Self::Network {
            host,
            port: named_port.unwrap_or(*port),
            is_encrypted: *is_encrypted,
            websocket_path: websocket_path.clone(),
        })
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network { host, port, .. } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Network { host, port, .. } => write!(f, "{host}:{port}"),
            Self::Unix { path } => f.write_str(path),
        }
    }
}

impl Proxy {
    /// Reads `socks5h://`, `socks5://` or `http://` with `[USER:PASSWORD@]HOST[:PORT]`. With `socks5h`
    /// and `http` the proxy looks up the server's name.
    ///
    /// # Errors
    /// The URL is malformed, or the proxy could not be told the name or password.
    pub fn new(url: &str) -> Result<Self, Error> {
        let (name, rest) = url.split_once("://").ok_or(wrong("a URL begins with a scheme"))?;
        let found = PROXY_SCHEMES.iter().find(|(_, scheme)| scheme.name == name);
        let (kind, scheme) = found.ok_or(wrong("a proxy is one of socks5h, socks5, http"))?;
        let ServerUrl { server, user_name, password } = scheme.parse(rest)?;
        let Server::Network { host, port, .. } = server else {
            return Err(wrong("a proxy is on the network"));
        };
        let credentials = user_name.map(|name| (name, password.unwrap_or_default()));
        let fits = |text: &str| (1..=255).contains(&text.len());
        if let (ProxyKind::Socks { .. }, Some((name, password))) = (kind, &credentials)
            && !(fits(name) && fits(password))
        {
            return Err(wrong("name and password for SOCKS have 1 to 255 bytes"));
        }
        if credentials.as_ref().is_some_and(|(name, _)| name.contains(':')) {
            return Err(wrong("a name for a proxy has no colon"));
        }
        Ok(Self { kind: *kind, host, port, credentials })
    }

    /// Whether it takes the server's name as it is.
    pub(crate) fn looks_up_names(&self) -> bool {
        !matches!(self.kind, ProxyKind::Socks { looks_up_names: false })
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A password does not belong into a log.
        f.debug_struct("Proxy")
            .field("kind", &self.kind)
            .field("host", &self.host)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

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
    fn a_reference_leads_to_a_server_of_the_same_kind() {
        let from = |url: &str, reference: &str| {
            Server::new(url).unwrap().referred(reference).map(|server| server.to_string())
        };
        let to = |place: &str| Some(place.to_owned());
        assert_eq!(from("mqtt://a", "b"), to("b:1883"));
        assert_eq!(from("mqtts://a:7", "b.example  c"), to("b.example:7"));
        assert_eq!(from("mqtt://a", "[fe80::1]:4"), to("[fe80::1]:4"));
        assert_eq!(from("mqtt://a", ""), None);
        assert_eq!(from("mqtt://a", "b:x"), None);
        assert_eq!(from("unix:///a", "b"), None);
        let moved = Server::new("wss://a/x").unwrap().referred("b:8").unwrap();
        assert_eq!(moved, Server::new("wss://b:8/x").unwrap());
    }

    #[test]
    fn a_proxy_has_its_kind_place_and_credentials() {
        let proxy = Proxy::new("socks5h://ann:p%20w@host").unwrap();
        assert_eq!((proxy.kind, proxy.port), (ProxyKind::Socks { looks_up_names: true }, 1080));
        assert_eq!(proxy.credentials, Some(("ann".into(), "p w".into())));
        assert_eq!(Proxy::new("http://[::1]:3128").unwrap().host, "::1");
        let long = format!("socks5://{}:p@host", "n".repeat(256));
        for url in [
            "host:1080",
            "mqtt://host",
            "socks5://",
            "http://a/b",
            "socks5://ann@h",
            &long,
            "http://a%3Ab:c@h",
        ] {
            assert_eq!(Proxy::new(url).unwrap_err().kind, ErrorKind::Url, "{url}");
        }
    }

    #[test]
    fn a_further_server_brings_no_credentials() {
        assert_eq!(Server::new("mqtt://ann@host").unwrap_err().kind, ErrorKind::Url);
        Server::new("mqtts://host:1").unwrap();
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
