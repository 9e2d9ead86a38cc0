//! Rows: unit vectors, and how a template becomes one.
//!
//! The unit row of a template `x` is `x / norm(x)`, computed in `f64` and rounded to `f32`. `x` is first
//! scaled by the power of two that brings its largest component into `[1, 2)`: that is exact, and keeps the
//! sum of squares from overflowing or vanishing. The sum of squares is added in the order of [`crate::dot`].
//! A row with NaN, an infinity or only zeros has no direction: it is a failed template and stays zero.

use crate::dot;
use crate::error::Error;
use half::f16;
use std::ops::Range;

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
#[inline(always)]
pub fn normalise<T: Component>(template: &[T], unit: &mut [f32], scratch: &mut Vec<f64>) -> bool {
    scratch.clear();
    scratch.extend(template.iter().map(|x| x.to_f64()));
    let largest = largest(scratch);
    if largest == 0.0 || !largest.is_finite() {
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

/// Largest magnitude; infinite where a value is not finite.
#[inline(always)]
fn largest(values: &[f64]) -> f64 {
    let larger = |most: f64, x: f64| if x.abs() <= most { most } else { x.abs() };
    let mut lanes = [0.0f64; 16];
    let (groups, tail) = values.as_chunks::<16>();
    let mut is_finite = true;
    for group in groups {
        for (lane, &x) in lanes.iter_mut().zip(group) {
            is_finite &= x.is_finite();
            *lane = larger(*lane, x);
        }
    }
    is_finite &= tail.iter().all(|x| x.is_finite());
    if is_finite { lanes.into_iter().chain(tail.iter().copied()).fold(0.0, larger) } else { f64::INFINITY }
}

/// Multiplies by the power of two that brings `largest` into `[1, 2)`.
#[inline(always)]
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

/// Unit rows in memory, or in a file that is mapped to it.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    n: usize,
    d: usize,
    /// `n` rows of `d` floats.
    floats: &'a [f32],
}

impl<'a> Rows<'a> {
    /// `unit` holds `n * d` floats, row after row; all are finite, so that no score is NaN.
    pub fn new(unit: &'a [f32], n: usize, d: usize) -> Result<Self, Error> {
        check(unit, n, d)?;
        Ok(Rows { n, d, floats: unit })
    }

    /// Rows that `new` has checked before.
    pub fn checked(unit: &'a [f32], n: usize, d: usize) -> Self {
        Rows { n, d, floats: unit }
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

    #[inline(always)]
    pub fn row(&self, i: usize) -> &'a [f32] {
        self.block(i..i + 1)
    }

    /// Rows `range`, one after another.
    #[inline(always)]
    pub fn block(&self, range: Range<usize>) -> &'a [f32] {
        &self.floats[range.start * self.d..range.end * self.d]
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
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Unit rows of awkward shapes: ordinary, sparse, one huge coordinate, constant, opposite, of many magnitudes.
    pub(crate) fn awkward(n: usize, d: usize, seed: u64) -> Vec<f32> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut uniform = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as f64 / (1u64 << 53) as f64 - 0.5
        };
        let mut unit = vec![0.0f32; n * d];
        for (i, out) in unit.chunks_mut(d).enumerate() {
            let mut row: Vec<f64> = (0..d).map(|_| uniform()).collect();
            match i % 6 {
                1 => row.iter_mut().enumerate().for_each(|(k, x)| *x *= f64::from(u8::from(k % 7 == 0)) + 1e-30),
                2 => row[i % d] = 1e6,
                3 => row.iter_mut().for_each(|x| *x = 1.0),
                4 => row.iter_mut().for_each(|x| *x = -1.0),
                5 => row.iter_mut().enumerate().for_each(|(k, x)| *x *= 10f64.powi(-(k as i32 % 40))),
                _ => {}
            }
            normalise(&row, out, &mut Vec::new());
        }
        unit
    }

    /// Unit rows with many equal and nearly equal scores.
    pub(crate) fn ties(n: usize, d: usize, seed: u64) -> Vec<f32> {
        let mut unit = vec![0.0f32; n * d];
        for (i, out) in unit.chunks_mut(d).enumerate() {
            let number = |k: usize| seed.wrapping_add((i * d + k) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 60;
            let row: Vec<f32> = (0..d).map(|k| number(k) as f32 - 7.0).collect();
            let row = if i % 5 == 4 { vec![1.0; d] } else { row };
            normalise(&row, out, &mut Vec::new());
        }
        unit
    }

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
