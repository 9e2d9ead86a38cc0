//! The service: galleries behind gRPC.
//!
//! What is served, by whom it may be asked, and why a call is refused.

pub mod access;
pub mod config;
pub mod facts;
pub mod proto;
pub mod refusal;
