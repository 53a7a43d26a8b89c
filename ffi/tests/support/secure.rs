//! Certificates made for one test, and servers on every transport that use them.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::{fs, thread};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use super::{Folder, broker, free_port};

/// An authority, and certificates from it, as files.
pub struct Certificates {
    folder: Folder,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Certificates {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new([]).expect("no names are needed");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("there is a key");
        let authority = CertifiedIssuer::self_signed(params, key).expect("it signs itself");
        let folder = Folder::new(&format!("certificates-{name}"));
        fs::write(folder.0.join("ca.pem"), authority.pem()).expect("it can be written");
        let certificates = Self { folder, authority };
        certificates.certify("server", "localhost");
        certificates.certify("client", "ann");
        certificates
    }

    /// Makes a certificate for a name, in the files WHOSE.pem and WHOSE.key.
    pub fn certify(&self, whose: &str, name: &str) {
        let key = KeyPair::generate().expect("there is a key");
        let params = CertificateParams::new([name.to_owned()]).expect("it is a name");
        let certificate = params.signed_by(&key, &self.authority).expect("it is signed");
        fs::write(self.file(&format!("{whose}.pem")), certificate.pem()).expect("written");
        fs::write(self.file(&format!("{whose}.key")), key.serialize_pem()).expect("written");
    }

    pub fn file(&self, name: &str) -> String {
        self.folder.0.join(name).to_str().expect("it is text").to_owned()
    }

    /// The authority's certificate.
    pub fn roots(&self) -> String {
        self.file("ca.pem")
    }
}

/// A server that listens in several ways, until it goes out of scope.
pub struct Everywhere {
    /// In the order of the schemes asked for.
    pub urls: Vec<String>,
    child: Child,
}

/// Whether clients have to show a certificate.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Clients {
    Anybody,
    Certified,
}

impl Everywhere {
    /// Our broker; a scheme is that of a URL.
    pub fn ours(schemes: &[&str], certificates: &Certificates, clients: Clients) -> Self {
        let mut command = Command::new(broker());
        for scheme in schemes {
            let url = match *scheme {
                "unix" => format!("unix://{}", certificates.file("socket")),
                scheme => format!("{scheme}://127.0.0.1:0"),
            };
            command.args(["--listen", &url]);
        }
        command.args(["--tls-cert", &certificates.file("server.pem")]);
        command.args(["--tls-key", &certificates.file("server.key")]);
        if clients == Clients::Certified {
            command.args(["--tls-client-ca", &certificates.roots()]);
        }
        let mut child =
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
        let log = child.stderr.take().expect("it is piped");
        let mut lines = BufReader::new(log).lines().map_while(Result::ok);
        let places = lines.by_ref().filter_map(|line| {
            let place = line.split_once("listening on ")?.1.trim().to_owned();
            Some(place.replace("127.0.0.1", "localhost"))
        });
        let urls: Vec<_> = places.take(schemes.len()).collect();
        assert_eq!(urls.len(), schemes.len(), "our broker says where it listens");
        // Somebody has to read on, or the broker would wait for its log to be read.
        thread::spawn(move || lines.for_each(drop));
        Self { urls, child }
    }

    /// Debian's mosquitto; a scheme is `mqtts`, `ws` or `wss`.
    pub fn mosquitto(schemes: &[&str], certificates: &Certificates, clients: Clients) -> Self {
        (0..20)
            .find_map(|_| Self::try_mosquitto(schemes, certificates, clients))
            .expect("free ports stay free until mosquitto has them")
    }

    /// Mosquitto, unless somebody else has got one of the ports.
    fn try_mosquitto(
        schemes: &[&str],
        certificates: &Certificates,
        clients: Clients,
    ) -> Option<Self> {
        let mut settings = "per_listener_settings false\nallow_anonymous true\n".to_owned();
        let mut urls = Vec::new();
        for scheme in schemes {
            let port = free_port();
            settings += &format!("listener {port} 127.0.0.1\n");
            if scheme.starts_with("ws") {
                settings += "protocol websockets\n";
            }
            if ["mqtts", "wss"].contains(scheme) {
                settings += &format!(
                    "cafile {}\ncertfile {}\nkeyfile {}\nrequire_certificate {}\n",
                    certificates.roots(),
                    certificates.file("server.pem"),
                    certificates.file("server.key"),
                    clients == Clients::Certified,
                );
            }
            urls.push(format!("{scheme}://localhost:{port}"));
        }
        let config = PathBuf::from(certificates.file("mosquitto.conf"));
        fs::write(&config, settings).expect("the configuration can be written");
        let mut child = Command::new("/usr/sbin/mosquitto")
            .arg("-c")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("mosquitto is installed");
        let log = child.stderr.take().expect("it is piped");
        let mut lines = BufReader::new(log).lines().map_while(Result::ok);
        let is_running = lines.by_ref().any(|line| line.ends_with(" running"));
        thread::spawn(move || lines.for_each(drop));
        let server = Self { urls, child };
        is_running.then_some(server)
    }
}

impl Drop for Everywhere {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
