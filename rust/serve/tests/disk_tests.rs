//! What becomes of galleries when the disk is full, fails, or does not hold what was written.

use crate::dot::Kernel;
use crate::rows::tests::ties;
use crate::serve::config::Limits;
use crate::serve::galleries::Galleries;
use crate::serve::galleries::admission::Enrolled;
use crate::serve::galleries::gallery::{Gallery, Lifetime};
use crate::serve::galleries::segment::Machine;
use crate::serve::refusal::Refusal;
use crate::serve::store::disk::Opener;
use crate::serve::store::recovery::{self, Recovery};
use proptest::prelude::*;
use redb::backends::FileBackend;
use redb::{Database, StorageBackend, TableDefinition};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

const D: usize = 24;
const FILE: &str = "galleries.redb";

fn opened(directory: &Path) -> Result<(Galleries, Recovery), Refusal> {
    recovery::open(Some(directory), &Limits::default(), Kernel::choose(None).unwrap(), 1)
}

fn enrol(gallery: &Gallery, batch: usize, n: usize) -> Result<Enrolled, Refusal> {
    let ids = (0..n).map(|i| format!("batch {batch} template {i}")).collect();
    gallery.enrol(ids, ties(n, D, batch as u64))
}

/// Name and digest of every gallery.
type Contents = Vec<(String, [u8; 32])>;

fn contents(galleries: &Galleries) -> Contents {
    galleries.list().iter().map(|it| (it.name().into(), it.describe().content_digest)).collect()
}

/// Bytes of the file after every change, as long as the server runs, then when it has ended; and what was kept then.
type History = Vec<(Vec<u8>, Contents)>;

static HISTORY: LazyLock<History> = LazyLock::new(|| {
    let directory = tempfile::tempdir().unwrap();
    let (galleries, _) = opened(directory.path()).unwrap();
    let mut history = vec![];
    let mut note = |galleries: &Galleries| {
        history.push((fs::read(directory.path().join(FILE)).unwrap(), contents(galleries)));
    };
    note(&galleries);
    for name in ["a", "b"] {
        let gallery = galleries.create(name, D, Lifetime::Kept).unwrap();
        note(&galleries);
        for batch in 0..4 {
            enrol(&gallery, batch, 1 + 12 * batch).unwrap();
            note(&galleries);
        }
        gallery.remove(&["batch 1 template 3".into(), "batch 3 template 30".into()]).unwrap();
        note(&galleries);
    }
    galleries.drop("a", |_| Ok(())).unwrap();
    note(&galleries);
    let last = contents(&galleries);
    drop(galleries);
    history.push((fs::read(directory.path().join(FILE)).unwrap(), last));
    history
});

/// Opens a file of these bytes: a state that was acknowledged, or a refusal that names the file.
fn open_bytes(bytes: &[u8]) -> Result<(Contents, Recovery), Refusal> {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join(FILE), bytes).unwrap();
    let (galleries, recovery) = opened(directory.path())?;
    Ok((contents(&galleries), recovery))
}

fn is_sound(bytes: &[u8]) -> Result<(), TestCaseError> {
    match open_bytes(bytes) {
        Ok((found, _)) => prop_assert!(HISTORY.iter().any(|(_, state)| *state == found)),
        Err(Refusal::DataLoss(text)) => prop_assert!(text.contains(FILE), "{}", text),
        Err(other) => prop_assert!(false, "{:?}", other),
    }
    Ok(())
}

#[test]
fn every_acknowledged_change_is_in_the_file_at_once() {
    let (last, running) = HISTORY.split_last().unwrap();
    for (i, (bytes, state)) in running.iter().enumerate() {
        let (found, recovery) = open_bytes(bytes).unwrap();
        // Before the first change the file is as the last server left it.
        assert_eq!((&found, recovery.was_repaired), (state, i > 0));
    }
    let (found, recovery) = open_bytes(&last.0).unwrap();
    assert_eq!((&found, recovery.was_repaired), (&last.1, false));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_file_with_other_bits_is_refused_or_holds_what_was_acknowledged(
        which: prop::sample::Index, at: prop::sample::Index, is_header: bool, bits in 1u8..,
    ) {
        let mut bytes = which.get(&HISTORY).0.clone();
        let used = bytes.iter().rposition(|&byte| byte != 0).unwrap_or(0) + 1;
        let at = at.index(if is_header { 512 } else { used });
        bytes[at] ^= bits;
        is_sound(&bytes)?;
    }

    #[test]
    fn a_file_that_lost_a_block_is_refused_or_holds_what_was_acknowledged(
        which: prop::sample::Index, at: prop::sample::Index, other: prop::sample::Index,
    ) {
        let mut bytes = which.get(&HISTORY).0.clone();
        let used = bytes.iter().rposition(|&byte| byte != 0).unwrap_or(0);
        let block = at.index(used / 4096 + 1) * 4096;
        let end = (block + 4096).min(bytes.len());
        // As it was at another time, or never written.
        let before = &other.get(&HISTORY).0;
        let old = before.get(block..end).map_or_else(|| vec![0; end - block], <[u8]>::to_vec);
        bytes[block..end].copy_from_slice(&old);
        is_sound(&bytes)?;
    }

    #[test]
    fn a_file_that_is_cut_is_refused_or_holds_what_was_acknowledged(
        which: prop::sample::Index, at: prop::sample::Index, is_short: bool,
    ) {
        let bytes = &which.get(&HISTORY).0;
        let end = at.index(if is_short { 1024 } else { bytes.len() });
        is_sound(&bytes[..end])?;
    }
}

#[test]
fn an_empty_file_is_a_damaged_one() {
    assert!(matches!(open_bytes(&[]), Err(Refusal::DataLoss(_))));
}

#[test]
fn a_file_that_was_begun_and_not_finished_is_made_again() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("galleries.redb.new"), "no database").unwrap();
    assert_eq!(opened(directory.path()).unwrap().1, Recovery::default());
}

#[test]
fn a_second_server_is_refused_until_the_first_ends() {
    let directory = tempfile::tempdir().unwrap();
    let (galleries, _) = opened(directory.path()).unwrap();
    let gallery = galleries.create("g", D, Lifetime::Kept).unwrap();
    let refused = opened(directory.path()).err();
    assert!(matches!(refused, Some(Refusal::Precondition(text)) if text.contains("in use by another server")));
    drop(galleries);
    assert!(opened(directory.path()).is_ok());
    assert_eq!(enrol(&gallery, 0, 1), Err(Refusal::Stopping));
}

#[test]
fn a_file_that_was_closed_in_order_needs_no_repair_however_often_it_is_opened() {
    for n in 0..8 {
        let directory = tempfile::tempdir().unwrap();
        let (galleries, _) = opened(directory.path()).unwrap();
        let gallery = galleries.create("g", D, Lifetime::Kept).unwrap();
        for batch in 0..n {
            enrol(&gallery, batch, 1).unwrap();
        }
        drop((gallery, galleries));
        for _ in 0..6 {
            assert!(!opened(directory.path()).unwrap().1.was_repaired, "after {n} batches");
        }
    }
}

#[test]
fn an_unknown_format_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    drop(opened(directory.path()).unwrap());
    let database = Database::open(directory.path().join(FILE)).unwrap();
    let change = database.begin_write().unwrap();
    change.open_table(TableDefinition::<&str, u64>::new("meta")).unwrap().insert("format", 2).unwrap();
    change.commit().unwrap();
    drop(database);
    let refused = opened(directory.path()).err();
    assert!(matches!(refused, Some(Refusal::Precondition(text)) if text.contains("is of format 2")));
}

/// A disk that ends somewhere, and that may fail when it is asked to keep what was written.
#[derive(Debug)]
struct Trouble {
    most: AtomicU64,
    fails_to_sync: AtomicBool,
}

#[derive(Debug)]
struct Troubled {
    file: FileBackend,
    trouble: Arc<Trouble>,
}

impl Troubled {
    fn check(&self, end: u64) -> io::Result<()> {
        if end > self.trouble.most.load(Ordering::Relaxed) { Err(ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

impl StorageBackend for Troubled {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.check(len)?;
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()?;
        if self.trouble.fails_to_sync.load(Ordering::Relaxed) { Err(io::Error::other("broken")) } else { Ok(()) }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.check(offset + data.len() as u64)?;
        self.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }
}

fn on_trouble(directory: &Path) -> (Galleries, Arc<Trouble>) {
    let trouble = Arc::new(Trouble { most: AtomicU64::new(u64::MAX), fails_to_sync: AtomicBool::new(false) });
    let machine = Machine { kernel: Kernel::choose(None).unwrap(), threads: 1 };
    let shared = trouble.clone();
    let opener: Opener = Arc::new(move |builder, file| {
        builder.create_with_backend(Troubled { file: FileBackend::new(file)?, trouble: shared.clone() })
    });
    (recovery::open_with(Some(directory), &Limits::default(), machine, opener).unwrap().0, trouble)
}

#[test]
fn a_full_disk_refuses_batches_and_keeps_what_was_enrolled() {
    let directory = tempfile::tempdir().unwrap();
    let (galleries, trouble) = on_trouble(directory.path());
    let gallery = galleries.create("g", D, Lifetime::Kept).unwrap();
    enrol(&gallery, 0, 10).unwrap();
    trouble.most.store(fs::metadata(directory.path().join(FILE)).unwrap().len(), Ordering::Relaxed);
    let (mut n, mut batch) = (10, 1);
    while enrol(&gallery, batch, 2000).is_ok() {
        (n, batch) = (n + 2000, batch + 1);
        assert!(batch < 100, "the disk does not end");
    }
    let before = (contents(&galleries), galleries.memory_bytes(), gallery.snapshot().len());
    assert_eq!(before.2, n);
    assert!(matches!(enrol(&gallery, batch, 2000), Err(Refusal::Full(text)) if text.contains("no room on disk")));
    assert_eq!((contents(&galleries), galleries.memory_bytes(), gallery.snapshot().len()), before);
    trouble.most.store(u64::MAX, Ordering::Relaxed);
    assert_eq!(enrol(&gallery, batch, 2000), Ok(Enrolled { added: 2000, present: 0 }));
    let after = contents(&galleries);
    drop(galleries);
    assert_eq!(contents(&opened(directory.path()).unwrap().0), after);
}

#[test]
fn a_change_that_was_refused_and_is_on_disk_ends_writing_until_the_next_start() {
    let directory = tempfile::tempdir().unwrap();
    let (galleries, trouble) = on_trouble(directory.path());
    let gallery = galleries.create("g", D, Lifetime::Kept).unwrap();
    enrol(&gallery, 0, 10).unwrap();
    let before = contents(&galleries);
    trouble.fails_to_sync.store(true, Ordering::Relaxed);
    assert!(matches!(enrol(&gallery, 1, 10), Err(Refusal::Internal(_))));
    trouble.fails_to_sync.store(false, Ordering::Relaxed);
    for _ in 0..2 {
        assert!(matches!(enrol(&gallery, 2, 10), Err(Refusal::Precondition(text)) if text.contains("starts again")));
    }
    assert_eq!(contents(&galleries), before);
    drop(galleries);
    let (galleries, recovery) = opened(directory.path()).unwrap();
    assert_eq!(recovery.rows, 20);
    assert_eq!(enrol(&galleries.get("g").unwrap(), 1, 10), Ok(Enrolled { added: 0, present: 10 }));
}
