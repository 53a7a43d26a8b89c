//! Proxies: how one is asked to open the connection to a server (RFC 1928 and 1929, RFC 9110 9.3.6).

use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::url::ProxyKind;
use crate::{Error, ErrorKind, Proxy};

/// How long the head of a proxy's answer in HTTP may be.
const LONGEST_HEAD: usize = 16 * 1024;

/// Has the proxy at the other end of `stream` connect it to a server: to `address`, or else to whatever
/// the host's name leads to.
pub(super) async fn ask(
    proxy: &Proxy,
    stream: &mut TcpStream,
    host: &str,
    port: u16,
    address: Option<SocketAddr>,
) -> Result<(), Error> {
    let result = match proxy.kind {
        ProxyKind::Socks { .. } => {
            let place = match address {
                Some(address) => Place::Address(address.ip()),
                None => place(host),
            };
            ask_socks(proxy, stream, &place, port).await
        }
        ProxyKind::Http => ask_http(proxy, stream, host, port).await,
    };
    result.map_err(|error| match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(own) => own.clone(),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            Error::new(ErrorKind::Proxy, "the proxy closed the connection")
        }
        None => Error::system(ErrorKind::Proxy, "the connection to the proxy broke", &error),
    })
}

fn refused(message: impl Into<String>) -> io::Error {
    io::Error::other(Error::new(ErrorKind::Proxy, message.into()))
}

/// Where SOCKS is to connect to.
enum Place<'a> {
    Address(IpAddr),
    Name(&'a str),
}

fn place(host: &str) -> Place<'_> {
    host.parse().map_or(Place::Name(host), Place::Address)
}

async fn ask_socks(
    proxy: &Proxy,
    stream: &mut TcpStream,
    place: &Place<'_>,
    port: u16,
) -> io::Result<()> {
    const NOBODY: u8 = 0;
    const PASSWORD: u8 = 2;
    let methods: &[u8] = match proxy.credentials {
        None => &[5, 1, NOBODY],
        Some(_) => &[5, 2, NOBODY, PASSWORD],
    };
    stream.write_all(methods).await?;
    match (read::<2>(stream).await?, &proxy.credentials) {
        ([5, NOBODY], _) => {}
        ([5, PASSWORD], Some((name, password))) => log_in(stream, name, password).await?,
        ([5, _], None) => return Err(refused("the proxy wants a name and password")),
        ([5, _], Some(_)) => return Err(refused("the proxy takes no name and password")),
        _ => return Err(refused("the proxy does not speak SOCKS 5")),
    }
    stream.write_all(&connect_request(place, port)?).await?;
    let [version, reply, _, kind] = read(stream).await?;
    if version != 5 {
        return Err(refused("the proxy does not speak SOCKS 5"));
    }
    if reply != 0 {
        return Err(refused(format!("the proxy {}", complaint(reply))));
    }
    // Where the connection comes from is of no interest, but stands before its first byte.
    let length = match kind {
        1 => 4,
        4 => 16,
        3 => usize::from(stream.read_u8().await?),
        _ => return Err(refused("the proxy does not speak SOCKS 5")),
    };
    stream.read_exact(&mut vec![0; length + 2]).await?;
    Ok(())
}

async fn read<const N: usize>(stream: &mut TcpStream) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

/// Says who asks. Both have at most 255 bytes, as was checked when the proxy was named.
async fn log_in(stream: &mut TcpStream, name: &str, password: &str) -> io::Result<()> {
    let mut request = vec![1];
    for text in [name, password] {
        request.push(u8::try_from(text.len()).map_err(io::Error::other)?);
        request.extend_from_slice(text.as_bytes());
    }
    stream.write_all(&request).await?;
    match read(stream).await? {
        [_, 0] => Ok(()),
        _ => Err(refused("the proxy does not accept name and password")),
    }
}

fn connect_request(place: &Place<'_>, port: u16) -> io::Result<Vec<u8>> {
    let mut request = vec![5, 1, 0];
    match place {
        Place::Address(IpAddr::V4(address)) => {
            request.push(1);
            request.extend_from_slice(&address.octets());
        }
        Place::Address(IpAddr::V6(address)) => {
            request.push(4);
            request.extend_from_slice(&address.octets());
        }
        Place::Name(name) => {
            let length = u8::try_from(name.len());
            let length = length.map_err(|_| refused("the server's name is too long for SOCKS"))?;
            request.extend_from_slice(&[3, length]);
            request.extend_from_slice(name.as_bytes());
        }
    }
    request.extend_from_slice(&port.to_be_bytes());
    Ok(request)
}

/// What a SOCKS proxy answers instead of yes.
fn complaint(reply: u8) -> &'static str {
    match reply {
        2 => "does not allow the connection",
        3 => "cannot reach the server's network",
        4 => "cannot reach the server",
        5 => "found the server's port closed",
        6 => "had no answer from the server",
        7 | 8 => "does not know such connections",
        _ => "has failed",
    }
}

async fn ask_http(proxy: &Proxy, stream: &mut TcpStream, host: &str, port: u16) -> io::Result<()> {
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let mut request = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n");
    if let Some((name, password)) = &proxy.credentials {
        let credentials = base64(format!("{name}:{password}").as_bytes());
        request.push_str(&format!("Proxy-Authorization: Basic {credentials}\r\n"));
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).await?;
    let head = read_head(stream).await?;
    match status(&head) {
        Some(200..=299) => Ok(()),
        Some(407) => Err(refused("the proxy wants a name and password, or others")),
        Some(code) => Err(refused(format!("the proxy answered {code}"))),
        None => Err(refused("the proxy does not speak HTTP")),
    }
}

/// Reads the head of the answer. Nothing comes after it, since MQTT, TLS and WebSocket all have the
/// client speak first.
async fn read_head(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    loop {
        let mut some = [0; 1024];
        let count = stream.read(&mut some).await?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        head.extend_from_slice(some.split_at(count).0);
        match head.windows(4).position(|end| end == b"\r\n\r\n") {
            // The text of a refusal may follow.
            Some(at) if at + 4 == head.len() || !matches!(status(&head), Some(200..=299)) => {
                return Ok(head);
            }
            Some(_) => return Err(refused("the proxy speaks before the client does")),
            None if head.len() > LONGEST_HEAD => {
                return Err(refused("the proxy's answer has no end"));
            }
            None => {}
        }
    }
}

/// The status code in the first line, as `HTTP/1.1 200 OK`.
fn status(head: &[u8]) -> Option<u16> {
    let line = head.split(|&byte| byte == b'\r').next()?;
    let line = str::from_utf8(line).ok()?;
    let (version, rest) = line.split_once(' ')?;
    version.starts_with("HTTP/1.").then(|| rest.split(' ').next()?.parse().ok()).flatten()
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let number = [0, 1, 2].map(|index| u32::from(three.get(index).copied().unwrap_or(0)));
        let number = number[0] << 16 | number[1] << 8 | number[2];
        for place in 0..4 {
            let digit = DIGITS[(number >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= three.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_standard() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("Aladdin:open sesame", "QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn the_status_is_in_the_first_line() {
        assert_eq!(status(b"HTTP/1.1 200 Connection established\r\nX: 1\r\n\r\n"), Some(200));
        assert_eq!(status(b"HTTP/1.0 407\r\n\r\n"), Some(407));
        assert_eq!(status(b"SSH-2.0-x\r\n\r\n"), None);
    }

    #[test]
    fn addresses_and_names_are_told_as_socks_has_them() {
        assert_eq!(
            connect_request(&place("1.2.3.4"), 258).unwrap(),
            [5, 1, 0, 1, 1, 2, 3, 4, 1, 2]
        );
        assert_eq!(connect_request(&place("::1"), 1).unwrap()[3..6], [4, 0, 0]);
        assert_eq!(connect_request(&place("a.b"), 1).unwrap(), b"\x05\x01\0\x03\x03a.b\0\x01");
        assert!(connect_request(&place(&"a".repeat(256)), 1).is_err());
    }
}
