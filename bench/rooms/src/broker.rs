//! A broker of one's own, on a free loopback port, with its files in a scratch directory.

use crate::spawn::Process;
use crate::{Error, Scratch};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// A broker opens its store before it listens.
const START: Duration = Duration::from_secs(20);

/// A running broker, which can be killed and started again; dropping it ends it.
#[derive(Debug)]
pub struct Broker {
    program: PathBuf,
    arguments: Vec<String>,
    output: PathBuf,
    port: u16,
    process: Option<Process>,
}

impl Broker {
    /// Starts our broker, the program `mqtt-broker`.
    ///
    /// # Errors
    /// When the program is not there or does not begin to listen.
    pub fn ours(program: &Path, scratch: &Scratch, port: u16) -> Result<Self, Error> {
        let store = scratch.file("broker").display().to_string();
        let listen = format!("mqtt://127.0.0.1:{port}");
        let arguments = ["--listen", &listen, "--state-dir", &store].map(str::to_owned).to_vec();
        Self::start(program, arguments, scratch, port)
    }

    /// Starts our broker for `mqtts` on a port and for `wss` on another, with a certificate and its key.
    ///
    /// # Errors
    /// When the program is not there or does not begin to listen.
    pub fn encrypted(
        program: &Path,
        scratch: &Scratch,
        [mqtts, wss]: [u16; 2],
        [certificate, key]: [&Path; 2],
    ) -> Result<Self, Error> {
        let listen = [format!("mqtts://127.0.0.1:{mqtts}"), format!("wss://127.0.0.1:{wss}")];
        let files = [certificate, key].map(|path| path.display().to_string());
        let arguments = ["--listen", &listen[0], "--listen", &listen[1]].into_iter().chain([
            "--tls-cert",
            &files[0],
            "--tls-key",
            &files[1],
        ]);
        Self::start(program, arguments.map(str::to_owned).collect(), scratch, mqtts)
    }

    /// Starts mosquitto, the broker that Debian has.
    ///
    /// # Errors
    /// When the program is not there or does not begin to listen.
    pub fn mosquitto(program: &Path, scratch: &Scratch, port: u16) -> Result<Self, Error> {
        Self::mosquitto_with(program, scratch, port, "")
    }

    /// Starts mosquitto with more lines in its configuration.
    ///
    /// # Errors
    /// When the program is not there or does not begin to listen.
    pub fn mosquitto_with(
        program: &Path,
        scratch: &Scratch,
        port: u16,
        more: &str,
    ) -> Result<Self, Error> {
        let file = scratch.file("mosquitto.conf");
        // Only root's mosquitto changes its user, to one that cannot enter the scratch directory.
        let text = format!("listener {port} 127.0.0.1\nallow_anonymous true\nuser root\n{more}");
        std::fs::write(&file, text).map_err(Error::system(format!("write {}", file.display())))?;
        Self::start(program, vec!["-c".to_owned(), file.display().to_string()], scratch, port)
    }

    fn start(
        program: &Path,
        arguments: Vec<String>,
        scratch: &Scratch,
        port: u16,
    ) -> Result<Self, Error> {
        let output = scratch.file("broker.out");
        let mut broker =
            Self { program: program.to_owned(), arguments, output, port, process: None };
        broker.start_again()?;
        Ok(broker)
    }

    /// Where players find it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }

    /// The port it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends it without warning.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Starts it on the same port with the same files, and waits until it listens.
    ///
    /// # Errors
    /// When it ends at once or does not begin to listen.
    pub fn start_again(&mut self) -> Result<(), Error> {
        if !self.program.is_file() {
            return Err(Error::Missing {
                what: self.program.clone(),
                remedy: "run make to build it",
            });
        }
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        let process =
            self.process.insert(Process::start("the broker", command, self.output.clone())?);
        let end = Instant::now() + START;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            if let Some(status) = process.ended() {
                return Err(process.failure(format!("ended with {status}")));
            }
            if Instant::now() > end {
                return Err(process.failure("does not listen"));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}
