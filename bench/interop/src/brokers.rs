//! Brokers in a private directory: ours, mosquitto and rumqttd.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;

use rooms::Scratch;
use rooms::spawn::{Process, find_program, free_port};

use crate::peers::{built, rumqtt};
use crate::wait_for;

/// How a client reaches a broker, by the name that URLs have for it.
pub type Scheme = &'static str;

/// What our broker and mosquitto are reached by.
const SCHEMES: [Scheme; 4] = ["mqtt", "mqtts", "ws", "wss"];

/// A running broker; dropping it ends it.
#[derive(Debug)]
pub struct Broker {
    ports: BTreeMap<Scheme, u16>,
    _process: Process,
}

impl Broker {
    /// Its address, for those who speak as the scheme says.
    ///
    /// # Panics
    /// When nobody is listened to in that way.
    #[must_use]
    pub fn url(&self, scheme: Scheme) -> String {
        format!("{scheme}://127.0.0.1:{}", self.port(scheme))
    }

    /// The port it listens on for those who speak as the scheme says.
    ///
    /// # Panics
    /// When nobody is listened to in that way.
    #[must_use]
    pub fn port(&self, scheme: Scheme) -> u16 {
        self.ports[scheme]
    }

    /// All its addresses.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.ports.keys().map(|scheme| self.url(scheme)).collect()
    }
}

/// A private directory with a certificate for 127.0.0.1 in it, and brokers who show it.
#[derive(Debug)]
pub struct House {
    scratch: Scratch,
}

impl House {
    /// Makes the directory and the certificate.
    ///
    /// # Panics
    /// When there is no `openssl`.
    #[must_use]
    pub fn new() -> Self {
        let house = Self { scratch: Scratch::new().expect("a temporary directory can be made") };
        let output = Command::new("openssl")
            .args(["req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt"])
            .args(["ec_paramgen_curve:prime256v1", "-days", "2", "-subj", "/CN=localhost"])
            .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .arg("-out")
            .arg(house.certificate())
            .arg("-keyout")
            .arg(house.key())
            .output()
            .expect("openssl is installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        house
    }

    /// A file in the directory.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.scratch.file(name)
    }

    /// The certificate of the brokers, which is its own root.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.file("certificate.pem")
    }

    fn key(&self) -> PathBuf {
        self.file("key.pem")
    }

    /// Starts our broker, on ports of the system's choice.
    ///
    /// # Panics
    /// When it does not begin to listen.
    #[must_use]
    pub fn ours(&self) -> Broker {
        let log = self.file("mqtt-broker.log");
        let mut command = Command::new(built("mqtt-broker"));
        command.arg("--tls-cert").arg(self.certificate()).arg("--tls-key").arg(self.key());
        for scheme in SCHEMES {
            command.args(["--listen", &format!("{scheme}://127.0.0.1:0")]);
        }
        let mut process = Process::start("mqtt-broker", command, log.clone()).expect("it starts");
        let ports = wait_for("an address of our broker", || {
            let said = fs::read_to_string(&log).expect("the log is text");
            assert!(process.ended().is_none(), "it has ended: {said}");
            let ports = said.lines().filter_map(|line| {
                let (_, url) = line.split_once("listening on ")?;
                let (scheme, place) = url.split_once("://")?;
                let scheme = SCHEMES.into_iter().find(|known| *known == scheme)?;
                Some((scheme, place.rsplit_once(':')?.1.trim().parse().ok()?))
            });
            let ports: BTreeMap<Scheme, u16> = ports.collect();
            (ports.len() == SCHEMES.len()).then_some(ports)
        });
        Broker { ports, _process: process }
    }

    /// Starts Debian's mosquitto.
    ///
    /// # Panics
    /// When it is not installed or does not begin to listen.
    #[must_use]
    pub fn mosquitto(&self) -> Broker {
        let ports: BTreeMap<_, _> = SCHEMES.map(|scheme| (scheme, port())).into();
        // Only root's mosquitto changes its user, to one that cannot enter this directory.
        let mut configuration = "allow_anonymous true\nuser root\n".to_owned();
        for (scheme, port) in &ports {
            configuration += &format!("listener {port} 127.0.0.1\n");
            if scheme.starts_with("ws") {
                configuration += "protocol websockets\n";
            }
            if scheme.ends_with('s') && *scheme != "ws" {
                let (certificate, key) = (self.certificate(), self.key());
                configuration += &format!("certfile {}\n", certificate.display());
                configuration += &format!("keyfile {}\n", key.display());
            }
        }
        let file = self.file("mosquitto.conf");
        fs::write(&file, configuration).expect("the directory can be written");
        let program = find_program("mosquitto").expect("mosquitto is installed");
        let mut command = Command::new(program);
        command.arg("-c").arg(file);
        self.start("mosquitto", command, ports)
    }

    /// Starts rumqttd, which listens to MQTT 5.0 over TCP alone.
    ///
    /// # Panics
    /// When `make interop` has not built it, or it does not begin to listen.
    #[must_use]
    pub fn rumqttd(&self) -> Broker {
        let port = port();
        let mut command = Command::new(rumqtt("broker"));
        command.arg(port.to_string());
        self.start("rumqttd", command, [("mqtt", port)].into())
    }

    fn start(&self, name: &str, command: Command, ports: BTreeMap<Scheme, u16>) -> Broker {
        let log = self.file(&format!("{name}.log"));
        let mut process = Process::start(name, command, log.clone()).expect("it starts");
        for port in ports.values() {
            wait_for(&format!("a listening {name}"), || {
                let said = || fs::read_to_string(&log).unwrap_or_default();
                assert!(process.ended().is_none(), "{name} has ended: {}", said());
                TcpStream::connect(("127.0.0.1", *port)).ok()
            });
        }
        Broker { ports, _process: process }
    }
}

impl Default for House {
    fn default() -> Self {
        Self::new()
    }
}

fn port() -> u16 {
    free_port().expect("the system has a port")
}
