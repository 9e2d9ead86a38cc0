//! Recovery: galleries as they were on disk when a server began.

use crate::dot::Kernel;
use crate::serve::config::Limits;
use crate::serve::galleries::Galleries;
use crate::serve::galleries::kept::{Head, Keeper};
use crate::serve::galleries::memory::Memory;
use crate::serve::galleries::segment::{Machine, Part, bytes};
use crate::serve::refusal::Refusal;
use crate::serve::store::Store;
use crate::serve::store::disk::{Disk, Opener, plain};
use std::path::Path;
use std::sync::Arc;

/// What was found on disk when a server began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recovery {
    /// The server before did not end as it should: changes that it had not acknowledged may be gone.
    pub was_repaired: bool,
    pub galleries: usize,
    pub rows: u64,
}

/// Opens what is kept in `directory`; with `None`, nothing is kept.
pub fn open(
    directory: Option<&Path>,
    limits: &Limits,
    kernel: Kernel,
    threads: usize,
) -> Result<(Galleries, Recovery), Refusal> {
    open_with(directory, limits, Machine { kernel, threads }, plain())
}

pub(in crate::serve) fn open_with(
    directory: Option<&Path>,
    limits: &Limits,
    machine: Machine,
    opener: Opener,
) -> Result<(Galleries, Recovery), Refusal> {
    let mut recovery = Recovery::default();
    let memory = Memory::of(limits.memory_bytes);
    let mut kept = Vec::new();
    let mut keeper: Option<Box<dyn Keeper>> = None;
    if let Some(directory) = directory {
        let (disk, was_repaired) = Disk::open(directory, opener)?;
        for head in disk.heads()? {
            recovery.rows += head.standing.n;
            let part = load(&disk, &head, &memory, machine)?;
            kept.push((head, part));
        }
        recovery = Recovery { was_repaired, galleries: kept.len(), ..recovery };
        keeper = Some(Box::new(Store::new(disk)?));
    }
    Ok((Galleries::new(kept, keeper, limits.galleries, memory, machine)?, recovery))
}

/// The templates of a gallery on disk, for which memory is taken.
fn load(disk: &Disk, head: &Head, memory: &Memory, machine: Machine) -> Result<Option<Part>, Refusal> {
    let Machine { kernel, threads } = machine;
    let n = usize::try_from(head.standing.n).unwrap_or(usize::MAX);
    let least = bytes(n, head.dimension, 0, kernel);
    memory.take(least)?;
    let draft = disk.templates(head, threads)?;
    if draft.len() == 0 {
        return Ok(None);
    }
    let segment = Arc::new(draft.pack(kernel, threads, &mut || false)?);
    memory.take(segment.bytes - least)?;
    Ok(Some(Part { segment, removed: None }))
}
