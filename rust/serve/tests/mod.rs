//! Tests of several modules together, and the world that they share.

mod calls_tests;
mod disk_tests;
mod galleries_tests;
mod listen_tests;
mod queue_tests;
pub(super) mod world;
