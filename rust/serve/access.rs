//! Access: who may do what.

use serde::Deserialize;

/// What a caller may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    Search,
    Enrol,
    Count,
    Admin,
}

/// Who calls, once it is known: in the extensions of every request that reaches a handler.
#[derive(Debug, Clone, PartialEq)]
pub struct Caller {
    pub name: String,
    pub scopes: Vec<Scope>,
}
