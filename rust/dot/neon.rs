//! NEON: four probes against one panel of sixteen rows, sixteen sums in registers; with the dot-product extension,
//! integers likewise. Rust has no stable intrinsic for it, so one instruction stands in `asm!`.

use super::tile::{BLOCK, FloatTiles, IntTiles, int_strips, strips};
use super::{Floats, Form, Ints, Isa, LANES, SIGNED, Sieve, Tile, Vectors, filled, scalar::Scalar};
use crate::axis::Grid;
use std::arch::aarch64::*;
use std::arch::asm;

/// NEON is present. Only [`Neon::detect`] makes one.
#[derive(Clone, Copy)]
pub struct Neon(());

/// The dot-product extension is present, beside what [`Neon`] proves. Only [`NeonDot::detect`] makes one.
#[derive(Clone, Copy)]
pub struct NeonDot {
    floats: Neon,
}

impl Neon {
    pub fn detect() -> Option<&'static Self> {
        std::arch::is_aarch64_feature_detected!("neon").then_some(&Neon(()))
    }
}

impl NeonDot {
    pub fn detect() -> Option<&'static Self> {
        let floats = *Neon::detect()?;
        std::arch::is_aarch64_feature_detected!("dotprod").then(|| &*Box::leak(Box::new(NeonDot { floats })))
    }
}

impl FloatTiles for Neon {
    fn tile<const R: usize, const P: usize>(self, at: Tile<'_>, out: &mut [f32]) {
        assert!(at.holds::<R, P>(out));
        // SAFETY: `self` proves NEON; `holds` has checked the lengths that `tile` lists.
        unsafe { tile::<R, P>(at, out) }
    }
}

impl IntTiles for NeonDot {
    fn tile<const R: usize, const P: usize>(self, at: Ints<'_>, out: &mut [i32]) {
        assert!(at.holds(R, P, out) && at.k.is_multiple_of(4));
        // SAFETY: `self` proves the extension; the line above checks the lengths that `int_tile` lists.
        unsafe { int_tile::<R, P>(at, out) }
    }
}

impl Floats for Neon {
    fn per_cycle(&self) -> f64 {
        0.0
    }

    fn score(&self, a: &[f32], b: &[f32]) -> f32 {
        assert!(a.len() == b.len());
        // SAFETY: `self` proves NEON; the line above checks the lengths.
        unsafe { score(a, b) }
    }

    fn near(&self, a: &[f32], b: &[f32]) -> f32 {
        Scalar.near(a, b)
    }

    fn screen(&self, at: Tile<'_>, out: &mut [f32]) {
        let done = strips::<_, 4, 1>(*self, at, out);
        strips::<_, 1, 4>(*self, at.at_probe(done), &mut out[done * at.width..]);
    }

    fn sieve(&self, at: Sieve<'_>, masks: &mut [u16]) {
        Scalar.sieve(at, masks);
    }

    fn locate(&self, scores: &[f32], grid: &Grid, bins: &mut [u32]) {
        Scalar.locate(scores, grid, bins);
    }

    fn vectors(&self) -> Vectors {
        Vectors::Baseline
    }
}

impl Isa for Neon {
    fn name(&self) -> &'static str {
        "neon"
    }

    fn form(&self) -> Form {
        SIGNED
    }

    fn per_cycle(&self) -> f64 {
        0.0
    }

    fn dots(&self, at: Ints<'_>, out: &mut [i32]) {
        Scalar.dots(at, out);
    }

    fn floats(&self) -> &dyn Floats {
        self
    }
}

impl Isa for NeonDot {
    fn name(&self) -> &'static str {
        "neondot"
    }

    fn form(&self) -> Form {
        self.floats.form()
    }

    fn per_cycle(&self) -> f64 {
        0.0
    }

    fn dots(&self, at: Ints<'_>, out: &mut [i32]) {
        let done = int_strips::<_, 4, 1>(*self, at, out);
        int_strips::<_, 1, 4>(*self, at.at_probe(done), &mut out[done * at.width..]);
    }

    fn floats(&self) -> &dyn Floats {
        &self.floats
    }
}

/// # Safety
/// - NEON and its dot-product extension are present.
/// - `at.holds(R, P, out)`, and `at.k` is a multiple of four.
#[target_feature(enable = "neon,dotprod")]
unsafe fn int_tile<const R: usize, const P: usize>(at: Ints<'_>, out: &mut [i32]) {
    const QUARTER: usize = LANES / 4;
    let (probes, panels) = (at.probes.as_ptr(), at.panels.as_ptr());
    // SAFETY: the features are present; every address below is bounded by the obligations: `p < P`, `r < R`,
    // `k + 4 <= at.k`, and `out` holds sixteen products at `r * width + p * LANES`.
    unsafe {
        let mut sums = [[[vdupq_n_s32(0); 4]; P]; R];
        for k in (0..at.k).step_by(4) {
            for p in 0..P {
                let column = panels.add(p * at.panel_stride + k * LANES);
                let columns = [0, 1, 2, 3].map(|q| vld1q_s8(column.add(q * 4 * QUARTER)));
                for (r, sums) in sums.iter_mut().enumerate() {
                    let quad = probes.add(r * at.stride + k).cast::<i32>().read_unaligned();
                    let probe = vreinterpretq_s8_s32(vdupq_n_s32(quad));
                    for (sum, &column) in sums[p].iter_mut().zip(&columns) {
                        asm!("sdot {0:v}.4s, {1:v}.16b, {2:v}.16b", inout(vreg) *sum, in(vreg) column, in(vreg) probe,
                             options(pure, nomem, nostack, preserves_flags));
                    }
                }
            }
        }
        for (r, sums) in sums.iter().enumerate() {
            for (p, quarters) in sums.iter().enumerate() {
                for (q, &sum) in quarters.iter().enumerate() {
                    vst1q_s32(out.as_mut_ptr().add(r * at.width + p * LANES + q * QUARTER), sum);
                }
            }
        }
    }
}

/// # Safety
/// - NEON is present.
/// - `at.probes` holds `R` rows of `at.d` floats, `at.panels` holds `P` panels of `at.d * LANES`.
/// - `out` holds `P * LANES` floats at each multiple of `at.width` below `R * at.width`.
#[target_feature(enable = "neon")]
unsafe fn tile<const R: usize, const P: usize>(at: Tile<'_>, out: &mut [f32]) {
    let (probes, panels) = (at.probes.as_ptr(), at.panels.as_ptr());
    // SAFETY: NEON is present; every address below is bounded by the obligations: `p < P`, `r < R`,
    // `k < d`, and `out` holds sixteen floats at `r * width + p * LANES`.
    unsafe {
        for block in (0..at.d).step_by(BLOCK) {
            let mut sums = [[[vdupq_n_f32(0.0); 4]; P]; R];
            for k in block..(block + BLOCK).min(at.d) {
                for p in 0..P {
                    let column = panels.add((p * at.d + k) * LANES);
                    let columns = [0, 4, 8, 12].map(|start| vld1q_f32(column.add(start)));
                    for (r, sums) in sums.iter_mut().enumerate() {
                        let probe = vdupq_n_f32(*probes.add(r * at.d + k));
                        for (sum, &column) in sums[p].iter_mut().zip(&columns) {
                            *sum = vfmaq_f32(*sum, probe, column);
                        }
                    }
                }
            }
            for (r, sums) in sums.iter().enumerate() {
                for (p, quarters) in sums.iter().enumerate() {
                    for (q, &sum) in quarters.iter().enumerate() {
                        let total = out.as_mut_ptr().add(r * at.width + p * LANES + q * 4);
                        vst1q_f32(total, if block == 0 { sum } else { vaddq_f32(vld1q_f32(total), sum) });
                    }
                }
            }
        }
    }
}

/// # Safety
/// - NEON is present.
/// - `a` and `b` have the same length.
#[target_feature(enable = "neon")]
unsafe fn score(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_tail), (b, b_tail)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let tails = [(filled(a_tail), filled(b_tail))];
    // SAFETY: NEON is present; `pair < 8`, so these two floats lie inside both groups of sixteen.
    unsafe {
        let mut lanes = [vdupq_n_f64(0.0); 8];
        for (x, y) in a.iter().zip(b).chain(tails.iter().map(|(x, y)| (x, y))) {
            for (pair, lanes) in lanes.iter_mut().enumerate() {
                let x = vcvt_f64_f32(vld1_f32(x.as_ptr().add(pair * 2)));
                let y = vcvt_f64_f32(vld1_f32(y.as_ptr().add(pair * 2)));
                *lanes = vfmaq_f64(*lanes, x, y);
            }
        }
        let mut half = 4;
        while half > 0 {
            for l in 0..half {
                lanes[l] = vaddq_f64(lanes[l], lanes[l + half]);
            }
            half /= 2;
        }
        (vgetq_lane_f64::<0>(lanes[0]) + vgetq_lane_f64::<1>(lanes[0])) as f32
    }
}
