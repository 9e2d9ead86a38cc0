//! Turns: calls that wait for one lock, answered together by the first that gets it.

use crate::work;
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};

/// Calls `C` that wait, and where each one's answer `A` goes.
pub struct Turns<C, A> {
    waiting: Mutex<Vec<(C, Sender<A>)>>,
}

impl<C, A> Turns<C, A> {
    pub fn new() -> Self {
        Turns { waiting: Mutex::new(Vec::new()) }
    }

    /// What `answer` says to `call`; it is asked with `state` locked, once for all calls that wait, in their order.
    ///
    /// `None` if the thread that answered for others panicked.
    pub fn take<S>(&self, call: C, state: &Mutex<S>, answer: impl FnOnce(&mut S, Vec<C>) -> Vec<A>) -> Option<A> {
        let (sender, receiver) = channel();
        work::locked(&self.waiting).push((call, sender));
        let mut state = work::locked(state);
        let waiting = std::mem::take(&mut *work::locked(&self.waiting));
        // Another thread may have taken this call with its own.
        if !waiting.is_empty() {
            let (calls, senders): (Vec<_>, Vec<_>) = waiting.into_iter().unzip();
            for (sender, answer) in senders.iter().zip(answer(&mut state, calls)) {
                // A caller waits until it has its answer.
                let _ = sender.send(answer);
            }
        }
        drop(state);
        receiver.recv().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    #[test]
    fn every_call_gets_its_own_answer_and_those_that_wait_share_a_turn() {
        let (turns, state, n_turns) = (Turns::new(), Mutex::new(()), AtomicUsize::new(0));
        let held = work::locked(&state);
        thread::scope(|scope| {
            for call in 0..8 {
                let (turns, state, n_turns) = (&turns, &state, &n_turns);
                scope.spawn(move || {
                    let answer = turns.take(call, state, |(), calls: Vec<i32>| {
                        n_turns.fetch_add(1, Ordering::Relaxed);
                        calls.into_iter().map(|call| call * 10).collect()
                    });
                    assert_eq!(answer, Some(call * 10));
                });
            }
            while work::locked(&turns.waiting).len() < 8 {
                thread::yield_now();
            }
            drop(held);
        });
        assert_eq!(n_turns.into_inner(), 1);
    }
}
