//! The score axis: increasing edges, and the bin of a score.
//!
//! Bin `i` of a score is the number of edges at or below it, so bin 0 lies below every edge and a
//! score equal to an edge is at or above it (`score >= threshold` accepts). `t` edges make `t + 1` bins.
//!
//! Edges arrive as `f64`, scores are `f32`. A score is at or above an edge exactly when it is at or
//! above the smallest `f32` that is not below the edge, so edges are rounded up once and every later
//! comparison is an exact comparison of two `f32`.

use crate::error::Error;

/// Cells of the look-up grid for each edge: most cells then hold at most one edge.
const CELLS_PER_EDGE: usize = 4;
const MAX_CELLS: usize = 1 << 18;

#[derive(Debug, Clone)]
pub struct Axis {
    /// Edges as the smallest `f32` not below each, then one `+inf`.
    edges: Vec<f32>,
    /// `first[c]`: edges in grid cells before `c`, all of which are at or below any score of cell `c`.
    first: Vec<u32>,
    origin: f32,
    cells_per_unit: f32,
}

impl Axis {
    pub fn new(edges: &[f64]) -> Result<Self, Error> {
        if edges.is_empty() {
            return Err(Error::Edges("an axis needs at least one edge".into()));
        }
        if let Some(i) = edges.iter().position(|e| !e.is_finite()) {
            return Err(Error::Edges(format!("edge {i} is {}, expected a finite number", edges[i])));
        }
        if let Some(i) = edges.windows(2).position(|w| w[0] >= w[1]) {
            return Err(Error::Edges(format!(
                "edges must increase, but edge {i} is {} and edge {} is {}",
                edges[i],
                i + 1,
                edges[i + 1]
            )));
        }
        let mut rounded: Vec<f32> = edges.iter().map(|&e| ceil_f32(e)).collect();
        let origin = rounded[0];
        let cells = (edges.len() * CELLS_PER_EDGE).next_power_of_two().min(MAX_CELLS);
        let span = rounded[rounded.len() - 1] - origin;
        let cells_per_unit = if span > 0.0 { cells as f32 / span } else { 0.0 };
        rounded.push(f32::INFINITY);
        let mut axis = Axis { edges: rounded, first: vec![0; cells + 1], origin, cells_per_unit };
        for i in 0..edges.len() {
            let cell = axis.cell(axis.edges[i]);
            axis.first[cell + 1] += 1;
        }
        for c in 0..cells {
            axis.first[c + 1] += axis.first[c];
        }
        Ok(axis)
    }

    /// Number of bins: one more than edges.
    pub fn bins(&self) -> usize {
        self.edges.len()
    }

    /// The lowest edge: scores below it fall in bin 0.
    pub fn floor(&self) -> f32 {
        self.edges[0]
    }

    /// Grid cell of a score. Subtraction, product and truncation never decrease with the score, so an
    /// edge in an earlier cell is below the score, whatever the rounding.
    #[inline(always)]
    fn cell(&self, score: f32) -> usize {
        // `as usize` sends negative numbers and NaN to 0.
        (((score - self.origin) * self.cells_per_unit) as usize).min(self.first.len() - 2)
    }

    /// Number of edges at or below `score`.
    #[inline(always)]
    pub fn bin(&self, score: f32) -> usize {
        let cell = self.cell(score);
        let (low, high) = (self.first[cell] as usize, self.first[cell + 1] as usize);
        if high - low <= 4 {
            let mut bin = low;
            while bin < high && self.edges[bin] <= score {
                bin += 1;
            }
            bin
        } else {
            low + self.edges[low..high].partition_point(|&e| e <= score)
        }
    }

    /// The bin that every score within `slack` of `screened` falls in, or `None` if an edge is that near.
    #[inline(always)]
    pub fn certain_bin(&self, screened: f32, slack: f32) -> Option<usize> {
        let bin = self.bin(screened);
        let clear_above = self.edges[bin] - screened > slack;
        let clear_below = bin == 0 || screened - self.edges[bin - 1] > slack;
        (clear_above && clear_below).then_some(bin)
    }
}

/// The smallest `f32` that is not below `x`.
pub fn ceil_f32(x: f64) -> f32 {
    let nearest = x as f32;
    if f64::from(nearest) < x { nearest.next_up() } else { nearest }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_score_equal_to_an_edge_is_at_or_above_it() {
        let axis = Axis::new(&[0.25, 0.5]).unwrap();
        assert_eq!([axis.bin(0.2), axis.bin(0.25), axis.bin(0.5), axis.bin(0.6)], [0, 1, 2, 2]);
    }

    #[test]
    fn edges_that_no_f32_can_hold_are_compared_exactly() {
        // 0.7 lies between two f32; the lower one is below the edge.
        let axis = Axis::new(&[0.7]).unwrap();
        assert_eq!([axis.bin(0.7f32), axis.bin(0.7f32.next_up())], [0, 1]);
    }

    #[test]
    fn edges_must_increase_and_be_finite() {
        assert!(Axis::new(&[]).is_err());
        assert!(Axis::new(&[0.1, 0.1]).is_err());
        assert!(Axis::new(&[f64::NAN]).is_err());
    }

    proptest! {
        #[test]
        fn bin_is_the_number_of_edges_at_or_below(
            mut edges in prop::collection::vec(-1.0f64..1.0, 1..200),
            scores in prop::collection::vec(-1.1f32..1.1, 1..50),
            cluster in 0.0f64..1e-3,
        ) {
            edges.extend((0..20).map(|i| 0.5 + cluster * f64::from(i) / 20.0));
            edges.sort_by(f64::total_cmp);
            edges.dedup();
            let axis = Axis::new(&edges).unwrap();
            for score in scores.into_iter().chain(edges.iter().map(|&e| e as f32)) {
                let expected = edges.iter().filter(|&&e| f64::from(score) >= e).count();
                prop_assert_eq!(axis.bin(score), expected);
            }
        }

        #[test]
        fn a_certain_bin_holds_for_every_score_within_the_slack(
            mut edges in prop::collection::vec(-1.0f64..1.0, 1..40),
            score in -1.0f32..1.0,
            error in -1e-3f32..1e-3,
        ) {
            edges.sort_by(f64::total_cmp);
            edges.dedup();
            let axis = Axis::new(&edges).unwrap();
            if let Some(bin) = axis.certain_bin(score + error, 1e-3) {
                prop_assert_eq!(bin, axis.bin(score));
            }
        }
    }
}
