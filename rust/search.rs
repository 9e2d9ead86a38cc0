//! Search: the best `k` gallery rows of each probe, exactly, and how many rows reach a floor.
//!
//! A row stays a candidate while the bounds of its 8-bit integers let it reach the `k`-th best lower bound of all
//! candidates. When the gallery has passed, those that look best are scored by the definition, and of the others
//! those that may reach the worst of them. Equal scores are ordered by the lower row. To begin with, the `k`-th best
//! of what some rows surely reach stands in for candidates that are not known yet.

use crate::dot::{Kernel, LANES, lowered, near_slack};
use crate::error::Error;
use crate::pack::Strips;
use crate::rows::Rows;
use crate::screen::{CHUNK_PANELS, Gallery, Pair, Screen};
use crate::work::{self, part};
use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Mutex;

/// Probes of one unit of work: their integers stay in the second-level cache, beside a chunk of the gallery.
const UNIT_PROBES: usize = 1024;
/// Probes that are packed together.
const PACK_PROBES: usize = 64;
/// Probes that are searched before the next are packed: each keeps some hundreds of candidates.
const BLOCK_PROBES: usize = 1 << 14;
/// Probes whose candidates one unit of work settles.
const SETTLE_PROBES: usize = 16;
/// Candidates of a probe, beside some times `k`, that are kept unsettled at most.
const MANY: usize = 4096;
/// How many candidates ahead a row is asked for.
const AHEAD: usize = 4;
/// Gallery rows of one unit of work, at most.
const UNIT_GALLERY: usize = 65536;
/// Products of one unit of work, at least: every unit settles the best `k` of its own rows, and wakes a thread.
const UNIT_PRODUCTS: usize = 1 << 26;
/// Gallery rows that give the first limits, and the part of the gallery that they are at most.
const FIRST_ROWS: usize = 2048;
const FIRST_PART: usize = 8;

/// What a search returns, for `m` probes.
#[derive(Debug, PartialEq)]
pub struct Found {
    /// `m * k` scores, best first for each probe.
    pub scores: Vec<f32>,
    /// `m * k` gallery rows.
    pub rows: Vec<i64>,
    /// For each probe, gallery rows whose score is at or above its floor; empty without floors.
    pub at_or_above: Vec<u64>,
}

/// A gallery row that may be among the best, and bounds of its score; they are equal once it is settled.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    row: usize,
    lower: f32,
    upper: f32,
    /// Whether the bounds are those of integers.
    is_wide: bool,
}

impl Candidate {
    /// A row whose score is within `error` of `estimate`; rounding moves either bound by less than a step.
    fn within(row: usize, estimate: f32, error: f32) -> Self {
        Candidate { row, lower: (estimate - error).next_down(), upper: (estimate + error).next_up(), is_wide: true }
    }

    fn settled(row: usize, score: f32) -> Self {
        Candidate { row, lower: score, upper: score, is_wide: false }
    }

    fn is_settled(&self) -> bool {
        self.lower == self.upper
    }

    fn middle(&self) -> f32 {
        self.lower + self.upper
    }
}

/// What may be among the best `k` rows of one probe, and its count, over the rows seen so far.
#[derive(Clone)]
struct Best {
    k: usize,
    /// A score that the `k`-th best surely reaches.
    limit: f32,
    candidates: Vec<Candidate>,
    /// Candidates at which those that cannot be among the best are looked for.
    full: usize,
    at_or_above: u64,
}

impl Best {
    fn new(k: usize, limit: f32) -> Self {
        let limit = if k == 0 { f32::INFINITY } else { limit };
        Best { k, limit, candidates: Vec::new(), full: least_full(k), at_or_above: 0 }
    }

    fn offer(&mut self, candidate: Candidate) {
        if candidate.upper >= self.limit {
            self.candidates.push(candidate);
        }
    }

    fn is_full(&self) -> bool {
        self.candidates.len() >= self.full
    }

    /// Puts those that look best first, as many as are wanted; says how many.
    fn lead(&mut self) -> usize {
        let leaders = self.k.min(self.candidates.len());
        if leaders > 0 {
            let middle = |a: &Candidate, b: &Candidate| b.middle().total_cmp(&a.middle());
            self.candidates.select_nth_unstable_by(leaders - 1, middle);
        }
        leaders
    }

    /// Makes the bounds of those that look best narrow, and drops what cannot be among them.
    fn sharpen(&mut self, near: impl Fn(usize) -> (f32, f32)) {
        let leaders = self.lead();
        for candidate in &mut self.candidates[..leaders] {
            if candidate.is_wide {
                let (near, slack) = near(candidate.row);
                *candidate = Candidate { is_wide: false, ..Candidate::within(candidate.row, near, slack) };
            }
        }
        if leaders == self.k {
            self.limit = self.limit.max(worst(&self.candidates[..leaders]));
        }
        self.drop_hopeless();
    }

    fn drop_hopeless(&mut self) {
        let limit = self.limit;
        self.candidates.retain(|candidate| candidate.upper >= limit);
        self.full = (3 * self.candidates.len() / 2).max(least_full(self.k));
    }

    /// Whether bounds alone leave more candidates than are worth keeping.
    fn is_crowded(&self) -> bool {
        self.candidates.len() >= 4 * least_full(self.k) + MANY
    }

    fn merge(&mut self, other: Best) {
        self.limit = self.limit.max(other.limit);
        self.candidates.extend(other.candidates);
        self.at_or_above += other.at_or_above;
        if self.k > 0 && self.candidates.len() >= self.k {
            let lower = |a: &Candidate, b: &Candidate| b.lower.total_cmp(&a.lower);
            self.limit = self.limit.max(self.candidates.select_nth_unstable_by(self.k - 1, lower).1.lower);
        }
        self.drop_hopeless();
    }

    /// Replaces bounds by scores, and keeps the best `k`, best first; equal scores in order of rows.
    fn settle(&mut self, near: impl Fn(usize) -> (f32, f32), score: impl Fn(usize) -> f32, fetch: impl Fn(usize)) {
        self.drop_hopeless();
        let first = self.lead();
        let mut settled: Vec<Candidate> = Vec::with_capacity(self.candidates.len());
        for (i, candidate) in self.candidates.iter().enumerate() {
            if let Some(next) = self.candidates.get(i + AHEAD) {
                fetch(next.row);
            }
            if i == first && first == self.k {
                // Those that look best are settled: their worst score is a limit that few others reach.
                self.limit = self.limit.max(worst(&settled));
            }
            if candidate.is_settled() {
                settled.push(*candidate);
            } else if candidate.upper >= self.limit {
                let (near, slack) = if i < first { (f32::INFINITY, 0.0) } else { near(candidate.row) };
                if near >= lowered(self.limit, slack) {
                    settled.push(Candidate::settled(candidate.row, score(candidate.row)));
                }
            }
        }
        settled
            .sort_unstable_by(|a, b| b.lower.partial_cmp(&a.lower).unwrap_or(Ordering::Equal).then(a.row.cmp(&b.row)));
        settled.truncate(self.k);
        if settled.len() == self.k {
            self.limit = self.limit.max(worst(&settled));
        }
        self.candidates = settled;
        self.full = least_full(self.k);
    }
}

fn worst(settled: &[Candidate]) -> f32 {
    settled.iter().fold(f32::INFINITY, |worst, candidate| worst.min(candidate.lower))
}

fn least_full(k: usize) -> usize {
    2 * k + 64
}

/// The best of every probe so far. Units merge into it as they finish; one lock for the probes that a unit takes
/// together.
struct Board(Vec<Mutex<Vec<Best>>>);

impl Board {
    /// `first` holds for each probe a score that its `k`-th best surely reaches.
    fn new(first: &[f32], k: usize) -> Self {
        Board(first.chunks(UNIT_PROBES).map(|f| Mutex::new(f.iter().map(|&f| Best::new(k, f)).collect())).collect())
    }

    fn merge(&self, probe_unit: usize, found: Vec<Best>) {
        let mut best = work::locked(&self.0[probe_unit]);
        best.iter_mut().zip(found).for_each(|(best, found)| best.merge(found));
    }

    /// For each probe of a unit, a score that its `k`-th best surely reaches, as far as units have finished.
    fn limits(&self, probe_unit: usize) -> Vec<f32> {
        work::locked(&self.0[probe_unit]).iter().map(|best| best.limit).collect()
    }

    /// The best of each probe, in order.
    fn take(self) -> impl Iterator<Item = Best> {
        self.0.into_iter().flat_map(|unit| std::mem::take(&mut *work::locked(&unit)))
    }
}

/// The best `k` rows of `gallery` for every row of `probes`, and counts at or above `floors`, one a probe.
pub fn search(
    gallery: Gallery<'_>,
    probes: Rows<'_>,
    k: usize,
    floors: Option<&[f32]>,
    kernel: Kernel,
    threads: usize,
    stop: &mut dyn FnMut() -> bool,
) -> Result<Found, Error> {
    check(gallery.rows, probes, k, floors)?;
    let (m, n) = (probes.len(), gallery.rows.len());
    let mut found = Found { scores: Vec::new(), rows: Vec::new(), at_or_above: Vec::new() };
    for start in (0..m).step_by(BLOCK_PROBES) {
        let block = start..(start + BLOCK_PROBES).min(m);
        let (strips, first) = packed(gallery, probes, &block, k, kernel, threads, stop)?;
        let least = UNIT_PRODUCTS / (block.len().min(UNIT_PROBES) * probes.dimension());
        let span = span(n, least, strips.len(), work::threads_or_all(threads));
        let gallery_units = n.div_ceil(span);
        let scan = Scan { gallery, probes, k, floors, kernel, slack: near_slack(probes.dimension()) };
        let board = Board::new(&first, k);
        work::share(
            strips.len() * gallery_units,
            threads,
            stop,
            || Ok(()),
            |(), unit| {
                let (probe_unit, rows) = (unit / gallery_units, part(&(0..n), unit % gallery_units, span));
                let first = block.start + probe_unit * UNIT_PROBES;
                board.merge(probe_unit, scan.unit(&strips[probe_unit], first, rows, board.limits(probe_unit)));
            },
        )?;
        let best: Vec<_> = board.take().map(Mutex::new).collect();
        work::share(
            best.len().div_ceil(SETTLE_PROBES),
            threads,
            stop,
            || Ok(()),
            |(), unit| part(&(0..best.len()), unit, SETTLE_PROBES).for_each(|i| scan.finish(block.start + i, &best[i])),
        )?;
        best.into_iter().for_each(|best| found.add(&work::locked(&best), floors.is_some()));
    }
    Ok(found)
}

/// Probes `block` packed, unit by unit, and for each a score that its `k`-th best surely reaches.
fn packed(
    gallery: Gallery<'_>,
    probes: Rows<'_>,
    block: &Range<usize>,
    k: usize,
    kernel: Kernel,
    threads: usize,
    stop: &mut dyn FnMut() -> bool,
) -> Result<(Vec<Strips>, Vec<f32>), Error> {
    let chunk = CHUNK_PANELS * LANES;
    let first_rows = (gallery.rows.len() / FIRST_PART / chunk * chunk).min(FIRST_ROWS);
    let parts = work::in_order(block.len().div_ceil(PACK_PROBES), threads, stop, |unit| {
        let strips = Strips::new(probes, part(block, unit, PACK_PROBES), gallery.panels, kernel);
        let n = strips.n_probes();
        let limits = if k > first_rows {
            vec![f32::NEG_INFINITY; n]
        } else {
            Screen::new(kernel, &strips, gallery).kth_best(0..n, 0..first_rows, k)
        };
        (strips, limits)
    })?;
    let (parts, limits): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
    Ok((parts.chunks(UNIT_PROBES / PACK_PROBES).map(Strips::join).collect(), limits.concat()))
}

fn check(gallery: Rows<'_>, probes: Rows<'_>, k: usize, floors: Option<&[f32]>) -> Result<(), Error> {
    if gallery.dimension() != probes.dimension() {
        return Err(Error::Shape(format!(
            "probes have dimension {}, the gallery has {}",
            probes.dimension(),
            gallery.dimension()
        )));
    }
    if k > gallery.len() {
        return Err(Error::Shape(format!("k is {k}, but the gallery has {} rows", gallery.len())));
    }
    if floors.is_some_and(|f| f.len() != probes.len()) {
        return Err(Error::Shape("floors must have one entry for each probe".into()));
    }
    Ok(())
}

/// Gallery rows of a unit: enough units for every thread, none too small to be worth one.
fn span(n: usize, least: usize, probe_units: usize, threads: usize) -> usize {
    let wanted = n.div_ceil((4 * threads).div_ceil(probe_units.max(1)));
    wanted.max(least).min(UNIT_GALLERY).next_multiple_of(CHUNK_PANELS * LANES)
}

struct Scan<'a> {
    gallery: Gallery<'a>,
    probes: Rows<'a>,
    k: usize,
    floors: Option<&'a [f32]>,
    kernel: Kernel,
    slack: f32,
}

impl Scan<'_> {
    /// What may be among the best of the probes that `strips` holds, of which `first` is the first, in gallery `rows`.
    fn unit(&self, strips: &Strips, first: usize, rows: Range<usize>, known: Vec<f32>) -> Vec<Best> {
        let floor = |probe: usize| self.floors.map_or(f32::INFINITY, |floors| floors[first + probe]);
        let mut best: Vec<Best> = known.into_iter().map(|known| Best::new(self.k, known)).collect();
        let mut limits: Vec<f32> = best.iter().enumerate().map(|(probe, best)| best.limit.min(floor(probe))).collect();
        let mut screen = Screen::new(self.kernel, strips, self.gallery);
        let keep = |pair: Pair, limit: &mut f32| {
            let (best, floor) = (&mut best[pair.probe], floor(pair.probe));
            let candidate = self.counted(first + pair.probe, pair, floor, best);
            best.offer(candidate);
            if best.is_full() {
                self.sharpen(first + pair.probe, best);
            }
            *limit = best.limit.min(floor);
            false
        };
        screen.open_pairs(0..strips.n_probes(), rows, &mut limits, keep, |_, _| ());
        best
    }

    /// The candidate that a pair is, once it is known whether its score reaches the floor.
    fn counted(&self, i: usize, pair: Pair, floor: f32, best: &mut Best) -> Candidate {
        let bounds = Candidate::within(pair.row, pair.estimate, pair.error);
        if bounds.upper < floor || bounds.lower >= floor {
            best.at_or_above += u64::from(bounds.lower >= floor);
            return bounds;
        }
        let score = self.kernel.score(self.probes.row(i), self.gallery.rows.row(pair.row));
        best.at_or_above += u64::from(score >= floor);
        Candidate::settled(pair.row, score)
    }

    fn sharpen(&self, i: usize, best: &mut Best) {
        best.sharpen(|row| (self.kernel.near(self.probes.row(i), self.gallery.rows.row(row)), self.slack));
        if best.is_crowded() {
            self.settle(i, best);
        }
    }

    fn settle(&self, i: usize, best: &mut Best) {
        let probe = self.probes.row(i);
        best.settle(
            |row| (self.kernel.near(probe, self.gallery.rows.row(row)), self.slack),
            |row| self.kernel.score(probe, self.gallery.rows.row(row)),
            |row| self.kernel.fetch(self.gallery.rows.row(row)),
        );
    }

    fn finish(&self, i: usize, best: &Mutex<Best>) {
        self.settle(i, &mut work::locked(best));
    }
}

impl Found {
    fn add(&mut self, best: &Best, counted: bool) {
        self.scores.extend(best.candidates.iter().map(|candidate| candidate.lower));
        self.rows.extend(best.candidates.iter().map(|candidate| candidate.row as i64));
        if counted {
            self.at_or_above.push(best.at_or_above);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::count::tests::Kept;
    use crate::rows::tests::{awkward, ties};
    use proptest::prelude::*;

    fn by_definition(gallery: Rows<'_>, probes: Rows<'_>, k: usize, floors: &[f32]) -> Found {
        let scalar = Kernel::choose(Some("scalar")).unwrap();
        let mut found = Found { scores: vec![], rows: vec![], at_or_above: vec![] };
        for (i, &floor) in floors.iter().enumerate() {
            let mut hits: Vec<(f32, usize)> =
                (0..gallery.len()).map(|j| (scalar.score(probes.row(i), gallery.row(j)), j)).collect();
            found.at_or_above.push(hits.iter().filter(|h| h.0 >= floor).count() as u64);
            hits.sort_by(|a, b| b.0.partial_cmp(&a.0).unwrap().then(a.1.cmp(&b.1)));
            found.scores.extend(hits[..k].iter().map(|h| h.0));
            found.rows.extend(hits[..k].iter().map(|h| h.1 as i64));
        }
        found
    }

    fn searched(
        gallery: Rows<'_>,
        probes: Rows<'_>,
        k: usize,
        floors: &[f32],
        kernel: Kernel,
        threads: usize,
    ) -> Found {
        let kept = Kept::new(gallery, kernel);
        search(kept.with(gallery), probes, k, Some(floors), kernel, threads, &mut || false).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn every_kernel_and_thread_count_finds_what_the_definition_finds(
            n in 1usize..9000, m in 1usize..80, d in prop_oneof![1usize..20, 1usize..=1100], k in 0usize..60,
            seed: u64, is_awkward: bool, threads in 1usize..9,
        ) {
            let n = n.min(180_000 / d);
            let make = if is_awkward { awkward } else { ties };
            let (gallery, probes) = (make(n, d, seed), make(m, d, seed ^ 1));
            let (gallery, probes) = (Rows::new(&gallery, n, d).unwrap(), Rows::new(&probes, m, d).unwrap());
            let k = k.min(n);
            let scalar = Kernel::choose(Some("scalar")).unwrap();
            let floors: Vec<f32> = (0..m).map(|i| scalar.score(probes.row(i), gallery.row(i % n))).collect();
            let expected = by_definition(gallery, probes, k, &floors);
            for kernel in Kernel::available() {
                let found = searched(gallery, probes, k, &floors, kernel, threads);
                prop_assert_eq!(&found, &expected, "{}", kernel.name());
            }
        }
    }

    #[test]
    fn however_many_units_merge_a_probe_keeps_few_candidates() {
        let (m, k) = (UNIT_PROBES + 3, 5);
        let board = Board::new(&vec![f32::NEG_INFINITY; m], k);
        for unit in 0..1000 {
            let mut found = vec![Best::new(k, f32::NEG_INFINITY); 3];
            for best in &mut found {
                for row in unit * 10..unit * 10 + 10 {
                    let score = (row * 7919 % 10_000) as f32;
                    best.offer(Candidate::within(row, score, 10.0));
                    if best.is_full() {
                        best.sharpen(|row| ((row * 7919 % 10_000) as f32, 0.0));
                    }
                }
            }
            found[0].at_or_above = 1;
            board.merge(1, found);
            assert!(board.0[1].lock().unwrap().iter().all(|best| best.candidates.len() < 60));
        }
        let mut best: Vec<Best> = board.take().collect();
        assert_eq!((best.len(), best[0].candidates.len(), best[UNIT_PROBES].at_or_above), (m, 0, 1000));
        let score = |row: usize| (row * 7919 % 10_000) as f32;
        best[m - 1].settle(|row| (score(row), 0.0), score, |_| ());
        let scores: Vec<f32> = best[m - 1].candidates.iter().map(|candidate| candidate.lower).collect();
        assert_eq!(scores, [9999.0, 9998.0, 9997.0, 9996.0, 9995.0]);
    }

    #[test]
    fn a_crowd_of_equal_scores_is_settled_on_the_way() {
        let (n, k) = (3 * MANY, 3);
        let gallery = vec![1.0; n];
        let (gallery, probe) = (Rows::new(&gallery, n, 1).unwrap(), Rows::new(&[1.0], 1, 1).unwrap());
        for kernel in Kernel::available() {
            let found = searched(gallery, probe, k, &[2.0], kernel, 1);
            assert_eq!(found.rows, [0, 1, 2], "{}", kernel.name());
        }
    }

    #[test]
    fn more_probes_than_a_block_are_all_searched() {
        let (n, m) = (40, BLOCK_PROBES + 5);
        let (gallery, probes) = (ties(n, 3, 3), ties(m, 3, 4));
        let (gallery, probes) = (Rows::new(&gallery, n, 3).unwrap(), Rows::new(&probes, m, 3).unwrap());
        let floors = vec![0.25; m];
        let found = searched(gallery, probes, 2, &floors, Kernel::choose(None).unwrap(), 0);
        assert_eq!(found, by_definition(gallery, probes, 2, &floors));
    }

    #[test]
    fn equal_scores_come_in_order_of_rows() {
        let (gallery, probe) = ([1.0; 6000], [1.0]);
        let (gallery, probe) = (Rows::new(&gallery, 6000, 1).unwrap(), Rows::new(&probe, 1, 1).unwrap());
        for kernel in Kernel::available() {
            let found = searched(gallery, probe, 3, &[2.0], kernel, 4);
            assert_eq!((found.rows, found.scores), (vec![0, 1, 2], vec![1.0; 3]));
        }
    }

    #[test]
    fn more_candidates_than_rows_are_refused() {
        let kernel = Kernel::choose(None).unwrap();
        let rows = Rows::new(&[1.0], 1, 1).unwrap();
        let kept = Kept::new(rows, kernel);
        let answer = search(kept.with(rows), rows, 2, None, kernel, 1, &mut || false);
        assert!(matches!(answer, Err(Error::Shape(_))));
    }
}
