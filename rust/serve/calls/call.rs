//! Call: one call from its arrival to its end, which is told exactly once.

use crate::serve::calls::desk::Desk;
use crate::serve::calls::methods::{Method, method};
use crate::serve::door::connection::Peer;
use crate::serve::refusal::Refusal;
use crate::serve::telling::audit::Entry;
use crate::serve::telling::facts::{Fact, Facts};
use crate::serve::telling::traces::{self, Told};
use http::{HeaderMap, Request};
use opentelemetry::Context;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};
use tonic::Code;

/// Digits of a number in grpc-timeout.
const TIMEOUT_DIGITS: usize = 8;
const LONGEST_ID: usize = 64;
/// Bytes of a caller's text that are kept, should a handler have let more pass.
const LONGEST_TEXT: usize = 256;
/// The transport drops a call at its deadline by a clock of milliseconds.
const TICK: Duration = Duration::from_millis(2);

/// A call that is being answered. Dropped before its end, it was given up by the caller.
pub struct Call {
    desk: Arc<Desk>,
    pub method: Method,
    /// Who calls, once it is known.
    pub client: Option<String>,
    pub peer: Option<Peer>,
    pub request_id: String,
    pub facts: Facts,
    pub deadline: Instant,
    /// The span of the caller, where there are traces.
    parent: Option<Context>,
    began: Instant,
    is_told: bool,
}

impl Call {
    pub fn begin<B>(desk: Arc<Desk>, request: &Request<B>) -> Self {
        let began = Instant::now();
        let allowed = grpc_timeout(request.headers()).map_or(desk.longest, |asked| asked.min(desk.longest));
        Call {
            method: method(request.uri().path()),
            client: None,
            peer: request.extensions().get::<Peer>().cloned(),
            request_id: request_id(request.headers()),
            facts: Facts::default(),
            deadline: began.checked_add(allowed).unwrap_or(began),
            parent: desk.traces.as_ref().map(|_| traces::parent(request.headers())),
            began,
            desk,
            is_told: false,
        }
    }

    /// Whether the handler said that its answer is a stream.
    pub fn is_streaming(&self) -> bool {
        self.facts.get().is_streaming
    }

    /// Ends the call with `code`, before its answer leaves: without a line of the audit log there is none.
    pub async fn end(mut self, code: Code) -> Result<(), Refusal> {
        let line = self.tell(code)?;
        match (&self.desk.audit, line) {
            (Some(audit), Some(line)) => audit.kept(line).await,
            _ => Ok(()),
        }
    }

    /// Writes the line, counts the call and logs it.
    fn tell(&mut self, code: Code) -> Result<Option<u64>, Refusal> {
        self.is_told = true;
        let (took, fact) = (self.began.elapsed(), self.facts.get());
        let line = self.write(code, took, &fact);
        let code = if line.is_ok() { code } else { Code::Unavailable };
        self.trace(code, took, &fact);
        let code = name(code);
        self.desk.metrics.ended(self.method.name, code, took, &fact);
        tracing::info!(
            method = self.method.name,
            code,
            client = self.client,
            peer = self.address().map(tracing::field::display),
            gallery = fact.gallery.as_deref().map(clipped),
            rows = fact.rows,
            duration_us = micros(took),
            queue_us = fact.queue_ns / 1000,
            scan_us = fact.scan_ns / 1000,
            batch_probes = fact.batch_probes,
            request_id = self.request_id,
            "call"
        );
        line
    }

    fn trace(&self, code: Code, took: Duration, fact: &Fact) {
        if let (Some(traces), Some(parent), false) = (&self.desk.traces, &self.parent, self.method.is_open) {
            traces.tell(&Told {
                parent,
                method: self.method.name,
                code,
                client: self.client.as_deref(),
                gallery: fact.gallery.as_deref().map(clipped),
                request_id: &self.request_id,
                took,
                fact,
            });
        }
    }

    fn write(&self, code: Code, took: Duration, fact: &Fact) -> Result<Option<u64>, Refusal> {
        let Some(audit) = self.desk.audit.as_ref().filter(|_| !self.method.is_open) else { return Ok(None) };
        let entry = Entry {
            client: self.client.as_deref(),
            peer: self.address(),
            method: self.method.name,
            gallery: fact.gallery.as_deref().map(clipped),
            k: fact.k,
            threshold: fact.threshold,
            rows: fact.rows,
            candidates: fact.candidates,
            case_reference: fact.case_reference.as_deref().map(clipped),
            outcome: name(code),
            duration_us: micros(took),
            request_id: Some(&self.request_id),
        };
        // Who is not known is not let in.
        if self.client.is_some() { audit.append(&entry).map(Some) } else { audit.append_refused(&entry) }
    }

    fn address(&self) -> Option<SocketAddr> {
        self.peer.as_ref().map(|peer| peer.address)
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.is_told {
            let is_late = Instant::now() + TICK >= self.deadline;
            // Nobody waits for an answer that could be refused instead.
            let _ = self.tell(if is_late { Code::DeadlineExceeded } else { Code::Cancelled });
        }
    }
}

fn micros(took: Duration) -> u64 {
    took.as_micros().try_into().unwrap_or(u64::MAX)
}

fn clipped(text: &str) -> &str {
    let is_between_letters = |end: &usize| text.is_char_boundary(*end);
    &text[..(0..=text.len().min(LONGEST_TEXT)).rev().find(is_between_letters).unwrap_or(0)]
}

/// The id that the caller gave, the id of its trace, or a new one.
fn request_id(headers: &HeaderMap) -> String {
    let given = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let own = given("x-request-id").filter(|id| is_id(id));
    own.or_else(|| trace_id(given("traceparent")?)).map_or_else(new_id, String::from)
}

fn is_id(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    (1..=LONGEST_ID).contains(&text.len()) && text.bytes().all(is_plain)
}

/// Source: W3C Trace Context, version-trace-parent-flags.
fn trace_id(text: &str) -> Option<&str> {
    let id = text.split('-').nth(1)?;
    let is_hex = id.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    (id.len() == 32 && is_hex).then_some(id)
}

fn new_id() -> String {
    static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{:016x}", KEYS.hash_one(NEXT.fetch_add(1, Ordering::Relaxed)))
}

/// Source: gRPC over HTTP/2, Timeout.
fn grpc_timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > TIMEOUT_DIGITS || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number * 3600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

/// Name of a code in the protocol, such as NOT_FOUND.
fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(http::HeaderName::from_static(name), value.parse().unwrap())])
    }

    proptest! {
        #[test]
        fn an_id_is_plain_and_short_whatever_was_given(given in "[ -~]{0,100}") {
            let id = request_id(&headers("x-request-id", &given));
            prop_assert!(is_id(&id));
            prop_assert_eq!(id == given, is_id(&given));
        }

        #[test]
        fn a_timeout_is_read_as_it_was_written(number in 0..100_000_000_u64, unit in 0..6_usize) {
            let (letter, nanos) = [("n", 1), ("u", 1000), ("m", 1_000_000), ("S", 1_000_000_000),
                                   ("M", 60_000_000_000), ("H", 3_600_000_000_000_u128)][unit];
            let read = grpc_timeout(&headers("grpc-timeout", &format!("{number}{letter}")));
            prop_assert_eq!(read.map(|time| time.as_nanos()), Some(u128::from(number) * nanos));
        }

        #[test]
        fn a_text_is_clipped_between_letters(text in "\\PC{0,300}") {
            prop_assert!(text.starts_with(clipped(&text)) && clipped(&text).len() <= LONGEST_TEXT);
            prop_assert!(text.len() > LONGEST_TEXT || clipped(&text) == text);
        }
    }

    #[test]
    fn what_is_no_timeout_is_not_read_as_one() {
        for text in ["", "S", "1", "123456789S", "-1S", "+1S", "1s", "1.5S", "1 S"] {
            assert_eq!(grpc_timeout(&headers("grpc-timeout", text)), None, "{text}");
        }
    }

    #[test]
    fn a_trace_gives_its_id() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(request_id(&headers("traceparent", &format!("00-{trace}-00f067aa0ba902b7-01"))), trace);
        assert_ne!(request_id(&headers("traceparent", &format!("00-{}-1-1", "Z".repeat(32)))), "Z".repeat(32));
    }

    #[test]
    fn new_ids_differ() {
        let none = HeaderMap::new();
        assert_ne!(request_id(&none), request_id(&none));
    }
}
