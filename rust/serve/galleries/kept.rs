//! Kept: what is on disk of galleries, and what puts it there.

use crate::serve::galleries::segment::Segment;
use crate::serve::galleries::snapshot::Standing;
use crate::serve::refusal::Refusal;
use std::sync::Arc;

/// What is on disk of a gallery, beside its templates.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    pub name: String,
    /// Names its table.
    pub number: u64,
    pub dimension: usize,
    pub standing: Standing,
}

/// What one call changes.
pub enum Change {
    Create(Head),
    Drop(Head),
    /// Templates of a segment, and the gallery with them.
    Enrol(Head, Arc<Segment>),
    /// Numbers of templates, which ascend, and the gallery without them.
    Remove(Head, Vec<u64>),
}

/// What makes changes durable.
pub trait Keeper: Send + Sync {
    /// Returns when `change` is on disk, or will not be.
    fn write(&self, change: Change) -> Result<(), Refusal>;

    /// Finishes what was asked for; later changes are refused.
    fn close(&self);
}
