//! Audit: a line of every call, each holding the hash of the one before.

use crate::serve::config::Fsync;
use crate::serve::refusal::Refusal;
use crate::serve::telling::audit_file::{AuditFile, Head};
use crate::serve::telling::refusals::Refusals;
use crate::serve::telling::times::rfc3339;
use crate::work;
use serde::Serialize;
use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::watch;

/// How often what was written is brought to the disk itself.
const INTERVAL: Duration = Duration::from_secs(1);

/// Where the time of a line comes from.
pub type Clock = fn() -> SystemTime;

/// What is told of a call, a refused connection, or the server itself.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Entry<'a> {
    pub client: Option<&'a str>,
    pub peer: Option<SocketAddr>,
    pub method: &'a str,
    pub gallery: Option<&'a str>,
    pub k: Option<u32>,
    pub threshold: Option<f64>,
    pub rows: Option<u64>,
    pub candidates: Option<u64>,
    pub case_reference: Option<&'a str>,
    /// Name of a gRPC code, or why a connection was refused.
    pub outcome: &'a str,
    pub duration_us: u64,
    pub request_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Line<'a> {
    time: &'a str,
    n: u64,
    #[serde(flatten)]
    entry: &'a Entry<'a>,
    prev: &'a str,
}

/// The audit log of a running server.
pub struct Audit {
    shared: Arc<Shared>,
    fsync: Fsync,
    /// Lines that are on the disk itself.
    synced: watch::Receiver<u64>,
    /// Wakes the thread that brings them there, which ends when this is gone.
    syncing: Mutex<Option<(Sender<()>, JoinHandle<()>)>>,
}

struct Shared {
    path: PathBuf,
    clock: Clock,
    log: Mutex<AuditFile>,
    refusals: Mutex<Refusals>,
    /// The last line could not be written: calls are refused until one can be.
    is_unwritable: AtomicBool,
    /// The disk did not keep what was written: nothing is answered until the server starts anew.
    is_lost: AtomicBool,
}

impl Audit {
    /// Opens the log at `path`, mends a torn end, and writes the line of the start.
    pub fn open(path: &Path, fsync: Fsync, clock: Clock) -> Result<Self, String> {
        let (log, mended) = AuditFile::open(path)?;
        let failed = |error: io::Error| format!("audit log {}: {error}", path.display());
        let file = log.handle().map_err(failed)?;
        let shared = Arc::new(Shared {
            path: path.into(),
            clock,
            log: Mutex::new(log),
            refusals: Mutex::default(),
            is_unwritable: AtomicBool::new(false),
            is_lost: AtomicBool::new(false),
        });
        let outcome = mended.map_or("OK".into(), |what| format!("OK: {what}"));
        shared.append(&Entry { method: "server/start", outcome: &outcome, ..Entry::default() }).map_err(failed)?;
        let (say, synced) = watch::channel(0);
        let mut syncing = Syncing { shared: shared.clone(), file, synced: say, head: None, headed: Instant::now() };
        syncing.sync(true).map_err(failed)?;
        let (wake, woken) = channel();
        let thread = Builder::new().name("frbench-audit".into()).spawn(move || syncing.run(&woken)).map_err(failed)?;
        tracing::info!(path = %path.display(), outcome, "audit log");
        Ok(Audit { shared, fsync, synced, syncing: Mutex::new(Some((wake, thread))) })
    }

    /// Refuses a call before it is answered in vain: the log is known not to take its line.
    ///
    /// The line of that refusal is the attempt which finds that the log can be written again.
    pub fn check(&self) -> Result<(), Refusal> {
        let is_broken = [&self.shared.is_unwritable, &self.shared.is_lost].iter().any(|is| is.load(Ordering::Relaxed));
        if is_broken { Err(Refusal::Unlogged) } else { Ok(()) }
    }

    /// Writes a line, and returns its number.
    pub fn append(&self, entry: &Entry) -> Result<u64, Refusal> {
        if self.shared.is_lost.load(Ordering::Relaxed) {
            return Err(Refusal::Unlogged);
        }
        let written = self.shared.append(entry);
        let was_unwritable = self.shared.is_unwritable.swap(written.is_err(), Ordering::Relaxed);
        if let (Err(error), false) = (&written, was_unwritable) {
            tracing::error!(%error, "the audit log cannot be written: calls are refused until it can be");
        }
        if let (Fsync::Always, Some((wake, _))) = (self.fsync, &*work::locked(&self.syncing)) {
            // A thread that has ended is found by `kept`.
            let _ = wake.send(());
        }
        written.map_err(|_| Refusal::Unlogged)
    }

    /// Writes a line of who was not let in, and returns its number; where there are too many, they share a line later.
    pub fn append_refused(&self, entry: &Entry) -> Result<Option<u64>, Refusal> {
        if self.shared.has_line() { self.append(entry).map(Some) } else { Ok(None) }
    }

    /// Waits until line `n` is on the disk itself, where that was asked for; calls that wait share one way there.
    pub async fn kept(&self, n: u64) -> Result<(), Refusal> {
        if self.fsync == Fsync::Interval {
            return Ok(());
        }
        let is_kept = self.synced.clone().wait_for(|&synced| synced > n).await.is_ok();
        if is_kept { Ok(()) } else { Err(Refusal::Unlogged) }
    }

    /// Writes the line of the stop, and brings everything to the disk itself.
    pub fn stop(&self) {
        let Some((wake, thread)) = work::locked(&self.syncing).take() else { return };
        // A log that cannot be written has no line of the stop either, and says so.
        let _ = self.shared.tell_refusals(Refusals::rest);
        let is_written = self.append(&Entry { method: "server/stop", outcome: "OK", ..Entry::default() }).is_ok();
        drop(wake);
        if thread.join().is_err() || !is_written {
            tracing::error!("the audit log has no line of the stop");
        }
    }
}

#[cfg(test)]
impl Audit {
    /// Puts another file in the place of the log's, and returns the one that was there.
    pub(crate) fn swap_file(&self, file: File) -> File {
        work::locked(&self.shared.log).swap_file(file)
    }
}

impl Drop for Audit {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn append(&self, entry: &Entry) -> io::Result<u64> {
        let mut log = work::locked(&self.log);
        let n = log.lines();
        let line = Line { time: &rfc3339((self.clock)()), n, entry, prev: &log.head().hash };
        log.append(serde_json::to_vec(&line)?)?;
        Ok(n)
    }

    /// Whether one more who was not let in has a line of its own.
    fn has_line(&self) -> bool {
        self.tell_refusals_before();
        work::locked(&self.refusals).admit(self.minute())
    }

    /// Tells of those that have no line of their own, once their minute is over.
    fn tell_refusals_before(&self) {
        let minute = self.minute();
        if self.is_lost.load(Ordering::Relaxed) {
            return;
        }
        // A log that cannot be written has said so itself; they are told of when it can be.
        let _ = self.tell_refusals(|refusals| refusals.untold(minute));
    }

    fn tell_refusals(&self, due: impl Fn(&Refusals) -> Option<u64>) -> io::Result<()> {
        let mut refusals = work::locked(&self.refusals);
        if let Some(rows) = due(&refusals) {
            let outcome = "refused connections and unauthenticated calls beyond those with a line";
            let entry = Entry { method: "server/refusals", rows: Some(rows), outcome, ..Entry::default() };
            self.append(&entry)?;
            refusals.told();
        }
        Ok(())
    }

    fn minute(&self) -> u64 {
        (self.clock)().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs() / 60
    }
}

/// Brings lines to the disk itself.
struct Syncing {
    shared: Arc<Shared>,
    file: File,
    synced: watch::Sender<u64>,
    /// What the head file says, and since when.
    head: Option<Head>,
    headed: Instant,
}

impl Syncing {
    fn run(mut self, woken: &Receiver<()>) {
        loop {
            let is_last = woken.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Disconnected);
            while woken.try_recv().is_ok() {}
            self.shared.tell_refusals_before();
            if let Err(error) = self.sync(is_last) {
                self.shared.is_lost.store(true, Ordering::Relaxed);
                tracing::error!(%error, "the disk did not keep the audit log: calls are refused until a new start");
                return;
            }
            if is_last {
                return;
            }
        }
    }

    fn sync(&mut self, is_last: bool) -> io::Result<()> {
        let head = work::locked(&self.shared.log).head();
        if head.lines > *self.synced.borrow() {
            self.file.sync_data()?;
            self.synced.send_replace(head.lines);
        }
        let is_due = is_last || self.headed.elapsed() >= INTERVAL;
        if is_due && self.head.as_ref() != Some(&head) {
            self.headed = Instant::now();
            match head.write(&self.shared.path) {
                Ok(()) => self.head = Some(head),
                Err(error) => tracing::error!(%error, "the head of the audit log cannot be written"),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::telling::audit_file::{head_path, hex};
    use crate::serve::telling::refusals::MOST_LINES;
    use crate::serve::tests::world::chained;
    use proptest::prelude::*;
    use serde_json::Value;
    use sha2::{Digest, Sha256};
    use std::fs;
    use std::sync::atomic::AtomicU64;
    use tempfile::TempDir;

    fn then() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_micros(1_772_323_199_000_001)
    }

    fn place() -> (TempDir, PathBuf) {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("audit.jsonl");
        (folder, path)
    }

    fn open(path: &Path) -> Audit {
        Audit::open(path, Fsync::Interval, then).unwrap()
    }

    fn call(case: &str) -> Entry<'_> {
        Entry {
            method: "frbench.v1.SearchService/Search",
            case_reference: Some(case),
            outcome: "OK",
            ..Entry::default()
        }
    }

    fn lines_of(path: &Path) -> Vec<Value> {
        chained(&fs::read_to_string(path).unwrap())
    }

    #[test]
    fn a_line_says_when_who_what_and_what_was_before() {
        let (_folder, path) = place();
        let audit = open(&path);
        let peer = Some("127.0.0.1:5".parse().unwrap());
        let told = Entry { client: Some("ana"), peer, k: Some(3), rows: Some(1), ..call("A \"1\"\n") };
        assert_eq!(audit.append(&told).unwrap(), 1);
        audit.stop();

        let lines = lines_of(&path);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.lines().nth(1).unwrap().starts_with(
            r#"{"time":"2026-02-28T23:59:59.000001Z","n":1,"client":"ana","peer":"127.0.0.1:5","method":"frbench.v1.SearchService/Search","gallery":null,"k":3,"#
        ));
        assert_eq!(lines[1]["case_reference"], "A \"1\"\n");
        assert_eq!([&lines[0]["method"], &lines[2]["method"]], ["server/start", "server/stop"]);
    }

    #[test]
    fn those_who_are_not_let_in_have_so_many_lines_a_minute_and_then_one_together() {
        static SECONDS: AtomicU64 = AtomicU64::new(120);
        let (_folder, path) = place();
        let clock = || SystemTime::UNIX_EPOCH + Duration::from_secs(SECONDS.load(Ordering::Relaxed));
        let audit = Audit::open(&path, Fsync::Interval, clock).unwrap();
        let refuse = |n| (0..n).filter(|_| audit.append_refused(&call("1")).unwrap().is_some()).count() as u64;
        assert_eq!(refuse(MOST_LINES + 100), MOST_LINES);
        audit.append(&call("2")).unwrap();
        SECONDS.store(180, Ordering::Relaxed);
        assert_eq!(refuse(MOST_LINES + 7), MOST_LINES);
        audit.stop();

        let lines = lines_of(&path);
        let together: Vec<u64> = lines
            .iter()
            .filter(|line| line["method"] == "server/refusals")
            .map(|line| line["rows"].as_u64().unwrap())
            .collect();
        assert_eq!(together, [100, 7]);
        assert_eq!(lines.len() as u64, 2 * MOST_LINES + 1 + 2 + 2);
    }

    #[test]
    fn the_chain_goes_on_after_a_stop() {
        let (_folder, path) = place();
        for _ in 0..3 {
            open(&path).append(&call("1")).unwrap();
        }

        assert_eq!(lines_of(&path).len(), 9);
        let head: Head = serde_json::from_slice(&fs::read(head_path(&path)).unwrap()).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(head, Head { lines: 9, hash: hex(&Sha256::digest(text.lines().last().unwrap())) });
    }

    #[test]
    fn what_was_written_is_there_when_nothing_was_closed() {
        let (folder, path) = place();
        let audit = open(&path);
        audit.append(&call("1")).unwrap();
        let copy = folder.path().join("copy.jsonl");
        fs::copy(&path, &copy).unwrap();

        assert_eq!(lines_of(&copy).len(), 2);
        let audit = open(&copy);
        audit.stop();
        assert_eq!(lines_of(&copy).len(), 4);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(30))]

        #[test]
        fn a_torn_line_is_kept_beside_the_log_and_the_chain_goes_on(cut in 1..150_usize, calls in 0..4_usize) {
            let (folder, path) = place();
            let audit = open(&path);
            for _ in 0..=calls {
                audit.append(&call(&"long ".repeat(50))).unwrap();
            }
            let text = fs::read(&path).unwrap();
            drop(audit);
            fs::remove_file(head_path(&path)).unwrap();
            fs::write(&path, &text[..text.len() - cut]).unwrap();
            drop(open(&path));

            let torn = fs::read(folder.path().join(format!("audit.jsonl.torn-{}", calls + 1))).unwrap();
            let lines = lines_of(&path);
            prop_assert_eq!(lines.len(), calls + 3);
            prop_assert!(text[..text.len() - cut].ends_with(&torn));
            prop_assert_eq!(torn[0], b'{');
            prop_assert!(lines[calls + 1]["outcome"].as_str().unwrap().contains("torn"));
        }
    }

    #[test]
    fn threads_keep_one_chain() {
        for fsync in [Fsync::Interval, Fsync::Always] {
            let (_folder, path) = place();
            let audit = Audit::open(&path, fsync, then).unwrap();
            std::thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| (0..50).all(|_| audit.append(&call("1")).is_ok()));
                }
            });
            audit.stop();
            assert_eq!(lines_of(&path).len(), 402);
        }
    }

    #[tokio::test]
    async fn a_line_is_waited_for_where_each_must_reach_the_disk() {
        let (_folder, path) = place();
        let audit = Audit::open(&path, Fsync::Always, then).unwrap();
        let n = audit.append(&call("1")).unwrap();

        audit.kept(n).await.unwrap();
        assert!(*audit.synced.borrow() > n);
        audit.stop();
        assert_eq!(audit.kept(n + 2).await, Err(Refusal::Unlogged));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_refuses_calls_until_there_is_room() {
        let (_folder, path) = place();
        let audit = open(&path);
        let log = audit.swap_file(fs::OpenOptions::new().write(true).open("/dev/full").unwrap());

        assert_eq!(audit.check(), Ok(()));
        assert_eq!(audit.append(&call("1")), Err(Refusal::Unlogged));
        assert_eq!(audit.check(), Err(Refusal::Unlogged));
        audit.swap_file(log);
        assert_eq!(audit.append(&call("2")), Ok(1));
        assert_eq!(audit.check(), Ok(()));
        audit.stop();
        assert_eq!(lines_of(&path).len(), 3);
    }

    #[test]
    fn a_log_whose_end_was_cut_off_is_not_covered_up() {
        let (_folder, path) = place();
        open(&path).append(&call("1")).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        fs::write(&path, lines[..2].concat()).unwrap();

        let error = Audit::open(&path, Fsync::Interval, then).err().unwrap();
        assert!(error.contains("2 lines, and its head file knows 3"), "{error}");
        fs::write(&path, text.replace("server/stop", "server/stay")).unwrap();
        assert!(Audit::open(&path, Fsync::Interval, then).is_err());
    }

    #[test]
    fn a_file_that_is_no_audit_log_is_left_alone() {
        for text in ["hello\n", "{}\n", &format!("{}\n", "x".repeat(1 << 20)), &"x".repeat(1 << 20)] {
            let (_folder, path) = place();
            fs::write(&path, text).unwrap();

            assert!(Audit::open(&path, Fsync::Interval, then).err().unwrap().contains("no line of an audit log"));
            assert_eq!(&fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn one_log_has_one_server() {
        let (_folder, path) = place();
        let _audit = open(&path);

        assert!(Audit::open(&path, Fsync::Interval, then).err().unwrap().contains("another server writes it"));
    }
}
