//! The whole program but its command line: listeners, tasks, store, and the end of them all.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tracing::{info, warn};

use super::address::Address;
use super::admission::{AccessError, RoomOptions, read_access};
use super::checks::Checks;
use super::door::Terms;
use super::hub::{Clock, Hub};
use super::listener::Listener;
use super::memory;
use super::metrics::Metrics;
use super::network::Network;
use super::reload::Reloader;
use super::service::Inherited;
use super::tls::{Tls, TlsError, TlsFiles};
use crate::core::limits::Limits;
use crate::core::time::WallClock;
use crate::core::{Access, Config, Core, Durability, NonceSecret};
use crate::store::{self, Event, RedbStore, StoreError, Writer};

/// How long clients may take to accept their DISCONNECT when the broker stops.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(2);

/// What a broker is started with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Where to listen; nowhere is loopback on port 1883.
    pub listen: Vec<Address>,
    /// Where to keep what outlives the process; nowhere is nothing.
    pub state_dir: Option<PathBuf>,
    /// When it is there for sure.
    pub durability: Durability,
    /// Whether a damaged store is set aside, and what can be read of it kept.
    pub recover: bool,
    /// The certificate for encrypted addresses.
    pub tls: Option<TlsFiles>,
    /// Who can log in; without a file, nobody.
    pub password_file: Option<PathBuf>,
    /// Who may publish and receive what; without a file, everybody everything.
    pub acl_file: Option<PathBuf>,
    /// Rooms that are not for everybody.
    pub rooms: Vec<RoomOptions>,
    /// Users who may see what the broker says of itself.
    pub administrators: Vec<String>,
    /// Whether clients may connect that do not say who they are: without a password file those
    /// from other machines, with one any at all.
    pub allow_anonymous: bool,
    /// Peers that are proxies: they say in front of each connection, in the PROXY protocol, who it
    /// is from.
    pub proxies: Vec<Network>,
    /// The server that clients are to use in place of this one, as in `other.example:8883`.
    pub redirect_to: Option<String>,
    /// What clients are granted.
    pub limits: Limits,
    /// Where to tell over HTTP how the broker is, if anywhere.
    pub metrics: Option<SocketAddr>,
}

impl Options {
    /// Whether clients at encrypted addresses are who their certificates say.
    pub(super) fn certificates_name_users(&self) -> bool {
        self.tls.as_ref().is_some_and(|files| files.names_users)
    }

    /// The options that differ and that a broker goes by from its start to its end.
    pub(super) fn differing(&self, other: &Self) -> Vec<&'static str> {
        let options = [
            ("listen", self.listen != other.listen),
            ("state-dir", self.state_dir != other.state_dir),
            ("durability", self.durability != other.durability),
            ("proxy-protocol-from", self.proxies != other.proxies),
            ("metrics-listen", self.metrics != other.metrics),
            ("redirect-to", self.redirect_to != other.redirect_to),
            ("write-timeout", self.limits.write_timeout != other.limits.write_timeout),
        ];
        options.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
    }
}

/// A broker that listens.
pub struct Server {
    hub: Arc<Hub>,
    checks: Checks,
    events: UnboundedReceiver<Event>,
    listeners: Vec<Listener>,
    metrics: Option<Metrics>,
    terms: Arc<Terms>,
    reloader: Arc<Reloader>,
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
        Self::start_with(options, Inherited::default()).await
    }

    /// The same with sockets that listen already, where those are at addresses to listen at.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_with(
        options: Options,
        mut inherited: Inherited,
    ) -> Result<Self, StartError> {
        let addresses = match options.listen.as_slice() {
            [] => vec![Address::loopback()],
            addresses => addresses.to_vec(),
        };
        refuse_open_doors(&addresses, &options)?;
        let mut secret = NonceSecret::default();
        getrandom::fill(&mut secret.0).map_err(StartError::Random)?;
        let access = read_access(&options, &secret).map_err(StartError::Access)?;
        // A port in use is found out before the store is touched.
        let mut listeners = Vec::new();
        for address in &addresses {
            listeners.extend(listen(address, &options, &mut inherited).await?);
        }
        inherited.mind_the_rest();
        let metrics = match options.metrics {
            None => None,
            Some(address) => {
                let metrics = Metrics::bind(address).await;
                Some(metrics.map_err(|error| StartError::Metrics(address, error))?)
            }
        };
        let (tell, events) = unbounded_channel();
        let (hub, checks) = open_hub(&options, access, tell)?;
        let hub = Arc::new(hub);
        let terms = Arc::new(Terms::new(options.limits.clone(), options.proxies.clone()));
        let tls = listeners.iter().filter_map(Listener::tls).cloned().collect();
        let reloader =
            Reloader { hub: hub.clone(), terms: terms.clone(), tls, secret, started_with: options };
        let reloader = Arc::new(reloader);
        Ok(Self { hub, checks, events, listeners, metrics, terms, reloader })
    }

    /// Finds out whether a broker with these options would start, as far as that can be told
    /// without listening and without its store.
    ///
    /// # Errors
    /// Something of what was asked for cannot be had, or should not be.
    pub fn check(options: &Options) -> Result<(), StartError> {
        refuse_open_doors(&options.listen, options)?;
        read_access(options, &NonceSecret::default()).map_err(StartError::Access)?;
        for address in options.listen.iter().filter(|address| address.is_encrypted()) {
            Tls::read(address, options.tls.as_ref())?;
        }
        Ok(())
    }

    /// What changes the broker while it runs.
    pub fn reloader(&self) -> Arc<Reloader> {
        self.reloader.clone()
    }

    /// The network addresses it listens on, ports chosen by the system included.
    pub fn local_addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(Listener::local_address).collect()
    }

    /// Where it tells how it is.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().and_then(Metrics::local_address)
    }

    /// The URLs it listens at, in the order they were asked for.
    pub fn urls(&self) -> Vec<String> {
        self.listeners.iter().map(Listener::url).collect()
    }

    /// Serves clients until `stop` is ready, then says goodbye to them.
    ///
    /// # Errors
    /// The store has failed, and what it was to keep can no longer be promised. Nobody is told.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), StoreError> {
        let mut tasks = tokio::task::JoinSet::new();
        if let Some(metrics) = self.metrics {
            tasks.spawn(metrics.answer_all(self.hub.clone(), self.terms.clone()));
        }
        let hub = self.hub.clone();
        tasks.spawn(async move { hub.run_timers().await });
        tasks.spawn(memory::watch(self.hub.clone()));
        tasks.spawn(self.checks.run(self.hub.clone()));
        // The doors open last, when all is ready for who comes in.
        for listener in self.listeners {
            tasks.spawn(listener.accept_all(self.hub.clone(), self.terms.clone()));
        }
        let failed = heed(self.events, self.hub.clone());
        tokio::pin!(stop, failed);
        tokio::select! {
            () = &mut stop => {}
            error = &mut failed => return Err(error),
        }
        info!("stopping");
        tasks.abort_all();
        self.hub.shut_down(SHUTDOWN_PATIENCE).await;
        Ok(())
    }
}

/// Passes on what the store tells, until it fails.
async fn heed(mut events: UnboundedReceiver<Event>, hub: Arc<Hub>) -> StoreError {
    loop {
        match events.recv().await {
            Some(Event::Committed(changes)) => hub.committed(changes),
            Some(Event::Full) => hub.set_store_full(true),
            Some(Event::Roomy) => hub.set_store_full(false),
            Some(Event::Failed(error)) => return error,
            // There is no store.
            None => std::future::pending().await,
        }
    }
}

/// A door to the world wants a lock, or a word that it wants none.
pub(super) fn refuse_open_doors(
    addresses: &[Address],
    options: &Options,
) -> Result<(), StartError> {
    let knows_users = options.password_file.is_some() || !options.rooms.is_empty();
    if options.allow_anonymous || knows_users {
        return Ok(());
    }
    for address in addresses {
        if address.is_encrypted() && options.certificates_name_users() {
            continue;
        }
        let is_local = address.is_local();
        if !is_local.map_err(|error| StartError::Listen(address.clone(), error))? {
            return Err(StartError::OpenDoor(address.clone()));
        }
    }
    Ok(())
}

async fn listen(
    address: &Address,
    options: &Options,
    inherited: &mut Inherited,
) -> Result<Vec<Listener>, StartError> {
    let is_encrypted = address.is_encrypted();
    let tls = is_encrypted.then(|| Tls::read(address, options.tls.as_ref())).transpose()?;
    let write_timeout = options.limits.write_timeout;
    let listeners = Listener::bind(address, tls, write_timeout, inherited).await;
    listeners.map_err(|error| StartError::Listen(address.clone(), error))
}

fn open_hub(
    options: &Options,
    access: Access,
    tell: UnboundedSender<Event>,
) -> Result<(Hub, Checks), StartError> {
    let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let clock = Clock::start(unix);
    let wall_clock = WallClock { unix, at: clock.beginning() };
    let run_id = random_id().map_err(StartError::Random)?;
    let limits = options.limits.clone();
    let durability = match options.state_dir {
        Some(_) => options.durability,
        None => Durability::Off,
    };
    let mut core = Core::new(Config { limits, wall_clock, run_id, access, durability });
    if let Some(server) = &options.redirect_to {
        core.redirect_to(server);
    }
    let writer = match &options.state_dir {
        None => None,
        Some(directory) => {
            let failed = |error| StartError::Store(directory.clone(), error);
            let store = open_store(directory, wall_clock, options.recover).map_err(failed)?;
            store::restore(&store, &mut core, clock.beginning()).map_err(failed)?;
            // What was due while the broker was not running, before the first client comes.
            core.handle_timeout(clock.beginning());
            info!(
                directory = %directory.display(),
                sessions = core.session_count(),
                retained = core.retained_count(),
                "opened the store"
            );
            let tell = move |event| drop(tell.send(event));
            let writer = Writer::start(store, durability, tell);
            Some(writer.map_err(|error| failed(StoreError::Io(error)))?)
        }
    };
    Ok(Hub::new(core, writer, clock))
}

fn open_store(
    directory: &Path,
    wall_clock: WallClock,
    recover: bool,
) -> Result<RedbStore, StoreError> {
    if !recover {
        return RedbStore::open(directory, wall_clock);
    }
    let (store, recovered) = RedbStore::recover(directory, wall_clock)?;
    match recovered {
        Some(recovered) => warn!("{recovered}"),
        None => info!("there is nothing to recover: the store is in order"),
    }
    Ok(store)
}

/// A name that no other run has.
fn random_id() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Why a broker does not start.
#[derive(Debug)]
pub enum StartError {
    /// The address cannot be listened on.
    Listen(Address, io::Error),
    /// The address can be reached from other machines and clients need no authentication.
    OpenDoor(Address),
    /// The address is encrypted and there is no certificate.
    NoCertificate(Address),
    /// It is not clear who may connect, or do what.
    Access(AccessError),
    /// Certificate or key cannot be used.
    Tls(TlsError),
    /// The store cannot be used.
    Store(PathBuf, StoreError),
    /// Figures cannot be had at this address.
    Metrics(SocketAddr, io::Error),
    /// The system gives no threads.
    Threads(io::Error),
    /// The system has no randomness.
    Random(getrandom::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen(address, error) => write!(f, "cannot listen on {address}: {error}"),
            Self::OpenDoor(address) => write!(
                f,
                "{address} can be reached from other machines by anyone; say --password-file \
                 FILE to know who it is, or --allow-anonymous if that is what you want"
            ),
            Self::NoCertificate(address) => {
                write!(f, "{address} needs a certificate; say --tls-cert FILE and --tls-key FILE")
            }
            Self::Access(error) => error.fmt(f),
            Self::Tls(error) => write!(f, "cannot use TLS: {error}"),
            Self::Store(directory, error) => {
                write!(f, "cannot use the store in {}: {error}", directory.display())
            }
            Self::Metrics(address, error) => {
                write!(f, "cannot listen on {address} for --metrics-listen: {error}")
            }
            Self::Threads(error) => write!(f, "cannot start threads: {error}"),
            Self::Random(error) => write!(f, "the system has no randomness: {error}"),
        }
    }
}

impl Error for StartError {}
