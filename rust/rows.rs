//! Rows: unit vectors, and how a template becomes one.
//!
//! The unit row of a template `x` is `x / norm(x)`, computed in `f64` and rounded to `f32`. `x` is first
//! scaled by the power of two that brings its largest component into `[1, 2)`: that is exact, and keeps the
//! sum of squares from overflowing or vanishing. The sum of squares is added in the order of [`crate::dot`].
//! A row with NaN, an infinity or only zeros has no direction: it is a failed template and stays zero.

use crate::dot::{self, LANES};
use crate::error::Error;
use half::f16;

/// A component type that templates come in; each converts to `f64` exactly.
pub trait Component: Copy + Send + Sync {
    fn to_f64(self) -> f64;
}

impl Component for f16 {
    fn to_f64(self) -> f64 {
        f16::to_f64(self)
    }
}

impl Component for f32 {
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
}

impl Component for f64 {
    fn to_f64(self) -> f64 {
        self
    }
}

/// Writes the unit row of `template` to `unit`; `false`, and zeros, if it has no direction.
pub fn normalise<T: Component>(template: &[T], unit: &mut [f32], scratch: &mut Vec<f64>) -> bool {
    scratch.clear();
    scratch.extend(template.iter().map(|x| x.to_f64()));
    let largest = scratch.iter().fold(0.0f64, |m, x| m.max(x.abs()));
    if largest == 0.0 || !scratch.iter().all(|x| x.is_finite()) {
        unit.fill(0.0);
        return false;
    }
    scale_to_one(scratch, largest);
    let norm = dot::sum_of_squares(scratch).sqrt();
    for (u, x) in unit.iter_mut().zip(scratch.iter()) {
        *u = (x / norm) as f32;
    }
    true
}

/// Multiplies by the power of two that brings `largest` into `[1, 2)`.
fn scale_to_one(values: &mut [f64], largest: f64) {
    // Two steps, because 2^1074 is not a f64.
    let mut largest = largest;
    while !(1.0..2.0).contains(&largest) {
        let factor = (2.0f64).powi((-exponent(largest)).clamp(-1000, 1000));
        largest *= factor;
        values.iter_mut().for_each(|v| *v *= factor);
    }
}

/// `e` with `2^e <= x < 2^(e+1)`, for positive finite `x`; subnormals report the exponent of the smallest normal.
fn exponent(x: f64) -> i32 {
    let biased = ((x.to_bits() >> 52) & 0x7ff) as i32;
    biased.max(1) - 1023
}

/// Unit rows in memory: row by row for the definition of a score, and in panels for the screen.
pub struct Rows {
    n: usize,
    d: usize,
    /// `n` rows of `stride` floats, zero beyond `d`.
    flat: Vec<f32>,
    stride: usize,
    panels: crate::pack::Panels,
}

impl Rows {
    /// `unit` holds `n * d` floats, row after row; all are finite, so that no score is NaN.
    pub fn new(unit: &[f32], n: usize, d: usize) -> Result<Self, Error> {
        check(unit, n, d)?;
        let stride = d.next_multiple_of(LANES);
        let mut flat = vec![0.0; n * stride];
        for (padded, row) in flat.chunks_exact_mut(stride).zip(unit.chunks_exact(d)) {
            padded[..d].copy_from_slice(row);
        }
        let panels = crate::pack::Panels::new(&flat, n, d, stride);
        Ok(Rows { n, d, flat, stride, panels })
    }

    pub fn len(&self) -> usize {
        self.n
    }

    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    pub fn dimension(&self) -> usize {
        self.d
    }

    pub fn stride(&self) -> usize {
        self.stride
    }

    /// Row `i`, padded with zeros to a multiple of [`LANES`].
    #[inline(always)]
    pub fn row(&self, i: usize) -> &[f32] {
        &self.flat[i * self.stride..(i + 1) * self.stride]
    }

    /// Rows `start..end`, padded, one after another.
    pub fn block(&self, start: usize, end: usize) -> &[f32] {
        &self.flat[start * self.stride..end * self.stride]
    }

    pub fn panels(&self) -> &crate::pack::Panels {
        &self.panels
    }
}

fn check(unit: &[f32], n: usize, d: usize) -> Result<(), Error> {
    if d == 0 {
        return Err(Error::Shape("rows have dimension 0, expected at least one component".into()));
    }
    if n.checked_mul(d) != Some(unit.len()) {
        let got = unit.len();
        return Err(Error::Shape(format!("unit holds {got} floats, expected {n} rows of dimension {d}")));
    }
    if let Some(i) = unit.iter().position(|x| !x.is_finite()) {
        let (row, component, got) = (i / d, i % d, unit[i]);
        return Err(Error::Value(format!("component {component} of row {row} is {got}, expected a finite number")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn unit(template: &[f64]) -> Option<Vec<f32>> {
        let mut out = vec![9.0; template.len()];
        normalise(template, &mut out, &mut Vec::new()).then_some(out)
    }

    #[test]
    fn a_row_without_direction_fails_and_stays_zero() {
        for bad in [[0.0, 0.0], [f64::NAN, 1.0], [1.0, f64::INFINITY], [f64::NEG_INFINITY, f64::NAN]] {
            let mut out = [9.0f32; 2];
            assert!(!normalise(&bad, &mut out, &mut Vec::new()));
            assert_eq!(out, [0.0, 0.0]);
        }
    }

    #[test]
    fn floats_that_do_not_make_up_the_rows_are_refused() {
        for (n, d) in [(2, 2), (3, 0), (1, 4), (usize::MAX, 3)] {
            assert!(matches!(Rows::new(&[0.0; 3], n, d), Err(Error::Shape(_))), "{n} {d}");
        }
        assert!(Rows::new(&[], 0, 3).unwrap().is_empty());
    }

    #[test]
    fn rows_that_are_not_finite_are_refused() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let message = Rows::new(&[0.0, 1.0, 1.0, bad], 2, 2).err().unwrap().to_string();
            assert_eq!(message, format!("component 1 of row 1 is {bad}, expected a finite number"));
        }
    }

    #[test]
    fn huge_and_tiny_rows_keep_their_direction() {
        for scale in [1e300, 1e-300, f64::MIN_POSITIVE / 1024.0, 1.0] {
            assert_eq!(unit(&[3.0 * scale, 4.0 * scale]), Some(vec![0.6, 0.8]));
        }
    }

    proptest! {
        #[test]
        fn unit_rows_do_not_depend_on_a_power_of_two(
            row in prop::collection::vec(-10.0f64..10.0, 1..80), power in -200i32..200,
        ) {
            let scaled: Vec<f64> = row.iter().map(|x| x * 2.0f64.powi(power)).collect();
            prop_assert_eq!(unit(&row), unit(&scaled));
        }

        #[test]
        fn unit_rows_have_length_one(row in prop::collection::vec(0.01f64..10.0, 1..300)) {
            let length: f64 = unit(&row).unwrap().iter().map(|&x| f64::from(x) * f64::from(x)).sum();
            // Each component is within 2^-24 relative of a vector of length one.
            prop_assert!((length - 1.0).abs() < 1.3e-7);
        }
    }
}
