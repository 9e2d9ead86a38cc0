//! Pack: rows as 8-bit integers with proven bounds, laid out for the kernels, made once.
//!
//! # What an integer row proves
//!
//! Let `m` be any vector, the *centre*. With `x = p - m` and `y = q - m`,
//!
//! > `p.q = x.y + (m.p - m.m / 2) + (m.q - m.m / 2)`,
//!
//! so scores need only the product of the centred rows and one number a row, its *offset*. A row is packed as
//! `x = s a + r`: integers `a`, a *scale* `s` and a residual `r`. By Cauchy-Schwarz
//!
//! > `|x.y - s_x s_y (a_x . a_y)| <= |s a|_x |r|_y + |r|_x |s a|_y + |r|_x |r|_y`,
//!
//! whatever the rows are: the norms are measured on the integers that were chosen, not assumed of a distribution.
//! A sieve needs the bound as a product of one number of the probe and one of the gallery row. With any `c > 0`,
//! `f = max(|r|_y / c, |s a|_y)` is at least both, and the bound is at most
//!
//! > `(c (|s a|_x + |r|_x) + |r|_x) f`, a *spread* of the probe times a spread of the gallery row.
//!
//! `c` is the usual share of a residual in a row of this gallery, which makes the two sides of the maximum meet.
//!
//! # Roundings
//!
//! Norms are computed in `f64` and rounded up to `f32`. The sieve adds in `f32`
//! `s_x (s_y i) + (spread spread + offset)`. Counting the conversion of `i`, the rounded offset and the limit,
//! that is at most nine roundings by `2^-24` of terms below `(1 + |m|)^2 <= 4`. [`GUARD`], 64 such units, covers
//! them and the errors of the `f64` sums; a limit is lowered by it.
//!
//! [`crate::fine`] cuts rows in three slices of such integers.
//!
//! # Layout
//!
//! A panel holds [`LANES`] rows. Of floats, component by component: float `k * LANES + lane` is component `k` of
//! row `lane`. Of integers, four components at a time: integers `k * LANES + 4 * lane ..` are components `k` to
//! `k + 3`. A kernel then multiplies one probe with sixteen rows at a time, and needs no sum across a register.

use crate::aligned::{Aligned, anonymous};
use crate::dot::{Form, Ints, Kernel, LANES, Limit};
use crate::error::Error;
use crate::rows::Rows;
use crate::work;
use memmap2::MmapMut;
use std::ops::Range;
use std::sync::{Arc, Mutex};

/// Most that the sieve's `f32` arithmetic may be wrong by, for unit rows.
pub const GUARD: f64 = 64.0 / (1 << 24) as f64;
/// Rows beyond this dimension are packed as nothing but a residual: their products might not fit in 32 bits.
pub const MOST_COMPONENTS: usize = 1 << 16;
/// Panels that one unit of work packs.
const UNIT_PANELS: usize = 64;
/// Probes are filled up with rows of zeros to a multiple of this, which kernels may read.
const STRIP: usize = 32;
/// Makes the signed `x` the unsigned `x + 128`.
const FLIP: i8 = -128;
/// Rows from which the centre and the usual residual are taken.
const SAMPLE: usize = 1 << 14;
/// Adding this to a number leaves its nearest integer in the low bits.
const MAGIC: f32 = 12_582_912.0;
/// The next slice counts in this part of the one before: half a unit is then at most 127 of them.
pub const BASE: f32 = 254.0;
/// Below this, a component is left to the residual: its reciprocal might not be finite.
const SMALLEST: f32 = 1e-30;

/// A vector near which rows lie.
pub struct Centre {
    mean: Vec<f32>,
    /// Half of the square of its norm.
    half_square: f64,
}

impl Centre {
    /// The mean of some rows, evenly spread.
    pub fn of(rows: Rows<'_>) -> Self {
        let mut sum = vec![0.0f64; rows.dimension()];
        let sample = sample(rows.len());
        let n = sample.clone().count().max(1) as f64;
        for i in sample {
            sum.iter_mut().zip(rows.row(i)).for_each(|(sum, &x)| *sum += f64::from(x));
        }
        let mean: Vec<f32> = sum.iter().map(|x| (x / n) as f32).collect();
        let half_square = mean.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>() / 2.0;
        Centre { mean, half_square }
    }
}

fn sample(n: usize) -> impl Iterator<Item = usize> + Clone {
    (0..n).step_by(n.div_ceil(SAMPLE).max(1))
}

/// What the integers of one row leave unsaid.
#[derive(Debug, Clone, Copy, Default)]
struct Remainder {
    scale: f32,
    offset: f64,
    /// Norm of the scaled integers, and of the residual; never too small.
    norm: f64,
    residual: f64,
}

/// What the integers of a side may be.
#[derive(Clone, Copy)]
struct Range8 {
    peak: i32,
    quads: Option<i32>,
}

const GALLERY: Range8 = Range8 { peak: 127, quads: None };

/// Integers of one centred row, to `out[..d]`; zeros beyond.
#[inline(always)]
fn quantise(row: &[f32], centre: &Centre, range: Range8, out: &mut [i8]) -> Remainder {
    out.fill(0);
    if row.len() > MOST_COMPONENTS {
        return remainder(row, centre, 0.0, &vec![0; row.len()]);
    }
    let scale = largest(row, &centre.mean) / range.peak as f32;
    if scale >= SMALLEST {
        let inverse = 1.0 / scale;
        for ((a, &x), &m) in out.iter_mut().zip(row).zip(&centre.mean) {
            *a = ((x - m) * inverse + MAGIC).to_bits() as i8;
        }
    }
    if let Some(most) = range.quads {
        lower_quads(out, most);
    }
    remainder(row, centre, scale, out)
}

#[inline(always)]
fn largest(row: &[f32], mean: &[f32]) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let ((x, x_tail), (m, m_tail)) = (row.as_chunks::<LANES>(), mean.as_chunks::<LANES>());
    for (x, m) in x.iter().zip(m) {
        for l in 0..LANES {
            let a = (x[l] - m[l]).abs();
            lanes[l] = if a > lanes[l] { a } else { lanes[l] };
        }
    }
    let tail = x_tail.iter().zip(m_tail).map(|(x, m)| (x - m).abs());
    lanes.into_iter().chain(tail).fold(0.0, f32::max)
}

/// Makes the integers of every eight that meet in 16 bits add up to at most `most`: the largest give way.
fn lower_quads(ints: &mut [i8], most: i32) {
    for eight in ints.as_chunks_mut::<8>().0 {
        for quad in [[0, 1, 4, 5], [2, 3, 6, 7]] {
            let sum = |eight: &[i8; 8]| quad.iter().map(|&i| i32::from(eight[i]).abs()).sum::<i32>();
            while sum(eight) > most {
                if let Some(i) = quad.into_iter().max_by_key(|&i| i32::from(eight[i]).abs()) {
                    eight[i] -= eight[i].signum();
                }
            }
        }
    }
}

/// Measures what `scale` times the integers leaves of the row.
#[inline(always)]
fn remainder(row: &[f32], centre: &Centre, scale: f32, ints: &[i8]) -> Remainder {
    let (mut residual, mut along) = ([0.0f64; LANES], [0.0f64; LANES]);
    let mut square = [0i64; LANES];
    let mut add = |l: usize, x: f32, m: f32, a: i8| {
        let (x, m) = (f64::from(x), f64::from(m));
        let r = (x - m) - f64::from(scale) * f64::from(a);
        residual[l] += r * r;
        along[l] += m * x;
        square[l] += i64::from(i32::from(a) * i32::from(a));
    };
    let mean = centre.mean.as_chunks::<LANES>();
    let (rows, ints) = (row.as_chunks::<LANES>(), ints.as_chunks::<LANES>());
    for ((x, m), a) in rows.0.iter().zip(mean.0).zip(ints.0) {
        for l in 0..LANES {
            add(l, x[l], m[l], a[l]);
        }
    }
    let last = ints.0.get(rows.0.len()).map_or(ints.1, |group| &group[..]);
    for (l, ((&x, &m), &a)) in rows.1.iter().zip(mean.1).zip(last).enumerate() {
        add(l, x, m, a);
    }
    // Sums of f64 err by less than a part in 10^9 for any dimension that fits in memory.
    let up = 1.0 + 1e-9;
    Remainder {
        scale,
        offset: along.iter().sum::<f64>() - centre.half_square,
        norm: f64::from(scale) * (square.iter().sum::<i64>() as f64).sqrt() * up,
        residual: residual.iter().sum::<f64>().sqrt() * up + 1e-300,
    }
}

/// Where the integers of a row end, filled up for the kernel.
fn depth(d: usize, form: &Form) -> usize {
    if d > MOST_COMPONENTS { form.step } else { d.next_multiple_of(form.step) }
}

/// Not less than `x`.
fn up(x: f64) -> f32 {
    crate::axis::ceil_f32(x)
}

/// Gallery rows as integers, in panels.
pub struct Panels {
    k: usize,
    centre: Arc<Centre>,
    /// Usual share of a residual in the norm of its row.
    share: f64,
    ints: MmapMut,
    scales: Vec<f32>,
    offsets: Vec<f32>,
    spreads: Vec<f32>,
    /// 128 times the sum of each row, where the kernel wants it.
    corrections: Vec<i32>,
}

impl Panels {
    /// Packs `rows` for `kernel`.
    pub fn new(
        rows: Rows<'_>,
        centre: Arc<Centre>,
        kernel: Kernel,
        threads: usize,
        stop: &mut dyn FnMut() -> bool,
    ) -> Result<Self, Error> {
        let (form, n) = (kernel.form(), rows.len());
        let k = depth(rows.dimension(), &form);
        let share = share(rows, &centre, k);
        let padded = n.next_multiple_of(LANES);
        let mut ints = anonymous(padded * k)?;
        let [mut scales, mut offsets, mut spreads] = [(); 3].map(|()| vec![0.0f32; padded]);
        let mut corrections = vec![0i32; padded];
        let step = UNIT_PANELS * LANES;
        let parts: Vec<_> = bytemuck::cast_slice_mut::<u8, i8>(&mut ints)[..padded * k]
            .chunks_mut(step * k)
            .zip(scales.chunks_mut(step))
            .zip(offsets.chunks_mut(step))
            .zip(spreads.chunks_mut(step))
            .zip(corrections.chunks_mut(step))
            .map(Mutex::new)
            .collect();
        work::share(
            parts.len(),
            threads,
            stop,
            || Ok(vec![0i8; k]),
            |row, unit| {
                let mut part = work::locked(&parts[unit]);
                let ((((ints, scales), offsets), spreads), corrections) = &mut *part;
                let first = unit * step;
                kernel.vectorise(
                    #[inline(always)]
                    || {
                        for i in first..(first + step).min(n) {
                            let left = quantise(rows.row(i), &centre, GALLERY, row);
                            let at = i - first;
                            scales[at] = left.scale;
                            offsets[at] = left.offset as f32;
                            spreads[at] = up((left.residual / share).max(left.norm));
                            if form.corrects {
                                corrections[at] = 128 * row.iter().map(|&x| i32::from(x)).sum::<i32>();
                            }
                            if form.flips_gallery {
                                row.iter_mut().for_each(|x| *x ^= FLIP);
                            }
                            interleave(row, &mut ints[at / LANES * LANES * k..], at % LANES);
                        }
                    },
                );
            },
        )?;
        drop(parts);
        if !form.corrects {
            corrections = Vec::new();
        }
        Ok(Panels { k, centre, share, ints, scales, offsets, spreads, corrections })
    }

    /// Bytes that the packed rows take.
    pub fn bytes(&self) -> usize {
        self.ints.len() + 4 * (3 * self.scales.len() + self.corrections.len())
    }

    /// Integers, scales, offsets and spreads of panels `range`, for kernels.
    pub fn part(&self, range: &Range<usize>) -> Part<'_> {
        let rows = range.start * LANES..range.end * LANES;
        Part {
            ints: bytemuck::cast_slice(&self.ints[rows.start * self.k..rows.end * self.k]),
            scales: &self.scales[rows.clone()],
            offsets: &self.offsets[rows.clone()],
            spreads: &self.spreads[rows.clone()],
            corrections: if self.corrections.is_empty() { &[] } else { &self.corrections[rows] },
        }
    }

    /// Integers of all panels that hold `rows`.
    pub fn ints(&self, rows: &Range<usize>) -> &[i8] {
        let panels = rows.start / LANES..rows.end.div_ceil(LANES).max(rows.start / LANES);
        bytemuck::cast_slice(&self.ints[panels.start * LANES * self.k..panels.end * LANES * self.k])
    }

    pub fn depth(&self) -> usize {
        self.k
    }
}

/// Some panels of a gallery.
pub struct Part<'a> {
    pub ints: &'a [i8],
    pub scales: &'a [f32],
    pub offsets: &'a [f32],
    pub spreads: &'a [f32],
    pub corrections: &'a [i32],
}

/// The median share of a residual among some rows.
fn share(rows: Rows<'_>, centre: &Centre, k: usize) -> f64 {
    let mut row = vec![0; k];
    let mut shares: Vec<f64> = sample(rows.len())
        .take(256)
        .map(|i| quantise(rows.row(i), centre, GALLERY, &mut row))
        .filter(|left| left.norm > 0.0)
        .map(|left| left.residual / left.norm)
        .collect();
    shares.sort_by(f64::total_cmp);
    shares.get(shares.len() / 2).copied().unwrap_or(0.0).max(1e-9)
}

/// Puts a row into its lane of a panel.
#[inline(always)]
fn interleave(row: &[i8], panel: &mut [i8], lane: usize) {
    let columns = panel.as_chunks_mut::<4>().0.as_chunks_mut::<LANES>().0;
    for (quad, column) in row.as_chunks::<4>().0.iter().zip(columns) {
        column[lane] = *quad;
    }
}

/// Probes as integers, row after row, centred as the gallery that they will meet.
pub struct Strips {
    k: usize,
    ints: Aligned<i8>,
    scales: Vec<f32>,
    spreads: Vec<f32>,
    offsets: Vec<f64>,
}

impl Strips {
    /// Packs rows `range` of `rows` to be multiplied with `gallery`.
    pub fn new(rows: Rows<'_>, range: Range<usize>, gallery: &Panels, kernel: Kernel) -> Self {
        let (form, k) = (kernel.form(), gallery.k);
        let side = Range8 { peak: form.probe_peak, quads: form.probe_quads };
        let mut strips = Strips {
            k,
            ints: Aligned::zeros(range.len().next_multiple_of(STRIP) * k),
            scales: Vec::with_capacity(range.len()),
            spreads: Vec::with_capacity(range.len()),
            offsets: Vec::with_capacity(range.len()),
        };
        kernel.vectorise(
            #[inline(always)]
            || {
                for (i, out) in range.zip(strips.ints.chunks_exact_mut(k)) {
                    let left = quantise(rows.row(i), &gallery.centre, side, out);
                    strips.scales.push(left.scale);
                    strips.spreads.push(up(gallery.share * (left.norm + left.residual) + left.residual));
                    strips.offsets.push(left.offset);
                    if form.flips_probes {
                        out.iter_mut().for_each(|x| *x ^= FLIP);
                    }
                }
            },
        );
        strips
    }

    pub fn n_probes(&self) -> usize {
        self.scales.len()
    }

    /// Strips one after another; all but the last are full.
    pub fn join(parts: &[Strips]) -> Self {
        let mut ints = Aligned::zeros(parts.iter().map(|part| part.ints.len()).sum());
        let mut at = 0;
        for part in parts {
            ints[at..at + part.ints.len()].copy_from_slice(&part.ints);
            at += part.ints.len();
        }
        Strips {
            k: parts.first().map_or(0, |part| part.k),
            ints,
            scales: parts.iter().flat_map(|part| &part.scales).copied().collect(),
            spreads: parts.iter().flat_map(|part| &part.spreads).copied().collect(),
            offsets: parts.iter().flat_map(|part| &part.offsets).copied().collect(),
        }
    }

    /// What the bounds prove of probe `i` and row `at` of a part: the score is within the second number of the first.
    #[inline(always)]
    pub fn estimate(&self, i: usize, part: &Part<'_>, at: usize, product: i32) -> (f32, f32) {
        let estimate = self.scales[i] * (part.scales[at] * product as f32) + part.offsets[at];
        // What the sums in f32 lose is part of the guard.
        (estimate + self.offsets[i] as f32, self.spreads[i] * part.spreads[at] + GUARD as f32)
    }

    /// Probes `strip` and panels as a kernel takes them.
    pub fn against<'a>(&'a self, strip: &Range<usize>, part: &Part<'a>, width: usize) -> Ints<'a> {
        Ints {
            probes: &self.ints[strip.start * self.k..],
            n_probes: strip.len(),
            stride: self.k,
            k: self.k,
            panels: part.ints,
            n_panels: part.scales.len() / LANES,
            panel_stride: self.k * LANES,
            corrections: part.corrections,
            width,
        }
    }

    /// What the sieve must find for a score of at least `score` with probe `i`.
    pub fn limit(&self, i: usize, score: f32) -> Limit {
        let least = f64::from(score) - self.offsets[i] - GUARD;
        Limit { scale: self.scales[i], spread: self.spreads[i], least: (least as f32).next_down() }
    }

    /// Scores that the pairs of probe `i` and a part surely reach, from their products, to `out`.
    #[inline(always)]
    pub fn lower_bounds(&self, i: usize, part: &Part<'_>, products: &[i32], out: &mut Vec<f32>) {
        let (scale, spread) = (self.scales[i], self.spreads[i]);
        let offset = (self.offsets[i] - GUARD) as f32;
        let rows = part.scales.iter().zip(part.offsets).zip(part.spreads);
        out.extend(products.iter().zip(rows).map(|(&product, ((s, o), f))| {
            // The difference of numbers below 4 rounds by less than a part of the guard.
            scale * (s * product as f32) + (o - spread * f) + offset
        }));
    }
}

/// Puts `range` of `rows`, which begins a panel, into panels of floats; lanes beyond it stay as they are.
pub fn panel_floats(rows: Rows<'_>, range: Range<usize>, out: &mut [f32]) {
    let d = rows.dimension();
    for (at, i) in range.enumerate() {
        let panel = &mut out[at / LANES * LANES * d..];
        for (column, &x) in panel.chunks_exact_mut(LANES).zip(rows.row(i)) {
            column[at % LANES] = x;
        }
    }
}

/// On which side of a product sliced rows stand.
#[derive(Clone, Copy)]
pub enum Slice {
    Probe,
    Gallery,
}

/// What three slices of a row leave unsaid, and the norms of their parts; never too small.
pub struct Sliced {
    pub scale: f32,
    pub offset: f64,
    pub whole: f64,
    pub second: f64,
    pub third: f64,
    pub residual: f64,
}

impl Slice {
    /// Cuts a row in three slices of `k` integers, and puts them in place `at` of `out`; `spare` has room for them.
    #[inline(always)]
    pub fn put(self, row: &[f32], centre: &Centre, k: usize, spare: &mut [i8], out: &mut [i8], at: usize) -> Sliced {
        match self {
            Slice::Probe => cut(row, centre, k, &mut out[at * 3 * k..(at + 1) * 3 * k]),
            Slice::Gallery => {
                let left = cut(row, centre, k, spare);
                let panel = &mut out[at / LANES * LANES * 3 * k..];
                for (j, slice) in spare.chunks_exact(k).rev().enumerate() {
                    interleave(slice, &mut panel[j * k * LANES..], at % LANES);
                }
                left
            }
        }
    }
}

/// Sums of squares by lane, of what [`cut`] makes of a row.
#[derive(Default)]
struct Squares {
    whole: [f64; LANES],
    second: [f64; LANES],
    third: [f64; LANES],
    residual: [f64; LANES],
    along: [f64; LANES],
}

/// The three slices of a centred row, `k` integers each, a multiple of [`LANES`], one after another.
#[inline(always)]
fn cut(row: &[f32], centre: &Centre, k: usize, slices: &mut [i8]) -> Sliced {
    let most = largest(row, &centre.mean) / 127.0;
    let scale = if most >= SMALLEST { most } else { 0.0 };
    let mut squares = Squares::default();
    let ((x, x_tail), (m, m_tail)) = (row.as_chunks::<LANES>(), centre.mean.as_chunks::<LANES>());
    let (first, rest) = slices.split_at_mut(k);
    let (second, third) = rest.split_at_mut(k);
    let [a, b, c] = [first, second, third].map(|slice| slice.as_chunks_mut::<LANES>().0);
    for (((x, m), a), (b, c)) in x.iter().zip(m).zip(&mut *a).zip(b.iter_mut().zip(&mut *c)) {
        cut_group(x, m, scale, [a, b, c], &mut squares);
    }
    // The last group, filled up with zeros, and zeros beyond it.
    for at in x.len()..k / LANES {
        let (mut last_x, mut last_m) = ([0.0; LANES], [0.0; LANES]);
        if at == x.len() {
            last_x[..x_tail.len()].copy_from_slice(x_tail);
            last_m[..m_tail.len()].copy_from_slice(m_tail);
        }
        cut_group(&last_x, &last_m, scale, [&mut a[at], &mut b[at], &mut c[at]], &mut squares);
    }
    let norm = |squares: [f64; LANES]| squares.iter().sum::<f64>().sqrt() * (1.0 + 1e-9);
    Sliced {
        scale,
        offset: squares.along.iter().sum::<f64>() - centre.half_square,
        whole: f64::from(scale) * norm(squares.whole),
        second: f64::from(scale) * norm(squares.second),
        third: f64::from(scale) * norm(squares.third),
        residual: norm(squares.residual) + 1e-300,
    }
}

#[inline(always)]
fn cut_group(x: &[f32; LANES], m: &[f32; LANES], scale: f32, out: [&mut [i8; LANES]; 3], squares: &mut Squares) {
    let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
    let (wide, base) = (f64::from(scale), 1.0 / f64::from(BASE));
    let [mut a, mut b, mut c] = [[0.0f32; LANES]; 3];
    for l in 0..LANES {
        // What is rounded here is left to the residual, which is measured on the integers.
        let y = (x[l] - m[l]) * inverse;
        a[l] = (y + MAGIC) - MAGIC;
        let y = (y - a[l]) * BASE;
        b[l] = (y + MAGIC) - MAGIC;
        c[l] = ((y - b[l]) * BASE + MAGIC) - MAGIC;
    }
    for (out, slice) in out.into_iter().zip([&a, &b, &c]) {
        for l in 0..LANES {
            out[l] = (slice[l] + MAGIC).to_bits() as i8;
        }
    }
    for l in 0..LANES {
        let (x, m) = (f64::from(x[l]), f64::from(m[l]));
        let (second, third) = (f64::from(b[l]) * base, f64::from(c[l]) * base * base);
        let kept = f64::from(a[l]) + second + third;
        let left = (x - m) - wide * kept;
        squares.whole[l] += kept * kept;
        squares.second[l] += second * second;
        squares.third[l] += third * third;
        squares.residual[l] += left * left;
        squares.along[l] += m * x;
    }
}
