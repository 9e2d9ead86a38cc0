//! Counting: how many scores of a rectangle of pairs fall in each bin, by cell.
//!
//! Two strategies, one result. Where few pairs reach the lowest edge, 8-bit integers prove it of nearly all others
//! ([`crate::screen`]): those are only numbered, and the few are settled. Where many do, every score is made well
//! enough to name nearly every bin ([`crate::fine`]), and the rest is settled. So the counts are those of the
//! definition, whatever the instruction set, strategy, threads or order.

use crate::axis::{Axis, Grid, OPEN};
use crate::dot::{Kernel, LANES, near_slack};
use crate::error::Error;
use crate::fine::{self, Scores, Side, Way};
use crate::pack::{Centre, Panels, Strips};
use crate::rows::Rows;
use crate::screen::{Gallery, Pair, Screen, chunks};
use crate::work::{self, part};
use std::cell::Cell;
use std::ops::Range;
use std::sync::Arc;

/// Probes of one unit of work: their integers stay in the second-level cache, beside a chunk of the gallery.
const UNIT_PROBES: usize = 1024;
/// Gallery rows of one unit of work: a few milliseconds, so that a request to stop is heard soon.
const UNIT_GALLERY: usize = 4096;
/// Probes that are packed at a time.
const BLOCK_PROBES: usize = 1 << 16;
/// Most that the counts of all threads may take together: large tables get fewer threads, not more memory.
const COUNTS_BYTES: usize = 2 << 30;
/// Probes and gallery rows on which the share of pairs to settle is measured.
const SAMPLE: (usize, usize) = (128, 2048);
/// Axes that begin below this are counted finely without a sample: most scores of strangers lie above.
const LOWEST_WORTH_A_SAMPLE: f32 = -0.5;

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
        Strategy::Fine(way) => job.fine(way, packed.centre(), stop),
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

    /// Share of the pairs of a sample, evenly spread, that may reach the lowest edge.
    fn share_to_settle(&self, gallery: Gallery<'_>) -> f64 {
        let at = self.at;
        let (mut pairs, mut kept) = (0, 0);
        for probes in spread(&at.probe_range, SAMPLE.0, crate::screen::STRIP) {
            let strips = Strips::new(at.probes, probes, gallery.panels, self.kernel);
            let mut screen = Screen::new(self.kernel, &strips, gallery);
            let mut limits = vec![self.axis.floor(); strips.n_probes()];
            for rows in spread(&at.gallery_range, SAMPLE.1, 16 * LANES) {
                pairs += strips.n_probes() * rows.len();
                screen.pairs(0..strips.n_probes(), rows, &mut limits, |_, _| kept += 1);
            }
        }
        kept as f64 / pairs as f64
    }

    /// The bin of a pair, from its floats; `slack` is that of `near`, if that is to be asked first.
    fn settle(&self, probe: usize, row: usize, slack: Option<f32>) -> usize {
        let (a, b) = (self.at.probes.row(probe), self.at.gallery.row(row));
        let near = slack.and_then(|slack| self.axis.certain_bin(self.kernel.near(a, b), slack));
        near.unwrap_or_else(|| self.axis.bin(self.kernel.score(a, b)))
    }

    fn sieve(&self, gallery: Gallery<'_>, stop: &mut dyn FnMut() -> bool) -> Result<Counted, Error> {
        let at = self.at;
        let mut counts = Counts::zeros(self.size)?;
        for start in at.probe_range.clone().step_by(BLOCK_PROBES) {
            let block = start..(start + BLOCK_PROBES).min(at.probe_range.end);
            let strips = packed_strips(at.probes, &block, gallery.panels, self.kernel, self.threads, stop)?;
            counts = counts.add(self.shared(block, UNIT_PROBES, &at.gallery_range, stop, |counts, probes, rows| {
                let unit = Sieving { job: self, gallery, slack: near_slack(at.probes.dimension()) };
                unit.count(&strips[..], probes, rows, counts);
            })?);
        }
        at.add_the_rest(&mut counts.bins, self.axis.bins());
        Ok(Counted { counts: counts.bins, strategy: Strategy::Sieve, settled: counts.settled })
    }

    fn fine(&self, way: Way, centre: &Centre, stop: &mut dyn FnMut() -> bool) -> Result<Counted, Error> {
        let at = self.at;
        let plan = fine::Plan { way, centre, kernel: self.kernel, threads: self.threads };
        let step = Way::block(at.probes.dimension());
        let first = at.gallery_range.start / LANES * LANES;
        let mut counts = Counts::zeros(self.size)?;
        let (mut spare_probes, mut spare_gallery) = (None, None);
        for start in (first..at.gallery_range.end).step_by(step) {
            let rows = start..(start + step).min(at.gallery_range.end);
            let gallery = plan.gallery(at.gallery, rows.clone(), spare_gallery.take())?;
            for start in at.probe_range.clone().step_by(step) {
                let block = start..(start + step).min(at.probe_range.end);
                let probes = plan.probes(at.probes, block.clone(), spare_probes.take())?;
                let wanted = rows.start.max(at.gallery_range.start)..rows.end;
                let unit = Fining::new(self, (&probes, &gallery), (start, rows.start));
                counts = counts.add(self.shared(block, UNIT_PROBES / 2, &wanted, stop, |counts, probes, rows| {
                    unit.count(probes, rows, counts);
                })?);
                spare_probes = Some(probes);
            }
            spare_gallery = Some(gallery);
        }
        Ok(Counted { counts: counts.bins, strategy: Strategy::Fine(way), settled: counts.settled })
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
        let gallery_units = gallery.len().div_ceil(UNIT_GALLERY);
        let units = probes.len().div_ceil(unit_probes) * gallery_units;
        let states = work::share(
            units,
            self.threads,
            stop,
            || Counts::zeros(self.size),
            |counts, unit| {
                let probes = part(&probes, unit / gallery_units, unit_probes);
                let rows = part(gallery, unit % gallery_units, UNIT_GALLERY);
                if !self.at.upper || rows.end > probes.start + 1 {
                    count(counts, probes, rows);
                }
            },
        )?;
        states.into_iter().map(Ok).reduce(|a, b| Ok(a?.add(b?))).unwrap_or_else(|| Counts::zeros(self.size))
    }
}

/// Probes of every unit of `block`, packed.
fn packed_strips(
    probes: Rows<'_>,
    block: &Range<usize>,
    panels: &Panels,
    kernel: Kernel,
    threads: usize,
    stop: &mut dyn FnMut() -> bool,
) -> Result<Vec<(usize, Strips)>, Error> {
    work::in_order(block.len().div_ceil(UNIT_PROBES), threads, stop, |unit| {
        let rows = part(block, unit, UNIT_PROBES);
        (rows.start, Strips::new(probes, rows, panels, kernel))
    })
}

/// About `wanted` places of `range`, `step` side by side, evenly spread.
fn spread(range: &Range<usize>, wanted: usize, step: usize) -> impl Iterator<Item = Range<usize>> {
    let parts = (wanted / step).min(range.len().div_ceil(step)).max(1);
    let (start, end, stride) = (range.start, range.end, range.len() / parts);
    (0..parts).map(move |i| start + i * stride..(start + i * stride + step).min(end))
}

/// Pairs above the lowest edge, one unit at a time.
struct Sieving<'a> {
    job: &'a Job<'a>,
    gallery: Gallery<'a>,
    slack: f32,
}

impl Sieving<'_> {
    fn count(&self, strips: &[(usize, Strips)], probes: Range<usize>, rows: Range<usize>, counts: &mut Counts) {
        let Some((first, strips)) = strips.iter().find(|(first, _)| *first == probes.start) else { return };
        let (at, axis) = (self.job.at, self.job.axis);
        let mut limits = vec![axis.floor(); strips.n_probes()];
        let screen = Screen::new(self.job.kernel, strips, self.gallery).fetching();
        let mut screen = if at.upper { screen.after(*first) } else { screen };
        let counted = Cell::from_mut(&mut counts.bins[..]).as_slice_of_cells();
        let add = |pair: Pair, bin: usize| {
            let cell = at.cell(first + pair.probe, at.gallery_groups[pair.row]);
            let count = &counted[cell * axis.bins() + bin];
            count.set(count.get() + 1);
        };
        let is_open = |pair: Pair, _: &mut f32| match axis.certain_bin(pair.estimate, pair.error) {
            Some(bin) => {
                add(pair, bin);
                false
            }
            None => true,
        };
        screen.open_pairs(0..strips.n_probes(), rows, &mut limits, is_open, |pair, _| {
            counts.settled += 1;
            add(pair, self.job.settle(first + pair.probe, pair.row, Some(self.slack)));
        });
    }
}

/// Every pair, one unit at a time.
struct Fining<'a> {
    job: &'a Job<'a>,
    sides: (&'a Side<'a>, &'a Side<'a>),
    /// Rows that the sides begin with.
    starts: (usize, usize),
    grid: Grid,
    /// That of `near`, where it is worth asking before the definition.
    near_slack: Option<f32>,
}

/// Rows of a chunk.
const FINE_ROWS: usize = fine::CHUNK_PANELS * LANES;

impl<'a> Fining<'a> {
    fn new(job: &'a Job<'a>, sides: (&'a Side<'a>, &'a Side<'a>), starts: (usize, usize)) -> Self {
        let d = job.at.probes.dimension();
        let (slack, near) = (Scores::slack(sides.0, sides.1, d), near_slack(d));
        let near_slack = (near <= slack / 2.0).then_some(near);
        Fining { job, sides, starts, grid: Grid::new(job.axis, slack), near_slack }
    }

    fn count(&self, probes: Range<usize>, gallery: Range<usize>, counts: &mut Counts) {
        let (at, (first_probe, first_row)) = (self.job.at, self.starts);
        let mut scores = Scores::new(self.job.kernel, self.sides.0, self.sides.1);
        let mut bins = [0u32; FINE_ROWS];
        for (panels, rows) in chunks(gallery.start - first_row..gallery.end - first_row, fine::CHUNK_PANELS) {
            let rows = first_row + rows.start..first_row + rows.end;
            let first = first_row + panels.start * LANES;
            let mut places = Places::new(self.job, rows.start);
            let next = rows.end..(rows.end + FINE_ROWS).min(gallery.end);
            let ahead = next.len().div_ceil(probes.len().div_ceil(fine::STRIP));
            for (number, start) in probes.clone().step_by(fine::STRIP).enumerate() {
                self.job.kernel.fetch(at.gallery.block(part(&next, number, ahead)));
                let strip = start..(start + fine::STRIP).min(probes.end);
                if at.upper && rows.end <= start + 1 {
                    continue;
                }
                let scores = scores.of(&(strip.start - first_probe..strip.end - first_probe), &panels);
                for (scores, i) in scores.chunks_exact(panels.len() * LANES).zip(strip) {
                    let wanted = if at.upper { rows.start.max(i + 1)..rows.end } else { rows.clone() };
                    if !wanted.is_empty() {
                        self.job.kernel.locate(scores, &self.grid, &mut bins);
                        let bins = &bins[wanted.start - first..wanted.end - first];
                        let places = places.of(at.probe_groups[i]);
                        self.add(i, wanted.start, bins, &places[wanted.start - rows.start..], counts);
                    }
                }
            }
        }
    }

    /// Adds the pairs of probe `i` and gallery rows from `start` on to their bins.
    fn add(&self, i: usize, start: usize, bins: &[u32], places: &[usize], counts: &mut Counts) {
        for (j, (&bin, &place)) in (start..).zip(bins.iter().zip(places)) {
            let bin = if bin == OPEN { self.settle(i, j, counts) } else { bin };
            counts.bins[place + bin as usize] += 1;
        }
    }

    #[cold]
    fn settle(&self, i: usize, j: usize, counts: &mut Counts) -> u32 {
        counts.settled += 1;
        self.job.settle(i, j, self.near_slack) as u32
    }
}

/// Where the bins of each gallery row of a chunk begin among the counts, for one group of probes after another.
struct Places<'a> {
    job: &'a Job<'a>,
    /// First row of the chunk.
    first: usize,
    of_group: Vec<Option<[usize; FINE_ROWS]>>,
}

impl<'a> Places<'a> {
    fn new(job: &'a Job<'a>, first: usize) -> Self {
        Places { job, first, of_group: Vec::new() }
    }

    fn of(&mut self, probe_group: u32) -> &[usize; FINE_ROWS] {
        let (job, group) = (self.job, probe_group as usize);
        if self.of_group.len() <= group {
            self.of_group.resize(group + 1, None);
        }
        self.of_group[group].get_or_insert_with(|| {
            let mut places = [0; FINE_ROWS];
            for (place, &group) in places.iter_mut().zip(&job.at.gallery_groups[self.first..]) {
                *place = job.at.cell_of(probe_group, group) * job.axis.bins();
            }
            places
        })
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

impl Rectangle<'_> {
    fn cell(&self, probe: usize, gallery_group: u32) -> usize {
        self.cell_of(self.probe_groups[probe], gallery_group)
    }

    pub(crate) fn cell_of(&self, probe_group: u32, gallery_group: u32) -> usize {
        self.cells[probe_group as usize * self.n_gallery_groups + gallery_group as usize] as usize
    }

    /// Puts the pairs that no bin of their cell holds into the lowest.
    fn add_the_rest(&self, counts: &mut [u64], bins: usize) {
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

#[cfg(test)]
pub(crate) mod tests {
    use super::Strategy;
    use super::*;
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
                found.push((kernel.name().to_owned(), job.fine(way, &kept.centre, stop).unwrap()));
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
