//! Settle: candidates of many probes scored in order of gallery rows.
//!
//! Probe by probe their floats would come from anywhere in memory, a row at a time. In order of rows they stream, and
//! a row that several probes ask for is read once. Those that look best come first, for they tell which of the
//! others still matter.

use crate::best::Best;
use crate::dot::{Kernel, lowered};
use crate::error::Error;
use crate::rows::Rows;
use crate::work::{self, part};
use std::sync::Mutex;

/// Pairs that one unit of work scores.
const UNIT_PAIRS: usize = 2048;
/// Probes whose candidates one unit of work puts in order.
const UNIT_PROBES: usize = 64;
/// How many pairs ahead a row is asked for.
const AHEAD: usize = 4;

/// The rows behind the candidates, and who scores them.
pub struct Settling<'a> {
    pub gallery: Rows<'a>,
    pub probes: Rows<'a>,
    pub kernel: Kernel,
    /// Most that `near` can be wrong by.
    pub slack: f32,
    pub threads: usize,
}

/// A pair to score: its place among those of all probes in order, and what its score must reach.
#[derive(Clone, Copy)]
struct Visit {
    row: usize,
    probe: usize,
    place: usize,
    least: f32,
}

impl Settling<'_> {
    /// Replaces the bounds of every probe's candidates by scores, and keeps the best; `first` is the first probe.
    pub fn settle(&self, first: usize, best: &mut [Best], stop: &mut dyn FnMut() -> bool) -> Result<(), Error> {
        let leaders = self.collect(best, stop, |probe, best, visits| {
            visits.extend(best.leaders().iter().map(|candidate| (probe, candidate.row, f32::NEG_INFINITY)));
        })?;
        let scores = self.scores(first, &leaders, stop)?;
        self.hand_out(best, &leaders, &scores, stop, Best::settle_leaders)?;
        let open = self.collect(best, stop, |probe, best, visits| {
            let least = lowered(best.limit, self.slack);
            visits.extend(best.open().map(|candidate| (probe, candidate.row, least)));
        })?;
        let scores = self.scores(first, &open, stop)?;
        self.hand_out(best, &open, &scores, stop, Best::settle_open)
    }

    /// Pairs `(probe, row, least)` that `of` names for every probe, in order of probes.
    fn collect(
        &self,
        best: &mut [Best],
        stop: &mut dyn FnMut() -> bool,
        of: impl Fn(usize, &mut Best, &mut Vec<(usize, usize, f32)>) + Sync,
    ) -> Result<Vec<Visit>, Error> {
        let parts: Vec<_> = best.chunks_mut(UNIT_PROBES).map(Mutex::new).collect();
        let found = work::in_order(parts.len(), self.threads, stop, |unit| {
            let mut visits = Vec::new();
            for (at, best) in work::locked(&parts[unit]).iter_mut().enumerate() {
                of(unit * UNIT_PROBES + at, best, &mut visits);
            }
            visits
        })?;
        let visits = found.into_iter().flatten().enumerate();
        Ok(visits.map(|(place, (probe, row, least))| Visit { row, probe, place, least }).collect())
    }

    /// The score of every visit, in order of places; `-inf` where it does not reach what it must.
    fn scores(&self, first: usize, visits: &[Visit], stop: &mut dyn FnMut() -> bool) -> Result<Vec<f32>, Error> {
        let mut by_row = visits.to_vec();
        by_row.sort_unstable_by_key(|visit| visit.row);
        let found = work::in_order(visits.len().div_ceil(UNIT_PAIRS), self.threads, stop, |unit| {
            let visits = &by_row[part(&(0..by_row.len()), unit, UNIT_PAIRS)];
            let ahead = |i: usize| visits.get(i + AHEAD);
            let score = |(i, visit): (usize, &Visit)| {
                ahead(i).into_iter().for_each(|next| self.kernel.fetch(self.gallery.row(next.row)));
                self.score(first + visit.probe, visit)
            };
            visits.iter().enumerate().map(score).collect::<Vec<f32>>()
        })?;
        let mut scores = vec![0.0; visits.len()];
        for (visit, score) in by_row.iter().zip(found.into_iter().flatten()) {
            scores[visit.place] = score;
        }
        Ok(scores)
    }

    fn score(&self, probe: usize, visit: &Visit) -> f32 {
        let (probe, row) = (self.probes.row(probe), self.gallery.row(visit.row));
        if visit.least > f32::NEG_INFINITY && self.kernel.near(probe, row) < visit.least {
            return f32::NEG_INFINITY;
        }
        self.kernel.score(probe, row)
    }

    /// Gives every probe the scores of its visits.
    fn hand_out(
        &self,
        best: &mut [Best],
        visits: &[Visit],
        scores: &[f32],
        stop: &mut dyn FnMut() -> bool,
        take: impl Fn(&mut Best, &[f32]) + Sync,
    ) -> Result<(), Error> {
        let parts: Vec<_> = best.chunks_mut(UNIT_PROBES).map(Mutex::new).collect();
        work::share(
            parts.len(),
            self.threads,
            stop,
            || Ok(()),
            |(), unit| {
                for (at, best) in work::locked(&parts[unit]).iter_mut().enumerate() {
                    let probe = unit * UNIT_PROBES + at;
                    let start = visits.partition_point(|visit| visit.probe < probe);
                    let end = start + visits[start..].partition_point(|visit| visit.probe == probe);
                    take(best, &scores[start..end]);
                }
            },
        )?;
        Ok(())
    }
}
