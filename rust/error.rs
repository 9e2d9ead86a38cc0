//! What the core refuses. Data never panics: it returns one of these.

use std::fmt;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// Lengths, dimensions or ranges of the arguments contradict each other.
    Shape(String),
    /// A component of a row is NaN or infinite.
    Value(String),
    /// The result needs more memory than there is.
    Memory(String),
    /// An axis edge is NaN or edges decrease.
    Edges(String),
    /// An instruction set was asked for that this machine or build does not have.
    Isa(String),
    /// The caller asked to stop.
    Cancelled,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Shape(text) | Error::Value(text) | Error::Memory(text) | Error::Edges(text) | Error::Isa(text) => {
                f.write_str(text)
            }
            Error::Cancelled => f.write_str("stopped on request"),
        }
    }
}

impl std::error::Error for Error {}
