//! Transports: how bytes get to a server and back.

mod encryption;
mod proxy;
mod verifiers;
mod websocket;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, BufReader};
use tokio::net::{TcpSocket, TcpStream, UnixStream, lookup_host};
use tokio::time::timeout;

use crate::{Error, ErrorKind, Options, Proxy, Server};
use encryption::Encryption;
use websocket::Handshake;

/// How much is read at once for TLS: two records of the largest size.
const TLS_READ_SIZE: usize = 32 * 1024;

/// How many routes are remembered beyond those to the servers of the options.
const REMEMBERED: usize = 8;

/// An open connection of any kind that loses nothing and keeps the order. [MQTT-4.2-1]
///
/// What is written may be kept back until it is flushed.
pub(super) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// A connection that was opened.
pub(super) struct Opened {
    pub(super) stream: Box<dyn Transport>,
    /// Its socket, if bytes go into that as they are.
    pub(super) socket: Option<OwnedFd>,
}

/// The routes to all servers that a client has to do with.
pub(super) struct Routes {
    options: Options,
    known: Mutex<Vec<Arc<Route>>>,
}

impl Routes {
    /// The routes that the options describe.
    ///
    /// # Errors
    /// A server's URL cannot be used for TLS or WebSocket.
    pub(super) fn new(options: &Options) -> Result<Self, Error> {
        let servers = std::iter::once(&options.server).chain(&options.further_servers);
        let known = servers.map(|server| Ok(Arc::new(Route::new(options, server)?)));
        let known = Mutex::new(known.collect::<Result<_, Error>>()?);
        Ok(Self { options: options.clone(), known })
    }

    /// The first of the options' servers.
    pub(super) fn server(&self) -> &Server {
        &self.options.server
    }

    /// Opens a connection to a server.
    pub(super) async fn open(&self, server: &Server) -> Result<Opened, Error> {
        self.route_to(server)?.open(&self.options).await
    }

    /// The route to a server; it is kept, because TLS remembers on it what makes handshakes shorter.
    fn route_to(&self, server: &Server) -> Result<Arc<Route>, Error> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(route) = known.iter().find(|route| route.server == *server) {
            return Ok(Arc::clone(route));
        }
        let listed = 1 + self.options.further_servers.len();
        if known.len() >= listed + REMEMBERED {
            known.remove(listed);
        }
        let route = Arc::new(Route::new(&self.options, server)?);
        known.push(Arc::clone(&route));
        Ok(route)
    }

    /// Whether a server may be anybody, though it looks safe.
    pub(super) fn is_insecure(&self) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().any(|route| route.is_insecure())
    }
}

/// How to get to one server.
struct Route {
    server: Server,
    encryption: Option<Encryption>,
    websocket: Option<Handshake>,
}

impl Route {
    fn new(options: &Options, server: &Server) -> Result<Self, Error> {
        let mut route = Self { server: server.clone(), encryption: None, websocket: None };
        if let Server::Network { host, port, is_encrypted, websocket_path } = server {
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

    fn is_insecure(&self) -> bool {
        self.encryption.as_ref().is_some_and(Encryption::is_insecure)
    }

    async fn open(&self, options: &Options) -> Result<Opened, Error> {
        let (host, port) = match &self.server {
            Server::Network { host, port, .. } => (host, *port),
            Server::Unix { path } => return open_unix(path).await,
        };
        let way = Way { from: options.bind_address, limit: options.connect_timeout };
        let stream = match &options.proxy {
            None => way.open(host, port).await?,
            Some(proxy) => through(proxy, &way, host, port).await?,
        };
        if self.encryption.is_none() && self.websocket.is_none() {
            let socket = stream.as_fd().try_clone_to_owned().ok();
            return Ok(Opened { stream: Box::new(stream), socket });
        }
        let mut stream: Box<dyn Transport> = Box::new(stream);
        if let Some(encryption) = &self.encryption {
            // TLS itself reads 4 KiB at a time.
            let buffered = BufReader::with_capacity(TLS_READ_SIZE, stream);
            stream = Box::new(encryption.begin(buffered).await?);
        }
        if let Some(handshake) = &self.websocket {
            stream = Box::new(handshake.perform(stream).await?);
        }
        Ok(Opened { stream, socket: None })
    }
}

async fn open_unix(path: &str) -> Result<Opened, Error> {
    let stream = UnixStream::connect(path).await;
    let stream = stream.map_err(|error| cannot_connect(path, &error))?;
    let socket = stream.as_fd().try_clone_to_owned().ok();
    Ok(Opened { stream: Box::new(stream), socket })
}

/// Has a proxy open the connection to a server.
async fn through(proxy: &Proxy, way: &Way, host: &str, port: u16) -> Result<TcpStream, Error> {
    let stream = way.open(&proxy.host, proxy.port).await;
    let mut stream = stream.map_err(|error| Error {
        kind: ErrorKind::Proxy,
        message: format!("no proxy: {error}").into(),
        ..error
    })?;
    let address = match proxy.looks_up_names() {
        true => None,
        false => way.look_up(host, port).await?.into_iter().next(),
    };
    proxy::ask(proxy, &mut stream, host, port, address).await?;
    Ok(stream)
}

/// How TCP connections are opened.
struct Way {
    /// The address they come from, if not any.
    from: Option<IpAddr>,
    /// How long all addresses of one name may take together.
    limit: Duration,
}

impl Way {
    /// Looks the name up and tries its addresses in their order.
    async fn open(&self, host: &str, port: u16) -> Result<TcpStream, Error> {
        let addresses = self.look_up(host, port).await?;
        let share = self.limit / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
        let mut failure = io::Error::other(match self.from {
            None => "the name has no address",
            Some(_) => "the name has no address of the kind to connect from",
        });
        for address in addresses {
            match timeout(share, self.connect(address)).await {
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

    /// The addresses of a name that can be reached from here.
    async fn look_up(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Error> {
        let addresses = lookup_host((host, port)).await.map_err(|error| {
            Error::system(ErrorKind::Dns, &format!("cannot resolve {host}"), &error)
        })?;
        let fits = |to: &SocketAddr| self.from.is_none_or(|from| from.is_ipv4() == to.is_ipv4());
        Ok(addresses.filter(fits).collect())
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let Some(from) = self.from else { return TcpStream::connect(address).await };
        let socket = if from.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.bind((from, 0).into())?;
        socket.connect(address).await
    }
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
