//! AVX-VNNI: the products of [`super::vnni`] in registers of 256 bits; floats are those of AVX2.

use super::tile::{IntTiles, int_strips};
use super::{Floats, Form, Ints, Isa, LANES, SIGNED, avx2::Avx2};
use std::arch::x86_64::*;

/// AVX-VNNI is present, beside what [`Avx2`] proves. Only [`AvxVnni::detect`] makes one.
#[derive(Clone, Copy)]
pub struct AvxVnni {
    floats: Avx2,
}

impl AvxVnni {
    pub fn detect() -> Option<&'static Self> {
        let floats = *Avx2::detect()?;
        is_x86_feature_detected!("avxvnni").then(|| &*Box::leak(Box::new(AvxVnni { floats })))
    }
}

impl IntTiles for AvxVnni {
    fn tile<const R: usize, const P: usize>(self, at: Ints<'_>, out: &mut [i32]) {
        assert!(at.holds(R, P, out) && at.corrections.len() >= P * LANES && at.k.is_multiple_of(4));
        // SAFETY: `self` proves the features; the line above checks the lengths that `tile` lists.
        unsafe { tile::<R, P>(at, out) }
    }
}

impl Isa for AvxVnni {
    fn name(&self) -> &'static str {
        "avxvnni"
    }

    fn form(&self) -> Form {
        Form { flips_probes: true, corrects: true, ..SIGNED }
    }

    fn per_cycle(&self) -> f64 {
        64.0
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
/// - AVX2 and AVX-VNNI are present.
/// - `at.holds(R, P, out)`, `at.k` is a multiple of four, and `at.corrections` holds `P * LANES`.
#[target_feature(enable = "avx2,avxvnni")]
unsafe fn tile<const R: usize, const P: usize>(at: Ints<'_>, out: &mut [i32]) {
    const HALF: usize = LANES / 2;
    let (probes, panels) = (at.probes.as_ptr(), at.panels.as_ptr());
    let mut sums = [[[_mm256_setzero_si256(); 2]; P]; R];
    for p in 0..P {
        for h in 0..2 {
            // SAFETY: `p < P` and `h < 2`, and there are sixteen corrections for each panel.
            let correction = unsafe { _mm256_loadu_si256(at.corrections.as_ptr().add(p * LANES + h * HALF).cast()) };
            for sums in &mut sums {
                sums[p][h] = _mm256_sub_epi32(_mm256_setzero_si256(), correction);
            }
        }
    }
    for k in (0..at.k).step_by(4) {
        for p in 0..P {
            // SAFETY: `p < P` and `k + 4 <= at.k`, so these two times 32 integers lie inside panel `p`.
            let columns = unsafe {
                let column = panels.add(p * at.panel_stride + k * LANES);
                [_mm256_loadu_si256(column.cast()), _mm256_loadu_si256(column.add(4 * HALF).cast())]
            };
            for (r, sums) in sums.iter_mut().enumerate() {
                // SAFETY: `r < R` and `k + 4 <= at.k`, so these four integers lie inside probe `r`.
                let quad = unsafe { probes.add(r * at.stride + k).cast::<i32>().read_unaligned() };
                let probe = _mm256_set1_epi32(quad);
                for (sum, &column) in sums[p].iter_mut().zip(&columns) {
                    *sum = _mm256_dpbusd_avx_epi32(*sum, probe, column);
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
