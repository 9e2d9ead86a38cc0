//! Tail: the best pairs of strangers in each cell of a rectangle, exactly.
//!
//! 8-bit integers prove of nearly all pairs that they do not reach the worst that their cell keeps
//! ([`crate::screen`]); the rest is scored by the definition. Equal scores are ordered by the lower probe, then by
//! the lower row, so the answer is the same whatever the instruction set, the threads or the order.

use crate::count::{Packed, Rectangle};
use crate::dot::{Kernel, LANES, lowered, near_slack};
use crate::error::Error;
use crate::pack::Strips;
use crate::screen::{Gallery, Pair, Screen};
use crate::work::{self, part};
use std::cmp::Ordering;
use std::collections::HashMap;
use std::ops::Range;

/// Probes of one unit of work: their integers stay in the second-level cache, beside a chunk of the gallery.
const UNIT_PROBES: usize = 1024;
/// Gallery rows of one unit of work: a few milliseconds, so that a request to stop is heard soon.
const UNIT_GALLERY: usize = 4096;
/// Most that the hits of all threads may take together: large tails get fewer threads, not more memory.
const HITS_BYTES: usize = 1 << 30;
/// Hits that a cell keeps, beside twice those that are wanted, before the worst are dropped.
const SPARE: usize = 64;

/// Which pairs of a rectangle are wanted: the best `n` of each cell that reach its floor, those of one subject left out.
pub struct Wanted<'a> {
    pub at: Rectangle<'a>,
    pub n: usize,
    /// What a score must reach, by cell.
    pub floors: &'a [f32],
    /// Subject of each probe and of each gallery row.
    pub probe_subjects: &'a [u32],
    pub gallery_subjects: &'a [u32],
}

/// A pair and its score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    pub score: f32,
    pub probe: usize,
    pub row: usize,
}

impl Hit {
    /// Best first.
    fn order(&self, other: &Hit) -> Ordering {
        let scores = other.score.partial_cmp(&self.score).unwrap_or(Ordering::Equal);
        scores.then(self.probe.cmp(&other.probe)).then(self.row.cmp(&other.row))
    }
}

/// The wanted pairs of each cell, best first.
pub fn tail(
    wanted: &Wanted<'_>,
    packed: &impl Packed,
    kernel: Kernel,
    threads: usize,
    stop: &mut dyn FnMut() -> bool,
) -> Result<Vec<Vec<Hit>>, Error> {
    wanted.check()?;
    let (probes, rows) = (&wanted.at.probe_range, &wanted.at.gallery_range);
    let gallery = Gallery { rows: wanted.at.gallery, panels: packed.panels(stop)? };
    let scan = Scan { wanted, gallery, kernel, slack: near_slack(wanted.at.probes.dimension()) };
    let gallery_units = rows.len().div_ceil(UNIT_GALLERY);
    let states = work::share(
        probes.len().div_ceil(UNIT_PROBES) * gallery_units,
        affordable(threads, wanted.n, wanted.floors.len()),
        stop,
        || Ok(wanted.floors.iter().map(|&floor| Best::new(wanted.n, floor)).collect()),
        |best: &mut Vec<Best>, unit| {
            let probes = part(probes, unit / gallery_units, UNIT_PROBES);
            let rows = part(rows, unit % gallery_units, UNIT_GALLERY);
            if !wanted.at.upper || rows.end > probes.start + 1 {
                scan.unit(best, probes, rows);
            }
        },
    )?;
    let sum = states.into_iter().reduce(|all, more| all.into_iter().zip(more).map(|(a, b)| a.merge(b)).collect());
    Ok(sum.unwrap_or_default().into_iter().map(Best::finish).collect())
}

/// The best hits of one cell seen so far, and some that may not be.
struct Best {
    n: usize,
    /// The floor, or the score of the worst of the best `n` once they are known.
    limit: f32,
    hits: Vec<Hit>,
}

impl Best {
    fn new(n: usize, floor: f32) -> Self {
        Best { n, limit: if n == 0 { f32::INFINITY } else { floor }, hits: Vec::new() }
    }

    fn offer(&mut self, hit: Hit) {
        if hit.score >= self.limit {
            self.hits.push(hit);
            if self.hits.len() >= self.n.saturating_mul(2).saturating_add(SPARE) {
                self.prune();
            }
        }
    }

    /// Drops all but the best `n`.
    fn prune(&mut self) {
        if self.n > 0 && self.hits.len() >= self.n {
            let worst = self.hits.select_nth_unstable_by(self.n - 1, Hit::order).1.score;
            self.limit = self.limit.max(worst);
            self.hits.truncate(self.n);
        }
    }

    fn merge(mut self, other: Best) -> Best {
        self.hits.extend(other.hits);
        self.prune();
        self
    }

    fn finish(mut self) -> Vec<Hit> {
        self.prune();
        self.hits.sort_unstable_by(Hit::order);
        self.hits
    }
}

struct Scan<'a> {
    wanted: &'a Wanted<'a>,
    gallery: Gallery<'a>,
    kernel: Kernel,
    slack: f32,
}

impl Scan<'_> {
    /// Offers every pair of `probes` and `rows` that may be among the best of its cell.
    fn unit(&self, best: &mut [Best], probes: Range<usize>, rows: Range<usize>) {
        let at = &self.wanted.at;
        let strips = Strips::new(at.probes, probes.clone(), self.gallery.panels, self.kernel);
        let screen = Screen::new(self.kernel, &strips, self.gallery).fetching();
        let mut screen = if at.upper { screen.after(probes.start) } else { screen };
        for segment in segments(at.gallery_groups, rows) {
            let mut limits = self.limits(best, &probes, &segment);
            screen.pairs(0..strips.n_probes(), segment, &mut limits, |pair, _| self.settle(best, probes.start, pair));
        }
    }

    /// For each probe, what a pair with one of `rows` must reach: the least that one of their cells asks for.
    fn limits(&self, best: &[Best], probes: &Range<usize>, rows: &Range<usize>) -> Vec<f32> {
        let mut groups = self.wanted.at.gallery_groups[rows.clone()].to_vec();
        groups.sort_unstable();
        groups.dedup();
        let least = |group: u32| {
            let limits = groups.iter().map(|&other| best[self.wanted.at.cell_of(group, other)].limit);
            limits.fold(f32::INFINITY, f32::min)
        };
        let mut known = HashMap::new();
        let probe_groups = &self.wanted.at.probe_groups[probes.clone()];
        probe_groups.iter().map(|&group| *known.entry(group).or_insert_with(|| least(group))).collect()
    }

    fn settle(&self, best: &mut [Best], first: usize, pair: Pair) {
        let (wanted, probe, row) = (self.wanted, first + pair.probe, pair.row);
        let best = &mut best[wanted.at.cell_of(wanted.at.probe_groups[probe], wanted.at.gallery_groups[row])];
        // Rounding moves the bound by less than a step.
        let is_below = (pair.estimate + pair.error).next_up() < best.limit;
        if is_below || wanted.probe_subjects[probe] == wanted.gallery_subjects[row] {
            return;
        }
        let (a, b) = (wanted.at.probes.row(probe), wanted.at.gallery.row(row));
        if self.kernel.near(a, b) >= lowered(best.limit, self.slack) {
            best.offer(Hit { score: self.kernel.score(a, b), probe, row });
        }
    }
}

/// Rows of one group, one after another; where groups change within a panel, rows of several.
fn segments(groups: &[u32], rows: Range<usize>) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let (mut start, mut after_short) = (rows.start, false);
    for run in groups[rows].chunk_by(|a, b| a == b) {
        let (end, is_short) = (start + run.len(), run.len() < LANES);
        match found.last_mut() {
            Some(last) if is_short && after_short => last.end = end,
            _ => found.push(start..end),
        }
        (start, after_short) = (end, is_short);
    }
    found
}

/// Threads whose hits fit in [`HITS_BYTES`] together; one at least.
fn affordable(threads: usize, n: usize, n_cells: usize) -> usize {
    let size = n.saturating_mul(2 * size_of::<Hit>()).saturating_mul(n_cells).max(1);
    work::threads_or_all(threads).min((HITS_BYTES / size).max(1))
}

impl Wanted<'_> {
    fn check(&self) -> Result<(), Error> {
        let at = &self.at;
        at.check()?;
        if self.probe_subjects.len() != at.probes.len() || self.gallery_subjects.len() != at.gallery.len() {
            return Err(Error::Shape("subjects must have one entry for each row".into()));
        }
        if self.floors.len() != at.n_cells {
            return Err(Error::Shape("floors must have one entry for each cell".into()));
        }
        if self.floors.iter().any(|floor| floor.is_nan()) {
            return Err(Error::Value("a floor is NaN, expected a score or an infinity".into()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::count::tests::Kept;
    use crate::rows::Rows;
    use crate::rows::tests::{awkward, ties};
    use proptest::prelude::*;

    fn by_definition(wanted: &Wanted<'_>) -> Vec<Vec<Hit>> {
        let (at, scalar) = (&wanted.at, Kernel::choose(Some("scalar")).unwrap());
        let mut cells = vec![Vec::new(); at.n_cells];
        for probe in at.probe_range.clone() {
            for row in at.gallery_range.clone().filter(|&row| !at.upper || row > probe) {
                let cell = wanted.at.cell_of(at.probe_groups[probe], at.gallery_groups[row]);
                let score = scalar.score(at.probes.row(probe), at.gallery.row(row));
                if wanted.probe_subjects[probe] != wanted.gallery_subjects[row] && score >= wanted.floors[cell] {
                    cells[cell].push(Hit { score, probe, row });
                }
            }
        }
        for hits in &mut cells {
            hits.sort_by(Hit::order);
            hits.truncate(wanted.n);
        }
        cells
    }

    fn found(wanted: &Wanted<'_>, kernel: Kernel, threads: usize) -> Result<Vec<Vec<Hit>>, Error> {
        tail(wanted, &Kept::new(wanted.at.gallery, kernel), kernel, threads, &mut || false)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn every_kernel_and_thread_count_keeps_what_the_definition_keeps(
            n in 1usize..1500, m in 1usize..700, d in prop_oneof![1usize..20, 1usize..=1100], seed: u64,
            upper: bool, threads in 1usize..9, run in 1usize..60, per_subject in 1usize..5, is_awkward: bool,
            kept in prop_oneof![0usize..4, 1usize..2000], has_floors: bool,
        ) {
            let (n, m) = (n.min(60_000 / d).max(1), m.min(60_000 / d).max(1));
            let make = if is_awkward { awkward } else { ties };
            let (probes, gallery) = (make(n, d, seed), make(m, d, seed ^ 1));
            let probes = Rows::new(&probes, n, d).unwrap();
            let gallery = if upper { probes } else { Rows::new(&gallery, m, d).unwrap() };
            let of = |n: usize, size: usize, kinds: usize| -> Vec<u32> {
                (0..n).map(|i| (i / size % kinds) as u32).collect()
            };
            let (a, b) = (of(n, run, 3), of(gallery.len(), run, 3));
            let (x, y) = (of(n, per_subject, 400), of(gallery.len(), per_subject, 400));
            // Floors that are scores which occur, and none.
            let scalar = Kernel::choose(Some("scalar")).unwrap();
            let floor = |i: usize| scalar.score(probes.row(i % n), gallery.row(i % 7 % gallery.len()));
            let floors: Vec<f32> =
                (0..6).map(|i| if has_floors && i > 0 { floor(i) } else { f32::NEG_INFINITY }).collect();
            let wanted = Wanted {
                at: Rectangle {
                    probes, gallery,
                    probe_range: n / 5..n, gallery_range: gallery.len() / 7..gallery.len(),
                    upper, probe_groups: &a, gallery_groups: &b,
                    cells: &[0, 1, 2, 1, 3, 4, 2, 4, 5], n_gallery_groups: 3, n_cells: 6,
                },
                n: kept, floors: &floors, probe_subjects: &x, gallery_subjects: &y,
            };
            let expected = by_definition(&wanted);
            for kernel in Kernel::available() {
                prop_assert_eq!(&found(&wanted, kernel, threads).unwrap(), &expected, "{}", kernel.name());
            }
        }
    }

    /// Rows of one component in one cell, each of a subject of its own.
    fn line<'a>(rows: Rows<'a>, groups: &'a [u32], subjects: &'a [u32], floors: &'a [f32], n: usize) -> Wanted<'a> {
        let range = 0..rows.len();
        let at = Rectangle {
            probes: rows,
            gallery: rows,
            probe_range: range.clone(),
            gallery_range: range,
            upper: true,
            probe_groups: groups,
            gallery_groups: groups,
            cells: &[0],
            n_gallery_groups: 1,
            n_cells: 1,
        };
        Wanted { at, n, floors, probe_subjects: subjects, gallery_subjects: subjects }
    }

    #[test]
    fn of_equal_scores_the_first_pairs_are_kept() {
        let (unit, groups, subjects) = ([1.0; 3000], [0; 3000], Vec::from_iter(0..3000));
        let rows = Rows::new(&unit, 3000, 1).unwrap();
        for kernel in Kernel::available() {
            let hits = &found(&line(rows, &groups, &subjects, &[1.0], 3), kernel, 4).unwrap()[0];
            let pairs: Vec<_> = hits.iter().map(|hit| (hit.probe, hit.row, hit.score)).collect();
            assert_eq!(pairs, [(0, 1, 1.0), (0, 2, 1.0), (0, 3, 1.0)], "{}", kernel.name());
        }
    }

    #[test]
    fn fewer_pairs_than_are_wanted_are_all_kept() {
        let rows = Rows::new(&[1.0, 1.0, -1.0], 3, 1).unwrap();
        let wanted = line(rows, &[0; 3], &[0, 0, 1], &[f32::NEG_INFINITY], usize::MAX);
        let hits = [Hit { score: -1.0, probe: 0, row: 2 }, Hit { score: -1.0, probe: 1, row: 2 }];
        assert_eq!(found(&wanted, Kernel::choose(None).unwrap(), 1).unwrap(), [hits]);
    }

    #[test]
    fn a_cell_keeps_few_hits_however_many_are_offered() {
        let mut best = Best::new(5, f32::NEG_INFINITY);
        for row in 0..100_000 {
            best.offer(Hit { score: (row * 7919 % 100_000) as f32, probe: 0, row });
            assert!(best.hits.len() < 2 * 5 + SPARE);
        }
        let scores: Vec<f32> = best.finish().iter().map(|hit| hit.score).collect();
        assert_eq!(scores, [99999.0, 99998.0, 99997.0, 99996.0, 99995.0]);
    }

    #[test]
    fn segments_hold_one_group_where_runs_are_long() {
        let groups: Vec<u32> = [(0, 2), (1, 1), (2, 40), (3, 16), (0, 3)]
            .iter()
            .flat_map(|&(group, n)| std::iter::repeat_n(group, n))
            .collect();
        assert_eq!(segments(&groups, 0..62), [0..3, 3..43, 43..59, 59..62]);
        assert_eq!(segments(&groups, 1..50), [1..3, 3..43, 43..50]);
        assert!(segments(&groups, 7..7).is_empty());
    }

    #[test]
    fn large_tails_get_fewer_threads() {
        let all = work::threads_or_all(0);
        assert_eq!([affordable(0, 0, 0), affordable(0, 1000, 6), affordable(0, usize::MAX, 2)], [all, all, 1]);
    }

    #[test]
    fn arguments_that_contradict_each_other_are_refused() {
        let rows = Rows::new(&[1.0, 1.0, -1.0], 3, 1).unwrap();
        let kernel = Kernel::choose(None).unwrap();
        let none = f32::NEG_INFINITY;
        let refused = |groups: &[u32], subjects: &[u32], floors: &[f32]| {
            found(&line(rows, groups, subjects, floors, 1), kernel, 1).unwrap_err()
        };
        for (groups, subjects, floors) in [
            (&[0, 0, 1], &[0, 1, 2][..], &[none][..]),
            (&[0, 0, 0], &[0, 1], &[none]),
            (&[0, 0, 0], &[0, 1, 2], &[none, none]),
        ] {
            assert!(matches!(refused(groups, subjects, floors), Error::Shape(_)));
        }
        assert!(matches!(refused(&[0; 3], &[0, 1, 2], &[f32::NAN]), Error::Value(_)));
    }
}
