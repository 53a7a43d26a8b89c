//! Options of the transports: servers, proxy and address, TLS, and the HTTP request that opens a WebSocket.

use std::ffi::{c_char, c_int, c_void};

use ::mqtt_client::{HttpHeader, Identity, Proxy, Roots, Server, TlsName};

use crate::convert::{self, bytes, exclusive, optional_text, text};
use crate::guard::*;
use crate::library::*;
use crate::options::*;

/// When a server names another one to use: tell the program (MQTT_EVENT_REDIRECT), and treat it as any refusal.
pub const MQTT_REDIRECT_REPORT: c_int = 0;
/// When a server names another one to use: tell the program, and connect to that one.
pub const MQTT_REDIRECT_FOLLOW: c_int = 1;

/// Adds a server to turn to when the others cannot be reached. It is logged in to as the first one, so the URL has no user
/// name.
///
/// The servers are tried in their order, each at once after the one before it has failed, and then a pause follows. After a
/// lost connection the same server is tried first. What the session of one server has, another one need not have.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_options_add_server(
    o: *mut mqtt_options,
    url: *const c_char,
) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        let options = &mut exclusive(o)?.0;
        options.further_servers.push(Server::new(text(url)?)?);
        Ok(())
    })
}

/// What to do when a server names another one (reasons 0x9C and 0x9D): MQTT_REDIRECT_REPORT (the default) or _FOLLOW.
///
/// The first of the servers it names is followed, over the same transport, with the same credentials: do so only with
/// servers that you trust with them. After 0x9D (server moved) it takes the place of the one that has moved.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_options_set_redirect(
    o: *mut mqtt_options,
    policy: c_int,
) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        let options = &mut exclusive(o)?.0;
        options.follows_redirects = match policy {
            MQTT_REDIRECT_REPORT => false,
            MQTT_REDIRECT_FOLLOW => true,
            _ => return Err(Failure::argument("a policy is one of MQTT_REDIRECT_*")),
        };
        Ok(())
    })
}

/// The proxy through which servers on the network are reached; NULL: none, the default. No environment variable is looked at.
///
/// - socks5h://[USER:PASSWORD@]HOST[:PORT]: SOCKS 5, which looks up the server's name; port 1080 unless said otherwise
/// - socks5://...: the same, with the name looked up here
/// - http://[USER:PASSWORD@]HOST[:PORT]: HTTP with CONNECT, port 80
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_options_set_proxy(
    o: *mut mqtt_options,
    url: *const c_char,
) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        let options = &mut exclusive(o)?.0;
        options.proxy = optional_text(url)?.map(Proxy::new).transpose()?;
        Ok(())
    })
}

/// The address, as "192.0.2.1" or "2001:db8::1", that connections are made from; NULL: any, the default.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_options_set_bind_address(
    o: *mut mqtt_options,
    address: *const c_char,
) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        let options = &mut exclusive(o)?.0;
        let address = optional_text(address)?.map(str::parse).transpose();
        options.bind_address =
            address.map_err(|_| Failure::argument("an address is one of IPv4 or IPv6"))?;
        Ok(())
    })
}

/// Trusts the certificates in a PEM file in place of those the system trusts; NULL: the system's, which is the default.
///
/// mqtts:// and wss:// need no setting at all for a server whose certificate comes from a public authority. For one of
/// one's own, this is the authority's certificate, or the server's if it is signed by itself. The file is read at once;
/// MQTT_E_TLS tells that it cannot be, or holds no certificate. Without it, the environment variables SSL_CERT_FILE and
/// SSL_CERT_DIR can name other roots than the system's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_options_set_tls_ca_file(
    o: *mut mqtt_options,
    pem_path: *const c_char,
) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        let options = &mut exclusive(o)?.0;
        options.tls.roots = optional_text(pem_path)?.map(Roots::from_file).transpose()?;
        Ok(())
    })
}

/// Trusts these certificates in PEM form in place of those the system trusts; NULL: the system's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_options_set_tls_ca_pem(
    o: *mut mqtt_options,
    pem: *const c_void,
    len: usize,
) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        let options = &mut exclusive(o)?.0;
        let given = if pem.is_null() { None } else { Some(bytes(pem, len)?) };
        options.tls.roots = given.map(Roots::from_pem).transpose()?;
        Ok(())
    })
}

/// The certificate to show to a server that asks for one, and its private key, as PEM files; both NULL: none.
///
/// The certificate's file goes on with those between it and its root. Both may be in one file. The files are read at once;
/// MQTT_E_TLS tells that one cannot be, or that the key is another's. A key that is locked with a password cannot be used.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_options_set_tls_client_cert(
    o: *mut mqtt_options,
    cert_path: *const c_char,
    key_path: *const c_char,
) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        let options = &mut exclusive(o)?.0;
        options.tls.identity = match (optional_text(cert_path)?, optional_text(key_path)?) {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some(Identity::from_files(certificate, key)?),
            _ => return Err(Failure::argument("a certificate and its key come together")),
        };
        Ok(())
    })
}

/// The name to ask the server for (SNI), which its certificate has to have; NULL: the host of the URL, the default.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_options_set_tls_server_name(
    o: *mut mqtt_options,
    name: *const c_char,
) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        let options = &mut exclusive(o)?.0;
        options.tls.server_name = optional_text(name)?.map(TlsName::new).transpose()?;
        Ok(())
    })
}

/// The protocols to offer in the TLS handshake (ALPN), separated by commas, first choice first; "": none; NULL: the default.
///
/// By default mqtts:// offers none, since proxies that know other protocols only would refuse "mqtt"; set that for a server
/// that has several services on one port. wss:// offers "http/1.1".
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_options_set_tls_alpn(
    o: *mut mqtt_options,
    comma_list: *const c_char,
) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        let options = &mut exclusive(o)?.0;
        options.tls.protocols = optional_text(comma_list)?.map(protocols).transpose()?;
        Ok(())
    })
}

/// INSECURE: takes any certificate for the server's (1), so that anybody on the way can read and change everything. For
/// tests on one's own machine, and for nothing else. Default: 0.
///
/// To use a server with a certificate of its own, name that to mqtt_options_set_tls_ca_file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_options_set_tls_insecure(
    o: *mut mqtt_options,
    yes: c_int,
) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        let options = &mut exclusive(o)?.0;
        options.tls.insecurely_accepts_any_certificate = convert::yes(yes);
        Ok(())
    })
}

/// Adds a header field to the HTTP request that opens a WebSocket, as "Authorization"; the same name may be added again.
///
/// The fields that belong to the handshake (Host, Connection, Upgrade, Sec-WebSocket-*) are refused with MQTT_E_ARG.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_options_add_http_header(
    o: *mut mqtt_options,
    name: *const c_char,
    value: *const c_char,
) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        let header = HttpHeader::new(text(name)?, text(value)?)?;
        exclusive(o)?.0.http_headers.push(header);
        Ok(())
    })
}

/// The names in a list, each of which TLS numbers with one byte.
fn protocols(list: &str) -> Result<Vec<Vec<u8>>, Failure> {
    if list.is_empty() {
        return Ok(Vec::new());
    }
    let names: Vec<_> = list.split(',').map(|name| name.trim().as_bytes().to_vec()).collect();
    if names.iter().any(|name| name.is_empty() || name.len() > usize::from(u8::MAX)) {
        return Err(Failure::argument("the name of a protocol has 1 to 255 bytes"));
    }
    Ok(names)
}
