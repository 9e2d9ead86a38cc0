//! Chunks: templates on disk, as many in a value as fill the pages that it takes.
//!
//! A value beyond a page takes a power of two of them. So a batch is cut where pages end, and what is left of it into
//! smaller and smaller values; those are written again with templates that come later, so that single enrolments
//! come to fill their pages too. A template is copied as often as its value doubles.

use crate::serve::store::fault::Fault;
use crate::serve::store::record::{Record, records};
use redb::{ReadableTable, StorageError, Table};

/// Bytes of a page.
const PAGE: usize = 4096;
/// Pages of the largest value of more than one template.
const MOST_PAGES: usize = 32;
/// Bytes of a page that hold the number and the length of a value.
const BESIDE: usize = 16;

/// Values of a gallery by the number of the template that was the first.
pub type Rows<'a> = Table<'a, u64, &'static [u8]>;

/// Adds `bytes`, records of dimension `d` whose numbers are above all others.
pub fn add(table: &mut Rows<'_>, mut bytes: Vec<u8>, d: usize) -> Result<(), Fault> {
    while let Some(last) = take_last(table, bytes.len())? {
        bytes = [last, bytes].concat();
    }
    let all = whole(&bytes, d)?;
    let ends: Vec<usize> = all.iter().map(|record| record.end).collect();
    let mut next = 0;
    while next < ends.len() {
        let start = next.checked_sub(1).map_or(0, |before| ends[before]);
        let chunk = next..next + cut(&ends[next..], start);
        table.insert(all[next].number, &bytes[start..ends[chunk.end - 1]])?;
        next = chunk.end;
    }
    Ok(())
}

/// Removes the templates of `numbers`, which ascend and are there.
pub fn remove(table: &mut Rows<'_>, mut numbers: &[u64], d: usize) -> Result<(), Fault> {
    while let Some(&number) = numbers.first() {
        let (key, bytes) = chunk_of(table, number)?.ok_or(Fault::Damaged("a number of a template"))?;
        let all = whole(&bytes, d)?;
        let last = all.last().map_or(0, |record| record.number);
        let (here, others) = numbers.split_at(numbers.partition_point(|&number| number <= last));
        if here.is_empty() {
            return Err(Fault::Damaged("a number of a template"));
        }
        let kept = all.iter().filter(|record| here.binary_search(&record.number).is_err());
        let kept: Vec<u8> = kept.flat_map(|record| &bytes[record.start..record.end]).copied().collect();
        if kept.is_empty() {
            table.remove(key)?;
        } else {
            table.insert(key, kept.as_slice())?;
        }
        numbers = others;
    }
    Ok(())
}

/// All records of a value.
fn whole(bytes: &[u8], d: usize) -> Result<Vec<Record<'_>>, Fault> {
    records(bytes, d).collect::<Option<_>>().ok_or(Fault::Damaged("a template"))
}

/// Takes the last value out, if it is to be written again with the `more` bytes that follow it.
fn take_last(table: &mut Rows<'_>, more: usize) -> Result<Option<Vec<u8>>, StorageError> {
    let most = more.min(room(MOST_PAGES) / 2);
    if table.last()?.is_none_or(|(_, value)| value.value().len() > most) {
        return Ok(None);
    }
    Ok(table.pop_last()?.map(|(_, value)| value.value().to_vec()))
}

/// The value with the template of `number`, and its key.
fn chunk_of(table: &Rows<'_>, number: u64) -> Result<Option<(u64, Vec<u8>)>, StorageError> {
    let last = table.range(..=number)?.next_back().transpose()?;
    Ok(last.map(|(key, value)| (key.value(), value.value().to_vec())))
}

/// Records of the next value, of those that begin at `start` and end at `ends`.
fn cut(ends: &[usize], start: usize) -> usize {
    let bytes = ends.last().map_or(0, |end| end - start);
    let fitting = |room: usize| ends.partition_point(|end| end - start <= room).max(1);
    let pages = (bytes + BESIDE).div_ceil(PAGE).next_power_of_two();
    if pages > MOST_PAGES {
        return fitting(room(MOST_PAGES));
    }
    // Where they would leave a quarter of their pages empty, half as many pages are filled first.
    if 4 * bytes >= 3 * room(pages) || pages == 1 { ends.len() } else { fitting(room(pages / 2)) }
}

/// Bytes of a value that fills `pages`.
fn room(pages: usize) -> usize {
    pages * PAGE - BESIDE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::store::record::append;
    use proptest::prelude::*;
    use redb::backends::InMemoryBackend;
    use redb::{Builder, Database, TableDefinition};
    use std::collections::{BTreeMap, BTreeSet};
    use std::ops::Range;

    const ROWS: TableDefinition<u64, &[u8]> = TableDefinition::new("rows");

    fn database() -> Database {
        Builder::new().create_with_backend(InMemoryBackend::new()).unwrap()
    }

    /// Does `work` in a commit of its own.
    fn commit(database: &Database, work: impl FnOnce(&mut Rows<'_>) -> Result<(), Fault>) -> Result<(), Fault> {
        let transaction = database.begin_write().unwrap();
        let done = work(&mut transaction.open_table(ROWS).unwrap());
        transaction.commit().unwrap();
        done
    }

    fn batch(numbers: Range<u64>, id: &str, d: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        numbers.for_each(|number| append(&mut bytes, number, id, &vec![number as f32; d]));
        bytes
    }

    /// Number, id and row.
    type Template = (u64, String, Vec<f32>);

    /// Lengths of all values, and what they hold.
    fn stored(database: &Database, d: usize) -> (Vec<usize>, Vec<Template>) {
        use redb::{ReadableDatabase, ReadableTable};
        let table = database.begin_read().unwrap().open_table(ROWS).unwrap();
        let values: Vec<Vec<u8>> = table.iter().unwrap().map(|entry| entry.unwrap().1.value().to_vec()).collect();
        let read = |record: Record<'_>| (record.number, record.id.to_string(), record.row().collect());
        let all = values.iter().flat_map(|value| whole(value, d).unwrap()).map(read).collect();
        (values.iter().map(Vec::len).collect(), all)
    }

    /// Bytes of pages that values of these lengths take, each in its own.
    fn page_bytes(lengths: &[usize]) -> usize {
        lengths.iter().map(|length| (length + BESIDE).div_ceil(PAGE).next_power_of_two() * PAGE).sum()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn what_is_there_is_what_was_added_and_not_removed_in_its_order(
            steps in prop::collection::vec((1..90_u64, prop::collection::vec(any::<prop::sample::Index>(), 0..9)), 1..12),
            d in prop_oneof![1..9_usize, 500..530_usize], id in ".{1,30}",
        ) {
            let (database, mut model, mut next) = (database(), BTreeMap::new(), 0);
            for (n, removed) in steps {
                commit(&database, |table| add(table, batch(next..next + n, &id, d), d)).unwrap();
                model.extend((next..next + n).map(|number| (number, id.clone())));
                next += n;
                let known: Vec<u64> = model.keys().copied().collect();
                let gone: BTreeSet<u64> = removed.iter().map(|index| *index.get(&known)).collect();
                let gone: Vec<u64> = gone.into_iter().collect();
                commit(&database, |table| remove(table, &gone, d)).unwrap();
                gone.iter().for_each(|number| drop(model.remove(number)));
                let expected: Vec<_> =
                    model.iter().map(|(&number, id)| (number, id.clone(), vec![number as f32; d])).collect();
                prop_assert_eq!(stored(&database, d).1, expected);
            }
        }

        #[test]
        fn a_batch_takes_little_more_than_its_bytes(n in 1..1500_u64, d in 1..600_usize) {
            let (database, bytes) = (database(), batch(0..n, "an id", d));
            let length = bytes.len();
            commit(&database, |table| add(table, bytes, d)).unwrap();
            // A quarter of the pages of a value may be empty, and beyond that a page of the last.
            prop_assert!(3 * page_bytes(&stored(&database, d).0) <= 4 * length + 2 * 3 * PAGE);
        }

        #[test]
        fn single_templates_come_to_share_values(n in 1..300_u64, d in 1..600_usize) {
            let (database, mut written) = (database(), 0);
            for number in 0..n {
                let one = batch(number..number + 1, "an id", d);
                written += one.len();
                commit(&database, |table| add(table, one, d)).unwrap();
            }
            let (lengths, all) = stored(&database, d);
            prop_assert_eq!(all.len() as u64, n);
            // Where it could, a value was joined to those before: what stays is at most three of each size.
            let most = 3 * MOST_PAGES.ilog2() as usize + 3 + 2 * written / room(MOST_PAGES);
            prop_assert!(lengths.len() <= most, "{lengths:?}");
        }
    }

    #[test]
    fn a_number_that_is_not_there_is_damage() {
        let database = database();
        commit(&database, |table| add(table, batch(5..8, "id", 3), 3)).unwrap();
        for number in [4, 8] {
            let refused = commit(&database, |table| remove(table, &[number], 3));
            assert!(matches!(refused, Err(Fault::Damaged(_))), "{number}");
        }
    }

    #[test]
    fn a_template_larger_than_all_pages_of_a_value_stands_alone() {
        let (database, d) = (database(), 1 << 16);
        commit(&database, |table| add(table, batch(0..3, "id", d), d)).unwrap();
        assert_eq!(stored(&database, d).0, [4 * d + 12; 3]);
    }
}
