//! Server: starts everything, and ends it in order.

use crate::dot::Kernel;
use crate::serve::calls::Calls;
use crate::serve::calls::access::Access;
use crate::serve::calls::desk::Desk;
use crate::serve::config::Config;
use crate::serve::door::listen::Door;
use crate::serve::door::tls::Certificates;
use crate::serve::handlers::gallery_service::GalleryCalls;
use crate::serve::handlers::health::Health;
use crate::serve::handlers::search_service::Searches;
use crate::serve::handlers::server_service::Info;
use crate::serve::handlers::serving::Serving;
use crate::serve::handlers::sweep_service::Sweeps;
use crate::serve::proto::DESCRIPTORS;
use crate::serve::proto::gallery_service_server::GalleryServiceServer;
use crate::serve::proto::search_service_server::SearchServiceServer;
use crate::serve::proto::server_service_server::ServerServiceServer;
use crate::serve::proto::sweep_service_server::SweepServiceServer;
use crate::serve::queue::{Lanes, Way};
use crate::serve::store::recovery::{self, Recovery};
use crate::serve::telling::audit::Audit;
use crate::serve::telling::metrics::{Metrics, serve_metrics};
use crate::serve::telling::traces::Traces;
use crate::work;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, watch};
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tonic::service::Routes;
use tonic_health::pb::health_server::HealthServer;
use tracing::level_filters::LevelFilter;

/// Sweeps that count at the same time: while one sends, another computes.
const SWEEPS: usize = 2;
/// How often idle galleries are looked for and gauges are set.
const HOUSEKEEPING: Duration = Duration::from_secs(1);
/// Bytes that a peer may send before it must wait for the server: bulk probes come in large messages.
const WINDOW_BYTES: u32 = 8 << 20;
/// How often a peer that says nothing is asked whether it is there.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// How long threads that do not end are waited for, beyond the grace of calls.
const LAST_WAIT: Duration = Duration::from_secs(2);

/// Why a server did not start.
#[derive(Debug)]
pub enum Failure {
    /// What was asked for cannot be served.
    Configuration(String),
    /// The machine does not let it.
    Start(String),
}

/// A server that runs; dropping it ends it at once.
pub struct Server {
    pub address: SocketAddr,
    pub metrics_address: Option<SocketAddr>,
    /// Galleries that were found.
    pub n_galleries: usize,
    stop: watch::Sender<bool>,
    ended: Ended,
    runtime: Option<Runtime>,
}

/// Whether a server has ended.
#[derive(Clone, Default)]
pub struct Ended(Arc<(Mutex<bool>, Condvar)>);

impl Ended {
    /// Whether it has, after at most `most`.
    pub fn wait(&self, most: Duration) -> bool {
        let (has_ended, changed) = &*self.0;
        let waited = changed.wait_timeout_while(work::locked(has_ended), most, |has_ended| !*has_ended);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn say(&self) {
        *work::locked(&self.0.0) = true;
        self.0.1.notify_all();
    }
}

impl Server {
    /// Starts a server as a JSON object says; it answers when this returns.
    pub fn start(configuration: &str) -> Result<Self, Failure> {
        let config = Config::from_json(configuration).map_err(Failure::Configuration)?;
        let kernel =
            Kernel::choose(config.isa.as_deref()).map_err(|error| Failure::Configuration(format!("isa: {error}")))?;
        log(&config.log)?;
        let runtime = Builder::new_multi_thread().enable_all().thread_name("frbench-serve").build();
        let runtime = runtime.map_err(|error| Failure::Start(format!("no threads can be started: {error}")))?;
        let parts = runtime.block_on(Parts::open(config, kernel))?;
        let (stop, stopped) = watch::channel(false);
        let ended = Ended::default();
        for note in &parts.notes {
            tracing::warn!("{note}");
        }
        let server = Server {
            address: parts.address,
            metrics_address: parts.metrics_listener.as_ref().map(|(_, address)| *address),
            n_galleries: parts.serving.galleries.list().len(),
            stop,
            ended: ended.clone(),
            runtime: Some(runtime),
        };
        if let Some(runtime) = &server.runtime {
            runtime.spawn(async move {
                parts.run(stopped).await;
                ended.say();
            });
        }
        Ok(server)
    }

    /// Begins to stop: no new calls, those in flight are answered.
    pub fn stop(&self) {
        let _ = self.stop.send(true);
    }

    pub fn ended(&self) -> Ended {
        self.ended.clone()
    }
}

/// What a server consists of.
struct Parts {
    serving: Arc<Serving>,
    audit: Option<Arc<Audit>>,
    metrics: Arc<Metrics>,
    traces: Option<Arc<Traces>>,
    access: Access,
    certificates: Option<Certificates>,
    listener: TcpListener,
    address: SocketAddr,
    metrics_listener: Option<(TcpListener, SocketAddr)>,
    notes: Vec<String>,
}

impl Parts {
    /// Opens everything that can fail to open.
    async fn open(config: Config, kernel: Kernel) -> Result<Self, Failure> {
        let access = Access::new(&config).map_err(Failure::Configuration)?;
        let certificates = config.tls.as_ref().map(Certificates::read).transpose().map_err(Failure::Configuration)?;
        let traces = config.traces.as_deref().map(Traces::start).transpose().map_err(Failure::Configuration)?;
        let (listener, address) = bound(config.listen, "listen").await?;
        let metrics_listener = match config.metrics {
            Some(metrics) => Some(bound(metrics, "metrics").await?),
            None => None,
        };
        let threads = work::threads_or_all(config.threads);
        let (galleries, recovery) = recovery::open(config.data.as_deref(), &config.limits, kernel, threads)
            .map_err(|refusal| Failure::Start(refusal.message()))?;
        // After the galleries: of two servers in one directory the second must not touch the log of the first.
        let audit = config.audit_path().map(|path| Audit::open(&path, config.audit.fsync, SystemTime::now));
        let audit = audit.transpose().map_err(Failure::Start)?.map(Arc::new);
        let way = Way { kernel, threads, most_candidates: config.limits.k };
        let lanes = Lanes::start(way, &config.limits)
            .map_err(|error| Failure::Start(format!("no thread can be started: {error}")))?;
        let sweeps = Arc::new(Semaphore::new(SWEEPS));
        Ok(Parts {
            serving: Arc::new(Serving { config, galleries, lanes, kernel, threads, sweeps }),
            audit,
            metrics: Arc::default(),
            traces: traces.map(Arc::new),
            access,
            certificates,
            listener,
            address,
            metrics_listener,
            notes: notes(recovery),
        })
    }

    /// Answers calls until it is told to stop, and those in flight as long as their grace is.
    async fn run(self, stopped: watch::Receiver<bool>) {
        let health = HealthServer::new(Health::new(stopped.clone()));
        let limits = self.serving.config.limits.clone();
        let desk = Desk {
            access: self.access,
            audit: self.audit.clone(),
            metrics: self.metrics.clone(),
            traces: self.traces.clone(),
            longest: Duration::from_millis(limits.deadline_ms),
        };
        let door = Door::new(self.certificates, limits.connections, self.audit.clone(), self.metrics.clone());
        let connections = door.connections(self.listener, told(stopped.clone()));
        let server = tonic::transport::Server::builder()
            .layer(Calls::new(desk))
            .max_concurrent_streams(limits.streams)
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .http2_keepalive_interval(Some(KEEPALIVE))
            .add_routes(routes(&self.serving).add_service(health))
            .serve_with_incoming_shutdown(connections, told(stopped.clone()));
        if let Some((listener, _)) = self.metrics_listener {
            tokio::spawn(serve_metrics(listener, self.metrics.clone(), told(stopped.clone())));
        }
        tokio::spawn(keep_house(self.serving.clone(), self.metrics));
        let drained = async {
            told(stopped.clone()).await;
            sleep(self.serving.config.grace()).await;
        };
        tokio::select! {
            ended = server => if let Err(error) = ended {
                tracing::error!(%error, "the server ended");
            },
            () = drained => tracing::warn!("calls were still in flight when their grace ended"),
        }
        self.serving.lanes.close();
        if let Some(audit) = self.audit {
            audit.stop();
        }
        if let Some(traces) = self.traces {
            // It waits for the collector, and a runtime that ends meanwhile ends that.
            let _ = spawn_blocking(move || traces.stop()).await;
        }
    }
}

/// All services, with their limits.
fn routes(serving: &Arc<Serving>) -> Routes {
    let most = serving.config.limits.message_bytes;
    let mut routes = Routes::new(ServerServiceServer::new(Info(serving.clone())))
        .add_service(
            GalleryServiceServer::new(GalleryCalls(serving.clone()))
                .max_decoding_message_size(most)
                .max_encoding_message_size(usize::MAX),
        )
        .add_service(
            SearchServiceServer::new(Searches(serving.clone()))
                .max_decoding_message_size(most)
                .max_encoding_message_size(usize::MAX),
        )
        .add_service(
            SweepServiceServer::new(Sweeps(serving.clone()))
                .max_decoding_message_size(most)
                .max_encoding_message_size(usize::MAX),
        );
    if serving.config.reflection {
        let described = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(DESCRIPTORS)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        };
        // The descriptors were made by the build, from the same files as the services.
        if let (Ok(v1), Ok(v1alpha)) = (described().build_v1(), described().build_v1alpha()) {
            routes = routes.add_service(v1).add_service(v1alpha);
        }
    }
    routes
}

/// Sends what is told of calls to standard error, a JSON object a line; the first server of a process says how much.
fn log(level: &str) -> Result<(), Failure> {
    let wanted = level.parse::<LevelFilter>();
    let wanted = wanted.map_err(|_| {
        Failure::Configuration(format!("log is '{level}', expected off, error, warn, info, debug or trace"))
    })?;
    let lines = tracing_subscriber::fmt().json().with_max_level(wanted).with_writer(std::io::stderr);
    // A process has one.
    let _ = lines.try_init();
    Ok(())
}

/// What was found and mended, a sentence each.
fn notes(recovery: Recovery) -> Vec<String> {
    let repaired = "the galleries were not closed in order; what was acknowledged is there, and a change that was being \
                    written is gone";
    if recovery.was_repaired { vec![repaired.into()] } else { Vec::new() }
}

/// Ends when the server is told to stop.
async fn told(mut stopped: watch::Receiver<bool>) {
    // The sender is gone only with the server itself.
    let _ = stopped.wait_for(|&is_stopped| is_stopped).await;
}

async fn bound(address: SocketAddr, what: &str) -> Result<(TcpListener, SocketAddr), Failure> {
    let failed = |error| Failure::Start(format!("{what}: {address} cannot be listened on: {error}"));
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

/// Drops galleries that nobody uses any more, and says how much there is of everything.
async fn keep_house(serving: Arc<Serving>, metrics: Arc<Metrics>) {
    let mut ticks = tokio::time::interval(HOUSEKEEPING);
    loop {
        ticks.tick().await;
        serving.galleries.drop_idle();
        let galleries: Vec<_> = serving.galleries.list().iter().map(|gallery| gallery.describe()).collect();
        metrics.queued_probes.set(serving.lanes.queued() as i64);
        metrics.galleries.set(galleries.len() as i64);
        metrics.templates.set(galleries.iter().map(|gallery| gallery.n_templates as i64).sum());
        metrics.memory_bytes.set(galleries.iter().map(|gallery| gallery.memory_bytes as i64).sum());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(LAST_WAIT);
        }
    }
}
