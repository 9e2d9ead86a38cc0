//! Call body: an answer that is a stream, whose call ends when it does.

use crate::serve::calls::call::Call;
use crate::serve::refusal::Refusal;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Response};
use http_body::{Body as _, Frame};
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::time::{Sleep, sleep_until};
use tonic::body::Body;
use tonic::{Code, Status};

/// What a handler streams, until the deadline. Dropped before its end, it was given up by the caller.
pub struct CallBody {
    body: Body,
    late: Pin<Box<Sleep>>,
    state: State,
}

enum State {
    Streaming(Call),
    /// The call is told of; then its trailers may leave.
    Ending(Pin<Box<dyn Future<Output = HeaderMap> + Send>>),
    Ended,
}

impl CallBody {
    pub fn new(body: Body, call: Call) -> Self {
        CallBody { body, late: Box::pin(sleep_until(call.deadline.into())), state: State::Streaming(call) }
    }

    /// The next part of the stream, or the trailers that end it.
    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame<Bytes>, HeaderMap>> {
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => Poll::Ready(match frame.into_trailers() {
                Ok(trailers) => Err(trailers),
                Err(frame) => Ok(frame),
            }),
            Poll::Ready(Some(Err(status))) => Poll::Ready(Err(trailers(status))),
            Poll::Ready(None) => Poll::Ready(Err(trailers(Status::unknown("the answer ended without a status")))),
            Poll::Pending => {
                ready!(self.late.as_mut().poll(cx));
                Poll::Ready(Err(trailers(Refusal::TooLate)))
            }
        }
    }
}

impl http_body::Body for CallBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        if let State::Streaming(_) = this.state {
            match ready!(this.poll_part(cx)) {
                Ok(part) => return Poll::Ready(Some(Ok(part))),
                Err(trailers) => {
                    this.body = Body::empty();
                    if let State::Streaming(call) = mem::replace(&mut this.state, State::Ended) {
                        this.state = State::Ending(Box::pin(ended(call, trailers)));
                    }
                }
            }
        }
        let State::Ending(ending) = &mut this.state else { return Poll::Ready(None) };
        let trailers = ready!(ending.as_mut().poll(cx));
        this.state = State::Ended;
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }
}

async fn ended(call: Call, told: HeaderMap) -> HeaderMap {
    let code = told.get(Status::GRPC_STATUS).map_or(Code::Unknown, |code| Code::from_bytes(code.as_bytes()));
    match call.end(code).await {
        Ok(()) => told,
        Err(refusal) => trailers(refusal),
    }
}

fn trailers(status: impl Into<Status>) -> HeaderMap {
    let response: Response<()> = status.into().into_http();
    let mut headers = response.into_parts().0.headers;
    headers.remove(CONTENT_TYPE);
    headers
}
