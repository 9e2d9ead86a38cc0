//! The service: galleries behind gRPC.
//!
//! A call comes in by the [`door`] (sockets, a connection each, TLS) and passes [`calls`]: who asks, whether it may, and
//! until when. A handler of its service answers it ([`handlers`]); searches wait in a [`queue`] and share scans. What is
//! refused is a [`refusal`]. [`telling`] writes down how the call went.
//!
//! [`galleries`] are all that a server has. A gallery is a list of immutable segments, of which a snapshot is one
//! moment. Batches are admitted together, made durable by the [`store`], then visible.
//!
//! [`server`] starts all of this from a [`config`], and ends it in order.

pub mod calls;
pub mod config;
pub mod door;
pub mod galleries;
pub mod handlers;
pub mod proto;
pub mod queue;
pub mod refusal;
pub mod server;
pub mod store;
pub mod telling;

#[cfg(test)]
mod tests;
