//! The PROXY protocol of HAProxy, versions 1 and 2: in front of a connection that comes through a
//! proxy stands who it is really from.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt};

/// The shortest header, `PROXY UNKNOWN` and the end of the line, in bytes.
const MINIMUM_LENGTH: usize = 15;

/// The longest header of version 1, in bytes.
const MAXIMUM_LINE: usize = 107;

/// The longest header of version 2 that is taken, in bytes; it may say 65,551.
const MAXIMUM_LENGTH: usize = 2048;

/// What a header of version 1 begins with.
const WORD: &[u8] = b"PROXY ";

/// What a header of version 2 begins with.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// The part of a header of version 2 that is always there, in bytes.
const FIXED_LENGTH: usize = 16;

/// What some bytes at the beginning of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// A whole header.
    Header {
        /// Who the connection is from; nobody but the proxy if it does not say.
        client: Option<SocketAddr>,
        /// The length of the header in bytes.
        length: usize,
    },
    /// The beginning of a header.
    Incomplete {
        /// How many bytes the header has at least.
        needed: usize,
    },
}

/// Reads the header at the front of `bytes`.
///
/// # Errors
/// The bytes are no header, whatever follows.
pub fn parse(bytes: &[u8]) -> Result<Parsed, ProxyError> {
    if bytes.is_empty() {
        Ok(Parsed::Incomplete { needed: MINIMUM_LENGTH })
    } else if begins_alike(bytes, SIGNATURE) {
        parse_binary(bytes)
    } else if begins_alike(bytes, WORD) {
        parse_line(bytes)
    } else {
        Err(ProxyError::NoHeader)
    }
}

fn begins_alike(bytes: &[u8], beginning: &[u8]) -> bool {
    bytes.iter().zip(beginning).all(|(one, other)| one == other)
}

/// Version 1, a line of text.
fn parse_line(bytes: &[u8]) -> Result<Parsed, ProxyError> {
    let bytes = bytes.get(..MAXIMUM_LINE).unwrap_or(bytes);
    let printable = bytes.iter().take_while(|&&byte| byte == b' ' || byte.is_ascii_graphic());
    let (line, end) = bytes.split_at(printable.count());
    match end {
        [b'\r', b'\n', ..] => {
            let line = str::from_utf8(line).map_err(|_| ProxyError::Malformed)?;
            let client = parse_words(line).ok_or(ProxyError::Malformed)?;
            Ok(Parsed::Header { client, length: line.len() + 2 })
        }
        [] | [b'\r'] if line.len() + 2 > MAXIMUM_LINE => Err(ProxyError::TooLong),
        [] | [b'\r'] => Ok(Parsed::Incomplete { needed: MINIMUM_LENGTH.max(line.len() + 2) }),
        _ => Err(ProxyError::Malformed),
    }
}

fn parse_words(line: &str) -> Option<Option<SocketAddr>> {
    let mut words = line.split(' ').skip(1);
    let family = words.next()?;
    if family == "UNKNOWN" {
        return Some(None);
    }
    let [source, destination] = [words.next()?, words.next()?];
    let source: IpAddr = match family {
        "TCP4" => {
            destination.parse::<Ipv4Addr>().ok()?;
            source.parse::<Ipv4Addr>().ok()?.into()
        }
        "TCP6" => {
            destination.parse::<Ipv6Addr>().ok()?;
            source.parse::<Ipv6Addr>().ok()?.into()
        }
        _ => return None,
    };
    let [source_port, _] = [parse_port(words.next()?)?, parse_port(words.next()?)?];
    words.next().is_none().then_some(Some(SocketAddr::new(source, source_port)))
}

/// A number without a sign or zeros in front.
fn parse_port(text: &str) -> Option<u16> {
    let number: u16 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// Version 2.
fn parse_binary(bytes: &[u8]) -> Result<Parsed, ProxyError> {
    let Some((fixed, behind)) = bytes.split_at_checked(FIXED_LENGTH) else {
        return Ok(Parsed::Incomplete { needed: FIXED_LENGTH });
    };
    let [.., command, family, high, low] = *fixed else { return Err(ProxyError::Malformed) };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if FIXED_LENGTH + length > MAXIMUM_LENGTH {
        return Err(ProxyError::TooLong);
    }
    let Some(addresses) = behind.get(..length) else {
        return Ok(Parsed::Incomplete { needed: FIXED_LENGTH + length });
    };
    let client = match command {
        LOCAL => None,
        PROXY => parse_addresses(family, addresses)?,
        _ => return Err(ProxyError::Malformed),
    };
    Ok(Parsed::Header { client, length: FIXED_LENGTH + length })
}

/// Version 2 and the command of a connection the proxy made for itself, as to see who is alive.
const LOCAL: u8 = 0x20;

/// Version 2 and the command of a connection made for a client.
const PROXY: u8 = 0x21;

/// Address family and protocol of version 2.
const UNSPECIFIED: u8 = 0x00;
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;
const UNIX: u8 = 0x31;

/// The client's address; extensions may follow both addresses.
fn parse_addresses(family: u8, bytes: &[u8]) -> Result<Option<SocketAddr>, ProxyError> {
    let client = match (family, bytes) {
        (UNSPECIFIED | UNIX, _) => return Ok(None),
        (TCP4, [a, b, c, d, _, _, _, _, high, low, _, _, ..]) => {
            let port = u16::from_be_bytes([*high, *low]);
            Some(SocketAddr::new(Ipv4Addr::new(*a, *b, *c, *d).into(), port))
        }
        (TCP6, _) => bytes.get(..36).and_then(|bytes| {
            let address: [u8; 16] = bytes.first_chunk().copied()?;
            let port = u16::from_be_bytes([bytes[32], bytes[33]]);
            Some(SocketAddr::new(Ipv6Addr::from(address).into(), port))
        }),
        _ => None,
    };
    client.map(Some).ok_or(ProxyError::Malformed)
}

/// Reads the header and not a byte more. Tells who the connection is from; nobody but the proxy
/// if the header does not say.
pub(super) async fn read(
    stream: &mut (impl AsyncRead + Unpin),
) -> Result<Option<SocketAddr>, ProxyError> {
    let mut bytes = Vec::new();
    loop {
        match parse(&bytes)? {
            Parsed::Header { client, .. } => return Ok(client),
            Parsed::Incomplete { needed } => {
                let missing = (needed - bytes.len()) as u64;
                let read = (&mut *stream).take(missing).read_buf(&mut bytes).await;
                if read.map_err(ProxyError::Io)? == 0 {
                    return Err(ProxyError::Ended);
                }
            }
        }
    }
}

/// Why a connection has no header.
#[derive(Debug)]
pub enum ProxyError {
    /// It begins with something else.
    NoHeader,
    /// The header does not follow its form.
    Malformed,
    /// The header is longer than one may be.
    TooLong,
    /// It ends before the header does.
    Ended,
    /// It cannot be read.
    Io(io::Error),
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHeader => f.write_str("the connection does not begin with a PROXY header"),
            Self::Malformed => f.write_str("the PROXY header is malformed"),
            Self::TooLong => f.write_str("the PROXY header is too long"),
            Self::Ended => f.write_str("the connection ended within the PROXY header"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl Error for ProxyError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(client: Option<&str>, length: usize) -> Parsed {
        Parsed::Header { client: client.map(|it| it.parse().unwrap()), length }
    }

    fn version_2(command: u8, family: u8, behind: &[u8]) -> Vec<u8> {
        let length = (behind.len() as u16).to_be_bytes();
        [SIGNATURE, &[command, family], &length, behind].concat()
    }

    #[test]
    fn a_line_says_who_the_connection_is_from() {
        for (line, client) in [
            ("PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n", Some("192.0.2.1:56324")),
            ("PROXY TCP4 192.0.2.1 198.51.100.7 0 65535\r\n", Some("192.0.2.1:0")),
            ("PROXY TCP6 2001:db8::1 ::1 56324 8883\r\n", Some("[2001:db8::1]:56324")),
            ("PROXY UNKNOWN\r\n", None),
            ("PROXY UNKNOWN it may say whatever it likes\r\n", None),
        ] {
            assert_eq!(parse(line.as_bytes()).unwrap(), header(client, line.len()), "{line}");
            let bytes = [line.as_bytes(), b"\x10\x0C"].concat();
            assert_eq!(parse(&bytes).unwrap(), header(client, line.len()), "{line}");
        }
    }

    #[test]
    fn a_line_is_at_most_107_bytes_long() {
        let longest = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
        let line = format!("PROXY UNKNOWN {longest} {longest} 65535 65535\r\n");
        assert_eq!(line.len(), MAXIMUM_LINE);
        assert_eq!(parse(line.as_bytes()).unwrap(), header(None, MAXIMUM_LINE));
        let longer = line.replace("\r\n", "0");
        assert!(matches!(parse(longer.as_bytes()), Err(ProxyError::TooLong)));
    }

    #[test]
    fn a_line_of_another_form_is_malformed() {
        for line in [
            "PROXY \r\n",
            "PROXY TCP4\r\n",
            "PROXY UNKNOWNS\r\n",
            "PROXY UDP4 192.0.2.1 198.51.100.7 56324 443\r\n",
            "PROXY tcp4 192.0.2.1 198.51.100.7 56324 443\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.7 56324\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443 1\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443 \r\n",
            "PROXY TCP4  192.0.2.1 198.51.100.7 56324 443\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.7 56324 65536\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.7 +5 443\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.7 056 443\r\n",
            "PROXY TCP4 192.0.2.256 198.51.100.7 56324 443\r\n",
            "PROXY TCP4 2001:db8::1 ::1 56324 443\r\n",
            "PROXY TCP6 192.0.2.1 ::1 56324 443\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\n",
            "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\r",
            "PROXY TCP4 192.0.2.1\0",
            "PROXY TCP4 192.0.2.é",
        ] {
            assert!(matches!(parse(line.as_bytes()), Err(ProxyError::Malformed)), "{line}");
        }
    }

    #[test]
    fn version_2_says_who_the_connection_is_from() {
        let ipv4 = b"\xC0\x00\x02\x01\xC6\x33\x64\x07\xDC\x04\x01\xBB";
        let ipv6 = [&[0x20, 1, 0x0D, 0xB8][..], &[0; 11], &[1], &[0; 16], &ipv4[8..]].concat();
        let extension = b"\x04\x00\x03abc";
        for (command, family, behind, client) in [
            (PROXY, TCP4, ipv4.to_vec(), Some("192.0.2.1:56324")),
            (PROXY, TCP4, [&ipv4[..], extension].concat(), Some("192.0.2.1:56324")),
            (PROXY, TCP6, ipv6.clone(), Some("[2001:db8::1]:56324")),
            (PROXY, TCP6, [&ipv6[..], extension].concat(), Some("[2001:db8::1]:56324")),
            (PROXY, UNSPECIFIED, vec![], None),
            (PROXY, UNIX, vec![0; 216], None),
            (LOCAL, UNSPECIFIED, vec![], None),
            (LOCAL, TCP4, ipv4.to_vec(), None),
            (LOCAL, 0xFF, extension.to_vec(), None),
        ] {
            let bytes = version_2(command, family, &behind);
            assert_eq!(parse(&bytes).unwrap(), header(client, bytes.len()), "{bytes:02x?}");
        }
    }

    #[test]
    fn version_2_of_another_form_is_malformed() {
        for (command, family, length) in [
            (0x22, TCP4, 12),
            (0x11, TCP4, 12),
            (0x31, TCP4, 12),
            (PROXY, TCP4, 11),
            (PROXY, TCP6, 35),
            (PROXY, 0x12, 12),
            (PROXY, 0x22, 36),
            (PROXY, 0x41, 36),
        ] {
            let bytes = version_2(command, family, &vec![0; length]);
            assert!(matches!(parse(&bytes), Err(ProxyError::Malformed)), "{bytes:02x?}");
        }
    }

    #[test]
    fn a_header_that_is_too_long_is_refused_by_its_length_alone() {
        let long = version_2(LOCAL, UNSPECIFIED, &[0; MAXIMUM_LENGTH]);
        assert!(matches!(parse(&long[..FIXED_LENGTH]), Err(ProxyError::TooLong)));
        let longest = version_2(LOCAL, UNSPECIFIED, &[0; MAXIMUM_LENGTH - FIXED_LENGTH]);
        assert_eq!(parse(&longest).unwrap(), header(None, MAXIMUM_LENGTH));
    }

    #[test]
    fn other_bytes_are_no_header() {
        for bytes in [&b"\x10"[..], b"GET / HTTP", b"PROXYTCP4", b"\r\n\r\n\0\r\nQUID", b"\x16"] {
            assert!(matches!(parse(bytes), Err(ProxyError::NoHeader)), "{bytes:02x?}");
        }
    }
}
