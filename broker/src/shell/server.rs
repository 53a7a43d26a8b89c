//! The whole program but its command line: listeners, tasks, store, and the end of them all.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::net::TcpListener;
use tokio::time::Instant as ShellInstant;
use tracing::{debug, info, warn};

use super::connection::serve;
use super::hub::Hub;
use super::listener::Address;
use crate::core::limits::Limits;
use crate::core::time::{Instant, WallClock};
use crate::core::{Config, Core};
use crate::store::{self, RedbStore, Writer};

/// How long clients may take to accept their DISCONNECT when the broker stops.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(2);

/// How long to wait when there are no descriptors left for a new connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a broker is started with.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where to listen; nowhere is loopback on port 1883.
    pub listen: Vec<Address>,
    /// Where to keep what outlives the process; nowhere is nothing.
    pub state_dir: Option<PathBuf>,
    /// Whether clients from other machines need no authentication.
    pub allow_anonymous: bool,
    /// What clients are granted.
    pub limits: Limits,
}

/// A broker that listens.
pub struct Server {
    hub: Arc<Hub>,
    listeners: Vec<TcpListener>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("listeners", &self.listeners).finish_non_exhaustive()
    }
}

impl Server {
    /// Opens the store and the listeners.
    ///
    /// # Errors
    /// Something of what was asked for cannot be had, or should not be.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let addresses = match options.listen.as_slice() {
            [] => vec![Address::loopback()],
            addresses => addresses.to_vec(),
        };
        if !options.allow_anonymous {
            refuse_open_doors(&addresses)?;
        }
        // A port in use is found out before the store is touched.
        let mut listeners = Vec::new();
        for address in &addresses {
            listeners.extend(listen(address).await?);
        }
        let hub = Arc::new(open_hub(&options)?);
        Ok(Self { hub, listeners })
    }

    /// The addresses it listens on, ports chosen by the system included.
    pub fn local_addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// Serves clients until `stop` is ready, then says goodbye to them.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let mut tasks = tokio::task::JoinSet::new();
        for listener in self.listeners {
            tasks.spawn(accept(self.hub.clone(), listener));
        }
        let hub = self.hub.clone();
        tasks.spawn(async move { hub.run_timers().await });
        stop.await;
        info!("stopping");
        tasks.abort_all();
        self.hub.shut_down(SHUTDOWN_PATIENCE).await;
    }
}

/// A door to the world wants a lock, or a word that it wants none.
fn refuse_open_doors(addresses: &[Address]) -> Result<(), StartError> {
    for address in addresses {
        let is_loopback = address.is_loopback();
        if !is_loopback.map_err(|error| StartError::Listen(address.clone(), error))? {
            return Err(StartError::OpenDoor(address.clone()));
        }
    }
    Ok(())
}

async fn listen(address: &Address) -> Result<Vec<TcpListener>, StartError> {
    let failed = |error| StartError::Listen(address.clone(), error);
    let mut listeners = Vec::new();
    for socket_address in address.resolve().map_err(failed)? {
        listeners.push(TcpListener::bind(socket_address).await.map_err(failed)?);
    }
    Ok(listeners)
}

fn open_hub(options: &Options) -> Result<Hub, StartError> {
    let start = ShellInstant::now();
    let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let wall_clock = WallClock { unix, at: Instant::default() };
    let run_id = random_id().map_err(StartError::Random)?;
    let mut core = Core::new(Config { limits: options.limits.clone(), wall_clock, run_id });
    let writer = match &options.state_dir {
        None => None,
        Some(directory) => {
            let failed = |error| StartError::Store(directory.clone(), error);
            let store = RedbStore::open(directory, wall_clock).map_err(failed)?;
            store::restore(&store, &mut core, Instant::default()).map_err(failed)?;
            info!(
                directory = %directory.display(),
                sessions = core.session_count(),
                retained = core.retained_count(),
                "opened the store"
            );
            Some(Writer::start(store).map_err(|error| failed(error.into()))?)
        }
    };
    Ok(Hub::new(core, writer, start))
}

/// A name that no other run has.
fn random_id() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

async fn accept(hub: Arc<Hub>, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                debug!(%peer, "connected");
                tokio::spawn(serve(hub.clone(), stream));
            }
            Err(error) => {
                warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Why a broker does not start.
#[derive(Debug)]
pub enum StartError {
    /// The address cannot be listened on.
    Listen(Address, io::Error),
    /// The address can be reached from other machines and clients need no authentication.
    OpenDoor(Address),
    /// The store cannot be used.
    Store(PathBuf, store::StoreError),
    /// The system has no randomness.
    Random(getrandom::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen(address, error) => write!(f, "cannot listen on {address}: {error}"),
            Self::OpenDoor(address) => write!(
                f,
                "{address} can be reached from other machines by anyone; \
                 say --allow-anonymous if that is what you want"
            ),
            Self::Store(directory, error) => {
                write!(f, "cannot use the store in {}: {error}", directory.display())
            }
            Self::Random(error) => write!(f, "the system has no randomness: {error}"),
        }
    }
}

impl Error for StartError {}
