//! Work shared among threads, stopped within one unit when the caller asks.

use crate::error::Error;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

/// How often the calling thread asks whether to stop.
const POLL: Duration = Duration::from_millis(50);

/// Threads to use when the caller says 0: one for each processor that this process may run on.
pub fn threads_or_all(threads: usize) -> usize {
    match threads {
        0 => thread::available_parallelism().map_or(1, usize::from),
        n => n,
    }
}

/// Runs `step` on units `0..units`, each once, and returns the state of every thread.
///
/// Which thread does which unit is not determined: states must be such that their sum is. `stop` is asked
/// from the calling thread every 50 ms, and when it says yes the answer is [`Error::Cancelled`]. A single unit
/// runs on the calling thread at once.
pub fn share<S: Send>(
    units: usize,
    threads: usize,
    stop: &mut dyn FnMut() -> bool,
    state: impl Fn() -> S + Sync,
    step: impl Fn(&mut S, usize) + Sync,
) -> Result<Vec<S>, Error> {
    if units <= 1 {
        let mut only = state();
        (0..units).for_each(|unit| step(&mut only, unit));
        return Ok(vec![only]);
    }
    let next = AtomicUsize::new(0);
    let stopped = AtomicBool::new(false);
    thread::scope(|scope| {
        let (done, finished) = channel::<()>();
        let workers: Vec<_> = (0..threads_or_all(threads).min(units))
            .map(|_| {
                let (done, next, stopped, state, step) = (done.clone(), &next, &stopped, &state, &step);
                scope.spawn(move || {
                    let _done = done;
                    let mut mine = state();
                    while !stopped.load(Ordering::Relaxed) {
                        let unit = next.fetch_add(1, Ordering::Relaxed);
                        if unit >= units {
                            break;
                        }
                        step(&mut mine, unit);
                    }
                    mine
                })
            })
            .collect();
        drop(done);
        // Workers never send: the channel closes when the last of them drops its end.
        while let Err(RecvTimeoutError::Timeout) = finished.recv_timeout(POLL) {
            if stop() {
                stopped.store(true, Ordering::Relaxed);
            }
        }
        let states = workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect();
        if stopped.load(Ordering::Relaxed) { Err(Error::Cancelled) } else { Ok(states) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_done_once() {
        for threads in 1..9 {
            let seen = share(1000, threads, &mut || false, Vec::new, |mine, unit| mine.push(unit)).unwrap();
            let mut all: Vec<usize> = seen.into_iter().flatten().collect();
            all.sort_unstable();
            assert_eq!(all, (0..1000).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_request_to_stop_is_heard_between_units() {
        let answer = share(usize::MAX, 2, &mut || true, || (), |_, _| thread::sleep(Duration::from_millis(1)));
        assert_eq!(answer.err(), Some(Error::Cancelled));
    }
}
