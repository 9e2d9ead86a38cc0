//! Rectangle: the pairs that are to be counted, and the cells that they fall in.

use crate::error::Error;
use crate::rows::Rows;
use std::ops::Range;

/// A rectangle of pairs and the cells that they fall in.
pub struct Rectangle<'a> {
    pub probes: Rows<'a>,
    pub gallery: Rows<'a>,
    pub probe_range: Range<usize>,
    pub gallery_range: Range<usize>,
    /// Count only pairs whose gallery row comes after the probe row: for rows against themselves.
    pub upper: bool,
    pub probe_groups: &'a [u32],
    pub gallery_groups: &'a [u32],
    /// `cells[probe group * n_gallery_groups + gallery group]`.
    pub cells: &'a [u32],
    pub n_gallery_groups: usize,
    pub n_cells: usize,
}

impl Rectangle<'_> {
    pub fn cell(&self, probe: usize, gallery_group: u32) -> usize {
        self.cell_of(self.probe_groups[probe], gallery_group)
    }

    pub(crate) fn cell_of(&self, probe_group: u32, gallery_group: u32) -> usize {
        self.cells[probe_group as usize * self.n_gallery_groups + gallery_group as usize] as usize
    }

    /// Puts the pairs that no bin of their cell holds into the lowest.
    pub fn add_the_rest(&self, counts: &mut [u64], bins: usize) {
        for (cell, pairs) in self.pairs_by_cell().into_iter().enumerate() {
            let counts = &mut counts[cell * bins..(cell + 1) * bins];
            counts[0] += pairs - counts.iter().sum::<u64>();
        }
    }

    /// Pairs of each cell, from the numbers of rows.
    fn pairs_by_cell(&self) -> Vec<u64> {
        let mut pairs = vec![0; self.n_cells];
        let mut rows = vec![0u64; self.n_gallery_groups];
        let mut first = self.gallery_range.end;
        // From the last probe down, so that rows after a probe are added once.
        for i in self.probe_range.clone().rev() {
            let after = if self.upper { self.gallery_range.start.max(i + 1) } else { self.gallery_range.start };
            while first > after {
                first -= 1;
                rows[self.gallery_groups[first] as usize] += 1;
            }
            for (group, &n) in rows.iter().enumerate() {
                pairs[self.cell(i, group as u32)] += n;
            }
        }
        pairs
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let shape = |text: String| Err(Error::Shape(text));
        if self.probes.dimension() != self.gallery.dimension() {
            return shape(format!(
                "probes have dimension {}, the gallery has {}",
                self.probes.dimension(),
                self.gallery.dimension()
            ));
        }
        if self.probe_range.end > self.probes.len() || self.gallery_range.end > self.gallery.len() {
            return shape("a range goes beyond the rows".into());
        }
        if self.probe_groups.len() != self.probes.len() || self.gallery_groups.len() != self.gallery.len() {
            return shape("groups must have one entry for each row".into());
        }
        let n_probe_groups = self.cells.len() / self.n_gallery_groups.max(1);
        let known = |groups: &[u32], n: usize| groups.iter().all(|&g| (g as usize) < n);
        if !known(self.probe_groups, n_probe_groups) || !known(self.gallery_groups, self.n_gallery_groups) {
            return shape("a group is not in the table of cells".into());
        }
        if self.cells.iter().any(|&c| c as usize >= self.n_cells) {
            return shape("the table of cells names a cell that is not counted".into());
        }
        Ok(())
    }
}
