//! Attacks on the bounds: rows made to break them, against the definition, for every kernel.

use crate::dot::{Kernel, LANES};
use crate::fine::{self, Scores, Way};
use crate::pack::{Centre, MOST_COMPONENTS, Panels, Strips};
use crate::rows::{Rows, normalise};
use crate::screen::{Gallery, Pair, Screen};
use proptest::prelude::*;
use std::sync::Arc;

/// What rows are made like.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Gaussian,
    Sparse,
    OneHuge,
    /// All but one component are subnormal.
    Subnormal,
    ManyMagnitudes,
    /// Three rows, again and again.
    Duplicates,
    /// Every row is followed by its negative.
    AntiParallel,
    /// Nothing but the centre itself.
    OneRow,
    OneValue,
    /// Cosine with the mean is 0.95: two rows have 0.9.
    Uncentred,
    TwoClusters,
    /// Residuals of half a unit in every component, and rows that lie along them: Cauchy-Schwarz is an equality.
    HalfUnits,
    /// The same about a centre that all rows share.
    HalfUnitsOffCentre,
    /// Rows along one axis, which integers hold exactly, but for one: the usual residual is nothing.
    NearlyExact,
    /// Templates that failed are rows of zeros.
    SomeFailed,
    Ties,
}

const KINDS: [Kind; 16] = [
    Kind::Gaussian,
    Kind::Sparse,
    Kind::OneHuge,
    Kind::Subnormal,
    Kind::ManyMagnitudes,
    Kind::Duplicates,
    Kind::AntiParallel,
    Kind::OneRow,
    Kind::OneValue,
    Kind::Uncentred,
    Kind::TwoClusters,
    Kind::HalfUnits,
    Kind::HalfUnitsOffCentre,
    Kind::NearlyExact,
    Kind::SomeFailed,
    Kind::Ties,
];

struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn bits(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.bits() % n as u64) as usize
    }

    /// In (0, 1).
    fn uniform(&mut self) -> f64 {
        ((self.bits() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }

    fn direction(&mut self, d: usize) -> Vec<f64> {
        (0..d).map(|_| self.normal() / (d as f64).sqrt()).collect()
    }
}

impl Kind {
    /// `n` unit rows, or zeros, of dimension `d`. What is common to probes and gallery depends on `d` alone.
    fn rows(self, n: usize, d: usize, seed: u64) -> Vec<f32> {
        let mut random = Random::new(seed);
        let mut common = Random::new(d as u64 + 0xc0ffee);
        let bases: [Vec<f64>; 3] = [(); 3].map(|()| common.direction(d));
        let mut unit: Vec<f32> = Vec::with_capacity(n * d);
        for i in 0..n {
            let row = match self {
                Kind::AntiParallel if i % 2 == 1 => {
                    let before: Vec<f32> = unit[(i - 1) * d..].iter().map(|x| -x).collect();
                    unit.extend(before);
                    continue;
                }
                _ => self.row(i, d, &bases, &mut random),
            };
            let mut out = vec![0.0; d];
            normalise(&row, &mut out, &mut Vec::new());
            unit.extend(out);
        }
        unit
    }

    fn row(self, i: usize, d: usize, bases: &[Vec<f64>; 3], random: &mut Random) -> Vec<f64> {
        let mut row = random.direction(d);
        let near = |base: &[f64], spread: f64, row: &[f64]| -> Vec<f64> {
            base.iter().zip(row).map(|(b, x)| b + spread * x).collect()
        };
        match self {
            Kind::Gaussian | Kind::AntiParallel => {}
            Kind::Sparse => {
                let kept = [random.below(d), random.below(d), random.below(d)];
                row.iter_mut().enumerate().for_each(|(k, x)| *x *= f64::from(u8::from(kept.contains(&k))));
            }
            Kind::OneHuge => row[random.below(d)] = 1e4 * (random.below(2) as f64 * 2.0 - 1.0),
            Kind::Subnormal => {
                row.iter_mut().for_each(|x| *x *= 1e-41);
                row[random.below(d)] = 1.0;
            }
            Kind::ManyMagnitudes => row.iter_mut().for_each(|x| *x *= 10f64.powf(-44.0 * random.uniform())),
            Kind::Duplicates => row.clone_from(&bases[i % 3]),
            Kind::OneRow => row.clone_from(&bases[0]),
            Kind::OneValue => row.fill(if random.below(2) == 0 { 1.0 } else { -1.0 }),
            Kind::Uncentred => row = near(&bases[0], (1.0f64 / 0.9 - 1.0).sqrt(), &row),
            Kind::TwoClusters => row = near(&bases[i % 2], 0.3, &row),
            Kind::HalfUnits => row = half_units(i, d, random),
            Kind::HalfUnitsOffCentre => row = near(&bases[0], 0.5, &half_units(i, d, random)),
            Kind::NearlyExact => {
                if i % 16 != 7 {
                    row.fill(0.0);
                    row[i % d] = if random.below(2) == 0 { 1.0 } else { -1.0 };
                }
            }
            Kind::SomeFailed => {
                if i % 3 == 1 {
                    row.fill(0.0);
                }
            }
            Kind::Ties => row.iter_mut().for_each(|x| *x = random.below(5) as f64 - 2.0),
        }
        row
    }
}

/// One large component and half a unit in all others, or a row along those others; and the negatives of both.
fn half_units(i: usize, d: usize, random: &mut Random) -> Vec<f64> {
    let peak = [127.0, 63.0][random.below(2)];
    let sign = if i.is_multiple_of(2) { 1.0 } else { -1.0 };
    // A hair below or above half, so that all are rounded one way.
    let half = 0.5 + [-1e-5, 1e-5][random.below(2)];
    let mut row = vec![sign * half / peak; d];
    row[0] = if i % 4 < 2 { sign } else { 0.0 };
    row
}

/// Probes, a gallery and the score of every pair by the definition.
struct World {
    d: usize,
    probes: Vec<f32>,
    gallery: Vec<f32>,
    scores: Vec<f32>,
    n: usize,
    m: usize,
}

impl World {
    fn new(kinds: [Kind; 2], n: usize, m: usize, d: usize, seed: u64) -> Self {
        let (probes, gallery) = (kinds[0].rows(n, d, seed), kinds[1].rows(m, d, seed ^ 0x5eed));
        World::of(probes, gallery, d)
    }

    fn of(probes: Vec<f32>, gallery: Vec<f32>, d: usize) -> Self {
        let kernel = Kernel::choose(None).unwrap();
        let scores = probes.chunks(d).flat_map(|a| gallery.chunks(d).map(move |b| kernel.score(a, b))).collect();
        World { d, n: probes.len() / d, m: gallery.len() / d, probes, gallery, scores }
    }

    fn probe_rows(&self) -> Rows<'_> {
        Rows::new(&self.probes, self.n, self.d).unwrap()
    }

    fn gallery_rows(&self) -> Rows<'_> {
        Rows::new(&self.gallery, self.m, self.d).unwrap()
    }

    fn score(&self, probe: usize, row: usize) -> f32 {
        self.scores[probe * self.m + row]
    }

    fn packed(&self, kernel: Kernel, centre: Centre) -> (Panels, Strips) {
        let panels = Panels::new(self.gallery_rows(), Arc::new(centre), kernel, 1, &mut || false).unwrap();
        let strips = Strips::new(self.probe_rows(), 0..self.n, &panels, kernel);
        (panels, strips)
    }

    /// What a screen yields for `limits`.
    fn screened(&self, kernel: Kernel, packed: &(Panels, Strips), limits: &[f32]) -> Vec<Pair> {
        let gallery = Gallery { rows: self.gallery_rows(), panels: &packed.0 };
        let mut yielded = Vec::new();
        Screen::new(kernel, &packed.1, gallery).pairs(0..self.n, 0..self.m, &mut limits.to_vec(), |pair, _| {
            yielded.push(pair);
        });
        yielded
    }

    fn every_pair(&self, kernel: Kernel, centre: Centre) -> Vec<Pair> {
        self.screened(kernel, &self.packed(kernel, centre), &vec![f32::NEG_INFINITY; self.n])
    }
}

/// Every score is within the error of its estimate.
fn check_estimates(world: &World, pairs: &[Pair], name: &str) -> Result<(), TestCaseError> {
    for pair in pairs {
        let score = world.score(pair.probe, pair.row);
        let error = (f64::from(score) - f64::from(pair.estimate)).abs();
        prop_assert!(
            error <= f64::from(pair.error),
            "{name}: score {score} of {} and {}, estimate {} within {}",
            pair.probe,
            pair.row,
            pair.estimate,
            pair.error
        );
    }
    Ok(())
}

/// Every pair at or above the limit of its probe is there, once, in order of rows.
fn check_complete(world: &World, pairs: &[Pair], limits: &[f32], name: &str) -> Result<(), TestCaseError> {
    let mut found = vec![false; world.n * world.m];
    let mut last = vec![None; world.n];
    for pair in pairs {
        prop_assert!(last[pair.probe] < Some(pair.row), "{name}: pairs of probe {} out of order", pair.probe);
        last[pair.probe] = Some(pair.row);
        found[pair.probe * world.m + pair.row] = true;
    }
    for (i, &limit) in limits.iter().enumerate() {
        for j in 0..world.m {
            let score = world.score(i, j);
            prop_assert!(
                score < limit || found[i * world.m + j],
                "{name}: score {score} of {i} and {j}, limit {limit}"
            );
        }
    }
    Ok(())
}

fn check_screen(world: &World, seed: u64) -> Result<(), TestCaseError> {
    let mut random = Random::new(seed);
    let at: Vec<f32> = (0..world.n).map(|i| world.score(i, random.below(world.m))).collect();
    let common = world.score(random.below(world.n), random.below(world.m));
    for kernel in Kernel::available() {
        let packed = world.packed(kernel, Centre::of(world.gallery_rows()));
        let all = world.screened(kernel, &packed, &vec![f32::NEG_INFINITY; world.n]);
        prop_assert_eq!(all.len(), world.n * world.m);
        check_estimates(world, &all, kernel.name())?;
        let below: Vec<f32> = at.iter().map(|t| t.next_down()).collect();
        let above: Vec<f32> = at.iter().map(|t| t.next_up()).collect();
        for limits in [&at, &below, &above, &vec![common; world.n], &vec![common.next_up(); world.n]] {
            let pairs = world.screened(kernel, &packed, limits);
            check_complete(world, &pairs, limits, kernel.name())?;
            check_estimates(world, &pairs, kernel.name())?;
        }
    }
    Ok(())
}

fn check_kth_best(world: &World, rows: usize, k: usize) -> Result<(), TestCaseError> {
    for kernel in Kernel::available() {
        let (panels, strips) = world.packed(kernel, Centre::of(world.gallery_rows()));
        let gallery = Gallery { rows: world.gallery_rows(), panels: &panels };
        let bounds = Screen::new(kernel, &strips, gallery).kth_best(0..world.n, 0..rows, k);
        prop_assert_eq!(bounds.len(), world.n);
        for (i, &bound) in bounds.iter().enumerate() {
            let mut scores: Vec<f32> = (0..rows).map(|j| world.score(i, j)).collect();
            scores.sort_by(|a, b| b.total_cmp(a));
            let best = scores.get(k - 1).copied().unwrap_or(f32::NEG_INFINITY);
            prop_assert!(bound <= best, "{}: probe {i}, bound {bound}, best {best}", kernel.name());
        }
    }
    Ok(())
}

fn check_fine(world: &World, way: Way) -> Result<(), TestCaseError> {
    let centre = Centre::of(world.gallery_rows());
    for kernel in Kernel::available() {
        if way == Way::Slices && Way::of(kernel, world.d) != Way::Slices {
            continue;
        }
        let plan = fine::Plan { way, centre: &centre, kernel, threads: 1 };
        let probes = plan.probes(world.probe_rows(), 0..world.n, None).unwrap();
        let gallery = plan.gallery(world.gallery_rows(), 0..world.m, None).unwrap();
        let slack = f64::from(Scores::slack(&probes, &gallery, world.d));
        let mut scores = Scores::new(kernel, &probes, &gallery);
        for first in (0..world.n).step_by(fine::STRIP) {
            let strip = first..(first + fine::STRIP).min(world.n);
            for panel in (0..world.m.div_ceil(LANES)).step_by(fine::CHUNK_PANELS) {
                let panels = panel..(panel + fine::CHUNK_PANELS).min(world.m.div_ceil(LANES));
                let width = panels.len() * LANES;
                let made = scores.of(&strip, &panels);
                for (i, made) in strip.clone().zip(made.chunks(width)) {
                    for (j, &made) in (panels.start * LANES..world.m).zip(made) {
                        let score = world.score(i, j);
                        let error = (f64::from(score) - f64::from(made)).abs();
                        prop_assert!(error <= slack, "{} {way:?}: score {score}, made {made}, {slack}", kernel.name());
                    }
                }
            }
        }
    }
    Ok(())
}

fn kind() -> impl Strategy<Value = Kind> {
    prop::sample::select(&KINDS[..])
}

/// Probes of one kind; a gallery of the same or of another.
fn kinds() -> impl Strategy<Value = [Kind; 2]> {
    prop_oneof![kind().prop_map(|kind| [kind; 2]), [kind(), kind()]]
}

fn dimension() -> impl Strategy<Value = usize> {
    prop_oneof![2 => 1usize..=20, 3 => 1usize..=1100, 1 => prop::sample::select(&[63, 64, 65, 128, 512][..])]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_screen_yields_every_pair_at_its_limit_and_its_error_holds(
        kinds in kinds(), n in 1usize..70, m in prop_oneof![Just(1usize), 1usize..300], d in dimension(), seed: u64,
    ) {
        check_screen(&World::new(kinds, n, m, d, seed), seed)?;
    }

    #[test]
    fn the_kth_best_bound_never_exceeds_the_kth_best_score(
        kinds in kinds(), n in 1usize..40, m in 1usize..200, d in dimension(), rows in 0usize..200, k in 1usize..20,
        seed: u64,
    ) {
        check_kth_best(&World::new(kinds, n, m, d, seed), rows.min(m), k)?;
    }

    #[test]
    fn fine_scores_stay_within_their_slack(
        kinds in kinds(), n in 1usize..70, m in prop_oneof![Just(1usize), 1usize..300], d in dimension(), seed: u64,
    ) {
        let world = World::new(kinds, n, m, d, seed);
        check_fine(&world, Way::Floats)?;
        check_fine(&world, Way::Slices)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn the_bounds_hold_in_very_many_dimensions(
        kinds in kinds(), n in 1usize..4, m in 1usize..20, seed: u64,
        d in prop::sample::select(&[1 << 14, (1 << 14) + 1, MOST_COMPONENTS - 1, MOST_COMPONENTS,
                                    MOST_COMPONENTS + 1, MOST_COMPONENTS + 77][..]),
    ) {
        let world = World::new(kinds, n, m, d, seed);
        check_screen(&world, seed)?;
        check_kth_best(&world, m, 1 + m / 2)?;
        check_fine(&world, Way::Floats)?;
        check_fine(&world, Way::Slices)?;
    }
}

#[test]
fn every_kind_of_rows_meets_every_other_once() {
    for (a, &probes) in KINDS.iter().enumerate() {
        for (b, &gallery) in KINDS.iter().enumerate() {
            let (seed, d) = ((a * KINDS.len() + b) as u64, [96, 257][(a + b) % 2]);
            let world = World::new([probes, gallery], 33, 49, d, seed);
            let outcome = check_screen(&world, seed)
                .and_then(|()| check_kth_best(&world, 49, 3))
                .and_then(|()| check_fine(&world, Way::Floats))
                .and_then(|()| check_fine(&world, Way::Slices));
            assert!(outcome.is_ok(), "{probes:?} against {gallery:?}: {outcome:?}");
        }
    }
}

#[test]
fn rows_equal_to_the_centre_are_known_exactly() {
    let world = World::new([Kind::OneRow; 2], 5, 40, 200, 3);
    for kernel in Kernel::available() {
        let pairs = world.every_pair(kernel, Centre::of(world.gallery_rows()));
        // The guard, 64 * 2^-24, is all that is left of the error; the score itself is rounded.
        assert!(pairs.iter().all(|pair| pair.error < 5e-6 && (pair.estimate - 1.0).abs() < 5e-6), "{}", kernel.name());
    }
}

fn mean_error(pairs: &[Pair]) -> f64 {
    pairs.iter().map(|pair| f64::from(pair.error)).sum::<f64>() / pairs.len() as f64
}

#[test]
fn the_bound_of_gaussian_rows_is_worth_having() {
    let world = World::new([Kind::Gaussian; 2], 64, 500, 512, 1);
    for kernel in Kernel::available() {
        let mean = mean_error(&world.every_pair(kernel, Centre::of(world.gallery_rows())));
        // 2 sqrt(d / 12) s where s = largest / peak: 0.014 for a largest of 3.2 sigma, twice that for 7 bits on one side
        // and rounded down in quads.
        let most = if kernel.form().probe_quads.is_some() { 0.05 } else { 0.02 };
        assert!(mean > 0.0 && mean < most, "{}: {mean}", kernel.name());
    }
}

#[test]
fn the_bound_is_nearly_met_by_rows_made_for_it() {
    let (d, peak) = (4096, 127.0f64);
    let along = |first: f64, rest: f64| {
        let (mut row, mut unit) = (vec![rest; d], vec![0.0; d]);
        row[0] = first;
        normalise(&row, &mut unit, &mut Vec::new());
        unit
    };
    // Residuals of just under half a unit, all of one sign. First a gallery row along them, whose integers are exact;
    // then two rows whose integers lie nearly along their residuals too, so that every term of the bound is met.
    let same = along(1.0, 20.499 / peak);
    let attacks = [(along(1.0, 0.499 / peak), along(0.0, 1.0), 0.9), (same.clone(), same, 0.99)];
    let zero = vec![0.0; d];
    for (probe, row, part) in attacks {
        let world = World::of(probe, row, d);
        for kernel in Kernel::available().into_iter().filter(|kernel| kernel.form().probe_peak == 127) {
            let pair = world.every_pair(kernel, Centre::of(Rows::new(&zero, 1, d).unwrap()))[0];
            let (error, most) = (f64::from((world.score(0, 0) - pair.estimate).abs()), f64::from(pair.error));
            assert!(part * most < error && error <= most, "{}: {error} of {most}", kernel.name());
        }
    }
}

#[test]
fn a_centre_makes_the_bound_of_uncentred_rows_tighter() {
    let d = 512;
    let world = World::new([Kind::Uncentred; 2], 64, 500, d, 1);
    let cosine = world.scores.iter().map(|&score| f64::from(score)).sum::<f64>() / world.scores.len() as f64;
    assert!((cosine - 0.9).abs() < 0.02, "{cosine}");
    let zero = vec![0.0; d];
    for kernel in Kernel::available() {
        let centred = mean_error(&world.every_pair(kernel, Centre::of(world.gallery_rows())));
        let uncentred = mean_error(&world.every_pair(kernel, Centre::of(Rows::new(&zero, 1, d).unwrap())));
        // Centred rows have norm 0.32, and the bound goes with its square.
        assert!(centred < 0.4 * uncentred, "{}: {centred} of {uncentred}", kernel.name());
    }
}

#[test]
fn limits_that_rise_while_pairs_are_settled_lose_none_of_the_best() {
    let world = World::new([Kind::Ties, Kind::Ties], 37, 290, 24, 5);
    for kernel in Kernel::available() {
        let packed = world.packed(kernel, Centre::of(world.gallery_rows()));
        let gallery = Gallery { rows: world.gallery_rows(), panels: &packed.0 };
        let mut best = vec![f32::NEG_INFINITY; world.n];
        let mut ties = vec![0; world.n];
        let mut limits = best.clone();
        Screen::new(kernel, &packed.1, gallery).pairs(0..world.n, 0..world.m, &mut limits, |pair, limit| {
            let score = world.score(pair.probe, pair.row);
            if score > best[pair.probe] {
                (best[pair.probe], ties[pair.probe], *limit) = (score, 0, score);
            }
            ties[pair.probe] += usize::from(score == best[pair.probe]);
        });
        for i in 0..world.n {
            let scores = &world.scores[i * world.m..(i + 1) * world.m];
            let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let n = scores.iter().filter(|&&score| score == most).count();
            assert_eq!((best[i], ties[i]), (most, n), "{} {i}", kernel.name());
        }
    }
}
