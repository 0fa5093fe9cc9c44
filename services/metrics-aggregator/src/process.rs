//! The aggregator as a process of its own: its tables, its engines, its supervisor.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;
use weir_eventlog::{EventLog, LogConfig, schema};
use weir_events::topics::{BGP_MESSAGES, BGP_UPDATES, WINDOW_RESULTS};
use weir_lifecycle::{
    NotStarted, Part, causes,
    config::Layers,
    program::{Program, Service, Site},
};
use weir_metric_store::MetricStore;
use weir_objects::Objects;

use crate::{Config, Parts, Running, start};

/// The binary.
pub const PROGRAM: Program = Program {
    name: "weir-metrics-aggregator",
    about: "Counts what happens per minute, over event time, per peer and per origin.",
    settings: "\
  [kafka]              bootstrap_servers = \"kafka:9092\"; make the topics with `weir topics apply`
  [metric_store]       url = \"cql://scylla:9042/weir\", username, password_file
  [checkpoint_store]   url = \"s3://bucket/state\": lets another machine take a partition over
  [metrics_aggregator] checkpoint_ms, allowed_lateness_seconds, emit_seconds, state (a folder)
  [stream] [admin] [telemetry]  id, data (a folder); listen; log_format, log_filter",
    admin_port: 9104,
};

/// Its tables.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Tables {
    kafka: LogConfig,
    schema_registry: schema::Config,
    metric_store: weir_metric_store::Config,
    checkpoint_store: weir_objects::Config,
    metrics_aggregator: Config,
}

/// The aggregator with the settings of its process.
pub struct Process(Tables);

impl Service for Process {
    type Part = Running;

    fn read(layers: &Layers) -> Result<Self, String> {
        let mut tables: Tables = layers.get().map_err(|error| causes(&error))?;
        tables.kafka = tables
            .kafka
            .with_environment(layers.names("kafka"))
            .map_err(|error| causes(&error))?;
        tables.checkpoint_store = tables
            .checkpoint_store
            .with_environment(layers.names("checkpoint_store"));
        Ok(Self(tables))
    }

    fn is_enabled(&self) -> bool {
        self.0.kafka.enabled
    }

    fn state(&self, data: &Path) -> Option<(PathBuf, &'static str)> {
        let own = self.0.metrics_aggregator.state.clone();
        let folder = own.unwrap_or_else(|| data.join("metrics-aggregator"));
        Some((folder, "[metrics_aggregator] state"))
    }

    fn start(&self, site: &Site) -> Result<Running, NotStarted> {
        let Self(tables) = self;
        let data = &site.stream.data;
        let topics = [BGP_MESSAGES, BGP_UPDATES, WINDOW_RESULTS];
        let log = EventLog::open(&tables.kafka, &tables.schema_registry, &topics)
            .map_err(|error| NotStarted::of(&error, error.may_start_later()))?;
        let copies = Objects::prepare_if_set(&tables.checkpoint_store)
            .map_err(|error| NotStarted::of(&error, error.is_transient()))?;
        let (state, _) = self.state(data).unwrap_or_default();
        let parts = Parts {
            log,
            store: MetricStore::connect(&tables.metric_store.or_in(data))
                .map_err(|error| NotStarted::of(&error, error.is_transient()))?,
            state,
            copies,
            stream: site.stream.id.clone(),
            synthetic: site.stream.synthetic,
            instance: site.stream.instance(),
            health: site.health.clone(),
        };
        start(&tables.metrics_aggregator, parts)
            .map_err(|error| NotStarted::of(&error, error.may_start_later()))
    }
}

impl Part for Running {
    fn failure(&self) -> Option<String> {
        self.failure()
    }

    fn waiting(&self) -> Option<String> {
        self.waiting()
    }

    fn stop(self, deadline: Duration) -> Result<(), String> {
        self.stop(deadline).map_err(|error| causes(&error))
    }
}
