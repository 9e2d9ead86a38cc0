//! Calls: what is sent, and one call of it.

use crate::load::Failure;
use crate::load::answers::Ledger;
use crate::load::codec::Sealed;
use bytes::Bytes;
use http::uri::PathAndQuery;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tonic::client::Grpc;
use tonic::metadata::MetadataMap;
use tonic::transport::Channel;
use tonic::{Code, Extensions, Request, Status};

/// Requests of one method.
#[derive(Debug, Clone)]
pub struct Calls {
    /// Such as `/frbench.v1.SearchService/Search`.
    pub path: String,
    /// Encoded messages.
    pub messages: Vec<Bytes>,
    /// Message of each request.
    pub order: Vec<u32>,
    /// From the moment of a request to that at which nobody waits for its answer any more.
    pub timeout: Duration,
}

/// Sends single requests, each on the connection that is next.
pub struct Caller {
    calls: Calls,
    path: PathAndQuery,
    channels: Vec<Grpc<Channel>>,
    metadata: MetadataMap,
    ledger: Arc<Ledger>,
    next: AtomicUsize,
}

impl Caller {
    pub fn new(
        calls: Calls,
        channels: Vec<Channel>,
        metadata: MetadataMap,
        ledger: Arc<Ledger>,
    ) -> Result<Self, Failure> {
        let path = PathAndQuery::try_from(calls.path.as_str())
            .map_err(|error| Failure::Value(format!("method {:?}: {error}", calls.path)))?;
        let channels = channels.into_iter().map(|one| Grpc::new(one).max_decoding_message_size(usize::MAX)).collect();
        Ok(Caller { calls, path, channels, metadata, ledger, next: AtomicUsize::new(0) })
    }

    /// Number of requests.
    pub fn len(&self) -> usize {
        self.calls.order.len()
    }

    /// The next request that nobody has taken.
    pub fn take(&self) -> Option<usize> {
        let request = self.next.fetch_add(1, Ordering::Relaxed);
        (request < self.len()).then_some(request)
    }

    /// Sends `request` and writes when it was answered. Its deadline is counted from `scheduled`: one that cannot leave
    /// before is not sent.
    pub async fn call(&self, request: usize, start: Instant, scheduled: Instant) {
        let left = (scheduled + self.calls.timeout).saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        let sent_ns = nanoseconds(start);
        let status = match tokio::time::timeout(left, self.unary(request, left)).await {
            Ok(Ok(())) => Code::Ok,
            // What ends a call at its deadline on this side is called cancelled.
            Ok(Err(status)) if status.code() == Code::Cancelled && scheduled.elapsed() >= self.calls.timeout => {
                Code::DeadlineExceeded
            }
            Ok(Err(status)) => status.code(),
            Err(_) => Code::DeadlineExceeded,
        };
        self.ledger.write(request, sent_ns, nanoseconds(start), status as i32);
    }

    async fn unary(&self, request: usize, left: Duration) -> Result<(), Status> {
        let mut channel = self.channels[request % self.channels.len()].clone();
        channel.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let message = self.calls.messages[self.calls.order[request] as usize].clone();
        let mut asked = Request::from_parts(self.metadata.clone(), Extensions::default(), message);
        asked.set_timeout(left);
        channel.unary(asked, self.path.clone(), Sealed).await.map(|_| ())
    }
}

fn nanoseconds(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
