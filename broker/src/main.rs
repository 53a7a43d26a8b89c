//! The program `mqtt-broker`: command line, logs and signals around the broker.

mod config;
mod passwd;
mod settings;

use std::env;
use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::builder::styling::Styles;
use clap::{Parser, Subcommand, ValueEnum};
use mqtt_broker::core::Durability;
use mqtt_broker::core::limits::Limits;
use mqtt_broker::shell::{
    Address, Inherited, Network, Options, Reloader, Server, StartError, notify,
    raise_descriptor_limit,
};
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info};
use tracing_subscriber::EnvFilter;

use crate::config::file_path;
use crate::settings::Settings;

/// A compact MQTT 5.0 broker.
///
/// Without arguments it listens on mqtt://127.0.0.1:1883, welcomes every client of this
/// machine, and forgets everything when it stops.
#[derive(Debug, Parser)]
#[command(version, styles = Styles::plain(), after_help = AFTER_HELP)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,

    /// Read this file, in TOML, for all that these options can say and for [rooms]; what the command
    /// line says wins. At SIGHUP it is read anew, with all the files it names
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Say whether the configuration and all the files it names are in order, and serve nobody
    #[arg(long)]
    check_config: bool,

    /// Listen on this address, such as mqtt://127.0.0.1:1883, mqtts://[::]:8883, ws://0.0.0.0:8083
    /// or unix:///run/mqtt.sock; may be given several times, port 0 lets the system choose
    #[arg(long, value_name = "URL")]
    listen: Vec<Address>,

    /// Keep retained messages and sessions in this directory across restarts
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,

    /// What that directory holds for sure: sync, all that was acknowledged; 1s, all but the last
    /// second; off, nothing until the broker stops in good order
    #[arg(long, value_name = "WHEN", default_value = "sync", value_parser = parse_durability)]
    durability: Durability,

    /// If that directory's store is damaged, set it aside and keep what can be read
    #[arg(long)]
    recover: bool,

    /// Show this certificate on mqtts and wss addresses, in PEM form, with those between it and
    /// its root
    #[arg(long, value_name = "FILE", value_parser = file_path)]
    tls_cert: Option<PathBuf>,

    /// The private key of the certificate, in PEM form
    #[arg(long, value_name = "FILE", value_parser = file_path)]
    tls_key: Option<PathBuf>,

    /// Ask clients on mqtts and wss addresses for a certificate from one of these roots
    #[arg(long, value_name = "FILE", value_parser = file_path)]
    tls_client_ca: Option<PathBuf>,

    /// Take the common name of a client's certificate for its user, who then needs no password
    #[arg(long)]
    tls_identity: bool,

    /// Let only users in that this file knows, with a password or SCRAM-SHA-256; mqtt-broker passwd
    /// writes it, and mosquitto's is understood
    #[arg(long, value_name = "FILE", value_parser = file_path)]
    password_file: Option<PathBuf>,

    /// Let clients publish and receive only what this file allows, in the form of mosquitto's: a
    /// line `user NAME`, then lines `topic [read|write|readwrite|deny] TOPIC`; `pattern ...` is for
    /// all, with %u for the user and %c for the client id
    #[arg(long, value_name = "FILE", value_parser = file_path)]
    acl_file: Option<PathBuf>,

    /// Let this user see what the broker says of itself below $SYS; may be given several times
    #[arg(long, value_name = "USER")]
    administrator: Vec<String>,

    /// Take connections from this address or network for a proxy's, which say in the PROXY protocol
    /// of HAProxy, version 1 or 2, who they are really from; may be given several times
    #[arg(long, value_name = "NETWORK")]
    proxy_protocol_from: Vec<Network>,

    /// Let clients in that do not say who they are, from other machines too
    #[arg(long)]
    allow_anonymous: bool,

    /// Set a limit, such as maximum-sessions=100000 or retain-available=no; may be given several
    /// times, and a name that does not exist lists those that do
    #[arg(long = "limit", value_name = "NAME=VALUE", value_parser = parse_limit)]
    limits: Vec<(String, String)>,

    /// Tell over HTTP at this address, such as 127.0.0.1:9883, how the broker is: figures for
    /// Prometheus at /metrics, and /healthz
    #[arg(long, value_name = "ADDRESS")]
    metrics_listen: Option<SocketAddr>,

    /// Serve nobody: tell clients to use this server, such as other.example:8883
    #[arg(long, value_name = "SERVER")]
    redirect_to: Option<String>,

    /// Use so many threads; one less than there are cores unless said
    #[arg(long, value_name = "COUNT")]
    threads: Option<NonZeroUsize>,

    /// Log lines for people, or one JSON object a line for machines
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,

    /// Log at this level: error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log: EnvFilter,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Give a user a password, or another one
    Passwd(passwd::Arguments),
}

const AFTER_HELP: &str = "\
Examples:
  mqtt-broker
      for programs on this machine
  mqtt-broker --state-dir /var/lib/mqtt-broker
      the same, and what it was told to keep survives a restart
  mqtt-broker --listen mqtt://[::]:1883 --allow-anonymous
      for everyone who can reach this machine
  mqtt-broker passwd users ann
  mqtt-broker --listen mqtt://[::]:1883 --password-file users
      for ann and other users, from wherever they are

The log goes to standard error. SIGTERM and SIGINT end the broker in an orderly way:
clients are told, and the store is complete. At SIGHUP it reads its configuration, users, rules
and certificates anew; if something is wrong with them, it says so and goes on as it was.
FILE may be credential:NAME, for a credential of the systemd unit.";

fn main() -> ExitCode {
    let line: Vec<OsString> = env::args_os().collect();
    let settings = match Settings::read(&line) {
        Ok(settings) => settings,
        Err(wrong) => return wrong.end(),
    };
    if let Some(Command::Passwd(arguments)) = settings.arguments.command {
        return passwd::run(&arguments);
    }
    if settings.arguments.check_config {
        return check(&settings.into_options());
    }
    let log = tracing_subscriber::fmt()
        .with_env_filter(settings.arguments.log.clone())
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr)
        .with_target(false);
    match settings.arguments.log_format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().flatten_event(true).with_ansi(false).init(),
    }
    let runtime = Builder::new_multi_thread()
        .worker_threads(settings.arguments.threads.unwrap_or_else(default_threads).get())
        .enable_all()
        .build();
    let options = settings.into_options();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(run(options, line)),
        Err(error) => Err(StartError::Threads(error).to_string()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn check(options: &Options) -> ExitCode {
    match Server::check(options) {
        Ok(()) => {
            println!("the configuration is in order");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("mqtt-broker: {error}");
            ExitCode::FAILURE
        }
    }
}

/// One for each core but one, which the kernel and other programs have use for: threads that
/// outnumber the free cores only wait for each other.
fn default_threads() -> NonZeroUsize {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    NonZeroUsize::new(cores - 1).unwrap_or(NonZeroUsize::MIN)
}

fn parse_durability(text: &str) -> Result<Durability, &'static str> {
    match text {
        "sync" => Ok(Durability::Sync),
        "1s" => Ok(Durability::OneSecond),
        "off" => Ok(Durability::Off),
        _ => Err("expected sync, 1s or off"),
    }
}

fn parse_limit(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Limits::default().set(name, value).map_err(|invalid| invalid.to_string())?;
    Ok((name.into(), value.into()))
}

async fn run(options: Options, line: Vec<OsString>) -> Result<(), String> {
    let descriptors = raise_descriptor_limit();
    let maximum = options.limits.maximum_connections;
    let keeps_state = options.state_dir.is_some();
    let stop = stop_signal();
    let hangup = signal(SignalKind::hangup());
    let server = Server::start_with(options, Inherited::from_environment()).await;
    let server = server.map_err(|error| error.to_string())?;
    for url in server.urls() {
        info!("listening on {url}");
    }
    if let Some(count) = descriptors.filter(|count| *count < maximum) {
        info!("the system allows {count} descriptors, less than maximum-connections={maximum}");
    }
    if let Some(address) = server.metrics_address() {
        info!("figures are at http://{address}/metrics");
    }
    if !keeps_state {
        info!("keeping nothing across a restart; --state-dir DIR would");
    }
    tokio::spawn(reload_at(hangup, server.reloader(), line));
    notify("READY=1");
    let stop = async {
        stop.await;
        notify("STOPPING=1");
    };
    server.run(stop).await.map_err(|error| format!("stopped at once: {error}"))?;
    info!("stopped");
    Ok(())
}

/// Reads the configuration anew at each SIGHUP.
async fn reload_at(hangup: io::Result<Signal>, reloader: Arc<Reloader>, line: Vec<OsString>) {
    let (Ok(mut hangup), line) = (hangup, Arc::new(line)) else { return };
    while hangup.recv().await.is_some() {
        let (reloader, line) = (reloader.clone(), line.clone());
        // Files are read and passwords hashed, which takes its time.
        let reloaded = tokio::task::spawn_blocking(move || {
            let settings = Settings::read(&line).map_err(|wrong| wrong.to_string())?;
            reloader.reload(&settings.into_options()).map_err(|error| error.to_string())
        });
        match reloaded.await.unwrap_or_else(|panic| Err(panic.to_string())) {
            Ok(()) => info!("read the configuration anew"),
            Err(why) => error!("kept the configuration as it was: {why}"),
        }
    }
}

/// Is ready when SIGTERM or SIGINT has come since it was made. Where one of them cannot be had, the
/// other still ends the broker.
fn stop_signal() -> impl Future<Output = ()> {
    let [terminate, interrupt] = [SignalKind::terminate(), SignalKind::interrupt()].map(signal);
    async move {
        tokio::select! {
            () = wait_for(terminate) => {}
            () = wait_for(interrupt) => {}
        }
    }
}

async fn wait_for(signal: io::Result<Signal>) {
    match signal {
        Ok(mut signal) => drop(signal.recv().await),
        Err(_) => std::future::pending().await,
    }
}
