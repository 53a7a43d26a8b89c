//! Certificates that are made for one test, and servers that show them.

use std::net::TcpStream;
use std::ops::Range;
use std::sync::Arc;

use mqtt_client::{Identity, Options, Roots, Tls};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair,
};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

/// Who vouches for servers and clients.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key.
pub struct Certified {
    pub pem: String,
    pub key_pem: String,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Authority {
    pub fn new() -> Self {
        Self::named("an authority")
    }

    /// Authorities are told apart by their names.
    pub fn named(name: &str) -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A certificate for a name or an address.
    pub fn certify(&self, name: &str) -> Certified {
        self.certify_for(name, 2000..4000)
    }

    /// A certificate for some years only.
    pub fn certify_for(&self, name: &str, years: Range<i32>) -> Certified {
        let key = KeyPair::generate().unwrap();
        let certificate = params_for(name, years).signed_by(&key, &self.0).unwrap();
        Certified::new(&certificate, &key)
    }

    /// Options for a URL, with trust in this authority alone.
    pub fn options(&self, url: &str) -> Options {
        trusting(&self.0.pem(), url)
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        Arc::new(roots)
    }
}

impl Certified {
    /// A certificate that signs itself, and calls itself an authority, as openssl makes it.
    pub fn by_itself(name: &str, years: Range<i32>) -> Self {
        let mut params = params_for(name, years);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self::new(&params.self_signed(&key).unwrap(), &key)
    }

    fn new(certificate: &Certificate, key: &KeyPair) -> Self {
        Self {
            pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            chain: vec![certificate.der().clone()],
            key: PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        }
    }

    /// What a client has to show this certificate.
    pub fn identity(&self) -> Identity {
        Identity::from_pem(self.pem.as_bytes(), self.key_pem.as_bytes()).unwrap()
    }

    /// A server's settings with this certificate.
    pub fn server(&self) -> ServerConfig {
        self.server_for(None, rustls::ALL_VERSIONS)
    }

    /// A server's settings with this certificate, for clients from an authority, and for some
    /// versions of TLS only.
    pub fn server_for(
        &self,
        clients: Option<&Authority>,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> ServerConfig {
        let builder = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)
            .unwrap();
        let verifier = |roots| WebPkiClientVerifier::builder_with_provider(roots, provider());
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                builder.with_client_cert_verifier(verifier(authority.roots()).build().unwrap())
            }
        };
        builder.with_single_cert(self.chain.clone(), self.key.clone_key()).unwrap()
    }
}

/// Options for a URL, with trust in these certificates alone.
pub fn trusting(pem: &str, url: &str) -> Options {
    let roots = Some(Roots::from_pem(pem.as_bytes()).unwrap());
    Options { tls: Tls { roots, ..Tls::default() }, ..Options::new(url).unwrap() }
}

fn params_for(name: &str, years: Range<i32>) -> CertificateParams {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(years.start, 1, 1);
    params.not_after = rcgen::date_time_ymd(years.end, 1, 1);
    params
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// The server's end of TLS over a stream.
pub fn serve<S: std::io::Read + std::io::Write>(
    config: ServerConfig,
    stream: S,
) -> StreamOwned<ServerConnection, S> {
    serve_with(&Arc::new(config), stream)
}

/// The same, with settings that several connections share.
pub fn serve_with<S: std::io::Read + std::io::Write>(
    config: &Arc<ServerConfig>,
    stream: S,
) -> StreamOwned<ServerConnection, S> {
    StreamOwned::new(ServerConnection::new(Arc::clone(config)).unwrap(), stream)
}

/// A stream of TLS as a server has it.
pub type Encrypted = StreamOwned<ServerConnection, TcpStream>;
