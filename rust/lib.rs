//! The core of frbench: exact cosine scores, counted and searched.
//!
//! Read in this order:
//!
//! 1. [`rows`]: how a template becomes a unit row.
//! 2. [`dot`]: what the score of two rows is, and the kernels that screen for it.
//! 3. [`pack`]: rows as 8-bit integers, and what they prove of a score; [`screen`] asks them which pairs may matter.
//! 4. [`axis`]: which bin a score falls in.
//! 5. [`count`]: counts of a rectangle of pairs, by cell and bin; with [`fine`] where every score is needed.
//! 6. [`search`]: the best rows for a probe; [`best`] holds what may be among them, [`settle`] scores it.
//! 7. [`tail`]: the best pairs of different people, by cell.
//!
//! [`marks`] says which rows of a gallery are not to be found. [`rates`] measures what all this does on a machine,
//! [`work`] shares units among threads, [`aligned`] holds what kernels read.
//!
//! [`serve`] puts galleries behind gRPC, and [`load`] measures a service as its callers would meet it. `python` is the
//! binding, and the only part that knows of Python.

pub mod aligned;
pub mod axis;
pub mod best;
pub mod count;
pub mod dot;
pub mod error;
pub mod fine;
pub mod load;
pub mod marks;
pub mod pack;
pub mod rates;
pub mod rows;
pub mod screen;
pub mod search;
pub mod serve;
pub mod settle;
pub mod tail;
pub mod work;

#[cfg(test)]
mod bounds_tests;

#[cfg(feature = "python")]
mod python;
