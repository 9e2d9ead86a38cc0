//! Fault: why the file of galleries was not read or written.

use crate::error::Error;
use crate::serve::refusal::Refusal;
use std::any::Any;
use std::fs::TryLockError;
use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

#[derive(Debug)]
pub enum Fault {
    Database(Box<redb::Error>),
    /// What is not as it was written.
    Damaged(&'static str),
    Refused(Refusal),
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Fault::Refused(refusal)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Fault::Refused(error.into())
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Fault::Database(Box::new(redb::Error::Io(error)))
    }
}

impl From<TryLockError> for Fault {
    fn from(error: TryLockError) -> Self {
        match error {
            TryLockError::WouldBlock => Fault::Database(Box::new(redb::Error::DatabaseAlreadyOpen)),
            TryLockError::Error(error) => error.into(),
        }
    }
}

macro_rules! from_database {
    ($($error:ty),+) => {
        $(impl From<$error> for Fault {
            fn from(error: $error) -> Self {
                Fault::Database(Box::new(error.into()))
            }
        })+
    };
}

from_database!(redb::StorageError, redb::TableError, redb::TransactionError, redb::CommitError, redb::DatabaseError);

/// What `work` does with the file at `path`; a file that makes the database panic is a damaged one.
pub fn guarded<T>(path: &Path, work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Refusal> {
    // What a panic leaves half done is in the database alone, which is opened again before it is used.
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(answer) => answer.map_err(|fault| refusal(fault, path)),
        Err(panic) => Err(damaged(path, &said(&*panic))),
    }
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.and_then(|text| text.lines().next()).unwrap_or("its structure").into()
}

fn refusal(fault: Fault, path: &Path) -> Refusal {
    let shown = path.display();
    let error = match fault {
        Fault::Refused(refusal) => return refusal,
        Fault::Damaged(what) => return damaged(path, what),
        Fault::Database(error) => *error,
    };
    match error {
        redb::Error::DatabaseAlreadyOpen => Refusal::Precondition(format!(
            "{shown} is in use by another server: stop that one, or give this one another directory"
        )),
        redb::Error::UpgradeRequired(version) => Refusal::Precondition(format!(
            "{shown} is of database version {version}, which this server does not read: use the one that wrote it"
        )),
        redb::Error::Io(error) if is_full(&error) => Refusal::Full(format!(
            "there is no room on disk for {shown}: what was acknowledged is kept; make room, then send again"
        )),
        redb::Error::Io(error) if is_damage(&error) => damaged(path, &error.to_string()),
        redb::Error::Corrupted(_)
        | redb::Error::TableDoesNotExist(_)
        | redb::Error::TableTypeMismatch { .. }
        | redb::Error::TypeDefinitionChanged { .. }
        | redb::Error::TableIsMultimap(_) => damaged(path, &error.to_string()),
        error => Refusal::Internal(format!("{shown}: {error}")),
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge)
}

fn is_damage(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::InvalidData)
}

fn damaged(path: &Path, what: &str) -> Refusal {
    Refusal::DataLoss(format!("{} is damaged ({what}): restore it from a copy", path.display()))
}
