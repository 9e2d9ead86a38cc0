//! Fining: every score is made, well enough to name nearly every bin.

use super::{Counted, Counts, Job, Strategy, UNIT_PROBES};
use crate::axis::{Grid, OPEN};
use crate::dot::{LANES, near_slack};
use crate::error::Error;
use crate::fine::{self, Scores, Side, Way};
use crate::pack::Centre;
use crate::screen::chunks;
use crate::work::part;
use std::ops::Range;

/// Blocks of probes that are laid out at a time: for them the gallery is laid out once, block after block.
const PROBE_BLOCKS: usize = 2;

impl Job<'_> {
    /// `step` rows of the gallery are laid out at a time, a multiple of [`LANES`].
    pub fn fine(
        &self,
        way: Way,
        centre: &Centre,
        step: usize,
        stop: &mut dyn FnMut() -> bool,
    ) -> Result<Counted, Error> {
        let at = self.at;
        let plan = fine::Plan { way, centre, kernel: self.kernel, threads: self.threads };
        let first = at.gallery_range.start / LANES * LANES;
        let mut counts = Counts::zeros(self.size)?;
        let (mut spare_probes, mut spare_gallery) = (None, None);
        for start in at.probe_range.clone().step_by(PROBE_BLOCKS * step) {
            let block = start..(start + PROBE_BLOCKS * step).min(at.probe_range.end);
            let probes = plan.probes(at.probes, block.clone(), spare_probes.take())?;
            for start in (first..at.gallery_range.end).step_by(step) {
                let rows = start..(start + step).min(at.gallery_range.end);
                if at.upper && rows.end <= block.start + 1 {
                    continue;
                }
                let gallery = plan.gallery(at.gallery, rows.clone(), spare_gallery.take())?;
                let wanted = rows.start.max(at.gallery_range.start)..rows.end;
                let unit = Fining::new(self, (&probes, &gallery), (block.start, rows.start));
                let count = |counts: &mut Counts, probes, rows| unit.count(probes, rows, counts);
                counts = counts.add(self.shared(block.clone(), UNIT_PROBES / 2, &wanted, stop, count)?);
                spare_gallery = Some(gallery);
            }
            spare_probes = Some(probes);
        }
        Ok(Counted { counts: counts.bins, strategy: Strategy::Fine(way), settled: counts.settled })
    }
}

/// Every pair, one unit at a time.
struct Fining<'a> {
    job: &'a Job<'a>,
    sides: (&'a Side<'a>, &'a Side<'a>),
    /// Rows that the sides begin with.
    starts: (usize, usize),
    grid: Grid,
    /// That of `near`, where it is worth asking before the definition.
    near_slack: Option<f32>,
}

/// Rows of a chunk.
const FINE_ROWS: usize = fine::CHUNK_PANELS * LANES;

impl<'a> Fining<'a> {
    fn new(job: &'a Job<'a>, sides: (&'a Side<'a>, &'a Side<'a>), starts: (usize, usize)) -> Self {
        let d = job.at.probes.dimension();
        let (slack, near) = (Scores::slack(sides.0, sides.1, d), near_slack(d));
        let near_slack = (near <= slack / 2.0).then_some(near);
        Fining { job, sides, starts, grid: Grid::new(job.axis, slack), near_slack }
    }

    fn count(&self, probes: Range<usize>, gallery: Range<usize>, counts: &mut Counts) {
        let (at, (first_probe, first_row)) = (self.job.at, self.starts);
        let mut scores = Scores::new(self.job.kernel, self.sides.0, self.sides.1);
        let mut bins = [0u32; FINE_ROWS];
        for (panels, rows) in chunks(gallery.start - first_row..gallery.end - first_row, fine::CHUNK_PANELS) {
            let rows = first_row + rows.start..first_row + rows.end;
            let first = first_row + panels.start * LANES;
            let mut places = Places::new(self.job, rows.start);
            let next = rows.end..(rows.end + FINE_ROWS).min(gallery.end);
            let ahead = next.len().div_ceil(probes.len().div_ceil(fine::STRIP));
            for (number, start) in probes.clone().step_by(fine::STRIP).enumerate() {
                self.job.kernel.fetch(at.gallery.block(part(&next, number, ahead)));
                let strip = start..(start + fine::STRIP).min(probes.end);
                if at.upper && rows.end <= start + 1 {
                    continue;
                }
                let scores = scores.of(&(strip.start - first_probe..strip.end - first_probe), &panels);
                for (scores, i) in scores.chunks_exact(panels.len() * LANES).zip(strip) {
                    let wanted = if at.upper { rows.start.max(i + 1)..rows.end } else { rows.clone() };
                    if !wanted.is_empty() {
                        self.job.kernel.locate(scores, &self.grid, &mut bins);
                        let bins = &bins[wanted.start - first..wanted.end - first];
                        let places = places.of(at.probe_groups[i]);
                        self.add(i, wanted.start, bins, &places[wanted.start - rows.start..], counts);
                    }
                }
            }
        }
    }

    /// Adds the pairs of probe `i` and gallery rows from `start` on to their bins.
    fn add(&self, i: usize, start: usize, bins: &[u32], places: &[usize], counts: &mut Counts) {
        for (j, (&bin, &place)) in (start..).zip(bins.iter().zip(places)) {
            let bin = if bin == OPEN { self.settle(i, j, counts) } else { bin };
            counts.bins[place + bin as usize] += 1;
        }
    }

    #[cold]
    fn settle(&self, i: usize, j: usize, counts: &mut Counts) -> u32 {
        counts.settled += 1;
        self.job.settle(i, j, self.near_slack) as u32
    }
}

/// Where the bins of each gallery row of a chunk begin among the counts, for one group of probes after another.
struct Places<'a> {
    job: &'a Job<'a>,
    /// First row of the chunk.
    first: usize,
    of_group: Vec<Option<[usize; FINE_ROWS]>>,
}

impl<'a> Places<'a> {
    fn new(job: &'a Job<'a>, first: usize) -> Self {
        Places { job, first, of_group: Vec::new() }
    }

    fn of(&mut self, probe_group: u32) -> &[usize; FINE_ROWS] {
        let (job, group) = (self.job, probe_group as usize);
        if self.of_group.len() <= group {
            self.of_group.resize(group + 1, None);
        }
        self.of_group[group].get_or_insert_with(|| {
            let mut places = [0; FINE_ROWS];
            for (place, &group) in places.iter_mut().zip(&job.at.gallery_groups[self.first..]) {
                *place = job.at.cell_of(probe_group, group) * job.axis.bins();
            }
            places
        })
    }
}
