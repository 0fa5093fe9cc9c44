//! What can be set.

use std::path::PathBuf;

use serde::Deserialize;
use weir_events::time::SECOND_US;
use weir_windows::TimeRules;

/// Settings of the metrics aggregator.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Folder of the tasks' state, for one process alone, one file per partition; absent =
    /// `metrics-aggregator` in the data folder. The all-in-one keeps it in the stream's folder.
    pub state: Option<PathBuf>,
    /// Most records that a task takes at once. Results do not depend on it.
    pub batch: usize,
    /// A checkpoint is due after so many records,
    pub checkpoint_records: u64,
    /// or after so many milliseconds.
    pub checkpoint_ms: u64,
    /// Seconds between two snapshots of a task's state, where there is a place for them
    /// (`[checkpoint_store]`).
    pub snapshot_seconds: u64,
    /// How far records of one collector may be out of order, in seconds.
    pub bound_seconds: u32,
    /// How long after a window has become final a record still changes it, in seconds.
    pub allowed_lateness_seconds: u32,
    /// A collector this far behind the others no longer holds them back, in seconds.
    pub silence_seconds: u32,
    /// Stream time between provisional rows, in seconds.
    pub emit_seconds: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            state: None,
            batch: 4096,
            checkpoint_records: 50_000,
            checkpoint_ms: 1000,
            snapshot_seconds: 30,
            bound_seconds: 30,
            allowed_lateness_seconds: 600,
            silence_seconds: 300,
            emit_seconds: 10,
        }
    }
}

impl Config {
    pub(crate) fn time_rules(&self) -> TimeRules {
        let micros = |seconds: u32| i64::from(seconds) * SECOND_US;
        TimeRules {
            bound_us: micros(self.bound_seconds),
            allowed_lateness_us: micros(self.allowed_lateness_seconds),
            silence_us: micros(self.silence_seconds),
            emit_every_us: micros(self.emit_seconds),
        }
    }
}
