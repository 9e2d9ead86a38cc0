//! AVX2 and FMA: four probes against one panel of sixteen rows, eight sums in registers.

use super::{Isa, LANES, Tile, strips};
use std::arch::x86_64::*;

/// AVX2 and FMA are present. Only [`Avx2::detect`] makes one.
#[derive(Clone, Copy)]
pub struct Avx2(());

impl Avx2 {
    pub fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Avx2(()))
    }
}

impl Isa for Avx2 {
    fn tile<const R: usize, const P: usize>(self, at: Tile<'_>, out: &mut [f32]) {
        assert!(at.holds::<R, P>(out));
        // SAFETY: `self` proves AVX2 and FMA; `holds` has checked the lengths that `tile` lists.
        unsafe { tile::<R, P>(at, out) }
    }

    #[inline]
    fn score(self, a: &[f32], b: &[f32]) -> f32 {
        assert!(a.len() == b.len() && a.len().is_multiple_of(LANES));
        // SAFETY: `self` proves AVX2 and FMA; the line above checks the lengths.
        unsafe { score(a, b) }
    }

    fn screen(self, at: Tile<'_>, out: &mut [f32]) {
        let done = strips::<_, 4, 1>(self, at, out);
        strips::<_, 1, 4>(self, at.at_probe(done), &mut out[done * at.width..]);
    }
}

/// # Safety
/// - AVX2 and FMA are present.
/// - `at.probes` holds `R` rows of `at.stride >= at.d` floats, `at.panels` holds `P` panels of `at.d * LANES`.
/// - `out` holds `P * LANES` floats at each multiple of `at.width` below `R * at.width`.
#[target_feature(enable = "avx2,fma")]
unsafe fn tile<const R: usize, const P: usize>(at: Tile<'_>, out: &mut [f32]) {
    let (probes, panels) = (at.probes.as_ptr(), at.panels.as_ptr());
    let mut sums = [[[_mm256_setzero_ps(); 2]; P]; R];
    for k in 0..at.d {
        for p in 0..P {
            // SAFETY: `p < P` and `k < d`, so these two times eight floats lie inside panel `p`.
            let columns = unsafe {
                let column = panels.add((p * at.d + k) * LANES);
                [_mm256_loadu_ps(column), _mm256_loadu_ps(column.add(8))]
            };
            for (r, sums) in sums.iter_mut().enumerate() {
                // SAFETY: `r < R` and `k < d <= stride`, so this float lies inside probe `r`.
                let probe = _mm256_set1_ps(unsafe { *probes.add(r * at.stride + k) });
                for (sum, &column) in sums[p].iter_mut().zip(&columns) {
                    *sum = _mm256_fmadd_ps(probe, column, *sum);
                }
            }
        }
    }
    for (r, sums) in sums.iter().enumerate() {
        for (p, halves) in sums.iter().enumerate() {
            for (h, &sum) in halves.iter().enumerate() {
                // SAFETY: `out` holds sixteen floats at `r * width + p * LANES` (third obligation).
                unsafe { _mm256_storeu_ps(out.as_mut_ptr().add(r * at.width + p * LANES + h * 8), sum) };
            }
        }
    }
}

/// # Safety
/// - AVX2 and FMA are present.
/// - `a` and `b` have the same length, a multiple of [`LANES`].
#[target_feature(enable = "avx2,fma")]
unsafe fn score(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [_mm256_setzero_pd(); 4];
    for k in (0..a.len()).step_by(LANES) {
        for (quarter, lanes) in lanes.iter_mut().enumerate() {
            // SAFETY: `k + 16 <= len` and `quarter < 4`, so these four floats lie inside both rows.
            let (x, y) = unsafe {
                (_mm_loadu_ps(a.as_ptr().add(k + quarter * 4)), _mm_loadu_ps(b.as_ptr().add(k + quarter * 4)))
            };
            *lanes = _mm256_fmadd_pd(_mm256_cvtps_pd(x), _mm256_cvtps_pd(y), *lanes);
        }
    }
    let four = _mm256_add_pd(_mm256_add_pd(lanes[0], lanes[2]), _mm256_add_pd(lanes[1], lanes[3]));
    let two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd::<1>(four));
    let one = _mm_add_sd(two, _mm_unpackhi_pd(two, two));
    _mm_cvtsd_f64(one) as f32
}
