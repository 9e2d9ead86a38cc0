//! Marks: rows of a gallery that are not to be found.

/// A set of rows, one bit each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marks {
    words: Vec<u64>,
    n: usize,
}

impl Marks {
    /// None of `rows` rows.
    pub fn none(rows: usize) -> Self {
        Marks { words: vec![0; rows.div_ceil(64)], n: 0 }
    }

    /// Marks `row`; `false` if it was marked.
    pub fn insert(&mut self, row: usize) -> bool {
        let (word, bit) = (row / 64, 1 << (row % 64));
        let is_new = self.words[word] & bit == 0;
        self.words[word] |= bit;
        self.n += usize::from(is_new);
        is_new
    }

    #[inline(always)]
    pub fn contains(&self, row: usize) -> bool {
        self.words[row / 64] >> (row % 64) & 1 != 0
    }

    /// Marked rows.
    pub fn len(&self) -> usize {
        self.n
    }

    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// Marked rows among the first `rows`.
    pub fn count_before(&self, rows: usize) -> usize {
        let (whole, rest) = (rows / 64, rows % 64);
        let last = self.words.get(whole).map_or(0, |word| word & ((1 << rest) - 1));
        self.words[..whole].iter().map(|word| word.count_ones() as usize).sum::<usize>() + last.count_ones() as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn marks_are_a_set(rows in prop::collection::vec(0usize..300, 0..100), before in 0usize..=300) {
            let (mut marks, mut set) = (Marks::none(300), BTreeSet::new());
            for row in rows {
                prop_assert_eq!(marks.insert(row), set.insert(row));
            }
            prop_assert_eq!(marks.len(), set.len());
            prop_assert_eq!(marks.is_empty(), set.is_empty());
            prop_assert_eq!(marks.count_before(before), set.range(..before).count());
            prop_assert!((0..300).all(|row| marks.contains(row) == set.contains(&row)));
        }
    }
}
