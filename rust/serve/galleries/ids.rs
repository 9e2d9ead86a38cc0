//! Ids: the ids of some templates, in order, and the place of each.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

const EMPTY: u32 = u32::MAX;
/// Most ids that places are kept of.
pub const MOST_IDS: usize = EMPTY as usize;

/// Distinct strings in one buffer, with an open table of their places.
pub struct Ids {
    text: String,
    /// Where each id ends in `text`.
    ends: Vec<usize>,
    /// Places by hash, at most half full; its length is a power of two.
    table: Vec<u32>,
    hasher: RandomState,
}

impl Ids {
    pub fn with_capacity(n: usize) -> Self {
        let table = vec![EMPTY; (2 * n).next_power_of_two().max(8)];
        Ids { text: String::new(), ends: Vec::with_capacity(n), table, hasher: RandomState::new() }
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Bytes of all ids together.
    pub fn text_bytes(&self) -> usize {
        self.text.len()
    }

    /// The id at `place`, which there is.
    pub fn id(&self, place: usize) -> &str {
        let start = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start..self.ends[place]]
    }

    pub fn find(&self, id: &str) -> Option<usize> {
        let place = self.table[self.slot(id)];
        (place != EMPTY).then_some(place as usize)
    }

    /// Adds an id; the place of an equal one, if there is one, and nothing changes.
    pub fn push(&mut self, id: &str) -> Result<(), usize> {
        if 2 * (self.len() + 1) > self.table.len() {
            self.grow();
        }
        let slot = self.slot(id);
        if self.table[slot] != EMPTY {
            return Err(self.table[slot] as usize);
        }
        self.table[slot] = self.len() as u32;
        self.text.push_str(id);
        self.ends.push(self.text.len());
        Ok(())
    }

    /// Where `id` is in the table, or would be.
    fn slot(&self, id: &str) -> usize {
        let mask = self.table.len() - 1;
        let mut slot = self.hasher.hash_one(id) as usize & mask;
        while self.table[slot] != EMPTY && self.id(self.table[slot] as usize) != id {
            slot = (slot + 1) & mask;
        }
        slot
    }

    fn grow(&mut self) {
        self.table = vec![EMPTY; 2 * self.table.len()];
        for place in 0..self.len() {
            let slot = self.slot(self.id(place));
            self.table[slot] = place as u32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ids_are_found_where_they_were_put(wanted in prop::collection::vec("[a-cé]{0,3}", 0..200), n in 0usize..9) {
            let (mut ids, mut places) = (Ids::with_capacity(n), Vec::<&str>::new());
            for id in &wanted {
                let known = places.iter().position(|other| other == id);
                prop_assert_eq!(ids.push(id).err(), known);
                if known.is_none() {
                    places.push(id);
                }
            }
            prop_assert_eq!(ids.len(), places.len());
            prop_assert_eq!(ids.text_bytes(), places.concat().len());
            for (place, id) in places.iter().enumerate() {
                prop_assert_eq!((ids.id(place), ids.find(id)), (*id, Some(place)));
            }
            prop_assert_eq!(ids.find("d"), None);
        }
    }
}
