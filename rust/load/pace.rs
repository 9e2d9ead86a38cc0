//! Pace: says which requests are due, from a thread of its own that sleeps in between.
//!
//! A timer of the runtime is right to a millisecond or two, a sleeping thread to less than a tenth of that; nothing
//! spins, for the server may need the processor.

use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedSender;

/// Requests that are due within this are sent together: sleeping for less costs more than it gives.
const GRAIN: Duration = Duration::from_micros(50);
/// How soon a listener that has gone is noticed.
const LONGEST: Duration = Duration::from_millis(50);

/// Tells the number of each request when its moment has come; ends early when nobody listens.
pub fn tell(scheduled_ns: &[u64], start: Instant, due: &UnboundedSender<usize>) {
    let mut next = 0;
    while let Some(&moment) = scheduled_ns.get(next) {
        let wait = Duration::from_nanos(moment).saturating_sub(start.elapsed());
        if wait.is_zero() {
            if due.send(next).is_err() {
                return;
            }
            next += 1;
        } else if due.is_closed() {
            return;
        } else {
            thread::sleep(wait.clamp(GRAIN, LONGEST));
        }
    }
}
