//! TLS: the certificate the broker shows, and the certificates it asks for.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};

use super::address::Address;
use super::server::StartError;

/// The files that TLS needs, in PEM form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and those between it and its root.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The roots that clients' certificates have to come from; without them none is asked for.
    pub client_roots: Option<PathBuf>,
    /// Whether the common name of a client's certificate is its user.
    pub names_users: bool,
}

/// The protocol names that TLS negotiates, for each of what is carried.
const MQTT: &[u8] = b"mqtt";
const HTTP: &[u8] = b"http/1.1";

/// What a listener shows and asks for, which can change while it listens.
#[derive(Clone, Debug)]
pub(super) struct Tls {
    address: Address,
    current: Arc<RwLock<Terms>>,
}

/// What holds for a connection that begins.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) config: Arc<ServerConfig>,
    /// Whether the common name of a client's certificate is its user.
    pub(super) names_users: bool,
}

impl Tls {
    /// Reads the files, for an encrypted address.
    ///
    /// # Errors
    /// There are none, or they cannot be used.
    pub(super) fn read(address: &Address, files: Option<&TlsFiles>) -> Result<Self, StartError> {
        let config = read_config(address, files)?;
        Ok(Self { address: address.clone(), current: Arc::new(RwLock::new(config)) })
    }

    /// What holds for a connection that begins.
    pub(super) fn current(&self) -> Terms {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the files anew, to [change](Self::change) to.
    ///
    /// # Errors
    /// There are none, or they cannot be used.
    pub(super) fn prepare(&self, files: Option<&TlsFiles>) -> Result<Terms, StartError> {
        read_config(&self.address, files)
    }

    /// Lets connections that begin from here on have this.
    pub(super) fn change(&self, terms: Terms) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = terms;
    }
}

fn read_config(address: &Address, files: Option<&TlsFiles>) -> Result<Terms, StartError> {
    let files = files.ok_or_else(|| StartError::NoCertificate(address.clone()))?;
    let config = files.server_config(address.is_websocket()).map_err(StartError::Tls)?;
    Ok(Terms { config: Arc::new(config), names_users: files.names_users })
}

impl TlsFiles {
    /// Reads the files, for plain MQTT or for WebSocket.
    ///
    /// # Errors
    /// A file cannot be read, or does not hold what it should.
    pub(super) fn server_config(&self, is_websocket: bool) -> Result<ServerConfig, TlsError> {
        let certificates = certificates(&self.certificate)?;
        let key = PrivateKeyDer::from_pem_file(&self.key)
            .map_err(|error| TlsError::Pem(self.key.clone(), error))?;
        // The provider is named, so that a choice of the whole process is neither made nor used.
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Rustls)?;
        let builder = match &self.client_roots {
            None => builder.with_no_client_auth(),
            Some(roots) => builder.with_client_cert_verifier(verifier(roots, provider)?),
        };
        let mut config = builder.with_single_cert(certificates, key).map_err(TlsError::Rustls)?;
        config.alpn_protocols = vec![if is_websocket { HTTP } else { MQTT }.to_vec()];
        Ok(config)
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |error| TlsError::Pem(path.into(), error);
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .map_err(failed)?
        .collect::<Result<_, _>>()
        .map_err(failed)?;
    if certificates.is_empty() { Err(failed(pem::Error::NoItemsFound)) } else { Ok(certificates) }
}

fn verifier(
    path: &Path,
    provider: Arc<rustls::crypto::CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(TlsError::Rustls)?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(TlsError::Verifier)
}

/// Why TLS cannot be had.
#[derive(Debug)]
pub enum TlsError {
    /// The file cannot be read, or is no PEM file with what it should hold.
    Pem(PathBuf, pem::Error),
    /// Certificate and key are of no use.
    Rustls(rustls::Error),
    /// The roots for clients are of no use.
    Verifier(rustls::server::VerifierBuilderError),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pem(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Rustls(error) => error.fmt(f),
            Self::Verifier(error) => error.fmt(f),
        }
    }
}

impl Error for TlsError {}
