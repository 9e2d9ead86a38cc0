//! Config: what `frbench serve` was asked for, checked before anything is opened.

use serde::Deserialize;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Everything that a server is told. Entries that are not known are errors.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address of the service; port 0 takes a free one.
    #[serde(default = "default_listen")]
    pub listen: SocketAddr,
    /// Directory of the galleries and of the audit log; `None` keeps everything in memory, for tests and trials.
    pub data: Option<PathBuf>,
    #[serde(default)]
    pub threads: usize,
    pub isa: Option<String>,
    /// Address of Prometheus metrics; `None` serves none.
    pub metrics: Option<SocketAddr>,
    /// Collector of traces, as OTLP over gRPC, such as http://127.0.0.1:4317; `None` makes none.
    pub traces: Option<String>,
    #[serde(default = "yes")]
    pub reflection: bool,
    pub tls: Option<Tls>,
    #[serde(default)]
    pub limits: Limits,
    #[serde(default)]
    pub audit: Audit,
    /// Callers by token, and by the certificate that they show.
    #[serde(default)]
    pub tokens: Vec<Token>,
    #[serde(default)]
    pub certificates: Vec<Certificate>,
    /// Seconds that calls in flight are given when the server stops.
    #[serde(default = "default_grace")]
    pub grace_s: f64,
    /// What is logged to standard error: off, error, warn, info, debug or trace.
    #[serde(default = "default_log")]
    pub log: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// PEM files; read again when they change.
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// Authorities whose certificates clients must show.
    pub client_ca: Option<PathBuf>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    pub message_bytes: usize,
    pub k: usize,
    pub probes: usize,
    /// Probes that wait in small searches, and probes of those that share a scan. Beyond the first a search is refused
    /// at once.
    pub queued_probes: usize,
    pub batch_probes: usize,
    /// Milliseconds that a small search waits at most: where scans are slow, fewer probes may wait, but for one batch.
    pub queue_ms: u64,
    /// The same for searches of many probes or candidates.
    pub bulk_queued_probes: usize,
    pub bulk_batch_probes: usize,
    pub galleries: usize,
    pub memory_bytes: u64,
    pub deadline_ms: u64,
    /// Calls of one connection that are answered at the same time.
    pub streams: u32,
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            message_bytes: 64 << 20,
            k: 10_000,
            probes: 8192,
            queued_probes: 1024,
            batch_probes: 256,
            queue_ms: 50,
            bulk_queued_probes: 16_384,
            bulk_batch_probes: 1024,
            galleries: 1000,
            memory_bytes: 16 << 30,
            deadline_ms: 600_000,
            streams: 4096,
            connections: 1024,
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Audit {
    /// `audit.jsonl` in `data` when it is not said; without `data` there is no audit log.
    pub path: Option<PathBuf>,
    /// When lines reach the disk itself: each before its answer, or all at least every second.
    pub fsync: Fsync,
    /// Refuse searches and comparisons that do not say a case reference.
    pub requires_case_reference: bool,
}

impl Default for Audit {
    fn default() -> Self {
        Audit { path: None, fsync: Fsync::Interval, requires_case_reference: false }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fsync {
    Always,
    Interval,
}

/// What a caller may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    Search,
    Enrol,
    Count,
    Admin,
}

impl Scope {
    pub const ALL: [Scope; 4] = [Scope::Search, Scope::Enrol, Scope::Count, Scope::Admin];

    pub fn name(self) -> &'static str {
        match self {
            Scope::Search => "search",
            Scope::Enrol => "enrol",
            Scope::Count => "count",
            Scope::Admin => "admin",
        }
    }
}

/// A caller who shows a token, of which only the SHA-256 is known here.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    pub name: String,
    /// 64 hexadecimal digits.
    pub sha256: String,
    pub scopes: Vec<Scope>,
    /// Calls a second, and calls at once; no limit when it is not said.
    pub rate_per_s: Option<f64>,
    pub burst: Option<u32>,
}

/// A caller who shows a certificate of the client authority.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    pub common_name: String,
    pub scopes: Vec<Scope>,
    pub rate_per_s: Option<f64>,
    pub burst: Option<u32>,
}

impl Config {
    /// The configuration that a JSON object says, if it can be served.
    pub fn from_json(text: &str) -> Result<Self, String> {
        let config: Config = serde_json::from_str(text).map_err(|error| format!("configuration: {error}"))?;
        config.check()?;
        Ok(config)
    }

    /// Whether callers must say who they are.
    pub fn is_locked(&self) -> bool {
        !self.tokens.is_empty() || !self.certificates.is_empty()
    }

    pub fn grace(&self) -> Duration {
        Duration::from_secs_f64(self.grace_s)
    }

    /// Where the audit log is, if there is one.
    pub fn audit_path(&self) -> Option<PathBuf> {
        self.audit.path.clone().or_else(|| Some(self.data.as_ref()?.join("audit.jsonl")))
    }

    fn check(&self) -> Result<(), String> {
        let is_safe = self.tls.is_some() && self.is_locked();
        if !self.listen.ip().is_loopback() && !is_safe {
            return Err(format!(
                "listen is {}, which others can reach: expected tls and at least one of tokens and certificates, or an \
                 address of this machine alone, such as 127.0.0.1:{}",
                self.listen,
                self.listen.port()
            ));
        }
        if self.metrics.is_some_and(|metrics| !metrics.ip().is_loopback()) {
            return Err("metrics must have an address of this machine alone, such as 127.0.0.1:9464".into());
        }
        if let Some(traces) = self.traces.as_ref().filter(|traces| !is_here(traces)) {
            return Err(format!(
                "traces is '{traces}', expected a collector on this machine, such as http://127.0.0.1:4317: names of \
                 callers and galleries travel there in plain text"
            ));
        }
        if !self.certificates.is_empty() && self.tls.as_ref().is_none_or(|tls| tls.client_ca.is_none()) {
            return Err("certificates are listed, but tls.client_ca does not say who signs them".into());
        }
        if !self.grace_s.is_finite() || !(0.0..=86_400.0).contains(&self.grace_s) {
            return Err(format!("grace_s is {}, expected seconds from 0 to 86400", self.grace_s));
        }
        self.limits.check()
    }
}

impl Limits {
    fn check(&self) -> Result<(), String> {
        let least = [
            ("message_bytes", self.message_bytes, 4096),
            ("k", self.k, 1),
            ("probes", self.probes, 1),
            ("queued_probes", self.queued_probes, 1),
            ("batch_probes", self.batch_probes, 1),
            ("bulk_queued_probes", self.bulk_queued_probes, 1),
            ("bulk_batch_probes", self.bulk_batch_probes, 1),
            ("galleries", self.galleries, 1),
            ("streams", self.streams as usize, 1),
            ("connections", self.connections, 1),
        ];
        match least.iter().find(|(_, got, least)| got < least) {
            Some((name, got, least)) => Err(format!("limits.{name} is {got}, expected at least {least}")),
            None if self.deadline_ms == 0 => Err("limits.deadline_ms is 0, expected at least 1".into()),
            None => Ok(()),
        }
    }
}

/// Whether `url` is plain text to this machine.
fn is_here(url: &str) -> bool {
    let address = url.strip_prefix("http://").map(|rest| rest.trim_end_matches('/'));
    address.and_then(|address| address.parse::<SocketAddr>().ok()).is_some_and(|address| address.ip().is_loopback())
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 7443))
}

fn default_grace() -> f64 {
    30.0
}

fn default_log() -> String {
    "info".into()
}

fn yes() -> bool {
    true
}
