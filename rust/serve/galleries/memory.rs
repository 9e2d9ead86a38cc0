//! Memory: bytes that the templates of all galleries take, and the most that they may.

use crate::serve::refusal::Refusal;
use std::sync::atomic::{AtomicU64, Ordering};

pub struct Memory {
    used: AtomicU64,
    most: u64,
}

impl Memory {
    /// Nothing yet of `most` bytes.
    pub fn of(most: u64) -> Self {
        Memory { used: AtomicU64::new(0), most }
    }

    /// Takes `bytes`, if there are as many.
    pub fn take(&self, bytes: u64) -> Result<(), Refusal> {
        let more = |used: u64| used.checked_add(bytes).filter(|&used| used <= self.most);
        match self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more) {
            Ok(_) => Ok(()),
            Err(used) => Err(Refusal::Full(format!(
                "templates take {used} bytes of memory and {bytes} more are needed, but limits.memory_bytes is {}; \
                 remove templates or drop a gallery",
                self.most
            ))),
        }
    }

    /// Gives back `bytes` that were taken.
    pub fn give(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }
}
