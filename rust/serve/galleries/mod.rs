//! Galleries: all that a server has.

pub(super) mod admission;
pub(super) mod digest;
pub mod gallery;
mod ids;
pub(super) mod kept;
mod levels;
pub(super) mod memory;
pub(super) mod removal;
pub(super) mod segment;
pub mod snapshot;
mod turns;
pub mod whole;

use crate::pack::MOST_COMPONENTS;
use crate::serve::galleries::gallery::{Commons, Gallery, Lifetime, no_such};
use crate::serve::galleries::kept::{Head, Keeper};
use crate::serve::galleries::memory::Memory;
use crate::serve::galleries::segment::{Machine, Part};
use crate::serve::galleries::snapshot::Standing;
use crate::serve::refusal::Refusal;
use crate::work;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, Weak};
use std::thread::{Builder, JoinHandle};

const MOST_NAME_BYTES: usize = 64;

/// Galleries by name; dropping it closes the file they are kept in.
pub struct Galleries {
    commons: Arc<Commons>,
    by_name: Mutex<BTreeMap<String, Arc<Gallery>>>,
    /// Held while galleries are made and dropped: the number of the next.
    changes: Mutex<u64>,
    most: usize,
    compactor: Option<JoinHandle<()>>,
}

impl Galleries {
    /// Those that were `kept`, with their templates, for which memory was taken. There may be `most`; changes go to the
    /// keeper, and without one nothing is kept.
    pub fn new(
        kept: Vec<(Head, Option<Part>)>,
        keeper: Option<Box<dyn Keeper>>,
        most: usize,
        memory: Memory,
        machine: Machine,
    ) -> Result<Self, Refusal> {
        let (overdue, waiting) = channel();
        let commons = Arc::new(Commons { machine, memory, keeper, overdue, is_stopping: AtomicBool::new(false) });
        let next = kept.iter().map(|(head, _)| head.number + 1).max().unwrap_or(0);
        let by_name = kept.into_iter().map(|(head, part)| {
            let name = head.name.clone();
            (name, Gallery::new(head, Lifetime::Kept, part.into_iter().collect(), commons.clone()))
        });
        let by_name = Mutex::new(by_name.collect());
        let compactor = compactor(waiting, commons.clone())?;
        Ok(Galleries { commons, by_name, changes: Mutex::new(next), most, compactor: Some(compactor) })
    }

    /// Makes an empty gallery.
    pub fn create(&self, name: &str, dimension: usize, lifetime: Lifetime) -> Result<Arc<Gallery>, Refusal> {
        check_name(name)?;
        if !(1..=MOST_COMPONENTS).contains(&dimension) {
            let message = format!("got {dimension}, expected 1 to {MOST_COMPONENTS}");
            return Err(Refusal::invalid("dimension", message));
        }
        let mut next = work::locked(&self.changes);
        {
            let by_name = work::locked(&self.by_name);
            if by_name.contains_key(name) {
                return Err(Refusal::AlreadyExists(format!(
                    "a gallery is named '{name}': take another name, or drop it"
                )));
            }
            if by_name.len() >= self.most {
                let most = self.most;
                return Err(Refusal::Full(format!("there are {most} galleries, which is limits.galleries: drop one")));
            }
        }
        let head = Head { name: name.into(), number: *next, dimension, standing: Standing::default() };
        let gallery = Gallery::new(head, lifetime, Vec::new(), self.commons.clone());
        gallery.begin()?;
        *next += 1;
        work::locked(&self.by_name).insert(name.into(), gallery.clone());
        Ok(gallery)
    }

    /// The gallery `name`; an ephemeral one is used by this.
    pub fn get(&self, name: &str) -> Result<Arc<Gallery>, Refusal> {
        let by_name = work::locked(&self.by_name);
        let gallery = by_name.get(name).ok_or_else(|| no_such(name))?;
        gallery.touch();
        Ok(gallery.clone())
    }

    /// All galleries, by name.
    pub fn list(&self) -> Vec<Arc<Gallery>> {
        work::locked(&self.by_name).values().cloned().collect()
    }

    /// Removes a gallery that `may_go` lets go, and everything in it; who has a snapshot of it can still search that.
    pub fn drop(
        &self,
        name: &str,
        may_go: impl FnOnce(&Gallery) -> Result<(), Refusal>,
    ) -> Result<Arc<Gallery>, Refusal> {
        let _next = work::locked(&self.changes);
        let gallery = work::locked(&self.by_name).get(name).cloned().ok_or_else(|| no_such(name))?;
        may_go(&gallery)?;
        gallery.end()?;
        work::locked(&self.by_name).remove(name);
        Ok(gallery)
    }

    /// Drops ephemeral galleries that nobody uses any more; says how many.
    pub fn drop_idle(&self) -> usize {
        let _next = work::locked(&self.changes);
        let mut by_name = work::locked(&self.by_name);
        let before = by_name.len();
        // Who holds a gallery uses it.
        by_name.retain(|_, gallery| !(gallery.is_idle() && Arc::strong_count(gallery) == 1 && gallery.end().is_ok()));
        before - by_name.len()
    }

    /// Bytes of memory that templates take.
    pub fn memory_bytes(&self) -> u64 {
        self.commons.memory.used()
    }
}

impl Drop for Galleries {
    /// Later changes to galleries that somebody holds are refused: the server stops.
    fn drop(&mut self) {
        self.commons.is_stopping.store(true, Ordering::Relaxed);
        // An empty reference wakes the thread; it may have ended.
        let _ = self.commons.overdue.send(Weak::new());
        if let Some(compactor) = self.compactor.take() {
            let _ = compactor.join();
        }
        if let Some(keeper) = &self.commons.keeper {
            keeper.close();
        }
    }
}

/// A thread that merges segments of galleries that wait for it.
fn compactor(waiting: Receiver<Weak<Gallery>>, commons: Arc<Commons>) -> Result<JoinHandle<()>, Refusal> {
    let merge = move || {
        let is_stopping = || commons.is_stopping.load(Ordering::Relaxed);
        while let Ok(gallery) = waiting.recv() {
            let mut is_merging = true;
            while is_merging && !is_stopping() {
                is_merging = gallery.upgrade().is_some_and(|gallery| gallery.compact());
            }
            if is_stopping() {
                break;
            }
        }
    };
    let thread = Builder::new().name("frbench-merge".into()).spawn(merge);
    thread.map_err(|error| Refusal::Internal(format!("no thread to merge segments: {error}")))
}

fn check_name(name: &str) -> Result<(), Refusal> {
    let is_plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'.' | b'_' | b'-');
    if (1..=MOST_NAME_BYTES).contains(&name.len()) && name.bytes().all(is_plain) && !name.starts_with('.') {
        return Ok(());
    }
    let message = format!("expected 1 to {MOST_NAME_BYTES} of a-z, 0-9, '.', '_' and '-', not beginning with '.'");
    Err(Refusal::invalid("name", message))
}
