//! AVX2 and FMA: four probes against one panel of sixteen rows, eight sums in registers.
//!
//! Integers are multiplied by `vpmaddubsw`: unsigned gallery by signed probe, two products added in 16 bits, which
//! must hold them. So the gallery is flipped to unsigned, at most 255; and the four probe integers whose products
//! meet in 16 bits, two of `vpmaddubsw` and two of its neighbour, add up to at most 128: 255 * 128 < 2^15. The
//! residual norm of the probe pays for its coarser integers: with a peak of 46, four of them rarely exceed the limit. Every product is too large by 128 times the sum of
//! the probe, with which each sum begins, negated.

use super::tile::{BLOCK, FloatTiles, IntTiles, int_strips, strips};
use super::{Floats, Form, Ints, Isa, LANES, SIGNED, Sieve, Tile, Vectors, filled, scalar::Scalar};
use crate::axis::Grid;
use std::arch::x86_64::*;

/// Bytes of a line of the cache.
const LINE: usize = 64;

/// AVX2 and FMA are present. Only [`Avx2::detect`] makes one.
#[derive(Clone, Copy)]
pub struct Avx2(());

impl Avx2 {
    pub fn detect() -> Option<&'static Self> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(&Avx2(()))
    }

    #[inline(always)]
    pub fn vectorise<T>(self, work: impl FnOnce() -> T) -> T {
        #[target_feature(enable = "avx2,fma")]
        fn inner<T>(work: impl FnOnce() -> T) -> T {
            work()
        }
        // SAFETY: `self` proves the features.
        unsafe { inner(work) }
    }
}

impl FloatTiles for Avx2 {
    fn tile<const R: usize, const P: usize>(self, at: Tile<'_>, out: &mut [f32]) {
        assert!(at.holds::<R, P>(out));
        // SAFETY: `self` proves AVX2 and FMA; `holds` has checked the lengths that `tile` lists.
        unsafe { tile::<R, P>(at, out) }
    }
}

impl IntTiles for Avx2 {
    fn tile<const R: usize, const P: usize>(self, at: Ints<'_>, out: &mut [i32]) {
        assert!(at.holds(R, P, out) && at.k.is_multiple_of(8));
        // SAFETY: `self` proves AVX2; the line above checks the lengths that `int_tile` lists.
        unsafe { int_tile::<R, P>(at, out) }
    }
}

impl Floats for Avx2 {
    fn per_cycle(&self) -> f64 {
        16.0
    }

    fn score(&self, a: &[f32], b: &[f32]) -> f32 {
        assert!(a.len() == b.len());
        // SAFETY: `self` proves AVX2 and FMA; the line above checks the lengths.
        unsafe { score(a, b) }
    }

    fn near(&self, a: &[f32], b: &[f32]) -> f32 {
        self.vectorise(
            #[inline(always)]
            || Scalar.near(a, b),
        )
    }

    fn screen(&self, at: Tile<'_>, out: &mut [f32]) {
        let done = strips::<_, 4, 1>(*self, at, out);
        strips::<_, 1, 4>(*self, at.at_probe(done), &mut out[done * at.width..]);
    }

    fn sieve(&self, at: Sieve<'_>, masks: &mut [u16]) {
        assert!(at.holds(masks));
        // SAFETY: `self` proves AVX2 and FMA; `holds` has checked the lengths that `sieve` lists.
        unsafe { sieve(at, masks) }
    }

    fn locate(&self, scores: &[f32], grid: &Grid, bins: &mut [u32]) {
        Scalar.locate(scores, grid, bins);
    }

    fn fetch(&self, bytes: &[u8]) {
        for line in bytes.chunks(LINE) {
            // SAFETY: asking for a line of memory reads nothing; the address lies inside `bytes`.
            unsafe { _mm_prefetch::<_MM_HINT_T1>(line.as_ptr().cast()) }
        }
    }

    fn vectors(&self) -> Vectors {
        Vectors::Avx2(*self)
    }
}

impl Isa for Avx2 {
    fn name(&self) -> &'static str {
        "avx2"
    }

    fn form(&self) -> Form {
        Form { flips_gallery: true, probe_peak: 46, probe_quads: Some(128), ..SIGNED }
    }

    fn per_cycle(&self) -> f64 {
        // Five instructions on three ports for 64 products.
        64.0 * 3.0 / 5.0
    }

    fn dots(&self, at: Ints<'_>, out: &mut [i32]) {
        let done = int_strips::<_, 4, 1>(*self, at, out);
        int_strips::<_, 1, 4>(*self, at.at_probe(done), &mut out[done * at.width..]);
    }

    fn floats(&self) -> &dyn Floats {
        self
    }
}

/// # Safety
/// - AVX2 and FMA are present.
/// - `at.probes` holds `R` rows of `at.d` floats, `at.panels` holds `P` panels of `at.d * LANES`.
/// - `out` holds `P * LANES` floats at each multiple of `at.width` below `R * at.width`.
#[target_feature(enable = "avx2,fma")]
unsafe fn tile<const R: usize, const P: usize>(at: Tile<'_>, out: &mut [f32]) {
    let (probes, panels) = (at.probes.as_ptr(), at.panels.as_ptr());
    for block in (0..at.d).step_by(BLOCK) {
        let mut sums = [[[_mm256_setzero_ps(); 2]; P]; R];
        for k in block..(block + BLOCK).min(at.d) {
            for p in 0..P {
                // SAFETY: `p < P` and `k < d`, so these two times eight floats lie inside panel `p`.
                let columns = unsafe {
                    let column = panels.add((p * at.d + k) * LANES);
                    [_mm256_loadu_ps(column), _mm256_loadu_ps(column.add(8))]
                };
                for (r, sums) in sums.iter_mut().enumerate() {
                    // SAFETY: `r < R` and `k < d`, so this float lies inside probe `r`.
                    let probe = _mm256_set1_ps(unsafe { *probes.add(r * at.d + k) });
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
                    unsafe {
                        let total = out.as_mut_ptr().add(r * at.width + p * LANES + h * 8);
                        let sum = if block == 0 { sum } else { _mm256_add_ps(_mm256_loadu_ps(total), sum) };
                        _mm256_storeu_ps(total, sum);
                    }
                }
            }
        }
    }
}

/// # Safety
/// - AVX2 is present.
/// - `at.holds(R, P, out)`, and `at.k` is a multiple of eight.
#[target_feature(enable = "avx2")]
unsafe fn int_tile<const R: usize, const P: usize>(at: Ints<'_>, out: &mut [i32]) {
    const HALF: usize = LANES / 2;
    let (probes, panels) = (at.probes.as_ptr(), at.panels.as_ptr());
    let ones = _mm256_set1_epi16(1);
    let mut sums = [[[_mm256_setzero_si256(); 2]; P]; R];
    for (r, sums) in sums.iter_mut().enumerate() {
        let sum: i32 = at.probes[r * at.stride..][..at.k].iter().map(|&x| i32::from(x)).sum();
        *sums = [[_mm256_set1_epi32(-128 * sum); 2]; P];
    }
    for k in (0..at.k).step_by(8) {
        for p in 0..P {
            // SAFETY: `p < P` and `k + 8 <= at.k`, so these four times 32 integers lie inside panel `p`.
            let columns = unsafe {
                let column = panels.add(p * at.panel_stride + k * LANES);
                [0, 1, 2, 3].map(|q| _mm256_loadu_si256(column.add(q * 4 * HALF).cast()))
            };
            for (r, sums) in sums.iter_mut().enumerate() {
                // SAFETY: `r < R` and `k + 8 <= at.k`, so these two times four integers lie inside probe `r`.
                let [first, second] = unsafe {
                    let probe = probes.add(r * at.stride + k).cast::<i32>();
                    [_mm256_set1_epi32(probe.read_unaligned()), _mm256_set1_epi32(probe.add(1).read_unaligned())]
                };
                for (h, sum) in sums[p].iter_mut().enumerate() {
                    let pairs = _mm256_add_epi16(
                        _mm256_maddubs_epi16(columns[h], first),
                        _mm256_maddubs_epi16(columns[2 + h], second),
                    );
                    *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pairs, ones));
                }
            }
        }
    }
    for (r, sums) in sums.iter().enumerate() {
        for (p, halves) in sums.iter().enumerate() {
            for (h, &sum) in halves.iter().enumerate() {
                let place = r * at.width + p * LANES + h * HALF;
                // SAFETY: `out` holds sixteen products at `r * width + p * LANES` (`holds`).
                unsafe { _mm256_storeu_si256(out.as_mut_ptr().add(place).cast(), sum) };
            }
        }
    }
}

/// # Safety
/// - AVX2 and FMA are present.
/// - `at.holds(masks)`.
#[target_feature(enable = "avx2,fma")]
unsafe fn sieve(at: Sieve<'_>, masks: &mut [u16]) {
    const HALF: usize = LANES / 2;
    let n_panels = at.n_panels();
    masks.fill(0);
    for half in 0..2 * n_panels {
        // SAFETY: each of the three holds sixteen floats a panel, eight a half.
        let [scales, offsets, spreads] =
            unsafe { [at.scales, at.offsets, at.spreads].map(|rows| _mm256_loadu_ps(rows.as_ptr().add(half * HALF))) };
        for (r, limit) in at.limits.iter().enumerate() {
            // SAFETY: `r` is below the number of limits, and eight products lie at `r * width + half * 8`.
            let products = unsafe { _mm256_loadu_si256(at.products.as_ptr().add(r * at.width + half * HALF).cast()) };
            let scaled = _mm256_mul_ps(_mm256_cvtepi32_ps(products), scales);
            let rest = _mm256_fmadd_ps(_mm256_set1_ps(limit.spread), spreads, offsets);
            let bounds = _mm256_fmadd_ps(_mm256_set1_ps(limit.scale), scaled, rest);
            let reached = _mm256_cmp_ps::<_CMP_GE_OQ>(bounds, _mm256_set1_ps(limit.least));
            masks[r * n_panels + half / 2] |= (_mm256_movemask_ps(reached) as u16) << (half % 2 * HALF);
        }
    }
}

/// # Safety
/// - AVX2 and FMA are present.
/// - `a` and `b` have the same length.
#[target_feature(enable = "avx2,fma")]
unsafe fn score(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [_mm256_setzero_pd(); 4];
    let ((a, a_tail), (b, b_tail)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let tails = [(filled(a_tail), filled(b_tail))];
    for (x, y) in a.iter().zip(b).chain(tails.iter().map(|(x, y)| (x, y))) {
        for (quarter, lanes) in lanes.iter_mut().enumerate() {
            // SAFETY: `quarter < 4`, so these four floats lie inside both groups of sixteen.
            let (x, y) =
                unsafe { (_mm_loadu_ps(x.as_ptr().add(quarter * 4)), _mm_loadu_ps(y.as_ptr().add(quarter * 4))) };
            *lanes = _mm256_fmadd_pd(_mm256_cvtps_pd(x), _mm256_cvtps_pd(y), *lanes);
        }
    }
    let four = _mm256_add_pd(_mm256_add_pd(lanes[0], lanes[2]), _mm256_add_pd(lanes[1], lanes[3]));
    let two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd::<1>(four));
    let one = _mm_add_sd(two, _mm_unpackhi_pd(two, two));
    _mm_cvtsd_f64(one) as f32
}
