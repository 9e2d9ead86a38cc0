//! Queue: searches that wait, and the scans that they share.
//!
//! While a scan runs, searches gather; when it ends, those of the first one's gallery are scanned together. Nobody waits
//! for company: a search that comes to an idle lane begins at once. Few probes have a lane of their own, so that they
//! never wait for many. A lane that is full says so at once, and who has gone or is too late is left out before work.

use crate::axis::ceil_f32;
use crate::dot::Kernel;
use crate::error::Error;
use crate::rows::Rows;
use crate::search::Found;
use crate::serve::config::Limits;
use crate::serve::galleries::gallery::Gallery;
use crate::serve::galleries::snapshot::Snapshot;
use crate::serve::refusal::Refusal;
use crate::work;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Searches of more probes or candidates than these wait in the lane of large ones.
const FEW_PROBES: usize = 16;
const FEW_CANDIDATES: usize = 1000;
/// Candidates that a search for everything above a threshold asks for at first.
const FIRST_CANDIDATES: usize = 64;
/// Shortest time after which a refused caller is asked to come back.
const SOON: Duration = Duration::from_millis(1);

/// What is asked of a gallery.
pub struct Ask {
    pub gallery: Arc<Gallery>,
    /// Unit rows of the probes, one after another.
    pub unit: Vec<f32>,
    pub n_probes: usize,
    pub wanted: Wanted,
    pub deadline: Option<Instant>,
}

/// What is wanted of each probe.
#[derive(Debug, Clone, PartialEq)]
pub enum Wanted {
    /// The best so many.
    Best(usize),
    /// The best so many of those that reach a threshold, and how many do.
    BestAbove(usize, f64),
    /// All that reach a threshold.
    Above(f64),
    /// The best so many, and how many reach a floor, one for each probe.
    Counted(usize, Vec<f32>),
}

impl Wanted {
    fn k(&self) -> usize {
        match self {
            Wanted::Best(k) | Wanted::BestAbove(k, _) | Wanted::Counted(k, _) => *k,
            Wanted::Above(_) => FIRST_CANDIDATES,
        }
    }

    fn floors(&self, n_probes: usize) -> Option<Vec<f32>> {
        match self {
            Wanted::Best(_) => None,
            Wanted::BestAbove(_, threshold) | Wanted::Above(threshold) => Some(vec![ceil_f32(*threshold); n_probes]),
            Wanted::Counted(_, floors) => Some(floors.clone()),
        }
    }
}

/// What was found for each probe, and where the time went.
pub struct Answer {
    pub found: Vec<Listed>,
    /// What was searched.
    pub snapshot: Arc<Snapshot>,
    pub queue_ns: u64,
    pub scan_ns: u64,
    pub batch_probes: usize,
}

/// Candidates of one probe, best first.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    pub scores: Vec<f32>,
    pub rows: Vec<u64>,
    pub at_or_above: Option<u64>,
}

struct Waiting {
    ask: Ask,
    arrived: Instant,
    answer: oneshot::Sender<Result<Answer, Refusal>>,
}

impl Waiting {
    fn has_gone(&self) -> bool {
        self.answer.is_closed()
    }

    fn is_late(&self) -> bool {
        self.ask.deadline.is_some_and(|deadline| deadline <= Instant::now())
    }

    fn refuse(self, refusal: Refusal) {
        // Nobody listens if the caller has gone.
        let _ = self.answer.send(Err(refusal));
    }
}

/// How searches are scanned.
#[derive(Clone, Copy)]
pub struct Way {
    pub kernel: Kernel,
    pub threads: usize,
    /// Most candidates of a probe.
    pub most_candidates: usize,
}

/// Searches of one kind that wait, and the thread that scans for them.
struct Lane {
    way: Way,
    /// Probes that may wait, and that share a scan.
    room: usize,
    batch: usize,
    /// Longest that a search is made to wait, as far as the pace tells: beyond a batch, the room is no larger.
    patience: Duration,
    queue: Mutex<Queued>,
    changed: Condvar,
    /// Nanoseconds that a probe took lately.
    pace_ns: AtomicU64,
}

#[derive(Default)]
struct Queued {
    waiting: VecDeque<Waiting>,
    probes: usize,
    is_closed: bool,
}

/// The lanes of a server.
pub struct Lanes {
    few: Arc<Lane>,
    many: Arc<Lane>,
    crew: Mutex<Vec<JoinHandle<()>>>,
}

impl Lanes {
    /// Starts a thread for each lane.
    pub fn start(way: Way, limits: &Limits) -> std::io::Result<Self> {
        let patience = Duration::from_millis(limits.queue_ms);
        let few = Arc::new(Lane::new(way, limits.queued_probes, limits.batch_probes, patience));
        let many = Arc::new(Lane::new(way, limits.bulk_queued_probes, limits.bulk_batch_probes, Duration::MAX));
        let mut crew = Vec::new();
        for (name, lane) in [("frbench-few", &few), ("frbench-many", &many)] {
            let lane = lane.clone();
            crew.push(thread::Builder::new().name(name.into()).spawn(move || lane.work())?);
        }
        Ok(Lanes { few, many, crew: Mutex::new(crew) })
    }

    /// Puts a search in its lane; the answer comes when it has been scanned.
    pub fn put(&self, ask: Ask) -> Result<oneshot::Receiver<Result<Answer, Refusal>>, Refusal> {
        let is_few = ask.n_probes <= FEW_PROBES && ask.wanted.k() <= FEW_CANDIDATES;
        if is_few { self.few.put(ask) } else { self.many.put(ask) }
    }

    /// Probes that wait.
    pub fn queued(&self) -> usize {
        self.few.queued() + self.many.queued()
    }

    /// Answers what waits, then ends the threads; what comes later is refused.
    pub fn close(&self) {
        for lane in [&self.few, &self.many] {
            work::locked(&lane.queue).is_closed = true;
            lane.changed.notify_all();
        }
        for thread in work::locked(&self.crew).drain(..) {
            // A lane that panicked has dropped its answers, which says so to their callers.
            let _ = thread.join();
        }
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        self.close();
    }
}

impl Lane {
    fn new(way: Way, room: usize, batch: usize, patience: Duration) -> Self {
        Lane {
            way,
            room,
            batch,
            patience,
            queue: Mutex::default(),
            changed: Condvar::new(),
            pace_ns: AtomicU64::new(0),
        }
    }

    fn queued(&self) -> usize {
        work::locked(&self.queue).probes
    }

    fn put(&self, ask: Ask) -> Result<oneshot::Receiver<Result<Answer, Refusal>>, Refusal> {
        let (answer, receiver) = oneshot::channel();
        let mut queue = work::locked(&self.queue);
        if queue.is_closed {
            return Err(Refusal::Stopping);
        }
        // A search of more probes than there is room for may wait alone.
        let room = self.room_now();
        if queue.probes + ask.n_probes > room {
            queue.drop_hopeless();
        }
        if queue.probes > 0 && queue.probes + ask.n_probes > room {
            let waiting = queue.probes;
            drop(queue);
            let message = format!("{waiting} probes wait already, the limit is {room}; come back later");
            return Err(Refusal::Busy { message, retry: self.retry(waiting) });
        }
        queue.probes += ask.n_probes;
        queue.waiting.push_back(Waiting { ask, arrived: Instant::now(), answer });
        drop(queue);
        self.changed.notify_one();
        Ok(receiver)
    }

    /// Probes that may wait now: a batch, and more where they are scanned soon.
    fn room_now(&self) -> usize {
        let soon = nanoseconds(self.patience) / self.pace_ns.load(Ordering::Relaxed).max(1);
        usize::try_from(soon).unwrap_or(usize::MAX).max(self.batch).min(self.room)
    }

    /// When half of those that wait will have been scanned.
    fn retry(&self, waiting: usize) -> Duration {
        Duration::from_nanos(self.pace_ns.load(Ordering::Relaxed).saturating_mul(waiting as u64 / 2)).max(SOON)
    }

    /// Scans for those that wait until the lane is closed and empty.
    fn work(&self) {
        while let Some(batch) = self.next() {
            // Should a scan panic, its callers are told so by their channels, and the lane goes on.
            let scan = AssertUnwindSafe(|| Batch::new(self.way, batch).answer(&self.pace_ns));
            if catch_unwind(scan).is_err() {
                tracing::error!("a scan panicked");
            }
        }
    }

    /// Searches of one gallery, in the order in which they came; `None` when there will be no more.
    fn next(&self) -> Option<Vec<Waiting>> {
        let mut queue = work::locked(&self.queue);
        loop {
            queue.drop_hopeless();
            if let Some(first) = queue.waiting.pop_front() {
                return Some(queue.company(first, self.batch));
            }
            if queue.is_closed {
                return None;
            }
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Queued {
    /// Leaves out who has gone, and refuses who is too late.
    fn drop_hopeless(&mut self) {
        if !self.waiting.iter().any(|waiting| waiting.has_gone() || waiting.is_late()) {
            return;
        }
        for waiting in std::mem::take(&mut self.waiting) {
            if waiting.has_gone() || waiting.is_late() {
                self.probes -= waiting.ask.n_probes;
                waiting.refuse(Refusal::TooLate);
            } else {
                self.waiting.push_back(waiting);
            }
        }
    }

    /// The first, and others of its gallery as long as a batch has room.
    fn company(&mut self, first: Waiting, room: usize) -> Vec<Waiting> {
        let gallery = first.ask.gallery.clone();
        let mut probes = first.ask.n_probes;
        let mut batch = vec![first];
        let mut others = VecDeque::new();
        while let Some(waiting) = self.waiting.pop_front() {
            if Arc::ptr_eq(&waiting.ask.gallery, &gallery) && probes + waiting.ask.n_probes <= room {
                probes += waiting.ask.n_probes;
                batch.push(waiting);
            } else {
                others.push_back(waiting);
            }
            if probes == room {
                break;
            }
        }
        others.append(&mut self.waiting);
        self.waiting = others;
        self.probes -= probes;
        batch
    }
}

/// Searches that share a scan.
struct Batch {
    way: Way,
    snapshot: Arc<Snapshot>,
    waiting: Vec<Waiting>,
    n_probes: usize,
    begun: Instant,
}

impl Batch {
    fn new(way: Way, waiting: Vec<Waiting>) -> Self {
        let n_probes = waiting.iter().map(|waiting| waiting.ask.n_probes).sum();
        Batch { way, snapshot: waiting[0].ask.gallery.snapshot(), waiting, n_probes, begun: Instant::now() }
    }

    /// Scans once and tells everybody; keeps what a probe took in `pace_ns`.
    fn answer(self, pace_ns: &AtomicU64) {
        match self.scan() {
            Ok(found) => {
                let scan_ns = nanoseconds(self.begun.elapsed());
                let (before, now) = (pace_ns.load(Ordering::Relaxed), scan_ns / self.n_probes.max(1) as u64);
                pace_ns.store(if before == 0 { now } else { (7 * before + now) / 8 }, Ordering::Relaxed);
                self.tell(&found, scan_ns);
            }
            Err(error) => {
                let refusal = Refusal::from(error);
                self.waiting.into_iter().for_each(|waiting| waiting.refuse(refusal.clone()));
            }
        }
    }

    fn scan(&self) -> Result<Found, Error> {
        let k = self.waiting.iter().map(|waiting| waiting.ask.wanted.k()).max().unwrap_or(0);
        let dimension = self.snapshot.dimension();
        let mut unit = Vec::with_capacity(self.n_probes * dimension);
        let mut floors = Vec::new();
        for waiting in &self.waiting {
            let n = waiting.ask.n_probes;
            unit.extend_from_slice(&waiting.ask.unit);
            floors.extend(waiting.ask.wanted.floors(n).unwrap_or_else(|| vec![f32::INFINITY; n]));
        }
        let is_counted = self.waiting.iter().any(|waiting| !matches!(waiting.ask.wanted, Wanted::Best(_)));
        let floors = is_counted.then_some(floors);
        let probes = Rows::new(&unit, self.n_probes, dimension)?;
        let mut stop = || self.waiting.iter().all(|waiting| waiting.has_gone() || waiting.is_late());
        self.snapshot.search(probes, k, floors.as_deref(), self.way.kernel, self.way.threads, &mut stop)
    }

    fn tell(self, found: &Found, scan_ns: u64) {
        let k = found.scores.len() / self.n_probes.max(1);
        let mut first = 0;
        for waiting in self.waiting {
            let probes = first..first + waiting.ask.n_probes;
            first = probes.end;
            let listed = probes.map(|probe| Listed::of(found, probe, k, &waiting.ask.wanted)).collect();
            let answer = complete(&self.snapshot, self.way, &waiting.ask, listed).map(|found| Answer {
                found,
                snapshot: self.snapshot.clone(),
                queue_ns: nanoseconds(self.begun.saturating_duration_since(waiting.arrived)),
                scan_ns,
                batch_probes: self.n_probes,
            });
            // Nobody listens if the caller has gone.
            let _ = waiting.answer.send(answer);
        }
    }
}

impl Listed {
    /// What `found` says of a probe, of whose best there are `k`.
    fn of(found: &Found, probe: usize, k: usize, wanted: &Wanted) -> Self {
        let least = match wanted {
            Wanted::BestAbove(_, threshold) | Wanted::Above(threshold) => ceil_f32(*threshold),
            Wanted::Best(_) | Wanted::Counted(..) => f32::NEG_INFINITY,
        };
        let at = probe * k..probe * k + k.min(wanted.k());
        let listed = found.rows[at.clone()].iter().zip(&found.scores[at]);
        let (rows, scores) =
            listed.filter(|&(&row, &score)| row >= 0 && score >= least).map(|(&r, &s)| (r as u64, s)).unzip();
        let is_counted = !matches!(wanted, Wanted::Best(_));
        Listed { scores, rows, at_or_above: is_counted.then(|| found.at_or_above[probe]) }
    }
}

/// The lists, made longer where all above a threshold are wanted and more than were asked for reach it.
fn complete(snapshot: &Snapshot, way: Way, ask: &Ask, mut listed: Vec<Listed>) -> Result<Vec<Listed>, Refusal> {
    if !matches!(ask.wanted, Wanted::Above(_)) {
        return Ok(listed);
    }
    let dimension = snapshot.dimension();
    for (list, probe) in listed.iter_mut().zip(ask.unit.chunks_exact(dimension)) {
        let n = usize::try_from(list.at_or_above.unwrap_or(0)).unwrap_or(usize::MAX);
        if n > way.most_candidates {
            let most = way.most_candidates;
            return Err(Refusal::Full(format!("{n} templates reach the threshold, the limit of candidates is {most}")));
        }
        if n > list.rows.len() {
            let probe = Rows::new(probe, 1, dimension)?;
            let found = snapshot.search(probe, n, None, way.kernel, way.threads, &mut || false)?;
            list.rows = found.rows.iter().map(|&row| row as u64).collect();
            list.scores = found.scores;
        }
    }
    Ok(listed)
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
