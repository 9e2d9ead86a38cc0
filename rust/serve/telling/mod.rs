//! Telling: what is written down of a call.

pub mod audit;
pub mod audit_file;
pub mod facts;
pub mod metrics;
mod refusals;
pub mod times;
pub mod traces;
