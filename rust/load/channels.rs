//! Channels: connections to a server.

use crate::load::Failure;
use std::error::Error;
use std::time::Duration;
use tonic::metadata::{AsciiMetadataKey, AsciiMetadataValue, MetadataMap};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

const CONNECT: Duration = Duration::from_secs(10);
/// Flow control must not be what is measured.
const WINDOW_BYTES: u32 = 4 << 20;

/// A server, and who calls it.
#[derive(Clone)]
pub struct Target {
    /// `host:port`.
    pub address: String,
    pub tls: Option<Tls>,
    /// Entries that every request carries, such as `authorization`.
    pub metadata: Vec<(String, String)>,
    pub connections: usize,
}

/// Certificates, as PEM.
#[derive(Clone)]
pub struct Tls {
    /// Authorities that the server's certificate must be signed by.
    pub ca: Vec<u8>,
    /// Certificate and key of the caller.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
}

impl Target {
    /// Connections that are open.
    pub async fn connect(&self) -> Result<Vec<Channel>, Failure> {
        if self.connections == 0 {
            return Err(Failure::Value("0 connections, expected at least 1".into()));
        }
        let endpoint = self.endpoint()?;
        let mut channels = Vec::with_capacity(self.connections);
        for _ in 0..self.connections {
            let channel = endpoint.connect().await.map_err(|error| self.unreachable(&error))?;
            channels.push(channel);
        }
        Ok(channels)
    }

    /// The entries of every request. Messages of errors never hold values: they may be secret.
    pub fn metadata(&self) -> Result<MetadataMap, Failure> {
        let mut map = MetadataMap::new();
        for (key, value) in &self.metadata {
            let name: AsciiMetadataKey =
                key.parse().map_err(|_| Failure::Value(format!("{key:?} is not a name of metadata")))?;
            let mut value: AsciiMetadataValue = value
                .parse()
                .map_err(|_| Failure::Value(format!("the value of {key} has characters that no header may have")))?;
            value.set_sensitive(true);
            map.insert(name, value);
        }
        Ok(map)
    }

    fn endpoint(&self) -> Result<Endpoint, Failure> {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let refused = |error: tonic::transport::Error| Failure::Value(format!("{}: {}", self.address, last(&error)));
        let endpoint = Endpoint::from_shared(format!("{scheme}://{}", self.address))
            .map_err(refused)?
            .connect_timeout(CONNECT)
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES);
        match &self.tls {
            None => Ok(endpoint),
            Some(tls) => endpoint.tls_config(tls.config()).map_err(refused),
        }
    }

    fn unreachable(&self, error: &tonic::transport::Error) -> Failure {
        Failure::Unreachable(format!("cannot connect to {}: {}", self.address, last(error)))
    }
}

impl Tls {
    fn config(&self) -> ClientTlsConfig {
        let config = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&self.ca));
        match &self.identity {
            None => config,
            Some((certificate, key)) => config.identity(Identity::from_pem(certificate, key)),
        }
    }
}

/// What an error is at its root.
fn last(error: &dyn Error) -> String {
    let mut root = error;
    while let Some(source) = root.source() {
        root = source;
    }
    root.to_string()
}
