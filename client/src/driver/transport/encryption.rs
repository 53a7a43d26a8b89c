//! TLS: its settings made ready, its handshake, and its failures in words.

use std::io;
use std::sync::{Arc, OnceLock};

use rustls::client::Resumption;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::sign::SingleCertAndKey;
use rustls::{AlertDescription, CertificateError, ClientConfig};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Transport;
use super::verifiers::{Anybody, Known, is_authority};
use crate::{Error, ErrorKind, Roots, Tls, TlsName};

/// What MQTT in WebSocket frames begins as.
const HTTP: &[u8] = b"http/1.1";

/// How connections to one server are encrypted.
pub(super) struct Encryption {
    tls: Tls,
    name: TlsName,
    protocols: Vec<Vec<u8>>,
    /// Made for the first connection, because it takes milliseconds to read the system's roots. It
    /// remembers the server, so that the next handshakes are shorter.
    config: OnceLock<Arc<ClientConfig>>,
}

impl Encryption {
    /// Checks the name that the server's certificate has to have.
    pub(super) fn new(tls: &Tls, host: &str, is_websocket: bool) -> Result<Self, Error> {
        let default_protocols = || if is_websocket { vec![HTTP.to_vec()] } else { Vec::new() };
        Ok(Self {
            tls: tls.clone(),
            name: tls.server_name.clone().map_or_else(|| TlsName::new(host), Ok)?,
            protocols: tls.protocols.clone().unwrap_or_else(default_protocols),
            config: OnceLock::new(),
        })
    }

    pub(super) fn is_insecure(&self) -> bool {
        self.tls.insecurely_accepts_any_certificate
    }

    /// Makes a plain connection an encrypted one.
    pub(super) async fn begin<S: Transport>(&self, stream: S) -> Result<TlsStream<S>, Error> {
        let connector = TlsConnector::from(self.config()?);
        let result = connector.connect(self.name.0.clone(), stream).await;
        result.map_err(|error| handshake_failed(&error))
    }

    fn config(&self) -> Result<Arc<ClientConfig>, Error> {
        if let Some(config) = self.config.get() {
            return Ok(Arc::clone(config));
        }
        let made = Arc::new(self.make_config()?);
        Ok(Arc::clone(self.config.get_or_init(|| made)))
    }

    fn make_config(&self) -> Result<ClientConfig, Error> {
        // The provider is named, so that a choice of the whole process is neither made nor used.
        let provider = Arc::new(ring::default_provider());
        let verifier = self.verifier(&provider)?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| explain(&error))?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match &self.tls.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(
                Arc::clone(&identity.0),
            ))),
        };
        config.alpn_protocols.clone_from(&self.protocols);
        // There is one server to be remembered.
        config.resumption = Resumption::in_memory_sessions(1);
        Ok(config)
    }

    /// Says who is the server.
    fn verifier(
        &self,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ServerCertVerifier>, Error> {
        let provider = Arc::clone(provider);
        if self.is_insecure() {
            return Ok(Arc::new(Anybody(provider)));
        }
        let roots = self.tls.roots.clone().unwrap_or_else(Roots::of_system);
        let known = Known::new(roots, provider);
        Ok(Arc::new(known.ok_or_else(|| {
            let message = "the system trusts no certificates at all; name some in a CA file";
            Error::new(ErrorKind::Tls, message)
        })?))
    }
}

fn handshake_failed(error: &io::Error) -> Error {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidMessage(_)) => {
            Error::new(ErrorKind::Tls, "the server does not speak TLS")
        }
        Some(error) => explain(error),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            let message = "the server closed the connection in the TLS handshake";
            Error::new(ErrorKind::Tls, message)
        }
        None => Error::system(ErrorKind::Tls, "the connection broke in the TLS handshake", error),
    }
}

/// A failure of TLS in words.
pub(super) fn explain(error: &rustls::Error) -> Error {
    let failed = |message: String| Error::new(ErrorKind::Tls, message);
    match error {
        rustls::Error::InvalidCertificate(error) => {
            failed(format!("the server's certificate {}", fault(error)))
        }
        rustls::Error::AlertReceived(alert) => Error {
            tls_alert: Some(u8::from(*alert)),
            ..failed(format!("the server refused TLS: {}", complaint(*alert)))
        },
        other => failed(format!("TLS failed: {other}")),
    }
}

const STRANGER: &str = "comes from nobody who is trusted";

/// What is wrong with the server's certificate.
fn fault(error: &CertificateError) -> String {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "is not valid yet".to_owned()
        }
        CertificateError::UnknownIssuer => STRANGER.to_owned(),
        other if is_authority(other) => STRANGER.to_owned(),
        CertificateError::NotValidForName => "is for another name".to_owned(),
        CertificateError::NotValidForNameContext { expected, .. } => {
            format!("is not for {}", expected.to_str())
        }
        other => format!("is not valid: {other}"),
    }
}

/// What the server has to complain of.
fn complaint(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::CertificateRequired => "it wants a client certificate".to_owned(),
        AlertDescription::UnknownCA => {
            "it does not trust whom the client's certificate comes from".to_owned()
        }
        AlertDescription::NoApplicationProtocol => {
            "it offers none of the protocols asked for (ALPN)".to_owned()
        }
        AlertDescription::UnrecognisedName => "it does not know itself by this name".to_owned(),
        other => format!("{other:?}"),
    }
}
