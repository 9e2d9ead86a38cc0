//! Handlers: what answers each call of the protocol.

pub mod gallery_service;
pub(super) mod health;
pub mod incoming;
pub mod search_service;
pub mod server_service;
pub mod serving;
pub mod sweep_service;
