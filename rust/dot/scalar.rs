//! Plain Rust: the definition as it reads, an honest baseline, and what other kernels fall back on.

use super::tile::{BLOCK, FloatTiles, strips};
use super::{Floats, Form, Ints, Isa, LANES, NEAR_SUMS, SIGNED, Sieve, Tile, Vectors, filled, reduce};
use crate::axis::Grid;

#[derive(Clone, Copy)]
pub struct Scalar;

impl FloatTiles for Scalar {
    fn tile<const R: usize, const P: usize>(self, at: Tile<'_>, out: &mut [f32]) {
        for r in 0..R {
            let probe = &at.probes[r * at.d..][..at.d];
            for p in 0..P {
                let panel = &at.panels[p * at.d * LANES..][..at.d * LANES];
                let mut totals = [0.0f32; LANES];
                for (probe, panel) in probe.chunks(BLOCK).zip(panel.chunks(BLOCK * LANES)) {
                    let mut sums = [0.0f32; LANES];
                    for (&x, column) in probe.iter().zip(panel.chunks_exact(LANES)) {
                        for (sum, &y) in sums.iter_mut().zip(column) {
                            *sum += x * y;
                        }
                    }
                    totals.iter_mut().zip(sums).for_each(|(total, sum)| *total += sum);
                }
                out[r * at.width + p * LANES..][..LANES].copy_from_slice(&totals);
            }
        }
    }
}

impl Floats for Scalar {
    fn per_cycle(&self) -> f64 {
        0.0
    }

    fn score(&self, a: &[f32], b: &[f32]) -> f32 {
        let mut lanes = [0.0f64; LANES];
        let ((a, a_tail), (b, b_tail)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
        let tails = [(filled(a_tail), filled(b_tail))];
        for (x, y) in a.iter().zip(b).chain(tails.iter().map(|(x, y)| (x, y))) {
            for l in 0..LANES {
                lanes[l] += f64::from(x[l]) * f64::from(y[l]);
            }
        }
        reduce(lanes) as f32
    }

    fn near(&self, a: &[f32], b: &[f32]) -> f32 {
        let mut sums = [0.0f32; NEAR_SUMS];
        let ((a, a_tail), (b, b_tail)) = (a.as_chunks::<NEAR_SUMS>(), b.as_chunks::<NEAR_SUMS>());
        for (x, y) in a.iter().zip(b) {
            for l in 0..NEAR_SUMS {
                sums[l] += x[l] * y[l];
            }
        }
        for (sum, (x, y)) in sums.iter_mut().zip(a_tail.iter().zip(b_tail)) {
            *sum += x * y;
        }
        let mut half = NEAR_SUMS / 2;
        while half > 0 {
            for l in 0..half {
                sums[l] += sums[l + half];
            }
            half /= 2;
        }
        sums[0]
    }

    fn screen(&self, at: Tile<'_>, out: &mut [f32]) {
        strips::<_, 1, 1>(*self, at, out);
    }

    fn sieve(&self, at: Sieve<'_>, masks: &mut [u16]) {
        let n_panels = at.n_panels();
        for (r, limit) in at.limits.iter().enumerate() {
            for p in 0..n_panels {
                let rows = p * LANES..(p + 1) * LANES;
                let products = &at.products[r * at.width..][rows.clone()];
                let (scales, offsets, spreads) =
                    (&at.scales[rows.clone()], &at.offsets[rows.clone()], &at.spreads[rows]);
                let mut mask = 0u16;
                for l in 0..LANES {
                    let bound =
                        limit.scale * (scales[l] * products[l] as f32) + (limit.spread * spreads[l] + offsets[l]);
                    mask |= u16::from(bound >= limit.least) << l;
                }
                masks[r * n_panels + p] = mask;
            }
        }
    }

    fn locate(&self, scores: &[f32], grid: &Grid, bins: &mut [u32]) {
        for (bin, &score) in bins.iter_mut().zip(scores) {
            *bin = grid.bin(score);
        }
    }

    fn vectors(&self) -> Vectors {
        Vectors::Baseline
    }
}

impl Isa for Scalar {
    fn name(&self) -> &'static str {
        "scalar"
    }

    fn form(&self) -> Form {
        SIGNED
    }

    fn per_cycle(&self) -> f64 {
        0.0
    }

    fn dots(&self, at: Ints<'_>, out: &mut [i32]) {
        for r in 0..at.n_probes {
            let probe = &at.probes[r * at.stride..][..at.k];
            for p in 0..at.n_panels {
                let panel = &at.panels[p * at.panel_stride..][..at.k * LANES];
                out[r * at.width + p * LANES..][..LANES].copy_from_slice(&panel_dots(probe, panel));
            }
        }
    }

    fn floats(&self) -> &dyn Floats {
        self
    }
}

/// Products of one row with the sixteen of a panel.
fn panel_dots(probe: &[i8], panel: &[i8]) -> [i32; LANES] {
    let mut sums = [0i32; LANES];
    let (quads, _) = probe.as_chunks::<4>();
    let (columns, _) = panel.as_chunks::<{ 4 * LANES }>();
    for (x, column) in quads.iter().zip(columns) {
        for l in 0..LANES {
            for q in 0..4 {
                sums[l] += i32::from(x[q]) * i32::from(column[l * 4 + q]);
            }
        }
    }
    sums
}
