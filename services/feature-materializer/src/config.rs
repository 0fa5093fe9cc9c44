//! Settings of the feature materializer and its two sinks.

use std::path::PathBuf;

use serde::Deserialize;

/// What may be tuned. Where the stores lie is given to [`crate::start`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Folder of the tasks' state, for one process alone; absent = `feature-materializer` in the
    /// data folder. The all-in-one keeps it in the stream's folder.
    pub state: Option<PathBuf>,
    /// Records taken from the log at once.
    pub batch: usize,
    /// Milliseconds between commits of a task's state.
    pub checkpoint_ms: u64,
    /// Records after which a task's state is committed in any case.
    pub checkpoint_records: u64,
    /// Seconds between two snapshots of a task's state, where there is a place for them
    /// (`[checkpoint_store]`).
    pub snapshot_seconds: u64,
    /// Rows after which a file of history is written.
    pub history_rows: usize,
    /// Seconds after which a file of history is written, if there is a row for it.
    pub history_seconds: u64,
    /// Milliseconds of silence at the end of the log after which a file of history is written.
    pub history_idle_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            state: None,
            batch: 4096,
            checkpoint_ms: 1000,
            snapshot_seconds: 30,
            checkpoint_records: 50_000,
            history_rows: 20_000,
            history_seconds: 60,
            history_idle_ms: 1000,
        }
    }
}
