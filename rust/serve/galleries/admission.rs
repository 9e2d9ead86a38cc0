//! Admission: batches that are enrolled together, each whole or not at all.

use crate::error::Error;
use crate::serve::galleries::digest::Digest;
use crate::serve::galleries::memory::Memory;
use crate::serve::galleries::segment::Draft;
use crate::serve::galleries::snapshot::{Snapshot, Standing};
use crate::serve::refusal::Refusal;

/// Templates of one call; ids differ from each other, rows are finite.
pub struct Batch {
    pub ids: Vec<String>,
    pub unit: Vec<f32>,
    pub digests: Vec<Digest>,
}

/// Templates of a batch that were added, and that were there with the same components.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enrolled {
    pub added: u64,
    pub present: u64,
}

/// What becomes of a gallery by the batches that were admitted so far.
pub struct Admission<'a> {
    now: &'a Snapshot,
    memory: &'a Memory,
    pub added: Draft,
    pub standing: Standing,
    /// Bytes of memory that were taken.
    pub taken: u64,
}

impl<'a> Admission<'a> {
    /// Nothing yet of `n` templates at most.
    pub fn new(now: &'a Snapshot, memory: &'a Memory, n: usize) -> Result<Self, Error> {
        let added = Draft::with_capacity(n, now.dimension())?;
        Ok(Admission { now, memory, added, standing: now.standing, taken: 0 })
    }

    /// Adds the templates of `batch` that are not there.
    pub fn admit(&mut self, batch: &Batch) -> Result<Enrolled, Refusal> {
        let fresh = self.fresh(batch)?;
        if !fresh.is_empty() {
            let id_bytes = fresh.iter().map(|&i| batch.ids[i].len()).sum();
            let bytes = self.now.bytes_of(fresh.len(), id_bytes);
            self.memory.take(bytes)?;
            self.taken += bytes;
            self.standing.version += 1;
        }
        for &i in &fresh {
            // No such id is there: that is what fresh means.
            let _ = self.added.push(self.standing.next, &batch.ids[i], batch.row(i).iter().copied());
            self.standing.next += 1;
            self.standing.n += 1;
            self.standing.digest = self.standing.digest + batch.digests[i];
        }
        Ok(Enrolled { added: fresh.len() as u64, present: (batch.ids.len() - fresh.len()) as u64 })
    }

    /// Places in the batch of templates that are not there; none is there with other components.
    fn fresh(&self, batch: &Batch) -> Result<Vec<usize>, Refusal> {
        let mut fresh = Vec::new();
        for (i, id) in batch.ids.iter().enumerate() {
            match self.row_of(id) {
                None => fresh.push(i),
                Some(row) if bits(row) == bits(batch.row(i)) => {}
                Some(_) => {
                    return Err(Refusal::AlreadyExists(format!(
                        "template_ids[{i}] is enrolled with other components, and nothing of this batch was added: \
                         remove it first, or leave it out"
                    )));
                }
            }
        }
        Ok(fresh)
    }

    fn row_of(&self, id: &str) -> Option<&[f32]> {
        let there = self.now.find(id).map(|(part, place)| self.now.parts[part].segment.row(place));
        there.or_else(|| self.added.row_of(id))
    }
}

impl Batch {
    fn row(&self, i: usize) -> &[f32] {
        let d = self.unit.len() / self.ids.len();
        &self.unit[i * d..(i + 1) * d]
    }
}

fn bits(row: &[f32]) -> &[u32] {
    bytemuck::cast_slice(row)
}
