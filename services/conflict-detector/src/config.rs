//! Settings of the conflict detector.

use std::{fs, io, path::PathBuf};

use serde::Deserialize;
use weir_conflicts::Thresholds;
use weir_routing::{Bogons, bogons::BogonsError};

use crate::updates;

/// What may be set. Unknown keys are refused.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Folder of the checkpoints, for one process alone; absent = `conflict-detector` in the data
    /// folder. The all-in-one keeps them in the stream's folder.
    pub state: Option<PathBuf>,
    /// When a finding becomes an incident, and when an incident is confirmed or ends.
    pub thresholds: Thresholds,
    /// File with one bogon prefix, ASN or range of ASNs per line, which holds whatever ingest brings; absent = what
    /// ingest brings, until then the list of the stream.
    pub bogons: Option<PathBuf>,
    /// Seconds between two checkpoints.
    pub checkpoint_seconds: u64,
    /// Records applied between two looks at the checkpoint.
    pub batch: usize,
    /// Consumers in this process; each is a member of the group of its own.
    pub instances: usize,
    /// Which updates are kept in the record store.
    pub updates: updates::Config,
}

/// What is wrong with a setting.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The list of bogons cannot be read.
    #[error("cannot read the list of bogons {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line of the list is no entry.
    #[error("the list of bogons {path}")]
    Bogons {
        /// The file.
        path: PathBuf,
        /// Which line, and what was expected.
        source: BogonsError,
    },
    /// A watched prefix is none.
    #[error("updates.watched: \"{text}\" is no prefix; write address/length")]
    Watched {
        /// What was written.
        text: String,
    },
}

impl Default for Config {
    fn default() -> Self {
        Self {
            state: None,
            thresholds: Thresholds::default(),
            bogons: None,
            checkpoint_seconds: 15,
            batch: 1_000,
            instances: 1,
            updates: updates::Config::default(),
        }
    }
}

impl Config {
    /// The list that is named, else `otherwise`.
    pub(crate) fn bogons(&self, otherwise: Bogons) -> Result<Bogons, ConfigError> {
        let Some(path) = &self.bogons else {
            return Ok(otherwise);
        };
        let text = fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
            path: path.clone(),
            source,
        })?;
        Bogons::parse(&text).map_err(|source| ConfigError::Bogons {
            path: path.clone(),
            source,
        })
    }
}
