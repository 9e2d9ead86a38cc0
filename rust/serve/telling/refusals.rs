//! Refusals: how many of those who were not let in have a line of their own in the audit log.
//!
//! Who may not call can still knock. So that nobody fills the disk that way, those beyond some in a minute are counted,
//! and one line says how many they were.

/// Lines of their own in a minute.
pub const MOST_LINES: u64 = 600;

/// Those of one minute.
#[derive(Debug, Default)]
pub struct Refusals {
    /// Since 1970.
    minute: u64,
    written: u64,
    more: u64,
}

impl Refusals {
    /// Whether one more in `minute` has a line of its own; else it is counted.
    pub fn admit(&mut self, minute: u64) -> bool {
        if self.minute != minute {
            (self.minute, self.written) = (minute, 0);
        }
        let has_line = self.written < MOST_LINES;
        *(if has_line { &mut self.written } else { &mut self.more }) += 1;
        has_line
    }

    /// How many were counted and not told of, if `minute` is another one.
    pub fn untold(&self, minute: u64) -> Option<u64> {
        (self.more > 0 && self.minute != minute).then_some(self.more)
    }

    /// How many were counted and not told of.
    pub fn rest(&self) -> Option<u64> {
        (self.more > 0).then_some(self.more)
    }

    /// Those that were counted have been told of.
    pub fn told(&mut self) {
        self.more = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_refusal_has_a_line_or_is_counted_in_one(
            minutes in prop::collection::vec((0..4_u64, 1..1500_u64), 1..8),
        ) {
            let (mut refusals, mut lines, mut counted, mut all) = (Refusals::default(), 0, 0, 0);
            let mut before = None;
            for (minute, n) in minutes {
                if let Some(more) = refusals.untold(minute) {
                    counted += more;
                    refusals.told();
                }
                let here = (0..n).filter(|_| refusals.admit(minute)).count() as u64;
                prop_assert!(here == n.min(MOST_LINES) || before == Some(minute) && here < n.min(MOST_LINES));
                (lines, all, before) = (lines + here, all + n, Some(minute));
            }
            prop_assert_eq!(refusals.untold(before.unwrap()), None);
            prop_assert_eq!(lines + counted + refusals.rest().unwrap_or(0), all);
        }
    }
}
