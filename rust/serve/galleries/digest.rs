//! Digest: what a gallery holds, in any order.

use sha2::{Digest as _, Sha256};
use std::borrow::Cow;
use std::ops::{Add, Sub};

/// A sum modulo 2^256 of the SHA-256 of templates, each read as a big-endian number.
///
/// A template is the length of its id in bytes, as eight bytes, its id, and its unit row; numbers are little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Digest {
    /// The last limb is the most significant.
    limbs: [u64; 4],
}

impl Digest {
    /// The digest of one template.
    pub fn of(id: &str, row: &[f32]) -> Self {
        let mut hash = Sha256::new();
        hash.update((id.len() as u64).to_le_bytes());
        hash.update(id);
        hash.update(little_endian(row));
        Digest::from_bytes(&hash.finalize().into())
    }

    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        let (words, _) = bytes.as_chunks::<8>();
        let mut limbs = [0; 4];
        limbs.iter_mut().rev().zip(words).for_each(|(limb, word)| *limb = u64::from_be_bytes(*word));
        Digest { limbs }
    }

    pub fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        let words = bytes.as_chunks_mut::<8>().0;
        words.iter_mut().zip(self.limbs.iter().rev()).for_each(|(word, limb)| *word = limb.to_be_bytes());
        bytes
    }
}

impl Add for Digest {
    type Output = Digest;

    fn add(self, other: Digest) -> Digest {
        self.with(other, |a, b, carry| {
            let (sum, over) = a.overflowing_add(b);
            let (sum, again) = sum.overflowing_add(carry.into());
            (sum, over || again)
        })
    }
}

impl Sub for Digest {
    type Output = Digest;

    fn sub(self, other: Digest) -> Digest {
        self.with(other, |a, b, borrow| {
            let (rest, under) = a.overflowing_sub(b);
            let (rest, again) = rest.overflowing_sub(borrow.into());
            (rest, under || again)
        })
    }
}

impl Digest {
    /// Limb by limb, handing on what is left over.
    fn with(self, other: Digest, step: fn(u64, u64, bool) -> (u64, bool)) -> Digest {
        let (mut limbs, mut left) = ([0; 4], false);
        for ((out, &a), &b) in limbs.iter_mut().zip(&self.limbs).zip(&other.limbs) {
            (*out, left) = step(a, b, left);
        }
        Digest { limbs }
    }
}

/// The bytes of a row as they are on disk and in digests.
pub fn little_endian(row: &[f32]) -> Cow<'_, [u8]> {
    if cfg!(target_endian = "little") {
        Cow::Borrowed(bytemuck::cast_slice(row))
    } else {
        Cow::Owned(row.iter().flat_map(|x| x.to_le_bytes()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn digest() -> impl Strategy<Value = Digest> {
        prop::array::uniform32(prop_oneof![Just(0u8), Just(255), any::<u8>()]).prop_map(|b| Digest::from_bytes(&b))
    }

    proptest! {
        #[test]
        fn digests_add_in_any_order_and_subtract_again(a in digest(), b in digest(), c in digest()) {
            prop_assert_eq!(a + b + c, c + (b + a));
            prop_assert_eq!(a + b - b, a);
            prop_assert_eq!(Digest::from_bytes(&a.to_bytes()), a);
        }
    }

    #[test]
    fn a_sum_carries_to_the_front_and_wraps() {
        let one = |at: usize| Digest::from_bytes(&std::array::from_fn(|i| u8::from(i == at)));
        let all = Digest::from_bytes(&[255; 32]);
        assert_eq!(all + one(31), Digest::default());
        let low = Digest::from_bytes(&std::array::from_fn(|i| if i >= 16 { 255 } else { 0 }));
        assert_eq!(low + one(31), one(15));
    }

    #[test]
    fn the_digest_of_a_template_is_that_of_its_bytes() {
        // printf '\x02\0\0\0\0\0\0\0id\0\0\x80\x3f\0\0\0\0' | sha256sum
        let hexadecimal = "b48770f14ac67aeab132b4a26c14ba8e48b7db583ed7389c09fa8b39bd2026a1";
        let got: String = Digest::of("id", &[1.0, 0.0]).to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(got, hexadecimal);
    }
}
