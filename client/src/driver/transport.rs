//! Transports: how bytes get to a server and back.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::time::timeout;

use crate::{Error, ErrorKind, Server};

/// An open connection of any kind that loses nothing and keeps the order. [MQTT-4.2-1]
pub(super) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl Transport for TcpStream {}
impl Transport for UnixStream {}

/// Opens a connection within `limit`.
pub(super) async fn open(server: &Server, limit: Duration) -> Result<Box<dyn Transport>, Error> {
    match server {
        Server::Tcp { host, port } => Ok(Box::new(open_tcp(host, *port, limit).await?)),
        Server::Unix { path } => {
            let stream = UnixStream::connect(path).await;
            let stream = stream.map_err(|error| {
                Error::system(ErrorKind::Tcp, &format!("cannot connect to {path}"), &error)
            })?;
            Ok(Box::new(stream))
        }
    }
}

/// Looks the name up and tries its addresses in their order.
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
    let what = format!("cannot connect to {host}:{port}");
    Err(Error::system(ErrorKind::Tcp, &what, &failure))
}
