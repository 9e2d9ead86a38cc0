//! Disk: the file of galleries, `galleries.redb`.
//!
//! Table `meta` holds the format and the number of commits; `galleries` a record for each name; `rows-<number>` the
//! templates of the gallery of that number, several in a value ([`chunks`]), by the number of the first. A commit is
//! whole or not there, and it is on the disk itself when it is done. When the file is opened, every page is held to its
//! checksum, and every gallery to its digest.

use crate::serve::galleries::kept::{Change, Head};
use crate::serve::galleries::segment::Draft;
use crate::serve::refusal::Refusal;
use crate::serve::store::chunks;
use crate::serve::store::fault::{Fault, guarded};
use crate::serve::store::record::{append, records};
use redb::backends::FileBackend;
use redb::{
    Builder, Database, DatabaseError, ReadableDatabase, ReadableTable, TableDefinition, TableError, WriteTransaction,
};
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const FORMAT: u64 = 1;
const FILE: &str = "galleries.redb";
/// The file while it is made.
const NEW_FILE: &str = "galleries.redb.new";
/// Held by the server that uses the directory.
const LOCK_FILE: &str = "lock";
/// Pages that are kept in memory; templates are there already.
const CACHE_BYTES: usize = 64 << 20;

const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
const GALLERIES: TableDefinition<&str, &[u8]> = TableDefinition::new("galleries");

/// How the file is opened, once there is one.
pub type Opener = Arc<dyn Fn(&Builder, File) -> Result<Database, DatabaseError> + Send + Sync>;

/// As a file of the system.
pub fn plain() -> Opener {
    Arc::new(|builder, file| builder.create_with_backend(FileBackend::new(file)?))
}

/// The open file of one server.
pub struct Disk {
    path: PathBuf,
    opener: Opener,
    /// `None` after an error, until it is opened again.
    database: Option<Database>,
    commits: u64,
    /// Whether what was answered and what is on disk are not the same: nothing more is written.
    is_unclear: bool,
    _lock: File,
}

impl Disk {
    /// Opens the file in `directory`, or makes one, and says whether it had to be repaired.
    pub fn open(directory: &Path, opener: Opener) -> Result<(Self, bool), Refusal> {
        let path = directory.join(FILE);
        guarded(&path, || {
            fs::create_dir_all(directory)?;
            let lock = writable(&directory.join(LOCK_FILE))?;
            lock.try_lock()?;
            if !path.try_exists()? {
                create(directory, &opener)?;
            }
            let (mut database, mut commits, mut was_repaired) = opened(&path, &opener)?;
            // A repair has looked at every page. The check also finds free pages that are noted in another way than it
            // would, which happens after an orderly end: what was lost, if anything, is a commit.
            if !was_repaired && !database.check_integrity()? {
                let kept = said(&path, &database)?;
                (was_repaired, commits) = (kept != commits, kept);
            }
            let disk =
                Disk { path: path.clone(), opener, database: Some(database), commits, is_unclear: false, _lock: lock };
            Ok((disk, was_repaired))
        })
    }

    /// All galleries, by name.
    pub fn heads(&self) -> Result<Vec<Head>, Refusal> {
        guarded(&self.path, || {
            let table = self.database()?.begin_read()?.open_table(GALLERIES)?;
            let head = |(name, record): (redb::AccessGuard<'_, &str>, redb::AccessGuard<'_, &[u8]>)| {
                Head::from_bytes(name.value(), record.value()).ok_or(Fault::Damaged("a record of a gallery"))
            };
            table.iter()?.map(|entry| head(entry?)).collect()
        })
    }

    /// The templates of a gallery, which are all that were enrolled and not removed.
    pub fn templates(&self, head: &Head, threads: usize) -> Result<Draft, Refusal> {
        guarded(&self.path, || {
            let n = usize::try_from(head.standing.n).unwrap_or(usize::MAX);
            let mut draft = Draft::with_capacity(n, head.dimension)?;
            let name = rows_name(head);
            let table = self.database()?.begin_read()?.open_table(rows(&name))?;
            let mut least = 0;
            for entry in table.iter()? {
                let (_, value) = entry?;
                for record in records(value.value(), head.dimension) {
                    let record = record.ok_or(Fault::Damaged("a template"))?;
                    if draft.len() == n || !(least..head.standing.next).contains(&record.number) {
                        return Err(Fault::Damaged("a number of a template"));
                    }
                    least = record.number + 1;
                    let is_new = draft.push(record.number, record.id, record.row()).is_ok();
                    is_new.then_some(()).ok_or(Fault::Damaged("an id that is there twice"))?;
                }
            }
            let is_whole = draft.len() == n && draft.digest(threads)? == head.standing.digest;
            is_whole.then_some(draft).ok_or(Fault::Damaged("the contents of a gallery"))
        })
    }

    /// Makes all of `changes` durable, or none of them.
    pub fn write(&mut self, changes: &[Change]) -> Result<(), Refusal> {
        let path = self.path.clone();
        let answer = guarded(&path, || self.attempt(changes));
        if answer.is_err() {
            // What an error left is looked at when the file is opened again.
            let database = self.database.take();
            guarded(&path, || {
                drop(database);
                Ok(())
            })?;
        }
        answer
    }

    fn attempt(&mut self, changes: &[Change]) -> Result<(), Fault> {
        self.reopen()?;
        let transaction = self.database()?.begin_write()?;
        transaction.open_table(META)?.insert("commits", self.commits + 1)?;
        changes.iter().try_for_each(|change| change.put(&transaction))?;
        transaction.commit()?;
        self.commits += 1;
        Ok(())
    }

    /// Opens the file again after an error, unless what failed is there nevertheless.
    fn reopen(&mut self) -> Result<(), Fault> {
        if self.database.is_none() && !self.is_unclear {
            let (database, commits, _) = opened(&self.path, &self.opener)?;
            self.database = Some(database);
            self.is_unclear = commits != self.commits;
        }
        if self.is_unclear {
            return Err(Fault::Refused(Refusal::Precondition(format!(
                "a change that was refused is in {}: nothing more is written until the server starts again, searches \
                 go on",
                self.path.display()
            ))));
        }
        Ok(())
    }

    fn database(&self) -> Result<&Database, Fault> {
        self.database.as_ref().ok_or(Fault::Refused(Refusal::Stopping))
    }
}

impl Drop for Disk {
    /// Closes the file so that the next server need not repair it.
    fn drop(&mut self) {
        let database = self.database.take();
        // Nobody can be told; the next server repairs the file, and says so.
        let _ = guarded(&self.path, || {
            drop(database);
            Ok(())
        });
    }
}

impl Change {
    /// Bytes that this writes, about.
    pub fn bytes(&self) -> u64 {
        match self {
            Change::Enrol(_, segment) => segment.bytes,
            Change::Create(_) | Change::Drop(_) | Change::Remove(..) => 0,
        }
    }

    fn put(&self, to: &WriteTransaction) -> Result<(), Fault> {
        let mut galleries = to.open_table(GALLERIES)?;
        match self {
            Change::Create(head) => {
                galleries.insert(head.name.as_str(), head.to_bytes().as_slice())?;
                to.open_table(rows(&rows_name(head)))?;
            }
            Change::Drop(head) => {
                galleries.remove(head.name.as_str())?;
                to.delete_table(rows(&rows_name(head)))?;
            }
            Change::Enrol(head, segment) => {
                galleries.insert(head.name.as_str(), head.to_bytes().as_slice())?;
                let name = rows_name(head);
                let mut bytes = Vec::new();
                for (place, &number) in segment.numbers().iter().enumerate() {
                    append(&mut bytes, number, segment.id(place), segment.row(place));
                }
                chunks::add(&mut to.open_table(rows(&name))?, bytes, head.dimension)?;
            }
            Change::Remove(head, numbers) => {
                galleries.insert(head.name.as_str(), head.to_bytes().as_slice())?;
                let name = rows_name(head);
                chunks::remove(&mut to.open_table(rows(&name))?, numbers, head.dimension)?;
            }
        }
        Ok(())
    }
}

fn rows_name(head: &Head) -> String {
    format!("rows-{}", head.number)
}

fn rows(name: &str) -> TableDefinition<'_, u64, &'static [u8]> {
    TableDefinition::new(name)
}

/// Makes an empty file, which has its name only when it is whole.
fn create(directory: &Path, opener: &Opener) -> Result<(), Fault> {
    let path = directory.join(NEW_FILE);
    writable(&path)?.set_len(0)?;
    let database = opener(&builder(), writable(&path)?)?;
    let transaction = database.begin_write()?;
    {
        let mut meta = transaction.open_table(META)?;
        meta.insert("format", FORMAT)?;
        meta.insert("commits", 0)?;
        transaction.open_table(GALLERIES)?;
    }
    transaction.commit()?;
    drop(database);
    fs::rename(&path, directory.join(FILE))?;
    File::open(directory)?.sync_all()?;
    Ok(())
}

/// The file, the number of its commits, and whether it had to be repaired.
fn opened(path: &Path, opener: &Opener) -> Result<(Database, u64, bool), Fault> {
    let file = writable(path)?;
    if file.metadata()?.len() == 0 {
        return Err(Fault::Damaged("it is empty"));
    }
    let was_repaired = Arc::new(AtomicBool::new(false));
    let heard = was_repaired.clone();
    let mut builder = builder();
    builder.set_repair_callback(move |_| heard.store(true, Ordering::Relaxed));
    let database = opener(&builder, file)?;
    let commits = said(path, &database)?;
    Ok((database, commits, was_repaired.load(Ordering::Relaxed)))
}

/// The number of commits that a file of this format says.
fn said(path: &Path, database: &Database) -> Result<u64, Fault> {
    let meta = match database.begin_read()?.open_table(META) {
        Err(TableError::TableDoesNotExist(_)) => return Err(Fault::Damaged("it says no format")),
        table => table?,
    };
    let entry = |name: &'static str| -> Result<u64, Fault> {
        Ok(meta.get(name)?.ok_or(Fault::Damaged("it says no format"))?.value())
    };
    let (format, commits) = (entry("format")?, entry("commits")?);
    if format != FORMAT {
        return Err(Fault::Refused(Refusal::Precondition(format!(
            "{} is of format {format}, but this server reads format {FORMAT}: use the one that wrote it",
            path.display()
        ))));
    }
    Ok(commits)
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

/// A file that its owner alone may read: templates are of people.
fn writable(path: &Path) -> Result<File, Fault> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    Ok(options.open(path)?)
}
