//! The messages of `protos/frbench/v1`, as the build made them.

#![allow(clippy::all, missing_docs, reason = "generated")]

tonic::include_proto!("frbench.v1");

/// All of the above, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/frbench.v1.binpb"));
