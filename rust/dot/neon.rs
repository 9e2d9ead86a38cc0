//! NEON: four probes against one panel of sixteen rows, sixteen sums in registers.

use super::{Isa, LANES, Tile, strips};
use std::arch::aarch64::*;

/// NEON is present. Only [`Neon::detect`] makes one.
#[derive(Clone, Copy)]
pub struct Neon(());

impl Neon {
    pub fn detect() -> Option<Self> {
        std::arch::is_aarch64_feature_detected!("neon").then_some(Neon(()))
    }
}

impl Isa for Neon {
    fn tile<const R: usize, const P: usize>(self, at: Tile<'_>, out: &mut [f32]) {
        assert!(at.holds::<R, P>(out));
        // SAFETY: `self` proves NEON; `holds` has checked the lengths that `tile` lists.
        unsafe { tile::<R, P>(at, out) }
    }

    #[inline]
    fn score(self, a: &[f32], b: &[f32]) -> f32 {
        assert!(a.len() == b.len() && a.len() % LANES == 0);
        // SAFETY: `self` proves NEON; the line above checks the lengths.
        unsafe { score(a, b) }
    }

    fn screen(self, at: Tile<'_>, out: &mut [f32]) {
        let done = strips::<_, 4, 1>(self, at, out);
        strips::<_, 1, 4>(self, at.at_probe(done), &mut out[done * at.width..]);
    }
}

/// # Safety
/// - NEON is present.
/// - `at.probes` holds `R` rows of `at.stride >= at.d` floats, `at.panels` holds `P` panels of `at.d * LANES`.
/// - `out` holds `P * LANES` floats at each multiple of `at.width` below `R * at.width`.
#[target_feature(enable = "neon")]
unsafe fn tile<const R: usize, const P: usize>(at: Tile<'_>, out: &mut [f32]) {
    let (probes, panels) = (at.probes.as_ptr(), at.panels.as_ptr());
    // SAFETY: NEON is present; every address below is bounded by the obligations: `p < P`, `r < R`,
    // `k < d <= stride`, and `out` holds sixteen floats at `r * width + p * LANES`.
    unsafe {
        let mut sums = [[[vdupq_n_f32(0.0); 4]; P]; R];
        for k in 0..at.d {
            for p in 0..P {
                let column = panels.add((p * at.d + k) * LANES);
                let columns =
                    [vld1q_f32(column), vld1q_f32(column.add(4)), vld1q_f32(column.add(8)), vld1q_f32(column.add(12))];
                for (r, sums) in sums.iter_mut().enumerate() {
                    let probe = vdupq_n_f32(*probes.add(r * at.stride + k));
                    for (sum, &column) in sums[p].iter_mut().zip(&columns) {
                        *sum = vfmaq_f32(*sum, probe, column);
                    }
                }
            }
        }
        for (r, sums) in sums.iter().enumerate() {
            for (p, quarters) in sums.iter().enumerate() {
                for (q, &sum) in quarters.iter().enumerate() {
                    vst1q_f32(out.as_mut_ptr().add(r * at.width + p * LANES + q * 4), sum);
                }
            }
        }
    }
}

/// # Safety
/// - NEON is present.
/// - `a` and `b` have the same length, a multiple of [`LANES`].
#[target_feature(enable = "neon")]
unsafe fn score(a: &[f32], b: &[f32]) -> f32 {
    // SAFETY: NEON is present; `k + 16 <= len` and `pair < 8`, so these two floats lie inside both rows.
    unsafe {
        let mut lanes = [vdupq_n_f64(0.0); 8];
        for k in (0..a.len()).step_by(LANES) {
            for (pair, lanes) in lanes.iter_mut().enumerate() {
                let x = vcvt_f64_f32(vld1_f32(a.as_ptr().add(k + pair * 2)));
                let y = vcvt_f64_f32(vld1_f32(b.as_ptr().add(k + pair * 2)));
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
