//! Best: what may be among the best `k` gallery rows of one probe, as far as bounds tell.

use crate::dot::lowered;
use std::cmp::Ordering;

/// Candidates of a probe, beside some times `k`, that are kept unsettled at most.
pub const MANY: usize = 4096;
/// Candidates that most probes have in some part of a gallery.
const FEW: usize = 96;

/// A gallery row that may be among the best, and bounds of its score; they are equal once it is settled.
#[derive(Debug, Clone, Copy)]
pub struct Candidate {
    pub row: usize,
    pub lower: f32,
    pub upper: f32,
    /// Whether the bounds are those of integers.
    is_wide: bool,
}

impl Candidate {
    /// A row whose score is within `error` of `estimate`; rounding moves either bound by less than a step.
    pub fn within(row: usize, estimate: f32, error: f32) -> Self {
        Candidate { row, lower: (estimate - error).next_down(), upper: (estimate + error).next_up(), is_wide: true }
    }

    pub fn settled(row: usize, score: f32) -> Self {
        Candidate { row, lower: score, upper: score, is_wide: false }
    }

    fn is_settled(&self) -> bool {
        self.lower == self.upper
    }

    fn middle(&self) -> f32 {
        self.lower + self.upper
    }
}

/// What may be among the best `k` rows of one probe, and its count, over the rows seen so far.
#[derive(Clone)]
pub struct Best {
    k: usize,
    /// Rows that do not reach it are not wanted: a score that the `k`-th best surely reaches, or was guessed to.
    pub limit: f32,
    pub candidates: Vec<Candidate>,
    /// Candidates for which there is always room.
    room: usize,
    /// Candidates at which those that cannot be among the best are looked for.
    full: usize,
    pub at_or_above: u64,
}

impl Best {
    pub fn new(k: usize, limit: f32, room: usize) -> Self {
        let limit = if k == 0 { f32::INFINITY } else { limit };
        Best { k, limit, candidates: Vec::with_capacity(FEW), room, full: room, at_or_above: 0 }
    }

    pub fn offer(&mut self, candidate: Candidate) {
        if candidate.upper >= self.limit {
            self.candidates.push(candidate);
        }
    }

    pub fn is_full(&self) -> bool {
        self.candidates.len() >= self.full
    }

    /// Whether `k` settled rows reach the limit, so that no other row can be among the best.
    pub fn is_whole(&self) -> bool {
        self.candidates.len() == self.k && worst(&self.candidates) >= self.limit
    }

    /// Puts those that look best first, as many as are wanted; says how many.
    fn lead(&mut self) -> usize {
        let leaders = self.k.min(self.candidates.len());
        if leaders > 0 {
            let middle = |a: &Candidate, b: &Candidate| b.middle().total_cmp(&a.middle());
            self.candidates.select_nth_unstable_by(leaders - 1, middle);
        }
        leaders
    }

    /// Makes the bounds of those that look best narrow, and drops what cannot be among them.
    pub fn sharpen(&mut self, near: impl Fn(usize) -> (f32, f32)) {
        let leaders = self.lead();
        for candidate in &mut self.candidates[..leaders] {
            if candidate.is_wide {
                let (near, slack) = near(candidate.row);
                *candidate = Candidate { is_wide: false, ..Candidate::within(candidate.row, near, slack) };
            }
        }
        if leaders == self.k {
            self.limit = self.limit.max(worst(&self.candidates[..leaders]));
        }
        self.drop_hopeless();
    }

    fn drop_hopeless(&mut self) {
        let limit = self.limit;
        self.candidates.retain(|candidate| candidate.upper >= limit);
        self.full = (3 * self.candidates.len() / 2).max(self.room);
    }

    /// Whether bounds alone leave more candidates than are worth keeping.
    pub fn is_crowded(&self) -> bool {
        self.candidates.len() >= 4 * self.room + MANY
    }

    pub fn merge(&mut self, other: Best) {
        self.limit = self.limit.max(other.limit);
        self.candidates.extend(other.candidates);
        self.at_or_above += other.at_or_above;
        if self.is_full() && self.k > 0 && self.candidates.len() >= self.k {
            let lower = |a: &Candidate, b: &Candidate| b.lower.total_cmp(&a.lower);
            self.limit = self.limit.max(self.candidates.select_nth_unstable_by(self.k - 1, lower).1.lower);
            self.drop_hopeless();
        }
    }

    /// Settles all candidates one after another, and keeps the best `k`.
    pub fn settle(&mut self, near: impl Fn(usize) -> (f32, f32), score: impl Fn(usize) -> f32) {
        let first: Vec<f32> = self.leaders().iter().map(|candidate| score(candidate.row)).collect();
        self.settle_leaders(&first);
        let settled = |candidate: &Candidate| {
            let (near, slack) = near(candidate.row);
            if near >= lowered(self.limit, slack) { score(candidate.row) } else { f32::NEG_INFINITY }
        };
        let rest: Vec<f32> = self.open().map(settled).collect();
        self.settle_open(&rest);
    }

    /// Those that look best, as many as are wanted: they come first from now on.
    pub fn leaders(&mut self) -> &[Candidate] {
        self.drop_hopeless();
        let leaders = self.lead();
        &self.candidates[..leaders]
    }

    /// Takes the scores of the leaders, whose worst is a limit that few others reach.
    pub fn settle_leaders(&mut self, scores: &[f32]) {
        for (candidate, &score) in self.candidates.iter_mut().zip(scores) {
            *candidate = Candidate::settled(candidate.row, score);
        }
        if scores.len() == self.k {
            self.limit = self.limit.max(worst(&self.candidates[..self.k]));
            self.drop_hopeless();
        }
    }

    /// Candidates that only bounds are known of.
    pub fn open(&self) -> impl Iterator<Item = &Candidate> {
        self.candidates.iter().filter(|candidate| !candidate.is_settled())
    }

    /// Takes the scores of the open ones, `-inf` of those that proved hopeless, and keeps the best `k`, best first;
    /// equal scores in order of rows.
    pub fn settle_open(&mut self, scores: &[f32]) {
        let open = self.candidates.iter_mut().filter(|candidate| !candidate.is_settled());
        for (candidate, &score) in open.zip(scores) {
            *candidate = Candidate::settled(candidate.row, score);
        }
        self.candidates.retain(|candidate| candidate.lower > f32::NEG_INFINITY);
        self.candidates
            .sort_unstable_by(|a, b| b.lower.partial_cmp(&a.lower).unwrap_or(Ordering::Equal).then(a.row.cmp(&b.row)));
        self.candidates.truncate(self.k);
        if self.candidates.len() == self.k {
            self.limit = self.limit.max(worst(&self.candidates));
        }
        self.full = self.room;
    }
}

fn worst(settled: &[Candidate]) -> f32 {
    settled.iter().fold(f32::INFINITY, |worst, candidate| worst.min(candidate.lower))
}
