//! Foreign programs: where they are, and how one is run to its end.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use rooms::spawn::Process;

use crate::{Broker, DEADLINE, House};

/// A program of this workspace, built for release.
#[must_use]
pub fn built(name: &str) -> PathBuf {
    there(target().join("release").join(name), "make build")
}

/// A file in `peers/`.
#[must_use]
pub fn peer(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(name)
}

/// MQTT.js, as npm installed it.
#[must_use]
pub fn mqttjs() -> PathBuf {
    there(target().join("interop/node_modules/mqtt"), "make interop")
}

/// A Python that has Paho.
#[must_use]
pub fn paho() -> PathBuf {
    there(target().join("interop/paho/bin/python"), "make interop")
}

/// One of the programs in `peers/rumqtt`.
#[must_use]
pub fn rumqtt(name: &str) -> PathBuf {
    there(target().join("interop/rumqtt/debug").join(name), "make interop")
}

/// One of mosquitto's clients with the way to a broker.
#[must_use]
pub fn mosquitto_client(
    program: &str,
    broker: &Broker,
    house: &House,
    is_encrypted: bool,
) -> Command {
    let mut command = Command::new(program);
    command.args(["-h", "localhost"]);
    if is_encrypted {
        command.arg("--cafile").arg(house.certificate());
    }
    let port = broker.port(if is_encrypted { "mqtts" } else { "mqtt" });
    command.args(["-p", &port.to_string()]);
    command
}

/// A foreign program that runs, and what it prints.
#[derive(Debug)]
pub struct Running {
    what: String,
    process: Process,
    output: PathBuf,
}

/// Starts a foreign program.
///
/// # Panics
/// When it cannot be started.
#[must_use]
pub fn start(house: &House, command: Command) -> Running {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let (what, output) = (format!("{command:?}"), house.file(&format!("peer-{number}.log")));
    let process = Process::start(&what, command, output.clone());
    let process = process.unwrap_or_else(|error| panic!("{what}: {error}"));
    Running { what, process, output }
}

/// Runs a foreign program and gives what it printed.
///
/// # Panics
/// When it ends badly or not in time.
#[track_caller]
pub fn meet(house: &House, command: Command) -> String {
    start(house, command).finish()
}

impl Running {
    /// What it has printed.
    #[must_use]
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.output).unwrap_or_default()).into_owned()
    }

    /// Waits for its good end and gives what it printed.
    ///
    /// # Panics
    /// When it ends badly or not in time.
    #[track_caller]
    pub fn finish(mut self) -> String {
        match self.process.wait_for_end(DEADLINE) {
            Ok(status) if status.success() => self.output(),
            Ok(status) => panic!("{}: {status}\n{}", self.what, self.output()),
            Err(_) => panic!("{} does not end\n{}", self.what, self.output()),
        }
    }

    /// Ends it without warning.
    pub fn kill(mut self) {
        self.process.kill();
    }
}

/// Cargo's folder for what is built.
fn target() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    test.ancestors().nth(3).expect("a test lies in TARGET/PROFILE/deps").to_owned()
}

fn there(path: PathBuf, remedy: &str) -> PathBuf {
    assert!(path.exists(), "{} is missing; {remedy} makes it", path.display());
    path
}
