//! Buffers that begin where a line of the cache begins: a tile or vector then touches no line twice.
//!
//! Large ones lie on large pages where the system has them: it finds, clears and looks those up in a fraction of the
//! time. The last of those that are needed no more are kept for the next: to have pages anew takes longer than to clear
//! them, below a virtual machine many times as long.

use crate::error::Error;
use crate::work::locked;
use bytemuck::Pod;
use memmap2::{Advice, MmapMut};
use std::ops::{Deref, DerefMut};
use std::sync::Mutex;

const LINE_BYTES: usize = 64;
/// Bytes from which on a buffer is worth pages of its own.
const LARGE_BYTES: usize = 4 << 20;
/// Most bytes that are kept.
const KEPT_BYTES: usize = 96 << 20;

/// Memory of buffers that are no more, the oldest first.
static KEPT: Mutex<Vec<MmapMut>> = Mutex::new(Vec::new());

/// Zeroed memory outside the heap, on large pages where the system has them.
pub fn anonymous(bytes: usize) -> Result<MmapMut, Error> {
    let refused = |_| Error::Memory(format!("{bytes} bytes of packed rows are more than there is memory for"));
    let map = MmapMut::map_anon(bytes.max(1)).map_err(refused)?;
    // Advice that is not taken costs speed, nothing else.
    let _ = map.advise(Advice::HugePage);
    Ok(map)
}

/// Memory that is kept when it is dropped.
struct Pages(Option<MmapMut>);

impl Pages {
    /// Zeros.
    fn zeros(bytes: usize) -> Option<Self> {
        let mut kept = locked(&KEPT);
        let fitting = kept.iter().position(|map| (bytes..=2 * bytes).contains(&map.len()));
        let map = match fitting.map(|at| kept.remove(at)) {
            Some(mut map) => {
                drop(kept);
                map[..bytes].fill(0);
                map
            }
            None => anonymous(bytes).ok()?,
        };
        Some(Pages(Some(map)))
    }
}

impl Deref for Pages {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }
}

impl DerefMut for Pages {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.0.as_deref_mut().unwrap_or_default()
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        let Some(map) = self.0.take().filter(|map| map.len() <= KEPT_BYTES) else { return };
        let mut kept = locked(&KEPT);
        while kept.iter().map(|map| map.len()).sum::<usize>() + map.len() > KEPT_BYTES {
            kept.remove(0);
        }
        kept.push(map);
    }
}

enum Store<T> {
    Heap { values: Vec<T>, start: usize },
    Pages(Pages),
}

pub struct Aligned<T> {
    store: Store<T>,
    len: usize,
}

impl<T: Pod> Aligned<T> {
    /// `len` zeros.
    pub fn zeros(len: usize) -> Self {
        let bytes = len * size_of::<T>();
        let pages = if bytes < LARGE_BYTES { None } else { Pages::zeros(bytes) };
        let store = pages.map_or_else(|| Self::on_heap(len), Store::Pages);
        Aligned { store, len }
    }

    /// `len` values to be overwritten: those of `spare` where there are as many, whatever they are, or zeros.
    pub fn reused(spare: Option<Self>, len: usize) -> Self {
        match spare {
            Some(spare) if len <= spare.room() => Aligned { len, ..spare },
            _ => Aligned::zeros(len),
        }
    }

    fn on_heap(len: usize) -> Store<T> {
        let values = vec![T::zeroed(); len + LINE_BYTES / size_of::<T>()];
        let start = values.as_ptr().align_offset(LINE_BYTES);
        Store::Heap { values, start }
    }

    /// Values that the buffer can hold.
    fn room(&self) -> usize {
        match &self.store {
            Store::Heap { values, start } => values.len() - start,
            Store::Pages(bytes) => bytes.len() / size_of::<T>(),
        }
    }
}

impl<T: Pod> Deref for Aligned<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match &self.store {
            Store::Heap { values, start } => &values[*start..start + self.len],
            Store::Pages(bytes) => bytemuck::cast_slice(&bytes[..self.len * size_of::<T>()]),
        }
    }
}

impl<T: Pod> DerefMut for Aligned<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        match &mut self.store {
            Store::Heap { values, start } => &mut values[*start..*start + self.len],
            Store::Pages(bytes) => bytemuck::cast_slice_mut(&mut bytes[..self.len * size_of::<T>()]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers of a buffer that has pages of its own.
    const LARGE: usize = LARGE_BYTES / size_of::<i32>();

    #[test]
    fn a_spare_buffer_is_used_again_where_it_is_long_enough() {
        let spare = Aligned::<i32>::zeros(100);
        let place = spare.as_ptr();
        let shorter = Aligned::reused(Some(spare), 60);
        assert_eq!((shorter.as_ptr(), shorter.len()), (place, 60));
        let longer = Aligned::reused(Some(shorter), LARGE);
        let place = longer.as_ptr();
        assert_eq!(longer.len(), LARGE);
        assert_eq!(Aligned::reused(Some(longer), LARGE - 1).as_ptr(), place);
    }

    #[test]
    fn a_buffer_begins_at_a_line_and_holds_zeros() {
        for len in [0, 1, 63, 1000, LARGE, LARGE + 1] {
            let mut buffer = Aligned::<i32>::zeros(len);
            assert_eq!((buffer.as_ptr() as usize % LINE_BYTES, &buffer[..]), (0, &vec![0; len][..]));
            buffer.fill(7);
            assert!(buffer.iter().all(|&x| x == 7));
        }
    }

    #[test]
    fn memory_of_a_buffer_that_is_no_more_is_used_again_and_not_kept_without_end() {
        for _ in 0..3 {
            let buffers = [(); 5].map(|()| Aligned::<u8>::zeros(KEPT_BYTES / 4));
            assert!(buffers.iter().all(|buffer| buffer.iter().all(|&x| x == 0)));
            for mut buffer in buffers {
                buffer.fill(1);
            }
            let kept: usize = locked(&KEPT).iter().map(|map| map.len()).sum();
            assert!((1..=KEPT_BYTES).contains(&kept));
        }
        drop(Aligned::<u8>::zeros(KEPT_BYTES + 1));
        assert!(locked(&KEPT).iter().all(|map| map.len() <= KEPT_BYTES));
    }
}
