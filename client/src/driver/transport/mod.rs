//! Transports: how bytes get to a server and back.

mod encryption;
mod verifiers;
mod websocket;

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, BufReader};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::time::timeout;

use crate::{Error, ErrorKind, Options, Server};
use encryption::Encryption;
use websocket::Handshake;

/// How much is read at once for TLS: two records of the largest size.
const TLS_READ_SIZE: usize = 32 * 1024;

/// An open connection of any kind that loses nothing and keeps the order. [MQTT-4.2-1]
///
/// What is written may be kept back until it is flushed.
pub(super) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// How to get to the server.
pub(super) struct Route {
    pub(super) server: Server,
    encryption: Option<Encryption>,
    websocket: Option<Handshake>,
    connect_timeout: Duration,
}

impl Route {
    /// The route that the options describe.
    ///
    /// # Errors
    /// The server's URL cannot be used for TLS or WebSocket.
    pub(super) fn new(options: &Options) -> Result<Self, Error> {
        let mut route = Self {
            server: options.server.clone(),
            encryption: None,
            websocket: None,
            connect_timeout: options.connect_timeout,
        };
        if let Server::Network { host, port, is_encrypted, websocket_path } = &options.server {
            if *is_encrypted {
                let encryption = Encryption::new(&options.tls, host, websocket_path.is_some())?;
                route.encryption = Some(encryption);
            }
            if let Some(path) = websocket_path {
                route.websocket = Some(Handshake::new(options, host, *port, *is_encrypted, path)?);
            }
        }
        Ok(route)
    }

    /// Whether the server may be anybody, though it looks safe.
    pub(super) fn is_insecure(&self) -> bool {
        self.encryption.as_ref().is_some_and(Encryption::is_insecure)
    }

    /// Opens a connection.
    pub(super) async fn open(&self) -> Result<Box<dyn Transport>, Error> {
        let (host, port) = match &self.server {
            Server::Network { host, port, .. } => (host, *port),
            Server::Unix { path } => return open_unix(path).await,
        };
        let mut stream: Box<dyn Transport> =
            Box::new(open_tcp(host, port, self.connect_timeout).await?);
        if let Some(encryption) = &self.encryption {
            // TLS itself reads 4 KiB at a time.
            let buffered = BufReader::with_capacity(TLS_READ_SIZE, stream);
            stream = Box::new(encryption.begin(buffered).await?);
        }
        if let Some(handshake) = &self.websocket {
            stream = Box::new(handshake.perform(stream).await?);
        }
        Ok(stream)
    }
}

async fn open_unix(path: &str) -> Result<Box<dyn Transport>, Error> {
    match UnixStream::connect(path).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => Err(cannot_connect(path, &error)),
    }
}

/// Looks the name up and tries its addresses in their order, within `limit`.
async fn open_tcp(host: &str, port: u16, limit: Duration) -> Result<TcpStream, Error> {
    let cannot_resolve =
        |error| Error::system(ErrorKind::Dns, &format!("cannot resolve {host}"), &error);
    let addresses: Vec<_> = lookup_host((host, port)).await.map_err(cannot_resolve)?.collect();
    let share = limit / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    let mut failure = io::Error::other("the name has no address");
    for address in addresses {
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // The session gathers what is to be sent; to wait for more would cost time only.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => failure = error,
            Err(_) => failure = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(cannot_connect(&format!("{host}:{port}"), &failure))
}

fn cannot_connect(place: &str, error: &io::Error) -> Error {
    Error::system(ErrorKind::Tcp, &format!("cannot connect to {place}"), error)
}

/// What an error of an open connection means, on whichever layer it arose.
pub(super) fn explain(error: &io::Error) -> Error {
    let inner = error.get_ref();
    if let Some(own) = inner.and_then(|inner| inner.downcast_ref::<Error>()) {
        return own.clone();
    }
    if let Some(error) = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return encryption::explain(error);
    }
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return closed();
    }
    Error::system(ErrorKind::Lost, "the connection broke", error)
}

/// The server has closed the connection without a word.
pub(super) fn closed() -> Error {
    Error::new(ErrorKind::Lost, "the server closed the connection")
}
