//! Who gets in, with certificates made here, tried by real clients.

use crate::serve::config::{Config, Tls};
use crate::serve::door::tls::Certificates;
use crate::serve::proto::GetInfoRequest;
use crate::serve::proto::server_service_client::ServerServiceClient;
use crate::serve::tests::world::{HANGS, Paper, Papers, World};
use rcgen::DnType;
use serde_json::json;
use std::fs;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::Code;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Identity};

async fn serve(papers: &Papers) -> World {
    let tls = papers.tls();
    let config = json!({
        "tls": {"certificate": tls.certificate, "key": tls.key, "client_ca": tls.client_ca},
        "certificates": [{"common_name": "ana", "scopes": ["search"]}],
    });
    World::begin(Config::from_json(&config.to_string()).unwrap()).await
}

/// What the server says to a client that shows `paper`, and trusts `authority`.
async fn asked(world: &World, authority: &str, paper: Option<&Paper>) -> Result<String, Option<Code>> {
    let tls = ClientTlsConfig::new().domain_name("localhost").ca_certificate(Certificate::from_pem(authority));
    let tls = match paper {
        Some(paper) => tls.identity(Identity::from_pem(&paper.certificate, &paper.key)),
        None => tls,
    };
    let endpoint = Channel::from_shared(format!("https://{}", world.address)).unwrap().tls_config(tls).unwrap();
    let ask = async {
        let channel = endpoint.connect().await.map_err(|_| None)?;
        let answer = ServerServiceClient::new(channel).get_info(GetInfoRequest {}).await;
        answer.map(|info| info.into_inner().client).map_err(|status| Some(status.code()))
    };
    timeout(HANGS, ask).await.expect("the server does not answer")
}

async fn refused(world: World, reason: &str) {
    let lines = world.lines(2).await;
    assert_eq!(lines[1]["method"], "server/connection");
    assert_eq!(lines[1]["outcome"], format!("refused connection: {reason}"));
    assert!(lines[1]["peer"].as_str().unwrap().starts_with("127.0.0.1:"));
    assert!(world.metrics.text().contains("frbench_handshakes_refused_total 1"));
}

#[tokio::test]
async fn a_certificate_names_its_caller() {
    let papers = Papers::new();
    let world = serve(&papers).await;
    let ana = papers.made("ana", |_| ());

    assert_eq!(asked(&world, &papers.authority_pem(), Some(&ana)).await.as_deref(), Ok("ana"));
    let ben = papers.made("ben", |_| ());
    assert_eq!(asked(&world, &papers.authority_pem(), Some(&ben)).await, Err(Some(Code::Unauthenticated)));
}

#[tokio::test]
async fn an_expired_certificate_is_refused_and_told() {
    let papers = Papers::new();
    let world = serve(&papers).await;
    let old = papers.made("ana", |params| params.not_after = rcgen::date_time_ymd(2020, 1, 1));

    assert!(asked(&world, &papers.authority_pem(), Some(&old)).await.is_err());
    refused(world, "certificate expired").await;
}

#[tokio::test]
async fn a_certificate_that_is_not_valid_yet_is_refused_and_told() {
    let papers = Papers::new();
    let world = serve(&papers).await;
    let early = papers.made("ana", |params| params.not_before = rcgen::date_time_ymd(2999, 1, 1));

    assert!(asked(&world, &papers.authority_pem(), Some(&early)).await.is_err());
    refused(world, "certificate not valid yet").await;
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused_and_told() {
    let papers = Papers::new();
    let world = serve(&papers).await;

    assert!(asked(&world, &papers.authority_pem(), Some(&papers.forged("ana"))).await.is_err());
    refused(world, "certificate of an unknown authority").await;
}

#[tokio::test]
async fn a_client_without_a_certificate_is_refused_and_told() {
    let papers = Papers::new();
    let world = serve(&papers).await;

    assert!(asked(&world, &papers.authority_pem(), None).await.is_err());
    refused(world, "no client certificate").await;
}

#[tokio::test]
async fn a_client_that_does_not_trust_the_server_is_told() {
    let (papers, others) = (Papers::new(), Papers::new());
    let world = serve(&papers).await;
    let ana = papers.made("ana", |_| ());

    assert!(asked(&world, &others.authority_pem(), Some(&ana)).await.is_err());
    refused(world, "the client gave up, which may not trust this server").await;
}

#[tokio::test]
async fn plain_text_is_refused_and_told() {
    let papers = Papers::new();
    let world = serve(&papers).await;
    let mut client = TcpStream::connect(world.address).await.unwrap();
    client.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    // An alert, and the end.
    let _ = timeout(HANGS, client.read_to_end(&mut Vec::new())).await.unwrap();

    refused(world, "not TLS").await;
}

#[tokio::test]
async fn a_client_that_goes_in_the_handshake_is_told() {
    let papers = Papers::new();
    let world = serve(&papers).await;
    drop(TcpStream::connect(world.address).await.unwrap());

    refused(world, "the client went away in the handshake").await;
}

#[tokio::test]
async fn a_connection_too_many_is_refused_and_told_and_a_place_comes_free() {
    let world = World::plain(r#"{"limits": {"connections": 1}}"#).await;
    let first = world.channel().await;
    ServerServiceClient::new(first.clone()).get_info(GetInfoRequest {}).await.unwrap();
    assert!(world.metrics.text().contains("frbench_connections 1"));
    let mut second = TcpStream::connect(world.address).await.unwrap();
    assert_eq!(timeout(HANGS, second.read(&mut [0; 1])).await.unwrap().unwrap_or(0), 0);
    let lines = world.lines(3).await;
    assert_eq!(lines[2]["outcome"], "refused connection: too many connections");

    drop(first);
    while !world.metrics.text().contains("frbench_connections 0") {
        tokio::task::yield_now().await;
    }
    ServerServiceClient::new(world.channel().await).get_info(GetInfoRequest {}).await.unwrap();
}

#[tokio::test]
async fn a_new_certificate_is_shown_from_then_on_and_a_broken_one_is_not() {
    let (papers, others) = (Papers::new(), Papers::new());
    let world = serve(&papers).await;
    let ana = papers.made("ana", |_| ());
    papers.serve(&others.made("another server with a longer name", |_| ()));
    assert_eq!(asked(&world, &others.authority_pem(), Some(&ana)).await.as_deref(), Ok("ana"));

    papers.write("cert.pem", "no certificate");
    assert_eq!(asked(&world, &others.authority_pem(), Some(&ana)).await.as_deref(), Ok("ana"));
    papers.serve(&papers.made("server", |_| ()));
    assert_eq!(asked(&world, &papers.authority_pem(), Some(&ana)).await.as_deref(), Ok("ana"));
}

fn said(tls: &Tls) -> String {
    Certificates::read(tls).err().expect("these files are taken")
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let papers = Papers::new();
    let tls = papers.tls();
    assert!(Certificates::read(&tls).is_ok());

    papers.write("key.pem", &papers.made("server", |_| ()).key);
    assert!(said(&tls).contains("key.pem is not the key of"), "{}", said(&tls));
    papers.write("key.pem", "nothing");
    assert!(said(&tls).contains("key.pem: no private key in PEM can be read"), "{}", said(&tls));
    papers.write("cert.pem", "");
    assert!(said(&tls).contains("cert.pem: holds no certificate in PEM"), "{}", said(&tls));
    fs::remove_file(&tls.certificate).unwrap();
    assert!(said(&tls).contains("cert.pem: no certificate in PEM can be read"), "{}", said(&tls));
    papers.serve(&papers.made("server", |_| ()));
    papers.write("ca.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    assert!(said(&tls).contains("tls.client_ca") && said(&tls).contains("ca.pem"), "{}", said(&tls));
}

#[tokio::test]
async fn two_names_in_one_certificate_are_none() {
    let papers = Papers::new();
    let world = serve(&papers).await;
    let both = papers.made("ana", |params| {
        params.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 3]), "ben");
    });

    assert_eq!(asked(&world, &papers.authority_pem(), Some(&both)).await, Err(Some(Code::Unauthenticated)));
}
