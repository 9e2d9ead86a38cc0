//! Health: whether this server answers, for those who watch over it.

use crate::serve::refusal::Refusal;
use std::pin::Pin;
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;
use tokio_stream::{Stream, StreamExt, iter, once};
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

/// Names that health is said of: the server, and its services.
const SERVICES: [&str; 5] = [
    "",
    "frbench.v1.GalleryService",
    "frbench.v1.SearchService",
    "frbench.v1.SweepService",
    "frbench.v1.ServerService",
];

/// Says that all services answer until the server is told to stop.
pub struct Health {
    stopped: watch::Receiver<bool>,
}

impl Health {
    pub fn new(stopped: watch::Receiver<bool>) -> Self {
        Health { stopped }
    }
}

#[tonic::async_trait]
impl health_server::Health for Health {
    async fn check(&self, request: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        if !is_known(&request) {
            return Err(Refusal::NotFound("no service of this name is here".into()).into());
        }
        let is_stopped = *self.stopped.borrow();
        Ok(Response::new(said(if is_stopped { ServingStatus::NotServing } else { ServingStatus::Serving })))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    /// Ends when the server is told to stop, which waits for all streams.
    ///
    /// Source: gRPC Health Checking Protocol; the watch of an unknown service stays open.
    async fn watch(&self, request: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let (now, last) = match is_known(&request) {
            true => (ServingStatus::Serving, Some(ServingStatus::NotServing)),
            false => (ServingStatus::ServiceUnknown, None),
        };
        let states = WatchStream::new(self.stopped.clone()).take_while(|is_stopped| !is_stopped).map(move |_| now);
        let said = states.chain(iter(last)).map(|state| Ok(said(state)));
        Ok(Response::new(Box::pin(said.chain(once(Err(Refusal::Stopping.into()))))))
    }
}

fn is_known(request: &Request<HealthCheckRequest>) -> bool {
    SERVICES.contains(&request.get_ref().service.as_str())
}

fn said(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}

#[cfg(test)]
mod tests {
    use super::health_server::Health as _;
    use super::*;
    use tonic::Code;

    fn asked(service: &str) -> Request<HealthCheckRequest> {
        Request::new(HealthCheckRequest { service: service.into() })
    }

    async fn checked(health: &Health, service: &str) -> Result<ServingStatus, Code> {
        let answer = health.check(asked(service)).await;
        answer.map(|answer| answer.into_inner().status()).map_err(|status| status.code())
    }

    #[tokio::test]
    async fn all_services_answer_until_the_stop_and_no_other_does() {
        let (stop, stopped) = watch::channel(false);
        let health = Health::new(stopped);
        for service in SERVICES {
            assert_eq!(checked(&health, service).await, Ok(ServingStatus::Serving));
        }
        stop.send(true).unwrap();
        for service in SERVICES {
            assert_eq!(checked(&health, service).await, Ok(ServingStatus::NotServing));
        }
        assert_eq!(checked(&health, "frbench.v1.NoService").await, Err(Code::NotFound));
    }

    #[tokio::test]
    async fn a_watch_says_every_state_and_ends_with_the_stop() {
        for (service, now, last) in [
            ("", ServingStatus::Serving, Some(ServingStatus::NotServing)),
            ("frbench.v1.NoService", ServingStatus::ServiceUnknown, None),
        ] {
            let (stop, stopped) = watch::channel(false);
            let mut states = Health::new(stopped).watch(asked(service)).await.unwrap().into_inner();
            assert_eq!(states.next().await.unwrap().unwrap().status(), now);
            stop.send(true).unwrap();
            let rest: Vec<_> = states.collect().await;
            let codes: Vec<_> = rest.iter().map(|state| state.as_ref().map(HealthCheckResponse::status)).collect();

            assert_eq!(codes.len(), 1 + usize::from(last.is_some()));
            assert_eq!(codes.first().and_then(|state| state.ok()), last);
            assert_eq!(codes.last().and_then(|state| state.err()).map(Status::code), Some(Code::Unavailable));
        }
    }
}
