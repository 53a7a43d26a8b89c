//! MQTT in WebSocket frames: the handshake, and the frames as one stream of bytes.
//!
//! Packets and frames do not align; to a reader the frames are one stream. [MQTT-6.0.0-2]

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::header::{HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use tokio_tungstenite::tungstenite::http::uri::Uri;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Bytes, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::{Transport, closed, explain};
use crate::{Error, ErrorKind, HttpHeader, Options};

/// The name of MQTT among the protocols in WebSocket frames. [MQTT-6.0.0-3]
const SUBPROTOCOL: HeaderValue = HeaderValue::from_static("mqtt");

/// How many bytes go into one frame at most.
const FRAME_SIZE: usize = 64 * 1024;

/// How much larger than a packet a frame from the server may be, which may hold several.
const FRAME_MARGIN: usize = 1024 * 1024;

/// How the HTTP server is asked for a WebSocket.
pub(super) struct Handshake {
    uri: Uri,
    headers: Vec<HttpHeader>,
    config: WebSocketConfig,
}

impl Handshake {
    pub(super) fn new(
        options: &Options,
        host: &str,
        port: u16,
        is_encrypted: bool,
        path: &str,
    ) -> Result<Self, Error> {
        let (scheme, default_port) = if is_encrypted { ("wss", 443) } else { ("ws", 80) };
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let place = if port == default_port { host } else { format!("{host}:{port}") };
        let uri = Uri::builder().scheme(scheme).authority(place).path_and_query(path).build();
        let uri = uri.map_err(|error| {
            Error::new(ErrorKind::Url, format!("HTTP does not know such a URL: {error}"))
        })?;
        let limit = options.maximum_packet_size.get() as usize + FRAME_MARGIN;
        let config = WebSocketConfig::default()
            .read_buffer_size(FRAME_SIZE)
            .write_buffer_size(FRAME_SIZE)
            .max_message_size(Some(limit))
            .max_frame_size(Some(limit));
        Ok(Self { uri, headers: options.http_headers.clone(), config })
    }

    /// Makes a connection to an HTTP server one that carries MQTT.
    pub(super) async fn perform<S: Transport>(&self, stream: S) -> Result<Frames<S>, Error> {
        let request = self.request().map_err(|error| handshake_failed(&error))?;
        let result = client_async_with_config(request, stream, Some(self.config)).await;
        let (frames, _) = result.map_err(|error| handshake_failed(&error))?;
        Ok(Frames { frames, rest: Bytes::new() })
    }

    /// The request, with a new key.
    fn request(&self) -> tungstenite::Result<Request> {
        let mut request = self.uri.clone().into_client_request()?;
        let headers = request.headers_mut();
        headers.insert(SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL);
        for header in &self.headers {
            headers.append(header.name.clone(), header.value.clone());
        }
        Ok(request)
    }
}

fn handshake_failed(error: &tungstenite::Error) -> Error {
    let message = match error {
        tungstenite::Error::Http(response) => {
            format!("the server answered {} to the WebSocket handshake", response.status())
        }
        tungstenite::Error::Protocol(ProtocolError::SecWebSocketSubProtocolError(_)) => {
            "the server did not choose the subprotocol mqtt".to_owned()
        }
        tungstenite::Error::Protocol(ProtocolError::HandshakeIncomplete) => {
            "the server closed the connection in the WebSocket handshake".to_owned()
        }
        tungstenite::Error::Io(error) => return explain(error),
        other => format!("the server does not speak WebSocket: {other}"),
    };
    Error::new(ErrorKind::WebSocket, message)
}

/// An open WebSocket.
pub(super) struct Frames<S> {
    frames: WebSocketStream<S>,
    /// What is left of the latest frame.
    rest: Bytes,
}

impl<S: Transport> AsyncRead for Frames<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.rest.is_empty() {
            // To ask for the next frame also answers a ping.
            match ready!(Pin::new(&mut self.frames).poll_next(context)) {
                Some(Ok(Message::Binary(bytes))) => self.rest = bytes,
                // [MQTT-6.0.0-1]
                Some(Ok(Message::Text(_))) => return Poll::Ready(Err(text_frame())),
                Some(Ok(Message::Close(farewell))) => {
                    // Whether the answer gets out or not, the connection is over.
                    let _ = Pin::new(&mut self.frames).poll_flush(context);
                    return Poll::Ready(Err(closed_by_server(farewell)));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Err(broken(error))),
                None => return Poll::Ready(Ok(())),
            }
        }
        let length = self.rest.len().min(buffer.remaining());
        buffer.put_slice(&self.rest.split_to(length));
        Poll::Ready(Ok(()))
    }
}

impl<S: Transport> AsyncWrite for Frames<S> {
    /// Puts bytes into a binary frame. [MQTT-6.0.0-1]
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut frames = Pin::new(&mut self.frames);
        ready!(frames.as_mut().poll_ready(context)).map_err(broken)?;
        let piece = bytes.split_at(bytes.len().min(FRAME_SIZE)).0;
        let frame = Message::Binary(Bytes::copy_from_slice(piece));
        frames.start_send(frame).map_err(broken)?;
        Poll::Ready(Ok(piece.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.frames).poll_flush(context).map_err(broken)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.frames).poll_close(context)).map_err(broken)?;
        Pin::new(self.frames.get_mut()).poll_shutdown(context)
    }
}

fn text_frame() -> io::Error {
    let message = "the server sent a text frame, but MQTT is binary";
    io::Error::other(Error::new(ErrorKind::Protocol, message))
}

fn closed_by_server(farewell: Option<CloseFrame>) -> io::Error {
    let Some(farewell) = farewell else { return io::Error::other(closed()) };
    let message = format!("the server closed the WebSocket: {farewell}");
    io::Error::other(Error::new(ErrorKind::Lost, message))
}

fn broken(error: tungstenite::Error) -> io::Error {
    match error {
        tungstenite::Error::Io(error) => error,
        tungstenite::Error::ConnectionClosed
        | tungstenite::Error::AlreadyClosed
        | tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
            io::Error::other(closed())
        }
        other => {
            let message = format!("the server broke the rules of WebSocket: {other}");
            io::Error::other(Error::new(ErrorKind::WebSocket, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Route;
    use super::*;

    #[test]
    fn the_request_names_the_host_as_the_url_does() {
        for (url, host) in [
            ("ws://example.org", "example.org"),
            ("ws://example.org:80/", "example.org"),
            ("ws://example.org:443", "example.org:443"),
            ("wss://example.org:443", "example.org"),
            ("wss://[::1]:9001/mqtt", "[::1]:9001"),
        ] {
            let options = Options::new(url).unwrap();
            let route = Route::new(&options, &options.server).unwrap();
            let request = route.websocket.unwrap().request().unwrap();
            assert_eq!(request.headers()["Host"], host, "{url}");
        }
    }

    #[test]
    fn each_request_has_a_key_of_its_own() {
        let options = Options::new("ws://example.org").unwrap();
        let handshake = Handshake::new(&options, "example.org", 80, false, "/mqtt").unwrap();
        let key = || handshake.request().unwrap().headers()["Sec-WebSocket-Key"].clone();
        assert_ne!(key(), key());
    }
}
