//! Certificates made for one test, and the client's end of TLS.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use mqtt_broker::shell::TlsFiles;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::{Peer, Scratch};

/// Who vouches for brokers and clients.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key.
pub struct Certified {
    pub certificate: rcgen::Certificate,
    pub key: KeyPair,
}

impl Authority {
    /// Authorities are told apart by their names.
    pub fn named(name: &str) -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A certificate for these names and addresses.
    pub fn certify(&self, names: &[&str]) -> Certified {
        let names: Vec<String> = names.iter().map(|&name| name.into()).collect();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &self.0).unwrap();
        Certified { certificate, key }
    }

    /// A certificate for a client of this name.
    pub fn certify_client(&self, name: &str) -> Certified {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        Certified { certificate: params.signed_by(&key, &self.0).unwrap(), key }
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// What a client needs to know to trust this authority alone.
    pub fn client(&self, certified: Option<&Certified>) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        match certified {
            None => builder.with_no_client_auth(),
            Some(certified) => {
                builder.with_client_auth_cert(certified.chain(), certified.private_key()).unwrap()
            }
        }
    }
}

impl Certified {
    fn chain(&self) -> Vec<CertificateDer<'static>> {
        vec![self.certificate.der().clone()]
    }

    fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::try_from(self.key.serialize_der()).unwrap()
    }

    /// Writes the files a broker needs to show this certificate.
    pub fn files(&self, scratch: &Scratch, clients: Option<&Authority>) -> TlsFiles {
        let write = |name: &str, pem: String| {
            let path = scratch.path().join(name);
            fs::write(&path, pem).unwrap();
            path
        };
        TlsFiles {
            certificate: write("certificate.pem", self.certificate.pem()),
            key: write("key.pem", self.key.serialize_pem()),
            client_roots: clients.map(|authority| write("clients.pem", authority.pem())),
            names_users: false,
        }
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// The client's end of a connection.
pub type Encrypted = StreamOwned<ClientConnection, TcpStream>;

/// Connects, and takes the broker for who has this name. The handshake comes with the first bytes.
pub fn connect(address: SocketAddr, name: &str, config: ClientConfig) -> Encrypted {
    encrypt(Peer::open(address).stream, name, config)
}

/// Goes on with TLS on a connection.
pub fn encrypt(stream: TcpStream, name: &str, config: ClientConfig) -> Encrypted {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), stream)
}
