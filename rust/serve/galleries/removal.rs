//! Removal: templates that are removed together.

use crate::serve::galleries::digest::Digest;
use crate::serve::galleries::segment::Part;
use crate::serve::galleries::snapshot::{Snapshot, Standing};
use std::collections::BTreeSet;

/// Ids that were removed, and that were not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removed {
    pub removed: u64,
    pub absent: u64,
}

/// What becomes of a gallery without the templates that were named so far.
pub struct Removal<'a> {
    now: &'a Snapshot,
    /// Parts, and places in them.
    gone: BTreeSet<(usize, usize)>,
    pub standing: Standing,
}

impl<'a> Removal<'a> {
    pub fn of(now: &'a Snapshot) -> Self {
        Removal { now, gone: BTreeSet::new(), standing: now.standing }
    }

    pub fn is_empty(&self) -> bool {
        self.gone.is_empty()
    }

    /// Removes the templates of one call; an id that comes again is absent then.
    pub fn remove(&mut self, ids: &[String]) -> Removed {
        let mut removed = 0;
        for id in ids {
            let Some((part, place)) = self.now.find(id).filter(|&found| self.gone.insert(found)) else {
                continue;
            };
            let row = self.now.parts[part].segment.row(place);
            self.standing.digest = self.standing.digest - Digest::of(id, row);
            removed += 1;
        }
        self.standing.n -= removed;
        self.standing.version += u64::from(removed > 0);
        Removed { removed, absent: ids.len() as u64 - removed }
    }

    /// Numbers of all that are removed.
    pub fn numbers(&self) -> Vec<u64> {
        self.gone.iter().map(|&(part, place)| self.now.parts[part].segment.numbers()[place]).collect()
    }

    /// What is left.
    pub fn parts(&self) -> Vec<Part> {
        let left = |(i, part): (usize, &Part)| {
            let places: Vec<usize> = self.gone.range((i, 0)..(i + 1, 0)).map(|&(_, place)| place).collect();
            part.without(&places)
        };
        self.now.parts.iter().enumerate().filter_map(left).collect()
    }
}
