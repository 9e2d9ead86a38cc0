//! Pack: rows laid out for the screening kernels, made once.
//!
//! A panel holds [`LANES`] rows, component by component: float `k * LANES + lane` is component `k` of row
//! `panel * LANES + lane`. A kernel then multiplies one probe component with sixteen gallery components at
//! a time, and needs no sum across a register. Lanes beyond the last row are zero.
//!
//! Packing to int8 with a certified error bound has its place here, beside these panels.

use crate::dot::LANES;

pub struct Panels {
    d: usize,
    floats: Vec<f32>,
}

impl Panels {
    /// `flat` holds `n` rows of `stride` floats, of which the first `d` count.
    pub fn new(flat: &[f32], n: usize, d: usize, stride: usize) -> Self {
        let mut floats = vec![0.0; n.div_ceil(LANES) * LANES * d];
        for (i, row) in flat.chunks_exact(stride).enumerate().take(n) {
            let panel = &mut floats[(i / LANES) * LANES * d..];
            for (k, &x) in row[..d].iter().enumerate() {
                panel[k * LANES + i % LANES] = x;
            }
        }
        Panels { d, floats }
    }

    /// Panels `start..end`, one after another.
    pub fn slice(&self, start: usize, end: usize) -> &[f32] {
        &self.floats[start * LANES * self.d..end * LANES * self.d]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_hold_every_component_once_and_zeros_beyond() {
        let (n, d, stride) = (17, 3, 16);
        let flat: Vec<f32> = (0..n * stride).map(|i| if i % stride < d { i as f32 } else { 0.0 }).collect();
        let panels = Panels::new(&flat, n, d, stride);
        let floats = panels.slice(0, 2);
        for panel in 0..2 {
            for k in 0..d {
                for lane in 0..LANES {
                    let row = panel * LANES + lane;
                    let expected = if row < n { flat[row * stride + k] } else { 0.0 };
                    assert_eq!(floats[(panel * d + k) * LANES + lane], expected);
                }
            }
        }
    }
}
