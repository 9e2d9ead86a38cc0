//! What every call passes, asked by real clients of a real server.

use crate::serve::proto::search_service_client::SearchServiceClient;
use crate::serve::proto::search_service_server::SearchServiceServer;
use crate::serve::proto::server_service_client::ServerServiceClient;
use crate::serve::proto::sweep_service_client::SweepServiceClient;
use crate::serve::proto::{CompareRequest, CountTilesRequest, GetInfoRequest};
use crate::serve::tests::world::{COUNTER, HANGS, Small, TOKEN, World, by, locked, search};
use serde_json::Value;
use std::time::Duration;
use tokio::time::timeout;
use tonic::body::Body;
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt;
use tower::{Layer, Service};

const SEARCH: &str = "frbench.v1.SearchService/Search";

fn told(line: &Value) -> (&str, &str, Option<&str>) {
    (line["method"].as_str().unwrap(), line["outcome"].as_str().unwrap(), line["client"].as_str())
}

fn tiles(gallery: &str) -> CountTilesRequest {
    CountTilesRequest { gallery: gallery.into(), ..CountTilesRequest::default() }
}

#[tokio::test]
async fn a_call_without_a_token_is_refused_and_told() {
    let world = World::plain(&locked("")).await;
    let status = SearchServiceClient::new(world.channel().await).search(search("found")).await.unwrap_err();

    assert_eq!(status.code(), Code::Unauthenticated);
    assert_eq!(status.get_error_details().error_info().unwrap().reason, "CREDENTIALS");
    assert!(world.metrics.text().contains("frbench_refused_total{reason=\"credentials\"} 1"));
    assert_eq!(told(&world.end().await[1]), (SEARCH, "UNAUTHENTICATED", None));
}

#[tokio::test]
async fn a_call_with_an_unknown_token_is_refused_and_told() {
    let world = World::plain(&locked("")).await;
    let status = SearchServiceClient::new(world.channel().await).search(by("x", search("found"))).await.unwrap_err();

    assert_eq!(status.code(), Code::Unauthenticated);
    assert_eq!(told(&world.end().await[1]), (SEARCH, "UNAUTHENTICATED", None));
}

#[tokio::test]
async fn a_call_without_the_scope_is_refused_and_told() {
    let world = World::plain(&locked("")).await;
    let mut client = SearchServiceClient::new(world.channel().await);
    let status = client.search(by(COUNTER, search("found"))).await.unwrap_err();

    assert_eq!(status.code(), Code::PermissionDenied);
    assert_eq!(status.message(), "this call needs the scope search, and cleo has count");
    client.compare(by(COUNTER, CompareRequest::default())).await.unwrap();
    let lines = world.end().await;
    assert_eq!(told(&lines[1]), (SEARCH, "PERMISSION_DENIED", Some("cleo")));
    assert_eq!(told(&lines[2]), ("frbench.v1.SearchService/Compare", "OK", Some("cleo")));
}

#[tokio::test]
async fn a_call_beyond_the_rate_is_refused_with_the_wait_and_told() {
    let world = World::plain(&locked(r#", "rate_per_s": 0.001, "burst": 1"#)).await;
    let mut client = SearchServiceClient::new(world.channel().await);
    client.search(by(TOKEN, search("found"))).await.unwrap();
    let status = client.search(by(TOKEN, search("found"))).await.unwrap_err();

    assert_eq!(status.code(), Code::ResourceExhausted);
    let wait = status.get_error_details().retry_info().unwrap().retry_delay.unwrap();
    assert!(Duration::ZERO < wait && wait <= Duration::from_secs(1000));
    assert!(world.metrics.text().contains("frbench_refused_total{reason=\"rate\"} 1"));
    assert_eq!(told(&world.end().await[2]), (SEARCH, "RESOURCE_EXHAUSTED", Some("ana")));
}

#[tokio::test]
async fn a_line_says_what_the_handler_learned() {
    let world = World::plain(&locked("")).await;
    let mut client = SearchServiceClient::new(world.channel().await);
    let mut request = by(TOKEN, search("found"));
    request.metadata_mut().insert("x-request-id", "trial-7".parse().unwrap());
    let response = client.search(request).await.unwrap();
    assert_eq!(response.metadata().get("x-request-id").unwrap(), "trial-7");
    client.search(by(TOKEN, search("none"))).await.unwrap_err();

    let lines = world.end().await;
    let wanted = [("gallery", "found"), ("case_reference", "case 1"), ("request_id", "trial-7"), ("outcome", "OK")];
    assert!(wanted.iter().all(|(key, value)| lines[1][key] == *value));
    assert!(lines[1]["rows"] == 2 && lines[1]["peer"].as_str().unwrap().starts_with("127.0.0.1:"));
    assert_eq!(told(&lines[2]), (SEARCH, "NOT_FOUND", Some("ana")));
}

#[tokio::test]
async fn everybody_may_call_where_nobody_is_configured() {
    let world = World::plain("{}").await;
    let info = ServerServiceClient::new(world.channel().await).get_info(GetInfoRequest {}).await.unwrap().into_inner();

    assert_eq!((info.client.as_str(), info.scopes.len()), ("anonymous", 4));
    assert_eq!(told(&world.end().await[1]), ("frbench.v1.ServerService/GetInfo", "OK", Some("anonymous")));
}

#[tokio::test]
async fn health_is_open_to_all_counted_and_not_told() {
    let world = World::plain(&locked("")).await;
    HealthClient::new(world.channel().await).check(HealthCheckRequest::default()).await.unwrap();

    let counted = "frbench_requests_total{method=\"grpc.health.v1.Health/Check\",code=\"OK\"} 1";
    assert!(world.metrics.text().contains(counted));
    assert_eq!(world.end().await.len(), 2);
}

#[tokio::test]
async fn a_path_of_a_stranger_is_in_no_log() {
    let world = World::plain("{}").await;
    let mut client = tonic::client::Grpc::new(world.channel().await);
    client.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<GetInfoRequest, GetInfoRequest>::default();
    let path = http::uri::PathAndQuery::from_static("/an/evil-path");
    let answer = client.unary(Request::new(GetInfoRequest {}), path, codec).await;

    assert_eq!(answer.unwrap_err().code(), Code::Unimplemented);
    assert!(!world.metrics.text().contains("evil"));
    assert_eq!(told(&world.end().await[1]), ("unknown", "UNIMPLEMENTED", Some("anonymous")));
}

#[tokio::test]
async fn a_caller_who_goes_is_told_as_cancelled() {
    let world = World::plain("{}").await;
    let mut client = SearchServiceClient::new(world.channel().await);
    assert!(timeout(Duration::from_millis(100), client.search(search("slow"))).await.is_err());

    assert_eq!(told(&world.lines(2).await[1]), (SEARCH, "CANCELLED", Some("anonymous")));
}

#[tokio::test]
async fn a_call_ends_at_the_deadline_of_the_caller() {
    let world = World::plain("{}").await;
    // A client of tonic would keep its own deadline, and go before the server answers.
    let message = "\0\0\0\0\u{6}\n\u{4}slow".to_string();
    let request = http::Request::post("/frbench.v1.SearchService/Search")
        .header("content-type", "application/grpc")
        .header("grpc-timeout", "50m")
        .body(Body::new(message));
    let mut service = world.calls.layer(SearchServiceServer::new(Small));
    let response = timeout(HANGS, service.call(request.unwrap())).await.unwrap().unwrap();

    assert_eq!(Status::from_header_map(response.headers()).unwrap().code(), Code::DeadlineExceeded);
    let lines = world.end().await;
    assert_eq!(told(&lines[1]), (SEARCH, "DEADLINE_EXCEEDED", Some("anonymous")));
    assert_eq!(lines[1]["gallery"], "slow");
}

#[tokio::test]
async fn a_call_and_a_stream_end_at_the_deadline_of_the_server() {
    let world = World::plain(r#"{"limits": {"deadline_ms": 50}}"#).await;
    let status = SearchServiceClient::new(world.channel().await).search(search("slow")).await.unwrap_err();
    let mut parts =
        SweepServiceClient::new(world.channel().await).count_tiles(tiles("slow")).await.unwrap().into_inner();
    while let Ok(Some(_)) = parts.message().await {}

    assert_eq!(status.code(), Code::DeadlineExceeded);
    let lines = world.end().await;
    let outcomes: Vec<&Value> = lines[1..3].iter().map(|line| &line["outcome"]).collect();
    assert_eq!(outcomes, ["DEADLINE_EXCEEDED"; 2]);
}

#[tokio::test]
async fn a_stream_is_told_when_it_has_ended() {
    let world = World::plain("{}").await;
    let mut client = SweepServiceClient::new(world.channel().await);
    for (gallery, code, outcome) in [("found", None, "OK"), ("lost", Some(Code::DataLoss), "DATA_LOSS")] {
        let mut parts = client.count_tiles(tiles(gallery)).await.unwrap().into_inner();
        assert!(parts.message().await.unwrap().is_some() && parts.message().await.unwrap().is_some());
        assert_eq!(parts.message().await.err().map(|status| status.code()), code);
        let n = if gallery == "found" { 2 } else { 3 };
        assert_eq!(world.lines(n).await[n - 1]["outcome"], outcome);
    }
    client.find_tail(crate::serve::proto::FindTailRequest::default()).await.unwrap_err();
    assert_eq!(world.lines(4).await[3]["outcome"], "NOT_FOUND");
}

#[tokio::test]
async fn a_stream_that_nobody_reads_to_its_end_is_told_as_cancelled() {
    let world = World::plain("{}").await;
    let mut parts =
        SweepServiceClient::new(world.channel().await).count_tiles(tiles("slow")).await.unwrap().into_inner();
    assert!(parts.message().await.unwrap().is_some());
    drop(parts);

    assert_eq!(world.lines(2).await[1]["outcome"], "CANCELLED");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn no_call_is_answered_without_its_line() {
    let world = World::plain("{}").await;
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut client = SearchServiceClient::new(world.channel().await);
    let log = world.audit.swap_file(full);
    for _ in 0..2 {
        let status = client.search(search("found")).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        assert!(status.message().starts_with("the audit log cannot be written"));
    }
    let mut parts = SweepServiceClient::new(world.channel().await).count_tiles(tiles("found")).await;
    assert_eq!(parts.as_mut().err().map(|status| status.code()), Some(Code::Unavailable));
    world.audit.swap_file(log);

    // The refusal that finds the log mended has the first line again.
    client.search(search("found")).await.unwrap_err();
    client.search(search("found")).await.unwrap();
    let lines = world.end().await;
    let outcomes: Vec<&Value> = lines.iter().map(|line| &line["outcome"]).collect();
    assert_eq!(outcomes, ["OK", "UNAVAILABLE", "OK", "OK"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_at_the_same_time_keep_one_chain() {
    for fsync in ["interval", "always"] {
        let world = World::plain(&format!(r#"{{"audit": {{"fsync": "{fsync}"}}}}"#)).await;
        let channel = world.channel().await;
        let call = |_| {
            let mut client = SearchServiceClient::new(channel.clone());
            tokio::spawn(async move { client.search(search("found")).await.map(|_| ()) })
        };
        let calls: Vec<_> = (0..200).map(call).collect();
        for call in calls {
            timeout(HANGS, call).await.unwrap().unwrap().unwrap();
        }

        drop(channel);
        assert_eq!(world.end().await.len(), 202);
    }
}
