//! How long a conflict takes from the bytes of its update to the delivery report of its incident
//! (docs/detector.md 13), in microseconds.

use std::sync::Arc;

use hdrhistogram::Histogram;
use parking_lot::Mutex;
use weir_events::time::now_us;

/// Longest latency that is told apart from longer ones: an hour.
const MAX_US: u64 = 3_600_000_000;

/// Latencies since the start of the process. Cheap to clone.
#[derive(Clone)]
pub struct Latency {
    histogram: Arc<Mutex<Histogram<u64>>>,
}

/// The latencies that people ask for, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Percentiles {
    /// Half of the transitions took no longer.
    pub p50: f64,
    /// 99 % took no longer.
    pub p99: f64,
    /// The slowest.
    pub max: f64,
}

impl Latency {
    /// No latencies yet.
    ///
    /// # Errors
    /// Never: three significant digits over this range are possible.
    pub(crate) fn new() -> Result<Self, hdrhistogram::CreationError> {
        Ok(Self {
            histogram: Arc::new(Mutex::new(Histogram::new_with_bounds(1, MAX_US, 3)?)),
        })
    }

    /// Records a delivery that is reported now for bytes that were received at `received_us`.
    pub(crate) fn delivered(&self, received_us: i64) {
        // Tag 0: a heartbeat, not a transition.
        if received_us == 0 {
            return;
        }
        let elapsed = now_us().saturating_sub(received_us).max(1).unsigned_abs();
        metrics::histogram!("detect_latency_seconds").record(elapsed as f64 / 1e6);
        self.histogram.lock().saturating_record(elapsed);
    }

    /// `None` while nothing was delivered.
    #[must_use]
    pub fn percentiles(&self) -> Option<Percentiles> {
        let histogram = self.histogram.lock();
        let ms = |us: u64| us as f64 / 1e3;
        (!histogram.is_empty()).then(|| Percentiles {
            p50: ms(histogram.value_at_quantile(0.5)),
            p99: ms(histogram.value_at_quantile(0.99)),
            max: ms(histogram.max()),
        })
    }
}
