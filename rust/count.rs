//! Counting: how many scores of a rectangle of pairs fall in each bin, by cell.
//!
//! Every pair is screened; a screened score whose bin `slack` leaves open is settled by the definition. So
//! the counts are those of the definition, whatever the instruction set, threads or order.

use crate::axis::Axis;
use crate::dot::{Kernel, LANES, Tile, lowered, slack};
use crate::error::Error;
use crate::rows::Rows;
use crate::work;
use std::ops::Range;

/// Probes of one unit of work: their rows stay in the first-level cache.
const UNIT_PROBES: usize = 64;
/// Gallery rows of one unit of work: a few milliseconds, so that a request to stop is heard soon.
const UNIT_GALLERY: usize = 8192;
/// Panels screened before their scores are binned: 512 scores of eight probes fit in 16 KiB.
pub(crate) const CHUNK_PANELS: usize = 32;
/// Most that the counts of all threads may take together: large tables get fewer threads, not more memory.
const COUNTS_BYTES: usize = 2 << 30;
/// Probes screened together.
pub(crate) const STRIP: usize = 8;

/// A rectangle of pairs and the cells that they fall in.
pub struct Rectangle<'a> {
    pub probes: &'a Rows,
    pub gallery: &'a Rows,
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

/// Counts of each cell and bin, `n_cells * axis.bins()`, cell after cell.
pub fn count(
    at: &Rectangle<'_>,
    axis: &Axis,
    kernel: Kernel,
    threads: usize,
    stop: &mut dyn FnMut() -> bool,
) -> Result<Vec<u64>, Error> {
    at.check()?;
    let probe_units = at.probe_range.len().div_ceil(UNIT_PROBES);
    let gallery_units = at.gallery_range.len().div_ceil(UNIT_GALLERY);
    let size = size(at.n_cells, axis.bins())?;
    let states = work::share(
        probe_units * gallery_units,
        affordable(threads, size),
        stop,
        || zeros(size),
        |counts, unit| {
            let probes = part(&at.probe_range, unit / gallery_units, UNIT_PROBES);
            let gallery = part(&at.gallery_range, unit % gallery_units, UNIT_GALLERY);
            if !at.upper || gallery.end > probes.start + 1 {
                Unit { at, axis, kernel, slack: slack(at.probes.dimension()) }.count(probes, gallery, counts);
            }
        },
    )?;
    states.into_iter().reduce(add).map_or_else(|| zeros(size), Ok)
}

/// Counts of `n_cells` cells, of which there may be more than any memory holds.
fn size(n_cells: usize, bins: usize) -> Result<usize, Error> {
    n_cells.checked_mul(bins).ok_or_else(|| too_large(format!("{n_cells} cells of {bins} bins")))
}

/// Threads whose counts, `size` each, fit in [`COUNTS_BYTES`] together; one at least.
fn affordable(threads: usize, size: usize) -> usize {
    let most = COUNTS_BYTES / size.saturating_mul(size_of::<u64>()).max(1);
    work::threads_or_all(threads).min(most.max(1))
}

/// `size` counts, or an error where `vec!` would abort the process.
fn zeros(size: usize) -> Result<Vec<u64>, Error> {
    let mut counts = Vec::new();
    counts.try_reserve_exact(size).map_err(|_| too_large(format!("{size} counts")))?;
    counts.resize(size, 0);
    Ok(counts)
}

fn too_large(what: String) -> Error {
    Error::Memory(format!(
        "the result has {what} of 8 bytes, more than there is memory for, expected fewer cells or edges"
    ))
}

/// The `index`-th part of `range` when it is cut every `step`.
pub(crate) fn part(range: &Range<usize>, index: usize, step: usize) -> Range<usize> {
    let start = range.start + index * step;
    start..(start + step).min(range.end)
}

fn add(mut a: Vec<u64>, b: Vec<u64>) -> Vec<u64> {
    a.iter_mut().zip(b).for_each(|(x, y)| *x += y);
    a
}

/// Chunks of whole panels that cover `gallery`, with the rows of `gallery` that each holds.
pub(crate) fn chunks(gallery: Range<usize>) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
    let panels = gallery.start / LANES..gallery.end.div_ceil(LANES);
    let n = panels.len().div_ceil(CHUNK_PANELS);
    (0..n).map(move |i| {
        let panels = part(&panels, i, CHUNK_PANELS);
        let rows = (panels.start * LANES).max(gallery.start)..(panels.end * LANES).min(gallery.end);
        (panels, rows)
    })
}

struct Unit<'a> {
    at: &'a Rectangle<'a>,
    axis: &'a Axis,
    kernel: Kernel,
    slack: f32,
}

impl Unit<'_> {
    fn count(&self, probes: Range<usize>, gallery: Range<usize>, counts: &mut [u64]) {
        let at = self.at;
        let mut out = [0.0f32; STRIP * CHUNK_PANELS * LANES];
        for (panels, rows) in chunks(gallery) {
            if at.upper && rows.end <= probes.start + 1 {
                continue;
            }
            let runs = runs(at.gallery_groups, rows);
            let width = panels.len() * LANES;
            let first = panels.start * LANES;
            for strip in probes.clone().step_by(STRIP) {
                let strip = strip..(strip + STRIP).min(probes.end);
                let tile = Tile {
                    probes: at.probes.block(strip.start, strip.end),
                    stride: at.probes.stride(),
                    d: at.probes.dimension(),
                    panels: at.gallery.panels().slice(panels.start, panels.end),
                    width,
                };
                self.kernel.screen(tile, &mut out);
                for (scores, i) in out.chunks_exact(width).zip(strip) {
                    for (run, group) in &runs {
                        let start = if at.upper { run.start.max(i + 1) } else { run.start };
                        if start < run.end {
                            let scores = &scores[start - first..run.end - first];
                            self.bin(i, start, scores, self.cell(i, *group), counts);
                        }
                    }
                }
            }
        }
    }

    fn cell(&self, probe: usize, gallery_group: u32) -> usize {
        let row = self.at.probe_groups[probe] as usize * self.at.n_gallery_groups;
        self.at.cells[row + gallery_group as usize] as usize
    }

    /// Adds the screened scores of probe `i` and gallery rows from `start` on to their bins of one cell.
    fn bin(&self, i: usize, start: usize, scores: &[f32], cell: usize, counts: &mut [u64]) {
        let bins = self.axis.bins();
        let counts = &mut counts[cell * bins..(cell + 1) * bins];
        let limit = lowered(self.axis.floor(), self.slack);
        let mut done = 0;
        let mut at = self.kernel.next_at_least(scores, limit, 0);
        while at < scores.len() {
            counts[0] += (at - done) as u64;
            let bin = self.axis.certain_bin(scores[at], self.slack).unwrap_or_else(|| {
                self.axis.bin(self.kernel.score(self.at.probes.row(i), self.at.gallery.row(start + at)))
            });
            counts[bin] += 1;
            done = at + 1;
            at = self.kernel.next_at_least(scores, limit, done);
        }
        counts[0] += (scores.len() - done) as u64;
    }
}

/// Runs of equal group in `rows`.
fn runs(groups: &[u32], rows: Range<usize>) -> Vec<(Range<usize>, u32)> {
    let first = rows.start;
    groups[rows]
        .chunk_by(|a, b| a == b)
        .scan(first, |start, run| {
            let range = *start..*start + run.len();
            *start = range.end;
            Some((range, run[0]))
        })
        .collect()
}

impl Rectangle<'_> {
    fn check(&self) -> Result<(), Error> {
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Unit rows with many equal and nearly equal scores.
    pub(crate) fn ties(n: usize, d: usize, seed: u64) -> Rows {
        let mut unit = vec![0.0f32; n * d];
        for i in 0..n {
            let row: Vec<f32> = (0..d)
                .map(|k| {
                    ((seed.wrapping_add((i * d + k) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 60) as f32) - 7.0
                })
                .collect();
            let row = if i % 5 == 4 { vec![1.0; d] } else { row };
            crate::rows::normalise(&row, &mut unit[i * d..(i + 1) * d], &mut Vec::new());
        }
        Rows::new(&unit, n, d).unwrap()
    }

    fn by_definition(at: &Rectangle<'_>, axis: &Axis) -> Vec<u64> {
        let scalar = Kernel::choose(Some("scalar")).unwrap();
        let mut counts = vec![0; at.n_cells * axis.bins()];
        for i in at.probe_range.clone() {
            for j in at.gallery_range.clone().filter(|&j| !at.upper || j > i) {
                let row = at.probe_groups[i] as usize * at.n_gallery_groups;
                let cell = at.cells[row + at.gallery_groups[j] as usize] as usize;
                counts[cell * axis.bins() + axis.bin(scalar.score(at.probes.row(i), at.gallery.row(j)))] += 1;
            }
        }
        counts
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn every_kernel_and_thread_count_counts_as_the_definition(
            n in 1usize..150, m in 1usize..700, d in 1usize..70, seed: u64,
            upper: bool, threads in 1usize..9, sorted: bool, n_edges in 1usize..60,
        ) {
            let (probes, gallery) = (ties(n, d, seed), ties(m, d, seed ^ 1));
            let gallery = if upper { &probes } else { &gallery };
            let group = |i: usize, n: usize| if sorted { (i * 3 / n) as u32 } else { (i % 3) as u32 };
            let a: Vec<u32> = (0..probes.len()).map(|i| group(i, probes.len())).collect();
            let b: Vec<u32> = (0..gallery.len()).map(|i| group(i, gallery.len())).collect();
            // Edges on scores that occur, and between.
            let scalar = Kernel::choose(Some("scalar")).unwrap();
            let mut edges: Vec<f64> = (0..n_edges)
                .map(|i| f64::from(scalar.score(probes.row(i % n), gallery.row(i % gallery.len()))))
                .chain([-1.0, 0.125])
                .collect();
            edges.sort_by(f64::total_cmp);
            edges.dedup();
            let axis = Axis::new(&edges).unwrap();
            let at = Rectangle {
                probes: &probes, gallery,
                probe_range: n / 5..n, gallery_range: gallery.len() / 7..gallery.len(),
                upper, probe_groups: &a, gallery_groups: &b,
                cells: &[0, 1, 2, 1, 3, 4, 2, 4, 5], n_gallery_groups: 3, n_cells: 6,
            };
            let expected = by_definition(&at, &axis);
            for kernel in Kernel::available() {
                let counts = count(&at, &axis, kernel, threads, &mut || false).unwrap();
                prop_assert_eq!(&counts, &expected, "{}", kernel.name());
            }
        }
    }

    #[test]
    fn rows_of_another_dimension_are_refused() {
        let (probes, gallery) = (ties(2, 3, 0), ties(2, 4, 0));
        let at = Rectangle {
            probes: &probes,
            gallery: &gallery,
            probe_range: 0..2,
            gallery_range: 0..2,
            upper: false,
            probe_groups: &[0, 0],
            gallery_groups: &[0, 0],
            cells: &[0],
            n_gallery_groups: 1,
            n_cells: 1,
        };
        let axis = Axis::new(&[0.0]).unwrap();
        let kernel = Kernel::choose(None).unwrap();
        assert!(matches!(count(&at, &axis, kernel, 1, &mut || false), Err(Error::Shape(_))));
    }

    /// Rows of two probes and three gallery rows in `n_cells` cells, all pairs in cell 0.
    fn in_one_cell<'a>(probes: &'a Rows, gallery: &'a Rows, n_cells: usize) -> Rectangle<'a> {
        Rectangle {
            probes,
            gallery,
            probe_range: 0..2,
            gallery_range: 0..3,
            upper: false,
            probe_groups: &[0, 0],
            gallery_groups: &[0, 0, 0],
            cells: &[0],
            n_gallery_groups: 1,
            n_cells,
        }
    }

    #[test]
    fn a_result_beyond_memory_is_an_error_and_no_abort() {
        let (probes, gallery) = (ties(2, 3, 0), ties(3, 3, 0));
        let axis = Axis::new(&[0.0]).unwrap();
        let kernel = Kernel::choose(None).unwrap();
        for n_cells in [usize::MAX, usize::MAX / 2, 1 << 55] {
            let answer = count(&in_one_cell(&probes, &gallery, n_cells), &axis, kernel, 2, &mut || false);
            assert!(matches!(answer, Err(Error::Memory(_))), "{n_cells}");
        }
    }

    #[test]
    fn large_results_get_fewer_threads() {
        let all = work::threads_or_all(0);
        assert_eq!([affordable(0, 0), affordable(0, 1000), affordable(1, 1000)], [all, all, 1]);
        assert_eq!([affordable(0, COUNTS_BYTES / 8), affordable(0, usize::MAX)], [1, 1]);
    }

    #[test]
    fn with_an_infinite_slack_every_pair_is_settled() {
        let (probes, gallery) = (ties(2, 5, 0), ties(3, 5, 1));
        let at = in_one_cell(&probes, &gallery, 1);
        let axis = Axis::new(&[-0.5, 0.0, 0.125, 0.5]).unwrap();
        for kernel in Kernel::available() {
            let mut counts = vec![0; axis.bins()];
            Unit { at: &at, axis: &axis, kernel, slack: f32::INFINITY }.count(0..2, 0..3, &mut counts);
            assert_eq!(counts, by_definition(&at, &axis), "{}", kernel.name());
        }
    }
}
