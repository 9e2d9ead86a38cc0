//! Buffers that begin where a line of the cache begins: a tile or vector then touches no line twice.

use std::ops::{Deref, DerefMut};

const LINE_BYTES: usize = 64;

pub struct Aligned<T> {
    values: Vec<T>,
    start: usize,
    len: usize,
}

impl<T: Copy + Default> Aligned<T> {
    /// `len` zeros.
    pub fn zeros(len: usize) -> Self {
        let values = vec![T::default(); len + LINE_BYTES / size_of::<T>()];
        let start = values.as_ptr().align_offset(LINE_BYTES);
        Aligned { start, len, values }
    }

    /// `len` values to be overwritten: those of `spare` where there are as many, whatever they are, or zeros.
    pub fn reused(spare: Option<Self>, len: usize) -> Self {
        match spare {
            Some(spare) if spare.start + len <= spare.values.len() => Aligned { len, ..spare },
            _ => Aligned::zeros(len),
        }
    }
}

impl<T> Deref for Aligned<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.values[self.start..self.start + self.len]
    }
}

impl<T> DerefMut for Aligned<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.values[self.start..self.start + self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spare_buffer_is_used_again_where_it_is_long_enough() {
        let spare = Aligned::<i32>::zeros(100);
        let place = spare.as_ptr();
        let shorter = Aligned::reused(Some(spare), 60);
        assert_eq!((shorter.as_ptr(), shorter.len()), (place, 60));
        assert_eq!(Aligned::reused(Some(shorter), 1000).len(), 1000);
    }

    #[test]
    fn a_buffer_begins_at_a_line_and_holds_zeros() {
        for len in [0, 1, 63, 1000] {
            let buffer = Aligned::<i32>::zeros(len);
            assert_eq!((buffer.as_ptr() as usize % LINE_BYTES, &buffer[..]), (0, &vec![0; len][..]));
        }
    }
}
