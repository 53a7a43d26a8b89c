//! What holds for the PROXY header, whatever the bytes.

use std::net::SocketAddr;

use mqtt_broker::shell::proxy::{Parsed, parse};

use crate::source::Source;

/// Any bytes are a header, the beginning of one, or neither; and consistently so.
pub(crate) fn check(bytes: &[u8]) {
    match parse(bytes) {
        Ok(Parsed::Incomplete { needed }) => assert!(bytes.len() < needed && needed <= 2048),
        Ok(Parsed::Header { client, length }) => check_prefixes(&bytes[..length], client),
        Err(_) => {
            // More bytes do not heal what is wrong.
            assert!(parse(&[bytes, b"\n"].concat()).is_err());
        }
    }
    check_written(&mut Source::new(bytes));
}

/// Each prefix of a header asks for more, and never for more than the header has.
fn check_prefixes(header: &[u8], client: Option<SocketAddr>) {
    for cut in 0..header.len() {
        let Ok(Parsed::Incomplete { needed }) = parse(&header[..cut]) else {
            panic!("{header:02x?} cut at {cut} does not ask for more");
        };
        assert!(cut < needed && needed <= header.len());
    }
    let length = header.len();
    assert_eq!(parse(header).unwrap(), Parsed::Header { client, length });
}

/// A header that a plain writer makes says what was written.
fn check_written(source: &mut Source<'_>) {
    let is_ipv4 = source.bool();
    let mut address = || -> SocketAddr {
        let port = source.u16();
        if is_ipv4 {
            (source.u32().to_be_bytes(), port).into()
        } else {
            ([0; 8].map(|_| source.u16()), port).into()
        }
    };
    let (client, server) = (address(), address());
    for header in [line(client, server), version_2(client, server, source.bytes())] {
        let length = header.len();
        assert_eq!(parse(&header).unwrap(), Parsed::Header { client: Some(client), length });
    }
}

pub(crate) fn line(client: SocketAddr, server: SocketAddr) -> Vec<u8> {
    let family = if client.is_ipv4() { "TCP4" } else { "TCP6" };
    let (source, destination) = (client.ip(), server.ip());
    format!("PROXY {family} {source} {destination} {} {}\r\n", client.port(), server.port()).into()
}

pub(crate) fn version_2(client: SocketAddr, server: SocketAddr, extensions: &[u8]) -> Vec<u8> {
    let mut behind = Vec::new();
    let family = match (client, server) {
        (SocketAddr::V4(client), SocketAddr::V4(server)) => {
            behind.extend([client.ip().octets(), server.ip().octets()].concat());
            0x11
        }
        (SocketAddr::V6(client), SocketAddr::V6(server)) => {
            behind.extend([client.ip().octets(), server.ip().octets()].concat());
            0x21
        }
        _ => panic!("both are of one kind"),
    };
    behind.extend([client.port().to_be_bytes(), server.port().to_be_bytes()].concat());
    behind.extend(extensions);
    let length = (behind.len() as u16).to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n", &[0x21, family][..], &length, &behind].concat()
}
