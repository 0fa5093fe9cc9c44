//! Trying again: how long to wait, how often to say so, and what a sink does while its engine is away.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use metrics::{Counter, Histogram};
use parking_lot::Mutex;
use rand::Rng;

use crate::HealthFlag;

/// Waits that double up to a bound, each with jitter: between a half and the whole of it.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    /// From `first` to `longest`.
    #[must_use]
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            next: first,
        }
    }

    /// How long to wait now.
    pub fn wait(&mut self) -> Duration {
        let whole = self.next.min(self.longest);
        self.next = whole.saturating_mul(2).min(self.longest);
        whole.mul_f64(rand::rng().random_range(0.5..=1.0))
    }

    /// It has worked: the next wait is the first again.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

/// A sink's first and longest wait for its engine.
const SINK: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// What one sink knows of its engine. Cheap to clone: the tasks of all partitions share it, so that
/// an outage is told once, and its end once.
#[derive(Clone)]
pub struct Outlet {
    inner: Arc<Inner>,
}

struct Inner {
    sink: &'static str,
    flag: HealthFlag,
    outage: Mutex<Outage>,
    requests: Counter,
    errors: Counter,
    retries: Counter,
    latency: Histogram,
}

#[derive(Default)]
struct Outage {
    /// Tasks that are trying again.
    waiting: usize,
    since: Option<Instant>,
}

impl Outlet {
    /// Of the sink that is called `sink` in logs and metrics. It is ready until something fails.
    #[must_use]
    pub fn new(sink: &'static str, flag: HealthFlag) -> Self {
        flag.ready();
        Self {
            inner: Arc::new(Inner {
                sink,
                flag,
                outage: Mutex::default(),
                requests: metrics::counter!("sink_requests_total", "sink" => sink),
                errors: metrics::counter!("sink_errors_total", "sink" => sink),
                retries: metrics::counter!("sink_retries_total", "sink" => sink),
                latency: metrics::histogram!("sink_latency_seconds", "sink" => sink),
            }),
        }
    }

    /// Calls `work` until it succeeds, for ever while its error passes with time. `pause` waits and
    /// says whether to go on (`|wait| assignment.pause(wait)`); `None` = it said no, and nothing was
    /// done. Meanwhile the flag is not ready. Counts every call, and times those that succeed.
    ///
    /// # Errors
    /// The first one that does not pass with time.
    pub fn insist<T, E: std::error::Error>(
        &self,
        is_transient: impl Fn(&E) -> bool,
        pause: impl Fn(Duration) -> bool,
        mut work: impl FnMut() -> Result<T, E>,
    ) -> Result<Option<T>, E> {
        let mut away = None;
        let mut backoff = Backoff::new(SINK.0, SINK.1);
        loop {
            let begun = Instant::now();
            self.inner.requests.increment(1);
            let error = match work() {
                Ok(done) => {
                    self.inner.latency.record(begun.elapsed());
                    if let Some(away) = away {
                        self.over(away);
                    }
                    return Ok(Some(done));
                }
                Err(error) => error,
            };
            self.inner.errors.increment(1);
            if !is_transient(&error) {
                return Err(error);
            }
            away.get_or_insert_with(|| self.begun(&error));
            self.inner.retries.increment(1);
            if !pause(backoff.wait()) {
                return Ok(None);
            }
        }
    }

    fn begun(&self, error: &dyn std::error::Error) -> Away {
        let mut outage = self.inner.outage.lock();
        outage.waiting += 1;
        if outage.since.is_none() {
            outage.since = Some(Instant::now());
            let reason = crate::causes(error);
            tracing::warn!(
                sink = self.inner.sink,
                reason,
                "the sink waits for its engine and tries again"
            );
            self.inner.flag.not_ready(reason);
        }
        Away(self.clone())
    }

    fn over(&self, away: Away) {
        let since = self.inner.outage.lock().since.take();
        drop(away);
        if let Some(since) = since {
            let seconds = since.elapsed().as_secs_f64();
            tracing::info!(sink = self.inner.sink, seconds, "the sink's engine is back");
            self.inner.flag.ready();
        }
    }
}

/// A task that is trying again; the last one to stop clears the flag, since nobody is left who
/// would find that the engine is back.
struct Away(Outlet);

impl Drop for Away {
    fn drop(&mut self) {
        let mut outage = self.0.inner.outage.lock();
        outage.waiting -= 1;
        if outage.waiting == 0 && outage.since.take().is_some() {
            self.0.inner.flag.ready();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::Health;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Refused(&'static str);

    fn passes(error: &Refused) -> bool {
        error.0 == "away"
    }

    #[test]
    fn waits_double_up_to_the_bound_and_begin_again_after_a_success() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(4));
        for whole in [1, 2, 4, 4] {
            let wait = backoff.wait().as_secs_f64();
            assert!(f64::from(whole) / 2.0 <= wait && wait <= f64::from(whole));
        }
        backoff.reset();
        assert!(backoff.wait() <= Duration::from_secs(1));
    }

    #[test]
    fn a_sink_insists_while_its_engine_is_away_and_is_not_ready_meanwhile() {
        let health = Health::new();
        let outlet = Outlet::new("records", health.register("records"));
        assert!(health.is_ready());
        let calls = Cell::new(0);
        let done = outlet.insist(
            passes,
            |_| {
                assert_eq!(health.reasons()["records"], "away");
                true
            },
            || {
                calls.set(calls.get() + 1);
                if calls.get() < 4 {
                    Err(Refused("away"))
                } else {
                    Ok(7)
                }
            },
        );
        assert_eq!(done.unwrap(), Some(7));
        assert!(health.is_ready());
    }

    #[test]
    fn it_gives_up_when_the_error_stays_or_the_partition_goes() {
        let health = Health::new();
        let outlet = Outlet::new("records", health.register("records"));
        let refused = outlet.insist(passes, |_| true, || Err::<(), _>(Refused("wrong password")));
        assert_eq!(refused.unwrap_err().0, "wrong password");
        let gone = outlet.insist(passes, |_| false, || Err::<(), _>(Refused("away")));
        assert!(gone.unwrap().is_none());
        assert!(health.is_ready());
    }
}
