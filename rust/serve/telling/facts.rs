//! Facts: what a call says of itself while it is answered, for the audit log and the metrics.

use crate::work;
use std::sync::{Arc, Mutex};

/// Filled by a handler, read when the call has ended: in the extensions of every request that reaches a handler.
#[derive(Clone, Default)]
pub struct Facts(Arc<Mutex<Fact>>);

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fact {
    pub gallery: Option<String>,
    pub k: Option<u32>,
    pub threshold: Option<f64>,
    /// Probes, comparisons or templates of the request.
    pub rows: Option<u64>,
    /// Candidates in the answer.
    pub candidates: Option<u64>,
    pub case_reference: Option<String>,
    /// Where the time went.
    pub queue_ns: u64,
    pub scan_ns: u64,
    pub batch_probes: u32,
    /// The answer is a stream: the call ends when the stream does.
    pub is_streaming: bool,
}

impl Facts {
    pub fn set(&self, change: impl FnOnce(&mut Fact)) {
        change(&mut work::locked(&self.0));
    }

    pub fn get(&self) -> Fact {
        work::locked(&self.0).clone()
    }
}
