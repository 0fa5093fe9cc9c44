//! Where the commands that look at a running house find its settings and its log.

use std::path::PathBuf;

use clap::Args;
use weir_eventlog::EventLog;

use crate::{
    progress::Failure,
    settings::{self, Settings},
};

// Told behind what a command has of its own.
#[derive(Debug, Clone, Args)]
pub(crate) struct SiteArguments {
    /// Settings; absent = WEIR_CONFIG of the environment, else weir.toml in the data folder.
    #[arg(long, value_name = "FILE", global = true, display_order = 100)]
    config: Option<PathBuf>,
    /// Folder for all state.
    #[arg(
        long,
        value_name = "DIR",
        default_value = "weir-data",
        global = true,
        display_order = 101
    )]
    data: PathBuf,
}

impl SiteArguments {
    pub(crate) fn config(&self) -> Option<&std::path::Path> {
        self.config.as_deref()
    }

    pub(crate) fn data(&self) -> &std::path::Path {
        &self.data
    }

    pub(crate) fn settings(&self) -> Result<Settings, Failure> {
        settings::load(self.config(), &self.data)
    }
}

/// The Kafka of the settings; where they name none, the embedded broker of a `weir` that runs on
/// this machine at its usual address.
pub(crate) fn log(settings: &Settings) -> Result<EventLog, Failure> {
    let config = settings.kafka().cloned().unwrap_or_default();
    EventLog::kafka(config).map_err(Failure::unusable)
}
