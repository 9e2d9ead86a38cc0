//! World: a real server on this machine with small services, real clients, and certificates, for tests.

use crate::serve::calls::access::{Access, Caller};
use crate::serve::calls::desk::Desk;
use crate::serve::calls::{Calls, Deadline};
use crate::serve::config::{Config, Tls};
use crate::serve::door::listen::Door;
use crate::serve::door::tls::Certificates;
use crate::serve::proto::search_service_server::{SearchService, SearchServiceServer};
use crate::serve::proto::server_service_server::{ServerService, ServerServiceServer};
use crate::serve::proto::sweep_service_server::{SweepService, SweepServiceServer};
use crate::serve::proto::*;
use crate::serve::refusal::Refusal;
use crate::serve::telling::audit::Audit;
use crate::serve::telling::audit_file::hex;
use crate::serve::telling::facts::Facts;
use crate::serve::telling::metrics::Metrics;
use crate::serve::telling::traces::Traces;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_stream::{Stream, StreamExt};
use tonic::transport::{Channel, Server};
use tonic::{Request, Response, Status};

/// How long a test waits before it says that something hangs.
pub const HANGS: Duration = Duration::from_secs(30);
pub const TOKEN: &str = "a token of ana";
pub const COUNTER: &str = "a token of cleo";

/// A server that runs.
pub struct World {
    pub address: SocketAddr,
    pub audit: Arc<Audit>,
    pub metrics: Arc<Metrics>,
    pub traces: Option<Arc<Traces>>,
    pub calls: Calls,
    log: PathBuf,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<Result<(), tonic::transport::Error>>,
    _folder: TempDir,
}

/// Ana, who may search, and Cleo, who may count.
pub fn locked(more_of_ana: &str) -> String {
    let hash = |token| hex(&Sha256::digest(token));
    format!(
        r#"{{"tokens": [{{"name": "ana", "sha256": "{}", "scopes": ["search"] {more_of_ana}}},
                        {{"name": "cleo", "sha256": "{}", "scopes": ["count"]}}]}}"#,
        hash(TOKEN),
        hash(COUNTER)
    )
}

impl World {
    pub async fn plain(config: &str) -> Self {
        Self::begin(Config::from_json(config).unwrap()).await
    }

    pub async fn begin(config: Config) -> Self {
        let folder = TempDir::new().unwrap();
        let log = folder.path().join("audit.jsonl");
        let audit = Arc::new(Audit::open(&log, config.audit.fsync, SystemTime::now).unwrap());
        let metrics = Arc::new(Metrics::default());
        let traces = config.traces.as_ref().map(|url| Arc::new(Traces::start(url).unwrap()));
        let desk = Desk {
            access: Access::new(&config).unwrap(),
            audit: Some(audit.clone()),
            metrics: metrics.clone(),
            traces: traces.clone(),
            longest: Duration::from_millis(config.limits.deadline_ms),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let certificates = config.tls.as_ref().map(|tls| Certificates::read(tls).unwrap());
        let door = Door::new(certificates, config.limits.connections, Some(audit.clone()), metrics.clone());
        let calls = Calls::new(desk);
        let (stop, stopped) = oneshot::channel();
        let (_health, health) = tonic_health::server::health_reporter();
        let connections = door.connections(listener, std::future::pending());
        let server = Server::builder()
            .layer(calls.clone())
            .add_service(health)
            .add_service(ServerServiceServer::new(Small))
            .add_service(SearchServiceServer::new(Small))
            .add_service(SweepServiceServer::new(Small))
            .serve_with_incoming_shutdown(connections, async { drop(stopped.await) });
        World {
            address,
            audit,
            metrics,
            traces,
            calls,
            log,
            stop: Some(stop),
            served: tokio::spawn(server),
            _folder: folder,
        }
    }

    pub async fn channel(&self) -> Channel {
        Channel::from_shared(format!("http://{}", self.address)).unwrap().connect().await.unwrap()
    }

    /// Waits until the log has `n` lines, with that of the start.
    pub async fn lines(&self, n: usize) -> Vec<Value> {
        let read = async {
            loop {
                let text = fs::read_to_string(&self.log).unwrap();
                if text.lines().count() >= n {
                    return chained(&text);
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(HANGS, read).await.expect("the log does not come to have these lines")
    }

    /// Stops the server, and returns all lines.
    pub async fn end(mut self) -> Vec<Value> {
        drop(self.stop.take());
        tokio::time::timeout(HANGS, &mut self.served).await.expect("the server does not stop").unwrap().unwrap();
        self.audit.stop();
        chained(&fs::read_to_string(&self.log).unwrap())
    }
}

/// Lines of a log whose chain is whole.
pub fn chained(text: &str) -> Vec<Value> {
    assert!(text.ends_with('\n'));
    let mut prev = "0".repeat(64);
    let check = |(n, line): (usize, &str)| {
        let read: Value = serde_json::from_str(line).unwrap();
        assert_eq!((&read["n"], &read["prev"]), (&Value::from(n), &Value::from(prev.as_str())));
        prev = hex(&Sha256::digest(line));
        read
    };
    text.lines().enumerate().map(check).collect()
}

/// A request with a token.
pub fn by<T>(token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

pub fn search(gallery: &str) -> SearchRequest {
    SearchRequest { gallery: gallery.into(), case_reference: "case 1".into(), ..SearchRequest::default() }
}

/// Services that do what the name of a gallery says.
#[derive(Clone)]
pub struct Small;

#[tonic::async_trait]
impl ServerService for Small {
    async fn get_info(&self, request: Request<GetInfoRequest>) -> Result<Response<GetInfoResponse>, Status> {
        let caller = request.extensions().get::<Caller>().unwrap();
        let scopes = caller.scopes.iter().map(|scope| scope.name().to_string()).collect();
        Ok(Response::new(GetInfoResponse { client: caller.name.clone(), scopes, ..GetInfoResponse::default() }))
    }
}

#[tonic::async_trait]
impl SearchService for Small {
    async fn search(&self, request: Request<SearchRequest>) -> Result<Response<SearchResponse>, Status> {
        assert!(request.extensions().get::<Deadline>().is_some());
        let (gallery, case) = (request.get_ref().gallery.clone(), request.get_ref().case_reference.clone());
        request.extensions().get::<Facts>().unwrap().set(|fact| {
            (fact.gallery, fact.case_reference, fact.rows) = (Some(gallery.clone()), Some(case), Some(2));
        });
        match gallery.as_str() {
            "found" => Ok(Response::new(Default::default())),
            "slow" => std::future::pending().await,
            "busy" => Err(Refusal::Busy { message: "full".into(), retry: Duration::from_secs(1) }.into()),
            _ => Err(Refusal::NotFound(format!("no gallery {gallery}")).into()),
        }
    }

    async fn compare(&self, _: Request<CompareRequest>) -> Result<Response<CompareResponse>, Status> {
        Ok(Response::new(Default::default()))
    }
}

type Parts<T> = std::pin::Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl SweepService for Small {
    type CountTilesStream = Parts<CountTilesResponse>;
    type FindTailStream = Parts<FindTailResponse>;

    /// Two parts, and what the name of the gallery says.
    async fn count_tiles(
        &self,
        request: Request<CountTilesRequest>,
    ) -> Result<Response<Self::CountTilesStream>, Status> {
        let gallery = request.get_ref().gallery.clone();
        request.extensions().get::<Facts>().unwrap().set(|fact| {
            (fact.gallery, fact.is_streaming) = (Some(gallery.clone()), true);
        });
        let parts = tokio_stream::iter([0, 1].map(|tile| Ok(CountTilesResponse { tile, ..Default::default() })));
        Ok(Response::new(match gallery.as_str() {
            "found" => Box::pin(parts),
            "slow" => Box::pin(parts.chain(tokio_stream::pending())),
            _ => Box::pin(parts.chain(tokio_stream::once(Err(Refusal::DataLoss("gone".into()).into())))),
        }))
    }

    async fn find_tail(&self, _: Request<FindTailRequest>) -> Result<Response<Self::FindTailStream>, Status> {
        Err(Refusal::NotFound("no gallery".into()).into())
    }
}

/// Certificates of one authority, and of another that nobody trusts.
pub struct Papers {
    pub folder: TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
    stranger: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key, in PEM.
pub struct Paper {
    pub certificate: String,
    pub key: String,
}

impl Papers {
    pub fn new() -> Self {
        let papers =
            Papers { folder: TempDir::new().unwrap(), authority: issuer("authority"), stranger: issuer("stranger") };
        papers.write("ca.pem", &papers.authority.pem());
        papers.serve(&papers.made("server", |_| ()));
        papers
    }

    /// What the server reads.
    pub fn tls(&self) -> Tls {
        let path = |name: &str| self.folder.path().join(name);
        Tls { certificate: path("cert.pem"), key: path("key.pem"), client_ca: Some(path("ca.pem")) }
    }

    /// Gives the server another certificate.
    pub fn serve(&self, paper: &Paper) {
        self.write("cert.pem", &paper.certificate);
        self.write("key.pem", &paper.key);
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    pub fn authority_pem(&self) -> String {
        self.authority.pem()
    }

    /// A certificate of the authority.
    pub fn made(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Paper {
        made(&self.authority, name, change)
    }

    /// A certificate that says the same, of nobody who is trusted.
    pub fn forged(&self, name: &str) -> Paper {
        made(&self.stranger, name, |_| ())
    }
}

fn issuer(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn made(issuer: &CertifiedIssuer<KeyPair>, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Paper {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["localhost".to_string()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    change(&mut params);
    let certificate = params.signed_by(&key, issuer).unwrap().pem();
    Paper { certificate, key: key.serialize_pem() }
}
