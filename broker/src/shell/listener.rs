//! One place the broker listens at: it accepts, shakes hands, and starts the connection's task.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::net::sockopt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::time::timeout_at;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::{debug, info, warn};

use super::address::{Address, Scheme, resolve};
use super::connection::Client;
use super::door::{Arriving, Terms, Visit};
use super::hub::Hub;
use super::proxy::ProxyError;
use super::service::Inherited;
use super::socket::{Plain, Socket};
use super::tls::Tls;
use super::{proxy, subject, tls, websocket};
use crate::core::time::Instant;
use crate::users::is_name;

/// How long to wait when there are no descriptors left for a new connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// After how much silence the system looks whether the client's machine is still there, which a
/// client without keep alive would never show; how often, and how many times in vain.
const SILENCE: Duration = Duration::from_secs(300);
const PROBE_INTERVAL: Duration = Duration::from_secs(30);
const PROBES: u32 = 4;

/// A socket that listens for connections that lose nothing and keep the order. [MQTT-4.2-1]
#[derive(Debug)]
pub(super) enum Listener {
    Network { scheme: Scheme, socket: TcpListener, tls: Option<Tls> },
    Unix { socket: UnixListener, path: PathBuf, is_inherited: bool },
}

impl Listener {
    /// Listens at all addresses the URL stands for.
    pub(super) async fn bind(
        address: &Address,
        tls: Option<Tls>,
        write_timeout: Duration,
        inherited: &mut Inherited,
    ) -> io::Result<Vec<Self>> {
        match address {
            Address::Unix(path) => {
                let found = inherited.unix(path);
                let is_inherited = found.is_some();
                let socket = match found {
                    Some(socket) => {
                        socket.set_nonblocking(true)?;
                        UnixListener::from_std(socket)?
                    }
                    None => {
                        remove_stale_socket(path)?;
                        UnixListener::bind(path)?
                    }
                };
                Ok(vec![Self::Unix { socket, path: path.clone(), is_inherited }])
            }
            Address::Network { scheme, host, port } => {
                let mut listeners = Vec::new();
                for address in resolve(host, *port)? {
                    let socket = match inherited.network(address) {
                        Some(socket) => {
                            socket.set_nonblocking(true)?;
                            TcpListener::from_std(socket)?
                        }
                        None => TcpListener::bind(address).await?,
                    };
                    give_up_on_the_gone(&socket, write_timeout)?;
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

    /// The certificates of an encrypted address.
    pub(super) const fn tls(&self) -> Option<&Tls> {
        match self {
            Self::Network { tls, .. } => tls.as_ref(),
            Self::Unix { .. } => None,
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
        let mut is_failing = false;
        loop {
            match self.accept(&hub, &terms).await {
                Ok(()) if is_failing => {
                    info!(listener = self.url(), "can accept connections again");
                    is_failing = false;
                }
                Ok(()) => {}
                // The client has given up while it waited.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    terms.turned_away.not_accepted.count();
                    if !is_failing {
                        warn!(%error, listener = self.url(), "cannot accept connections");
                    }
                    is_failing = true;
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
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
                let accepted = hub.now();
                let is_from_proxy = terms.is_proxy(peer);
                let visit = if is_from_proxy { None } else { terms.visit(peer, accepted) };
                match visit {
                    None if !is_from_proxy => {}
                    Some(visit) if *scheme == Scheme::Mqtt => serve_tcp(hub, stream, visit),
                    visit => {
                        let arrival = Arrival {
                            accepted,
                            visit,
                            deadline: tokio::time::Instant::now() + terms.limits().connect_timeout,
                            hub,
                            terms: Arriving::count(terms),
                            scheme: *scheme,
                            tls: tls.as_ref().map(Tls::current),
                        };
                        let handshake = tokio::spawn(arrival.welcome(stream, peer));
                        terms.wait_for(handshake.abort_handle());
                    }
                }
            }
            Self::Unix { socket, .. } => {
                let (stream, _) = socket.accept().await?;
                if terms.have_place(&hub) {
                    let visit = Visit::local(hub.now());
                    serve_unix(hub, stream, visit);
                }
            }
        }
        Ok(())
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Unix { path, is_inherited: false, .. } = self {
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

fn serve_unix(hub: Arc<Hub>, stream: UnixStream, visit: Visit) {
    let (reader, writer) = stream.into_split();
    serve_plain(hub, Socket::Unix(writer), reader, visit);
}

fn serve_tcp(hub: Arc<Hub>, stream: TcpStream, visit: Visit) {
    let (reader, writer) = stream.into_split();
    serve_plain(hub, Socket::Tcp(writer), reader, visit);
}

fn serve_plain<R>(hub: Arc<Hub>, socket: Socket, reader: R, visit: Visit)
where
    R: AsyncRead + Unpin + Send + 'static,
{
    let (id, wire) = hub.open(Some(socket), visit.origin, visit.accepted);
    let stream = Plain { reader, wire: wire.clone() };
    tokio::spawn(Client::new(hub, id, wire, stream, visit.place));
}

/// Who the certificate of a client says that it is.
fn user_of(stream: &TlsStream<TcpStream>) -> Option<Arc<str>> {
    let certificate = stream.get_ref().1.peer_certificates()?.first()?;
    subject::common_name(certificate).filter(|name| is_name(name)).map(Arc::from)
}

/// Serves a client on a stream that only its own task writes to.
fn serve_own<S>(hub: Arc<Hub>, stream: S, visit: Visit)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (id, wire) = hub.open(None, visit.origin, visit.accepted);
    if let Some(user) = visit.user {
        hub.certify(id, user);
    }
    tokio::spawn(Client::new(hub, id, wire, stream, visit.place));
}

/// A connection from its first byte to its first MQTT byte.
struct Arrival {
    hub: Arc<Hub>,
    terms: Arriving,
    accepted: Instant,
    /// Who comes; of a proxy's connection that is to be heard.
    visit: Option<Visit>,
    /// When all handshakes before CONNECT have to be over.
    deadline: tokio::time::Instant,
    scheme: Scheme,
    tls: Option<tls::Terms>,
}

impl Arrival {
    /// Serves the client, whoever it is from, in a task of its own: one that is served holds
    /// nothing of what came before.
    async fn welcome(mut self, mut stream: TcpStream, peer: SocketAddr) {
        let known = self.visit.take();
        let visit = match known {
            Some(visit) => Some(visit),
            None => self.find_client(&mut stream, peer).await,
        };
        let Some(visit) = visit else { return };
        match (self.scheme, self.tls.clone()) {
            (Scheme::Mqtt, _) => serve_tcp(self.hub, stream, visit),
            (_, Some(tls)) => self.shake_hands(tls, stream, visit).await,
            (_, None) => self.serve_above_tls(stream, visit).await,
        }
    }

    /// The visit that a proxy says it is, which has to.
    async fn find_client(&self, stream: &mut TcpStream, peer: SocketAddr) -> Option<Visit> {
        let terms = self.terms.terms();
        match timeout_at(self.deadline, proxy::read(stream)).await {
            Ok(Ok(client)) => return terms.visit(client.unwrap_or(peer), self.accepted),
            // A proxy may look whether the broker is there, and say nothing.
            Ok(Err(error @ ProxyError::Ended)) => {
                debug!(proxy = %peer, "refused a connection: {error}");
            }
            Ok(Err(error)) => warn!(proxy = %peer, "refused a connection: {error}"),
            Err(_) => warn!(proxy = %peer, "refused a connection: no PROXY header in time"),
        }
        terms.turned_away.no_handshake.count();
        None
    }

    async fn shake_hands(self, tls: tls::Terms, stream: TcpStream, mut visit: Visit) {
        let handshake = TlsAcceptor::from(tls.config).accept(stream);
        match timeout_at(self.deadline, handshake).await {
            Ok(Ok(stream)) if tls.names_users => {
                visit.user = user_of(&stream);
                if visit.user.is_some() {
                    return self.serve_above_tls(stream, visit).await;
                }
                warn!(from = ?visit.origin, "refused a certificate: its common name is no user's");
            }
            Ok(Ok(stream)) => return self.serve_above_tls(stream, visit).await,
            Ok(Err(error)) => debug!(from = ?visit.origin, %error, "no TLS handshake"),
            Err(_) => debug!(from = ?visit.origin, "no TLS handshake in time"),
        }
        self.terms.terms().turned_away.no_handshake.count();
    }

    async fn serve_above_tls<S>(self, stream: S, visit: Visit)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        if !self.scheme.is_websocket() {
            return serve_own(self.hub, stream, visit);
        }
        let terms = self.terms.terms();
        let maximum = terms.limits().maximum_packet_size as usize;
        let handshake = websocket::accept(stream, maximum);
        match timeout_at(self.deadline, handshake).await {
            Ok(Ok(stream)) => return serve_own(self.hub, stream, visit),
            Ok(Err(error)) => debug!(from = ?visit.origin, %error, "no WebSocket handshake"),
            Err(_) => debug!(from = ?visit.origin, "no WebSocket handshake in time"),
        }
        terms.turned_away.no_handshake.count();
    }
}

/// Has the system end connections, accepted here, to machines that are gone, and to clients that
/// take nothing of what is sent to them.
fn give_up_on_the_gone(socket: &TcpListener, write_timeout: Duration) -> io::Result<()> {
    let millis = u32::try_from(write_timeout.as_millis()).unwrap_or(u32::MAX);
    sockopt::set_tcp_user_timeout(socket, millis)?;
    sockopt::set_socket_keepalive(socket, true)?;
    sockopt::set_tcp_keepidle(socket, SILENCE)?;
    sockopt::set_tcp_keepintvl(socket, PROBE_INTERVAL)?;
    sockopt::set_tcp_keepcnt(socket, PROBES)?;
    Ok(())
}
