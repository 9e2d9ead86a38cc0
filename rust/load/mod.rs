//! Load: requests sent to a server at moments that were set beforehand, and when each of them was answered.
//!
//! In an open loop a request leaves at its moment whether or not earlier ones are answered, as those of people who know
//! nothing of each other do. A generator that waits for answers sends nothing while the server stalls, and so never
//! sees what a stall does: *coordinated omission*. Its time is counted from the moment that was set, so what the
//! generator itself is late by counts, too.

mod answers;
mod calls;
mod channels;
mod codec;
mod histogram;
mod pace;
#[cfg(test)]
mod scripted;

pub use answers::Answers;
pub use calls::Calls;
pub use channels::{Target, Tls};
pub use histogram::percentiles;

use crate::load::answers::Ledger;
use crate::load::calls::Caller;
use std::fmt;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use tokio::runtime::Builder;
use tokio::sync::{Semaphore, mpsc};

/// How often the caller is asked whether to stop.
const POLL: Duration = Duration::from_millis(50);

/// Why there are no answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// What was asked for contradicts itself.
    Value(String),
    /// There is no server where it should be.
    Unreachable(String),
    /// The caller asked to stop.
    Stopped,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Value(text) | Failure::Unreachable(text) => f.write_str(text),
            Failure::Stopped => f.write_str("stopped on request"),
        }
    }
}

impl std::error::Error for Failure {}

/// When requests are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pace {
    /// Each at its offset from the start, in nanoseconds, in increasing order. Beyond `in_flight` unanswered ones the
    /// next waits for room, and its time goes on.
    Open { scheduled_ns: Vec<u64>, in_flight: usize },
    /// The next one when one of `in_flight` is answered, until `until` is over.
    Closed { in_flight: usize, until: Duration },
}

/// Sends the requests of `calls` to `target` and returns when each was sent and answered.
///
/// `stop` is asked every 50 ms; when it says yes, the answer is [`Failure::Stopped`].
pub fn run(target: &Target, calls: Calls, pace: &Pace, stop: &mut dyn FnMut() -> bool) -> Result<Answers, Failure> {
    check(&calls, pace)?;
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Value(format!("no runtime to send from: {error}")))?;
    runtime.block_on(async {
        tokio::select! {
            answers = sent(target, calls, pace) => answers,
            () = asked(stop) => Err(Failure::Stopped),
        }
    })
}

fn check(calls: &Calls, pace: &Pace) -> Result<(), Failure> {
    let n = calls.messages.len();
    if let Some(wrong) = calls.order.iter().find(|&&message| message as usize >= n) {
        return Err(Failure::Value(format!("request of message {wrong}, expected one of {n}")));
    }
    let (Pace::Open { in_flight, .. } | Pace::Closed { in_flight, .. }) = pace;
    if !(1..=Semaphore::MAX_PERMITS.min(u32::MAX as usize)).contains(in_flight) {
        return Err(Failure::Value(format!("{in_flight} requests in flight, expected at least 1")));
    }
    match pace {
        Pace::Open { scheduled_ns, .. } if scheduled_ns.len() != calls.order.len() => {
            Err(Failure::Value(format!("{} moments for {} requests", scheduled_ns.len(), calls.order.len())))
        }
        Pace::Open { scheduled_ns, .. } if !scheduled_ns.is_sorted() => {
            Err(Failure::Value("moments of requests must increase".into()))
        }
        _ => Ok(()),
    }
}

/// Ends when `stop` says yes.
async fn asked(stop: &mut dyn FnMut() -> bool) {
    let mut ticks = tokio::time::interval(POLL);
    while !stop() {
        ticks.tick().await;
    }
}

async fn sent(target: &Target, calls: Calls, pace: &Pace) -> Result<Answers, Failure> {
    let channels = target.connect().await?;
    let ledger = Arc::new(Ledger::new(calls.order.len()));
    let caller = Arc::new(Caller::new(calls, channels, target.metadata()?, ledger.clone())?);
    match pace {
        Pace::Open { scheduled_ns, in_flight } => open(&caller, scheduled_ns, *in_flight).await,
        Pace::Closed { in_flight, until } => closed(&caller, *in_flight, *until).await,
    }
    drop(caller);
    Ok(ledger.answers())
}

async fn open(caller: &Arc<Caller>, scheduled_ns: &[u64], in_flight: usize) {
    let room = Arc::new(Semaphore::new(in_flight));
    let (due, mut next) = mpsc::unbounded_channel::<usize>();
    let start = Instant::now();
    let moments: Arc<[u64]> = scheduled_ns.into();
    let pacer = thread::spawn({
        let moments = moments.clone();
        move || pace::tell(&moments, start, &due)
    });
    while let Some(request) = next.recv().await {
        let Ok(permit) = room.clone().acquire_owned().await else { break };
        let caller = caller.clone();
        let scheduled = start + Duration::from_nanos(moments[request]);
        tokio::spawn(async move {
            caller.call(request, start, scheduled).await;
            drop(permit);
        });
    }
    // All have left: all are answered when there is room for as many as there can be.
    let _all = room.acquire_many(in_flight as u32).await;
    // The channel has closed, so the thread has nothing left to do.
    let _ = pacer.join();
}

async fn closed(caller: &Arc<Caller>, in_flight: usize, until: Duration) {
    let start = Instant::now();
    let workers: Vec<_> = (0..in_flight.min(caller.len()))
        .map(|_| {
            let caller = caller.clone();
            tokio::spawn(async move {
                // At least once, or a machine that stalls for so long measures nothing.
                while let Some(request) = caller.take() {
                    caller.call(request, start, Instant::now()).await;
                    if start.elapsed() >= until {
                        break;
                    }
                }
            })
        })
        .collect();
    for worker in workers {
        // A worker that panicked leaves its request unsent, which is counted.
        let _ = worker.await;
    }
}

#[cfg(test)]
mod tests;
