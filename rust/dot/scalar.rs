//! Plain Rust: the definition as it reads, and an honest baseline.

use super::{Isa, LANES, Tile, reduce, strips};

#[derive(Clone, Copy)]
pub struct Scalar;

impl Scalar {
    pub fn next_at_least(self, scores: &[f32], limit: f32, from: usize) -> usize {
        let mut at = from;
        // Whole groups without a branch, which the compiler turns into vectors.
        for group in scores[from..].chunks_exact(LANES) {
            if group.iter().fold(false, |any, &s| any | (s >= limit)) {
                break;
            }
            at += LANES;
        }
        at + scores[at..].iter().position(|&s| s >= limit).unwrap_or(scores.len() - at)
    }
}

impl Isa for Scalar {
    fn tile<const R: usize, const P: usize>(self, at: Tile<'_>, out: &mut [f32]) {
        for r in 0..R {
            let probe = &at.probes[r * at.stride..][..at.d];
            for p in 0..P {
                let panel = &at.panels[p * at.d * LANES..][..at.d * LANES];
                let mut sums = [0.0f32; LANES];
                for (&x, column) in probe.iter().zip(panel.chunks_exact(LANES)) {
                    for (sum, &y) in sums.iter_mut().zip(column) {
                        *sum += x * y;
                    }
                }
                out[r * at.width + p * LANES..][..LANES].copy_from_slice(&sums);
            }
        }
    }

    fn score(self, a: &[f32], b: &[f32]) -> f32 {
        let mut lanes = [0.0f64; LANES];
        for (x, y) in a.chunks_exact(LANES).zip(b.chunks_exact(LANES)) {
            for l in 0..LANES {
                lanes[l] += f64::from(x[l]) * f64::from(y[l]);
            }
        }
        reduce(lanes) as f32
    }

    fn screen(self, at: Tile<'_>, out: &mut [f32]) {
        strips::<_, 1, 1>(self, at, out);
    }
}
