//! Sieving: pairs above the lowest edge are found by 8-bit integers, all others are only numbered.

use super::{Counted, Counts, Job, Strategy, UNIT_PROBES};
use crate::dot::{Kernel, LANES, near_slack};
use crate::error::Error;
use crate::pack::{Panels, Strips};
use crate::rows::Rows;
use crate::screen::{Gallery, Pair, Screen};
use crate::work::{self, part};
use std::cell::Cell;
use std::ops::Range;

/// Probes that are packed at a time.
const BLOCK_PROBES: usize = 1 << 16;
/// Probes and gallery rows on which the share of pairs to settle is measured.
const SAMPLE: (usize, usize) = (128, 2048);
impl Job<'_> {
    /// Share of the pairs of a sample, evenly spread, that may reach the lowest edge.
    pub fn share_to_settle(&self, gallery: Gallery<'_>) -> f64 {
        let at = self.at;
        let (mut pairs, mut kept) = (0, 0);
        for probes in spread(&at.probe_range, SAMPLE.0, crate::screen::STRIP) {
            let strips = Strips::new(at.probes, probes, gallery.panels, self.kernel);
            let mut screen = Screen::new(self.kernel, &strips, gallery);
            let mut limits = vec![self.axis.floor(); strips.n_probes()];
            for rows in spread(&at.gallery_range, SAMPLE.1, 16 * LANES) {
                pairs += strips.n_probes() * rows.len();
                screen.pairs(0..strips.n_probes(), rows, &mut limits, |_, _| kept += 1);
            }
        }
        kept as f64 / pairs as f64
    }

    pub fn sieve(&self, gallery: Gallery<'_>, stop: &mut dyn FnMut() -> bool) -> Result<Counted, Error> {
        let at = self.at;
        let mut counts = Counts::zeros(self.size)?;
        for start in at.probe_range.clone().step_by(BLOCK_PROBES) {
            let block = start..(start + BLOCK_PROBES).min(at.probe_range.end);
            let strips = packed_strips(at.probes, &block, gallery.panels, self.kernel, self.threads, stop)?;
            counts = counts.add(self.shared(block, UNIT_PROBES, &at.gallery_range, stop, |counts, probes, rows| {
                let unit = Sieving { job: self, gallery, slack: near_slack(at.probes.dimension()) };
                unit.count(&strips[..], probes, rows, counts);
            })?);
        }
        at.add_the_rest(&mut counts.bins, self.axis.bins());
        Ok(Counted { counts: counts.bins, strategy: Strategy::Sieve, settled: counts.settled })
    }
}

/// Probes of every unit of `block`, packed.
fn packed_strips(
    probes: Rows<'_>,
    block: &Range<usize>,
    panels: &Panels,
    kernel: Kernel,
    threads: usize,
    stop: &mut dyn FnMut() -> bool,
) -> Result<Vec<(usize, Strips)>, Error> {
    work::in_order(block.len().div_ceil(UNIT_PROBES), threads, stop, |unit| {
        let rows = part(block, unit, UNIT_PROBES);
        (rows.start, Strips::new(probes, rows, panels, kernel))
    })
}

/// About `wanted` places of `range`, `step` side by side, evenly spread.
fn spread(range: &Range<usize>, wanted: usize, step: usize) -> impl Iterator<Item = Range<usize>> {
    let parts = (wanted / step).min(range.len().div_ceil(step)).max(1);
    let (start, end, stride) = (range.start, range.end, range.len() / parts);
    (0..parts).map(move |i| start + i * stride..(start + i * stride + step).min(end))
}

/// Pairs above the lowest edge, one unit at a time.
struct Sieving<'a> {
    job: &'a Job<'a>,
    gallery: Gallery<'a>,
    slack: f32,
}

impl Sieving<'_> {
    fn count(&self, strips: &[(usize, Strips)], probes: Range<usize>, rows: Range<usize>, counts: &mut Counts) {
        let Some((first, strips)) = strips.iter().find(|(first, _)| *first == probes.start) else { return };
        let (at, axis) = (self.job.at, self.job.axis);
        let mut limits = vec![axis.floor(); strips.n_probes()];
        let screen = Screen::new(self.job.kernel, strips, self.gallery).fetching();
        let mut screen = if at.upper { screen.after(*first) } else { screen };
        let counted = Cell::from_mut(&mut counts.bins[..]).as_slice_of_cells();
        let add = |pair: Pair, bin: usize| {
            let cell = at.cell(first + pair.probe, at.gallery_groups[pair.row]);
            let count = &counted[cell * axis.bins() + bin];
            count.set(count.get() + 1);
        };
        let is_open = |pair: Pair, _: &mut f32| match axis.certain_bin(pair.estimate, pair.error) {
            Some(bin) => {
                add(pair, bin);
                false
            }
            None => true,
        };
        screen.open_pairs(0..strips.n_probes(), rows, &mut limits, is_open, |pair, _| {
            counts.settled += 1;
            add(pair, self.job.settle(first + pair.probe, pair.row, Some(self.slack)));
        });
    }
}
