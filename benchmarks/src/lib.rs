//! Measuring side by side: two ways to do the same work in turn, in one run, by processor time.
//!
//! Machines are noisy and shared, so a figure alone says little; the ratio of two figures taken
//! alternately says more. Each benchmark prints medians.

use rustix::time::{ClockId, clock_gettime};

/// Rounds of a comparison; odd, so that the median is a round that took place.
const ROUNDS: usize = 7;

/// Processor seconds of the calling thread.
#[must_use]
pub fn thread_cpu_seconds() -> f64 {
    seconds(ClockId::ThreadCPUTime)
}

/// Processor seconds of all threads of this process.
#[must_use]
pub fn process_cpu_seconds() -> f64 {
    seconds(ClockId::ProcessCPUTime)
}

fn seconds(clock: ClockId) -> f64 {
    let time = clock_gettime(clock);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Runs `ours` and `peer` in turn, each after a warm-up, and returns the median seconds of each.
pub fn in_turn(mut ours: impl FnMut(), mut peer: impl FnMut()) -> (f64, f64) {
    let (mut ours_seconds, mut peer_seconds) = (Vec::new(), Vec::new());
    ours();
    peer();
    for _ in 0..ROUNDS {
        ours_seconds.push(timed(&mut ours));
        peer_seconds.push(timed(&mut peer));
    }
    (median(ours_seconds), median(peer_seconds))
}

/// Median seconds of `work` over several rounds.
pub fn alone(mut work: impl FnMut()) -> f64 {
    work();
    median((0..ROUNDS).map(|_| timed(&mut work)).collect())
}

fn timed(work: &mut impl FnMut()) -> f64 {
    let start = thread_cpu_seconds();
    work();
    thread_cpu_seconds() - start
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}
