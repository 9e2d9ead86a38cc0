//! Record: a gallery, and templates, as bytes on disk.

use crate::serve::galleries::digest::{Digest, little_endian};
use crate::serve::galleries::kept::Head;
use crate::serve::galleries::snapshot::Standing;

/// Number, dimension, version, next number, templates, then the digest.
const HEAD_BYTES: usize = 5 * 8 + 32;

impl Head {
    pub fn to_bytes(&self) -> Vec<u8> {
        let Standing { version, next, n, digest } = self.standing;
        let fields = [self.number, self.dimension as u64, version, next, n];
        fields.iter().flat_map(|field| field.to_le_bytes()).chain(digest.to_bytes()).collect()
    }

    /// The gallery `name`, if the bytes are those of one.
    pub fn from_bytes(name: &str, bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; HEAD_BYTES] = bytes.try_into().ok()?;
        let (fields, _) = bytes.as_chunks::<8>();
        let [number, dimension, version, next, n] = std::array::from_fn(|i| u64::from_le_bytes(fields[i]));
        let digest = Digest::from_bytes(bytes.last_chunk()?);
        let standing = Standing { version, next, n, digest };
        Some(Head { name: name.into(), number, dimension: usize::try_from(dimension).ok()?, standing })
    }
}

/// A template among others in one value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Record<'a> {
    /// Where its bytes are in the value.
    pub start: usize,
    pub end: usize,
    pub number: u64,
    pub id: &'a str,
    row: &'a [[u8; 4]],
}

impl Record<'_> {
    pub fn row(&self) -> impl Iterator<Item = f32> {
        self.row.iter().map(|float| f32::from_le_bytes(*float))
    }
}

/// Appends a template: its number, the length of its id in two bytes, id and row.
pub fn append(bytes: &mut Vec<u8>, number: u64, id: &str, row: &[f32]) {
    bytes.extend(number.to_le_bytes());
    // An id has 256 bytes at most.
    bytes.extend((id.len() as u16).to_le_bytes());
    bytes.extend(id.as_bytes());
    bytes.extend(&*little_endian(row));
}

/// The templates of dimension `d` in a value, in their order; `None`, and no more, where the bytes are not those of one.
pub fn records(bytes: &[u8], d: usize) -> impl Iterator<Item = Option<Record<'_>>> {
    let mut next = (d > 0).then_some(0);
    std::iter::from_fn(move || {
        let start = next.filter(|&start| start < bytes.len())?;
        let record = parsed(bytes, start, d);
        next = record.map(|record| record.end);
        Some(record)
    })
}

fn parsed(bytes: &[u8], start: usize, d: usize) -> Option<Record<'_>> {
    let (number, rest) = bytes.get(start..)?.split_first_chunk::<8>()?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let (id, rest) = rest.split_at_checked(u16::from_le_bytes(*length).into())?;
    let (row, beyond) = rest.split_at_checked(d.checked_mul(4)?)?;
    let number = u64::from_le_bytes(*number);
    let end = bytes.len() - beyond.len();
    Some(Record { start, end, number, id: str::from_utf8(id).ok()?, row: row.as_chunks().0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn records_are_read_as_they_were_written(
            name in "[a-z]{1,9}", number: u64, dimension: u32, version: u64, next: u64, n: u64, digest: [u8; 32],
        ) {
            let standing = Standing { version, next, n, digest: Digest::from_bytes(&digest) };
            let head = Head { name: name.clone(), number, dimension: dimension as usize, standing };
            prop_assert_eq!(Head::from_bytes(&name, &head.to_bytes()), Some(head));
        }

        #[test]
        fn templates_are_read_as_they_were_written(
            ids in prop::collection::vec((any::<u64>(), ".{1,60}"), 0..9), row in prop::collection::vec(-1.0f32..1.0, 1..40),
        ) {
            let mut bytes = Vec::new();
            ids.iter().for_each(|(number, id)| append(&mut bytes, *number, id, &row));
            let read: Vec<Record> = records(&bytes, row.len()).map(Option::unwrap).collect();
            prop_assert_eq!(read.len(), ids.len());
            prop_assert_eq!(read.last().map_or(0, |record| record.end), bytes.len());
            for (record, (number, id)) in read.iter().zip(&ids) {
                prop_assert_eq!((record.number, record.id), (*number, id.as_str()));
                prop_assert_eq!(record.row().collect::<Vec<_>>(), row.clone());
            }
        }

        #[test]
        fn bytes_of_another_length_are_no_record(cut in 0usize..100, d in 1usize..20) {
            let mut bytes = Vec::new();
            append(&mut bytes, 3, "id", &vec![0.5; d]);
            prop_assume!(cut > 0 && cut < bytes.len());
            prop_assert_eq!(records(&bytes[..cut], d).collect::<Vec<_>>(), [None]);
            prop_assert!(cut == HEAD_BYTES || Head::from_bytes("name", &vec![0; cut]).is_none());
        }
    }
}
