//! Screen: which pairs of a rectangle may reach a limit, by the proven bounds of 8-bit integers.
//!
//! Panels are taken some at a time, so that their integers stay in the second-level cache while strips of probes
//! pass over them. What is left is few, and comes strip by strip with the next gallery row already asked for.

use crate::aligned::Aligned;
use crate::dot::{Kernel, LANES, Limit, Session, Sieve};
use crate::pack::{Panels, Strips};
use crate::rows::Rows;
use crate::work;
use std::ops::Range;

/// Panels whose products are made before they are sieved.
pub const CHUNK_PANELS: usize = 8;
/// Integers of a line of the cache.
const LINE: usize = 64;
/// Probes multiplied together.
pub const STRIP: usize = 32;

/// Gallery rows, as floats and as integers.
#[derive(Clone, Copy)]
pub struct Gallery<'a> {
    pub rows: Rows<'a>,
    pub panels: &'a Panels,
}

/// Chunks of at most `most` whole panels that cover `gallery`, with the rows of `gallery` that each holds.
pub fn chunks(gallery: Range<usize>, most: usize) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
    let end = gallery.end.div_ceil(LANES);
    (gallery.start / LANES..end).step_by(most).map(move |first| {
        let panels = first..(first + most).min(end);
        let rows = (panels.start * LANES).max(gallery.start)..(panels.end * LANES).min(gallery.end);
        (panels, rows)
    })
}

/// A pair that may reach its limit, and what is proved of its score: it is within `error` of `estimate`.
#[derive(Clone, Copy)]
pub struct Pair {
    /// Probe, counted from the first of the strips.
    pub probe: usize,
    pub row: usize,
    pub estimate: f32,
    pub error: f32,
}

/// Probes against a gallery, with room for the products of one strip.
pub struct Screen<'a> {
    kernel: Kernel,
    session: Session,
    probes: &'a Strips,
    gallery: Gallery<'a>,
    products: Aligned<i32>,
    /// Row of the gallery that the first probe is, if only pairs with a later row are wanted.
    upper: Option<usize>,
    fetches: bool,
    /// Takes estimates for scores: what is kept is no proof.
    by_estimate: bool,
    /// Pairs settled since the last chunk began.
    settled: usize,
    /// What each probe must reach.
    limits: Vec<Limit>,
    /// Pairs of the strip before, and of this one.
    found: Vec<Pair>,
    pairs: Vec<Pair>,
}

impl<'a> Screen<'a> {
    pub fn new(kernel: Kernel, probes: &'a Strips, gallery: Gallery<'a>) -> Self {
        let products = Aligned::zeros(STRIP * CHUNK_PANELS * LANES);
        Screen {
            kernel,
            session: kernel.session(),
            probes,
            gallery,
            products,
            upper: None,
            fetches: false,
            by_estimate: false,
            settled: 0,
            limits: Vec::new(),
            found: Vec::new(),
            pairs: Vec::new(),
        }
    }

    /// Only pairs whose row comes after the probe, the first of which is row `first` of the gallery.
    pub fn after(self, first: usize) -> Self {
        Screen { upper: Some(first), ..self }
    }

    /// Asks for the floats of every pair before it is settled.
    pub fn fetching(self) -> Self {
        Screen { fetches: true, ..self }
    }

    /// Takes estimates for scores, as a guess may.
    pub fn estimating(self) -> Self {
        Screen { by_estimate: true, ..self }
    }

    /// What the sieve must find for a score of at least `score` with probe `i`.
    fn limit(&self, i: usize, score: f32) -> Limit {
        let limit = self.probes.limit(i, score);
        if self.by_estimate { Limit { spread: 0.0, ..limit } } else { limit }
    }

    /// Calls `settle` with every pair of `probes` and `gallery` whose score may reach `limits[probe]`, which `settle`
    /// may raise, never lower; pairs of one probe come in order of rows.
    pub fn pairs(
        &mut self,
        probes: Range<usize>,
        gallery: Range<usize>,
        limits: &mut [f32],
        settle: impl FnMut(Pair, &mut f32),
    ) {
        self.open_pairs(probes, gallery, limits, |_, _| true, settle);
    }

    /// The same, but `settle` gets only pairs that `is_open` of. Both may raise limits; what `is_open` says can rest
    /// only on the estimate, for the floats are asked for after it.
    pub fn open_pairs(
        &mut self,
        probes: Range<usize>,
        gallery: Range<usize>,
        limits: &mut [f32],
        mut is_open: impl FnMut(Pair, &mut f32) -> bool,
        mut settle: impl FnMut(Pair, &mut f32),
    ) {
        self.limits.resize(limits.len(), Limit::default());
        for i in probes.clone() {
            self.limits[i] = self.limit(i, limits[i]);
        }
        let mut masks = [0u16; STRIP * CHUNK_PANELS];
        for (panels, rows) in chunks(gallery.clone(), CHUNK_PANELS) {
            // Where most rows have a pair to settle, the next rows are asked for while these are multiplied.
            let next = rows.end..(rows.end + CHUNK_PANELS * LANES).min(gallery.end);
            let is_dense = self.fetches && self.settled >= rows.len();
            self.settled = 0;
            let coming = self.gallery.panels.ints(&next);
            let n_strips = probes.len().div_ceil(STRIP);
            for (strip, first) in probes.clone().step_by(STRIP).enumerate() {
                let step = coming.len().div_ceil(n_strips).next_multiple_of(LINE);
                self.kernel.fetch(&coming[work::part(&(0..coming.len()), strip, step)]);
                if is_dense {
                    let step = next.len().div_ceil(n_strips);
                    self.kernel.fetch(self.gallery.rows.block(work::part(&next, strip, step)));
                }
                let strip = first..(first + STRIP).min(probes.end);
                if self.upper.is_some_and(|base| rows.end <= base + first + 1) {
                    continue;
                }
                self.sieve(&strip, &panels, &mut masks);
                let fetches = self.fetches && !is_dense;
                self.collect(&strip, &panels, &rows, &masks, limits, fetches, &mut is_open);
                // What was found is settled one strip later, when its rows have come from memory.
                self.settle(limits, &mut settle);
                std::mem::swap(&mut self.found, &mut self.pairs);
            }
        }
        self.settle(limits, &mut settle);
    }

    /// Products of a strip and some panels, and one bit for each that may reach its limit.
    fn sieve(&mut self, strip: &Range<usize>, panels: &Range<usize>, masks: &mut [u16]) {
        let part = self.gallery.panels.part(panels);
        let width = panels.len() * LANES;
        let products = &mut self.products[..];
        self.session.dots(self.probes.against(strip, &part, width), products);
        let limits = &self.limits[strip.clone()];
        let (scales, offsets, spreads) = (part.scales, part.offsets, part.spreads);
        self.kernel.sieve(Sieve { products, width, limits, scales, offsets, spreads }, masks);
    }

    /// The open ones of the pairs whose bits are set, but for lanes outside `rows`; asks for their floats if it is to.
    #[allow(clippy::too_many_arguments, reason = "one step of a loop, apart for the eye")]
    fn collect(
        &mut self,
        strip: &Range<usize>,
        panels: &Range<usize>,
        rows: &Range<usize>,
        masks: &[u16],
        limits: &mut [f32],
        fetches: bool,
        is_open: &mut impl FnMut(Pair, &mut f32) -> bool,
    ) {
        let first = panels.start * LANES;
        let width = panels.len() * LANES;
        let part = self.gallery.panels.part(panels);
        let products = self.products.chunks_exact(width);
        for ((masks, products), probe) in masks.chunks_exact(panels.len()).zip(products).zip(strip.clone()) {
            let mut left = bits(masks);
            if left == 0 {
                continue;
            }
            let after = self.upper.map_or(0, |base| base + probe + 1).max(rows.start) - first;
            left &= from_bit(after) & !from_bit(rows.end - first);
            let before = limits[probe];
            while left != 0 {
                let lane = left.trailing_zeros() as usize;
                left &= left - 1;
                let (estimate, error) = self.probes.estimate(probe, &part, lane, products[lane]);
                let pair = Pair { probe, row: first + lane, estimate, error };
                if is_open(pair, &mut limits[probe]) {
                    if fetches {
                        self.kernel.fetch(self.gallery.rows.row(pair.row));
                    }
                    self.pairs.push(pair);
                }
            }
            if limits[probe] > before {
                self.limits[probe] = self.limit(probe, limits[probe]);
            }
        }
    }

    /// Settles the pairs of the strip before.
    fn settle(&mut self, limits: &mut [f32], settle: &mut impl FnMut(Pair, &mut f32)) {
        let mut found = std::mem::take(&mut self.found);
        self.settled += found.len();
        for pair in found.drain(..) {
            let limit = &mut limits[pair.probe];
            let before = *limit;
            settle(pair, limit);
            if *limit > before {
                self.limits[pair.probe] = self.limit(pair.probe, *limit);
            }
        }
        self.found = found;
    }

    /// For each of `probes`, the `k`-th best of the scores that its pairs with `rows` surely reach; `-inf` if there
    /// are fewer. `rows` begins a panel.
    pub fn kth_best(&mut self, probes: Range<usize>, rows: Range<usize>, k: usize) -> Vec<f32> {
        let mut bounds = vec![Vec::with_capacity(rows.len()); probes.len()];
        for (panels, rows) in chunks(rows, CHUNK_PANELS) {
            let part = self.gallery.panels.part(&panels);
            let width = panels.len() * LANES;
            for first in probes.clone().step_by(STRIP) {
                let strip = first..(first + STRIP).min(probes.end);
                let products = &mut self.products[..];
                self.session.dots(self.probes.against(&strip, &part, width), products);
                for (products, i) in products.chunks_exact(width).zip(strip) {
                    self.kernel.vectorise(
                        #[inline(always)]
                        || self.probes.lower_bounds(i, &part, &products[..rows.len()], &mut bounds[i - probes.start]),
                    );
                }
            }
        }
        bounds.into_iter().map(|bounds| kth_largest(bounds, k)).collect()
    }
}

/// The masks of one probe and a chunk as one: bit `lane` is that of row `lane` of the chunk.
#[inline(always)]
fn bits(masks: &[u16]) -> u128 {
    let whole = |masks: [u16; CHUNK_PANELS]| u128::from_le(bytemuck::cast(masks.map(u16::to_le)));
    masks.try_into().map_or_else(
        |_| {
            let mut padded = [0; CHUNK_PANELS];
            padded[..masks.len()].copy_from_slice(masks);
            whole(padded)
        },
        whole,
    )
}

/// All bits from `at` on.
#[inline(always)]
fn from_bit(at: usize) -> u128 {
    u128::MAX.checked_shl(at as u32).unwrap_or(0)
}

fn kth_largest(mut values: Vec<f32>, k: usize) -> f32 {
    if k == 0 || k > values.len() {
        return f32::NEG_INFINITY;
    }
    *values.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a)).1
}
