//! Store: one thread that makes changes durable, all that wait in one commit.

mod chunks;
pub(super) mod disk;
mod fault;
mod record;
pub mod recovery;

use crate::serve::galleries::kept::{Change, Keeper};
use crate::serve::refusal::Refusal;
use crate::serve::store::disk::Disk;
use crate::work;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

/// Bytes of templates after which no more changes are taken into a commit.
const MOST_BYTES: u64 = 256 << 20;

struct Job {
    change: Change,
    done: Sender<Result<(), Refusal>>,
}

/// Where galleries are kept.
pub struct Store {
    jobs: Mutex<Option<Sender<Job>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Store {
    pub fn new(disk: Disk) -> Result<Self, Refusal> {
        let (jobs, waiting) = channel();
        let writer = thread::Builder::new()
            .name("frbench-store".into())
            .spawn(move || serve(disk, &waiting))
            .map_err(|error| Refusal::Internal(format!("no thread for the file of galleries: {error}")))?;
        Ok(Store { jobs: Mutex::new(Some(jobs)), writer: Mutex::new(Some(writer)) })
    }
}

impl Keeper for Store {
    fn write(&self, change: Change) -> Result<(), Refusal> {
        let (done, answer) = channel();
        let jobs = work::locked(&self.jobs).clone().ok_or(Refusal::Stopping)?;
        jobs.send(Job { change, done }).map_err(|_| Refusal::Stopping)?;
        drop(jobs);
        answer.recv().map_err(|_| Refusal::Stopping)?
    }

    /// Finishes what was asked for and closes the file.
    fn close(&self) {
        drop(work::locked(&self.jobs).take());
        if let Some(writer) = work::locked(&self.writer).take() {
            // It guards against panics of the database; one of its own has told every caller that waits.
            let _ = writer.join();
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.close();
    }
}

fn serve(mut disk: Disk, waiting: &Receiver<Job>) {
    while let Ok(first) = waiting.recv() {
        let (changes, done): (Vec<_>, Vec<_>) =
            together(first, waiting).into_iter().map(|j| (j.change, j.done)).unzip();
        let answer = disk.write(&changes);
        for done in done {
            // A caller waits until it has its answer.
            let _ = done.send(answer.clone());
        }
    }
}

/// A job and others that wait, as many as one commit takes.
fn together(first: Job, waiting: &Receiver<Job>) -> Vec<Job> {
    let mut bytes = first.change.bytes();
    let mut jobs = vec![first];
    while bytes < MOST_BYTES
        && let Ok(job) = waiting.try_recv()
    {
        bytes += job.change.bytes();
        jobs.push(job);
    }
    jobs
}
