//! Fine: scores of whole rectangles, exact enough to tell nearly every bin.
//!
//! Two ways to the same end. Floats are added by `screen`. Where 8-bit integers are so fast that six of their
//! products cost less, rows are cut into three slices, `x = s (a + b / B + c / B^2) + r` with `B = 254`, and
//!
//! > `x.y ~ s_x s_y (aa + (ab + ba) / B + (ac + bb + ca) / B^2)`,
//!
//! six products of slices. What is left out, `bc + cb + cc` and everything with `r`, is bounded by the norms of the
//! slices, as in [`crate::pack`].
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
pub const CHUNK_PANELS: usize = 8;
/// Most components for which brackets fit in 32 bits: three products of magnitude 127 each.
const MOST_COMPONENTS: usize = 1 << 14;
/// Bytes of rows that are laid out at a time.
const BLOCK_BYTES: usize = 32 << 20;
/// Rows that one unit of work lays out.
const UNIT_ROWS: usize = 256;
const SLICES: usize = 3;
/// Places of the slices that are multiplied: a probe lies as `[a b c]`, a gallery row as `[c b a]`. One slice of the
/// probes after another, so that it stays in the first-level cache.
const PAIRS: [(usize, usize); 6] = [(0, 2), (0, 1), (0, 0), (1, 2), (1, 1), (2, 2)];

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

/// How sides are laid out.
#[derive(Clone, Copy)]
pub struct Plan<'a> {
    pub way: Way,
    pub centre: &'a Centre,
    pub kernel: Kernel,
    pub threads: usize,
}

impl Plan<'_> {
    /// Lays out probes; `spare` is a side that is needed no more, whose memory is used again.
    pub fn probes<'r>(&self, rows: Rows<'r>, range: Range<usize>, spare: Option<Side<'r>>) -> Result<Side<'r>, Error> {
        match self.way {
            Way::Floats => Ok(Side::Floats { rows: rows.block(range), d: rows.dimension() }),
            Way::Slices => self.sliced(rows, range, Slice::Probe, spare),
        }
    }

    /// Lays out gallery rows; the first of `range` is the first of a panel.
    pub fn gallery<'r>(&self, rows: Rows<'r>, range: Range<usize>, spare: Option<Side<'r>>) -> Result<Side<'r>, Error> {
        match self.way {
            Way::Floats => self.panels(rows, range, spare),
            Way::Slices => self.sliced(rows, range, Slice::Gallery, spare),
        }
    }

    fn panels<'r>(&self, rows: Rows<'r>, range: Range<usize>, spare: Option<Side<'r>>) -> Result<Side<'r>, Error> {
        let d = rows.dimension();
        let spare = spare.and_then(|side| if let Side::Panels { floats } = side { Some(floats) } else { None });
        let mut floats = Aligned::reused(spare, range.len().next_multiple_of(LANES) * d);
        let parts: Vec<_> = floats.chunks_mut(UNIT_ROWS * d).map(Mutex::new).collect();
        work::share(
            parts.len(),
            self.threads,
            &mut || false,
            || Ok(()),
            |(), unit| panel_floats(rows, work::part(&range, unit, UNIT_ROWS), &mut work::locked(&parts[unit])),
        )?;
        drop(parts);
        Ok(Side::Panels { floats })
    }

    fn sliced<'r>(
        &self,
        rows: Rows<'r>,
        range: Range<usize>,
        slice: Slice,
        spare: Option<Side<'r>>,
    ) -> Result<Side<'r>, Error> {
        let Plan { centre, kernel, threads, .. } = *self;
        let k = rows.dimension().next_multiple_of(kernel.form().step);
        let padded = range.len().next_multiple_of(STRIP);
        let spare = spare.and_then(|side| if let Side::Slices { ints, .. } = side { Some(ints) } else { None });
        let mut ints = Aligned::reused(spare, padded * SLICES * k);
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
}

/// Scores of strips of probes and chunks of panels, and how wrong they can be.
pub struct Scores<'a> {
    kernel: Kernel,
    session: Session,
    probes: &'a Side<'a>,
    gallery: &'a Side<'a>,
    /// Of each pair of slices in [`PAIRS`].
    products: [Aligned<i32>; PAIRS.len()],
    scores: Aligned<f32>,
}

impl<'a> Scores<'a> {
    pub fn new(kernel: Kernel, probes: &'a Side<'a>, gallery: &'a Side<'a>) -> Self {
        let size = STRIP * CHUNK_PANELS * LANES;
        let products = [(); PAIRS.len()].map(|()| Aligned::zeros(size));
        Scores { kernel, session: kernel.session(), probes, gallery, products, scores: Aligned::zeros(size) }
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
                for ((slice, other), products) in PAIRS.into_iter().zip(&mut self.products) {
                    let at = Ints {
                        probes: &ints[(strip.start * SLICES + slice) * k..],
                        n_probes: strip.len(),
                        stride: SLICES * k,
                        k: *k,
                        panels: &panel_ints[(panels.start * SLICES + other) * k * LANES..],
                        n_panels: panels.len(),
                        panel_stride: SLICES * k * LANES,
                        corrections: &[],
                        width,
                    };
                    self.session.dots(at, products);
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

    /// Scores from products of slices, `width` for each probe.
    fn blend(&mut self, probes: (&[f32], &[f32]), gallery: (&[f32], &[f32]), width: usize) {
        let [aa, ab, ac, ba, bb, ca] = self.products.each_ref().map(|products| products.as_chunks::<LANES>().0);
        let scores = self.scores.as_chunks_mut::<LANES>().0;
        let (gallery_scales, gallery_offsets) = (gallery.0.as_chunks::<LANES>().0, gallery.1.as_chunks::<LANES>().0);
        self.kernel.vectorise(
            #[inline(always)]
            || {
                let panels = width / LANES;
                for (r, (&scale, &offset)) in probes.0.iter().zip(probes.1).enumerate() {
                    let row = r * panels..(r + 1) * panels;
                    let second = ab[row.clone()].iter().zip(&ba[row.clone()]);
                    let third = ac[row.clone()].iter().zip(&bb[row.clone()]).zip(&ca[row.clone()]);
                    let gallery = gallery_scales.iter().zip(gallery_offsets);
                    let products = aa[row.clone()].iter().zip(second).zip(third);
                    for ((out, (s, o)), ((aa, (ab, ba)), ((ac, bb), ca))) in
                        scores[row].iter_mut().zip(gallery).zip(products)
                    {
                        for l in 0..LANES {
                            let (second, third) = ((ab[l] + ba[l]) as f32, (ac[l] + bb[l] + ca[l]) as f32);
                            let sum = aa[l] as f32 + (second + third * (1.0 / BASE)) * (1.0 / BASE);
                            out[l] = scale * (s[l] * sum) + (offset + o[l]);
                        }
                    }
                }
            },
        );
    }
}
