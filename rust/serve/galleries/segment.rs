//! Segment: some templates of a gallery, packed, in order of enrolment; it never changes.

use crate::dot::Kernel;
use crate::error::Error;
use crate::marks::Marks;
use crate::pack::{Centre, MOST_COMPONENTS, Panels};
use crate::rows::Rows;
use crate::screen::Gallery;
use crate::serve::galleries::digest::Digest;
use crate::serve::galleries::ids::{Ids, MOST_IDS};
use crate::work;
use std::sync::Arc;

/// Bytes that a template takes beside its components and its id: number, place of its id, and what integers leave.
const BYTES_BESIDE: usize = 44;
/// Templates whose digests are made without asking for more.
const DIGEST_ROWS: usize = 256;

/// Bytes of memory that `n` templates of dimension `d` take, whose ids have `id_bytes` together.
pub fn bytes(n: usize, d: usize, id_bytes: usize, kernel: Kernel) -> u64 {
    let ints = d.min(MOST_COMPONENTS).next_multiple_of(kernel.form().step);
    (n as u64) * (4 * d + ints + BYTES_BESIDE) as u64 + id_bytes as u64
}

/// What kernels need to know of the machine.
#[derive(Clone, Copy)]
pub struct Machine {
    pub kernel: Kernel,
    pub threads: usize,
}

/// Templates that become a segment.
pub struct Draft {
    dimension: usize,
    unit: Vec<f32>,
    numbers: Vec<u64>,
    ids: Ids,
}

impl Draft {
    /// Room for `n` templates of dimension `d`.
    pub fn with_capacity(n: usize, d: usize) -> Result<Self, Error> {
        let too_many = || Error::Memory(format!("{n} templates of dimension {d} are more than there is memory for"));
        let (mut unit, mut numbers) = (Vec::new(), Vec::new());
        let floats = n.checked_mul(d).filter(|_| n < MOST_IDS).ok_or_else(too_many)?;
        unit.try_reserve_exact(floats).map_err(|_| too_many())?;
        numbers.try_reserve_exact(n).map_err(|_| too_many())?;
        Ok(Draft { dimension: d, unit, numbers, ids: Ids::with_capacity(n) })
    }

    /// Adds a template whose number is above all others; the place of its id, if it is there already.
    pub fn push(&mut self, number: u64, id: &str, row: impl IntoIterator<Item = f32>) -> Result<(), usize> {
        self.ids.push(id)?;
        self.numbers.push(number);
        self.unit.extend(row);
        Ok(())
    }

    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    pub fn id(&self, place: usize) -> &str {
        self.ids.id(place)
    }

    pub fn row(&self, place: usize) -> &[f32] {
        &self.unit[place * self.dimension..(place + 1) * self.dimension]
    }

    /// The row of a template that is there already.
    pub fn row_of(&self, id: &str) -> Option<&[f32]> {
        Some(self.row(self.ids.find(id)?))
    }

    /// The digest of all templates together.
    pub fn digest(&self, threads: usize) -> Result<Digest, Error> {
        let add = |sum: &mut Digest, block: usize| {
            for place in work::part(&(0..self.len()), block, DIGEST_ROWS) {
                *sum = *sum + Digest::of(self.id(place), self.row(place));
            }
        };
        let blocks = self.len().div_ceil(DIGEST_ROWS);
        let sums = work::share(blocks, threads, &mut || false, || Ok(Digest::default()), add)?;
        Ok(sums.into_iter().fold(Digest::default(), |sum, digest| sum + digest))
    }

    /// The segment of these templates, which is not empty.
    pub fn pack(mut self, kernel: Kernel, threads: usize, stop: &mut dyn FnMut() -> bool) -> Result<Segment, Error> {
        self.unit.shrink_to_fit();
        self.numbers.shrink_to_fit();
        let rows = Rows::new(&self.unit, self.numbers.len(), self.dimension)?;
        let centre = Arc::new(Centre::of(rows));
        let panels = Panels::new(rows, centre.clone(), kernel, threads, stop)?;
        let bytes = bytes(rows.len(), self.dimension, self.ids.text_bytes(), kernel);
        Ok(Segment { draft: self, centre, panels, bytes })
    }
}

pub struct Segment {
    draft: Draft,
    centre: Arc<Centre>,
    panels: Panels,
    /// Bytes of memory.
    pub bytes: u64,
}

impl Segment {
    pub fn len(&self) -> usize {
        self.draft.len()
    }

    pub fn rows(&self) -> Rows<'_> {
        Rows::checked(&self.draft.unit, self.len(), self.draft.dimension)
    }

    pub fn gallery(&self) -> Gallery<'_> {
        Gallery { rows: self.rows(), panels: &self.panels }
    }

    pub fn centre(&self) -> &Arc<Centre> {
        &self.centre
    }

    pub fn panels(&self) -> &Panels {
        &self.panels
    }

    pub fn id(&self, place: usize) -> &str {
        self.draft.id(place)
    }

    pub fn row(&self, place: usize) -> &[f32] {
        self.draft.row(place)
    }

    /// Numbers of the templates in the order of enrolment, increasing.
    pub fn numbers(&self) -> &[u64] {
        &self.draft.numbers
    }

    pub fn find(&self, id: &str) -> Option<usize> {
        self.draft.ids.find(id)
    }

    pub fn place_of(&self, number: u64) -> Option<usize> {
        self.numbers().binary_search(&number).ok()
    }
}

/// A segment, and which of its templates are not to be found.
#[derive(Clone)]
pub struct Part {
    pub segment: Arc<Segment>,
    pub removed: Option<Arc<Marks>>,
}

impl Part {
    pub fn n_removed(&self) -> usize {
        self.removed.as_ref().map_or(0, |removed| removed.len())
    }

    /// Templates that can be found.
    pub fn n_live(&self) -> usize {
        self.segment.len() - self.n_removed()
    }

    pub fn is_live(&self, place: usize) -> bool {
        self.removed.as_ref().is_none_or(|removed| !removed.contains(place))
    }

    /// Places that can be found.
    pub fn live(&self) -> impl Iterator<Item = usize> {
        (0..self.segment.len()).filter(|&place| self.is_live(place))
    }

    /// Places that can be found here, but not in `now`, which is the same segment at a later moment.
    pub fn live_beside(&self, now: Option<&Part>) -> impl Iterator<Item = usize> {
        self.live().filter(move |&place| !now.is_some_and(|now| now.is_live(place)))
    }

    /// Number of the first template, whether it can be found or not.
    pub fn first(&self) -> u64 {
        self.segment.numbers().first().copied().unwrap_or(0)
    }

    /// Number of the last.
    pub fn last(&self) -> u64 {
        self.segment.numbers().last().copied().unwrap_or(0)
    }

    /// The place of a template that can be found.
    pub fn find(&self, id: &str) -> Option<usize> {
        self.segment.find(id).filter(|&place| self.is_live(place))
    }

    /// The same part without `places` as well; `None` if nothing is left.
    pub fn without(&self, places: &[usize]) -> Option<Part> {
        if places.is_empty() {
            return Some(self.clone());
        }
        let mut removed = self.removed.as_ref().map_or_else(|| Marks::none(self.segment.len()), |r| Marks::clone(r));
        for &place in places {
            removed.insert(place);
        }
        (removed.len() < self.segment.len())
            .then(|| Part { segment: self.segment.clone(), removed: Some(Arc::new(removed)) })
    }
}

/// What can be found in `parts`, which follow each other, as one part.
pub fn merged(
    parts: &[Part],
    kernel: Kernel,
    threads: usize,
    stop: &mut dyn FnMut() -> bool,
) -> Result<Option<Part>, Error> {
    let n = parts.iter().map(Part::n_live).sum();
    let Some(first) = parts.first().filter(|_| n > 0) else {
        return Ok(None);
    };
    let mut draft = Draft::with_capacity(n, first.segment.draft.dimension)?;
    for part in parts {
        if stop() {
            return Err(Error::Cancelled);
        }
        for place in part.live() {
            let segment = &part.segment;
            // A template that can be found has an id of its own.
            let _ = draft.push(segment.numbers()[place], segment.id(place), segment.row(place).iter().copied());
        }
    }
    Ok(Some(Part { segment: Arc::new(draft.pack(kernel, threads, stop)?), removed: None }))
}
