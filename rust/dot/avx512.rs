//! AVX-512: floats by eight probes and two panels of sixteen rows, sixteen sums in registers. Its integers are
//! those of AVX2, for processors that have no VNNI.

use super::tile::{BLOCK, FloatTiles, strips};
use super::{Floats, Form, Ints, Isa, LANES, Sieve, Tile, Vectors, avx2::Avx2};
use crate::axis::Grid;
use std::arch::x86_64::*;

/// AVX-512F, BW, DQ and VL are present. Only [`Avx512::detect`] makes one.
#[derive(Clone, Copy)]
pub struct Avx512 {
    avx2: Avx2,
}

impl Avx512 {
    pub fn detect() -> Option<&'static Self> {
        let is_there = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        let avx2 = *Avx2::detect()?;
        is_there.then(|| &*Box::leak(Box::new(Avx512 { avx2 })))
    }

    #[inline(always)]
    pub fn vectorise<T>(self, work: impl FnOnce() -> T) -> T {
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma")]
        fn inner<T>(work: impl FnOnce() -> T) -> T {
            work()
        }
        // SAFETY: `self` proves the features.
        unsafe { inner(work) }
    }
}

impl FloatTiles for Avx512 {
    fn tile<const R: usize, const P: usize>(self, at: Tile<'_>, out: &mut [f32]) {
        assert!(at.holds::<R, P>(out));
        // SAFETY: `self` proves AVX-512F; `holds` has checked the lengths that `tile` lists.
        unsafe { tile::<R, P>(at, out) }
    }
}

impl Floats for Avx512 {
    fn per_cycle(&self) -> f64 {
        32.0
    }

    #[inline]
    fn score(&self, a: &[f32], b: &[f32]) -> f32 {
        assert!(a.len() == b.len());
        // SAFETY: `self` proves AVX-512F and DQ; the line above checks the lengths.
        unsafe { score(a, b) }
    }

    #[inline]
    fn near(&self, a: &[f32], b: &[f32]) -> f32 {
        assert!(a.len() == b.len());
        // SAFETY: `self` proves AVX-512F; the line above checks the lengths.
        unsafe { near(a, b) }
    }

    fn screen(&self, at: Tile<'_>, out: &mut [f32]) {
        let mut done = strips::<_, 8, 2>(*self, at, out);
        for step in [strips::<Self, 4, 4>, strips::<Self, 1, 8>] {
            done += step(*self, at.at_probe(done), &mut out[done * at.width..]);
        }
    }

    fn sieve(&self, at: Sieve<'_>, masks: &mut [u16]) {
        assert!(at.holds(masks));
        // SAFETY: `self` proves AVX-512F; `holds` has checked the lengths that `sieve` lists.
        unsafe { sieve(at, masks) }
    }

    fn locate(&self, scores: &[f32], grid: &Grid, bins: &mut [u32]) {
        assert!(bins.len() >= scores.len());
        // SAFETY: `self` proves AVX-512F and VL; the line above checks the lengths.
        unsafe { locate(scores, grid, bins) }
    }

    fn fetch(&self, bytes: &[u8]) {
        self.avx2.fetch(bytes);
    }

    fn vectors(&self) -> Vectors {
        Vectors::Avx512(*self)
    }
}

impl Isa for Avx512 {
    fn name(&self) -> &'static str {
        "avx512"
    }

    fn form(&self) -> Form {
        self.avx2.form()
    }

    fn per_cycle(&self) -> f64 {
        Isa::per_cycle(&self.avx2)
    }

    fn dots(&self, at: Ints<'_>, out: &mut [i32]) {
        self.avx2.dots(at, out);
    }

    fn floats(&self) -> &dyn Floats {
        self
    }
}

/// # Safety
/// - AVX-512F is present.
/// - `at.probes` holds `R` rows of `at.d` floats, `at.panels` holds `P` panels of `at.d * LANES`.
/// - `out` holds `P * LANES` floats at each multiple of `at.width` below `R * at.width`.
#[target_feature(enable = "avx512f")]
unsafe fn tile<const R: usize, const P: usize>(at: Tile<'_>, out: &mut [f32]) {
    let (probes, panels) = (at.probes.as_ptr(), at.panels.as_ptr());
    for block in (0..at.d).step_by(BLOCK) {
        let mut sums = [[_mm512_setzero_ps(); P]; R];
        for k in block..(block + BLOCK).min(at.d) {
            let mut columns = [_mm512_setzero_ps(); P];
            for (p, column) in columns.iter_mut().enumerate() {
                // SAFETY: `p < P` and `k < d`, so these sixteen floats lie inside panel `p`.
                *column = unsafe { _mm512_loadu_ps(panels.add((p * at.d + k) * LANES)) };
            }
            for (r, sums) in sums.iter_mut().enumerate() {
                // SAFETY: `r < R` and `k < d`, so this float lies inside probe `r`.
                let probe = _mm512_set1_ps(unsafe { *probes.add(r * at.d + k) });
                for (sum, &column) in sums.iter_mut().zip(&columns) {
                    *sum = _mm512_fmadd_ps(probe, column, *sum);
                }
            }
        }
        for (r, sums) in sums.iter().enumerate() {
            for (p, &sum) in sums.iter().enumerate() {
                // SAFETY: `out` holds sixteen floats at `r * width + p * LANES` (third obligation).
                unsafe {
                    let total = out.as_mut_ptr().add(r * at.width + p * LANES);
                    let sum = if block == 0 { sum } else { _mm512_add_ps(_mm512_loadu_ps(total), sum) };
                    _mm512_storeu_ps(total, sum);
                }
            }
        }
    }
}

/// Up to sixteen floats from `at` on, zeros beyond.
#[inline]
#[target_feature(enable = "avx512f")]
fn group(row: &[f32], at: usize) -> __m512 {
    let left = (row.len() - at).min(LANES);
    // SAFETY: the mask reads `left` floats from `at`, which lie inside `row`.
    unsafe { _mm512_maskz_loadu_ps(0xffff_u16 >> (LANES - left), row.as_ptr().add(at)) }
}

/// # Safety
/// - AVX-512F and AVX-512DQ are present.
/// - `a` and `b` have the same length.
#[target_feature(enable = "avx512f,avx512dq")]
unsafe fn score(a: &[f32], b: &[f32]) -> f32 {
    let (mut low, mut high) = (_mm512_setzero_pd(), _mm512_setzero_pd());
    for k in (0..a.len()).step_by(LANES) {
        let (x, y) = (group(a, k), group(b, k));
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

/// # Safety
/// - AVX-512F is present.
/// - `a` and `b` have the same length.
#[target_feature(enable = "avx512f")]
unsafe fn near(a: &[f32], b: &[f32]) -> f32 {
    const STEP: usize = 4 * LANES;
    let mut sums = [_mm512_setzero_ps(); 4];
    let whole = a.len() / STEP * STEP;
    for k in (0..whole).step_by(STEP) {
        for (q, sum) in sums.iter_mut().enumerate() {
            // SAFETY: `k + 64 <= len` and `q < 4`, so these sixteen floats lie inside both rows.
            let (x, y) = unsafe {
                (_mm512_loadu_ps(a.as_ptr().add(k + q * LANES)), _mm512_loadu_ps(b.as_ptr().add(k + q * LANES)))
            };
            *sum = _mm512_fmadd_ps(x, y, *sum);
        }
    }
    for (sum, k) in sums.iter_mut().zip((whole..a.len()).step_by(LANES)) {
        *sum = _mm512_fmadd_ps(group(a, k), group(b, k), *sum);
    }
    _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(sums[0], sums[1]), _mm512_add_ps(sums[2], sums[3])))
}

/// # Safety
/// - AVX-512F is present.
/// - `at.holds(masks)`.
#[target_feature(enable = "avx512f")]
unsafe fn sieve(at: Sieve<'_>, masks: &mut [u16]) {
    let n_panels = at.n_panels();
    for p in 0..n_panels {
        // SAFETY: `p` is below the number of panels, and each of the three holds sixteen floats a panel.
        let [scales, offsets, spreads] =
            unsafe { [at.scales, at.offsets, at.spreads].map(|rows| _mm512_loadu_ps(rows.as_ptr().add(p * LANES))) };
        for (r, limit) in at.limits.iter().enumerate() {
            // SAFETY: `r` is below the number of limits, and sixteen products lie at `r * width + p * LANES`.
            let products = unsafe { _mm512_loadu_si512(at.products.as_ptr().add(r * at.width + p * LANES).cast()) };
            let scaled = _mm512_mul_ps(_mm512_cvtepi32_ps(products), scales);
            let rest = _mm512_fmadd_ps(_mm512_set1_ps(limit.spread), spreads, offsets);
            let bounds = _mm512_fmadd_ps(_mm512_set1_ps(limit.scale), scaled, rest);
            let mask = _mm512_cmp_ps_mask::<_CMP_GE_OQ>(bounds, _mm512_set1_ps(limit.least));
            // SAFETY: `masks` holds one mask for each limit and panel.
            unsafe { *masks.get_unchecked_mut(r * n_panels + p) = mask };
        }
    }
}

/// # Safety
/// - AVX-512F and VL are present.
/// - `bins` is at least as long as `scores`.
#[target_feature(enable = "avx512f,avx512vl")]
unsafe fn locate(scores: &[f32], grid: &Grid, bins: &mut [u32]) {
    let (origin, per_unit) = (_mm512_set1_ps(grid.origin), _mm512_set1_ps(grid.cells_per_unit));
    let (last, slack) = (_mm512_set1_ps(grid.last_cell()), _mm512_set1_ps(grid.slack));
    for at in (0..scores.len()).step_by(LANES) {
        let score = group(scores, at);
        let place = _mm512_mul_ps(_mm512_sub_ps(score, origin), per_unit);
        // The order of operands sends NaN to cell 0, as `Grid::cell` does.
        let place = _mm512_min_ps(_mm512_max_ps(place, _mm512_setzero_ps()), last);
        let cell = _mm512_cvtps_epi32(place);
        // SAFETY: `cell` is at least 0 and at most the last cell, and both tables have an entry for each.
        let (first, edge) = unsafe {
            (
                _mm512_i32gather_epi32::<4>(cell, grid.first.as_ptr().cast()),
                _mm512_i32gather_ps::<4>(cell, grid.edge.as_ptr()),
            )
        };
        let above = _mm512_sub_ps(score, edge);
        let is_above = _mm512_cmp_ps_mask::<_CMP_GE_OQ>(above, _mm512_setzero_ps());
        let is_clear = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(_mm512_abs_ps(above), slack);
        let bin = _mm512_mask_add_epi32(first, is_above, first, _mm512_set1_epi32(1));
        let bin = _mm512_mask_mov_epi32(_mm512_set1_epi32(-1), is_clear, bin);
        let inside = 0xffff_u16 >> (LANES - (scores.len() - at).min(LANES));
        // SAFETY: the mask writes as many bins as there are scores left, and `bins` is as long.
        unsafe { _mm512_mask_storeu_epi32(bins.as_mut_ptr().add(at).cast(), inside, bin) };
    }
}
