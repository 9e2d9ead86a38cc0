//! Rates: what one core of this machine does, measured, and the roofs above it.
//!
//! Each rate is the best of [`WINDOWS`] stretches of time on one thread, after one call that nobody times: other
//! programs only ever make a stretch slower. Kernels get the tiles that [`crate::screen`] gives them.

use crate::aligned::Aligned;
use crate::dot::{Ints, Kernel, LANES, Tile};
use crate::error::Error;
use crate::pack::{Centre, Panels, Part, Strips, panel_floats};
use crate::rows::{Rows, normalise};
use crate::screen::{CHUNK_PANELS, STRIP};
use memmap2::{Advice, MmapMut};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

/// Stretches of time, of which the best counts.
const WINDOWS: usize = 5;
/// Longest time for one rate: nobody is asked meanwhile whether to stop.
const LONGEST_S: f64 = 1.0;
/// Dimension of the rows.
const D: usize = 512;
/// Gallery rows: a MiB of 8-bit integers, which the second-level cache holds.
const GALLERY: usize = 2048;
/// The same MiB of floats.
const FLOAT_GALLERY: usize = GALLERY / 4;
/// Rows on each side of single scores; the first-level cache holds both.
const SINGLES: usize = 8;
/// Rows of a chunk of panels.
const CHUNK_ROWS: usize = CHUNK_PANELS * LANES;
/// Bytes that one call reads: a whole gallery.
const READ_BYTES: usize = GALLERY * D;
/// Words of a line of the cache.
const LINE_WORDS: usize = 8;
/// Parts of a read that are read side by side: what suits a processor differs.
const STREAMS: [usize; 3] = [1, 2, 4];
/// Dependent multiplications that one call makes.
const CHAIN: u32 = 1 << 14;
/// Cycles that each waits for the one before; see [`clock_hz`].
const MULTIPLY_CYCLES: f64 = 3.0;

/// What this machine does.
pub struct Rates {
    /// Cycles a second of a busy core; `None` where no instruction is known well enough to count them.
    pub clock_hz: Option<f64>,
    /// Bytes that a core reads from memory in a second.
    pub read_bytes_per_s: f64,
    pub kernels: Vec<KernelRates>,
}

/// What one core does with one kernel, in a second.
pub struct KernelRates {
    pub name: &'static str,
    /// Multiply-adds of 8-bit integers and of floats.
    pub int8_multiply_adds: f64,
    pub float32_multiply_adds: f64,
    /// Scores of one pair within the slack, and by the definition; dimension [`D`].
    pub near: f64,
    pub score: f64,
    /// Packed bytes that one probe is multiplied with, from memory.
    pub scan_bytes: f64,
    /// Multiply-adds that a core can start in a cycle, of either kind; 0 where it is not known.
    pub per_cycle: (f64, f64),
}

/// Measures the clock, memory and each rate of every kernel for `seconds`, at most one; `bytes` of memory are read from
/// end to end.
pub fn measure(seconds: f64, bytes: usize, stop: &mut dyn FnMut() -> bool) -> Result<Rates, Error> {
    let kernels = Kernel::available();
    let reader = Kernel::choose(None)?;
    // A number that is none becomes the longest time too.
    let seconds = seconds.min(LONGEST_S);
    let mut memory = large(bytes.div_ceil(READ_BYTES).saturating_mul(READ_BYTES))?;
    let unit = unit_rows(GALLERY + STRIP);
    let (probes, gallery) = unit.split_at(STRIP * D);
    let mut rates = Rates { clock_hz: None, read_bytes_per_s: 0.0, kernels: Vec::new() };
    for kernel in kernels {
        let packed = Packed::new(kernel, Rows::new(probes, STRIP, D)?, Rows::new(gallery, GALLERY, D)?)?;
        packed.fill(&mut memory);
        // Roofs are measured beside every kernel, and the highest counts: a clock or a neighbour may change meanwhile.
        rates.clock_hz = clock_hz(seconds).map(|hz| hz.max(rates.clock_hz.unwrap_or(0.0)));
        rates.read_bytes_per_s = rates.read_bytes_per_s.max(read_rate(reader, &memory, seconds));
        rates.kernels.push(KernelRates {
            name: kernel.name(),
            int8_multiply_adds: packed.products(seconds),
            float32_multiply_adds: float_products(kernel, probes, &gallery[..FLOAT_GALLERY * D], seconds),
            near: singles(probes, gallery, seconds, |a, b| kernel.near(a, b)),
            score: singles(probes, gallery, seconds, |a, b| kernel.score(a, b)),
            scan_bytes: packed.scan(&memory, seconds),
            per_cycle: kernel.per_cycle(),
        });
        if stop() {
            return Err(Error::Cancelled);
        }
    }
    Ok(rates)
}

/// Cycles a second, by the time of a chain of multiplications of which each needs the one before.
///
/// Assumed: a multiplication of 32-bit integers is ready after 3 cycles. That holds for Intel's cores since the
/// Pentium Pro, for small ones since Silvermont, and for AMD's Zen. A processor where it takes longer seems slower by
/// that factor than it is. On other architectures the latency differs from core to core, so nothing is said.
fn clock_hz(seconds: f64) -> Option<f64> {
    if !cfg!(target_arch = "x86_64") {
        return None;
    }
    // A square of an odd number is odd, so the chain never becomes zero; and no algebra shortens it.
    let mut x = black_box(3u32);
    let rate = best(seconds, || {
        for _ in 0..CHAIN {
            x = x.wrapping_mul(x);
        }
        x = black_box(x);
        f64::from(CHAIN)
    });
    Some(rate * MULTIPLY_CYCLES)
}

/// Most work a second in a fifth of the time given; `step` says how much it has done.
fn best(seconds: f64, mut step: impl FnMut() -> f64) -> f64 {
    step();
    let window = || {
        let (start, mut done) = (Instant::now(), 0.0);
        loop {
            done += step();
            let elapsed = start.elapsed().as_secs_f64();
            // A step that a coarse clock has not seen is done again.
            if elapsed > 0.0 && elapsed >= seconds / WINDOWS as f64 {
                return done / elapsed;
            }
        }
    };
    std::iter::repeat_with(window).take(WINDOWS).fold(0.0, f64::max)
}

/// Zeroed memory on large pages, where the system has them.
fn large(bytes: usize) -> Result<MmapMut, Error> {
    let refused = |_| Error::Memory(format!("{bytes} bytes to be read from memory are more than there is"));
    let map = MmapMut::map_anon(bytes.max(READ_BYTES)).map_err(refused)?;
    // Advice that is not taken costs speed, nothing else.
    let _ = map.advise(Advice::HugePage);
    Ok(map)
}

/// Unit rows without order, the same each time.
fn unit_rows(n: usize) -> Vec<f32> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut component = || {
        // The sum of four numbers is bell-shaped enough.
        let numbers = (0..4).map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 - (1 << 23) as f32
        });
        numbers.sum::<f32>()
    };
    let (mut unit, mut scratch) = (vec![0.0; n * D], Vec::new());
    for row in unit.chunks_exact_mut(D) {
        let template: Vec<f32> = (0..D).map(|_| component()).collect();
        normalise(&template, row, &mut scratch);
    }
    unit
}

/// A strip of probes and a gallery as 8-bit integers.
struct Packed {
    kernel: Kernel,
    panels: Panels,
    strips: Strips,
}

impl Packed {
    fn new(kernel: Kernel, probes: Rows<'_>, gallery: Rows<'_>) -> Result<Self, Error> {
        let panels = Panels::new(gallery, Arc::new(Centre::of(gallery)), kernel, 1, &mut || false)?;
        let strips = Strips::new(probes, 0..probes.len(), &panels, kernel);
        Ok(Packed { kernel, panels, strips })
    }

    fn part(&self) -> Part<'_> {
        self.panels.part(&(0..GALLERY / LANES))
    }

    /// The gallery again and again.
    fn fill(&self, memory: &mut MmapMut) {
        let ints: &[u8] = bytemuck::cast_slice(self.part().ints);
        memory.chunks_exact_mut(ints.len()).for_each(|copy| copy.copy_from_slice(ints));
    }

    /// Multiply-adds a second of a strip of probes and a gallery in the cache.
    fn products(&self, seconds: f64) -> f64 {
        let part = self.part();
        self.chunks(STRIP, part.ints, seconds) * (STRIP * CHUNK_ROWS * D) as f64
    }

    /// Bytes a second of one probe and a gallery in memory.
    fn scan(&self, memory: &MmapMut, seconds: f64) -> f64 {
        self.chunks(1, bytemuck::cast_slice(memory), seconds) * (CHUNK_ROWS * D) as f64
    }

    /// Chunks of panels a second that `n` probes are multiplied with; `ints` are taken from end to end.
    fn chunks(&self, n: usize, ints: &[i8], seconds: f64) -> f64 {
        let session = self.kernel.session();
        let part = self.part();
        let mut out = Aligned::zeros(STRIP * CHUNK_ROWS);
        let mut chunks = ints.chunks_exact(CHUNK_ROWS * D).enumerate().cycle();
        best(seconds, || {
            let Some((at, panels)) = chunks.next() else { return 0.0 };
            let rows = at * CHUNK_ROWS % GALLERY;
            let all = self.strips.against(&(0..n), &part, CHUNK_ROWS);
            let corrections = all.corrections.get(rows..rows + CHUNK_ROWS).unwrap_or_default();
            session.dots(Ints { panels, n_panels: CHUNK_PANELS, corrections, ..all }, &mut out);
            black_box(&mut out[0]);
            1.0
        })
    }
}

/// Multiply-adds a second of floats of a strip of probes and a gallery in the cache.
fn float_products(kernel: Kernel, probes: &[f32], gallery: &[f32], seconds: f64) -> f64 {
    let mut floats = Aligned::zeros(gallery.len());
    panel_floats(Rows::checked(gallery, FLOAT_GALLERY, D), 0..FLOAT_GALLERY, &mut floats);
    let mut out = Aligned::zeros(STRIP * CHUNK_ROWS);
    let mut chunks = floats.chunks_exact(CHUNK_ROWS * D).cycle();
    best(seconds, || {
        let Some(panels) = chunks.next() else { return 0.0 };
        kernel.screen(Tile { probes, d: D, panels, width: CHUNK_ROWS }, &mut out);
        black_box(&mut out[0]);
        (STRIP * CHUNK_ROWS * D) as f64
    })
}

/// Pairs a second that `score` is called with.
fn singles(probes: &[f32], gallery: &[f32], seconds: f64, score: impl Fn(&[f32], &[f32]) -> f32) -> f64 {
    best(seconds, || {
        for a in probes.chunks_exact(D).take(SINGLES) {
            for b in gallery.chunks_exact(D).take(SINGLES) {
                black_box(score(a, b));
            }
        }
        (SINGLES * SINGLES) as f64
    })
}

/// Bytes a second that are read and added up, from end to end; as one stream or as several, whichever is faster.
fn read_rate(kernel: Kernel, memory: &MmapMut, seconds: f64) -> f64 {
    let mut chunks = memory.chunks_exact(READ_BYTES).cycle();
    let rate = |streams: usize| {
        best(seconds / STREAMS.len() as f64, || {
            let Some(chunk) = chunks.next() else { return 0.0 };
            let lines: &[[u64; LINE_WORDS]] = bytemuck::cast_slice(chunk);
            black_box(kernel.vectorise(
                #[inline(always)]
                || sum(lines, streams),
            ));
            READ_BYTES as f64
        })
    };
    STREAMS.map(rate).into_iter().fold(0.0, f64::max)
}

/// Sums by place in a line, taking a line of each stream in turn.
#[inline(always)]
fn sum(lines: &[[u64; LINE_WORDS]], streams: usize) -> [u64; LINE_WORDS] {
    let mut sums = [0u64; LINE_WORDS];
    let each = lines.len() / streams;
    for at in 0..each {
        for stream in 0..streams {
            let line = &lines[stream * each + at];
            sums.iter_mut().zip(line).for_each(|(sum, &word)| *sum = sum.wrapping_add(word));
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_of_the_machine_has_rates() {
        let rates = measure(1e-3, 4 << 20, &mut || false).unwrap();
        let names: Vec<_> = rates.kernels.iter().map(|kernel| kernel.name).collect();
        assert_eq!(names, Kernel::available().iter().map(Kernel::name).collect::<Vec<_>>());
        assert_eq!(rates.clock_hz.is_some(), cfg!(target_arch = "x86_64"));
        assert!(rates.read_bytes_per_s > 0.0 && rates.clock_hz.is_none_or(|hz| hz > 0.0));
        for k in &rates.kernels {
            let all = [k.int8_multiply_adds, k.float32_multiply_adds, k.near, k.score, k.scan_bytes];
            assert!(all.iter().all(|rate| rate.is_finite() && *rate > 0.0), "{}: {all:?}", k.name);
        }
    }

    #[test]
    fn measuring_stops_when_asked() {
        assert!(matches!(measure(1e-3, 0, &mut || true), Err(Error::Cancelled)));
    }

    #[test]
    fn more_memory_than_there_is_is_refused() {
        assert!(matches!(measure(1e-3, usize::MAX, &mut || false), Err(Error::Memory(_))));
    }

    #[test]
    fn what_is_measured_are_the_products_of_the_rows() {
        let unit = unit_rows(GALLERY + STRIP);
        let (probes, gallery) = unit.split_at(STRIP * D);
        let (probes, gallery) = (Rows::new(probes, STRIP, D).unwrap(), Rows::new(gallery, GALLERY, D).unwrap());
        for kernel in Kernel::available() {
            let packed = Packed::new(kernel, probes, gallery).unwrap();
            // Rates count a depth of D: rows must not be filled up beyond it.
            assert_eq!(packed.panels.depth(), D);
            let mut out = vec![0; STRIP * GALLERY];
            kernel.session().dots(packed.strips.against(&(0..STRIP), &packed.part(), GALLERY), &mut out);
            let (estimate, error) = packed.strips.estimate(1, &packed.panels.part(&(0..1)), 2, out[GALLERY + 2]);
            let score = kernel.score(probes.row(1), gallery.row(2));
            assert!((score - estimate).abs() <= error, "{}", kernel.name());
        }
    }

    #[test]
    fn the_best_of_all_windows_counts() {
        let mut calls = 0.0;
        let rate = best(0.0, || {
            calls += 1.0;
            calls
        });
        assert!(rate > 0.0 && calls >= 1.0 + WINDOWS as f64);
    }
}
