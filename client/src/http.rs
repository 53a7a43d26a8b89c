//! Header fields of the HTTP request that opens a WebSocket.

use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};

use crate::{Error, ErrorKind};

/// A header field for the request that opens a WebSocket, such as `Authorization`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpHeader {
    pub(crate) name: HeaderName,
    pub(crate) value: HeaderValue,
}

/// The fields that the handshake itself is made of.
const RESERVED: [&str; 3] = ["host", "connection", "upgrade"];

impl HttpHeader {
    /// Checks name and value.
    ///
    /// # Errors
    /// HTTP does not allow them, or the field belongs to the handshake.
    pub fn new(name: &str, value: &str) -> Result<Self, Error> {
        let refused = |detail| Error::new(ErrorKind::Argument, detail);
        let name = HeaderName::try_from(name)
            .map_err(|_| refused("the name of a header field is letters, digits and dashes"))?;
        if RESERVED.contains(&name.as_str()) || name.as_str().starts_with("sec-websocket-") {
            return Err(refused("the header field belongs to the WebSocket handshake"));
        }
        let mut value = HeaderValue::try_from(value)
            .map_err(|_| refused("the value of a header field is one line"))?;
        // It may be a password, which does not belong into a log.
        value.set_sensitive(true);
        Ok(Self { name, value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_cannot_break_the_request() {
        HttpHeader::new("Authorization", "Bearer a b").unwrap();
        for (name, value) in [
            ("", "a"),
            ("two words", "a"),
            ("X", "a\r\nY: b"),
            ("Host", "a"),
            ("UPGRADE", "a"),
            ("Sec-WebSocket-Protocol", "chat"),
        ] {
            let error = HttpHeader::new(name, value).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Argument, "{name}: {value}");
        }
    }
}
