//! AVX-512: eight probes against two panels of sixteen rows, sixteen sums in registers.

use super::{Isa, LANES, Tile, strips};
use std::arch::x86_64::*;

/// AVX-512F and AVX-512DQ are present. Only [`Avx512::detect`] makes one.
#[derive(Clone, Copy)]
pub struct Avx512(());

impl Avx512 {
    pub fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq")).then_some(Avx512(()))
    }
}

impl Avx512 {
    pub fn next_at_least(self, scores: &[f32], limit: f32, from: usize) -> usize {
        // SAFETY: `self` proves AVX-512F; the slice carries its length.
        unsafe { next_at_least(scores, limit, from) }
    }
}

impl Isa for Avx512 {
    fn tile<const R: usize, const P: usize>(self, at: Tile<'_>, out: &mut [f32]) {
        assert!(at.holds::<R, P>(out));
        // SAFETY: `self` proves AVX-512F and DQ; `holds` has checked the lengths that `tile` lists.
        unsafe { tile::<R, P>(at, out) }
    }

    #[inline]
    fn score(self, a: &[f32], b: &[f32]) -> f32 {
        assert!(a.len() == b.len() && a.len().is_multiple_of(LANES));
        // SAFETY: `self` proves AVX-512F and DQ; the line above checks the lengths.
        unsafe { score(a, b) }
    }

    fn screen(self, at: Tile<'_>, out: &mut [f32]) {
        let mut done = strips::<_, 8, 2>(self, at, out);
        for step in [strips::<Self, 4, 4>, strips::<Self, 1, 8>] {
            done += step(self, at.at_probe(done), &mut out[done * at.width..]);
        }
    }
}

/// # Safety
/// - AVX-512F is present.
/// - `at.probes` holds `R` rows of `at.stride >= at.d` floats, `at.panels` holds `P` panels of `at.d * LANES`.
/// - `out` holds `P * LANES` floats at each multiple of `at.width` below `R * at.width`.
#[target_feature(enable = "avx512f")]
unsafe fn tile<const R: usize, const P: usize>(at: Tile<'_>, out: &mut [f32]) {
    let (probes, panels) = (at.probes.as_ptr(), at.panels.as_ptr());
    let mut sums = [[_mm512_setzero_ps(); P]; R];
    for k in 0..at.d {
        let mut columns = [_mm512_setzero_ps(); P];
        for (p, column) in columns.iter_mut().enumerate() {
            // SAFETY: `p < P` and `k < d`, so these sixteen floats lie inside panel `p`.
            *column = unsafe { _mm512_loadu_ps(panels.add((p * at.d + k) * LANES)) };
        }
        for (r, sums) in sums.iter_mut().enumerate() {
            // SAFETY: `r < R` and `k < d <= stride`, so this float lies inside probe `r`.
            let probe = _mm512_set1_ps(unsafe { *probes.add(r * at.stride + k) });
            for (sum, &column) in sums.iter_mut().zip(&columns) {
                *sum = _mm512_fmadd_ps(probe, column, *sum);
            }
        }
    }
    for (r, sums) in sums.iter().enumerate() {
        for (p, &sum) in sums.iter().enumerate() {
            // SAFETY: `out` holds sixteen floats at `r * width + p * LANES` (third obligation).
            unsafe { _mm512_storeu_ps(out.as_mut_ptr().add(r * at.width + p * LANES), sum) };
        }
    }
}

/// # Safety
/// - AVX-512F is present.
#[target_feature(enable = "avx512f")]
unsafe fn next_at_least(scores: &[f32], limit: f32, from: usize) -> usize {
    let limit = _mm512_set1_ps(limit);
    for at in (from..scores.len()).step_by(LANES) {
        let left = (scores.len() - at).min(LANES);
        let inside = 0xffff_u16 >> (LANES - left);
        // SAFETY: the mask reads `left` floats from `at`, which lie inside `scores`.
        let group = unsafe { _mm512_maskz_loadu_ps(inside, scores.as_ptr().add(at)) };
        let reached = _mm512_mask_cmp_ps_mask::<_CMP_GE_OQ>(inside, group, limit);
        if reached != 0 {
            return at + reached.trailing_zeros() as usize;
        }
    }
    scores.len()
}

/// # Safety
/// - AVX-512F and AVX-512DQ are present.
/// - `a` and `b` have the same length, a multiple of [`LANES`].
#[target_feature(enable = "avx512f,avx512dq")]
unsafe fn score(a: &[f32], b: &[f32]) -> f32 {
    let (mut low, mut high) = (_mm512_setzero_pd(), _mm512_setzero_pd());
    for k in (0..a.len()).step_by(LANES) {
        // SAFETY: `k + 16 <= len` for both rows (second obligation).
        let (x, y) = unsafe { (_mm512_loadu_ps(a.as_ptr().add(k)), _mm512_loadu_ps(b.as_ptr().add(k))) };
        let (x_low, y_low) = (_mm512_castps512_ps256(x), _mm512_castps512_ps256(y));
        let (x_high, y_high) = (_mm512_extractf32x8_ps::<1>(x), _mm512_extractf32x8_ps::<1>(y));
        low = _mm512_fmadd_pd(_mm512_cvtps_pd(x_low), _mm512_cvtps_pd(y_low), low);
        high = _mm512_fmadd_pd(_mm512_cvtps_pd(x_high), _mm512_cvtps_pd(y_high), high);
    }
    let eight = _mm512_add_pd(low, high);
    let four = _mm256_add_pd(_mm512_castpd512_pd256(eight), _mm512_extractf64x4_pd::<1>(eight));
    let two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd::<1>(four));
    let one = _mm_add_sd(two, _mm_unpackhi_pd(two, two));
    _mm_cvtsd_f64(one) as f32
}
