//! What a task with state tells a scraper: its checkpoints, its restore, how far behind the clock it is.

use std::{
    fs,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use metrics::{Gauge, Histogram};

/// The metrics of one task, found once and held: a task may call it as often as it likes.
pub struct TaskMeter {
    duration: Histogram,
    size: Gauge,
    last: Gauge,
    restore: Histogram,
    watermark_lag: Gauge,
}

impl TaskMeter {
    /// Of the task of `partition` of `topic` in `service`.
    #[must_use]
    pub fn new(service: &'static str, topic: &'static str, partition: u32) -> Self {
        let labels = [
            ("service", service.to_owned()),
            ("topic", topic.to_owned()),
            ("partition", partition.to_string()),
        ];
        Self {
            duration: metrics::histogram!("pipeline_checkpoint_duration_seconds", &labels[..2]),
            size: metrics::gauge!("pipeline_checkpoint_size_bytes", &labels),
            last: metrics::gauge!("pipeline_last_checkpoint_timestamp_seconds", &labels),
            restore: metrics::histogram!("pipeline_restore_seconds", &labels[..2]),
            watermark_lag: metrics::gauge!("pipeline_watermark_lag_seconds", &labels),
        }
    }

    /// The task stands where its last checkpoint left it, and has taken `took` for it.
    pub fn restored(&self, took: Duration) {
        self.restore.record(took);
    }

    /// A checkpoint of `bytes` on disk is complete, `took` after it was begun.
    pub fn checkpointed(&self, took: Duration, bytes: u64) {
        self.duration.record(took);
        self.size.set(as_f64(bytes));
        self.last.set(now().as_secs_f64());
    }

    /// As [`Self::checkpointed`], for a state that is one file.
    pub fn checkpointed_file(&self, took: Duration, file: &Path) {
        self.checkpointed(took, fs::metadata(file).map_or(0, |file| file.len()));
    }

    /// Nothing with an event time below `event_time_us` is expected (microseconds since the Unix
    /// epoch); times before it say that nothing is known yet, and change nothing.
    pub fn watermark(&self, event_time_us: i64) {
        if let Ok(micros) = u64::try_from(event_time_us) {
            let behind = now().saturating_sub(Duration::from_micros(micros));
            self.watermark_lag.set(behind.as_secs_f64());
        }
    }
}

/// The partition is another's now: a lag that nobody updates would stand for ever.
impl Drop for TaskMeter {
    fn drop(&mut self) {
        self.watermark_lag.set(0.0);
    }
}

fn now() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a size for a graph: exact below 2^53"
)]
fn as_f64(bytes: u64) -> f64 {
    bytes as f64
}
