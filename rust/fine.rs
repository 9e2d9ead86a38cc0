//! Fine: scores of whole rectangles, exact enough to tell nearly every bin.
//!
//! Two ways to the same end. Floats are added by `screen`. Where 8-bit integers are so fast that six of their
//! products cost less, rows are cut into three slices, `x = s (a + b / B + c / B^2) + r` with `B = 254`, and
//!
//! > `x.y ~ s_x s_y (aa + (ab + ba) / B + (ac + bb + ca) / B^2)`,
//!
//! each bracket one product of longer rows: a probe lies as `[a b c]`, a gallery row as `[c b a]`, so that the first
//! `j` slices of one against the last `j` of the other are the `j`-th bracket. What is left out, `bc + cb + cc` and
//! everything with `r`, is bounded by the norms of the slices, as in [`crate::pack`].
//!
//! # Roundings of slices
//!
//! The brackets are integers below `2^31`; converting, scaling and adding them in `f32` rounds at most nine times
//! by `2^-24` of the product of the norms, and adding the two offsets three times by `2^-24` of their sum.

use crate::aligned::Aligned;
use crate::dot::{self, Ints, Kernel, LANES, Session, Tile};
use crate::error::Error;
use crate::pack::{BASE, Centre, Slice, Sliced, panel_floats};
use crate::rows::Rows;
use crate::work;
use std::ops::Range;
use std::sync::Mutex;

/// Probes whose scores are made together.
pub const STRIP: usize = 32;
/// Panels whose scores are made together.
pub const CHUNK_PANELS: usize = 4;
/// Most components for which brackets fit in 32 bits: three products of magnitude 127 each.
const MOST_COMPONENTS: usize = 1 << 14;
/// Bytes of rows that are laid out at a time.
const BLOCK_BYTES: usize = 128 << 20;
/// Rows that one unit of work lays out.
const UNIT_ROWS: usize = 256;
const SLICES: usize = 3;

/// Which of the two ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Floats,
    Slices,
}

impl Way {
    /// The faster one for `kernel` and dimension `d`.
    pub fn of(kernel: Kernel, d: usize) -> Self {
        if kernel.form().slices && d <= MOST_COMPONENTS { Way::Slices } else { Way::Floats }
    }

    /// Rows of dimension `d` to lay out at a time.
    pub fn block(d: usize) -> usize {
        (BLOCK_BYTES / (4 * d)).next_multiple_of(UNIT_ROWS)
    }
}

/// Largest norms of some rows: of all but the residual, of the second and third slice, and of the residual.
#[derive(Debug, Clone, Copy, Default)]
pub struct Norms {
    whole: f64,
    second: f64,
    third: f64,
    residual: f64,
    offset: f64,
}

impl Norms {
    fn with(self, row: &Sliced) -> Norms {
        Norms {
            whole: self.whole.max(row.whole),
            second: self.second.max(row.second),
            third: self.third.max(row.third),
            residual: self.residual.max(row.residual),
            offset: self.offset.max(row.offset.abs()),
        }
    }

    fn max(self, other: Norms) -> Norms {
        Norms {
            whole: self.whole.max(other.whole),
            second: self.second.max(other.second),
            third: self.third.max(other.third),
            residual: self.residual.max(other.residual),
            offset: self.offset.max(other.offset),
        }
    }

    /// Most that a score made of slices can differ from the score.
    fn slack(&self, other: &Norms) -> f32 {
        let (x, y) = (self, other);
        let dropped = x.second * y.third + x.third * y.second + x.third * y.third;
        let residual = x.whole * y.residual + x.residual * y.whole + x.residual * y.residual;
        let product = (x.whole + x.second + x.third) * (y.whole + y.second + y.third);
        let rounded = (9.0 * product + 3.0 * (x.offset + y.offset)) * 2.0f64.powi(-24);
        // Half a step of f32 below one is the rounding of the definition.
        crate::axis::ceil_f32((dropped + residual + rounded + 2.0f64.powi(-25)) * (1.0 + 1e-6) + 1e-12)
    }
}

/// Rows `range`, laid out for one side of the product.
pub enum Side<'a> {
    Floats { rows: &'a [f32], d: usize },
    Panels { floats: Aligned<f32> },
    Slices { ints: Aligned<i8>, scales: Vec<f32>, offsets: Vec<f32>, norms: Norms, k: usize },
}

/// Lays out probes.
pub fn probes<'a>(
    way: Way,
    rows: Rows<'a>,
    range: Range<usize>,
    centre: &Centre,
    kernel: Kernel,
    threads: usize,
) -> Result<Side<'a>, Error> {
    match way {
        Way::Floats => Ok(Side::Floats { rows: rows.block(range), d: rows.dimension() }),
        Way::Slices => sliced(rows, range, centre, kernel, threads, Slice::Probe),
    }
}

/// Lays out gallery rows; the first of `range` is the first of a panel.
pub fn gallery<'a>(
    way: Way,
    rows: Rows<'a>,
    range: Range<usize>,
    centre: &Centre,
    kernel: Kernel,
    threads: usize,
) -> Result<Side<'a>, Error> {
    if way == Way::Slices {
        return sliced(rows, range, centre, kernel, threads, Slice::Gallery);
    }
    let d = rows.dimension();
    let mut floats = Aligned::zeros(range.len().next_multiple_of(LANES) * d);
    let parts: Vec<_> = floats.chunks_mut(UNIT_ROWS * d).map(Mutex::new).collect();
    work::share(
        parts.len(),
        threads,
        &mut || false,
        || Ok(()),
        |(), unit| panel_floats(rows, work::part(&range, unit, UNIT_ROWS), &mut work::locked(&parts[unit])),
    )?;
    drop(parts);
    Ok(Side::Panels { floats })
}

fn sliced<'a>(
    rows: Rows<'a>,
    range: Range<usize>,
    centre: &Centre,
    kernel: Kernel,
    threads: usize,
    slice: Slice,
) -> Result<Side<'a>, Error> {
    let k = rows.dimension().next_multiple_of(kernel.form().step);
    let padded = range.len().next_multiple_of(STRIP);
    let mut ints = Aligned::zeros(padded * SLICES * k);
    let (mut scales, mut offsets) = (vec![0.0f32; padded], vec![0.0f32; padded]);
    let parts: Vec<_> = ints
        .chunks_mut(UNIT_ROWS * SLICES * k)
        .zip(scales.chunks_mut(UNIT_ROWS))
        .zip(offsets.chunks_mut(UNIT_ROWS))
        .map(Mutex::new)
        .collect();
    let norms = work::share(
        parts.len(),
        threads,
        &mut || false,
        || Ok((Norms::default(), vec![0i8; SLICES * k])),
        |(norms, row), unit| {
            let ((ints, scales), offsets) = &mut *work::locked(&parts[unit]);
            for (at, i) in work::part(&range, unit, UNIT_ROWS).enumerate() {
                let left = kernel.vectorise(
                    #[inline(always)]
                    || slice.put(rows.row(i), centre, k, row, ints, at),
                );
                (scales[at], offsets[at]) = (left.scale, left.offset as f32);
                *norms = norms.with(&left);
            }
        },
    )?;
    drop(parts);
    let norms = norms.into_iter().fold(Norms::default(), |all, (norms, _)| all.max(norms));
    Ok(Side::Slices { ints, scales, offsets, norms, k })
}

/// Scores of strips of probes and chunks of panels, and how wrong they can be.
pub struct Scores<'a> {
    kernel: Kernel,
    session: Session,
    probes: &'a Side<'a>,
    gallery: &'a Side<'a>,
    brackets: [Aligned<i32>; SLICES],
    scores: Aligned<f32>,
}

impl<'a> Scores<'a> {
    pub fn new(kernel: Kernel, probes: &'a Side<'a>, gallery: &'a Side<'a>) -> Self {
        let size = STRIP * CHUNK_PANELS * LANES;
        let brackets = [(); SLICES].map(|()| Aligned::zeros(size));
        Scores { kernel, session: kernel.session(), probes, gallery, brackets, scores: Aligned::zeros(size) }
    }

    /// Most that a score made here can differ from the score, for rows of dimension `d`.
    pub fn slack(probes: &Side<'_>, gallery: &Side<'_>, d: usize) -> f32 {
        match (probes, gallery) {
            (Side::Slices { norms, .. }, Side::Slices { norms: other, .. }) => norms.slack(other),
            _ => dot::slack(d),
        }
    }

    /// Scores of probes `strip` and `panels`, counted from the first of each side: `panels * LANES` for each probe.
    pub fn of(&mut self, strip: &Range<usize>, panels: &Range<usize>) -> &[f32] {
        let width = panels.len() * LANES;
        match (self.probes, self.gallery) {
            (Side::Floats { rows, d }, Side::Panels { floats }) => {
                let probes = &rows[strip.start * d..strip.end * d];
                let panels = &floats[panels.start * LANES * d..panels.end * LANES * d];
                self.kernel.screen(Tile { probes, d: *d, panels, width }, &mut self.scores);
            }
            (
                Side::Slices { ints, scales, offsets, k, .. },
                Side::Slices { ints: panel_ints, scales: panel_scales, offsets: panel_offsets, .. },
            ) => {
                for (j, bracket) in self.brackets.iter_mut().enumerate() {
                    let at = Ints {
                        probes: &ints[strip.start * SLICES * k..],
                        n_probes: strip.len(),
                        stride: SLICES * k,
                        k: (j + 1) * k,
                        panels: &panel_ints[(panels.start * SLICES + SLICES - 1 - j) * k * LANES..],
                        n_panels: panels.len(),
                        panel_stride: SLICES * k * LANES,
                        corrections: &[],
                        width,
                    };
                    self.session.dots(at, bracket);
                }
                let rows = panels.start * LANES..panels.end * LANES;
                let gallery = (&panel_scales[rows.clone()], &panel_offsets[rows]);
                let probes = (&scales[strip.clone()], &offsets[strip.clone()]);
                self.blend(probes, gallery, width);
            }
            _ => unreachable!("both sides are laid out one way"),
        }
        &self.scores[..strip.len() * width]
    }

    /// Scores from brackets.
    fn blend(&mut self, probes: (&[f32], &[f32]), gallery: (&[f32], &[f32]), width: usize) {
        let [first, second, third] = &self.brackets;
        let scores = &mut self.scores;
        self.kernel.vectorise(
            #[inline(always)]
            || {
                for (r, (&scale, &offset)) in probes.0.iter().zip(probes.1).enumerate() {
                    let row = r * width..(r + 1) * width;
                    let brackets = first[row.clone()].iter().zip(&second[row.clone()]).zip(&third[row.clone()]);
                    let gallery = gallery.0.iter().zip(gallery.1);
                    for ((score, ((&x, &y), &z)), (&s, &o)) in scores[row].iter_mut().zip(brackets).zip(gallery) {
                        let sum = x as f32 + (y as f32 + z as f32 * (1.0 / BASE)) * (1.0 / BASE);
                        *score = scale * (s * sum) + (offset + o);
                    }
                }
            },
        );
    }
}
