//! Search: the best `k` gallery rows of each probe, exactly, and how many rows reach a floor.
//!
//! A row may enter the best `k` only if its screened score plus `slack` reaches the `k`-th best score found so
//! far; then its score is settled by the definition. Equal scores are ordered by the lower row.

use crate::count::{CHUNK_PANELS, STRIP, chunks, part};
use crate::dot::{Kernel, LANES, Tile, lowered, slack};
use crate::error::Error;
use crate::rows::Rows;
use crate::work;
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Probes of one unit of work.
const UNIT_PROBES: usize = 32;
/// Gallery rows of one unit of work, at most.
const UNIT_GALLERY: usize = 65536;
/// Products of one unit of work, at least: every unit settles the best `k` of its own rows, and wakes a thread.
const UNIT_PRODUCTS: usize = 1 << 24;

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

/// A gallery row and its score; greater is better, and of equal scores the lower row is better.
#[derive(Clone, Copy, PartialEq)]
struct Hit {
    score: f32,
    row: usize,
}

impl Eq for Hit {}

impl Ord for Hit {
    fn cmp(&self, other: &Self) -> Ordering {
        // Scores are never NaN; -0.0 equals 0.0.
        self.score.partial_cmp(&other.score).unwrap_or(Ordering::Equal).then(other.row.cmp(&self.row))
    }
}

impl PartialOrd for Hit {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The best hits and the count of one probe, over the rows seen so far.
#[derive(Clone)]
struct Best {
    k: usize,
    hits: BinaryHeap<Reverse<Hit>>,
    at_or_above: u64,
}

impl Best {
    fn new(k: usize) -> Self {
        Best { k, hits: BinaryHeap::with_capacity(k + 1), at_or_above: 0 }
    }

    /// Screened scores below this cannot enter.
    fn limit(&self, slack: f32) -> f32 {
        match self.hits.peek() {
            _ if self.k == 0 => f32::INFINITY,
            Some(worst) if self.hits.len() == self.k => lowered(worst.0.score, slack),
            _ => f32::NEG_INFINITY,
        }
    }

    fn offer(&mut self, hit: Hit) {
        self.hits.push(Reverse(hit));
        if self.hits.len() > self.k {
            self.hits.pop();
        }
    }

    fn merge(&mut self, mut other: Best) {
        if self.hits.is_empty() {
            std::mem::swap(&mut self.hits, &mut other.hits);
        }
        other.hits.into_iter().for_each(|hit| self.offer(hit.0));
        self.at_or_above += other.at_or_above;
    }
}

/// The best of every probe so far. Units merge into it as they finish, so that it holds `k` hits a probe however
/// many units, threads and gallery rows there are; one lock for the probes that a unit takes together.
struct Board(Vec<Mutex<Vec<Best>>>);

impl Board {
    fn new(m: usize, k: usize) -> Self {
        let units = (0..m.div_ceil(UNIT_PROBES)).map(|unit| part(&(0..m), unit, UNIT_PROBES).len());
        Board(units.map(|n| Mutex::new(vec![Best::new(k); n])).collect())
    }

    fn merge(&self, probe_unit: usize, found: Vec<Best>) {
        // A panic elsewhere ends the search; it leaves nothing to protect here.
        let mut best = self.0[probe_unit].lock().unwrap_or_else(PoisonError::into_inner);
        best.iter_mut().zip(found).for_each(|(best, found)| best.merge(found));
    }

    /// The best of each probe, in order.
    fn take(self) -> impl Iterator<Item = Best> {
        self.0.into_iter().flat_map(|unit| unit.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The best `k` rows of `gallery` for every row of `probes`, and counts at or above `floors`, one a probe.
pub fn search(
    gallery: &Rows,
    probes: &Rows,
    k: usize,
    floors: Option<&[f32]>,
    kernel: Kernel,
    threads: usize,
    stop: &mut dyn FnMut() -> bool,
) -> Result<Found, Error> {
    check(gallery, probes, k, floors)?;
    let m = probes.len();
    let probe_units = m.div_ceil(UNIT_PROBES);
    let least = UNIT_PRODUCTS / (m.clamp(1, UNIT_PROBES) * probes.dimension());
    let span = span(gallery.len(), least, probe_units, work::threads_or_all(threads));
    let gallery_units = gallery.len().div_ceil(span);
    let scan = Scan { gallery, probes, k, floors, kernel, slack: slack(probes.dimension()) };
    let board = Board::new(m, k);
    work::share(
        probe_units * gallery_units,
        threads,
        stop,
        || Ok(()),
        |(), unit| {
            let rows = part(&(0..m), unit / gallery_units, UNIT_PROBES);
            let span = part(&(0..gallery.len()), unit % gallery_units, span);
            board.merge(unit / gallery_units, scan.unit(rows, span));
        },
    )?;
    Ok(collect(board, m * k, floors.is_some()))
}

fn check(gallery: &Rows, probes: &Rows, k: usize, floors: Option<&[f32]>) -> Result<(), Error> {
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
    gallery: &'a Rows,
    probes: &'a Rows,
    k: usize,
    floors: Option<&'a [f32]>,
    kernel: Kernel,
    slack: f32,
}

impl Scan<'_> {
    fn unit(&self, probes: Range<usize>, gallery: Range<usize>) -> Vec<Best> {
        let mut best = vec![Best::new(self.k); probes.len()];
        let mut out = [0.0f32; STRIP * CHUNK_PANELS * LANES];
        for (panels, rows) in chunks(gallery) {
            let width = panels.len() * LANES;
            for start in probes.clone().step_by(STRIP) {
                let strip = start..(start + STRIP).min(probes.end);
                let tile = Tile {
                    probes: self.probes.block(strip.start, strip.end),
                    stride: self.probes.stride(),
                    d: self.probes.dimension(),
                    panels: self.gallery.panels().slice(panels.start, panels.end),
                    width,
                };
                self.kernel.screen(tile, &mut out);
                for (scores, i) in out.chunks_exact(width).zip(strip) {
                    self.sift(i, &rows, &scores[..rows.len()], &mut best[i - probes.start]);
                }
            }
        }
        best
    }

    /// Takes from the screened scores of probe `i` what may be among its best or at its floor.
    fn sift(&self, i: usize, rows: &Range<usize>, scores: &[f32], best: &mut Best) {
        let score = |row: usize| self.kernel.score(self.probes.row(i), self.gallery.row(row));
        let mut limit = best.limit(self.slack);
        let mut at = self.kernel.next_at_least(scores, limit, 0);
        while at < scores.len() {
            let row = rows.start + at;
            best.offer(Hit { score: score(row), row });
            limit = best.limit(self.slack);
            at = self.kernel.next_at_least(scores, limit, at + 1);
        }
        if let Some(floors) = self.floors {
            let (floor, limit) = (floors[i], lowered(floors[i], self.slack));
            let mut at = self.kernel.next_at_least(scores, limit, 0);
            while at < scores.len() {
                let is_clear = scores[at] - floor > self.slack;
                best.at_or_above += u64::from(is_clear || score(rows.start + at) >= floor);
                at = self.kernel.next_at_least(scores, limit, at + 1);
            }
        }
    }
}

fn collect(board: Board, n: usize, counted: bool) -> Found {
    let mut found = Found { scores: Vec::with_capacity(n), rows: Vec::with_capacity(n), at_or_above: Vec::new() };
    for best in board.take() {
        // Ascending in `Reverse` is best first.
        for Reverse(hit) in best.hits.into_sorted_vec() {
            found.scores.push(hit.score);
            found.rows.push(hit.row as i64);
        }
        if counted {
            found.at_or_above.push(best.at_or_above);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::count::tests::ties;
    use proptest::prelude::*;

    fn by_definition(gallery: &Rows, probes: &Rows, k: usize, floors: &[f32]) -> Found {
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

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn every_kernel_and_thread_count_finds_what_the_definition_finds(
            n in 1usize..9000, m in 1usize..80, d in 1usize..20, k in 0usize..60, seed: u64, threads in 1usize..9,
        ) {
            let (gallery, probes) = (ties(n, d, seed), ties(m, d, seed ^ 1));
            let k = k.min(n);
            let scalar = Kernel::choose(Some("scalar")).unwrap();
            let floors: Vec<f32> = (0..m).map(|i| scalar.score(probes.row(i), gallery.row(i % n))).collect();
            let expected = by_definition(&gallery, &probes, k, &floors);
            for kernel in Kernel::available() {
                let found = search(&gallery, &probes, k, Some(&floors), kernel, threads, &mut || false).unwrap();
                prop_assert_eq!(&found, &expected, "{}", kernel.name());
            }
        }
    }

    #[test]
    fn however_many_units_merge_a_probe_holds_k_hits() {
        let (m, k) = (UNIT_PROBES + 3, 5);
        let board = Board::new(m, k);
        for row in 0..1000 {
            let mut found = vec![Best::new(k); 3];
            found.iter_mut().for_each(|best| best.offer(Hit { score: (row % 7) as f32, row }));
            found[0].at_or_above = 1;
            board.merge(1, found);
            assert!(board.0[1].lock().unwrap().iter().all(|best| best.hits.len() == k.min(row + 1)));
        }
        let best: Vec<Best> = board.take().collect();
        assert_eq!((best.len(), best[0].hits.len(), best[UNIT_PROBES].at_or_above), (m, 0, 1000));
        let rows: Vec<usize> = best[m - 1].hits.clone().into_sorted_vec().iter().map(|hit| hit.0.row).collect();
        assert_eq!(rows, [6, 13, 20, 27, 34]);
    }

    #[test]
    fn with_an_infinite_slack_every_row_is_settled() {
        let (gallery, probes, k) = (ties(700, 5, 3), ties(9, 5, 4), 7);
        let floors = [0.25; 9];
        for kernel in Kernel::available() {
            let (gallery, probes) = (&gallery, &probes);
            let scan = Scan { gallery, probes, k, floors: Some(&floors), kernel, slack: f32::INFINITY };
            let board = Board::new(9, k);
            board.merge(0, scan.unit(0..9, 0..700));
            assert_eq!(collect(board, 9 * k, true), by_definition(gallery, probes, k, &floors), "{}", kernel.name());
        }
    }

    #[test]
    fn equal_scores_come_in_order_of_rows() {
        let gallery = Rows::new(&[1.0; 600], 600, 1).unwrap();
        let probes = Rows::new(&[1.0], 1, 1).unwrap();
        let kernel = Kernel::choose(None).unwrap();
        let found = search(&gallery, &probes, 3, None, kernel, 4, &mut || false).unwrap();
        assert_eq!((found.rows, found.scores), (vec![0, 1, 2], vec![1.0; 3]));
    }

    #[test]
    fn more_candidates_than_rows_are_refused() {
        let rows = Rows::new(&[1.0], 1, 1).unwrap();
        let kernel = Kernel::choose(None).unwrap();
        assert!(matches!(search(&rows, &rows, 2, None, kernel, 1, &mut || false), Err(Error::Shape(_))));
    }
}
