//! Releases events at the chosen speed. Waits on the stop signal, never spins.

use std::time::{Duration, Instant};

use weir_events::time::now_us;
use weir_lifecycle::Stop;

use crate::speed::Speed;

/// Shorter waits are not worth a system call: events are released together.
const SHORTEST_WAIT: Duration = Duration::from_micros(500);
/// What the log held up for longer than this is not made up for afterwards.
const MOST_ARREARS: Duration = Duration::from_secs(1);

/// Keeps the schedule of one source.
pub(crate) struct Pacer {
    speed: Speed,
    /// When the schedule began, and at which event time.
    origin: Option<(Instant, i64)>,
    /// Elements released since then.
    released: u64,
}

impl Pacer {
    pub(crate) fn new(speed: Speed) -> Self {
        Self {
            speed,
            origin: None,
            released: 0,
        }
    }

    /// Waits until an event of this time with so many elements is due, or `stop` is set. Returns
    /// the time of its release, microseconds since the Unix epoch.
    pub(crate) fn release(&mut self, event_time_us: i64, elements: usize, stop: &Stop) -> i64 {
        if self.speed != Speed::Max {
            let now = Instant::now();
            let (start, first) = *self.origin.get_or_insert((now, event_time_us));
            let due = start + schedule(self.speed, event_time_us - first, self.released);
            self.released += elements as u64;
            if let Some(wait) = due.checked_duration_since(now) {
                if wait >= SHORTEST_WAIT {
                    let _ = stop.wait(wait);
                }
            } else if now.duration_since(due) > MOST_ARREARS {
                self.origin = Some((now, event_time_us));
                self.released = elements as u64;
            }
        }
        now_us()
    }
}

/// How long after the start of the schedule an event is due.
#[expect(
    clippy::cast_precision_loss,
    reason = "a schedule of microseconds is exact below 2^53 of them: 285 years"
)]
fn schedule(speed: Speed, elapsed_us: i64, released: u64) -> Duration {
    let seconds = match speed {
        Speed::Max => 0.0,
        Speed::Times(times) => elapsed_us.max(0) as f64 / 1e6 / times,
        Speed::PerSecond(rate) => released as f64 / f64::from(rate),
    };
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use weir_events::time::SECOND_US;

    use super::*;

    #[test]
    fn the_schedule_follows_event_time_or_elements() {
        let due = |speed, elapsed, released| schedule(speed, elapsed, released).as_millis();
        assert_eq!(due(Speed::Max, 60 * SECOND_US, 1000), 0);
        assert_eq!(due(Speed::Times(1.0), 60 * SECOND_US, 0), 60_000);
        assert_eq!(due(Speed::Times(60.0), 60 * SECOND_US, 0), 1_000);
        assert_eq!(due(Speed::Times(60.0), -5 * SECOND_US, 0), 0);
        assert_eq!(due(Speed::PerSecond(20_000), 0, 10_000), 500);
    }

    #[test]
    fn a_stop_ends_the_wait_for_an_event_a_year_ahead() {
        let stop = Stop::new();
        stop.set();
        let mut pacer = Pacer::new(Speed::Times(1.0));
        let begun = Instant::now();
        pacer.release(0, 1, &stop);
        pacer.release(365 * 86_400 * SECOND_US, 1, &stop);
        assert!(begun.elapsed() < Duration::from_secs(60));
    }
}
