//! The core of frbench: exact cosine scores, counted and searched.
//!
//! Read in this order:
//!
//! 1. [`rows`]: how a template becomes a unit row.
//! 2. [`dot`]: what the score of two rows is, and the kernels that screen for it.
//! 3. [`axis`]: which bin a score falls in.
//! 4. [`count`]: counts of a rectangle of pairs, by cell and bin.
//! 5. [`search`]: the best rows for a probe.
//!
//! [`pack`] lays rows out for the kernels, [`work`] shares units among threads. `python` is the binding, and the
//! only file that knows of Python.

pub mod axis;
pub mod count;
pub mod dot;
pub mod error;
pub mod pack;
pub mod rows;
pub mod search;
pub mod work;

#[cfg(feature = "python")]
mod python;
