//! Work shared among threads, stopped within one unit when the caller asks.

use crate::error::Error;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, Builder};
use std::time::{Duration, Instant};

/// How often the calling thread asks whether to stop.
const POLL: Duration = Duration::from_millis(10);
/// Most threads for each processor: more only cost memory, and a system may refuse them.
const THREADS_PER_PROCESSOR: usize = 4;

/// Threads to use when the caller asks for `threads`, or says 0: one for each processor that this process may
/// run on.
pub fn threads_or_all(threads: usize) -> usize {
    // Asking the system reads several files, which costs as much as a small search.
    static PROCESSORS: OnceLock<usize> = OnceLock::new();
    let processors = *PROCESSORS.get_or_init(|| thread::available_parallelism().map_or(1, usize::from));
    match threads {
        0 => processors,
        n => n.min(processors.saturating_mul(THREADS_PER_PROCESSOR)),
    }
}

/// Runs `step` on units `0..units`, each once, and returns the state of every thread.
///
/// Which thread does which unit is not determined: states must be such that their sum is. `stop` is asked
/// from the calling thread every 10 ms, and when it says yes the answer is [`Error::Cancelled`]. A single unit
/// runs on the calling thread at once.
pub fn share<S: Send>(
    units: usize,
    threads: usize,
    stop: &mut dyn FnMut() -> bool,
    state: impl Fn() -> Result<S, Error> + Sync,
    step: impl Fn(&mut S, usize) + Sync,
) -> Result<Vec<S>, Error> {
    let crew = if units > 1 { threads_or_all(threads).min(units) } else { 0 };
    share_among((0..crew).map(|_| Builder::new()), units, stop, &state, &step)
}

/// Runs `step` on units `0..units` and returns what it answers in the order of the units.
pub fn in_order<T: Send>(
    units: usize,
    threads: usize,
    stop: &mut dyn FnMut() -> bool,
    step: impl Fn(usize) -> T + Sync,
) -> Result<Vec<T>, Error> {
    let parts =
        share(units, threads, stop, || Ok(Vec::new()), |mine: &mut Vec<_>, unit| mine.push((unit, step(unit))))?;
    let mut parts: Vec<_> = parts.into_iter().flatten().collect();
    parts.sort_by_key(|part| part.0);
    Ok(parts.into_iter().map(|part| part.1).collect())
}

/// The `index`-th part of `range` when it is cut every `step`.
pub fn part(range: &Range<usize>, index: usize, step: usize) -> Range<usize> {
    let start = (range.start + index * step).min(range.end);
    start..(start + step).min(range.end)
}

/// What the mutex guards. A panic elsewhere ends the call; it leaves nothing to protect here.
pub fn locked<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the threads of one call have in common.
struct Shared<'a, State, Step> {
    units: usize,
    next: AtomicUsize,
    stopped: AtomicBool,
    state: &'a State,
    step: &'a Step,
}

impl<S, State: Fn() -> Result<S, Error>, Step: Fn(&mut S, usize)> Shared<'_, State, Step> {
    /// Does units until none is left or one thread says stop.
    fn work(&self) -> Result<S, Error> {
        let mut mine = (self.state)().inspect_err(|_| self.stopped.store(true, Ordering::Relaxed))?;
        while !self.stopped.load(Ordering::Relaxed) {
            let unit = self.next.fetch_add(1, Ordering::Relaxed);
            if unit >= self.units {
                break;
            }
            (self.step)(&mut mine, unit);
        }
        Ok(mine)
    }
}

/// [`share`] among as many of `crew` as the system starts; on the calling thread if it starts none.
fn share_among<S: Send>(
    crew: impl Iterator<Item = Builder>,
    units: usize,
    stop: &mut dyn FnMut() -> bool,
    state: &(impl Fn() -> Result<S, Error> + Sync),
    step: &(impl Fn(&mut S, usize) + Sync),
) -> Result<Vec<S>, Error> {
    let shared = Shared { units, next: AtomicUsize::new(0), stopped: AtomicBool::new(false), state, step };
    let states = thread::scope(|scope| {
        let (done, finished) = channel::<()>();
        let start = |builder: Builder| {
            let (done, shared) = (done.clone(), &shared);
            builder.spawn_scoped(scope, move || {
                let _done = done;
                shared.work()
            })
        };
        let workers: Vec<_> = crew.map_while(|builder| start(builder).ok()).collect();
        drop(done);
        // Workers never send: the channel closes when the last of them drops its end.
        while let Err(RecvTimeoutError::Timeout) = finished.recv_timeout(POLL) {
            if stop() {
                shared.stopped.store(true, Ordering::Relaxed);
            }
        }
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect::<Result<Vec<S>, Error>>()
    })?;
    if shared.stopped.load(Ordering::Relaxed) {
        Err(Error::Cancelled)
    } else if states.is_empty() {
        Ok(vec![alone(units, stop, state, step)?])
    } else {
        Ok(states)
    }
}

/// Does every unit on the calling thread, which asks between units whether to stop.
fn alone<S>(
    units: usize,
    stop: &mut dyn FnMut() -> bool,
    state: &impl Fn() -> Result<S, Error>,
    step: &impl Fn(&mut S, usize),
) -> Result<S, Error> {
    let mut mine = state()?;
    let mut asked = Instant::now();
    for unit in 0..units {
        if asked.elapsed() >= POLL {
            if stop() {
                return Err(Error::Cancelled);
            }
            asked = Instant::now();
        }
        step(&mut mine, unit);
    }
    Ok(mine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_done_once() {
        for threads in 1..9 {
            let seen = share(1000, threads, &mut || false, || Ok(Vec::new()), |mine, unit| mine.push(unit)).unwrap();
            let mut all: Vec<usize> = seen.into_iter().flatten().collect();
            all.sort_unstable();
            assert_eq!(all, (0..1000).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_request_to_stop_is_heard_between_units() {
        let answer = share(usize::MAX, 2, &mut || true, || Ok(()), |_, _| thread::sleep(Duration::from_millis(1)));
        assert_eq!(answer.err(), Some(Error::Cancelled));
    }

    fn units_done_by(crew: Vec<Builder>) -> (usize, Vec<usize>) {
        let push = |mine: &mut Vec<usize>, unit| mine.push(unit);
        let seen = share_among(crew.into_iter(), 100, &mut || false, &|| Ok(Vec::new()), &push).unwrap();
        let threads = seen.len();
        let mut all: Vec<usize> = seen.into_iter().flatten().collect();
        all.sort_unstable();
        (threads, all)
    }

    /// A stack of 2^60 bytes: no system starts this thread.
    fn refused() -> Builder {
        Builder::new().stack_size(1 << 60)
    }

    #[test]
    fn a_refused_thread_leaves_the_work_to_those_that_started() {
        let all: Vec<usize> = (0..100).collect();
        assert_eq!(units_done_by(vec![Builder::new(), Builder::new(), refused()]), (2, all.clone()));
        assert_eq!(units_done_by(vec![refused()]), (1, all));
    }

    #[test]
    fn the_calling_thread_alone_hears_a_request_to_stop() {
        let nap = |_: &mut (), _| thread::sleep(Duration::from_millis(1));
        let answer = share_among([refused()].into_iter(), usize::MAX, &mut || true, &|| Ok(()), &nap);
        assert_eq!(answer.err(), Some(Error::Cancelled));
    }

    #[test]
    fn a_state_that_cannot_be_made_is_the_error_of_the_call() {
        for units in [1, 100] {
            let none = || Err::<(), _>(Error::Memory("none left".into()));
            let answer = share(units, 3, &mut || false, none, |_, _| ());
            assert_eq!(answer.err(), Some(Error::Memory("none left".into())));
        }
    }

    #[test]
    fn threads_are_at_most_four_for_each_processor() {
        assert_eq!(threads_or_all(usize::MAX), 4 * threads_or_all(0));
        assert_eq!(share(1000, usize::MAX, &mut || false, || Ok(()), |_, _| ()).unwrap().len(), 4 * threads_or_all(0));
    }

    #[test]
    fn answers_come_in_the_order_of_the_units() {
        let answers = in_order(1000, 4, &mut || false, |unit| unit * 3).unwrap();
        assert_eq!(answers, (0..1000).map(|unit| unit * 3).collect::<Vec<_>>());
    }
}
