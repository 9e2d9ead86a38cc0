//! Search: the best `k` gallery rows of each probe, exactly, and how many rows reach a floor.
//!
//! A sample of the gallery, spread evenly, gives each probe a limit that its `k`-th best is guessed to reach. Rows
//! whose 8-bit integers let them reach it are candidates; those that look best are scored by the definition, and of
//! the others those that may reach the worst of them. If `k` of them reach the limit, no other row can be among the
//! best; else that probe is searched again without a guess. In a small gallery, and in such a second search, the
//! limit is what `k` rows surely reach, and rises with them. Equal scores are ordered by the lower row.

use crate::best::{Best, Candidate};
use crate::dot::{Kernel, LANES, near_slack};
use crate::error::Error;
use crate::marks::Marks;
use crate::pack::Strips;
use crate::rows::Rows;
use crate::screen::{CHUNK_PANELS, Gallery, Pair, Screen};
use crate::settle::Settling;
use crate::work::{self, part};
use std::ops::Range;
use std::sync::Mutex;

/// Probes of one unit of work: their integers stay in the second-level cache, beside a chunk of the gallery.
const UNIT_PROBES: usize = 1024;
/// Probes that are packed together.
const PACK_PROBES: usize = 64;
/// Probes whose limits one unit of work guesses.
const GUESS_PROBES: usize = 256;
/// Probes that are searched before the next are packed: each keeps some hundreds of candidates.
const BLOCK_PROBES: usize = 1 << 13;
/// Gallery rows of one unit of work, at most.
const UNIT_GALLERY: usize = 65536;
/// Products of one unit of work, at least: every unit has candidates of its own, and wakes a thread.
const UNIT_PRODUCTS: usize = 1 << 26;
/// Gallery rows that give limits without a guess, and the part of the gallery that they are at most.
const FIRST_ROWS: usize = 2048;
const FIRST_PART: usize = 8;
/// Probes from which on guessing is worth a pass over the sample.
const GUESSED_PROBES: usize = 16;
/// Rows that are multiplied together.
const CHUNK: usize = CHUNK_PANELS * LANES;

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

/// The best of every probe so far. Units merge into it as they finish; one lock for the probes that a unit takes
/// together.
struct Board(Vec<Mutex<Vec<Best>>>);

impl Board {
    fn new(best: Vec<Best>) -> Self {
        let mut best = best.into_iter();
        let units =
            std::iter::from_fn(|| Some(best.by_ref().take(UNIT_PROBES).collect()).filter(|u: &Vec<_>| !u.is_empty()));
        Board(units.map(Mutex::new).collect())
    }

    fn merge(&self, probe_unit: usize, found: Vec<Best>) {
        let mut best = work::locked(&self.0[probe_unit]);
        best.iter_mut().zip(found).for_each(|(best, found)| best.merge(found));
    }

    /// For each probe of a unit, what rows must reach to be wanted, as far as units have finished.
    fn limits(&self, probe_unit: usize) -> Vec<f32> {
        work::locked(&self.0[probe_unit]).iter().map(|best| best.limit).collect()
    }

    /// The best of each probe, in order.
    fn take(self) -> Vec<Best> {
        self.0.into_iter().flat_map(|unit| std::mem::take(&mut *work::locked(&unit))).collect()
    }
}

/// Rows, spread evenly over a gallery, that stand for all of them.
#[derive(Clone, Copy)]
struct Sample {
    /// Rows of the gallery, and from the start of one sampled chunk to the next.
    n: usize,
    step: usize,
    /// The so-many-th best of the sample that the `k`-th best of all is guessed to reach.
    rank: usize,
}

impl Sample {
    /// One chunk in this many.
    const SPARSITY: usize = 16;

    /// `None` where the gallery is too small for `k`.
    fn of(n: usize, k: usize) -> Option<Self> {
        // Of the best k, a sample holds about as many as a Poisson variable says: four deviations more are rare where
        // rows stand in no order of their scores.
        let mean = k as f64 / Self::SPARSITY as f64;
        let rank = (mean + 4.0 * mean.sqrt()).ceil() as usize + 1;
        let rows = n / Self::SPARSITY;
        (k > 0 && rows >= 32 * rank.max(CHUNK)).then_some(Sample { n, step: Self::SPARSITY * CHUNK, rank })
    }

    fn chunks(self) -> impl Iterator<Item = Range<usize>> {
        (0..self.n).step_by(self.step).map(move |start| start..(start + CHUNK).min(self.n))
    }
}

/// A gallery, and which of its rows are not to be found.
#[derive(Clone, Copy)]
pub struct Live<'a> {
    pub gallery: Gallery<'a>,
    pub removed: Option<&'a Marks>,
}

impl<'a> From<Gallery<'a>> for Live<'a> {
    fn from(gallery: Gallery<'a>) -> Self {
        Live { gallery, removed: None }
    }
}

impl Live<'_> {
    fn is_removed(&self, row: usize) -> bool {
        self.removed.is_some_and(|removed| removed.contains(row))
    }

    /// Removed rows among the first `rows`.
    fn n_removed(&self, rows: usize) -> usize {
        self.removed.map_or(0, |removed| removed.count_before(rows))
    }
}

/// The best `k` rows of `gallery` for every row of `probes`, and counts at or above `floors`, one a probe.
pub fn search<'a>(
    gallery: impl Into<Live<'a>>,
    probes: Rows<'_>,
    k: usize,
    floors: Option<&[f32]>,
    kernel: Kernel,
    threads: usize,
    stop: &mut dyn FnMut() -> bool,
) -> Result<Found, Error> {
    let live = gallery.into();
    check(&live, probes, k, floors)?;
    let sample = Sample::of(live.gallery.rows.len(), k).filter(|_| probes.len() >= GUESSED_PROBES);
    let scan = Scan { live, probes, k, floors, kernel, threads, sample };
    let (mut found, missed) = scan.search(stop)?;
    if !missed.is_empty() {
        let d = probes.dimension();
        let rows: Vec<f32> = missed.iter().flat_map(|&i| probes.row(i)).copied().collect();
        let again = Scan { probes: Rows::checked(&rows, missed.len(), d), floors: None, sample: None, ..scan };
        found.replace(&missed, &again.search(stop)?.0, k);
    }
    Ok(found)
}

fn check(live: &Live<'_>, probes: Rows<'_>, k: usize, floors: Option<&[f32]>) -> Result<(), Error> {
    let gallery = live.gallery.rows;
    let n = gallery.len() - live.n_removed(gallery.len());
    if gallery.dimension() != probes.dimension() {
        return Err(Error::Shape(format!(
            "probes have dimension {}, the gallery has {}",
            probes.dimension(),
            gallery.dimension()
        )));
    }
    if k > n {
        return Err(Error::Shape(format!("k is {k}, but the gallery has {n} rows")));
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

/// Probes against a gallery.
#[derive(Clone, Copy)]
struct Scan<'a> {
    live: Live<'a>,
    probes: Rows<'a>,
    k: usize,
    floors: Option<&'a [f32]>,
    kernel: Kernel,
    threads: usize,
    /// Rows that limits are guessed from, if they are.
    sample: Option<Sample>,
}

impl Scan<'_> {
    /// What was found, and the probes whose limit was guessed too high: theirs are not the best.
    fn search(&self, stop: &mut dyn FnMut() -> bool) -> Result<(Found, Vec<usize>), Error> {
        let m = self.probes.len();
        let mut found = Found { scores: Vec::new(), rows: Vec::new(), at_or_above: Vec::new() };
        let mut missed = Vec::new();
        for start in (0..m).step_by(BLOCK_PROBES) {
            for (i, best) in (start..).zip(self.block(start..(start + BLOCK_PROBES).min(m), stop)?) {
                if !best.is_whole() {
                    missed.push(i);
                }
                found.add(&best, self.k, self.floors.is_some());
            }
        }
        Ok((found, missed))
    }

    /// The best of the probes `block`, settled.
    fn block(&self, block: Range<usize>, stop: &mut dyn FnMut() -> bool) -> Result<Vec<Best>, Error> {
        let n = self.live.gallery.rows.len();
        let strips = self.packed(&block, stop)?;
        let board = Board::new(self.first(&strips, block.len(), stop)?);
        let least = UNIT_PRODUCTS / (block.len().min(UNIT_PROBES) * self.probes.dimension());
        let span = span(n, least, strips.len(), work::threads_or_all(self.threads));
        let gallery_units = n.div_ceil(span);
        work::share(
            strips.len() * gallery_units,
            self.threads,
            stop,
            || Ok(()),
            |(), unit| {
                let (probe_unit, rows) = (unit / gallery_units, part(&(0..n), unit % gallery_units, span));
                let first = block.start + probe_unit * UNIT_PROBES;
                board.merge(probe_unit, self.unit(&strips[probe_unit], first, rows, board.limits(probe_unit)));
            },
        )?;
        let mut best = board.take();
        self.settling().settle(block.start, &mut best, stop)?;
        Ok(best)
    }

    /// Probes `block` packed, unit by unit.
    fn packed(&self, block: &Range<usize>, stop: &mut dyn FnMut() -> bool) -> Result<Vec<Strips>, Error> {
        let parts = work::in_order(block.len().div_ceil(PACK_PROBES), self.threads, stop, |unit| {
            Strips::new(self.probes, part(block, unit, PACK_PROBES), self.live.gallery.panels, self.kernel)
        })?;
        Ok(parts.chunks(UNIT_PROBES / PACK_PROBES).map(Strips::join).collect())
    }

    /// Nothing yet for each of `m` probes, but a limit.
    fn first(&self, strips: &[Strips], m: usize, stop: &mut dyn FnMut() -> bool) -> Result<Vec<Best>, Error> {
        let limits = work::in_order(m.div_ceil(GUESS_PROBES), self.threads, stop, |unit| {
            let first = unit * GUESS_PROBES;
            let strips = &strips[first / UNIT_PROBES];
            let probes = part(&(0..strips.n_probes()), first % UNIT_PROBES / GUESS_PROBES, GUESS_PROBES);
            match self.sample {
                Some(sample) => self.guesses(sample, strips, probes),
                None => self.proofs(strips, probes),
            }
        })?;
        Ok(limits.into_iter().flatten().map(|limit| Best::new(self.k, limit, self.room())).collect())
    }

    /// Candidates for which there is room before hopeless ones are looked for: a guess leaves few of them.
    fn room(&self) -> usize {
        if self.sample.is_some() { 16 * self.k + 1024 } else { 2 * self.k + 64 }
    }

    /// For each of `probes`, what `sample.rank` rows of the sample seem to reach.
    fn guesses(&self, sample: Sample, strips: &Strips, probes: Range<usize>) -> Vec<f32> {
        let full = 4 * sample.rank;
        let mut screen = Screen::new(self.kernel, strips, self.live.gallery).estimating();
        let mut limits = vec![f32::NEG_INFINITY; strips.n_probes()];
        let mut tops = vec![Vec::with_capacity(full); probes.len()];
        let keep = |top: &mut Vec<f32>| {
            let nth = *top.select_nth_unstable_by(sample.rank - 1, |a, b| b.total_cmp(a)).1;
            top.truncate(sample.rank);
            nth
        };
        for rows in sample.chunks() {
            let push = |pair: Pair, limit: &mut f32| {
                let top = &mut tops[pair.probe - probes.start];
                top.push(pair.estimate);
                if top.len() == full {
                    *limit = keep(top);
                }
                false
            };
            screen.open_pairs(probes.clone(), rows, &mut limits, push, |_, _| ());
        }
        tops.iter_mut().map(keep).collect()
    }

    /// For each of `probes`, a score that `k` of the first rows surely reach, and as many more as are removed there.
    fn proofs(&self, strips: &Strips, probes: Range<usize>) -> Vec<f32> {
        let rows = (self.live.gallery.rows.len() / FIRST_PART / CHUNK * CHUNK).min(FIRST_ROWS);
        let k = self.k + self.live.n_removed(rows);
        if k > rows {
            return vec![f32::NEG_INFINITY; probes.len()];
        }
        Screen::new(self.kernel, strips, self.live.gallery).kth_best(probes, 0..rows, k)
    }

    /// What may be among the best of the probes that `strips` holds, of which `first` is the first, in gallery `rows`.
    fn unit(&self, strips: &Strips, first: usize, rows: Range<usize>, known: Vec<f32>) -> Vec<Best> {
        let floor = |probe: usize| self.floors.map_or(f32::INFINITY, |floors| floors[first + probe]);
        let mut best: Vec<Best> = known.into_iter().map(|known| Best::new(self.k, known, self.room())).collect();
        let mut limits: Vec<f32> = best.iter().enumerate().map(|(probe, best)| best.limit.min(floor(probe))).collect();
        let mut screen = Screen::new(self.kernel, strips, self.live.gallery);
        let keep = |pair: Pair, limit: &mut f32| {
            if self.live.is_removed(pair.row) {
                return false;
            }
            let (best, floor) = (&mut best[pair.probe], floor(pair.probe));
            let candidate = self.counted(first + pair.probe, pair, floor, best);
            best.offer(candidate);
            if best.is_full() {
                self.sharpen(first + pair.probe, best);
                *limit = best.limit.min(floor);
            }
            false
        };
        screen.open_pairs(0..strips.n_probes(), rows, &mut limits, keep, |_, _| ());
        best
    }

    /// The candidate that a pair is, once it is known whether its score reaches the floor.
    fn counted(&self, i: usize, pair: Pair, floor: f32, best: &mut Best) -> Candidate {
        let bounds = Candidate::within(pair.row, pair.estimate, pair.error);
        let candidate = if bounds.upper < floor || bounds.lower >= floor { bounds } else { self.settled(i, pair.row) };
        best.at_or_above += u64::from(candidate.lower >= floor);
        candidate
    }

    #[cold]
    fn settled(&self, i: usize, row: usize) -> Candidate {
        Candidate::settled(row, self.kernel.score(self.probes.row(i), self.live.gallery.rows.row(row)))
    }

    /// Makes room among the candidates of probe `i`.
    #[cold]
    fn sharpen(&self, i: usize, best: &mut Best) {
        let (probe, rows) = (self.probes.row(i), self.live.gallery.rows);
        let near = |row| (self.kernel.near(probe, rows.row(row)), near_slack(probe.len()));
        best.sharpen(near);
        if best.is_crowded() {
            best.settle(near, |row| self.kernel.score(probe, rows.row(row)));
        }
    }

    fn settling(&self) -> Settling<'_> {
        Settling {
            gallery: self.live.gallery.rows,
            probes: self.probes,
            kernel: self.kernel,
            slack: near_slack(self.probes.dimension()),
            threads: self.threads,
        }
    }
}

impl Found {
    /// Adds a probe, of whose best there are `k`, or fewer if it was missed.
    fn add(&mut self, best: &Best, k: usize, counted: bool) {
        let missing = k - best.candidates.len();
        self.scores.extend(best.candidates.iter().map(|candidate| candidate.lower));
        self.scores.extend(std::iter::repeat_n(f32::NEG_INFINITY, missing));
        self.rows.extend(best.candidates.iter().map(|candidate| candidate.row as i64));
        self.rows.extend(std::iter::repeat_n(-1, missing));
        if counted {
            self.at_or_above.push(best.at_or_above);
        }
    }

    /// Puts what `again` found in the place of `probes`.
    fn replace(&mut self, probes: &[usize], again: &Found, k: usize) {
        for (at, &probe) in probes.iter().enumerate() {
            let (from, to) = (at * k..(at + 1) * k, probe * k..(probe + 1) * k);
            self.scores[to.clone()].copy_from_slice(&again.scores[from.clone()]);
            self.rows[to].copy_from_slice(&again.rows[from]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::best::MANY;
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

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn removed_rows_are_not_found_and_change_nothing_else(
            n in 1usize..9000, m in 1usize..40, d in 1usize..20, k in 0usize..300, seed: u64, one_in in 1usize..9,
            is_awkward: bool, threads in 1usize..4,
        ) {
            let make = if is_awkward { awkward } else { ties };
            let (gallery, probes) = (make(n, d, seed), make(m, d, seed ^ 1));
            let (mut removed, mut live, mut numbers) = (Marks::none(n), Vec::new(), Vec::new());
            for (row, floats) in gallery.chunks(d).enumerate() {
                if (seed >> (row % 59)).wrapping_add(row as u64 * 7919) % one_in as u64 == 0 {
                    removed.insert(row);
                } else {
                    live.extend_from_slice(floats);
                    numbers.push(row as i64);
                }
            }
            let k = k.min(numbers.len());
            let (gallery, probes) = (Rows::new(&gallery, n, d).unwrap(), Rows::new(&probes, m, d).unwrap());
            let live = Rows::new(&live, numbers.len(), d).unwrap();
            let scalar = Kernel::choose(Some("scalar")).unwrap();
            let floors: Vec<f32> = (0..m).map(|i| scalar.score(probes.row(i), gallery.row(i % n))).collect();
            let mut expected = by_definition(live, probes, k, &floors);
            expected.rows.iter_mut().for_each(|row| *row = numbers[*row as usize]);
            for kernel in Kernel::available() {
                let kept = Kept::new(gallery, kernel);
                let live = Live { gallery: kept.with(gallery), removed: Some(&removed) };
                let found = search(live, probes, k, Some(&floors), kernel, threads, &mut || false).unwrap();
                prop_assert_eq!(&found, &expected, "{}", kernel.name());
            }
        }
    }

    #[test]
    fn however_many_units_merge_a_probe_keeps_few_candidates() {
        let (m, k) = (UNIT_PROBES + 3, 5);
        let board = Board::new(vec![Best::new(k, f32::NEG_INFINITY, 2 * k + 64); m]);
        for unit in 0..1000 {
            let mut found = vec![Best::new(k, f32::NEG_INFINITY, 2 * k + 64); 3];
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
            assert!(board.0[1].lock().unwrap().iter().all(|best| best.candidates.len() < 2 * k + 64));
        }
        let mut best = board.take();
        assert_eq!((best.len(), best[0].candidates.len(), best[UNIT_PROBES].at_or_above), (m, 0, 1000));
        let score = |row: usize| (row * 7919 % 10_000) as f32;
        best[m - 1].settle(|row| (score(row), 0.0), score);
        let scores: Vec<f32> = best[m - 1].candidates.iter().map(|candidate| candidate.lower).collect();
        assert_eq!(scores, [9999.0, 9998.0, 9997.0, 9996.0, 9995.0]);
    }

    /// Rows enough for a sample of them to give limits.
    const MANY_ROWS: usize = 16 * 32 * CHUNK + 7;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4))]

        #[test]
        fn a_guessed_limit_changes_nothing(
            m in GUESSED_PROBES..40, d in 1usize..9, k in 1usize..200, seed: u64, is_awkward: bool, threads in 1usize..4,
        ) {
            let make = if is_awkward { awkward } else { ties };
            let (gallery, probes) = (make(MANY_ROWS, d, seed), make(m, d, seed ^ 1));
            let (gallery, probes) = (Rows::new(&gallery, MANY_ROWS, d).unwrap(), Rows::new(&probes, m, d).unwrap());
            prop_assert!(Sample::of(MANY_ROWS, k).is_some());
            let scalar = Kernel::choose(Some("scalar")).unwrap();
            let floors: Vec<f32> = (0..m).map(|i| scalar.score(probes.row(i), gallery.row(i))).collect();
            let expected = by_definition(gallery, probes, k, &floors);
            for kernel in Kernel::available() {
                let found = searched(gallery, probes, k, &floors, kernel, threads);
                prop_assert_eq!(&found, &expected, "{}", kernel.name());
            }
        }
    }

    #[test]
    fn a_probe_whose_limit_was_guessed_too_high_is_searched_again() {
        let (m, k) = (GUESSED_PROBES, 50);
        // The first forty rows, all in the sample, are alike; all others are far from them, each at its own angle.
        let angle = |row: usize| if row < 40 { 0.0 } else { 1.0 + row as f32 / MANY_ROWS as f32 };
        let rows: Vec<f32> = (0..MANY_ROWS).flat_map(|row| [angle(row).cos(), angle(row).sin()]).collect();
        let gallery = Rows::checked(&rows, MANY_ROWS, 2);
        let probes = gallery.block(0..m).to_vec();
        let probes = Rows::checked(&probes, m, 2);
        let kernel = Kernel::choose(None).unwrap();
        let kept = Kept::new(gallery, kernel);
        let sample = Sample::of(MANY_ROWS, k);
        let scan = Scan { live: kept.with(gallery).into(), probes, k, floors: None, kernel, threads: 1, sample };
        let (found, missed) = scan.search(&mut || false).unwrap();
        assert_eq!(missed, (0..m).collect::<Vec<_>>());
        assert_eq!(found.rows[..k].iter().filter(|&&row| row < 0).count(), 10);
        let found = searched(gallery, probes, k, &vec![2.0; m], kernel, 2);
        assert_eq!(found, by_definition(gallery, probes, k, &vec![2.0; m]));
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
