//! `weir replay --rules`: what is tried, and that it stays away from what runs.

use std::path::Path;

use serde::{Deserialize, Serialize};
use weir_conflict_detector::{Change, Trial};

use crate::{
    progress::{Failure, say},
    settings::Settings,
};

/// Rules that were tried, as the summary tells it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tried {
    /// The file.
    pub(crate) file: String,
    /// What differs from the settings that hold without it.
    pub(crate) changed: Vec<Change>,
    /// All that incidents are judged by: part of what the stream is.
    #[serde(skip)]
    pub(crate) judged_by: String,
}

/// Lays the rules in `file` over the settings.
pub(crate) fn lay(file: &Path, settings: &mut Settings) -> Result<Tried, Failure> {
    refuse_engines(settings)?;
    let trial = Trial::read(&settings.conflict_detector, file).map_err(Failure::unusable)?;
    settings.conflict_detector = trial.config;
    let file = file.display().to_string();
    for Change { key, old, new } in &trial.changes {
        say(&format!("{file}: {key} {old} -> {new}"));
    }
    if trial.changes.is_empty() {
        say(&format!("{file}: nothing differs from the settings"));
    }
    Ok(Tried {
        file,
        changed: trial.changes,
        judged_by: trial.judged_by,
    })
}

/// All that incidents are judged by, where that is not what is built in.
pub(crate) fn of_settings(settings: &Settings) -> Result<Option<String>, Failure> {
    let judged_by = |config| weir_conflict_detector::judged_by(config).map_err(Failure::unusable);
    let own = judged_by(&settings.conflict_detector)?;
    let built_in = judged_by(&weir_conflict_detector::Config::default())?;
    Ok((own != built_in).then_some(own))
}

/// What is only tried must not stand among what was found: a trial has a log and stores of its own.
fn refuse_engines(settings: &Settings) -> Result<(), Failure> {
    let servers = settings
        .kafka()
        .map_or("", |kafka| &kafka.bootstrap_servers);
    let named: Vec<&str> = [
        ("[kafka] bootstrap_servers", servers),
        ("[record_store] url", &settings.record_store.url),
        ("[online_store] url", &settings.online_store.url),
        ("[metric_store] url", &settings.metric_store.url),
        ("[offline_store] url", &settings.offline_store.url),
        ("[checkpoint_store] url", &settings.checkpoint_store.url),
    ]
    .into_iter()
    .filter_map(|(key, url)| (!url.is_empty()).then_some(key))
    .collect();
    if named.is_empty() {
        return Ok(());
    }
    Err(Failure::Unusable(format!(
        "--rules tries thresholds in a folder of its own, but the settings name engines of a deployment: {}. \
         Give --config a file without them (a copy of its [conflict_detector] is enough), and unset the \
         variables that name them",
        named.join(", ")
    )))
}
