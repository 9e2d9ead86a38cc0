//! Door: connections, as bytes come in.

pub mod connection;
pub mod listen;
pub mod tls;
