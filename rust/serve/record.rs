//! Record: a gallery and a template as bytes on disk.

use crate::serve::digest::{Digest, little_endian};
use crate::serve::snapshot::Standing;

/// What is on disk of a gallery, beside its templates.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    pub name: String,
    /// Names its table.
    pub number: u64,
    pub dimension: usize,
    pub standing: Standing,
}

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

/// Length of the id in two bytes, id and row.
pub fn template(id: &str, row: &[f32]) -> Vec<u8> {
    // An id has 256 bytes at most.
    let length = (id.len() as u16).to_le_bytes();
    [&length, id.as_bytes(), &*little_endian(row)].concat()
}

/// Id and row of a template of dimension `d`, if the bytes are those of one.
pub fn parsed(bytes: &[u8], d: usize) -> Option<(&str, impl Iterator<Item = f32>)> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    let (id, row) = rest.split_at_checked(u16::from_le_bytes(*length).into())?;
    let (floats, beyond) = row.as_chunks::<4>();
    let row = floats.iter().map(|float| f32::from_le_bytes(*float));
    Some((str::from_utf8(id).ok()?, row)).filter(|_| floats.len() == d && beyond.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn records_are_read_as_they_were_written(
            name in "[a-z]{1,9}", number: u64, dimension: u32, version: u64, next: u64, n: u64, digest: [u8; 32],
            id in ".{1,60}", row in prop::collection::vec(-1.0f32..1.0, 1..40),
        ) {
            let standing = Standing { version, next, n, digest: Digest::from_bytes(&digest) };
            let head = Head { name: name.clone(), number, dimension: dimension as usize, standing };
            prop_assert_eq!(Head::from_bytes(&name, &head.to_bytes()), Some(head));
            let bytes = template(&id, &row);
            let (got, floats) = parsed(&bytes, row.len()).unwrap();
            prop_assert_eq!((got, floats.collect::<Vec<_>>()), (id.as_str(), row));
        }

        #[test]
        fn bytes_of_another_length_are_no_record(cut in 0usize..100, d in 1usize..20) {
            let bytes = template("id", &vec![0.5; d]);
            prop_assume!(cut != bytes.len());
            let mut other = bytes.clone();
            other.resize(cut, 0);
            prop_assert!(parsed(&other, d).is_none());
            prop_assert!(cut == HEAD_BYTES || Head::from_bytes("name", &vec![0; cut]).is_none());
        }
    }
}
