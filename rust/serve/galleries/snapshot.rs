//! Snapshot: a gallery at one moment.

use crate::dot::Kernel;
use crate::error::Error;
use crate::rows::Rows;
use crate::search::{self, Found, Live};
use crate::serve::galleries::digest::Digest;
use crate::serve::galleries::segment::{Machine, Part, bytes};
use crate::serve::galleries::whole::Whole;
use crate::work;
use std::cmp::Ordering;
use std::sync::{Arc, Mutex};

/// What changes with a gallery, beside its templates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// Grows with every change.
    pub version: u64,
    /// Number of the template that is enrolled next.
    pub next: u64,
    /// Templates that can be found.
    pub n: u64,
    pub digest: Digest,
}

/// An immutable view: all of a batch, or nothing of it.
pub struct Snapshot {
    pub version: u64,
    pub(super) standing: Standing,
    dimension: usize,
    /// In order of enrolment; each has a template that can be found.
    pub(super) parts: Vec<Part>,
    machine: Machine,
    whole: Mutex<Option<Arc<Whole>>>,
}

impl Snapshot {
    pub(super) fn new(standing: Standing, dimension: usize, parts: Vec<Part>, machine: Machine) -> Self {
        Snapshot { version: standing.version, standing, dimension, parts, machine, whole: Mutex::new(None) }
    }

    /// Templates that can be found.
    pub fn len(&self) -> usize {
        self.parts.iter().map(Part::n_live).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.segment.bytes).sum()
    }

    /// Bytes of memory that `n` more templates take.
    pub(super) fn bytes_of(&self, n: usize, id_bytes: usize) -> u64 {
        bytes(n, self.dimension, id_bytes, self.machine.kernel)
    }

    /// The best `k` for each probe, and counts at or above `floors`, as one search of all rows finds them.
    ///
    /// `rows` of the answer are numbers of enrolment. Where there are fewer than `k`, scores are `-inf` and rows -1.
    /// `kernel` is that of the server.
    pub fn search(
        &self,
        probes: Rows<'_>,
        k: usize,
        floors: Option<&[f32]>,
        kernel: Kernel,
        threads: usize,
        stop: &mut dyn FnMut() -> bool,
    ) -> Result<Found, Error> {
        self.check(probes, floors, kernel)?;
        let mut found = Found {
            scores: vec![f32::NEG_INFINITY; probes.len() * k],
            rows: vec![-1; probes.len() * k],
            at_or_above: vec![0; floors.map_or(0, <[f32]>::len)],
        };
        for part in &self.parts {
            let live = Live { gallery: part.segment.gallery(), removed: part.removed.as_deref() };
            let wanted = k.min(part.n_live());
            let more = search::search(live, probes, wanted, floors, kernel, threads, stop)?;
            let numbers = part.segment.numbers();
            found.at_or_above.iter_mut().zip(&more.at_or_above).for_each(|(all, &n)| *all += n);
            for i in 0..probes.len() {
                let (all, new) = (i * k..(i + 1) * k, i * wanted..(i + 1) * wanted);
                let new = more.scores[new.clone()].iter().zip(&more.rows[new]);
                let new = new.map(|(&score, &row)| (score, numbers[row as usize] as i64));
                merge(&mut found.scores[all.clone()], &mut found.rows[all], new);
            }
        }
        Ok(found)
    }

    /// The id of a template that can be found.
    pub fn id_of(&self, number: u64) -> Option<&str> {
        self.place_of(number).map(|(part, place)| part.segment.id(place))
    }

    /// The unit row of a template that can be found.
    pub fn row_of(&self, number: u64) -> Option<&[f32]> {
        self.place_of(number).map(|(part, place)| part.segment.row(place))
    }

    /// The number of a template that can be found.
    pub fn number_of(&self, id: &str) -> Option<u64> {
        self.find(id).map(|(part, place)| self.parts[part].segment.numbers()[place])
    }

    /// All rows that can be found, one after another, in order of enrolment; made once, kept while this lives.
    pub fn whole(&self) -> Result<Arc<Whole>, Error> {
        let mut kept = work::locked(&self.whole);
        if let Some(whole) = &*kept {
            return Ok(whole.clone());
        }
        let whole = Arc::new(Whole::of(&self.parts, self.dimension, self.machine)?);
        *kept = Some(whole.clone());
        Ok(whole)
    }

    /// The part of a template that can be found, and its place there.
    pub(super) fn find(&self, id: &str) -> Option<(usize, usize)> {
        self.parts.iter().enumerate().find_map(|(i, part)| Some((i, part.find(id)?)))
    }

    fn place_of(&self, number: u64) -> Option<(&Part, usize)> {
        let after = self.parts.partition_point(|part| part.first() <= number);
        let part = &self.parts[after.checked_sub(1)?];
        let place = part.segment.place_of(number)?;
        part.is_live(place).then_some((part, place))
    }

    fn check(&self, probes: Rows<'_>, floors: Option<&[f32]>, kernel: Kernel) -> Result<(), Error> {
        if kernel.form() != self.machine.kernel.form() {
            let (asked, packed) = (kernel.name(), self.machine.kernel.name());
            return Err(Error::Isa(format!("rows are packed for {packed}, but the search asks for {asked}")));
        }
        if probes.dimension() != self.dimension {
            let (got, expected) = (probes.dimension(), self.dimension);
            return Err(Error::Shape(format!("probes have dimension {got}, the gallery has {expected}")));
        }
        if floors.is_some_and(|floors| floors.len() != probes.len()) {
            return Err(Error::Shape("floors must have one entry for each probe".into()));
        }
        Ok(())
    }
}

/// Merges `new`, best first, into a list of the best so far, which come first among equals.
fn merge(scores: &mut [f32], rows: &mut [i64], new: impl Iterator<Item = (f32, i64)>) {
    let (old_scores, old_rows) = (scores.to_vec(), rows.to_vec());
    let mut old = old_scores.into_iter().zip(old_rows).peekable();
    let mut new = new.peekable();
    for (score, row) in scores.iter_mut().zip(rows) {
        let is_new = match (old.peek(), new.peek()) {
            (Some(old), Some(new)) => old.1 < 0 || old.0.partial_cmp(&new.0) == Some(Ordering::Less),
            (_, new) => new.is_some(),
        };
        if let Some(best) = if is_new { new.next() } else { old.next() } {
            (*score, *row) = best;
        }
    }
}
