//! One place the broker listens at: it accepts, shakes hands, and starts the connection's task.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::time::timeout_at;
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

use super::address::{Address, Scheme, resolve};
use super::connection::Client;
use super::hub::Hub;
use super::network::Network;
use super::proxy::ProxyError;
use super::socket::{Plain, Socket};
use super::{proxy, websocket};
use crate::core::time::Instant;

/// How long to wait when there are no descriptors left for a new connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A socket that listens for connections that lose nothing and keep the order. [MQTT-4.2-1]
#[derive(Debug)]
pub(super) enum Listener {
    Network { scheme: Scheme, socket: TcpListener, tls: Option<Arc<ServerConfig>> },
    Unix { socket: UnixListener, path: PathBuf },
}

/// What connections of a listener need to know.
#[derive(Debug)]
pub(super) struct Terms {
    /// Peers that are proxies, which say who a connection is really from.
    pub(super) proxies: Vec<Network>,
    /// How many connections there are, at most.
    pub(super) maximum_connections: usize,
    /// How many of them have not come to their first MQTT byte.
    pub(super) arriving: AtomicUsize,
    /// How long the handshakes before CONNECT may take.
    pub(super) handshake_timeout: Duration,
    /// The largest packet, in bytes.
    pub(super) maximum_packet_size: usize,
}

impl Terms {
    /// Whether there may be one more connection.
    fn have_place(&self, hub: &Hub) -> bool {
        let count = hub.connection_count() + self.arriving.load(Ordering::Relaxed);
        if count >= self.maximum_connections {
            debug!("closed a connection: there are as many as there may be");
        }
        count < self.maximum_connections
    }
}

/// Counts a connection that has not come to its first MQTT byte.
struct Arriving(Arc<Terms>);

impl Arriving {
    fn count(terms: &Arc<Terms>) -> Self {
        terms.arriving.fetch_add(1, Ordering::Relaxed);
        Self(terms.clone())
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        self.0.arriving.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Listener {
    /// Listens at all addresses the URL stands for.
    pub(super) async fn bind(
        address: &Address,
        tls: Option<Arc<ServerConfig>>,
    ) -> io::Result<Vec<Self>> {
        match address {
            Address::Unix(path) => {
                remove_stale_socket(path)?;
                let socket = UnixListener::bind(path)?;
                Ok(vec![Self::Unix { socket, path: path.clone() }])
            }
            Address::Network { scheme, host, port } => {
                let mut listeners = Vec::new();
                for address in resolve(host, *port)? {
                    let socket = TcpListener::bind(address).await?;
                    listeners.push(Self::Network { scheme: *scheme, socket, tls: tls.clone() });
                }
                Ok(listeners)
            }
        }
    }

    /// The URL it listens at, with the port the system chose.
    pub(super) fn url(&self) -> String {
        match self {
            Self::Network { scheme, socket, .. } => match socket.local_addr() {
                Ok(address) => format!("{}://{address}", scheme.name()),
                Err(error) => format!("{}://({error})", scheme.name()),
            },
            Self::Unix { path, .. } => format!("unix://{}", path.display()),
        }
    }

    /// The network address it listens at.
    pub(super) fn local_address(&self) -> Option<SocketAddr> {
        match self {
            Self::Network { socket, .. } => socket.local_addr().ok(),
            Self::Unix { .. } => None,
        }
    }

    /// Accepts connections for ever.
    pub(super) async fn accept_all(self, hub: Arc<Hub>, terms: Arc<Terms>) {
        loop {
            if let Err(error) = self.accept(&hub, &terms).await {
                warn!(%error, listener = self.url(), "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }

    async fn accept(&self, hub: &Arc<Hub>, terms: &Arc<Terms>) -> io::Result<()> {
        let hub = hub.clone();
        match self {
            Self::Network { scheme, socket, tls } => {
                let (stream, peer) = socket.accept().await?;
                if !terms.have_place(&hub) {
                    return Ok(());
                }
                // Batching is the broker's own; Nagle's would only delay it.
                if stream.set_nodelay(true).is_err() {
                    // The client is gone already, which is no reason to keep others waiting.
                    return Ok(());
                }
                let arrival = Arrival {
                    accepted: hub.now(),
                    deadline: tokio::time::Instant::now() + terms.handshake_timeout,
                    hub,
                    terms: Arriving::count(terms),
                    scheme: *scheme,
                    tls: tls.clone(),
                };
                if *scheme == Scheme::Mqtt && !arrival.is_from_proxy(peer) {
                    debug!(%peer, "accepted");
                    serve_tcp(arrival.hub, stream, arrival.accepted);
                } else {
                    tokio::spawn(arrival.welcome(stream, peer));
                }
            }
            Self::Unix { socket, .. } => {
                let (stream, _) = socket.accept().await?;
                if terms.have_place(&hub) {
                    serve_unix(hub, stream);
                }
            }
        }
        Ok(())
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Unix { path, .. } = self {
            let _ = fs::remove_file(path);
        }
    }
}

/// Removes what a broker that was killed has left behind, but nothing that is no socket.
fn remove_stale_socket(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => {
            if std::os::unix::net::UnixStream::connect(path).is_ok() {
                return Err(io::ErrorKind::AddrInUse.into());
            }
            fs::remove_file(path)
        }
        _ => Ok(()),
    }
}

fn serve_unix(hub: Arc<Hub>, stream: UnixStream) {
    let (reader, writer) = stream.into_split();
    let accepted = hub.now();
    serve_plain(hub, Socket::Unix(writer), reader, accepted);
}

fn serve_tcp(hub: Arc<Hub>, stream: TcpStream, accepted: Instant) {
    let (reader, writer) = stream.into_split();
    serve_plain(hub, Socket::Tcp(writer), reader, accepted);
}

fn serve_plain<R>(hub: Arc<Hub>, socket: Socket, reader: R, accepted: Instant)
where
    R: AsyncRead + Unpin + Send + 'static,
{
    let (id, wire) = hub.open(Some(socket), accepted);
    let stream = Plain { reader, wire: wire.clone() };
    tokio::spawn(Client::new(hub, id, wire, stream));
}

/// Serves a client on a stream that only its own task writes to.
fn serve_own<S>(hub: Arc<Hub>, stream: S, accepted: Instant)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (id, wire) = hub.open(None, accepted);
    tokio::spawn(Client::new(hub, id, wire, stream));
}

/// A connection from its first byte to its first MQTT byte.
struct Arrival {
    hub: Arc<Hub>,
    terms: Arriving,
    accepted: Instant,
    /// When all handshakes before CONNECT have to be over.
    deadline: tokio::time::Instant,
    scheme: Scheme,
    tls: Option<Arc<ServerConfig>>,
}

impl Arrival {
    /// Serves the client, whoever it is from, in a task of its own: one that is served holds
    /// nothing of what came before.
    async fn welcome(self, mut stream: TcpStream, peer: SocketAddr) {
        let Some(client) = self.find_client(&mut stream, peer).await else { return };
        debug!(peer = %client, "accepted");
        match (self.scheme, self.tls.clone()) {
            (Scheme::Mqtt, _) => serve_tcp(self.hub, stream, self.accepted),
            (_, Some(tls)) => self.shake_hands(tls, stream, client).await,
            (_, None) => self.serve_above_tls(stream, client).await,
        }
    }

    fn is_from_proxy(&self, peer: SocketAddr) -> bool {
        self.terms.0.proxies.iter().any(|proxy| proxy.contains(peer.ip()))
    }

    /// The address the connection is from: its peer's, or what a proxy says, which has to.
    async fn find_client(&self, stream: &mut TcpStream, peer: SocketAddr) -> Option<SocketAddr> {
        if !self.is_from_proxy(peer) {
            return Some(peer);
        }
        match timeout_at(self.deadline, proxy::read(stream)).await {
            Ok(Ok(client)) => return Some(client.unwrap_or(peer)),
            // A proxy may look whether the broker is there, and say nothing.
            Ok(Err(error @ ProxyError::Ended)) => {
                debug!(proxy = %peer, "refused a connection: {error}");
            }
            Ok(Err(error)) => warn!(proxy = %peer, "refused a connection: {error}"),
            Err(_) => warn!(proxy = %peer, "refused a connection: no PROXY header in time"),
        }
        None
    }

    async fn shake_hands(self, tls: Arc<ServerConfig>, stream: TcpStream, peer: SocketAddr) {
        let handshake = TlsAcceptor::from(tls).accept(stream);
        match timeout_at(self.deadline, handshake).await {
            Ok(Ok(stream)) => self.serve_above_tls(stream, peer).await,
            Ok(Err(error)) => debug!(%peer, %error, "no TLS handshake"),
            Err(_) => debug!(%peer, "no TLS handshake in time"),
        }
    }

    async fn serve_above_tls<S>(self, stream: S, peer: SocketAddr)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        if !self.scheme.is_websocket() {
            return serve_own(self.hub, stream, self.accepted);
        }
        let handshake = websocket::accept(stream, self.terms.0.maximum_packet_size);
        match timeout_at(self.deadline, handshake).await {
            Ok(Ok(stream)) => serve_own(self.hub, stream, self.accepted),
            Ok(Err(error)) => debug!(%peer, %error, "no WebSocket handshake"),
            Err(_) => debug!(%peer, "no WebSocket handshake in time"),
        }
    }
}
