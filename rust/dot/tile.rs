//! What kernels work on: rectangles of probes and gallery panels, as slices with their lengths.

use super::LANES;

/// Probes and panels of floats, for `screen`.
#[derive(Clone, Copy)]
pub struct Tile<'a> {
    /// Rows of `d` floats.
    pub probes: &'a [f32],
    pub d: usize,
    /// Panels of `d * LANES` floats.
    pub panels: &'a [f32],
    /// Floats from one probe's scores to the next's in the output.
    pub width: usize,
}

/// Components whose products are added before their sum is: the fewer, the fewer roundings on the way.
pub const BLOCK: usize = 64;

impl<'a> Tile<'a> {
    pub fn n_probes(&self) -> usize {
        self.probes.len() / self.d
    }

    pub fn n_panels(&self) -> usize {
        self.panels.len() / (self.d * LANES)
    }

    pub fn at_probe(self, r: usize) -> Self {
        Tile { probes: &self.probes[r * self.d..], ..self }
    }

    pub fn at_panel(self, p: usize) -> Self {
        Tile { panels: &self.panels[p * self.d * LANES..], ..self }
    }

    /// Whether `R` probes, `P` panels and their scores lie inside the slices: what a kernel relies on.
    pub fn holds<const R: usize, const P: usize>(&self, out: &[f32]) -> bool {
        self.probes.len() >= R * self.d
            && self.panels.len() >= P * self.d * LANES
            && self.width >= P * LANES
            && out.len() >= (R - 1) * self.width + P * LANES
    }
}

/// Probes and panels of 8-bit integers, in the [`super::Form`] of the kernel.
#[derive(Clone, Copy)]
pub struct Ints<'a> {
    /// Rows of which the first `k` integers count, `stride` from one to the next.
    pub probes: &'a [i8],
    pub n_probes: usize,
    pub stride: usize,
    pub k: usize,
    /// Panels of which the first `k * LANES` integers count, `panel_stride` from one to the next: four
    /// components of each of sixteen rows, then the next four.
    pub panels: &'a [i8],
    pub n_panels: usize,
    pub panel_stride: usize,
    /// For each row of the panels, 128 times the sum of its integers; empty where probes are not flipped.
    pub corrections: &'a [i32],
    /// Products from one probe to the next in the output.
    pub width: usize,
}

impl<'a> Ints<'a> {
    pub fn at_probe(self, r: usize) -> Self {
        let start = (r * self.stride).min(self.probes.len());
        Ints { probes: &self.probes[start..], n_probes: self.n_probes - r, ..self }
    }

    pub fn at_panel(self, p: usize) -> Self {
        Ints {
            panels: &self.panels[(p * self.panel_stride).min(self.panels.len())..],
            n_panels: self.n_panels - p,
            corrections: self.corrections.get(p * LANES..).unwrap_or_default(),
            ..self
        }
    }

    /// Whether `r` probes, `p` panels and their products lie inside the slices: what a kernel relies on.
    pub fn holds(&self, r: usize, p: usize, out: &[i32]) -> bool {
        let step = |count: usize, stride: usize| (count - 1).checked_mul(stride);
        r > 0
            && p > 0
            && step(r, self.stride).is_some_and(|start| self.probes.len() >= start + self.k)
            && step(p, self.panel_stride).is_some_and(|start| self.panels.len() >= start + self.k * LANES)
            && self.width >= p * LANES
            && out.len() >= (r - 1) * self.width + p * LANES
    }
}

/// What must be reached by one probe, in the words of [`crate::pack`].
#[derive(Debug, Clone, Copy, Default)]
pub struct Limit {
    pub scale: f32,
    pub spread: f32,
    pub least: f32,
}

/// Integer products, and what turns them into upper bounds of scores.
///
/// A pair is kept when `limit.scale * (scale * product) + (limit.spread * spread + offset) >= limit.least`.
#[derive(Clone, Copy)]
pub struct Sieve<'a> {
    pub products: &'a [i32],
    pub width: usize,
    /// One for each probe.
    pub limits: &'a [Limit],
    /// One for each row of the panels.
    pub scales: &'a [f32],
    pub offsets: &'a [f32],
    pub spreads: &'a [f32],
}

impl Sieve<'_> {
    pub fn n_panels(&self) -> usize {
        self.scales.len() / LANES
    }

    /// Whether every product, row and mask lies inside the slices: what a kernel relies on.
    pub fn holds(&self, masks: &[u16]) -> bool {
        let (n, p) = (self.limits.len(), self.n_panels());
        let rows = p * LANES;
        self.scales.len() == rows
            && self.offsets.len() == rows
            && self.spreads.len() == rows
            && self.width >= rows
            && (n == 0 || self.products.len() >= (n - 1) * self.width + rows)
            && masks.len() >= n * p
    }
}

/// A kernel of floats for `R` probes and `P` panels at a time.
pub trait FloatTiles: Copy {
    /// Scores of `R` probes and `P` panels, to `out[r * width + p * LANES + lane]`.
    fn tile<const R: usize, const P: usize>(self, at: Tile<'_>, out: &mut [f32]);
}

/// Screens as many whole strips of `R` probes as there are, `P` panels at a time; returns the probes done.
pub fn strips<I: FloatTiles, const R: usize, const P: usize>(isa: I, at: Tile<'_>, out: &mut [f32]) -> usize {
    let (n_probes, n_panels) = (at.n_probes(), at.n_panels());
    let mut r = 0;
    while r + R <= n_probes {
        let strip = at.at_probe(r);
        let out = &mut out[r * at.width..];
        let mut p = 0;
        while p + P <= n_panels {
            isa.tile::<R, P>(strip.at_panel(p), &mut out[p * LANES..]);
            p += P;
        }
        while p < n_panels {
            isa.tile::<R, 1>(strip.at_panel(p), &mut out[p * LANES..]);
            p += 1;
        }
        r += R;
    }
    r
}

/// A kernel of 8-bit integers for `R` probes and `P` panels at a time.
pub trait IntTiles: Copy {
    /// Products of `R` probes and `P` panels, to `out[r * width + p * LANES + lane]`.
    fn tile<const R: usize, const P: usize>(self, at: Ints<'_>, out: &mut [i32]);
}

/// Multiplies as many whole strips of `R` probes as there are, `P` panels at a time; returns the probes done.
pub fn int_strips<I: IntTiles, const R: usize, const P: usize>(isa: I, at: Ints<'_>, out: &mut [i32]) -> usize {
    let mut r = 0;
    while r + R <= at.n_probes {
        let strip = at.at_probe(r);
        let out = &mut out[r * at.width..];
        let mut p = 0;
        while p + P <= at.n_panels {
            isa.tile::<R, P>(strip.at_panel(p), &mut out[p * LANES..]);
            p += P;
        }
        while p < at.n_panels {
            isa.tile::<R, 1>(strip.at_panel(p), &mut out[p * LANES..]);
            p += 1;
        }
        r += R;
    }
    r
}
