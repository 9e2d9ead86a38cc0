//! The score of two rows: its one definition, the kernels that screen for it, and the choice among them.
//!
//! # Definition
//!
//! A product of two `f32` is exact in `f64`, so a fused multiply-add changes nothing. Products are added in
//! [`LANES`] sums, lane `l` taking components `l, l + 16, l + 32, ...` in order; then lane `l` is added to lane
//! `l + 8`, then `l + 4`, `l + 2`, `l + 1`; the total is rounded to `f32`. A last group of fewer than sixteen
//! is filled up with zeros, which add nothing. Every instruction set computes exactly this in `score`, so all
//! of them return the same bits.
//!
//! # Screens
//!
//! Four faster and less exact ways stand before it; each decides only what its error bound proves, and leaves
//! the rest to the next.
//!
//! - `dots` multiplies rows of 8-bit integers, exactly: [`crate::pack`] says what they prove of a score.
//! - `sieve` turns such products into one bit a pair: may its score reach a limit?
//! - `near` adds `f32` products of one pair in at least [`NEAR_SUMS`] sums; [`near_slack`] bounds its error.
//! - `screen` adds `f32` products of many pairs, by blocks of components; [`slack`] bounds its error.
//!
//! With `u = 2^-24`, a sum of `d` products by `r` roundings on any path carries a relative error of at most
//! `r u / (1 - r u)` on `sum |a_i b_i|`, which Cauchy-Schwarz bounds by the product of the norms; with or without
//! fused multiply-add.
//!
//! # Tokens
//!
//! `Avx2`, `Avx512`, `Amx` and the like can be had only from their `detect`, so holding one proves that the
//! processor has the feature and the system lets it be used. `unsafe` code lives in this folder alone.
#![allow(unsafe_code)]

use crate::axis::Grid;
use crate::error::Error;
use std::marker::PhantomData;

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod avxvnni;
#[cfg(target_arch = "aarch64")]
mod neon;
mod scalar;
mod tile;
#[cfg(target_arch = "x86_64")]
mod vnni;

use tile::BLOCK;
pub use tile::{Ints, Limit, Sieve, Tile};

/// Sums of the definition, and rows of a panel.
pub const LANES: usize = 16;
/// Fewest sums among which `near` shares its products.
pub const NEAR_SUMS: usize = 32;

/// How an instruction set wants its 8-bit integers; [`crate::pack`] makes them so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    /// Rows are filled up with zeros to a multiple of this.
    pub step: usize,
    /// Flips the top bit of probe integers, which makes `x` the unsigned `x + 128`.
    pub flips_probes: bool,
    /// The same for gallery integers.
    pub flips_gallery: bool,
    /// Whether `dots` asks for the sums of gallery rows, by which flipped probes are put right.
    pub corrects: bool,
    /// Largest magnitude of a probe integer.
    pub probe_peak: i32,
    /// Most that magnitudes of components 0, 1, 4, 5 and of 2, 3, 6, 7 of every eight of a probe may add up to.
    pub probe_quads: Option<i32>,
    /// Whether `dots` is fast enough that six products of slices beat one of floats.
    pub slices: bool,
}

/// Signed integers as they are.
pub const SIGNED: Form = Form {
    step: 8,
    flips_probes: false,
    flips_gallery: false,
    corrects: false,
    probe_peak: 127,
    probe_quads: None,
    slices: false,
};

/// What one set of vector registers offers for floats. Methods are safe: `self` is the proof that they may run.
trait Floats: Sync {
    /// Multiply-adds of `screen` that a core can start in a cycle; 0 where nobody says.
    fn per_cycle(&self) -> f64;
    /// The definition. `a` and `b` have the same length.
    fn score(&self, a: &[f32], b: &[f32]) -> f32;
    fn near(&self, a: &[f32], b: &[f32]) -> f32;
    fn screen(&self, at: Tile<'_>, out: &mut [f32]);
    fn sieve(&self, at: Sieve<'_>, masks: &mut [u16]);
    fn locate(&self, scores: &[f32], grid: &Grid, bins: &mut [u32]);
    /// Asks for memory that will be read soon.
    fn fetch(&self, _bytes: &[u8]) {}
    /// The widest vectors that compiled code may use.
    fn vectors(&self) -> Vectors;
}

/// What one instruction set offers for 8-bit integers, and the floats that go with it. Safe likewise.
trait Isa: Sync {
    fn name(&self) -> &'static str;
    fn form(&self) -> Form;
    /// Multiply-adds of `dots` that a core can start in a cycle; 0 where nobody says.
    fn per_cycle(&self) -> f64;
    /// Only between `begin` and `end` on the same thread.
    fn dots(&self, at: Ints<'_>, out: &mut [i32]);
    fn begin(&self) {}
    fn end(&self) {}
    fn floats(&self) -> &dyn Floats;
}

/// One instruction set, proved to be present.
#[derive(Clone, Copy)]
pub struct Kernel {
    isa: &'static dyn Isa,
    floats: &'static dyn Floats,
}

/// A thread that is ready for products of integers: some processors keep a matrix unit that must be set up.
pub struct Session {
    kernel: Kernel,
    _of_one_thread: PhantomData<*const ()>,
}

impl Session {
    /// Products of the integers of every probe and every panel of `at`, to `out[probe * width + row]`.
    pub fn dots(&self, at: Ints<'_>, out: &mut [i32]) {
        self.kernel.isa.dots(at, out);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.kernel.isa.end();
    }
}

/// A set of vector registers that is present.
#[derive(Clone, Copy)]
enum Vectors {
    #[cfg(target_arch = "x86_64")]
    Avx512(avx512::Avx512),
    #[cfg(target_arch = "x86_64")]
    Avx2(avx2::Avx2),
    /// What every processor of the architecture has.
    Baseline,
}

impl Kernel {
    fn new(isa: &'static dyn Isa) -> Self {
        Kernel { isa, floats: isa.floats() }
    }

    /// The best instruction set of this machine, or the one that `name` asks for.
    pub fn choose(name: Option<&str>) -> Result<Kernel, Error> {
        let available = Kernel::available();
        let Some(name) = name.filter(|n| !n.is_empty() && *n != "auto") else {
            return Ok(available[0]);
        };
        available.iter().copied().find(|k| k.name() == name).ok_or_else(|| {
            let names: Vec<_> = available.iter().map(Kernel::name).collect();
            Error::Isa(format!(
                "instruction set '{name}' is not available on this machine, expected one of: {}",
                names.join(", ")
            ))
        })
    }

    /// Every instruction set that this machine has, best first; the last is `scalar`.
    pub fn available() -> Vec<Kernel> {
        let mut kernels: Vec<Kernel> = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            kernels.extend(amx::Amx::detect().map(|isa| Kernel::new(isa)));
            kernels.extend(vnni::Vnni::detect().map(|isa| Kernel::new(isa)));
            kernels.extend(avx512::Avx512::detect().map(|isa| Kernel::new(isa)));
            kernels.extend(avxvnni::AvxVnni::detect().map(|isa| Kernel::new(isa)));
            kernels.extend(avx2::Avx2::detect().map(|isa| Kernel::new(isa)));
        }
        #[cfg(target_arch = "aarch64")]
        {
            kernels.extend(neon::NeonDot::detect().map(|isa| Kernel::new(isa)));
            kernels.extend(neon::Neon::detect().map(|isa| Kernel::new(isa)));
        }
        kernels.push(Kernel::new(&scalar::Scalar));
        kernels
    }

    pub fn name(&self) -> &'static str {
        self.isa.name()
    }

    pub fn form(&self) -> Form {
        self.isa.form()
    }

    /// Multiply-adds that a core can start in a cycle: of 8-bit integers and of floats; 0 where it is not known.
    pub fn per_cycle(&self) -> (f64, f64) {
        (self.isa.per_cycle(), self.floats.per_cycle())
    }

    /// The score of two rows of the same length, by the definition.
    pub fn score(&self, a: &[f32], b: &[f32]) -> f32 {
        self.floats.score(a, b)
    }

    /// A score within [`near_slack`] of the definition.
    pub fn near(&self, a: &[f32], b: &[f32]) -> f32 {
        self.floats.near(a, b)
    }

    /// Scores within [`slack`] of every probe and every panel of `at`, to `out[probe * width + row]`.
    pub fn screen(&self, at: Tile<'_>, out: &mut [f32]) {
        self.floats.screen(at, out);
    }

    /// Makes this thread ready for products of integers, until the answer is dropped.
    pub fn session(&self) -> Session {
        self.isa.begin();
        Session { kernel: *self, _of_one_thread: PhantomData }
    }

    /// Bit `lane` of `masks[probe * panels + panel]`: whether that pair may reach the probe's limit.
    pub fn sieve(&self, at: Sieve<'_>, masks: &mut [u16]) {
        self.floats.sieve(at, masks);
    }

    /// The bin of every score, or [`crate::axis::OPEN`] where an edge is too near to tell.
    pub fn locate(&self, scores: &[f32], grid: &Grid, bins: &mut [u32]) {
        self.floats.locate(scores, grid, bins);
    }

    /// Asks for memory that will be read soon.
    pub fn fetch<T: bytemuck::NoUninit>(&self, rows: &[T]) {
        self.floats.fetch(bytemuck::cast_slice(rows));
    }

    /// Runs `work` compiled for the vectors of this instruction set, as far as the compiler inlines it.
    #[inline(always)]
    pub fn vectorise<T>(&self, work: impl FnOnce() -> T) -> T {
        match self.floats.vectors() {
            #[cfg(target_arch = "x86_64")]
            Vectors::Avx512(isa) => isa.vectorise(work),
            #[cfg(target_arch = "x86_64")]
            Vectors::Avx2(isa) => isa.vectorise(work),
            Vectors::Baseline => work(),
        }
    }
}

/// Most that a score of `screen` for two unit rows of dimension `d` can differ from their score.
///
/// Roundings of the longest block, of the sum of the blocks, and of the result. Norms exceed one by at most `u` each, sums in `f64` err by
/// `d 2^-53`, products below the normal range by `d 2^-126`: `1e-6` relative and `1e-12` cover all three, and
/// the rounding of comparisons with this value. Where nothing is proved the slack is infinite, and every pair is
/// settled by `score`.
pub fn slack(d: usize) -> f32 {
    slack_of((d.min(BLOCK) + d.div_ceil(BLOCK)) as f64 + 1.0)
}

/// The same for `near`: the longest of its sums, and 32 sums or 64 added up two by two.
pub fn near_slack(d: usize) -> f32 {
    slack_of(d.div_ceil(NEAR_SUMS) as f64 + 8.0)
}

fn slack_of(roundings: f64) -> f32 {
    let roundings = roundings * 2.0f64.powi(-24);
    if roundings >= 1.0 {
        return f32::INFINITY;
    }
    crate::axis::ceil_f32(roundings / (1.0 - roundings) * (1.0 + 1e-6) + 1e-12)
}

/// A limit that every screened score of a pair at or above `score` reaches; `-inf` where the slack is infinite.
pub fn lowered(score: f32, slack: f32) -> f32 {
    // The subtraction rounds by less than a step of f32.
    (score - slack).next_down()
}

/// Adds the lanes in the order of the definition.
fn reduce(mut lanes: [f64; LANES]) -> f64 {
    let mut half = LANES / 2;
    while half > 0 {
        for l in 0..half {
            lanes[l] += lanes[l + half];
        }
        half /= 2;
    }
    lanes[0]
}

/// The last, incomplete group of a row, filled up with zeros.
fn filled(tail: &[f32]) -> [f32; LANES] {
    let mut group = [0.0; LANES];
    group[..tail.len()].copy_from_slice(tail);
    group
}

/// Sum of squares, added in the order of the definition.
#[inline(always)]
pub fn sum_of_squares(values: &[f64]) -> f64 {
    let mut lanes = [0.0; LANES];
    let (groups, tail) = values.as_chunks::<LANES>();
    for group in groups {
        for l in 0..LANES {
            lanes[l] += group[l] * group[l];
        }
    }
    for (lane, x) in lanes.iter_mut().zip(tail) {
        *lane += x * x;
    }
    reduce(lanes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::panel_floats;
    use crate::rows::tests::awkward;
    use proptest::prelude::*;

    fn screened(kernel: Kernel, a: &[f32], b: &[f32], d: usize) -> Vec<f32> {
        let (n, m) = (a.len() / d, b.len() / d);
        let width = m.next_multiple_of(LANES);
        let mut panels = vec![0.0; width * d];
        panel_floats(crate::rows::Rows::new(b, m, d).unwrap(), 0..m, &mut panels);
        let mut out = vec![f32::NAN; n * width];
        kernel.screen(Tile { probes: a, d, panels: &panels, width }, &mut out);
        out
    }

    /// Integers that every kernel takes: small enough for the sums in 16 bits of `avx2`.
    fn ints(n: usize, seed: u64) -> Vec<i8> {
        (0..n as u64).map(|i| ((seed.wrapping_add(i).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58) as i8) - 32).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn every_kernel_gives_the_bits_of_the_definition(d in 1usize..=4200, seed: u64) {
            let rows = awkward(12, d, seed);
            for kernel in Kernel::available() {
                for a in rows.chunks(d) {
                    for b in rows.chunks(d) {
                        prop_assert_eq!(kernel.score(a, b).to_bits(), scalar::Scalar.score(a, b).to_bits());
                    }
                }
            }
        }

        #[test]
        fn every_screen_stays_within_its_slack(d in 1usize..=4200, n in 1usize..21, m in 1usize..180, seed: u64) {
            let (a, b) = (awkward(n, d, seed), awkward(m, d, seed ^ 0xff));
            for kernel in Kernel::available() {
                let out = screened(kernel, &a, &b, d);
                for (a, out) in a.chunks(d).zip(out.chunks(out.len() / n)) {
                    for (b, &screened) in b.chunks(d).zip(out) {
                        let score = f64::from(kernel.score(a, b));
                        prop_assert!((f64::from(screened) - score).abs() <= f64::from(slack(d)), "{}", kernel.name());
                        let near = f64::from(kernel.near(a, b));
                        prop_assert!((near - score).abs() <= f64::from(near_slack(d)), "{}", kernel.name());
                    }
                }
            }
        }

        #[test]
        fn integer_products_are_equal_across_all_kernels(
            steps in 1usize..6, n in 1usize..70, panels in 1usize..9, extra in 0usize..2, seed: u64,
        ) {
            let (k, stride) = (64 * steps, 64 * (steps + extra));
            let rows = n.next_multiple_of(32);
            let (probes, gallery) = (ints(rows * stride, seed), ints(panels * LANES * stride, seed ^ 1));
            let at = |r: usize, p: usize, lane: usize| -> i32 {
                let panel = &gallery[p * LANES * stride..];
                (0..k).map(|i| {
                    let y = panel[i / 4 * 4 * LANES + lane * 4 + i % 4];
                    i32::from(probes[r * stride + i]) * i32::from(y)
                }).sum()
            };
            let width = panels * LANES;
            for kernel in Kernel::available() {
                let form = kernel.form();
                let flip = |ints: &[i8], flips: bool| ints.iter().map(|&x| if flips { x ^ -128 } else { x }).collect::<Vec<_>>();
                let corrections: Vec<i32> = (0..width).map(|j| {
                    let panel = &gallery[j / LANES * LANES * stride..];
                    128 * (0..k).map(|i| i32::from(panel[i / 4 * 4 * LANES + j % LANES * 4 + i % 4])).sum::<i32>()
                }).collect();
                let mut out = vec![i32::MIN; rows * width];
                kernel.session().dots(Ints {
                    probes: &flip(&probes, form.flips_probes), n_probes: n, stride, k,
                    panels: &flip(&gallery, form.flips_gallery), n_panels: panels, panel_stride: stride * LANES,
                    corrections: &corrections, width,
                }, &mut out);
                for r in 0..n {
                    for j in 0..width {
                        prop_assert_eq!(out[r * width + j], at(r, j / LANES, j % LANES), "{} {} {}", kernel.name(), r, j);
                    }
                }
            }
        }

        #[test]
        fn a_sieve_says_what_its_formula_says(n in 1usize..40, panels in 1usize..6, seed: u64) {
            let width = panels * LANES;
            let number = |i: usize| ints(i + 1, seed)[i];
            let products: Vec<i32> = (0..n * width).map(|i| i32::from(number(i % 97)) * 1000 + i as i32).collect();
            let column = |by: f32| -> Vec<f32> { (0..width).map(|i| f32::from(number(i)) * by).collect() };
            let (scales, offsets, spreads) = (column(1e-3), column(1e-2), column(1e-4));
            let limits: Vec<Limit> = (0..n).map(|i| Limit { scale: 1e-3, spread: 0.5, least: f32::from(number(i)) * 1e-3 }).collect();
            let at = Sieve { products: &products, width, limits: &limits, scales: &scales, offsets: &offsets, spreads: &spreads };
            for kernel in Kernel::available() {
                let mut masks = vec![0xabcd; n * panels];
                kernel.sieve(at, &mut masks);
                for (r, limit) in limits.iter().enumerate() {
                    for j in 0..width {
                        let bound = f64::from(limit.scale) * f64::from(scales[j]) * f64::from(products[r * width + j])
                            + f64::from(limit.spread) * f64::from(spreads[j]) + f64::from(offsets[j]);
                        let kept = masks[r * panels + j / LANES] >> (j % LANES) & 1 == 1;
                        // Only roundings of f32, of terms of about one, may tell them apart.
                        prop_assert!(kept == (bound >= f64::from(limit.least)) || (bound - f64::from(limit.least)).abs() < 1e-6);
                    }
                }
            }
        }
    }

    #[test]
    fn sessions_of_a_thread_may_overlap() {
        let kernel = Kernel::choose(None).unwrap();
        let (first, second) = (kernel.session(), kernel.session());
        drop(first);
        let (probes, gallery) = (vec![1; 32 * 64], vec![1; LANES * 64]);
        let mut out = vec![0; 32 * LANES];
        second.dots(
            Ints {
                probes: &probes,
                n_probes: 32,
                stride: 64,
                k: 64,
                panels: &gallery,
                n_panels: 1,
                panel_stride: LANES * 64,
                corrections: &[0; LANES],
                width: LANES,
            },
            &mut out,
        );
        assert!(out.iter().all(|&sum| sum == out[0]));
    }

    #[test]
    fn a_slack_that_proves_nothing_is_infinite() {
        let last = BLOCK * ((1 << 24) - BLOCK - 2);
        assert!(slack(last).is_finite() && slack(last) > slack(last - BLOCK));
        for d in [last + 1, last + BLOCK, 1 << 40, usize::MAX] {
            assert_eq!(slack(d), f32::INFINITY);
        }
        assert_eq!(lowered(1.0, f32::INFINITY), f32::NEG_INFINITY);
    }

    #[test]
    fn a_plain_sum_agrees_with_the_definition_to_f32() {
        let rows = awkward(30, 128, 7);
        for (a, b) in rows.chunks(128).zip(rows.chunks(128).rev()) {
            let plain: f64 = a.iter().zip(b).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum();
            // Half a unit in the last place of a number near one, and the order of 128 additions.
            assert!((plain - f64::from(scalar::Scalar.score(a, b))).abs() < 6e-8 + 128.0 * 2.3e-16);
        }
    }

    #[test]
    fn an_instruction_set_that_is_not_there_is_refused_by_name() {
        let message = Kernel::choose(Some("z80")).err().unwrap().to_string();
        assert!(message.contains("z80") && message.contains("scalar"), "{message}");
    }
}
