//! Counting: how many scores of a rectangle of pairs fall in each bin, by cell.
//!
//! Two strategies, one result. Where few pairs reach the lowest edge, 8-bit integers prove it of nearly all others
//! ([`crate::screen`]): those are only numbered, and the few are settled. Where many do, every score is made well
//! enough to name nearly every bin ([`crate::fine`]), and the rest is settled. So the counts are those of the
//! definition, whatever the instruction set, strategy, threads or order.

mod fining;
mod rectangle;
mod sieving;

pub use rectangle::Rectangle;

use crate::axis::Axis;
use crate::dot::Kernel;
use crate::error::Error;
use crate::fine::Way;
use crate::pack::{Centre, Panels};
use crate::screen::Gallery;
use crate::work::{self, part};
use std::ops::Range;
use std::sync::Arc;

/// Probes of one unit of work: their integers stay in the second-level cache, beside a chunk of the gallery.
const UNIT_PROBES: usize = 1024;
/// Gallery rows of one unit of work: a few milliseconds, so that a request to stop is heard soon.
const UNIT_GALLERY: usize = 4096;
/// Most that the counts of all threads may take together: large tables get fewer threads, not more memory.
const COUNTS_BYTES: usize = 2 << 30;
/// Axes that begin below this are counted finely without a sample: most scores of strangers lie above.
const LOWEST_WORTH_A_SAMPLE: f32 = -0.5;

/// How a rectangle was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// 8-bit integers against the lowest edge.
    Sieve,
    /// Every score, as sums of floats or of slices of integers.
    Fine(Way),
}

impl Strategy {
    pub fn name(self) -> &'static str {
        match self {
            Strategy::Sieve => "int8",
            Strategy::Fine(Way::Slices) => "3 x int8",
            Strategy::Fine(Way::Floats) => "float32",
        }
    }
}

/// Counts, and how they were come by.
#[derive(Debug, PartialEq, Eq)]
pub struct Counted {
    /// `n_cells * axis.bins()`, cell after cell.
    pub counts: Vec<u64>,
    pub strategy: Strategy,
    /// Pairs that the screen left to a more exact sum.
    pub settled: u64,
}

/// The gallery of a rectangle as the strategies need it, packed when one asks.
pub trait Packed {
    fn centre(&self) -> &Arc<Centre>;
    fn panels(&self, stop: &mut dyn FnMut() -> bool) -> Result<&Panels, Error>;
}

/// Counts of each cell and bin.
pub fn count(
    at: &Rectangle<'_>,
    packed: &impl Packed,
    axis: &Axis,
    kernel: Kernel,
    threads: usize,
    stop: &mut dyn FnMut() -> bool,
) -> Result<Counted, Error> {
    at.check()?;
    let size = size(at.n_cells, axis.bins())?;
    let job = Job { at, axis, kernel, threads: affordable(threads, size), size };
    let strategy = job.strategy(packed, stop)?;
    match strategy {
        Strategy::Sieve => job.sieve(Gallery { rows: at.gallery, panels: packed.panels(stop)? }, stop),
        Strategy::Fine(way) => job.fine(way, packed.centre(), Way::block(at.probes.dimension()), stop),
    }
}

/// Counts of one thread, and the pairs that it settled.
struct Counts {
    bins: Vec<u64>,
    settled: u64,
}

impl Counts {
    fn zeros(size: usize) -> Result<Self, Error> {
        Ok(Counts { bins: zeros(size)?, settled: 0 })
    }

    fn add(mut self, other: Counts) -> Counts {
        self.bins.iter_mut().zip(other.bins).for_each(|(x, y)| *x += y);
        self.settled += other.settled;
        self
    }
}

struct Job<'a> {
    at: &'a Rectangle<'a>,
    axis: &'a Axis,
    kernel: Kernel,
    threads: usize,
    size: usize,
}

impl Job<'_> {
    /// The strategy that costs less, judged by the pairs of a sample that a sieve would have to settle.
    fn strategy(&self, packed: &impl Packed, stop: &mut dyn FnMut() -> bool) -> Result<Strategy, Error> {
        let at = self.at;
        let way = Way::of(self.kernel, at.probes.dimension());
        if self.axis.floor() < LOWEST_WORTH_A_SAMPLE || at.probe_range.is_empty() || at.gallery_range.is_empty() {
            return Ok(Strategy::Fine(way));
        }
        // Settling a pair takes as long as some dozens of products on the matrix unit, or some of floats.
        let most = if way == Way::Slices { 0.06 } else { 0.2 };
        let gallery = Gallery { rows: at.gallery, panels: packed.panels(stop)? };
        Ok(if self.share_to_settle(gallery) <= most { Strategy::Sieve } else { Strategy::Fine(way) })
    }

    /// The bin of a pair, from its floats; `slack` is that of `near`, if that is to be asked first.
    fn settle(&self, probe: usize, row: usize, slack: Option<f32>) -> usize {
        let (a, b) = (self.at.probes.row(probe), self.at.gallery.row(row));
        let near = slack.and_then(|slack| self.axis.certain_bin(self.kernel.near(a, b), slack));
        near.unwrap_or_else(|| self.axis.bin(self.kernel.score(a, b)))
    }

    /// The sum of what `count` does with every unit of probes and gallery rows that has a wanted pair.
    fn shared(
        &self,
        probes: Range<usize>,
        unit_probes: usize,
        gallery: &Range<usize>,
        stop: &mut dyn FnMut() -> bool,
        count: impl Fn(&mut Counts, Range<usize>, Range<usize>) + Sync,
    ) -> Result<Counts, Error> {
        let probe_units = probes.len().div_ceil(unit_probes);
        let units = probe_units * gallery.len().div_ceil(UNIT_GALLERY);
        let states = work::share(
            units,
            self.threads,
            stop,
            || Counts::zeros(self.size),
            |counts, unit| {
                // All probes for one part of the gallery after another: it is near when the next ones come.
                let probes = part(&probes, unit % probe_units, unit_probes);
                let rows = part(gallery, unit / probe_units, UNIT_GALLERY);
                if !self.at.upper || rows.end > probes.start + 1 {
                    count(counts, probes, rows);
                }
            },
        )?;
        states.into_iter().map(Ok).reduce(|a, b| Ok(a?.add(b?))).unwrap_or_else(|| Counts::zeros(self.size))
    }
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

#[cfg(test)]
pub(crate) mod tests {
    use super::Strategy;
    use super::*;
    use crate::dot::LANES;
    use crate::rows::Rows;
    use crate::rows::tests::{awkward, ties};
    use proptest::prelude::*;

    /// A gallery packed for one kernel.
    pub(crate) struct Kept {
        centre: Arc<Centre>,
        panels: Panels,
    }

    impl Kept {
        pub(crate) fn new(rows: Rows<'_>, kernel: Kernel) -> Self {
            let centre = Arc::new(Centre::of(rows));
            Kept { panels: Panels::new(rows, centre.clone(), kernel, 1, &mut || false).unwrap(), centre }
        }

        pub(crate) fn with<'a>(&'a self, rows: Rows<'a>) -> Gallery<'a> {
            Gallery { rows, panels: &self.panels }
        }
    }

    impl Packed for Kept {
        fn centre(&self) -> &Arc<Centre> {
            &self.centre
        }

        fn panels(&self, _: &mut dyn FnMut() -> bool) -> Result<&Panels, Error> {
            Ok(&self.panels)
        }
    }

    fn counted(at: &Rectangle<'_>, axis: &Axis, kernel: Kernel, threads: usize) -> Result<Vec<u64>, Error> {
        let kept = Kept::new(at.gallery, kernel);
        Ok(count(at, &kept, axis, kernel, threads, &mut || false)?.counts)
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

    /// Every way to the counts of a rectangle, for every kernel.
    fn all_ways(at: &Rectangle<'_>, axis: &Axis, threads: usize) -> Vec<(String, Counted)> {
        let mut found = Vec::new();
        for kernel in Kernel::available() {
            let kept = Kept::new(at.gallery, kernel);
            let job = Job { at, axis, kernel, threads, size: at.n_cells * axis.bins() };
            let stop = &mut || false;
            let sliced = kernel.form().slices.then_some(Way::Slices);
            found.push((kernel.name().to_owned(), count(at, &kept, axis, kernel, threads, stop).unwrap()));
            found.push((kernel.name().to_owned(), job.sieve(kept.with(at.gallery), stop).unwrap()));
            for way in [Some(Way::Floats), sliced].into_iter().flatten() {
                for step in [LANES, Way::block(at.probes.dimension())] {
                    found.push((kernel.name().to_owned(), job.fine(way, &kept.centre, step, stop).unwrap()));
                }
            }
        }
        found
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn every_kernel_strategy_and_thread_count_counts_as_the_definition(
            n in 1usize..150, m in 1usize..700, d in prop_oneof![1usize..70, 1usize..=1100], seed: u64,
            upper: bool, threads in 1usize..9, sorted: bool, is_awkward: bool, n_edges in 1usize..60,
            lowest in prop::sample::select(vec![-1.0, -0.2, 0.125, 0.9]),
        ) {
            let m = m.min(40_000 / d).max(1);
            let make = if is_awkward { awkward } else { ties };
            let (probes, gallery) = (make(n, d, seed), make(m, d, seed ^ 1));
            let probes = Rows::new(&probes, n, d).unwrap();
            let gallery = if upper { probes } else { Rows::new(&gallery, m, d).unwrap() };
            let group = |i: usize, n: usize| if sorted { (i * 3 / n) as u32 } else { (i % 3) as u32 };
            let a: Vec<u32> = (0..probes.len()).map(|i| group(i, probes.len())).collect();
            let b: Vec<u32> = (0..gallery.len()).map(|i| group(i, gallery.len())).collect();
            // Edges on scores that occur, and between.
            let scalar = Kernel::choose(Some("scalar")).unwrap();
            let mut edges: Vec<f64> = (0..n_edges)
                .map(|i| f64::from(scalar.score(probes.row(i % n), gallery.row(i % gallery.len()))))
                .chain([lowest, 0.95])
                .filter(|&edge| edge >= lowest)
                .collect();
            edges.sort_by(f64::total_cmp);
            edges.dedup();
            let axis = Axis::new(&edges).unwrap();
            let at = Rectangle {
                probes, gallery,
                probe_range: n / 5..n, gallery_range: gallery.len() / 7..gallery.len(),
                upper, probe_groups: &a, gallery_groups: &b,
                cells: &[0, 1, 2, 1, 3, 4, 2, 4, 5], n_gallery_groups: 3, n_cells: 6,
            };
            let expected = by_definition(&at, &axis);
            for (name, counted) in all_ways(&at, &axis, threads) {
                prop_assert_eq!(&counted.counts, &expected, "{} {:?}", name, counted.strategy);
            }
        }
    }

    #[test]
    fn the_lowest_edge_and_the_scores_choose_the_strategy() {
        let (n, d) = (3000, 64);
        let unit = ties(n, d, 5);
        let rows = Rows::new(&unit, n, d).unwrap();
        let groups = vec![0; n];
        let kernel = Kernel::choose(None).unwrap();
        let kept = Kept::new(rows, kernel);
        let strategy = |edge: f64| {
            let at = Rectangle {
                probes: rows,
                gallery: rows,
                probe_range: 0..n,
                gallery_range: 0..n,
                upper: true,
                probe_groups: &groups,
                gallery_groups: &groups,
                cells: &[0],
                n_gallery_groups: 1,
                n_cells: 1,
            };
            count(&at, &kept, &Axis::new(&[edge]).unwrap(), kernel, 1, &mut || false).unwrap().strategy
        };
        let fine = Strategy::Fine(Way::of(kernel, d));
        assert_eq!([strategy(-1.0), strategy(0.0), strategy(1.0 + 1e-3)], [fine, fine, Strategy::Sieve]);
    }

    /// Rows of two probes and three gallery rows in `n_cells` cells, all pairs in cell 0.
    fn in_one_cell<'a>(probes: Rows<'a>, gallery: Rows<'a>, n_cells: usize) -> Rectangle<'a> {
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
    fn rows_of_another_dimension_are_refused() {
        let (probes, gallery) = (ties(2, 3, 0), ties(3, 4, 0));
        let at = in_one_cell(Rows::new(&probes, 2, 3).unwrap(), Rows::new(&gallery, 3, 4).unwrap(), 1);
        let axis = Axis::new(&[0.0]).unwrap();
        assert!(matches!(counted(&at, &axis, Kernel::choose(None).unwrap(), 1), Err(Error::Shape(_))));
    }

    #[test]
    fn a_result_beyond_memory_is_an_error_and_no_abort() {
        let (probes, gallery) = (ties(2, 3, 0), ties(3, 3, 0));
        let (probes, gallery) = (Rows::new(&probes, 2, 3).unwrap(), Rows::new(&gallery, 3, 3).unwrap());
        let axis = Axis::new(&[0.0]).unwrap();
        let kernel = Kernel::choose(None).unwrap();
        for n_cells in [usize::MAX, usize::MAX / 2, 1 << 55] {
            let answer = counted(&in_one_cell(probes, gallery, n_cells), &axis, kernel, 2);
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
    fn dimensions_beyond_integers_are_settled_from_floats() {
        let d = crate::pack::MOST_COMPONENTS + 7;
        let (probes, gallery) = (ties(2, d, 0), ties(3, d, 1));
        let (probes, gallery) = (Rows::new(&probes, 2, d).unwrap(), Rows::new(&gallery, 3, d).unwrap());
        let at = in_one_cell(probes, gallery, 1);
        let axis = Axis::new(&[-0.4, 0.0, 0.001, 0.5]).unwrap();
        for (name, found) in all_ways(&at, &axis, 1) {
            assert_eq!(found.counts, by_definition(&at, &axis), "{name} {:?}", found.strategy);
        }
    }
}
