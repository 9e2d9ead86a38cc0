//! Levels: which segments of a gallery are merged next.
//!
//! Of segments in order of enrolment, each holds at least twice as many templates as all that follow, or they are
//! merged: so there are few of them, and a template is copied a few times in its life.

use std::ops::Range;

/// Removed templates that a segment may always keep, and the part of it that they may be.
const FEW_REMOVED: usize = 64;
const PART_REMOVED: usize = 8;

/// Templates of a segment: those that can be found, and those that were removed.
#[derive(Debug, Clone, Copy)]
pub struct Level {
    pub live: usize,
    pub removed: usize,
}

/// Segments that should be one.
pub fn overdue(levels: &[Level]) -> Option<Range<usize>> {
    let mut after: usize = 0;
    let mut first = None;
    for (i, level) in levels.iter().enumerate().rev() {
        if level.live < 2 * after {
            first = Some(i);
        }
        after += level.live;
    }
    first.map(|first| first..levels.len()).or_else(|| {
        let is_worn = |level: &Level| level.removed > FEW_REMOVED.max((level.live + level.removed) / PART_REMOVED);
        levels.iter().position(is_worn).map(|i| i..i + 1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn merge(levels: &mut Vec<Level>, run: Range<usize>) -> usize {
        let live = levels[run.clone()].iter().map(|level| level.live).sum();
        levels.splice(run, [Level { live, removed: 0 }]);
        live
    }

    proptest! {
        #[test]
        fn one_merge_leaves_no_segments_to_merge(live in prop::collection::vec(1usize..1000, 0..20)) {
            let mut levels: Vec<Level> = live.into_iter().map(|live| Level { live, removed: 0 }).collect();
            if let Some(run) = overdue(&levels) {
                merge(&mut levels, run);
            }
            prop_assert!(overdue(&levels).is_none());
            let n: usize = levels.iter().map(|level| level.live).sum();
            prop_assert!(levels.len() <= n.checked_ilog2().map_or(0, |log| log as usize + 1));
        }

        #[test]
        fn a_template_is_copied_a_few_times(sizes in prop::collection::vec(1usize..8, 1..2000)) {
            let (mut levels, mut copied, mut n) = (Vec::new(), 0, 0);
            for live in sizes {
                n += live;
                levels.push(Level { live, removed: 0 });
                if let Some(run) = overdue(&levels) {
                    copied += merge(&mut levels, run);
                }
            }
            // The segment of a template at least grows by half whenever it is copied, but for the first of a batch.
            prop_assert!(copied as f64 <= n as f64 * ((n as f64).ln() / 1.5f64.ln() + 2.0));
        }
    }

    #[test]
    fn a_segment_is_rewritten_when_more_than_an_eighth_was_removed() {
        for (live, removed, is_worn) in [(1, 64, false), (1, 65, true), (7000, 1000, false), (6999, 1001, true)] {
            assert_eq!(overdue(&[Level { live, removed }]).is_some(), is_worn, "{live} {removed}");
        }
    }
}
