//! Calls: who asks, whether it may, until when, and what is told of it when it has ended.

pub mod access;
pub mod call;
pub mod call_body;
pub mod codec;
pub mod desk;
pub mod methods;

use crate::serve::calls::access::{Caller, Known};
use crate::serve::calls::call::Call;
use crate::serve::calls::call_body::CallBody;
use crate::serve::calls::desk::Desk;
use crate::serve::refusal::Refusal;
use crate::serve::telling::facts::Facts;
use http::{HeaderValue, Request, Response};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::time::timeout_at;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer, Service};

const REQUEST_ID: &str = "x-request-id";

/// When a call must be answered: in the extensions of every request that reaches a handler.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Deadline(pub Instant);

/// Lets every call through that may pass, and tells of every call: a layer around all routes.
#[derive(Clone)]
pub struct Calls(Arc<Desk>);

impl Calls {
    pub fn new(desk: Desk) -> Self {
        Calls(Arc::new(desk))
    }
}

impl<S> Layer<S> for Calls {
    type Service = Desked<S>;

    fn layer(&self, inner: S) -> Desked<S> {
        Desked { desk: self.0.clone(), inner }
    }
}

/// A service behind the desk.
#[derive(Clone)]
pub struct Desked<S> {
    desk: Arc<Desk>,
    inner: S,
}

impl<S> Service<Request<Body>> for Desked<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // The service that is ready answers; its copy waits for the next request.
        let next = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, next);
        let desk = self.desk.clone();
        Box::pin(async move { Ok(answer(desk, inner, request).await) })
    }
}

async fn answer<S>(desk: Arc<Desk>, mut inner: S, mut request: Request<Body>) -> Response<Body>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let mut call = Call::begin(desk.clone(), &request);
    let id = HeaderValue::from_str(&call.request_id);
    let mut response = match admit(&desk, &mut call, &mut request) {
        Err((reason, refusal)) => {
            desk.metrics.refused(reason);
            refused(refusal)
        }
        Ok(()) => {
            let response = match timeout_at(call.deadline.into(), inner.call(request)).await {
                Ok(Ok(response)) => response,
                Ok(Err(never)) => match never {},
                Err(_) => refused(Refusal::TooLate),
            };
            reason(code(&response)).inspect(|reason| desk.metrics.refused(reason));
            response
        }
    };
    let code = code(&response);
    if call.is_streaming() && code == Code::Ok {
        response = response.map(|body| Body::new(CallBody::new(body, call)));
    } else if let Err(refusal) = call.end(code).await {
        desk.metrics.refused("audit");
        response = refused(refusal);
    }
    if let Ok(id) = id {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// Lets a call pass to its handler, with what the handler wants to know; else the reason, in a word and in a sentence.
fn admit(desk: &Desk, call: &mut Call, request: &mut Request<Body>) -> Result<(), (&'static str, Refusal)> {
    let method = call.method;
    if method.is_open {
        return Ok(());
    }
    let name = call.peer.as_ref().and_then(|peer| peer.common_name.clone());
    let known = desk.access.recognise(request.headers(), name.as_deref()).map_err(|why| ("credentials", why))?;
    call.client = Some(known.caller.name.clone());
    known.caller.check(method.any_of).map_err(|why| ("scope", why))?;
    known.take().map_err(|why| ("rate", why))?;
    desk.audit.as_ref().map_or(Ok(()), |audit| audit.check()).map_err(|why| ("audit", why))?;
    introduce(known, call, request);
    Ok(())
}

fn introduce(known: &Known, call: &Call, request: &mut Request<Body>) {
    let extensions = request.extensions_mut();
    extensions.insert::<Caller>(known.caller.clone());
    extensions.insert::<Facts>(call.facts.clone());
    extensions.insert(Deadline(call.deadline));
}

fn refused(refusal: Refusal) -> Response<Body> {
    Status::from(refusal).into_http()
}

/// A word for what a handler refuses because of the state of the server.
fn reason(code: Code) -> Option<&'static str> {
    match code {
        Code::ResourceExhausted => Some("busy"),
        Code::DeadlineExceeded => Some("deadline"),
        Code::Unavailable => Some("unavailable"),
        _ => None,
    }
}

/// What a response says of its call before its body.
fn code(response: &Response<Body>) -> Code {
    match response.headers().get(Status::GRPC_STATUS) {
        Some(code) => Code::from_bytes(code.as_bytes()),
        None if response.status().is_success() => Code::Ok,
        None => Code::Unknown,
    }
}
