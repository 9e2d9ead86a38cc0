//! Serving: what all handlers share.

use crate::dot::Kernel;
use crate::serve::calls::Deadline;
use crate::serve::calls::access::Caller;
use crate::serve::config::{Config, Scope};
use crate::serve::galleries::Galleries;
use crate::serve::queue::Lanes;
use crate::serve::refusal::Refusal;
use crate::serve::telling::facts::Facts;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Semaphore;
use tonic::Request;

/// Longest case reference, in bytes.
const CASE_BYTES: usize = 256;

/// What all handlers share.
pub struct Serving {
    pub config: Config,
    pub galleries: Galleries,
    pub lanes: Lanes,
    pub kernel: Kernel,
    pub threads: usize,
    /// Sweeps that count at the same time: each uses every thread.
    pub sweeps: Arc<Semaphore>,
}

/// Who calls, until when, and what is to be written down of it.
pub struct Asked {
    pub caller: Caller,
    pub facts: Facts,
    pub deadline: Option<Instant>,
}

impl Asked {
    /// What the layer around all handlers has found out about a request.
    pub fn of<T>(request: &Request<T>) -> Result<Self, Refusal> {
        let extensions = request.extensions();
        let caller = extensions.get::<Caller>().cloned();
        Ok(Asked {
            caller: caller.ok_or_else(|| Refusal::Unauthenticated("nobody is known to call".into()))?,
            facts: extensions.get::<Facts>().cloned().unwrap_or_default(),
            deadline: extensions.get::<Deadline>().map(|deadline| deadline.0),
        })
    }

    /// Refuses callers without `scope`.
    pub fn require(&self, scope: Scope) -> Result<(), Refusal> {
        self.caller.check(&[scope])
    }

    /// Notes why a search is made, if it must be said or is.
    pub fn keep_case(&self, case_reference: String, is_required: bool) -> Result<(), Refusal> {
        let bytes = case_reference.len();
        if bytes > CASE_BYTES {
            return Err(Refusal::invalid("case_reference", format!("has {bytes} bytes, the limit is {CASE_BYTES}")));
        }
        if case_reference.is_empty() {
            let missing = || Refusal::invalid("case_reference", "is missing; this server keeps one for every search");
            return if is_required { Err(missing()) } else { Ok(()) };
        }
        self.facts.set(|fact| fact.case_reference = Some(case_reference));
        Ok(())
    }
}
