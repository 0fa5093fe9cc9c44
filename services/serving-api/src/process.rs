//! The serving side as a process of its own: its tables, its engines, its supervisor.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;
use weir_eventlog::{EventLog, LogConfig, admin, schema};
use weir_events::topics::{BGP_CONFLICTS, BGP_MESSAGES, SERVICE_STATUS};
use weir_features::declared;
use weir_lifecycle::{
    NotStarted, Part, causes,
    config::Layers,
    probe::Probe,
    program::{Program, Service, Site},
    tokens::Auth,
};
use weir_lookups::Client;
use weir_metric_store::MetricStore;
use weir_online_store::OnlineStore;
use weir_record_store::BlockingRecordStore;

use crate::{Config, Running, StartError, Stores, run, start};

/// The binary.
pub const PROGRAM: Program = Program {
    name: "weir-serving-api",
    about: "Serves incidents, features and windows: REST, gRPC, live events and a page.",
    settings: "\
  [kafka]         bootstrap_servers = \"kafka:9092\": live events and the stream of RIS Live
  [record_store]  url = \"postgres://weir@db:5432/weir\", password_file = \"/run/secrets/db\"
  [online_store]  url = \"redis://cache:6379/0\", password_file
  [metric_store]  url = \"cql://scylla:9042/weir\", username, password_file
  [serving_api]   listen = \"127.0.0.1:8080\", grpc, auth.token_file (needed off loopback), watch (a list)
  [lookups]       token or token_file: what detectors off loopback want to see
  [stream] [admin] [telemetry]  id, data (a folder); listen; log_format, log_filter",
    admin_port: 9105,
};

/// Its tables.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Tables {
    kafka: LogConfig,
    record_store: weir_record_store::Config,
    online_store: weir_online_store::Config,
    metric_store: weir_metric_store::Config,
    serving_api: Config,
    lookups: Auth,
}

/// The serving side with the settings of its process.
pub struct Process {
    tables: Tables,
    /// Asks detectors.
    lookups: Client,
}

/// At work, and whether its engines answer.
pub struct AtWork {
    running: Running,
    /// Keeps the pool of the records alive.
    _records: BlockingRecordStore,
    _probes: Vec<Probe>,
}

impl Service for Process {
    type Part = AtWork;

    fn read(layers: &Layers) -> Result<Self, String> {
        let mut tables: Tables = layers.get().map_err(|error| causes(&error))?;
        tables.kafka = tables
            .kafka
            .with_environment(layers.names("kafka"))
            .map_err(|error| causes(&error))?;
        tables.record_store = tables
            .record_store
            .with_environment(layers.names("record_store"))
            .map_err(|error| causes(&error))?;
        tables.online_store = tables
            .online_store
            .with_environment(layers.names("online_store"))
            .map_err(|error| causes(&error))?;
        run::check(&tables.serving_api).map_err(|error| causes(&error))?;
        let lookups = client(&tables.lookups).map_err(|error| format!("[lookups]: {error}"))?;
        Ok(Self { tables, lookups })
    }

    fn is_enabled(&self) -> bool {
        self.tables.kafka.enabled
    }

    fn state(&self, _: &Path) -> Option<(PathBuf, &'static str)> {
        None
    }

    fn start(&self, site: &Site) -> Result<AtWork, NotStarted> {
        let tables = &self.tables;
        let data = &site.stream.data;
        let topics = [BGP_CONFLICTS, SERVICE_STATUS, BGP_MESSAGES];
        // It writes nothing, so it needs no frames.
        let log = EventLog::open(&tables.kafka, &schema::Config::default(), &topics)
            .map_err(|error| NotStarted::of(&error, error.may_start_later()))?;
        let records = BlockingRecordStore::connect(&tables.record_store.or_in(data))
            .map_err(|error| NotStarted::of(&error, error.is_transient()))?;
        let online = OnlineStore::connect(&tables.online_store.or_in(data))
            .map_err(|error| NotStarted::of(&error, error.is_transient()))?;
        let metrics = MetricStore::connect(&tables.metric_store.or_in(data))
            .map_err(|error| NotStarted::of(&error, error.is_transient()))?;
        let stores = Stores {
            records: records.store().clone(),
            online: online.clone(),
            metrics: metrics.clone(),
            views: declared::all(),
            lookups: self.lookups.clone(),
        };
        let running = start(
            &tables.serving_api,
            &log,
            stores,
            &site.health,
            &site.telemetry,
        )
        .map_err(|error| match error {
            StartError::Live(error) => NotStarted::of(&error, error.may_start_later()),
            other => NotStarted::of(&other, false),
        })?;
        let asked = records.clone();
        let probes = [
            Probe::start(site.health.register("kafka"), move || {
                let ends = admin::end_offsets(&log, &BGP_CONFLICTS);
                ends.map(drop).map_err(|error| causes(&error))
            }),
            Probe::start(site.health.register("record-store"), move || {
                asked.position(0).map(drop).map_err(|error| causes(&error))
            }),
            Probe::start(site.health.register("online-store"), move || {
                online.position(0).map(drop).map_err(|error| causes(&error))
            }),
            Probe::start(site.health.register("metric-store"), move || {
                metrics
                    .position(0)
                    .map(drop)
                    .map_err(|error| causes(&error))
            }),
        ];
        Ok(AtWork {
            running,
            _records: records,
            _probes: probes
                .into_iter()
                .collect::<Result<_, _>>()
                .map_err(|error| NotStarted::of(&error, false))?,
        })
    }
}

/// Shows the first token of `[lookups]`.
fn client(lookups: &Auth) -> Result<Client, String> {
    let tokens = lookups.tokens().map_err(|error| causes(&error))?;
    Client::new(tokens.first()).map_err(|error| error.to_string())
}

impl Part for AtWork {
    fn failure(&self) -> Option<String> {
        self.running.failure()
    }

    fn waiting(&self) -> Option<String> {
        None
    }

    fn stop(self, deadline: Duration) -> Result<(), String> {
        self.running.stop(deadline).map_err(|error| causes(&error))
    }
}
