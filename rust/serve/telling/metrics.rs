//! Metrics: what the server counts of itself, for Prometheus.

use crate::serve::telling::facts::Fact;
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Counts of one server. Labels are words of this program, never of a caller.
pub struct Metrics {
    registry: Registry,
    requests: Family<Call, Counter>,
    refused: Family<Reason, Counter>,
    request_duration: Family<Sized, Histogram, fn() -> Histogram>,
    queue: Histogram,
    scan: Histogram,
    batch_probes: Histogram,
    pub queued_probes: Gauge,
    pub galleries: Gauge,
    pub templates: Gauge,
    pub memory_bytes: Gauge,
    pub connections: Gauge,
    pub handshakes_refused: Counter,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Call {
    method: &'static str,
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Sized {
    method: &'static str,
    /// Rows of the request: one call of 1000 probes must not hide calls of one.
    size: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Metrics {
            registry: Registry::with_prefix("frbench"),
            requests: Family::default(),
            refused: Family::default(),
            request_duration: Family::new_with_constructor(seconds),
            queue: seconds(),
            scan: seconds(),
            batch_probes: Histogram::new(exponential_buckets(1.0, 2.0, 11)),
            queued_probes: Gauge::default(),
            galleries: Gauge::default(),
            templates: Gauge::default(),
            memory_bytes: Gauge::default(),
            connections: Gauge::default(),
            handshakes_refused: Counter::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    /// Counts a call that has ended with a code, such as OK.
    pub fn ended(&self, method: &'static str, code: &'static str, took: Duration, fact: &Fact) {
        self.requests.get_or_create(&Call { method, code }).inc();
        let size = size(fact.rows.unwrap_or(1));
        self.request_duration.get_or_create(&Sized { method, size }).observe(took.as_secs_f64());
        if fact.batch_probes > 0 {
            self.queue.observe(fact.queue_ns as f64 * 1e-9);
            self.scan.observe(fact.scan_ns as f64 * 1e-9);
            self.batch_probes.observe(f64::from(fact.batch_probes));
        }
    }

    /// Counts a call that was refused, by a word of this program.
    pub fn refused(&self, reason: &'static str) {
        self.refused.get_or_create(&Reason { reason }).inc();
    }

    /// Everything, in the text format of OpenMetrics.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // A string takes whatever is written.
        let _ = text::encode(&mut text, &self.registry);
        text
    }

    fn register(&mut self) {
        let to = &mut self.registry;
        to.register("requests", "Calls that have ended", self.requests.clone());
        to.register("refused", "Calls that were refused", self.refused.clone());
        let help = "From the arrival of a call to its answer";
        to.register_with_unit("request_duration", help, Unit::Seconds, self.request_duration.clone());
        to.register_with_unit("queue", "From a search's arrival to its scan", Unit::Seconds, self.queue.clone());
        to.register_with_unit("scan", "Scan that a search shared", Unit::Seconds, self.scan.clone());
        to.register("batch_probes", "Probes that shared the scan of a search", self.batch_probes.clone());
        to.register("queued_probes", "Probes that wait for a scan", self.queued_probes.clone());
        to.register("galleries", "Galleries", self.galleries.clone());
        to.register("templates", "Templates of all galleries", self.templates.clone());
        to.register_with_unit("memory", "Memory of all galleries", Unit::Bytes, self.memory_bytes.clone());
        to.register("connections", "Connections that are open", self.connections.clone());
        to.register("handshakes_refused", "Connections that were refused", self.handshakes_refused.clone());
    }
}

/// Serves `GET /metrics` until `shutdown`.
pub async fn serve_metrics(
    listener: TcpListener,
    metrics: Arc<Metrics>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let answer = move || {
        let text = metrics.text();
        async move { as_open_metrics(text) }
    };
    axum::serve(listener, Router::new().route("/metrics", get(answer))).with_graceful_shutdown(shutdown).await
}

fn as_open_metrics(text: String) -> Response {
    ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response()
}

/// From 50 us to 105 s.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(50e-6, 2.0, 22))
}

fn size(rows: u64) -> &'static str {
    match rows {
        0..=1 => "1",
        2..=16 => "2-16",
        17..=256 => "17-256",
        _ => ">256",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::sync::oneshot;

    fn searched(rows: u64) -> Fact {
        Fact { rows: Some(rows), queue_ns: 1000, scan_ns: 2000, batch_probes: 4, ..Fact::default() }
    }

    #[test]
    fn a_call_is_counted_by_method_code_and_size() {
        let metrics = Metrics::default();
        metrics.ended("Search", "OK", Duration::from_millis(1), &searched(1));
        metrics.ended("Search", "OK", Duration::from_millis(1), &searched(100));
        metrics.ended("GetInfo", "OK", Duration::from_millis(1), &Fact::default());
        metrics.refused("rate");
        metrics.memory_bytes.set(5);
        metrics.handshakes_refused.inc();

        let text = metrics.text();
        for line in [
            "frbench_requests_total{method=\"Search\",code=\"OK\"} 2",
            "frbench_request_duration_seconds_count{method=\"Search\",size=\"17-256\"} 1",
            "frbench_request_duration_seconds_count{method=\"GetInfo\",size=\"1\"} 1",
            "frbench_queue_seconds_count 2",
            "frbench_scan_seconds_count 2",
            "frbench_batch_probes_sum 8.0",
            "frbench_refused_total{reason=\"rate\"} 1",
            "frbench_memory_bytes 5",
            "frbench_handshakes_refused_total 1",
            "frbench_connections 0",
            "# EOF",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }

    proptest! {
        #[test]
        fn larger_requests_are_of_no_smaller_class(a in any::<u64>(), b in 0..600_u64) {
            let place = |rows| ["1", "2-16", "17-256", ">256"].iter().position(|class| *class == size(rows));
            prop_assert!(place(a.min(b)) <= place(a.max(b)));
        }
    }

    async fn answer(request: &str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let served = tokio::spawn(serve_metrics(listener, Arc::default(), async { drop(stopped.await) }));
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        client.read_to_string(&mut text).await.unwrap();
        drop(stop);
        served.await.unwrap().unwrap();
        text
    }

    #[tokio::test]
    async fn metrics_are_read_over_http_and_nothing_else_is() {
        let found = answer("GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
        assert!(found.starts_with("HTTP/1.1 200") && found.contains(OPEN_METRICS) && found.contains("# EOF"));
        let other = answer("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
        assert!(other.starts_with("HTTP/1.1 404"));
    }
}
