//! Settings of all services in one file, `weir.toml` in the data folder or the one that is named,
//! with the environment on top (`weir_lifecycle::config` has the rule).
//!
//! What names no engine is embedded: no `[kafka] bootstrap_servers` means the broker in this
//! process, a store without `url` is a file in the stream's folder.

use std::path::Path;

use serde::Deserialize;
use weir_eventlog::{LogConfig, schema};
use weir_lifecycle::{
    admin,
    config::{self, Layers},
    stream, telemetry,
    tokens::Auth,
};

use crate::progress::Failure;

/// One table per service and per engine; unknown keys are refused.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) stream: stream::Config,
    pub(crate) telemetry: telemetry::Config,
    pub(crate) admin: admin::Config,
    kafka: LogConfig,
    /// True when the settings name a broker.
    #[serde(skip)]
    has_kafka: bool,
    pub(crate) schema_registry: schema::Config,
    pub(crate) record_store: weir_record_store::Config,
    pub(crate) online_store: weir_online_store::Config,
    pub(crate) metric_store: weir_metric_store::Config,
    pub(crate) offline_store: weir_objects::Config,
    pub(crate) checkpoint_store: weir_objects::Config,
    pub(crate) ingest: weir_ingest::Config,
    pub(crate) conflict_detector: weir_conflict_detector::Config,
    pub(crate) feature_materializer: weir_feature_materializer::Config,
    pub(crate) metrics_aggregator: weir_metrics_aggregator::Config,
    pub(crate) serving_api: weir_serving_api::Config,
    pub(crate) lookups: Auth,
}

impl Settings {
    /// The Kafka that the settings name; `None` = the broker in this process.
    pub(crate) fn kafka(&self) -> Option<&LogConfig> {
        self.has_kafka.then_some(&self.kafka)
    }

    /// The table `[kafka]`, whether or not it names a broker.
    pub(crate) fn kafka_table(&self) -> &LogConfig {
        &self.kafka
    }

    /// From file and environment.
    fn of(layers: &Layers) -> Result<Self, Failure> {
        let mut settings: Self = layers.get().map_err(Failure::unusable)?;
        let named = layers.names("kafka");
        settings.has_kafka = layers.has("kafka.bootstrap_servers")
            || named
                .iter()
                .any(|(name, value)| name == "KAFKA_BOOTSTRAP_SERVERS" && !value.trim().is_empty());
        settings.kafka = settings
            .kafka
            .with_environment(named)
            .map_err(Failure::unusable)?;
        settings.telemetry = settings
            .telemetry
            .with_environment(layers.names("telemetry"));
        settings.record_store = settings
            .record_store
            .with_environment(layers.names("record_store"))
            .map_err(Failure::unusable)?;
        settings.online_store = settings
            .online_store
            .with_environment(layers.names("online_store"))
            .map_err(Failure::unusable)?;
        settings.offline_store = settings
            .offline_store
            .with_environment(layers.names("offline_store"));
        settings.checkpoint_store = settings
            .checkpoint_store
            .with_environment(layers.names("checkpoint_store"));
        Ok(settings)
    }
}

/// Reads them: the file that `flag` or `WEIR_CONFIG` names, else `weir.toml` in `data` if it is
/// there, with the environment on top.
pub(crate) fn load(flag: Option<&Path>, data: &Path) -> Result<Settings, Failure> {
    let file = config::file(flag, &data.join("weir.toml"));
    let layers = Layers::read(file.as_deref(), config::environment()).map_err(Failure::unusable)?;
    Settings::of(&layers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(environment: &[(&str, &str)]) -> Settings {
        let environment = environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Settings::of(&Layers::read(None, environment).unwrap()).unwrap()
    }

    #[test]
    fn what_names_no_engine_is_embedded() {
        let bare = settings(&[("KAFKA_CLIENT_ID", "a")]);
        assert!(bare.kafka().is_none());
        assert_eq!(bare.record_store.url, "");
        assert_eq!(bare.online_store.url, "");
    }

    #[test]
    fn our_names_stand_above_those_of_the_documents() {
        let both = settings(&[
            ("KAFKA_BOOTSTRAP_SERVERS", "below:9092"),
            ("WEIR__KAFKA__BOOTSTRAP_SERVERS", "above:9092"),
            ("KAFKA_TOPICS", "routes, pings "),
            ("REDIS_HOST", "cache"),
            ("DB_POOL_SIZE", "25"),
        ]);
        let kafka = both.kafka().unwrap();
        assert_eq!(kafka.bootstrap_servers, "above:9092");
        assert_eq!(kafka.topics, ["routes", "pings"]);
        assert_eq!(both.online_store.url, "redis://cache:6379/0");
        assert_eq!(both.record_store.pool_size, 25);
    }
}
