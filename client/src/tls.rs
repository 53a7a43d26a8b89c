//! TLS options: whom the client trusts, and how it shows who it is.

use std::borrow::Cow;
use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;

use crate::{Error, ErrorKind};

/// How a client uses TLS where its URL asks for it. The default checks the server's certificate
/// against the roots the system trusts.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// The roots the server's certificate has to come from, or be one of; `None` for those of the
    /// system.
    pub roots: Option<Roots>,
    /// What the client shows to a server that asks who it is.
    pub identity: Option<Identity>,
    /// The name the server is asked for (SNI) and its certificate has to have; `None` for the URL's
    /// host.
    pub server_name: Option<TlsName>,
    /// The protocols that are offered (ALPN), first choice first.
    ///
    /// By default none for `mqtts://`: proxies that know other protocols only, as many do, would
    /// refuse the registered name `mqtt`. For `wss://` it is `http/1.1`, as browsers have it.
    pub protocols: Option<Vec<Vec<u8>>>,
    /// Takes whatever certificate comes from whomever: anybody on the way can read and change
    /// everything. Good for a test on one's own machine, and for nothing else.
    pub insecurely_accepts_any_certificate: bool,
}

/// Certificates that vouch for others, or for themselves.
#[derive(Clone, Debug)]
pub struct Roots {
    pub(crate) store: Arc<RootCertStore>,
    /// The same in full.
    pub(crate) certificates: Arc<[CertificateDer<'static>]>,
}

/// A certificate, those between it and its root, and its private key.
#[derive(Clone)]
pub struct Identity(pub(crate) Arc<CertifiedKey>);

/// A name, or an address, that a certificate can be for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsName(pub(crate) ServerName<'static>);

impl Roots {
    /// Reads certificates in PEM form from a file.
    ///
    /// # Errors
    /// The file cannot be read, or holds no certificate or a broken one.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        Self::from_pem(&read(path)?).map_err(|error| about(path, &error))
    }

    /// Reads certificates in PEM form.
    ///
    /// # Errors
    /// There is none, or a broken one.
    pub fn from_pem(pem: &[u8]) -> Result<Self, Error> {
        let certificates = certificates(pem)?;
        let mut store = RootCertStore::empty();
        for certificate in &certificates {
            store.add(certificate.clone()).map_err(|_| wrong("a certificate is broken"))?;
        }
        Ok(Self { store: Arc::new(store), certificates: certificates.into() })
    }

    /// Those the system trusts, or the environment names; none if there are none.
    pub(crate) fn of_system() -> Self {
        let certificates = rustls_native_certs::load_native_certs().certs;
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(certificates.iter().cloned());
        Self { store: Arc::new(store), certificates: certificates.into() }
    }
}

impl Identity {
    /// Reads a certificate, with those that follow it up to its root, and its key from two files
    /// in PEM form, or from one that holds both.
    ///
    /// # Errors
    /// A file cannot be read or does not hold what it should, or the key is not that of the
    /// certificate.
    pub fn from_files(certificate: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self, Error> {
        let (certificate, key) = (certificate.as_ref(), key.as_ref());
        let chain =
            certificates(&read(certificate)?).map_err(|error| about(certificate, &error))?;
        let private_key = private_key(&read(key)?).map_err(|error| about(key, &error))?;
        Self::new(chain, private_key).map_err(|error| about(key, &error))
    }

    /// Reads a certificate, with those that follow it up to its root, and its key in PEM form.
    ///
    /// # Errors
    /// One of them is not there or broken, or the key is not that of the certificate.
    pub fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Self, Error> {
        Self::new(certificates(certificate)?, private_key(key)?)
    }

    fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, Error> {
        let key = CertifiedKey::from_der(chain, key, &ring::default_provider());
        let key = key.map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => wrong("the key is not that of the certificate"),
            _ => wrong("the certificate or its key is broken, or of a kind that is not known"),
        })?;
        Ok(Self(Arc::new(key)))
    }
}

impl TlsName {
    /// Checks a name.
    ///
    /// # Errors
    /// No certificate can be for it.
    pub fn new(name: &str) -> Result<Self, Error> {
        let unfit = |_| wrong(format!("no certificate can be for the name {name:?}"));
        ServerName::try_from(name.to_owned()).map(Self).map_err(unfit)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A key does not belong into a log.
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let certificates = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.map_err(|_| wrong("it is no proper PEM file"))?;
    if certificates.is_empty() { Err(wrong("it holds no certificate")) } else { Ok(certificates) }
}

fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, Error> {
    PrivateKeyDer::from_pem_slice(pem)
        .map_err(|_| wrong("it holds no private key, or one that is locked with a password"))
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let what = || format!("cannot read {}", path.display());
    fs::read(path).map_err(|error| Error::system(ErrorKind::Tls, &what(), &error))
}

fn about(path: &Path, error: &Error) -> Error {
    wrong(format!("{}: {}", path.display(), error.message))
}

fn wrong(detail: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Tls, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said<T: fmt::Debug>(result: Result<T, Error>) -> String {
        let error = result.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Tls);
        error.message.into_owned()
    }

    fn made() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said() {
        let nowhere = Roots::from_file("/nowhere/roots.pem").unwrap_err();
        assert!(nowhere.message.starts_with("cannot read /nowhere/roots.pem: "), "{nowhere}");
        assert_eq!(nowhere.os_error, Some(2));
        assert_eq!(said(Roots::from_file("/dev/null")), "/dev/null: it holds no certificate");
    }

    #[test]
    fn what_is_wrong_with_certificates_is_said() {
        assert_eq!(said(Roots::from_pem(b"certificate")), "it holds no certificate");
        let torn = b"-----BEGIN CERTIFICATE-----\nMIIB\n";
        assert_eq!(said(Roots::from_pem(torn)), "it is no proper PEM file");
        let broken = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
        assert_eq!(said(Roots::from_pem(broken)), "a certificate is broken");
    }

    #[test]
    fn a_key_belongs_to_its_certificate() {
        let ((certificate, key), (_, other)) = (made(), made());
        let identity = |key: &str| Identity::from_pem(certificate.as_bytes(), key.as_bytes());
        identity(&key).unwrap();
        assert_eq!(said(identity(&other)), "the key is not that of the certificate");
        let no_key = "it holds no private key, or one that is locked with a password";
        assert_eq!(said(identity(&certificate)), no_key);
        let locked = key.replace("PRIVATE", "ENCRYPTED PRIVATE");
        assert_eq!(said(identity(&locked)), no_key);
        let broken = "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n";
        assert!(said(identity(broken)).contains("broken"));
    }

    #[test]
    fn a_name_is_one_that_a_certificate_can_have() {
        for name in ["localhost", "mqtt.example.org", "127.0.0.1", "::1"] {
            TlsName::new(name).unwrap();
        }
        assert!(said(TlsName::new("two words")).contains("\"two words\""));
        said(TlsName::new(""));
    }
}
