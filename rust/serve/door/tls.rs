//! TLS: certificates from files, read again when they change, and why a handshake failed.

use crate::serve::config::Tls;
use crate::work;
use arc_swap::ArcSwap;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{CertificateError, Error, RootCertStore, ServerConfig};
use x509_parser::prelude::{FromDer, X509Certificate};

const HTTP_2: &[u8] = b"h2";

/// What the server shows and asks for in handshakes, as the files say it now.
pub struct Certificates {
    tls: Tls,
    now: ArcSwap<ServerConfig>,
    stamps: Mutex<Vec<Stamp>>,
}

/// When a file was changed, and its length; `None` where it cannot be looked at.
type Stamp = Option<(SystemTime, u64)>;

impl Certificates {
    /// Reads the files, or says which of them is wrong.
    pub fn read(tls: &Tls) -> Result<Self, String> {
        let stamps = stamps(tls);
        let now = ArcSwap::from_pointee(server_config(tls)?);
        Ok(Certificates { tls: tls.clone(), now, stamps: Mutex::new(stamps) })
    }

    /// For the next handshake. Files that changed and are wrong leave what was read before.
    pub fn now(&self) -> Arc<ServerConfig> {
        let found = stamps(&self.tls);
        let mut known = work::locked(&self.stamps);
        if *known != found {
            *known = found;
            match server_config(&self.tls) {
                Ok(config) => {
                    self.now.store(Arc::new(config));
                    tracing::info!("certificates were read again");
                }
                Err(error) => tracing::error!("certificates stay as they were: {error}"),
            }
        }
        self.now.load_full()
    }
}

fn stamps(tls: &Tls) -> Vec<Stamp> {
    let stamp = |path: &Path| {
        let found = fs::metadata(path).ok()?;
        Some((found.modified().ok()?, found.len()))
    };
    [Some(&tls.certificate), Some(&tls.key), tls.client_ca.as_ref()].into_iter().flatten().map(|p| stamp(p)).collect()
}

fn server_config(tls: &Tls) -> Result<ServerConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let chain = certificates(&tls.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&tls.key)
        .map_err(|error| format!("tls.key {}: no private key in PEM can be read: {error}", tls.key.display()))?;
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("tls: {error}"))?;
    let builder = match &tls.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(authorities(path)?, provider);
            builder.with_client_cert_verifier(verifier.build().map_err(|error| unusable("client_ca", path, &error))?)
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(|error| match error {
        Error::InconsistentKeys(_) => {
            format!("tls.key {} is not the key of {}", tls.key.display(), tls.certificate.display())
        }
        error => unusable("certificate", &tls.certificate, &error),
    })?;
    config.alpn_protocols = vec![HTTP_2.into()];
    Ok(config)
}

fn authorities(path: &Path) -> Result<Arc<RootCertStore>, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|error| unusable("client_ca", path, &error))?;
    }
    Ok(Arc::new(roots))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let found = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(format!("{}: holds no certificate in PEM", path.display())),
        Err(error) => Err(format!("{}: no certificate in PEM can be read: {error}", path.display())),
    }
}

fn unusable(field: &str, path: &Path, error: &dyn std::error::Error) -> String {
    format!("tls.{field} {}: {error}", path.display())
}

/// The common name of a certificate's subject, if it has exactly one.
pub fn common_name(certificate: &CertificateDer) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let mut names = certificate.subject().iter_common_name();
    let name = names.next()?.as_str().ok()?.to_string();
    names.next().is_none().then_some(name)
}

/// Why a handshake failed: one of few phrases, none of them of the other side.
pub fn reason(error: &io::Error) -> &'static str {
    if error.kind() == io::ErrorKind::TimedOut {
        return "the handshake took too long";
    }
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::InvalidCertificate(error)) => wrong_certificate(error),
        Some(Error::NoCertificatesPresented) => "no client certificate",
        Some(Error::InvalidMessage(_)) => "not TLS",
        Some(Error::AlertReceived(_)) => "the client gave up, which may not trust this server",
        Some(Error::NoApplicationProtocol) => "the client does not ask for HTTP/2",
        Some(Error::PeerIncompatible(_)) => "no version or cipher in common",
        Some(_) => "the handshake failed",
        None => "the client went away in the handshake",
    }
}

fn wrong_certificate(error: &CertificateError) -> &'static str {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "certificate expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "certificate not valid yet",
        CertificateError::UnknownIssuer => "certificate of an unknown authority",
        CertificateError::BadSignature => "certificate with a wrong signature",
        _ => "certificate not acceptable",
    }
}
