//! Server URLs: which transport, where, and who.

use crate::{Error, ErrorKind};

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Server {
    /// MQTT over TCP.
    Tcp {
        /// A name or an address.
        host: String,
        /// The port.
        port: u16,
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

const DEFAULT_PORT: u16 = 1883;

impl ServerUrl {
    /// Reads `mqtt://[USER[:PASSWORD]@]HOST[:PORT]` or `unix:///PATH`.
    pub(crate) fn parse(url: &str) -> Result<Self, Error> {
        let (scheme, rest) = url.split_once("://").ok_or(wrong("a URL begins with a scheme"))?;
        match scheme {
            "mqtt" | "tcp" => Self::parse_tcp(rest),
            "unix" if rest.starts_with('/') && rest.len() > 1 => {
                let server = Server::Unix { path: decode(rest)? };
                Ok(Self { server, user_name: None, password: None })
            }
            "unix" => Err(wrong("a Unix socket is unix:///PATH")),
            "mqtts" | "ws" | "wss" => {
                Err(Error::new(ErrorKind::Unsupported, format!("{scheme}:// is not in this build")))
            }
            _ => Err(wrong("the scheme is none of mqtt, unix")),
        }
    }

    fn parse_tcp(rest: &str) -> Result<Self, Error> {
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#']) {
            return Err(wrong("nothing may follow host and port"));
        }
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
        Ok(Self { server: Server::Tcp { host, port }, user_name, password })
    }
}

fn host_and_port(place: &str) -> Result<(String, u16), Error> {
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
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => DEFAULT_PORT,
        None => return Err(wrong("only a port may follow the host")),
        Some(digits) => digits
            .parse()
            .ok()
            .filter(|&port| port != 0)
            .ok_or(wrong("the port is a number from 1 to 65535"))?,
    };
    Ok((host.to_owned(), port))
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

    fn tcp(url: &str) -> (String, u16) {
        match ServerUrl::parse(url).unwrap().server {
            Server::Tcp { host, port } => (host, port),
            Server::Unix { .. } => panic!("{url} is TCP"),
        }
    }

    #[test]
    fn host_and_port_are_found() {
        assert_eq!(tcp("mqtt://localhost"), ("localhost".into(), 1883));
        assert_eq!(tcp("mqtt://10.0.0.1:18830/"), ("10.0.0.1".into(), 18830));
        assert_eq!(tcp("mqtt://[::1]"), ("::1".into(), 1883));
        assert_eq!(tcp("tcp://[fe80::1]:7"), ("fe80::1".into(), 7));
    }

    #[test]
    fn user_and_password_are_decoded() {
        let url = ServerUrl::parse("mqtt://ann%40home:p%3Aw@host").unwrap();
        assert_eq!(url.user_name.as_deref(), Some("ann@home"));
        assert_eq!(url.password.as_deref(), Some("p:w"));
        assert_eq!(ServerUrl::parse("mqtt://ann@host").unwrap().password, None);
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
            "http://host",
            "unix://",
            "unix://relative",
            "mqtt://%4@host",
            "mqtt://%ff@host",
        ] {
            assert_eq!(ServerUrl::parse(url).unwrap_err().kind, ErrorKind::Url, "{url}");
        }
        assert_eq!(ServerUrl::parse("wss://host").unwrap_err().kind, ErrorKind::Unsupported);
    }
}
