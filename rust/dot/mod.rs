//! The score of two rows: its one definition, the kernels that screen for it, and the choice among them.
//!
//! # Definition
//!
//! A product of two `f32` is exact in `f64`, so a fused multiply-add changes nothing. Products are added in
//! [`LANES`] sums, lane `l` taking components `l, l + 16, l + 32, ...` in order; then lane `l` is added to lane
//! `l + 8`, then `l + 4`, `l + 2`, `l + 1`; the total is rounded to `f32`. Rows are padded with zeros, which add
//! nothing. Every instruction set computes exactly this in `score`, so all of them return the same bits.
//!
//! # Screen
//!
//! `screen` is faster and less exact: `f32` products and sums, one component after the other. With
//! `u = 2^-24`, a sum of `d` products carries a relative error of at most `g = d u / (1 - d u)` on
//! `sum |a_i b_i|`, which Cauchy-Schwarz bounds by the product of the norms; with or without fused
//! multiply-add. [`slack`] adds the rounding of the definition itself and the norms' excess over one. A
//! screened score may decide only what `slack` proves; the rest is settled by `score`.
//!
//! # Tokens
//!
//! `Avx2`, `Avx512` and `Neon` can be made only by their `detect`, so holding one proves that the processor
//! has the feature. `unsafe` code lives in this folder alone.
#![allow(unsafe_code)]

use crate::error::Error;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod scalar;

/// Sums of the definition, and rows of a panel.
pub const LANES: usize = 16;

/// One instruction set, proved to be present.
#[derive(Clone, Copy)]
pub enum Kernel {
    #[cfg(target_arch = "x86_64")]
    Avx512(avx512::Avx512),
    #[cfg(target_arch = "x86_64")]
    Avx2(avx2::Avx2),
    #[cfg(target_arch = "aarch64")]
    Neon(neon::Neon),
    Scalar(scalar::Scalar),
}

/// What one instruction set offers. Methods are safe: `self` is the proof that they may run.
trait Isa: Copy {
    /// Screened scores of `R` probes and `P` panels, to `out[r * width + p * LANES + lane]`.
    fn tile<const R: usize, const P: usize>(self, at: Tile<'_>, out: &mut [f32]);
    /// The definition. `a` and `b` have the same length, a multiple of [`LANES`].
    fn score(self, a: &[f32], b: &[f32]) -> f32;
    /// Screened scores of all probes and panels of `at`.
    fn screen(self, at: Tile<'_>, out: &mut [f32]);
}

/// What a kernel multiplies: probe rows, and panels of gallery rows.
#[derive(Clone, Copy)]
pub struct Tile<'a> {
    /// Rows of `stride` floats.
    pub probes: &'a [f32],
    pub stride: usize,
    pub d: usize,
    /// Panels of `d * LANES` floats.
    pub panels: &'a [f32],
    /// Floats from one probe's scores to the next's in the output.
    pub width: usize,
}

impl<'a> Tile<'a> {
    fn n_probes(&self) -> usize {
        self.probes.len() / self.stride
    }

    fn n_panels(&self) -> usize {
        self.panels.len() / (self.d * LANES)
    }

    fn at_probe(self, r: usize) -> Self {
        Tile { probes: &self.probes[r * self.stride..], ..self }
    }

    fn at_panel(self, p: usize) -> Self {
        Tile { panels: &self.panels[p * self.d * LANES..], ..self }
    }

    /// Whether `R` probes, `P` panels and their scores lie inside the slices: what a kernel relies on.
    fn holds<const R: usize, const P: usize>(&self, out: &[f32]) -> bool {
        self.d <= self.stride
            && self.probes.len() >= R * self.stride
            && self.panels.len() >= P * self.d * LANES
            && self.width >= P * LANES
            && out.len() >= (R - 1) * self.width + P * LANES
    }
}

/// Screens as many whole strips of `R` probes as there are, `P` panels at a time; returns the probes done.
fn strips<I: Isa, const R: usize, const P: usize>(isa: I, at: Tile<'_>, out: &mut [f32]) -> usize {
    let (n_probes, n_panels) = (at.n_probes(), at.n_panels());
    let mut r = 0;
    while r + R <= n_probes {
        let strip = at.at_probe(r);
        let out = &mut out[r * at.width..];
        let mut p = 0;
        while p + P <= n_panels {
            isa.tile::<R, P>(strip.at_panel(p), &mut out[p * LANES..]);
            p += P;
        }
        while p < n_panels {
            isa.tile::<R, 1>(strip.at_panel(p), &mut out[p * LANES..]);
            p += 1;
        }
        r += R;
    }
    r
}

impl Kernel {
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
        let mut kernels = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            kernels.extend(avx512::Avx512::detect().map(Kernel::Avx512));
            kernels.extend(avx2::Avx2::detect().map(Kernel::Avx2));
        }
        #[cfg(target_arch = "aarch64")]
        kernels.extend(neon::Neon::detect().map(Kernel::Neon));
        kernels.push(Kernel::Scalar(scalar::Scalar));
        kernels
    }

    pub fn name(&self) -> &'static str {
        match self {
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512(_) => "avx512",
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2(_) => "avx2",
            #[cfg(target_arch = "aarch64")]
            Kernel::Neon(_) => "neon",
            Kernel::Scalar(_) => "scalar",
        }
    }

    /// Screened scores of every probe and every panel of `at`, to `out[probe * width + row]`.
    pub fn screen(&self, at: Tile<'_>, out: &mut [f32]) {
        match self {
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512(isa) => isa.screen(at, out),
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2(isa) => isa.screen(at, out),
            #[cfg(target_arch = "aarch64")]
            Kernel::Neon(isa) => isa.screen(at, out),
            Kernel::Scalar(isa) => isa.screen(at, out),
        }
    }

    /// The first place from `from` on whose score is at least `limit`, or the length if there is none.
    #[inline]
    pub fn next_at_least(&self, scores: &[f32], limit: f32, from: usize) -> usize {
        // Where hits are dense, the next one is the next place, and no kernel need be asked.
        if scores.get(from).is_none_or(|&s| s >= limit) {
            return from;
        }
        match self {
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512(isa) => isa.next_at_least(scores, limit, from),
            _ => scalar::Scalar.next_at_least(scores, limit, from),
        }
    }

    /// The score of two padded rows, by the definition.
    #[inline]
    pub fn score(&self, a: &[f32], b: &[f32]) -> f32 {
        match self {
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512(isa) => isa.score(a, b),
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2(isa) => isa.score(a, b),
            #[cfg(target_arch = "aarch64")]
            Kernel::Neon(isa) => isa.score(a, b),
            Kernel::Scalar(isa) => isa.score(a, b),
        }
    }
}

/// Most that a screened score of two unit rows of dimension `d` can differ from their score.
///
/// `d` roundings of the sum and one of the result: `(d + 1) u / (1 - (d + 1) u)`. Norms exceed one by at most
/// `u` each, sums in `f64` err by `d 2^-53`, products below the normal range by `d 2^-126`: `1e-6` relative and
/// `1e-12` cover all three, and the rounding of comparisons with this value. Where `(d + 1) u` reaches one nothing
/// is proved: the slack is infinite, and every pair is settled by `score`.
pub fn slack(d: usize) -> f32 {
    let roundings = (d as f64 + 1.0) * 2.0f64.powi(-24);
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

/// Sum of squares, added in the order of the definition.
pub fn sum_of_squares(values: &[f64]) -> f64 {
    let mut lanes = [0.0; LANES];
    for (i, x) in values.iter().enumerate() {
        lanes[i % LANES] += x * x;
    }
    reduce(lanes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::{Rows, normalise};
    use proptest::prelude::*;

    /// Unit rows of awkward shapes: ordinary, sparse, one huge coordinate, tiny, parallel, opposite.
    fn awkward(n: usize, d: usize, seed: u64) -> Rows {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut uniform = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as f64 / (1u64 << 53) as f64 - 0.5
        };
        let mut unit = vec![0.0f32; n * d];
        for i in 0..n {
            let mut row: Vec<f64> = (0..d).map(|_| uniform()).collect();
            match i % 6 {
                1 => row.iter_mut().enumerate().for_each(|(k, x)| *x *= f64::from(u8::from(k % 7 == 0)) + 1e-30),
                2 => row[i % d] = 1e6,
                3 => row.iter_mut().for_each(|x| *x = 1.0),
                4 => row.iter_mut().for_each(|x| *x = -1.0),
                5 => row.iter_mut().enumerate().for_each(|(k, x)| *x *= 10f64.powi(-(k as i32 % 40))),
                _ => {}
            }
            normalise(&row, &mut unit[i * d..(i + 1) * d], &mut Vec::new());
        }
        Rows::new(&unit, n, d).unwrap()
    }

    fn screened(kernel: Kernel, a: &Rows, b: &Rows) -> Vec<f32> {
        let width = b.len().div_ceil(LANES) * LANES;
        let mut out = vec![f32::NAN; a.len() * width];
        let at = Tile {
            probes: a.block(0, a.len()),
            stride: a.stride(),
            d: a.dimension(),
            panels: b.panels().slice(0, width / LANES),
            width,
        };
        kernel.screen(at, &mut out);
        out
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn every_kernel_gives_the_bits_of_the_definition(d in 1usize..=4200, seed: u64) {
            let rows = awkward(12, d, seed);
            for kernel in Kernel::available() {
                for i in 0..12 {
                    for j in 0..12 {
                        let expected = scalar::Scalar.score(rows.row(i), rows.row(j));
                        prop_assert_eq!(kernel.score(rows.row(i), rows.row(j)).to_bits(), expected.to_bits());
                    }
                }
            }
        }

        #[test]
        fn every_screen_stays_within_the_slack(
            d in 1usize..=4200, n in 1usize..21, m in 1usize..180, seed: u64,
        ) {
            let (a, b) = (awkward(n, d, seed), awkward(m, d, seed ^ 0xff));
            for kernel in Kernel::available() {
                let out = screened(kernel, &a, &b);
                let width = out.len() / n;
                for i in 0..n {
                    for j in 0..m {
                        let error = f64::from(out[i * width + j]) - f64::from(kernel.score(a.row(i), b.row(j)));
                        prop_assert!(error.abs() <= f64::from(slack(d)), "{} {} {}", kernel.name(), i, j);
                    }
                }
            }
        }
    }

    #[test]
    fn a_slack_that_proves_nothing_is_infinite() {
        let last = (1 << 24) - 2;
        assert!(slack(last).is_finite() && slack(last) > slack(last - 1));
        for d in [last + 1, last + 2, 1 << 40, usize::MAX] {
            assert_eq!(slack(d), f32::INFINITY);
        }
        assert_eq!(lowered(1.0, f32::INFINITY), f32::NEG_INFINITY);
    }

    #[test]
    fn a_plain_sum_agrees_with_the_definition_to_f32() {
        let rows = awkward(30, 128, 7);
        for i in 0..30 {
            let plain: f64 = rows.row(i).iter().zip(rows.row(29 - i)).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum();
            let score = f64::from(scalar::Scalar.score(rows.row(i), rows.row(29 - i)));
            // Half a unit in the last place of a number near one, and the order of 128 additions.
            assert!((plain - score).abs() < 6e-8 + 128.0 * 2.3e-16);
        }
    }

    #[test]
    fn an_instruction_set_that_is_not_there_is_refused_by_name() {
        let message = Kernel::choose(Some("z80")).err().unwrap().to_string();
        assert!(message.contains("z80") && message.contains("scalar"), "{message}");
    }
}
