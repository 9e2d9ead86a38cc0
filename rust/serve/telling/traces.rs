//! Traces: a span of every call, sent to a collector.
//!
//! A span is made when its call has ended and waits in a queue of its own: no call waits for the collector, and what
//! the queue does not hold is dropped. Health checks have none.

use crate::serve::telling::facts::Fact;
use http::HeaderMap;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{Span, SpanKind, Status, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{self, SdkTracer, SdkTracerProvider, SpanData};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};
use tonic::Code;

/// How long one batch may take to the collector.
const LONGEST_EXPORT: Duration = Duration::from_secs(5);
/// How long the last spans are waited for when the server stops.
const LAST_WAIT: Duration = Duration::from_secs(2);

/// The way to a collector.
pub struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

/// What a span says of a call that has ended.
pub struct Told<'a> {
    /// The span of the caller, if it has one.
    pub parent: &'a Context,
    /// Such as `frbench.v1.SearchService/Search`.
    pub method: &'static str,
    pub code: Code,
    pub client: Option<&'a str>,
    pub gallery: Option<&'a str>,
    pub request_id: &'a str,
    pub took: Duration,
    pub fact: &'a Fact,
}

impl Traces {
    /// Sends to the collector at `url` by OTLP over gRPC, on the runtime of the caller, whether it is there or not.
    pub fn start(url: &str) -> Result<Self, String> {
        let exporter = SpanExporter::builder().with_tonic().with_endpoint(url).with_timeout(LONGEST_EXPORT).build();
        let exporter = exporter.map_err(|error| format!("traces: {url}: {error}"))?;
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(Patient { exporter, is_away: AtomicBool::new(false) })
            .with_resource(Resource::builder().with_service_name("frbench").build())
            .build();
        Ok(Traces { tracer: provider.tracer("frbench"), provider })
    }

    /// Hands over the span of a call that ends now.
    pub fn tell(&self, told: &Told<'_>) {
        let end = SystemTime::now();
        let start = end.checked_sub(told.took).unwrap_or(end);
        let span = self.tracer.span_builder(told.method).with_kind(SpanKind::Server).with_start_time(start);
        let mut span = span.with_attributes(attributes(told)).start_with_context(&self.tracer, told.parent);
        if is_fault(told.code) {
            span.set_status(Status::error(told.code.description()));
        }
        span.end_with_timestamp(end);
    }

    /// Sends what waits, and ends.
    pub fn stop(&self) {
        if let Err(error) = self.provider.shutdown_with_timeout(LAST_WAIT) {
            tracing::warn!(%error, "the last spans were not sent");
        }
    }
}

/// The span that a request comes from, as its `traceparent` says.
pub fn parent(headers: &HeaderMap) -> Context {
    TraceContextPropagator::new().extract_with_context(&Context::new(), &Headers(headers))
}

/// Source: OpenTelemetry semantic conventions, RPC and gRPC; names of our own begin with frbench.
fn attributes(told: &Told<'_>) -> Vec<KeyValue> {
    let (service, method) = told.method.split_once('/').unwrap_or(("", told.method));
    let text = |text: Option<&str>| text.map(|text| Value::from(text.to_string()));
    let number = |number: u64| Value::from(i64::try_from(number).unwrap_or(i64::MAX));
    let fact = told.fact;
    let all = [
        ("rpc.system", Some("grpc".into())),
        ("rpc.service", text(Some(service))),
        ("rpc.method", text(Some(method))),
        ("rpc.grpc.status_code", Some(number(told.code as u64))),
        ("frbench.client", text(told.client)),
        ("frbench.request_id", text(Some(told.request_id))),
        ("frbench.gallery", text(told.gallery)),
        ("frbench.k", fact.k.map(|k| number(k.into()))),
        ("frbench.rows", fact.rows.map(number)),
        ("frbench.candidates", fact.candidates.map(number)),
        ("frbench.queue_us", Some(number(fact.queue_ns / 1000))),
        ("frbench.scan_us", Some(number(fact.scan_ns / 1000))),
    ];
    all.into_iter().filter_map(|(name, value)| Some(KeyValue::new(name, value?))).collect()
}

/// Whether a code says that the server failed, not the caller. Source: OpenTelemetry semantic conventions, gRPC.
fn is_fault(code: Code) -> bool {
    matches!(
        code,
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    )
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

/// Says once that the collector is away, and drops spans until it is there again.
#[derive(Debug)]
struct Patient {
    exporter: SpanExporter,
    is_away: AtomicBool,
}

impl trace::SpanExporter for Patient {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let sent = self.exporter.export(batch).await;
        let was_away = self.is_away.swap(sent.is_err(), Ordering::Relaxed);
        if let (Err(error), false) = (&sent, was_away) {
            tracing::warn!(%error, "the collector of traces does not answer: spans are dropped until it does");
        }
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::proto::search_service_client::SearchServiceClient;
    use crate::serve::tests::world::{HANGS, TOKEN, World, by, locked, search};
    use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
    use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
    use opentelemetry_proto::tonic::common::v1::any_value::Value as Told;
    use opentelemetry_proto::tonic::trace::v1::Span as Sent;
    use std::collections::BTreeMap;
    use std::net::SocketAddr;
    use std::sync::Arc;
    use tokio::net::TcpListener;
    use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
    use tokio::task::spawn_blocking;
    use tokio::time::timeout;
    use tonic::transport::server::TcpIncoming;
    use tonic::{Request, Response};

    struct Collector(UnboundedSender<Sent>);

    #[tonic::async_trait]
    impl TraceService for Collector {
        async fn export(
            &self,
            request: Request<ExportTraceServiceRequest>,
        ) -> Result<Response<ExportTraceServiceResponse>, tonic::Status> {
            let spans = request.into_inner().resource_spans.into_iter().flat_map(|spans| spans.scope_spans);
            spans.flat_map(|scope| scope.spans).for_each(|span| self.0.send(span).unwrap());
            Ok(Response::new(ExportTraceServiceResponse::default()))
        }
    }

    async fn collector() -> (SocketAddr, UnboundedReceiver<Sent>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sent, spans) = unbounded_channel();
        let server = tonic::transport::Server::builder().add_service(TraceServiceServer::new(Collector(sent)));
        tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
        (address, spans)
    }

    async fn world(address: SocketAddr) -> World {
        let config = locked("");
        World::plain(&format!(r#"{{"traces": "http://{address}", {}"#, &config[1..])).await
    }

    async fn stop(traces: &Arc<Traces>) {
        let traces = traces.clone();
        timeout(HANGS, spawn_blocking(move || traces.stop())).await.expect("traces do not stop").unwrap();
    }

    fn said(span: &Sent) -> BTreeMap<&str, Told> {
        span.attributes.iter().map(|it| (it.key.as_str(), it.value.clone().unwrap().value.unwrap())).collect()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_call_is_a_span_of_the_trace_of_its_caller() {
        let (address, mut spans) = collector().await;
        let world = world(address).await;
        let mut request = by(TOKEN, search("found"));
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        request.metadata_mut().insert("traceparent", parent.parse().unwrap());
        SearchServiceClient::new(world.channel().await).search(request).await.unwrap();
        stop(world.traces.as_ref().unwrap()).await;

        let span = spans.recv().await.unwrap();
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(span.name, "frbench.v1.SearchService/Search");
        assert_eq!(hex(&span.trace_id), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(hex(&span.parent_span_id), "00f067aa0ba902b7");
        assert!(span.start_time_unix_nano <= span.end_time_unix_nano);
        let said = said(&span);
        let text = |text: &str| Some(Told::StringValue(text.into()));
        assert_eq!(said.get("rpc.method").cloned(), text("Search"));
        assert_eq!(said.get("frbench.client").cloned(), text("ana"));
        assert_eq!(said.get("frbench.gallery").cloned(), text("found"));
        assert_eq!(said["frbench.rows"], Told::IntValue(2));
        assert_eq!(said["rpc.grpc.status_code"], Told::IntValue(0));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_refused_call_is_a_span_and_says_nothing_of_its_case() {
        let (address, mut spans) = collector().await;
        let world = world(address).await;
        let mut client = SearchServiceClient::new(world.channel().await);
        client.search(by(TOKEN, search("nowhere"))).await.unwrap_err();
        client.search(search("found")).await.unwrap_err();
        stop(world.traces.as_ref().unwrap()).await;

        for code in [Code::NotFound, Code::Unauthenticated] {
            let span = spans.recv().await.unwrap();
            assert_eq!(said(&span)["rpc.grpc.status_code"], Told::IntValue(code as i64));
            assert!(!format!("{span:?}").contains("case 1"));
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn calls_are_answered_while_the_collector_is_away() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let world = world(address).await;
        let mut client = SearchServiceClient::new(world.channel().await);
        for _ in 0..50 {
            timeout(HANGS, client.search(by(TOKEN, search("found")))).await.unwrap().unwrap();
        }
        stop(world.traces.as_ref().unwrap()).await;
    }

    #[tokio::test]
    async fn what_is_no_address_is_refused() {
        assert!(Traces::start("no address").err().unwrap().starts_with("traces: no address: "));
    }
}
