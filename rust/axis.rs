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
/// Edges of one cell that are compared one by one; beyond, by bisection.
const MAX_STEPS: usize = 4;
/// Adding 2^23 to a number below it leaves its integer part in the low bits.
const INTEGER: f32 = 8_388_608.0;

#[derive(Debug, Clone)]
pub struct Axis {
    /// `-inf`, the edges as the smallest `f32` not below each, `+inf`: bin `b` spans `bounds[b]..bounds[b + 1]`.
    bounds: Vec<f32>,
    /// `first[c]`: edges in grid cells before `c`, all of which are at or below any score of cell `c`.
    first: Vec<u32>,
    origin: f32,
    cells_per_unit: f32,
    last_cell: f32,
    /// Most edges that one cell holds.
    steps: usize,
}

impl Axis {
    pub fn new(edges: &[f64]) -> Result<Self, Error> {
        check(edges)?;
        let mut bounds = vec![f32::NEG_INFINITY];
        bounds.extend(edges.iter().map(|&e| ceil_f32(e)));
        bounds.push(f32::INFINITY);
        let origin = bounds[1];
        let cells = (edges.len() * CELLS_PER_EDGE).next_power_of_two().min(MAX_CELLS);
        let span = bounds[edges.len()] - origin;
        let cells_per_unit = if span > 0.0 { cells as f32 / span } else { 0.0 };
        let last_cell = (cells - 1) as f32;
        let mut axis = Axis { bounds, first: vec![0; cells + 1], origin, cells_per_unit, last_cell, steps: 0 };
        for i in 1..=edges.len() {
            let cell = axis.cell(axis.bounds[i]);
            axis.first[cell + 1] += 1;
        }
        axis.steps = axis.first.iter().max().map_or(0, |&most| most as usize);
        for c in 0..cells {
            axis.first[c + 1] += axis.first[c];
        }
        Ok(axis)
    }

    /// Number of bins: one more than edges.
    pub fn bins(&self) -> usize {
        self.bounds.len() - 1
    }

    /// The lowest edge: scores below it fall in bin 0.
    pub fn floor(&self) -> f32 {
        self.bounds[1]
    }

    #[inline(always)]
    fn cell(&self, score: f32) -> usize {
        cell(score, self.origin, self.cells_per_unit, self.last_cell)
    }

    /// Number of edges at or below `score`.
    #[inline(always)]
    pub fn bin(&self, score: f32) -> usize {
        let cell = self.cell(score);
        let mut bin = self.first[cell] as usize;
        if self.steps <= MAX_STEPS {
            // Beyond the edges of the cell the comparison is false, or the score would lie in a later cell.
            for _ in 0..self.steps {
                bin += usize::from(self.bounds[bin + 1] <= score);
            }
            bin
        } else {
            let inside = &self.bounds[bin + 1..=self.first[cell + 1] as usize];
            bin + inside.partition_point(|&edge| edge <= score)
        }
    }

    /// The bin that every score within `slack` of `screened` falls in, or `None` if an edge is that near;
    /// an infinite slack leaves every bin open, the outermost too.
    #[inline(always)]
    pub fn certain_bin(&self, screened: f32, slack: f32) -> Option<usize> {
        let bin = self.bin(screened);
        let clear = (self.bounds[bin + 1] - screened > slack) & (screened - self.bounds[bin] > slack);
        clear.then_some(bin)
    }
}

/// The bin of a score that [`Grid::bin`] cannot tell.
pub const OPEN: u32 = u32::MAX;

/// An axis made ready for one slack: a look-up that names the bin of most scores, and says where it cannot.
pub struct Grid {
    /// Edges below every score of a cell, but for the one of `edge`.
    pub(crate) first: Vec<u32>,
    /// The one edge that scores of a cell may be near; infinity where there is none, NaN where there are several.
    pub(crate) edge: Vec<f32>,
    pub(crate) origin: f32,
    pub(crate) cells_per_unit: f32,
    pub(crate) slack: f32,
}

impl Grid {
    pub fn new(axis: &Axis, slack: f32) -> Self {
        let cells = axis.first.len() - 1;
        let mut grid = Grid {
            first: axis.first[..cells].to_vec(),
            edge: vec![f32::INFINITY; cells],
            origin: axis.origin,
            cells_per_unit: axis.cells_per_unit,
            slack,
        };
        for (i, &edge) in axis.bounds[1..axis.bins()].iter().enumerate() {
            // Rounding moves either end by less than a step.
            let near = axis.cell((edge - slack).next_down())..=axis.cell((edge + slack).next_up());
            for cell in near {
                let is_first = grid.edge[cell] == f32::INFINITY;
                grid.edge[cell] = if is_first { edge } else { f32::NAN };
                grid.first[cell] = i as u32;
            }
        }
        grid
    }

    pub(crate) fn last_cell(&self) -> f32 {
        (self.first.len() - 1) as f32
    }

    /// The bin that every score within the slack of `score` falls in, or [`OPEN`] if an edge is that near.
    #[inline(always)]
    pub fn bin(&self, score: f32) -> u32 {
        let cell = cell(score, self.origin, self.cells_per_unit, self.last_cell());
        let above = score - self.edge[cell];
        if above.abs() > self.slack { self.first[cell] + u32::from(above >= 0.0) } else { OPEN }
    }
}

/// Grid cell of a score. No step decreases with the score, so an edge in an earlier cell is below the score,
/// whatever the rounding. NaN goes to cell 0.
#[inline(always)]
fn cell(score: f32, origin: f32, cells_per_unit: f32, last_cell: f32) -> usize {
    let place = ((score - origin) * cells_per_unit).max(0.0).min(last_cell);
    ((place + INTEGER).to_bits() - INTEGER.to_bits()) as usize
}

fn check(edges: &[f64]) -> Result<(), Error> {
    if edges.is_empty() {
        return Err(Error::Edges("an axis needs at least one edge".into()));
    }
    if let Some(i) = edges.iter().position(|e| !e.is_finite()) {
        return Err(Error::Edges(format!("edge {i} is {}, expected a finite number", edges[i])));
    }
    if let Some(i) = edges.windows(2).position(|w| w[0] >= w[1]) {
        let (low, high) = (edges[i], edges[i + 1]);
        return Err(Error::Edges(format!("edges must increase, but edge {i} is {low} and edge {} is {high}", i + 1)));
    }
    Ok(())
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

    #[test]
    fn an_infinite_slack_leaves_every_bin_open() {
        let axis = Axis::new(&[0.0, 0.5]).unwrap();
        for score in [-1.0, 0.0, 0.25, 0.5, 1.0, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(axis.certain_bin(score, f32::INFINITY), None);
        }
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
        fn a_grid_names_the_bin_or_says_that_it_cannot(
            mut edges in prop::collection::vec(-1.0f64..1.0, 1..300),
            scores in prop::collection::vec(-1.1f32..1.1, 1..50),
            slack in prop::sample::select(vec![0.0f32, 1e-6, 1e-3, 0.3, f32::INFINITY]),
        ) {
            edges.sort_by(f64::total_cmp);
            edges.dedup();
            let axis = Axis::new(&edges).unwrap();
            let grid = Grid::new(&axis, slack);
            let scores: Vec<f32> = scores.into_iter().chain(edges.iter().map(|&e| e as f32)).collect();
            for kernel in crate::dot::Kernel::available() {
                let mut bins = vec![7; scores.len()];
                kernel.locate(&scores, &grid, &mut bins);
                for (&bin, &score) in bins.iter().zip(&scores) {
                    prop_assert_eq!(bin, grid.bin(score), "{}", kernel.name());
                    if bin != OPEN {
                        prop_assert_eq!(bin as usize, axis.bin(score));
                        prop_assert!(slack == 0.0 || axis.certain_bin(score, slack).is_some());
                    }
                }
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
