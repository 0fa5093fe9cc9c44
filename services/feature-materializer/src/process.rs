//! The materializer as a process of its own: its tables, its engines, its supervisor.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;
use weir_eventlog::{EventLog, LogConfig, schema};
use weir_events::topics::{BGP_MESSAGES, FEATURE_ROWS};
use weir_lifecycle::{
    NotStarted, Part, causes,
    config::Layers,
    program::{Program, Service, Site},
};
use weir_objects::Objects;
use weir_offline_store::OfflineStore;
use weir_online_store::OnlineStore;

use crate::{Config, Place, Running, start};

/// The binary.
pub const PROGRAM: Program = Program {
    name: "weir-feature-materializer",
    about: "Keeps the features of BGP sessions fresh in the online store, and their history whole.",
    settings: "\
  [kafka]                bootstrap_servers = \"kafka:9092\"; make the topics with `weir topics apply`
  [online_store]         url = \"redis://cache:6379/0\", password_file = \"/run/secrets/redis\"
  [offline_store]        url = \"s3://bucket/history\", endpoint, access_key_id, secret_access_key_file
  [checkpoint_store]     url = \"s3://bucket/state\": lets another machine take a partition over
  [feature_materializer] batch, checkpoint_ms, history_rows, history_seconds, state (a folder)
  [stream] [admin] [telemetry]  id, data (a folder); listen; log_format, log_filter",
    admin_port: 9103,
};

/// Its tables.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Tables {
    kafka: LogConfig,
    schema_registry: schema::Config,
    online_store: weir_online_store::Config,
    offline_store: weir_objects::Config,
    checkpoint_store: weir_objects::Config,
    feature_materializer: Config,
}

/// The materializer with the settings of its process.
pub struct Process(Tables);

impl Service for Process {
    type Part = Running;

    fn read(layers: &Layers) -> Result<Self, String> {
        let mut tables: Tables = layers.get().map_err(|error| causes(&error))?;
        tables.kafka = tables
            .kafka
            .with_environment(layers.names("kafka"))
            .map_err(|error| causes(&error))?;
        tables.online_store = tables
            .online_store
            .with_environment(layers.names("online_store"))
            .map_err(|error| causes(&error))?;
        tables.offline_store = tables
            .offline_store
            .with_environment(layers.names("offline_store"));
        tables.checkpoint_store = tables
            .checkpoint_store
            .with_environment(layers.names("checkpoint_store"));
        Ok(Self(tables))
    }

    fn is_enabled(&self) -> bool {
        self.0.kafka.enabled
    }

    fn state(&self, data: &Path) -> Option<(PathBuf, &'static str)> {
        let own = self.0.feature_materializer.state.clone();
        let folder = own.unwrap_or_else(|| data.join("feature-materializer"));
        Some((folder, "[feature_materializer] state"))
    }

    fn start(&self, site: &Site) -> Result<Running, NotStarted> {
        let Self(tables) = self;
        let data = &site.stream.data;
        let topics = [BGP_MESSAGES, FEATURE_ROWS];
        let log = EventLog::open(&tables.kafka, &tables.schema_registry, &topics)
            .map_err(|error| NotStarted::of(&error, error.may_start_later()))?;
        let copies = Objects::prepare_if_set(&tables.checkpoint_store)
            .map_err(|error| NotStarted::of(&error, error.is_transient()))?;
        let (state, _) = self.state(data).unwrap_or_default();
        let place = Place {
            state,
            online: OnlineStore::connect(&tables.online_store.or_in(data))
                .map_err(|error| NotStarted::of(&error, error.is_transient()))?,
            history: OfflineStore::connect(&tables.offline_store.or_in(&data.join("history")))
                .map_err(|error| NotStarted::of(&error, error.is_transient()))?,
            instance: site.stream.instance(),
            stream: site.stream.id.clone(),
            synthetic: site.stream.synthetic,
            copies,
            health: site.health.clone(),
        };
        start(&tables.feature_materializer, &log, place)
            .map_err(|error| NotStarted::of(&error.0, error.0.may_start_later()))
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
