//! Gallery: a named set of templates that grows and shrinks while it is searched.

use crate::rows::Rows;
use crate::serve::galleries::admission::{Admission, Batch, Enrolled};
use crate::serve::galleries::digest::Digest;
use crate::serve::galleries::ids::Ids;
use crate::serve::galleries::kept::{Change, Head, Keeper};
use crate::serve::galleries::levels::{Level, overdue};
use crate::serve::galleries::memory::Memory;
use crate::serve::galleries::removal::{Removal, Removed};
use crate::serve::galleries::segment::{Draft, Machine, Part, merged};
use crate::serve::galleries::snapshot::{Snapshot, Standing};
use crate::serve::galleries::turns::Turns;
use crate::serve::refusal::Refusal;
use crate::work;
use arc_swap::ArcSwap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

/// Longest id, in bytes.
pub const MOST_ID_BYTES: usize = 256;
/// Floats that a call may copy to merge small segments before it answers: some hundreds of microseconds.
const FEW_FLOATS: usize = 1 << 18;

/// How long a gallery lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// On disk, until it is dropped.
    Kept,
    /// In memory, until it was not used for so long.
    Ephemeral { idle: Duration },
}

/// What is known of a gallery at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    pub name: String,
    pub dimension: usize,
    pub n_templates: u64,
    pub version: u64,
    pub content_digest: [u8; 32],
    pub is_ephemeral: bool,
    pub memory_bytes: u64,
}

/// What all galleries of a server have in common.
pub struct Commons {
    pub machine: Machine,
    pub memory: Memory,
    /// `None` where nothing is kept.
    pub keeper: Option<Box<dyn Keeper>>,
    /// Takes galleries that have segments to merge.
    pub overdue: Sender<Weak<Gallery>>,
    /// The server stops: long work that nobody waits for is given up.
    pub is_stopping: AtomicBool,
}

/// What only one thread at a time may change.
struct Writer {
    is_dropped: bool,
    /// Templates below this number are being merged elsewhere.
    claimed: u64,
}

pub struct Gallery {
    /// Name, number and dimension; what stands there is that of the beginning.
    head: Head,
    lifetime: Lifetime,
    commons: Arc<Commons>,
    this: Weak<Gallery>,
    snapshot: ArcSwap<Snapshot>,
    writer: Mutex<Writer>,
    enrolments: Turns<Batch, Result<Enrolled, Refusal>>,
    removals: Turns<Vec<String>, Result<Removed, Refusal>>,
    compacting: Mutex<()>,
    used: Mutex<Instant>,
}

impl Gallery {
    /// The gallery of `head`, with what was enrolled before; memory for it has been taken.
    pub(super) fn new(head: Head, lifetime: Lifetime, parts: Vec<Part>, commons: Arc<Commons>) -> Arc<Self> {
        let snapshot = Snapshot::new(head.standing, head.dimension, parts, commons.machine);
        Arc::new_cyclic(|this| Gallery {
            head,
            lifetime,
            commons,
            this: this.clone(),
            snapshot: ArcSwap::from_pointee(snapshot),
            writer: Mutex::new(Writer { is_dropped: false, claimed: 0 }),
            enrolments: Turns::new(),
            removals: Turns::new(),
            compacting: Mutex::new(()),
            used: Mutex::new(Instant::now()),
        })
    }

    pub fn name(&self) -> &str {
        &self.head.name
    }

    pub fn dimension(&self) -> usize {
        self.head.dimension
    }

    pub fn lifetime(&self) -> Lifetime {
        self.lifetime
    }

    pub fn describe(&self) -> Description {
        let snapshot = self.snapshot();
        Description {
            name: self.head.name.clone(),
            dimension: self.head.dimension,
            n_templates: snapshot.standing.n,
            version: snapshot.version,
            content_digest: snapshot.standing.digest.to_bytes(),
            is_ephemeral: self.lifetime != Lifetime::Kept,
            memory_bytes: snapshot.bytes(),
        }
    }

    /// The gallery as it is now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Adds a batch of unit rows, whole or not at all; what it adds is durable and can be found when this returns.
    ///
    /// Rows whose id is there with the same components are counted and left alone; other components under such an id
    /// refuse the batch. Batches that wait at the same time share a commit.
    pub fn enrol(&self, ids: Vec<String>, unit: Vec<f32>) -> Result<Enrolled, Refusal> {
        self.touch();
        check_ids(&ids)?;
        let rows = Rows::new(&unit, ids.len(), self.head.dimension)?;
        let digests = ids.iter().enumerate().map(|(i, id)| Digest::of(id, rows.row(i))).collect();
        let batch = Batch { ids, unit, digests };
        self.enrolments.take(batch, &self.writer, |writer, all| self.enrol_all(writer, &all)).unwrap_or_else(gave_up)
    }

    /// Removes templates: when this returns they are gone from disk, and later snapshots do not find them.
    pub fn remove(&self, ids: &[String]) -> Result<Removed, Refusal> {
        self.touch();
        let ids = ids.to_vec();
        self.removals.take(ids, &self.writer, |writer, all| self.remove_all(writer, &all)).unwrap_or_else(gave_up)
    }

    /// Merges segments if some should be, while searches go on; whether it did.
    pub fn compact(&self) -> bool {
        let _compacting = work::locked(&self.compacting);
        let Some(old) = self.claim() else {
            return false;
        };
        let Machine { kernel, threads } = self.commons.machine;
        let mut stop = || self.commons.is_stopping.load(Ordering::Relaxed);
        let made = merged(&old, kernel, threads, &mut stop);
        let mut writer = work::locked(&self.writer);
        writer.claimed = 0;
        match made {
            Ok(made) if !writer.is_dropped => {
                let now = self.snapshot();
                let mut parts = now.parts.clone();
                replace(&mut parts, &old, made);
                self.publish(now.standing, parts, 0);
                true
            }
            _ => false,
        }
    }

    /// Segments that should be one, which only [`Gallery::compact`] merges from now on.
    fn claim(&self) -> Option<Vec<Part>> {
        let mut writer = work::locked(&self.writer);
        if writer.is_dropped {
            return None;
        }
        let now = self.snapshot();
        let run = now.parts[overdue(&levels(&now.parts))?].to_vec();
        writer.claimed = run.last()?.last() + 1;
        Some(run)
    }

    fn enrol_all(&self, writer: &mut Writer, batches: &[Batch]) -> Vec<Result<Enrolled, Refusal>> {
        let now = self.snapshot();
        let n = batches.iter().map(|batch| batch.ids.len()).sum();
        let begun = self.check_there(writer).and_then(|()| Ok(Admission::new(&now, &self.commons.memory, n)?));
        let mut admission = match begun {
            Ok(admission) => admission,
            Err(refusal) => return refused(batches.len(), &refusal),
        };
        let answers: Vec<_> = batches.iter().map(|batch| admission.admit(batch)).collect();
        let Admission { added, standing, taken, .. } = admission;
        if added.len() == 0 {
            return answers;
        }
        match self.add(writer, &now, added, standing, taken) {
            Ok(()) => answers,
            Err(refusal) => {
                self.commons.memory.give(taken);
                answers.into_iter().map(|answer| answer.and(Err(refusal.clone()))).collect()
            }
        }
    }

    /// Makes templates durable, then visible.
    fn add(
        &self,
        writer: &Writer,
        now: &Snapshot,
        added: Draft,
        standing: Standing,
        taken: u64,
    ) -> Result<(), Refusal> {
        let Machine { kernel, threads } = self.commons.machine;
        let segment = Arc::new(added.pack(kernel, threads, &mut || false)?);
        self.keep(|| Change::Enrol(self.head_at(standing), segment.clone()))?;
        let mut parts = now.parts.clone();
        parts.push(Part { segment, removed: None });
        self.merge_few(writer, &mut parts);
        self.publish(standing, parts, taken);
        Ok(())
    }

    fn remove_all(&self, writer: &Writer, calls: &[Vec<String>]) -> Vec<Result<Removed, Refusal>> {
        let now = self.snapshot();
        let mut removal = Removal::of(&now);
        let answers = calls.iter().map(|ids| Ok(removal.remove(ids))).collect();
        let kept = self.check_there(writer).and_then(|()| {
            if removal.is_empty() {
                return Ok(());
            }
            self.keep(|| Change::Remove(self.head_at(removal.standing), removal.numbers()))?;
            self.publish(removal.standing, removal.parts(), 0);
            Ok(())
        });
        match kept {
            Ok(()) => answers,
            Err(refusal) => refused(calls.len(), &refusal),
        }
    }

    /// Ends the gallery, once `change` is durable.
    pub(super) fn end(&self) -> Result<(), Refusal> {
        let mut writer = work::locked(&self.writer);
        self.check_there(&writer)?;
        self.keep(|| Change::Drop(self.head.clone()))?;
        writer.is_dropped = true;
        self.commons.memory.give(self.snapshot().bytes());
        Ok(())
    }

    /// Makes the empty gallery durable.
    pub(super) fn begin(&self) -> Result<(), Refusal> {
        self.keep(|| Change::Create(self.head.clone()))
    }

    /// Notes that the gallery is used.
    pub(super) fn touch(&self) {
        *work::locked(&self.used) = Instant::now();
    }

    /// Whether it is ephemeral and was not used for as long as it may be.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.lifetime, Lifetime::Ephemeral { idle } if work::locked(&self.used).elapsed() >= idle)
    }

    fn keep(&self, change: impl FnOnce() -> Change) -> Result<(), Refusal> {
        match (&self.commons.keeper, self.lifetime) {
            (Some(keeper), Lifetime::Kept) => keeper.write(change()),
            _ => Ok(()),
        }
    }

    /// Merges the newest segments where that is quick.
    fn merge_few(&self, writer: &Writer, parts: &mut Vec<Part>) {
        let mut floats = 0;
        let is_small = |part: &&Part| {
            floats += part.segment.len() * self.head.dimension;
            floats <= FEW_FLOATS && part.first() >= writer.claimed
        };
        let start = parts.len() - parts.iter().rev().take_while(is_small).count();
        if let Some(run) = overdue(&levels(&parts[start..])) {
            let run = start + run.start..start + run.end;
            let Machine { kernel, threads } = self.commons.machine;
            // Without memory for it they stay as they are.
            if let Ok(made) = merged(&parts[run.clone()], kernel, threads, &mut || false) {
                parts.splice(run, made);
            }
        }
    }

    /// Lets later snapshots be of `parts`, for whose new segments `taken` bytes of memory were taken.
    fn publish(&self, standing: Standing, parts: Vec<Part>, taken: u64) {
        let is_overdue = overdue(&levels(&parts)).is_some();
        let snapshot = Snapshot::new(standing, self.head.dimension, parts, self.commons.machine);
        let bytes = snapshot.bytes();
        let before = self.snapshot.swap(Arc::new(snapshot));
        self.commons.memory.give(before.bytes() + taken - bytes);
        if is_overdue {
            // Without a thread that merges, the gallery is slower and no less right.
            let _ = self.commons.overdue.send(self.this.clone());
        }
    }

    fn head_at(&self, standing: Standing) -> Head {
        Head { standing, ..self.head.clone() }
    }

    fn check_there(&self, writer: &Writer) -> Result<(), Refusal> {
        if writer.is_dropped { Err(no_such(&self.head.name)) } else { Ok(()) }
    }
}

/// What a call is told that names no gallery.
pub fn no_such(name: &str) -> Refusal {
    Refusal::NotFound(format!("no gallery is named '{name}'"))
}

fn refused<T>(n: usize, refusal: &Refusal) -> Vec<Result<T, Refusal>> {
    (0..n).map(|_| Err(refusal.clone())).collect()
}

fn gave_up<T>() -> Result<T, Refusal> {
    Err(Refusal::Internal("the change of another call failed, and this one with it".into()))
}

fn check_ids(ids: &[String]) -> Result<(), Refusal> {
    let mut seen = Ids::with_capacity(ids.len());
    for (i, id) in ids.iter().enumerate() {
        if !(1..=MOST_ID_BYTES).contains(&id.len()) {
            let got = id.len();
            let message = format!("template_ids[{i}] has {got} bytes, expected 1 to {MOST_ID_BYTES}");
            return Err(Refusal::invalid("template_ids", message));
        }
        if let Err(first) = seen.push(id) {
            let message = format!("template_ids[{i}] is the same as template_ids[{first}], expected each once");
            return Err(Refusal::invalid("template_ids", message));
        }
    }
    Ok(())
}

fn levels(parts: &[Part]) -> Vec<Level> {
    parts.iter().map(|part| Level { live: part.n_live(), removed: part.n_removed() }).collect()
}

/// Puts `made`, which was made of `old`, in its place; what was removed of `old` since is removed of it.
fn replace(parts: &mut Vec<Part>, old: &[Part], made: Option<Part>) {
    let (Some(first), Some(last)) = (old.first(), old.last()) else {
        return;
    };
    let start = parts.partition_point(|part| part.last() < first.first());
    let end = parts.partition_point(|part| part.first() <= last.last());
    let gone = old.iter().flat_map(|old| {
        let now = parts[start..end].iter().find(|part| Arc::ptr_eq(&part.segment, &old.segment));
        old.live_beside(now).map(|place| old.segment.numbers()[place]).collect::<Vec<_>>()
    });
    let made = made.and_then(|made| {
        let places: Vec<usize> = gone.filter_map(|number| made.segment.place_of(number)).collect();
        made.without(&places)
    });
    parts.splice(start..end, made);
}
