//! Settings of all services in one file, `weir.toml` in the data folder, with `WEIR__SERVICE__KEY`
//! of the environment on top.

use std::path::Path;

use serde::Deserialize;
use weir_lifecycle::config;

use crate::progress::Failure;

/// One table per service; unknown keys are refused.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) ingest: weir_ingest::Config,
    pub(crate) conflict_detector: weir_conflict_detector::Config,
    pub(crate) feature_materializer: weir_feature_materializer::Config,
    pub(crate) metrics_aggregator: weir_metrics_aggregator::Config,
    pub(crate) serving_api: weir_serving_api::Config,
}

/// Reads them; a missing file means the defaults.
pub(crate) fn load(data: &Path) -> Result<Settings, Failure> {
    let file = data.join("weir.toml");
    config::load(file.exists().then_some(file.as_path())).map_err(Failure::unusable)
}
