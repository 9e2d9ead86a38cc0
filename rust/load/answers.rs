//! Answers: when each request was sent and answered, and how.

use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};

/// Status of a request that was never sent.
pub const NOT_SENT: i32 = -1;

/// One entry a request, in the order of the schedule; offsets are from the start, in nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answers {
    /// 0 for one that was not sent.
    pub sent_ns: Vec<u64>,
    /// When its status was known; 0 for one that was not sent.
    pub done_ns: Vec<u64>,
    /// Code of gRPC; -1 for one that was not sent.
    pub status: Vec<i32>,
}

/// Answers in the making, written by many tasks, each request by one.
pub struct Ledger {
    sent_ns: Vec<AtomicU64>,
    done_ns: Vec<AtomicU64>,
    status: Vec<AtomicI32>,
}

impl Ledger {
    pub fn new(n: usize) -> Self {
        let zeros = || (0..n).map(|_| AtomicU64::new(0)).collect();
        Ledger { sent_ns: zeros(), done_ns: zeros(), status: (0..n).map(|_| AtomicI32::new(NOT_SENT)).collect() }
    }

    /// Writes what became of `request`.
    pub fn write(&self, request: usize, sent_ns: u64, done_ns: u64, status: i32) {
        self.sent_ns[request].store(sent_ns, Ordering::Relaxed);
        self.done_ns[request].store(done_ns, Ordering::Relaxed);
        self.status[request].store(status, Ordering::Release);
    }

    /// What is known now.
    pub fn answers(&self) -> Answers {
        let status = self.status.iter().map(|status| status.load(Ordering::Acquire)).collect();
        let read = |times: &[AtomicU64]| times.iter().map(|time| time.load(Ordering::Relaxed)).collect();
        Answers { status, sent_ns: read(&self.sent_ns), done_ns: read(&self.done_ns) }
    }
}
