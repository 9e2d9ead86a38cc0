//! Scripted: a real server that answers any call after delays that a test says.

use bytes::Bytes;
use http::{Request, Response};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::Status;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::transport::Server;
use tower::Service;

/// What a call is answered with: after how long, and the code.
pub type Script = Arc<dyn Fn(usize) -> (Duration, i32) + Send + Sync>;

/// Answers until it is dropped.
pub struct Scripted {
    pub address: SocketAddr,
    calls: Arc<AtomicUsize>,
    _runtime: Runtime,
}

impl Scripted {
    /// `script` gets the number of each call, from 0 on, in the order of arrival.
    pub fn start(script: impl Fn(usize) -> (Duration, i32) + Send + Sync + 'static) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let calls = Arc::new(AtomicUsize::new(0));
        let handler = Handler { script: Arc::new(script), calls: calls.clone() };
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("an address");
        runtime.spawn(Server::builder().add_service(handler).serve_with_incoming(TcpListenerStream::new(listener)));
        Scripted { address, calls, _runtime: runtime }
    }

    /// Calls that have arrived.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

#[derive(Clone)]
struct Handler {
    script: Script,
    calls: Arc<AtomicUsize>,
}

impl NamedService for Handler {
    const NAME: &'static str = "frbench.v1.SearchService";
}

impl Service<Request<Body>> for Handler {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        let (after, code) = (self.script)(self.calls.fetch_add(1, Ordering::SeqCst));
        Box::pin(async move {
            if !after.is_zero() {
                tokio::time::sleep(after).await;
            }
            Ok(if code == 0 { answer() } else { Status::new(code.into(), "scripted").into_http() })
        })
    }
}

/// An empty message and status 0.
fn answer() -> Response<Body> {
    let message = Bytes::from_static(&[0; 5]);
    let trailers =
        http::HeaderMap::from_iter([("grpc-status".parse().expect("a name"), "0".parse().expect("a value"))]);
    let frames = [Ok(http_body::Frame::data(message)), Ok::<_, Status>(http_body::Frame::trailers(trailers))];
    let body = Frames(frames.into_iter().collect());
    let response = Response::builder().header("content-type", "application/grpc").body(Body::new(body));
    response.expect("a response")
}

struct Frames(std::collections::VecDeque<Result<http_body::Frame<Bytes>, Status>>);

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Status>>> {
        std::task::Poll::Ready(self.0.pop_front())
    }
}
