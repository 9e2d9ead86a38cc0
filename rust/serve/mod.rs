//! The service: galleries behind gRPC.
//!
//! A call comes through [`listen`] (sockets, a [`connection`] each, [`tls`]) and [`calls`] (who asks and whether it may, [`access`]; what is
//! told of it, [`audit`], [`metrics`] and [`traces`]) to the handler of its service. [`incoming`] checks its fields; searches wait
//! in a [`queue`] and share scans. What is refused is a [`refusal`].
//!
//! [`galleries`] are all that a server has. A [`gallery`] is a list of immutable segments, of which a [`snapshot`] is
//! one moment; `levels` says which of them are merged. Batches are admitted together (`turns`, `admission`,
//! `removal`), made durable (`store`, `disk`, `chunks`, `record`, `fault`), then visible.
//!
//! [`server`] starts all of this from a [`config`], and ends it in order.

pub mod access;
mod admission;
pub mod audit;
pub mod audit_file;
pub mod call;
pub mod call_body;
pub mod calls;
mod chunks;
pub mod codec;
pub mod config;
pub mod connection;
pub mod desk;
mod digest;
mod disk;
pub mod facts;
mod fault;
pub mod galleries;
pub mod gallery;
pub mod gallery_service;
mod health;
mod ids;
pub mod incoming;
mod kept;
mod levels;
pub mod listen;
mod memory;
pub mod methods;
pub mod metrics;
pub mod proto;
pub mod queue;
mod record;
pub mod recovery;
pub mod refusal;
mod refusals;
mod removal;
pub mod search_service;
mod segment;
pub mod server;
pub mod server_service;
pub mod serving;
pub mod snapshot;
mod store;
pub mod sweep_service;
pub mod times;
pub mod tls;
pub mod traces;
mod turns;
pub mod whole;

#[cfg(test)]
mod calls_tests;
#[cfg(test)]
mod disk_tests;
#[cfg(test)]
mod galleries_tests;
#[cfg(test)]
mod listen_tests;
#[cfg(test)]
mod queue_tests;
#[cfg(test)]
mod world;
