//! Refusal: why a call is not answered, and the status that says so.

use crate::error::Error;
use std::time::Duration;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

const DOMAIN: &str = "frbench";

/// What a call is refused for. Messages name the field and the limit; they never hold components or ids of templates.
#[derive(Debug, Clone, PartialEq)]
pub enum Refusal {
    /// A field does not say what it must.
    Invalid {
        field: &'static str,
        message: String,
    },
    NotFound(String),
    AlreadyExists(String),
    /// Something is not in the state that the call needs.
    Precondition(String),
    /// The caller may not do this.
    Denied(String),
    /// Nobody that is known here asks.
    Unauthenticated(String),
    /// There is no room now; there will be after a while.
    Busy {
        message: String,
        retry: Duration,
    },
    /// A limit of this server.
    Full(String),
    /// The deadline passed.
    TooLate,
    /// The caller has gone.
    Cancelled,
    /// The server stops.
    Stopping,
    /// The audit log cannot be written, and no call is answered without its line.
    Unlogged,
    /// What was written is not what is read.
    DataLoss(String),
    Internal(String),
}

impl Refusal {
    pub fn invalid(field: &'static str, message: impl Into<String>) -> Self {
        Refusal::Invalid { field, message: message.into() }
    }

    fn code(&self) -> Code {
        match self {
            Refusal::Invalid { .. } => Code::InvalidArgument,
            Refusal::NotFound(_) => Code::NotFound,
            Refusal::AlreadyExists(_) => Code::AlreadyExists,
            Refusal::Precondition(_) => Code::FailedPrecondition,
            Refusal::Denied(_) => Code::PermissionDenied,
            Refusal::Unauthenticated(_) => Code::Unauthenticated,
            Refusal::Busy { .. } | Refusal::Full(_) => Code::ResourceExhausted,
            Refusal::TooLate => Code::DeadlineExceeded,
            Refusal::Cancelled => Code::Cancelled,
            Refusal::Stopping | Refusal::Unlogged => Code::Unavailable,
            Refusal::DataLoss(_) => Code::DataLoss,
            Refusal::Internal(_) => Code::Internal,
        }
    }

    /// A word for programs, in `google.rpc.ErrorInfo`.
    fn reason(&self) -> &'static str {
        match self {
            Refusal::Invalid { .. } => "INVALID_FIELD",
            Refusal::NotFound(_) => "NOT_FOUND",
            Refusal::AlreadyExists(_) => "ALREADY_EXISTS",
            Refusal::Precondition(_) => "PRECONDITION",
            Refusal::Denied(_) => "SCOPE",
            Refusal::Unauthenticated(_) => "CREDENTIALS",
            Refusal::Busy { .. } => "BUSY",
            Refusal::Full(_) => "LIMIT",
            Refusal::TooLate => "DEADLINE",
            Refusal::Cancelled => "CANCELLED",
            Refusal::Stopping => "STOPPING",
            Refusal::Unlogged => "AUDIT_LOG",
            Refusal::DataLoss(_) => "DATA_LOSS",
            Refusal::Internal(_) => "INTERNAL",
        }
    }

    pub fn message(&self) -> String {
        match self {
            Refusal::Invalid { field, message } => format!("{field}: {message}"),
            Refusal::Busy { message, .. } => message.clone(),
            Refusal::NotFound(text)
            | Refusal::AlreadyExists(text)
            | Refusal::Precondition(text)
            | Refusal::Denied(text)
            | Refusal::Unauthenticated(text)
            | Refusal::Full(text)
            | Refusal::DataLoss(text)
            | Refusal::Internal(text) => text.clone(),
            Refusal::TooLate => "the deadline passed before the work began; allow more time or send less".into(),
            Refusal::Cancelled => "the caller has gone".into(),
            Refusal::Stopping => "the server stops; try another one, or this one later".into(),
            Refusal::Unlogged => {
                "the audit log cannot be written, and no call is answered without its line; try again when it can"
                    .into()
            }
        }
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let mut details = ErrorDetails::new();
        details.set_error_info(refusal.reason(), DOMAIN, std::collections::HashMap::<String, String>::new());
        match &refusal {
            Refusal::Invalid { field, message } => {
                details.add_bad_request_violation(*field, message.as_str());
            }
            Refusal::Busy { retry, .. } => {
                details.set_retry_info(Some(*retry));
            }
            _ => {}
        }
        Status::with_error_details(refusal.code(), refusal.message(), details)
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error {
            Error::Cancelled => Refusal::Cancelled,
            Error::Memory(text) => Refusal::Full(text),
            Error::Shape(text) | Error::Value(text) | Error::Edges(text) => {
                Refusal::Invalid { field: "request", message: text }
            }
            Error::Isa(text) => Refusal::Internal(text),
        }
    }
}
