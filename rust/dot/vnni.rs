//! AVX-512 VNNI: four products of 8-bit integers a lane and instruction; eight probes by two panels.
//!
//! `vpdpbusd` multiplies unsigned by signed. Probes are flipped to unsigned, `x + 128`, so every product is too
//! large by 128 times the sum of the gallery row, with which each sum therefore begins, negated.

use super::tile::{IntTiles, int_strips};
use super::{Floats, Form, Ints, Isa, LANES, SIGNED, avx512::Avx512};
use std::arch::x86_64::*;

/// AVX-512 VNNI is present, beside what [`Avx512`] proves. Only [`Vnni::detect`] makes one.
#[derive(Clone, Copy)]
pub struct Vnni {
    floats: Avx512,
}

/// Flips probes on the way, for a kernel whose probes are signed.
#[derive(Clone, Copy)]
pub struct Flipping(pub Vnni);

impl Vnni {
    pub fn detect() -> Option<&'static Self> {
        let floats = *Avx512::detect()?;
        is_x86_feature_detected!("avx512vnni").then(|| &*Box::leak(Box::new(Vnni { floats })))
    }
}

impl IntTiles for Vnni {
    fn tile<const R: usize, const P: usize>(self, at: Ints<'_>, out: &mut [i32]) {
        assert!(at.holds(R, P, out) && at.corrections.len() >= P * LANES && at.k.is_multiple_of(4));
        // SAFETY: `self` proves the features; the line above checks the lengths that `tile` lists.
        unsafe { tile::<R, P, false>(at, out) }
    }
}

impl IntTiles for Flipping {
    fn tile<const R: usize, const P: usize>(self, at: Ints<'_>, out: &mut [i32]) {
        assert!(at.holds(R, P, out) && at.corrections.len() >= P * LANES && at.k.is_multiple_of(4));
        // SAFETY: `self` proves the features; the line above checks the lengths that `tile` lists.
        unsafe { tile::<R, P, true>(at, out) }
    }
}

impl Isa for Vnni {
    fn name(&self) -> &'static str {
        "vnni"
    }

    fn form(&self) -> Form {
        Form { flips_probes: true, corrects: true, ..SIGNED }
    }

    fn per_cycle(&self) -> f64 {
        128.0
    }

    fn dots(&self, at: Ints<'_>, out: &mut [i32]) {
        let mut done = int_strips::<_, 8, 2>(*self, at, out);
        for step in [int_strips::<Self, 4, 4>, int_strips::<Self, 1, 8>] {
            done += step(*self, at.at_probe(done), &mut out[done * at.width..]);
        }
    }

    fn floats(&self) -> &dyn Floats {
        &self.floats
    }
}

/// # Safety
/// - AVX-512F and VNNI are present.
/// - `at.holds(R, P, out)`, `at.k` is a multiple of four, and `at.corrections` holds `P * LANES`.
#[target_feature(enable = "avx512f,avx512vnni")]
unsafe fn tile<const R: usize, const P: usize, const FLIPS: bool>(at: Ints<'_>, out: &mut [i32]) {
    let (probes, panels) = (at.probes.as_ptr(), at.panels.as_ptr());
    let mut sums = [[_mm512_setzero_si512(); P]; R];
    for p in 0..P {
        // SAFETY: `p < P`, and there are sixteen corrections for each panel.
        let correction = unsafe { _mm512_loadu_si512(at.corrections.as_ptr().add(p * LANES).cast()) };
        for sums in &mut sums {
            sums[p] = _mm512_sub_epi32(_mm512_setzero_si512(), correction);
        }
    }
    for k in (0..at.k).step_by(4) {
        let mut columns = [_mm512_setzero_si512(); P];
        for (p, column) in columns.iter_mut().enumerate() {
            // SAFETY: `p < P` and `k + 4 <= at.k`, so these 64 integers lie inside panel `p`.
            *column = unsafe { _mm512_loadu_si512(panels.add(p * at.panel_stride + k * LANES).cast()) };
        }
        for (r, sums) in sums.iter_mut().enumerate() {
            // SAFETY: `r < R` and `k + 4 <= at.k`, so these four integers lie inside probe `r`.
            let quad = unsafe { probes.add(r * at.stride + k).cast::<i32>().read_unaligned() };
            let probe = _mm512_set1_epi32(if FLIPS { quad ^ 0x8080_8080_u32 as i32 } else { quad });
            for (sum, &column) in sums.iter_mut().zip(&columns) {
                *sum = _mm512_dpbusd_epi32(*sum, probe, column);
            }
        }
    }
    for (r, sums) in sums.iter().enumerate() {
        for (p, &sum) in sums.iter().enumerate() {
            // SAFETY: `out` holds sixteen products at `r * width + p * LANES` (`holds`).
            unsafe { _mm512_storeu_si512(out.as_mut_ptr().add(r * at.width + p * LANES).cast(), sum) };
        }
    }
}
